//! How typed words are read: as they are, as the beginning of others, or as what was meant. No I/O here: an engine says what
//! its index has.

use api::Correction;

/// A beginning stands for this many of the most frequent words that have it.
pub(crate) const MAX_COMPLETIONS: u8 = 20;

/// Words of the index that one typed word stands for; any of them will do.
pub(crate) type Alternatives = Vec<String>;

/// Whether a product needs all that was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    All,
    Any,
}

/// What the index has of one typed word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Whether a product has it.
    pub(crate) found: bool,
    /// Words that begin with it, the most frequent first.
    ///
    /// Only the last word may not be typed to its end. It is taken for a beginning unless products are called so: who types
    /// "pen" wants pens and no pendant lights.
    pub(crate) completions: Vec<String>,
    /// What was meant by it, if it stands for nothing else.
    pub(crate) meant: Option<String>,
}

/// What to look for, and how that differs from what was typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// One for each typed word that stands for anything.
    pub(crate) terms: Vec<Alternatives>,
    pub(crate) corrections: Vec<Correction>,
    /// Whether every typed word stands for something. No product has all of them otherwise.
    pub(crate) complete: bool,
}

impl Reading {
    /// Reads words with what the index has of each.
    pub(crate) fn of(words: impl IntoIterator<Item = (String, Known)>) -> Self {
        let mut reading = Self {
            complete: true,
            ..Self::default()
        };
        for (word, known) in words {
            let mut term = Alternatives::new();
            if known.found {
                term.push(word.clone());
            }
            term.extend(known.completions);
            if term.is_empty()
                && let Some(read) = known.meant
            {
                term.push(read.clone());
                reading.corrections.push(Correction { typed: word, read });
            }
            if term.is_empty() {
                reading.complete = false;
            } else {
                reading.terms.push(term);
            }
        }
        reading
    }

    /// What a product needs unless no product has all.
    pub(crate) fn need(&self) -> Need {
        if self.complete { Need::All } else { Need::Any }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(found: bool, completions: &[&str], meant: Option<&str>) -> Known {
        Known {
            found,
            completions: completions.iter().map(|&it| it.to_owned()).collect(),
            meant: meant.map(str::to_owned),
        }
    }

    #[test]
    fn a_word_stands_for_itself_and_what_it_begins_and_for_what_was_meant_only_if_for_nothing_else()
    {
        let reading = Reading::of([
            ("blue".into(), known(true, &[], None)),
            ("coffe".into(), known(false, &[], Some("coffee"))),
            ("mu".into(), known(false, &["mug", "mugs"], Some("mud"))),
        ]);
        assert_eq!(
            reading.terms,
            [vec!["blue"], vec!["coffee"], vec!["mug", "mugs"]]
        );
        let correction = Correction {
            typed: "coffe".into(),
            read: "coffee".into(),
        };
        assert_eq!(reading.corrections, [correction]);
        assert_eq!(reading.need(), Need::All);
    }

    #[test]
    fn where_a_word_stands_for_nothing_any_of_the_others_will_do() {
        let reading = Reading::of([
            ("xylophone".into(), Known::default()),
            ("mug".into(), known(true, &[], None)),
        ]);
        assert_eq!((reading.terms.len(), reading.need()), (1, Need::Any));
    }
}

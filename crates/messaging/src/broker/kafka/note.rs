//! What a replica leaves to whoever reads on where it stopped: the text that Kafka keeps beside a committed offset.
//!
//! Everything before that offset is done. Beyond it some deliveries may be done already, because several are processed at
//! once; and some were begun, by somebody who may not live to tell. `t0=1,7=2 d2-5,9-9` says that, counted from the
//! committed offset, 2 to 5 and 9 are done, 0 was begun once and 7 twice.

use std::{collections::BTreeMap, fmt::Write as _};

/// Servers refuse longer ones (`offset.metadata.max.bytes` is 4,096).
const MAX_BYTES: usize = 4_000;

/// What is known beyond a committed offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// First and last offset of what is done, ascending.
    pub(super) done: Vec<(i64, i64)>,
    /// How often each was begun.
    pub(super) begun: BTreeMap<i64, i64>,
}

impl Note {
    pub(super) fn is_done(&self, offset: i64) -> bool {
        self.done
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&offset))
    }

    /// How many are done of those before `end`.
    pub(super) fn done_before(&self, end: i64) -> i64 {
        let count = |(first, last): &(i64, i64)| ((*last).min(end - 1) - first + 1).max(0);
        self.done.iter().map(count).sum()
    }

    /// The text to commit with `offset`. What does not fit is left out: it is processed again, and the inbox knows it.
    pub(super) fn write(&self, offset: i64) -> String {
        let mut text = String::new();
        let begun = self.begun.iter().map(|it| (it.0 - offset, *it.1));
        write_list(&mut text, 't', '=', begun);
        let done = self.done.iter().map(|it| (it.0 - offset, it.1 - offset));
        write_list(&mut text, 'd', '-', done);
        text
    }

    /// Reads what was committed with `offset`. A text that is not ours says nothing.
    pub(super) fn read(text: &str, offset: i64) -> Self {
        let mut it = Self::default();
        for word in text.split(' ') {
            if let Some(list) = word.strip_prefix('t') {
                let pairs = read_list(list, '=').map(|(at, times)| (offset + at, times));
                it.begun = pairs.collect();
            } else if let Some(list) = word.strip_prefix('d') {
                let pairs = read_list(list, '-');
                let pairs = pairs.map(|(first, last)| (offset + first, offset + last));
                it.done = pairs.collect();
            }
        }
        it
    }
}

fn write_list(
    text: &mut String,
    name: char,
    between: char,
    pairs: impl Iterator<Item = (i64, i64)>,
) {
    let mut first = true;
    for (one, other) in pairs {
        let mut word = String::new();
        if first {
            word.push_str(if text.is_empty() { "" } else { " " });
            word.push(name);
        } else {
            word.push(',');
        }
        let written = write!(word, "{one}{between}{other}");
        written.expect("a string takes everything");
        if text.len() + word.len() > MAX_BYTES {
            return;
        }
        text.push_str(&word);
        first = false;
    }
}

fn read_list(list: &str, between: char) -> impl Iterator<Item = (i64, i64)> {
    let pair = move |it: &str| {
        let (one, other) = it.split_once(between)?;
        Some((one.parse().ok()?, other.parse().ok()?))
    };
    list.split(',').filter_map(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_as_it_was_written() {
        let note = Note {
            done: vec![(102, 105), (109, 109)],
            begun: BTreeMap::from([(100, 1), (107, 2)]),
        };
        assert_eq!(note.write(100), "t0=1,7=2 d2-5,9-9");
        assert_eq!(Note::read(&note.write(100), 100), note);
        assert!(note.is_done(104) && note.is_done(109) && !note.is_done(108));
        assert_eq!((note.done_before(200), note.done_before(104)), (5, 2));
        assert_eq!(Note::default().write(5), "");
        for foreign in ["", "d", "t", "hello", "d1", "{\"a\": 1}"] {
            assert_eq!(Note::read(foreign, 5), Note::default(), "{foreign}");
        }
    }

    #[test]
    fn a_long_note_leaves_out_what_does_no_harm_but_work() {
        let note = Note {
            done: (0..2_000).map(|it| (2 * it, 2 * it)).collect(),
            begun: (0..16).map(|it| (2 * it + 1, 1)).collect(),
        };
        let text = note.write(0);
        assert!(text.len() <= MAX_BYTES);
        let read = Note::read(&text, 0);
        assert_eq!(read.begun, note.begun);
        assert!(read.done.len() > 300 && note.done.starts_with(&read.done));
    }
}

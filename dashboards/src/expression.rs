//! What a query asks for: which metrics, by which labels, grouped how. A reader of just as much `PromQL` as that takes.

/// Words that are followed by a list of labels.
const GROUPING: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
/// Words between or after operands.
const WORDS: [&str; 8] = [
    "and", "or", "unless", "bool", "offset", "atan2", "inf", "nan",
];

/// A metric and the labels that its series are chosen by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Its name.
    pub metric: String,
    /// Names of labels.
    pub labels: Vec<String>,
}

/// What a query asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expression {
    /// In the order of the text.
    pub selectors: Vec<Selector>,
    /// Labels that sums and matches are by.
    pub groupings: Vec<String>,
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    /// A name, a word, or a number with a unit.
    Word(&'a str),
    /// A text in quotes.
    Text,
    Mark(char),
}

/// Reads a query.
pub fn read(expr: &str) -> Expression {
    let tokens = tokens(expr);
    let mut found = Expression::default();
    let mut at = 0;
    while at < tokens.len() {
        let Token::Word(word) = tokens[at] else {
            at += 1;
            continue;
        };
        let next = tokens.get(at + 1);
        at += 1;
        if GROUPING.contains(&word) {
            if next == Some(&Token::Mark('(')) {
                at = words_until(&tokens, at, ')', &mut found.groupings);
            }
        } else if WORDS.contains(&word.to_lowercase().as_str())
            || word.starts_with(|it: char| it.is_ascii_digit())
            || next == Some(&Token::Mark('('))
            || matches!(next, Some(Token::Word(next)) if GROUPING[..2].contains(next))
        {
            // An operator, a number, a function or an aggregation.
        } else {
            let mut labels = Vec::new();
            if next == Some(&Token::Mark('{')) {
                at = words_until(&tokens, at, '}', &mut labels);
            }
            let metric = word.to_owned();
            found.selectors.push(Selector { metric, labels });
        }
        // A range or an offset is no metric.
        if tokens.get(at) == Some(&Token::Mark('[')) {
            at = words_until(&tokens, at, ']', &mut Vec::new());
        }
    }
    found
}

/// Collects the words up to `end`; returns what comes after it.
fn words_until(tokens: &[Token<'_>], from: usize, end: char, words: &mut Vec<String>) -> usize {
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token {
            Token::Mark(it) if *it == end => return at + 1,
            Token::Word(it) => words.push((*it).to_owned()),
            Token::Text | Token::Mark(_) => {}
        }
    }
    tokens.len()
}

fn tokens(expr: &str) -> Vec<Token<'_>> {
    let in_word = |it: char| it.is_ascii_alphanumeric() || "_:.$".contains(it);
    let mut tokens = Vec::new();
    let mut rest = expr;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => {
                tokens.push(Token::Text);
                closing(rest, first)
            }
            _ if in_word(first) => {
                let end = rest.find(|it| !in_word(it)).unwrap_or(rest.len());
                tokens.push(Token::Word(&rest[..end]));
                end
            }
            _ => {
                if !first.is_whitespace() {
                    tokens.push(Token::Mark(first));
                }
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of a text in quotes, with both of them.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, it) in text.char_indices().skip(1) {
        match it {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if it == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The labels that a legend puts in, each as `{{label}}`.
pub fn labels_of(legend: &str) -> Vec<&str> {
    let parts = legend.split("{{").skip(1);
    parts
        .filter_map(|it| Some(it.split_once("}}")?.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(metric: &str, labels: &[&str]) -> Selector {
        Selector {
            metric: metric.to_owned(),
            labels: labels.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    #[test]
    fn metrics_labels_and_groupings_are_found_and_nothing_else() {
        let read = read(
            "histogram_quantile(0.99, sum by (le, service) (rate(a_bucket{x=\"y\\\"{b}\",z=~'or'}[$__rate_interval]) \
             or rate(b:c[5m] offset 1h))) / on (service) group_left (team) max without (pod) (up) > bool 2e3",
        );
        assert_eq!(
            read.selectors,
            [
                selector("a_bucket", &["x", "z"]),
                selector("b:c", &[]),
                selector("up", &[]),
            ]
        );
        assert_eq!(read.groupings, ["le", "service", "service", "team", "pod"]);
    }

    #[test]
    fn an_aggregation_may_be_grouped_at_its_end() {
        let read = read("sum(rate(a[5m])) by (b)");
        assert_eq!(read.selectors, [selector("a", &[])]);
        assert_eq!(read.groupings, ["b"]);
    }

    #[test]
    fn a_legend_names_its_labels() {
        assert_eq!(labels_of("{{a}} to {{ b }"), ["a"]);
        assert_eq!(labels_of("none"), [""; 0]);
    }
}

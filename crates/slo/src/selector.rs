//! A selector of Prometheus: a metric and what its labels must be.

use std::fmt;

use anyhow::{Context as _, bail, ensure};

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Matches,
}

/// What one label must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    label: String,
    operator: Operator,
    value: String,
}

/// `metric{label="value", other=~"a|b"}`. Quotes and backslashes in values are not understood, and so are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// The name of the metric.
    pub metric: String,
    matchers: Vec<Matcher>,
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// What is not of the form above.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let parse = || {
            let (metric, rest) = text.split_once('{').context("it has no `{`")?;
            ensure!(is_name(metric), "`{metric}` is no name of a metric");
            let inside = rest.strip_suffix('}').context("it does not end with `}`")?;
            let mut matchers = Vec::new();
            let mut rest = inside.trim();
            while !rest.is_empty() {
                let (matcher, after) = Matcher::read(rest)?;
                let named = |it: &Matcher| it.label == matcher.label;
                ensure!(
                    !matchers.iter().any(named),
                    "`{}` comes twice",
                    matcher.label
                );
                matchers.push(matcher);
                let after = after.trim_start();
                rest = match after.strip_prefix(',') {
                    Some(after) => after.trim_start(),
                    None if after.is_empty() => after,
                    None => bail!("expected a comma before `{after}`"),
                };
            }
            Ok(Self {
                metric: metric.to_owned(),
                matchers,
            })
        };
        parse().with_context(|| format!("read the selector `{text}`"))
    }

    /// The values that a label may have, if the selector names them.
    pub fn values(&self, label: &str) -> Option<Vec<&str>> {
        let it = self.matchers.iter().find(|it| it.label == label)?;
        Some(match it.operator {
            Operator::Equal => vec![&it.value],
            Operator::Matches => it.value.split('|').collect(),
        })
    }

    /// Names of the labels that are asked for.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.matchers.iter().map(|it| it.label.as_str())
    }

    /// This selector without what it asks of `label`.
    pub(crate) fn without(&self, label: &str) -> Self {
        let mut it = self.clone();
        it.matchers.retain(|it| it.label != label);
        it
    }

    /// This selector of another metric.
    pub(crate) fn of(&self, metric: &str) -> Self {
        Self {
            metric: metric.to_owned(),
            matchers: self.matchers.clone(),
        }
    }
}

impl Matcher {
    /// The first matcher of `text`, and what comes after it.
    fn read(text: &str) -> anyhow::Result<(Self, &str)> {
        let (label, rest) = text
            .split_once('=')
            .with_context(|| format!("`{text}` has no `=`"))?;
        ensure!(is_name(label), "`{label}` is no name of a label");
        let (operator, rest) = match rest.strip_prefix('~') {
            Some(rest) => (Operator::Matches, rest),
            None => (Operator::Equal, rest),
        };
        let quoted = rest
            .strip_prefix('"')
            .context("a value is in double quotes")?;
        let (value, rest) = quoted.split_once('"').context("a value has no end")?;
        ensure!(!value.contains('\\'), "`{value}` has a backslash");
        let it = Self {
            label: label.to_owned(),
            operator,
            value: value.to_owned(),
        };
        Ok((it, rest))
    }
}

fn is_name(text: &str) -> bool {
    let first = |it: char| it.is_ascii_alphabetic() || it == '_';
    let later = |it: char| first(it) || it.is_ascii_digit();
    text.starts_with(first) && text.chars().all(later)
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{", self.metric)?;
        for (index, it) in self.matchers.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let operator = match it.operator {
                Operator::Equal => "=",
                Operator::Matches => "=~",
            };
            write!(f, "{comma}{}{operator}\"{}\"", it.label, it.value)?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_read_and_written_as_it_was() {
        for text in [
            "up{}",
            r#"up{job="windtunnel"}"#,
            r#"requests_count{http_route=~"/products|/products/{id}", code="200"}"#,
        ] {
            assert_eq!(Selector::read(text).unwrap().to_string(), text);
        }
        let it = Selector::read(r#"requests{route=~"/a|/b/{id}",code="200"}"#).unwrap();
        assert_eq!(it.values("route"), Some(vec!["/a", "/b/{id}"]));
        assert_eq!(it.values("code"), Some(vec!["200"]));
        assert_eq!(it.values("method"), None);
    }

    #[test]
    fn what_is_no_plain_selector_is_refused() {
        for text in [
            "up",
            "up{",
            "sum(up{})",
            r#"up{job="a"}[5m]"#,
            r#"up{job!="a"}"#,
            r#"up{job="a" code="b"}"#,
            r#"up{job="a", job="b"}"#,
            r#"up{job="a\"b"}"#,
            r#"up{1job="a"}"#,
            r#"rate{a="1"} / up{b="2"}"#,
        ] {
            assert!(Selector::read(text).is_err(), "{text}");
        }
    }
}

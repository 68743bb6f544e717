//! A page of `runbooks/`, as far as a drill follows it.

use anyhow::Context as _;
use slo::{
    files,
    runbook::{self, Fence, Piece},
};

/// What a page says under its headings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// What to look at, in order.
    pub(super) diagnosis: Vec<Look>,
    /// Commands.
    pub(super) mitigation: Vec<String>,
    /// Commands that make the alert fire.
    pub(super) rehearse: Vec<String>,
}

/// One look, and what it must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) how: How,
    /// Inline code in the sentence that begins with `Shows`.
    pub(super) shows: Vec<String>,
}

/// How to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// A command for bash.
    Sh(String),
    /// A query for Prometheus.
    Query(String),
}

impl Page {
    /// The page of `alert`.
    pub(super) fn of(alert: &str) -> anyhow::Result<Self> {
        let path = files::root().join(format!("runbooks/{alert}.md"));
        Self::parse(&files::read(&path)?).with_context(|| format!("{}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut page = Self::default();
        for piece in runbook::pieces(text) {
            match piece {
                Piece::Fence(fence) => page.take(fence),
                Piece::Line { heading, text } if heading == "Diagnosis" => {
                    let Some((_, said)) = text.split_once("Shows ") else {
                        continue;
                    };
                    let look = page.diagnosis.last_mut();
                    let look = look.with_context(|| format!("nothing shows {said:?}"))?;
                    look.shows.extend(inline_code(sentence(said)));
                }
                Piece::Line { .. } => (),
            }
        }
        Ok(page)
    }

    fn take(&mut self, fence: Fence) {
        let code = fence.code;
        match (fence.heading.as_str(), fence.kind.as_str()) {
            ("Diagnosis", "sh") => self.look(How::Sh(code)),
            ("Diagnosis", "promql") => self.look(How::Query(code)),
            ("Mitigation", "sh") => self.mitigation.push(code),
            ("Rehearse", "sh") => self.rehearse.push(code),
            _ => (),
        }
    }

    fn look(&mut self, how: How) {
        self.diagnosis.push(Look {
            how,
            shows: Vec::new(),
        });
    }
}

/// Up to the first full stop outside of code.
fn sentence(text: &str) -> &str {
    let mut code = false;
    let end = text.char_indices().find(|&(at, it)| {
        code ^= it == '`';
        let last = text[at + it.len_utf8()..].chars().next();
        !code && it == '.' && last.is_none_or(char::is_whitespace)
    });
    end.map_or(text, |it| &text[..it.0])
}

fn inline_code(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_drill_follows_is_found() {
        let text = "# X\n\n## Diagnosis\n\n1. Ask:\n\n   ```promql\n   sum(up)\n     > 0\n   ```\n\n   Shows `> 0.5` and `{a=\"b.c\"}`. If `not`, go on.\n2. Look:\n\n   ```sh\n   curl x\n   ```\n\n## Mitigation\n\n```sh\nfix\n```\n\n```text\nno\n```\n\n## Rehearse\n\n```sh\nbreak\n```\n";
        let page = Page::parse(text).unwrap();
        let expected = Page {
            diagnosis: vec![
                Look {
                    how: How::Query("sum(up)\n  > 0".into()),
                    shows: vec!["> 0.5".into(), "{a=\"b.c\"}".into()],
                },
                Look {
                    how: How::Sh("curl x".into()),
                    shows: Vec::new(),
                },
            ],
            mitigation: vec!["fix".into()],
            rehearse: vec!["break".into()],
        };
        assert_eq!(page, expected);
    }
}

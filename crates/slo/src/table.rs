//! The objectives as a table for people.

use std::fmt::Write as _;

use crate::Slo;

/// What stands before and after the table in a document.
const MARKS: [&str; 2] = [
    "<!-- objectives: cargo run -p slo -- write -->\n",
    "<!-- /objectives -->\n",
];

/// A table in Markdown.
pub fn markdown(slos: &[Slo]) -> String {
    let mut text = "| objective | of 30 days | what is good |\n|---|---|---|\n".to_owned();
    for slo in slos {
        let Slo {
            name, description, ..
        } = slo;
        writeln!(text, "| `{name}` | {} | {description} |", slo.percent())
            .expect("a string takes everything");
    }
    text
}

/// `document` with the table between its marks; none if it has no marks.
pub fn put(document: &str, slos: &[Slo]) -> Option<String> {
    let [begin, end] = MARKS;
    let (before, rest) = document.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}{}{end}{after}", markdown(slos)))
}

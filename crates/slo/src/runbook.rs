//! What stands in fenced blocks of a page in `runbooks/`.

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The second-level heading above it.
    pub heading: String,
    /// What stands behind the opening fence: `promql`, `sh`.
    pub kind: String,
    /// What is inside, without its indentation.
    pub code: String,
}

/// Every fenced block of a page, in order.
pub fn fences(text: &str) -> Vec<Fence> {
    let (mut found, mut heading) = (Vec::new(), "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.trim();
        } else if let Some(kind) = line.trim_start().strip_prefix("```") {
            let indent = line.len() - line.trim_start().len();
            let inside = lines.by_ref().take_while(|it| it.trim() != "```");
            let inside: Vec<_> = inside.map(|it| it.get(indent..).unwrap_or("")).collect();
            found.push(Fence {
                heading: heading.to_owned(),
                kind: kind.trim().to_owned(),
                code: inside.join("\n"),
            });
        }
    }
    found
}

#[test]
fn blocks_are_found_with_their_heading_and_without_their_indentation() {
    let text = "## A\n\n1. x\n\n   ```promql\n   sum(\n     up)\n   ```\n\n## B\n\n```sh\ny\n```\n";
    let fence = |heading: &str, kind: &str, code: &str| Fence {
        heading: heading.into(),
        kind: kind.into(),
        code: code.into(),
    };
    let expected = [fence("A", "promql", "sum(\n  up)"), fence("B", "sh", "y")];
    assert_eq!(fences(text), expected);
}

//! What a page in `runbooks/` is made of: fenced blocks, and lines between them.

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

/// A piece of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A fenced block.
    Fence(Fence),
    /// A line that is in no block and no heading.
    Line {
        /// The second-level heading above it.
        heading: String,
        /// As it stands there.
        text: String,
    },
}

/// All pieces of a page, in order.
pub fn pieces(text: &str) -> Vec<Piece> {
    let (mut found, mut heading) = (Vec::new(), "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.trim();
        } else if let Some(kind) = line.trim_start().strip_prefix("```") {
            let indent = line.len() - line.trim_start().len();
            let inside = lines.by_ref().take_while(|it| it.trim() != "```");
            let inside: Vec<_> = inside.map(|it| it.get(indent..).unwrap_or("")).collect();
            found.push(Piece::Fence(Fence {
                heading: heading.to_owned(),
                kind: kind.trim().to_owned(),
                code: inside.join("\n"),
            }));
        } else {
            found.push(Piece::Line {
                heading: heading.to_owned(),
                text: line.to_owned(),
            });
        }
    }
    found
}

/// Every fenced block of a page, in order.
pub fn fences(text: &str) -> Vec<Fence> {
    let fence = |it| match it {
        Piece::Fence(fence) => Some(fence),
        Piece::Line { .. } => None,
    };
    pieces(text).into_iter().filter_map(fence).collect()
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

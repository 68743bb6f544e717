//! The page: one file that needs nothing else, not even a network.

use super::document::Document;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Fills the page with the run's data.
pub(super) fn page(document: &Document) -> Result<String, serde_json::Error> {
    // `</script>` in a text would end the data; JSON may write `<` as an escape.
    let data = serde_json::to_string(document)?.replace('<', "\\u003c");
    Ok(PAGE
        .replace("{{outcome}}", &document.outcome.to_string())
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replace("{{data}}", &data))
}

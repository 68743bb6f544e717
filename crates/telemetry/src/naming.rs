//! What samples and spans of HTTP are called, whichever side they are of.

use http::Method;

/// Methods are free text to a client, so only known ones become a label.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

/// What a span of HTTP is called. No method that outsiders made up names anything.
pub(crate) fn span_name(method: &'static str, route: &str) -> String {
    let method = if method == "_OTHER" { "HTTP" } else { method };
    if route.is_empty() {
        method.to_owned()
    } else {
        format!("{method} {route}")
    }
}

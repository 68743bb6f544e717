//! What the URLs of backing services have in common.

use std::path::PathBuf;

/// Splits `scheme:rest`. No parser of the standard's URLs does: embedded kinds have no authority part.
pub fn scheme(url: &str) -> (&str, &str) {
    url.split_once(':').unwrap_or((url, ""))
}

/// The path of `file:…` or `sqlite:…`, with or without the two slashes some write.
pub fn path(rest: &str) -> Option<PathBuf> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// The longest name, or beginning of names, that a URL may give our things at a server: names of topics have at most 249 bytes,
/// keys of Memcached 250, queues of `RabbitMQ` 255.
const MAX_NAME: usize = 64;

/// Whether `name`, which a URL gives as its `parameter`, can be what our things at a server are called.
///
/// # Errors
/// What names look like, where it cannot.
pub fn check_name(parameter: &str, name: &str) -> Result<(), String> {
    let fits = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!(
        "{parameter} is 1 to {MAX_NAME} of A-Z, a-z, 0-9, '.', '_' and '-'"
    ))
}

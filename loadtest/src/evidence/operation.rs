//! What requests are counted by.

/// One kind of operation with one kind of ending, such as `GET /products` and `200`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    /// `GET /products/{id}`, `GET` where no route matched, or for gRPC `package.Service/Method`.
    pub name: String,
    /// HTTP status, or gRPC status such as `OK`.
    pub status: String,
}

impl Operation {
    /// A request over HTTP; `route` is empty where none matched.
    pub fn http(method: &str, route: &str, status: impl Into<String>) -> Self {
        Self {
            name: format!("{method} {route}").trim_end().to_owned(),
            status: status.into(),
        }
    }
}

//! What requests are counted by.

/// One kind of operation with one kind of ending, such as `GET /products` and `200`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    /// `GET /products/{id}`, or for gRPC `package.Service/Method`.
    pub name: String,
    /// HTTP status, or gRPC status such as `OK`.
    pub status: String,
}

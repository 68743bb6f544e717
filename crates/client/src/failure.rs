//! What a gRPC status of an upstream means to who asked us.

use chassis::Error;
use tonic::{Code, Status};

use crate::Upstream;

impl Upstream {
    /// The error that a request gets because this upstream answered `status`.
    ///
    /// What the upstream says against the call stays the caller's to mend (401, 403, 409, 422); what it cannot do now may be
    /// tried again (503, 504); all else is a failure of ours, whose cause names the upstream.
    pub fn failed(&self, status: Status) -> Error {
        let upstream = self.name();
        let said = || format!("{upstream}: {}", status.message());
        match status.code() {
            Code::InvalidArgument | Code::OutOfRange | Code::NotFound => {
                Error::Unprocessable(said())
            }
            Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => {
                Error::Conflict(said())
            }
            Code::Unauthenticated => {
                Error::Unauthorized("an upstream asks for another bearer token")
            }
            Code::PermissionDenied => {
                Error::Forbidden("an upstream does not let this account do it")
            }
            Code::Unavailable | Code::ResourceExhausted | Code::Cancelled => {
                Error::Unavailable(upstream)
            }
            Code::DeadlineExceeded => Error::Timeout,
            Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => {
                Error::Internal(anyhow::Error::new(status).context(format!("call {upstream}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_upstreams_complaint_is_no_failure_of_ours_and_a_failure_names_the_upstream() {
        let address = "http://127.0.0.1:1".parse().unwrap();
        let catalog = Upstream::new("catalog", &address, std::time::Duration::from_secs(1));
        for (code, status, text) in [
            (Code::InvalidArgument, 422, "catalog: no such id"),
            (Code::NotFound, 422, "catalog: no such id"),
            (Code::FailedPrecondition, 409, "catalog: no such id"),
            (Code::Unauthenticated, 401, "an upstream"),
            (Code::PermissionDenied, 403, "an upstream"),
            (Code::ResourceExhausted, 503, "catalog is unavailable"),
            (Code::Unavailable, 503, "catalog is unavailable"),
            (Code::DeadlineExceeded, 504, "deadline"),
            (Code::Internal, 500, "internal error"),
            (Code::Unimplemented, 500, "internal error"),
        ] {
            let error = catalog.failed(Status::new(code, "no such id"));
            assert_eq!(error.status().as_u16(), status, "{code:?}");
            assert!(error.to_string().contains(text), "{code:?}: {error}");
            if let Error::Internal(cause) = error {
                let cause = format!("{cause:#}");
                assert!(cause.contains("call catalog") && cause.contains("no such id"));
            }
        }
    }
}

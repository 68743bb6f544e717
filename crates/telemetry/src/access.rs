//! The access line: one for every request, formatted once and handed to the writer without a detour through `tracing`.

use std::time::{Duration, SystemTime};

use crate::{
    attributes,
    context::RequestContext,
    logs::{line, write_number, write_plain, write_text},
    loss::{self, Signal},
};

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// A known method and a route template, which has been escaped already.
    Http {
        method: &'static str,
        route: &'a str,
    },
    /// `package.Service/Method`.
    Rpc {
        method: &'a str,
        status: &'static str,
    },
}

/// Writes the line of one request that ended at `end`; `error_type` is empty unless its answer was cut off.
pub(crate) fn write(
    end: SystemTime,
    context: &RequestContext,
    asked: Asked<'_>,
    http_status: u16,
    error_type: &str,
    duration: Duration,
) {
    if loss::strikes(Signal::Logs) {
        return;
    }
    let failed = match asked {
        Asked::Http { .. } => http_status >= 500,
        Asked::Rpc { status, .. } => crate::rpc::is_server_error(status),
    };
    let level = if failed { "error" } else { "info" };
    line(end, level, Some(context), |line| {
        line.extend_from_slice(b",\"message\":\"request served\",\"event.dataset\":\"access\"");
        match asked {
            Asked::Http { method, route } => {
                write_plain(line, attributes::HTTP_REQUEST_METHOD, method);
                write_plain(line, attributes::HTTP_ROUTE, route);
            }
            Asked::Rpc { method, status } => {
                write_text(line, attributes::RPC_METHOD, method);
                write_plain(line, attributes::RPC_RESPONSE_STATUS_CODE, status);
            }
        }
        write_number(line, attributes::HTTP_RESPONSE_STATUS_CODE, http_status);
        if !error_type.is_empty() {
            write_plain(line, attributes::ERROR_TYPE, error_type);
        }
        write_number(line, "event.duration", duration.as_nanos());
    });
}

//! The access line: one for every request, formatted once and handed to the writer without a detour through `tracing`.

use std::time::{Duration, SystemTime};

use crate::{
    context::RequestContext,
    fields,
    logs::{line, write_number, write_plain, write_text},
    loss::{self, Signal},
    rpc,
};

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// A known method and a route template, empty where none matched.
    Http {
        method: &'static str,
        route: &'a str,
    },
    /// `package.Service/Method`.
    Rpc {
        method: &'static str,
        status: &'static str,
    },
}

impl Asked<'_> {
    /// Whether the server failed. Whoever gives an answer up is its client, and no failure.
    pub(crate) fn failed(self, http_status: u16) -> bool {
        match self {
            Self::Http { .. } => http_status >= 500,
            Self::Rpc { status, .. } => rpc::is_server_error(status),
        }
    }
}

/// Writes the line of one request that ended at `end`; `error_type` is empty unless the server failed or its answer was cut off.
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
    let (level, outcome) = if asked.failed(http_status) {
        ("error", "failure")
    } else {
        ("info", "success")
    };
    line(end, level, Some(context), |line| {
        line.extend_from_slice(b",\"message\":\"request served\",\"event.dataset\":\"access\"");
        match asked {
            Asked::Http { method, route } => {
                write_plain(line, fields::HTTP_REQUEST_METHOD, method);
                if !route.is_empty() {
                    write_text(line, fields::HTTP_ROUTE, route);
                }
            }
            Asked::Rpc { method, status } => {
                write_text(line, fields::RPC_METHOD, method);
                write_plain(line, fields::RPC_RESPONSE_STATUS_CODE, status);
            }
        }
        write_number(line, fields::HTTP_RESPONSE_STATUS_CODE, http_status);
        write_plain(line, fields::EVENT_OUTCOME, outcome);
        if !error_type.is_empty() {
            write_plain(line, fields::ERROR_TYPE, error_type);
        }
        write_number(line, fields::EVENT_DURATION, duration.as_nanos());
    });
}

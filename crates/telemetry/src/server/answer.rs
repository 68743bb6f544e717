//! The body of an answer: its request is over when that is dropped. Until then nobody knows whether it can be sent.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};

use super::ServerCall;
use crate::rpc;

/// How far an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// To its end, with its status if it is in gRPC and has one.
    Whole(Option<&'static str>),
    /// To where the rest could not be had.
    Broken,
    /// To where nobody asked for the rest.
    Dropped,
}

/// A body that tells its call how it ended.
pub(super) struct Answer {
    body: Body,
    /// That in the headers: an answer in gRPC without a body has it there.
    rpc_status: Option<&'static str>,
    end: End,
    /// When that was: whoever sends the body may drop it later than its client has all of it.
    took: Option<Duration>,
    call: Option<ServerCall>,
}

impl Answer {
    pub(super) fn new(body: Body, rpc_status: Option<&'static str>, call: ServerCall) -> Self {
        Self {
            body,
            rpc_status,
            end: End::Dropped,
            took: None,
            call: Some(call),
        }
    }

    fn ends(&mut self, end: End) {
        self.end = end;
        self.took = self.call.as_ref().map(|it| it.began.elapsed());
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let trailers = frame.trailers_ref();
                // Whoever knows the length does not ask for more.
                if trailers.is_some() || this.body.is_end_stream() {
                    let status = trailers.and_then(rpc::status).or(this.rpc_status);
                    this.ends(End::Whole(status));
                }
            }
            Some(Err(_)) => this.ends(End::Broken),
            None if this.end == End::Dropped => this.ends(End::Whole(this.rpc_status)),
            None => (),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            call.ended(self.end, self.took);
        }
    }
}

//! The body of an answer on its way to the client.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use telemetry::CutOff;

use super::{connection::Connection, streams::Stream};

/// The most that is handed to hyper at once. It asks for more when there is room, which is how we know that there was.
const PIECE: usize = 16 * 1024;

/// A body that knows whether it was sent.
pub(super) struct Answer {
    /// None once it has been given back.
    body: Option<Body>,
    /// What `body` has given and hyper has not taken.
    rest: Bytes,
    /// How much hyper has taken last.
    last: usize,
    /// Whether hyper has all there is, or will have no more.
    over: bool,
    connection: Arc<Connection>,
    /// Over HTTP/2.
    stream: Option<Arc<Stream>>,
}

impl Answer {
    /// The answer to a request that came over `connection`.
    pub(super) fn new(body: Body, connection: Arc<Connection>) -> Self {
        Self {
            over: body.is_end_stream(),
            body: Some(body),
            rest: Bytes::new(),
            last: 0,
            connection,
            stream: Stream::current(),
        }
    }

    fn body(&mut self) -> &mut Body {
        self.body.as_mut().expect("it is given back last")
    }

    fn is_end(&self) -> bool {
        self.rest.is_empty() && self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    /// The next of `rest`. Over HTTP/2 the last byte comes alone: hyper waits with it until there is room for all others.
    fn piece(&mut self) -> Bytes {
        let alone = self.stream.is_some() && self.body().is_end_stream();
        let length = match self.rest.len() {
            length if length > PIECE => PIECE,
            length if length > 1 && alone => length - 1,
            length => length,
        };
        self.last = length;
        if let Some(stream) = &self.stream {
            stream.wait();
        }
        self.rest.split_to(length)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if !self.rest.is_empty() {
                let piece = self.piece();
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let frame = match ready!(Pin::new(self.body()).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let last = std::mem::take(&mut self.last);
        if let Some(stream) = &self.stream {
            stream.took(last);
        }
        let frame = ready!(self.poll(cx));
        let data = frame.as_ref().and_then(|it| it.as_ref().ok());
        self.over = !data.is_some_and(Frame::is_data) || self.is_end();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let hint = self.body.as_ref().map(HttpBody::size_hint);
        let hint = hint.unwrap_or_default();
        let mut sum = SizeHint::new();
        sum.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            sum.set_upper(upper + rest);
        }
        sum
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let body = self.body.take();
        if self.connection.stalled() || self.stream.as_ref().is_some_and(|it| it.stalled()) {
            telemetry::cut_off(body, CutOff::Stalled);
        } else if !self.over {
            telemetry::cut_off(body, CutOff::Cancelled);
        }
    }
}

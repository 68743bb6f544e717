//! One try of a call: on a live replica, within the deadline, and what is learnt from it.

use std::{net::SocketAddr, time::Duration};

use axum::http::{
    Request, Response, Uri, Version, request,
    uri::{self, PathAndQuery, Scheme},
};
use bytes::Bytes;
use chassis::{Error, deadline};
use http_body_util::Full;
use resilience::Call;
use telemetry::ClientCall;
use tokio::time::{Instant, timeout_at};

use super::Inner;
use crate::{
    fared::{Again, Fared},
    gate::Admitted,
    replicas::Place,
    retries::Sent,
    transport::{Body, Failure, MAX_ANSWER_BYTES, Transport, Whole},
};

/// How many replicas are tried when connections are refused. Nothing was sent then, so trying again is always safe.
const MAX_CONNECTS: usize = 3;

/// What all tries of a call have in common.
pub(super) struct Outgoing<'a, S> {
    pub(super) transport: &'a Transport,
    pub(super) parts: request::Parts,
    pub(super) body: Bytes,
    /// Starts what is told of each attempt.
    pub(super) start: S,
    /// The deadline of all of them together.
    pub(super) until: Instant,
}

/// Which try this is.
pub(super) struct Turn<'a> {
    /// How often the call was sent before.
    pub(super) resent: u32,
    /// Who had it the last time.
    pub(super) not: Option<SocketAddr>,
    pub(super) admitted: Option<Admitted<'a>>,
}

/// A try that is over.
pub(super) struct Tried {
    pub(super) answer: Result<Response<Body>, Error>,
    pub(super) again: Again,
    /// The replica that had it.
    pub(super) by: Option<SocketAddr>,
}

impl Inner {
    /// One try, repeated on another replica only while connections are refused.
    pub(super) async fn attempt<S: Fn(&request::Parts) -> ClientCall>(
        &self,
        out: &Outgoing<'_, S>,
        turn: Turn<'_>,
    ) -> Tried {
        let name = self.server.name;
        let mut watch = Watch::new(self, turn.admitted);
        let mut sent: Option<Sent<'_>> = None;
        for connect in 0..MAX_CONNECTS {
            let mut call = (out.start)(&out.parts);
            let Some(place) = self.balancer.pick(turn.not) else {
                call.reject("no_replica");
                return failed(Error::Unavailable(name), Again::No);
            };
            if out.transport.is_wire() {
                call.replica(place.address());
            }
            if turn.resent > 0 && connect == 0 {
                call.resent(turn.resent);
                sent = self.retries.as_ref().map(|it| it.send());
            }
            let until = out.until.min(Instant::now() + self.try_timeout);
            let told = self.deadline.then_some(until);
            let request = match prepare(out, &place, &call, told) {
                Ok(request) => request,
                Err(error) => return failed(error, Again::No),
            };
            let by = Some(place.address());
            watch.at(place);
            let failure = match self.exchange(out.transport, request, until).await {
                Ok(Whole { answer, bytes }) => {
                    call.carried(out.body.len(), bytes);
                    let trailers = answer.body().trailers();
                    call.finish(answer.status(), answer.headers(), trailers);
                    let fared = Fared::of(&answer, out.parts.version == Version::HTTP_2);
                    watch.end(fared.call);
                    if let Some(sent) = sent.as_mut().filter(|_| fared.call == Call::Succeeded) {
                        sent.succeeded();
                    }
                    return Tried {
                        answer: Ok(answer),
                        again: fared.again,
                        by,
                    };
                }
                Err(Failure::Connect) => {
                    call.fail("connect");
                    watch.refused();
                    continue;
                }
                Err(failure) => failure,
            };
            let (error, again) = self.unanswered(failure, call, &mut watch, until < out.until);
            return Tried {
                answer: Err(error),
                again,
                by,
            };
        }
        watch.end(Call::Failed);
        failed(Error::Unavailable(name), Again::Soon)
    }

    /// What a try that got no answer comes to; `spare` says whether the call has time for another.
    fn unanswered(
        &self,
        failure: Failure,
        call: ClientCall,
        watch: &mut Watch<'_>,
        spare: bool,
    ) -> (Error, Again) {
        let name = self.server.name;
        match failure {
            Failure::TooLarge => {
                call.fail("too_large");
                let text = format!("{name} answered more than {MAX_ANSWER_BYTES} bytes");
                (Error::Internal(anyhow::anyhow!(text)), Again::No)
            }
            Failure::Late => {
                call.fail("timeout");
                if !spare {
                    return (Error::Timeout, Again::No);
                }
                watch.end(Call::Failed);
                (Error::Timeout, Again::Soon)
            }
            Failure::Connect => {
                call.fail("connect");
                (Error::Unavailable(name), Again::Soon)
            }
            Failure::Io(error) => {
                tracing::debug!(error, service = name, "response interrupted");
                call.fail("io");
                watch.end(Call::Failed);
                (Error::Unavailable(name), Again::Soon)
            }
        }
    }

    /// Sends `request` and reads the answer to its end, if that comes in time. Whoever no longer waits for it ends it, where calls are
    /// cancelled; else it goes on, and so does the callee.
    async fn exchange(
        &self,
        transport: &Transport,
        request: Request<Full<Bytes>>,
        until: Instant,
    ) -> Result<Whole, Failure> {
        let ended = if self.cancel {
            timeout_at(until, transport.exchange(request)).await
        } else {
            let transport = transport.clone();
            let work = tokio::spawn(async move { transport.exchange(request).await });
            let work = async {
                work.await
                    .unwrap_or_else(|it| Err(Failure::Io(it.to_string())))
            };
            timeout_at(until, work).await
        };
        ended.unwrap_or(Err(Failure::Late))
    }
}

fn failed(error: Error, again: Again) -> Tried {
    Tried {
        answer: Err(error),
        again,
        by: None,
    }
}

/// Follows a try, and tells breaker and balancer how it fared. Dropped without a word, its time was over or its caller has gone away:
/// then it has failed if it took long, and else says nothing.
struct Watch<'a> {
    inner: &'a Inner,
    admitted: Option<Admitted<'a>>,
    place: Option<Place>,
    began: Instant,
}

impl<'a> Watch<'a> {
    fn new(inner: &'a Inner, admitted: Option<Admitted<'a>>) -> Self {
        Self {
            inner,
            admitted,
            place: None,
            began: Instant::now(),
        }
    }

    /// It is sent to a replica now.
    fn at(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// That replica refused the connection.
    fn refused(&mut self) {
        if let Some(place) = self.place.take() {
            self.inner.balancer.refused(&place);
        }
    }

    /// It is over.
    fn end(&mut self, call: Call) {
        let took = self.began.elapsed();
        let call = self.judge(call, took);
        if let Some(place) = self.place.take() {
            self.inner.balancer.record(&place, call, took);
        }
        if let Some(admitted) = self.admitted.take() {
            admitted.finish(call, Instant::now().into_std());
        }
    }

    /// Whatever was answered, taking long has failed.
    fn judge(&self, call: Call, took: Duration) -> Call {
        if took >= self.inner.slow {
            Call::Failed
        } else {
            call
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.end(Call::Ignored);
    }
}

/// Addresses a try to a replica, and has it say whose it is and, where that is told, until when it may take.
fn prepare<S>(
    out: &Outgoing<'_, S>,
    place: &Place,
    call: &ClientCall,
    until: Option<Instant>,
) -> Result<Request<Full<Bytes>>, Error> {
    let mut request = Request::from_parts(out.parts.clone(), Full::new(out.body.clone()));
    *request.uri_mut() = locate(place, &out.parts.uri)?;
    call.inject(request.headers_mut());
    if let Some(until) = until {
        let grpc = out.parts.version == Version::HTTP_2;
        let left = until.saturating_duration_since(Instant::now());
        deadline::announce(request.headers_mut(), left, grpc);
    }
    Ok(request)
}

/// The same target at a replica.
fn locate(place: &Place, uri: &Uri) -> Result<Uri, Error> {
    let mut parts = uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(place.authority());
    let path = uri.path_and_query().cloned();
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).map_err(|error| Error::Internal(error.into()))
}

//! Which request is being served: what joins its metrics, lines and spans, and travels on to other services.

use std::str::FromStr as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// Header that names one request. A caller's own is kept if it is 1 to 128 letters, digits, dots, dashes or underscores.
pub const REQUEST_ID: &str = "x-request-id";

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static(REQUEST_ID);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The request that the current task works for.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The span of this service for it, built or not.
    pub span: SpanContext,
    /// Its name, the same in every service it touches.
    pub request_id: HeaderValue,
}

tokio::task_local! {
    pub(crate) static CURRENT: RequestContext;
}

/// The request that the current task works for, if any.
pub fn current() -> Option<RequestContext> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs `future` for the request of `context`: a spawned task does not inherit it.
pub async fn in_context<F: Future>(context: Option<RequestContext>, future: F) -> F::Output {
    match context {
        Some(context) => CURRENT.scope(context, future).await,
        None => future.await,
    }
}

impl RequestContext {
    /// The id as text.
    pub(crate) fn request_id(&self) -> &str {
        // Checked when it came in, or made here.
        self.request_id.to_str().unwrap_or_default()
    }
}

/// The caller's valid request id.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(&REQUEST_ID_HEADER)?;
    is_request_id(id.as_bytes()).then(|| id.clone())
}

pub(crate) fn is_request_id(id: &[u8]) -> bool {
    let known = |it: &u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'_');
    (1..=128).contains(&id.len()) && id.iter().all(known)
}

/// A request id for a request without one: the id of the span that first served it.
pub(crate) fn fresh_request_id(span: SpanId) -> HeaderValue {
    let mut text = Vec::with_capacity(16);
    write_hex(&mut text, &span.to_bytes());
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).expect("hexadecimal digits")
}

/// Puts the request id on a request or response.
pub(crate) fn set_request_id(headers: &mut HeaderMap, id: HeaderValue) {
    headers.insert(REQUEST_ID_HEADER, id);
}

/// The caller's trace (W3C Trace Context, level 2); anything invalid counts as none.
pub(crate) fn extract(headers: &HeaderMap) -> Option<SpanContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let parent = parents.next()?;
    if parents.next().is_some() {
        // Nobody knows which of them is right.
        return None;
    }
    // The list of what vendors added may be spread over several headers.
    let states = headers.get_all(TRACESTATE).iter();
    let states: Option<Vec<_>> = states.map(|it| it.to_str().ok()).collect();
    parse(parent.as_bytes(), states.map(|it| it.join(",")).as_deref())
}

/// The span that these two texts name; an invalid state is left out.
pub(crate) fn parse(traceparent: &[u8], tracestate: Option<&str>) -> Option<SpanContext> {
    let (trace, span, flags) = parse_traceparent(traceparent)?;
    let state = tracestate.and_then(trace_state);
    Some(SpanContext::new(
        trace,
        span,
        flags,
        true,
        state.unwrap_or_default(),
    ))
}

/// Reads a list of members, in which empty ones and spaces around them are allowed.
fn trace_state(text: &str) -> Option<TraceState> {
    let members = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    TraceState::from_str(&members.collect::<Vec<_>>().join(",")).ok()
}

/// Hands the trace of `span` to a callee.
pub(crate) fn inject(span: &SpanContext, headers: &mut HeaderMap) {
    let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(traceparent(span)));
    headers.insert(TRACEPARENT, value.expect("hexadecimal digits and dashes"));
    let state = span.trace_state().header();
    if let Ok(state) = HeaderValue::try_from(state)
        && !state.is_empty()
    {
        headers.insert(TRACESTATE, state);
    }
}

/// `span` as a `traceparent`.
pub(crate) fn traceparent(span: &SpanContext) -> String {
    let mut text = Vec::with_capacity(55);
    text.extend_from_slice(b"00-");
    write_hex(&mut text, &span.trace_id().to_bytes());
    text.push(b'-');
    write_hex(&mut text, &span.span_id().to_bytes());
    text.push(b'-');
    write_hex(&mut text, &[span.trace_flags().to_u8()]);
    String::from_utf8(text).expect("hexadecimal digits and dashes")
}

/// `version-traceid-parentid-flags`; a version we do not know may have more behind it.
fn parse_traceparent(text: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    let dashes = text.len() >= 55 && [2, 35, 52].iter().all(|at| text[*at] == b'-');
    if !dashes {
        return None;
    }
    let [version] = unhex::<1>(&text[..2])?;
    let whole = match version {
        0xff => false,
        0 => text.len() == 55,
        _ => text.len() == 55 || text[55] == b'-',
    };
    let trace = TraceId::from_bytes(unhex(&text[3..35])?);
    let span = SpanId::from_bytes(unhex(&text[36..52])?);
    let [flags] = unhex::<1>(&text[53..55])?;
    let valid = whole && trace != TraceId::INVALID && span != SpanId::INVALID;
    valid.then(|| (trace, span, TraceFlags::new(flags & 1)))
}

fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |it: u8| match it {
        b'0'..=b'9' => Some(it - b'0'),
        b'a'..=b'f' => Some(it - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Appends `bytes` in lower-case hexadecimal.
pub(crate) fn write_hex(text: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// A trace id that no other trace has.
pub(crate) fn new_trace_id() -> TraceId {
    TraceId::from_bytes(fastrand::u128(1..).to_be_bytes())
}

/// A span id that no other span of the trace has.
pub(crate) fn new_span_id() -> SpanId {
    SpanId::from_bytes(fastrand::u64(1..).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::try_from(value).unwrap())])
    }

    #[test]
    fn a_trace_survives_the_way_to_the_callee() {
        let mut headers = with(TRACEPARENT, PARENT);
        headers.insert(TRACESTATE, "vendor=1,other=2".try_into().unwrap());
        let span = extract(&headers).unwrap();
        assert!(span.is_sampled() && span.is_remote());
        let mut sent = HeaderMap::new();
        inject(&span, &mut sent);
        assert_eq!(sent, headers);
    }

    #[test]
    fn an_invalid_traceparent_counts_as_none() {
        let future = format!("cc{}-what-the-future-adds", &PARENT[2..]);
        assert!(extract(&with(TRACEPARENT, &future)).is_some());
        for bad in [
            "",
            &PARENT[..54],
            &format!("{PARENT}-more"),
            &format!("ff{}", &PARENT[2..]),
            &PARENT.to_uppercase(),
            &PARENT.replace("b7ad6b7169203331", "0000000000000000"),
            &PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &PARENT.replace('-', "_"),
        ] {
            assert!(extract(&with(TRACEPARENT, bad)).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_tracestate_may_come_in_several_headers_and_a_traceparent_only_in_one() {
        let mut headers = with(TRACEPARENT, PARENT);
        headers.append(TRACESTATE, "vendor=1, other=2".try_into().unwrap());
        headers.append(TRACESTATE, " , third=3".try_into().unwrap());
        let state = extract(&headers).unwrap().trace_state().header();
        assert_eq!(state, "vendor=1,other=2,third=3");
        headers.append(TRACEPARENT, PARENT.try_into().unwrap());
        assert!(extract(&headers).is_none());
    }

    #[test]
    fn a_request_id_that_could_break_a_log_is_not_taken() {
        let long = "x".repeat(129);
        for bad in ["", "a b", "a\"b", "ä", &long] {
            let headers = HeaderMap::from_iter([(
                REQUEST_ID_HEADER,
                HeaderValue::from_bytes(bad.as_bytes()).unwrap(),
            )]);
            assert_eq!(request_id(&headers), None, "{bad}");
        }
        assert!(request_id(&with(REQUEST_ID_HEADER, "Az09._-")).is_some());
    }
}

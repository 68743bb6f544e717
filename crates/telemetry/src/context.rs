//! Which request is being served: what joins its metrics, lines and spans, and travels on to other services.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId};

use crate::tracestate;

/// Header that names one request. A caller's own is kept if it is 1 to 128 letters, digits, dots, dashes or underscores.
pub const REQUEST_ID: &str = "x-request-id";

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static(REQUEST_ID);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The id of the trace is a random number (W3C Trace Context, level 2, section 3.2.2.5.2).
const RANDOM: TraceFlags = TraceFlags::new(2);

/// The request that the current task works for.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The span of this service for it, built or not.
    pub span: SpanContext,
    /// What vendors added to its trace, which goes on as it came.
    pub tracestate: Option<HeaderValue>,
    /// Its name, the same in every service it touches.
    pub request_id: HeaderValue,
}

/// A trace that somebody else began.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The span that led here.
    pub(crate) span: SpanContext,
    /// What vendors added to the trace; the span's own copy is for export only.
    pub(crate) tracestate: Option<HeaderValue>,
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

/// Whether `headers` are to say this to their receiver alone: `Connection` names it (RFC 9110, section 7.6.1).
pub fn is_hop_by_hop(headers: &HeaderMap, name: &HeaderName) -> bool {
    let lines = headers.get_all(header::CONNECTION).iter();
    let mut options = lines.flat_map(|it| it.as_bytes().split(|it| *it == b','));
    options.any(|it| {
        it.trim_ascii()
            .eq_ignore_ascii_case(name.as_str().as_bytes())
    })
}

/// The only value of a header that is handed on to others; of two, nobody knows which is right.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    (values.next().is_none() && !is_hop_by_hop(headers, name)).then_some(value)
}

/// The caller's valid request id.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = only(headers, &REQUEST_ID_HEADER)?;
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
pub(crate) fn extract(headers: &HeaderMap) -> Option<Incoming> {
    let parent = only(headers, &TRACEPARENT)?;
    let states = headers
        .get_all(TRACESTATE)
        .iter()
        .map(HeaderValue::as_bytes);
    let state = (!is_hop_by_hop(headers, &TRACESTATE)).then_some(states);
    parse(parent.as_bytes(), state.into_iter().flatten())
}

/// The trace that these texts name; an invalid state is left out.
pub(crate) fn parse<'a>(
    traceparent: &[u8],
    tracestate: impl Iterator<Item = &'a [u8]>,
) -> Option<Incoming> {
    let (trace, span, flags) = parse_traceparent(traceparent)?;
    let tracestate = tracestate::combine(tracestate);
    let for_export = tracestate::for_export(tracestate.as_ref());
    Some(Incoming {
        span: SpanContext::new(trace, span, flags, true, for_export),
        tracestate,
    })
}

/// Hands the trace of `span` to a callee.
pub(crate) fn inject(
    span: &SpanContext,
    tracestate: Option<&HeaderValue>,
    headers: &mut HeaderMap,
) {
    let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(traceparent(span)));
    headers.insert(TRACEPARENT, value.expect("hexadecimal digits and dashes"));
    if let Some(state) = tracestate {
        headers.insert(TRACESTATE, state.clone());
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
    // Flags that we do not know are not ours to hand on.
    let known = TraceFlags::SAMPLED | RANDOM;
    valid.then(|| (trace, span, TraceFlags::new(flags) & known))
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

/// The flags of a span of ours: new ids are random, and of those of others their maker knows.
pub(crate) fn flags(parent: Option<&SpanContext>, sampled: bool) -> TraceFlags {
    let kept = parent.map_or(RANDOM, SpanContext::trace_flags);
    kept.with_sampled(sampled)
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
        let Incoming { span, tracestate } = extract(&headers).unwrap();
        assert!(span.is_sampled() && span.is_remote());
        let mut sent = HeaderMap::new();
        inject(&span, tracestate.as_ref(), &mut sent);
        assert_eq!(sent, headers);
    }

    #[test]
    fn the_random_flag_is_kept_and_flags_that_nobody_knows_are_not() {
        for (came, goes) in [("00", "00"), ("02", "02"), ("03", "03"), ("ff", "03")] {
            let parent = format!("{}{came}", &PARENT[..53]);
            let span = extract(&with(TRACEPARENT, &parent)).unwrap().span;
            assert_eq!(&traceparent(&span)[53..], goes);
            let ours = [false, true].map(|it| flags(Some(&span), it).to_u8());
            let random = u8::from_str_radix(goes, 16).unwrap() & 2;
            assert_eq!(ours, [random, random | 1], "{came}");
        }
        assert_eq!(flags(None, true).to_u8(), 3, "our own ids are random");
    }

    #[test]
    fn a_key_that_the_sdk_refuses_goes_on_all_the_same() {
        let key = format!("{}@{}", "t".repeat(241), "v".repeat(14));
        let mut headers = with(TRACEPARENT, PARENT);
        headers.append(TRACESTATE, "foo=1".try_into().unwrap());
        headers.append(TRACESTATE, format!("{key}=1").try_into().unwrap());
        let Incoming { span, tracestate } = extract(&headers).unwrap();
        let mut sent = HeaderMap::new();
        inject(&span, tracestate.as_ref(), &mut sent);
        assert_eq!(sent[TRACESTATE], format!("foo=1,{key}=1"));
    }

    #[test]
    fn what_is_for_the_next_hop_alone_goes_no_further() {
        let mut headers = with(TRACEPARENT, PARENT);
        headers.insert(TRACESTATE, "vendor=1".try_into().unwrap());
        headers.insert(REQUEST_ID_HEADER, "mine-1".try_into().unwrap());
        headers.append(header::CONNECTION, "close".try_into().unwrap());
        headers.append(header::CONNECTION, "x, TraceState ,".try_into().unwrap());
        assert!(extract(&headers).unwrap().tracestate.is_none());
        assert!(request_id(&headers).is_some());
        headers.append(header::CONNECTION, "X-Request-ID".try_into().unwrap());
        headers.append(header::CONNECTION, "traceparent".try_into().unwrap());
        assert!(extract(&headers).is_none() && request_id(&headers).is_none());
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
        let state = extract(&headers).unwrap().tracestate.unwrap();
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
        let mut headers = with(REQUEST_ID_HEADER, "Az09._-");
        assert!(request_id(&headers).is_some());
        headers.append(REQUEST_ID_HEADER, "other".try_into().unwrap());
        assert_eq!(request_id(&headers), None, "which of them?");
    }
}

//! The head of a request: what every service refuses in it.

use std::net::Ipv6Addr;

use axum::{
    extract::Request,
    http::{HeaderMap, Version, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::Error;

/// Marks a request that came over a connection with a bad head. It is refused by whoever asks [`refusal`] and not at once, so
/// that it is observed as every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Malformed(&'static str),
    UriTooLong,
    TooLarge,
}

/// Marks `request` if its head is malformed, or longer than `most` bytes.
pub(crate) fn check<B>(request: &mut axum::http::Request<B>, most: usize) {
    let (target, headers) = lengths(request);
    let refused = if target > most {
        Refused::UriTooLong
    } else if target + headers > most {
        Refused::TooLarge
    } else if let Err(why) = check_host(request.version(), request.headers())
        .and_then(|()| check_content_type(request.headers()))
    {
        Refused::Malformed(why)
    } else {
        return;
    };
    request.extensions_mut().insert(refused);
}

/// What is wrong with a request that [`check`] has marked: 400, 414 or 431.
pub(crate) fn refusal(request: &Request) -> Option<Error> {
    Some(match request.extensions().get::<Refused>()? {
        Refused::Malformed(why) => Error::Invalid((*why).to_owned()),
        Refused::UriTooLong => Error::UriTooLong,
        Refused::TooLarge => Error::HeadTooLarge,
    })
}

/// Answers what [`check`] has marked.
pub(crate) async fn refuse(request: Request, next: Next) -> Response {
    match refusal(&request) {
        Some(error) => error.into_response(),
        None => next.run(request).await,
    }
}

/// How long the target and the headers are as HTTP/1.1 writes them.
fn lengths<B>(request: &axum::http::Request<B>) -> (usize, usize) {
    let uri = request.uri();
    let target = uri.path().len() + uri.query().map_or(0, |it| it.len() + 1);
    let lines = request.headers().iter();
    // `: ` and the end of the line.
    let lines = lines.map(|(name, value)| name.as_str().len() + value.len() + 4);
    (target, lines.sum())
}

/// HTTP/1.1 needs exactly one `Host` that is one (RFC 9112, section 3.2); HTTP/1.0 and HTTP/2 may go without.
fn check_host(version: Version, headers: &HeaderMap) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => Err("a request needs a Host header"),
        (None, _) => Ok(()),
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
        (Some(_), None) => Err("the Host header is a name or an address, with or without a port"),
        (Some(_), Some(_)) => Err("a request has one Host header"),
    }
}

/// Of two, each reader might believe another one.
fn check_content_type(headers: &HeaderMap) -> Result<(), &'static str> {
    match headers.get_all(header::CONTENT_TYPE).iter().nth(1) {
        None => Ok(()),
        Some(_) => Err("a request has one Content-Type header"),
    }
}

/// `uri-host [ ":" port ]` (RFC 3986, section 3.2), where a host of http has a name (RFC 9110, section 4.2.1).
fn is_host(text: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(text) else {
        return false;
    };
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (is_name(name.as_bytes()), port)
    };
    host && is_port(port)
}

/// `[ ":" port ]`, where the port may be left out behind its colon.
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else {
        return text.is_empty();
    };
    port.is_empty() || (port.bytes().all(|it| it.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// `reg-name`, but not an empty one.
fn is_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let [first, more @ ..] = rest {
        rest = match (first, more) {
            (b'%', [high, low, more @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                more
            }
            (it, more) if it.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(it) => more,
            _ => return false,
        };
    }
    !name.is_empty()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{Router, routing::get};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };
    use tokio_util::sync::CancellationToken;

    use super::Refused;
    use crate::{App, Concurrency, Door, Limits, public, serve};

    #[test]
    fn a_head_over_the_limit_is_refused_for_what_is_too_long_in_it() {
        let refused = |target: usize, header: usize| {
            let request = axum::http::Request::get(format!("/{}", "a".repeat(target)));
            let request = request
                .header("host", "shop")
                .header("x", "b".repeat(header));
            let mut request = request.body(()).unwrap();
            super::check(&mut request, 100);
            request.extensions().get::<Refused>().copied()
        };
        assert_eq!(refused(10, 10), None);
        assert_eq!(refused(100, 10), Some(Refused::UriTooLong));
        assert_eq!(refused(10, 100), Some(Refused::TooLarge));
        assert_eq!(refused(60, 40), Some(Refused::TooLarge));
    }

    #[tokio::test]
    async fn http_1_1_has_one_host_and_every_request_one_content_type() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            timeout: Duration::from_secs(10),
            body: 1024,
            concurrency: Concurrency::default(),
        };
        let routes = Router::new().route("/", get(async || "ok"));
        let app = App::from(routes).called_by(telemetry::Caller::Untrusted);
        let app = public(app, limits);
        let (stop, drain) = (CancellationToken::new(), Duration::ZERO);
        tokio::spawn(serve(listener, app, Door::inner(8), stop, drain));
        let status = async |version: &str, headers: &str| {
            let mut client = TcpStream::connect(address).await.unwrap();
            let head = format!("GET / HTTP/{version}\r\n{headers}connection: close\r\n\r\n");
            client.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            if !answer.contains(" 200 ") {
                assert!(answer.contains("application/problem+json"), "{answer}");
            }
            answer[9..12].to_owned()
        };
        for good in [
            "host: shop\r\n",
            "Host: Shop.Example:8080\r\n",
            "host: 127.0.0.1:\r\n",
            "host: [::1]\r\n",
            "host: [2001:db8::1]:443\r\n",
            "host: my_shop%2d1\r\ncontent-type: text/plain\r\n",
        ] {
            assert_eq!(status("1.1", good).await, "200", "{good}");
        }
        for bad in [
            "",
            "host:\r\n",
            "host: a\r\nhost: a\r\n",
            "host: a\r\nHOST: b\r\n",
            "host: a b\r\n",
            "host: http://a/\r\n",
            "host: user@a\r\n",
            "host: a/b\r\n",
            "host: a, b:1\r\n",
            "host: a%2\r\n",
            "host: :80\r\n",
            "host: a:65536\r\n",
            "host: a:b\r\n",
            "host: a:1:2\r\n",
            "host: ::1\r\n",
            "host: [::1\r\n",
            "host: [::1]80\r\n",
            "host: [a]:80\r\n",
            "host: ä\r\n",
            "host: a\r\ncontent-type: a/b\r\ncontent-type: c/d\r\n",
        ] {
            assert_eq!(status("1.1", bad).await, "400", "{bad}");
        }
        assert_eq!(status("1.0", "").await, "200");
        assert_eq!(status("1.0", "host: a\r\nhost: a\r\n").await, "400");
    }
}

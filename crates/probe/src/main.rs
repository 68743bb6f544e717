//! `probe http://HOST:PORT/PATH`: ends with 0 if the answer is good (2xx) and comes within two seconds, else with 1 and the reason.
//!
//! Images without a shell have nothing else for a health check. It needs the standard library only and is linked statically, so
//! that it runs in an image with nothing in it.

use std::{
    env,
    io::{self, Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    process::ExitCode,
    time::Duration,
};

/// The longest wait for a connection, and then for each part of an answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// All of a status line, and far less than any body.
const ENOUGH: usize = 64;

fn main() -> ExitCode {
    let url = env::args().nth(1).unwrap_or_default();
    match probe(&url, TIMEOUT) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{url}: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Asks once.
fn probe(url: &str, timeout: Duration) -> Result<(), String> {
    let rest = url.strip_prefix("http://");
    let (place, path) = rest
        .and_then(|it| it.split_once('/'))
        .ok_or("expected http://HOST:PORT/PATH")?;
    let status = ask(place, path, timeout).map_err(|error| error.to_string())?;
    if status.starts_with("HTTP/1.") && status.get(8..10) == Some(" 2") {
        Ok(())
    } else {
        Err(status)
    }
}

/// The status line of the answer.
fn ask(place: &str, path: &str, timeout: Duration) -> io::Result<String> {
    let address = place.to_socket_addrs()?.next();
    let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut start = Vec::new();
    let mut part = [0; ENOUGH];
    while start.len() < ENOUGH && !start.contains(&b'\n') {
        match stream.read(&mut part)? {
            0 => break,
            count => start.extend_from_slice(&part[..count]),
        }
    }
    let text = String::from_utf8_lossy(&start);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// A server that says this to whoever asks first, in two parts.
    fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            let count = stream.read(&mut request).unwrap();
            assert!(request[..count].starts_with(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"));
            let (first, second) = answer.split_at(answer.len() / 2);
            stream.write_all(first.as_bytes()).unwrap();
            thread::sleep(Duration::from_millis(20));
            stream.write_all(second.as_bytes()).unwrap();
        });
        format!("http://{address}/readyz")
    }

    #[test]
    fn a_good_answer_is_good() {
        for answer in [
            "HTTP/1.1 200 OK\r\n\r\nok",
            "HTTP/1.1 204 No Content\r\n\r\n",
        ] {
            assert_eq!(probe(&server(answer), TIMEOUT), Ok(()));
        }
    }

    #[test]
    fn every_other_answer_is_told() {
        for answer in [
            "HTTP/1.1 503 Service Unavailable\r\n",
            "HTTP/1.1 302 Found\r\n",
            "220 mail\r\n",
        ] {
            let reason = probe(&server(answer), TIMEOUT).unwrap_err();
            assert_eq!(reason, answer.trim_end());
        }
    }

    #[test]
    fn silence_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        assert!(probe(&url, Duration::from_millis(50)).is_err());
    }

    #[test]
    fn what_is_no_url_is_said() {
        for wrong in ["", "http://shop", "https://shop:1/", "shop:1/"] {
            assert!(
                probe(wrong, TIMEOUT).unwrap_err().starts_with("expected"),
                "{wrong}"
            );
        }
    }
}

//! HTTP as bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends bytes as they are and reads until the other side closes.
pub(crate) fn exchange(address: &str, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    // It may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A connection on which no answer takes longer than 20 s.
pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// Asks once.
pub(crate) fn get(address: &str, path: &str) -> String {
    exchange(
        address,
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
    )
}

/// A request with these headers besides the usual.
pub(crate) fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let kind = "content-type: application/json\r\nconnection: close";
    format!("POST {path} HTTP/1.1\r\nhost: x\r\n{kind}\r\n{headers}\r\n\r\n{body}").into_bytes()
}

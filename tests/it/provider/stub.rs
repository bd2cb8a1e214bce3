//! A server that says what it is told to, byte for byte, and remembers what it was asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it does with one connection.
#[derive(Clone)]
pub(super) enum Turn {
    /// Reads the request, says this and hangs up.
    Say(String),
    /// Hangs up without reading.
    HangUp,
    /// Reads the request and never answers.
    Hold,
}

/// Such a server, until the process ends.
pub(super) struct Stub {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    /// One that does these things in turn, the last for ever.
    pub(super) fn start(turns: Vec<Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut held = vec![];
            for n in 0.. {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let turn = turns[n.min(turns.len() - 1)].clone();
                if !matches!(turn, Turn::HangUp) {
                    let request = read(&mut stream);
                    seen.lock().unwrap().push(request);
                }
                match turn {
                    Turn::Say(text) => drop(stream.write_all(text.as_bytes())),
                    Turn::HangUp => {}
                    Turn::Hold => held.push(stream),
                }
            }
        });
        Self { url, asked }
    }

    pub(super) fn saying(text: impl Into<String>) -> Self {
        Self::start(vec![Turn::Say(text.into())])
    }

    /// The requests so far, head and body.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// An answer with this body.
pub(super) fn http(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// Reads a request to its end, so that hanging up resets nothing.
fn read(stream: &mut TcpStream) -> String {
    let (mut all, mut part) = (String::new(), [0; 4096]);
    loop {
        if let Some((head, body)) = all.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return all;
            }
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return all,
            Ok(n) => all.push_str(&String::from_utf8_lossy(&part[..n])),
        }
    }
}

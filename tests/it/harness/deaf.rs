//! A broker that does not hear some of what it is asked.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use super::own_stack::{listens_twice, second};

/// Kinds of requests, by their numbers in Kafka's protocol.
#[derive(Clone, Copy)]
#[repr(i16)]
pub(crate) enum Asked {
    Produce = 0,
    Fetch = 1,
    OffsetCommit = 8,
}

/// Nothing is kept back.
const NONE: i32 = -1;

/// Stands before a broker and keeps back requests of one kind.
#[derive(Clone)]
pub(crate) struct Deaf {
    port: u16,
    state: Arc<State>,
}

struct State {
    /// The broker's first port.
    first: u16,
    kind: AtomicI32,
    /// The one connection that is not heard; 0: all of them; the largest number: the one that asks first.
    only: AtomicU64,
    kept: AtomicU64,
}

impl Deaf {
    /// Stands before the second port of the broker whose first one that is.
    pub(crate) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let (kind, only, kept) = (AtomicI32::new(NONE), AtomicU64::new(0), AtomicU64::new(0));
        let state = Arc::new(State { first: port, kind, only, kept });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for (id, client) in (1..).zip(listener.incoming()) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || state.carry(id, &client.unwrap()));
            }
        });
        Self { port: own_port, state }
    }

    /// Settings of the broker: at its second port it tells everybody to come here.
    pub(crate) fn settings(&self) -> String {
        listens_twice(self.state.first, "DEAF:PLAINTEXT", &self.bootstrap())
    }

    /// `host:port`.
    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Keeps back what is of this kind, until it is told otherwise.
    pub(crate) fn keep_back(&self, kind: Asked) {
        self.keep_back_of(0, kind);
    }

    /// The same, of the connection only that asks first.
    pub(crate) fn keep_back_of_first(&self, kind: Asked) {
        self.keep_back_of(u64::MAX, kind);
    }

    fn keep_back_of(&self, only: u64, kind: Asked) {
        self.state.only.store(only, Ordering::SeqCst);
        self.state.kind.store(i32::from(kind as i16), Ordering::SeqCst);
    }

    pub(crate) fn hear_all(&self) {
        self.state.kind.store(NONE, Ordering::SeqCst);
    }

    /// How many requests were kept back.
    pub(crate) fn kept(&self) -> u64 {
        self.state.kept.load(Ordering::SeqCst)
    }
}

impl State {
    fn carry(&self, id: u64, mut client: &TcpStream) {
        let Ok(mut broker) = TcpStream::connect(("127.0.0.1", second(self.first))) else { return };
        let (mut answers, mut back) = (broker.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut answers, &mut back);
            let _ = back.shutdown(Shutdown::Both);
        });
        let mut length = [0; 4];
        while client.read_exact(&mut length).is_ok() {
            let mut request = vec![0; u32::from_be_bytes(length) as usize];
            if client.read_exact(&mut request).is_err() {
                break;
            }
            if self.keeps_back(id, i16::from_be_bytes([request[0], request[1]])) {
                continue;
            }
            if broker.write_all(&[&length, &*request].concat()).is_err() {
                break;
            }
        }
        let _ = broker.shutdown(Shutdown::Both);
    }

    fn keeps_back(&self, id: u64, kind: i16) -> bool {
        if self.kind.load(Ordering::SeqCst) != i32::from(kind) {
            return false;
        }
        let first = self.only.compare_exchange(u64::MAX, id, Ordering::SeqCst, Ordering::SeqCst);
        let only = first.map_or_else(|other| other, |_| id);
        let kept = only == 0 || only == id;
        self.kept.fetch_add(u64::from(kept), Ordering::SeqCst);
        kept
    }
}

//! Brokers of a case's own, to be stopped and killed: `scripts/stack` with a place and ports of its own.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use super::stack::{Server, script};

/// One at a time: three brokers take most of a small machine.
static BUSY: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
/// Added to the usual ports; below those that systems give to clients.
const OFFSETS: std::ops::Range<u16> = 11_000..23_000;
/// Between two stacks; each has three ports of a kind.
const OFFSET_STEP: u16 = 10;

/// Brokers that belong to one case. Gone when dropped.
pub(crate) struct OwnStack {
    folder: tempfile::TempDir,
    brokers: u16,
    offset: u16,
}

impl OwnStack {
    /// Starts that many brokers, with settings besides that may depend on the first one's port; without
    /// the servers that all cases share the case is left out, loudly.
    pub(crate) fn kafka(brokers: u16, settings: impl Fn(u16) -> String) -> Option<Self> {
        Server::Kafka.address_or_skip()?;
        let mut busy = BUSY.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *busy {
            busy = BUSY.1.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        *busy = true;
        drop(busy);
        let stack = Self { folder: tempfile::tempdir().unwrap(), brokers, offset: free_offset() };
        std::fs::write(stack.settings(), settings(stack.port(1))).unwrap();
        stack.up("kafka");
        Some(stack)
    }

    /// `host:port` of all brokers.
    pub(crate) fn bootstrap(&self) -> String {
        let all: Vec<String> =
            (1..=self.brokers).map(|id| format!("127.0.0.1:{}", self.port(id))).collect();
        all.join(",")
    }

    /// Sends a signal to a broker.
    pub(crate) fn signal(&self, broker: u16, signal: &str) {
        self.script(&["signal", &format!("kafka-{broker}"), signal]);
    }

    /// Starts what does not run, and waits until it can be used.
    pub(crate) fn up(&self, name: &str) {
        self.script(&["up", name]);
    }

    fn port(&self, broker: u16) -> u16 {
        9_091 + self.offset + broker
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("more.properties")
    }

    #[track_caller]
    fn script(&self, args: &[&str]) {
        let ran = self.run(args);
        assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    fn run(&self, args: &[&str]) -> Output {
        script(&self.folder.path().join("stack"))
            .args(args)
            .env("STACK_BROKERS", self.brokers.to_string())
            .env("STACK_PORT_OFFSET", self.offset.to_string())
            .env("STACK_KAFKA_PROPERTIES", self.settings())
            .output()
            .unwrap()
    }
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        let wiped = self.run(&["wipe"]);
        if !wiped.status.success() {
            let _ = writeln!(std::io::stderr(), "{}", String::from_utf8_lossy(&wiped.stderr));
        }
        *BUSY.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
        BUSY.1.notify_one();
    }
}

/// The second port of the broker whose first one that is.
pub(crate) const fn second(port: u16) -> u16 {
    port + 50
}

/// Settings of a broker that listens at its second port, too: as `NAME:PROTOCOL`, and whoever comes there is told
/// to come to `advertised`.
pub(crate) fn listens_twice(port: u16, as_what: &str, advertised: &str) -> String {
    let (name, (second, controller)) =
        (as_what.split(':').next().unwrap(), (second(port), port + 100));
    let plain = format!("PLAINTEXT://127.0.0.1:{port}");
    format!(
        "listeners={plain},CONTROLLER://127.0.0.1:{controller},{name}://127.0.0.1:{second}\n\
         advertised.listeners={plain},{name}://{advertised}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{as_what}\n"
    )
}

/// An offset at which nobody listens; others may run the same tests beside these.
fn free_offset() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let steps = (OFFSETS.end - OFFSETS.start) / OFFSET_STEP;
    let first = (std::process::id() % u32::from(steps)) as u16;
    for _ in 0..steps {
        let step = (first + NEXT.fetch_add(1, Ordering::Relaxed)) % steps;
        let offset = OFFSETS.start + step * OFFSET_STEP;
        // Brokers, what else they may listen on, and controllers.
        let ports = [9_092, 9_142, 9_192].into_iter().flat_map(|first: u16| first..first + 3);
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port + offset)).is_ok();
        if ports.into_iter().all(is_free) {
            return offset;
        }
    }
    panic!("no free ports");
}

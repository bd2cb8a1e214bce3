//! A Redis server of a case's own, to be flushed, locked and stopped.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Place;

/// Longer than a server takes to start.
const STARTS: Duration = Duration::from_secs(20);

pub(crate) struct OwnServer {
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl OwnServer {
    /// Starts one with these arguments besides; without the program the case is left out, loudly.
    pub(crate) fn start(args: &[&str]) -> Option<Self> {
        let mut server = Self { folder: tempfile::tempdir().unwrap(), child: None };
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            let case = std::thread::current().name().unwrap_or_default().to_owned();
            let _ = writeln!(std::io::stderr(), "SKIPPED, no redis-server program: {case}");
            return None;
        }
        server.run(args);
        Some(server)
    }

    /// Runs it, on a socket in its folder and with nothing on disk.
    pub(super) fn run(&mut self, args: &[&str]) {
        let socket = self.socket();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", &socket, "--save", "", "--appendonly", "no"])
            .args(args)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        let began = std::time::Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(began.elapsed() < STARTS, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn socket(&self) -> String {
        self.folder.path().join("redis.sock").to_str().unwrap().to_owned()
    }

    /// The whole server, as this user.
    pub(super) fn place(&self, password: Option<&str>) -> Place {
        let pass = password.map_or_else(String::new, |password| format!("?pass={password}"));
        Place::at(&format!("redis+unix://{}{pass}", self.socket()), "")
    }

    /// What `redis-cli` prints.
    pub(super) fn cli(&self, args: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        let printed = cli.args(["-s", &self.socket(), "--raw"]).args(args).output().unwrap();
        String::from_utf8(printed.stdout).unwrap()
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.stop();
    }
}

//! The `ecom` program, run as people run it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

/// The program under test.
pub(crate) fn ecom() -> Command {
    clean(env!("CARGO_BIN_EXE_ecom"))
}

/// The program under test, with a provider that captures every charge, told or not.
pub(crate) fn paying() -> Command {
    let mut command = ecom();
    command.env("ECOM_GATEWAY_SUCCESS", "1").env("ECOM_GATEWAY_AMBIGUOUS_CAPTURED", "1");
    command
}

/// A program that sees nothing of the settings and the servers of whoever runs the tests.
pub(crate) fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("XDG_CONFIG_HOME", "/nonexistent").env("NO_COLOR", "1").env("TZ", "UTC");
    command
}

/// Runs it with these arguments, to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    ecom().args(args).stdin(Stdio::null()).output().unwrap()
}

/// Runs it with these arguments and this on standard input.
pub(crate) fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = ecom()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// What it printed, and its exit code.
pub(crate) trait Printed {
    fn code(&self) -> i32;
    fn out(&self) -> String;
    fn err(&self) -> String;
}

impl Printed for Output {
    fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// A shop that is served by a process of its own.
pub(crate) struct Served {
    child: Child,
    /// The addresses of the ready line, gateway first.
    pub(crate) addresses: Vec<String>,
    pub(crate) data: PathBuf,
    stderr: Option<JoinHandle<String>>,
}

impl Served {
    /// Starts `ecom serve`, on any free ports unless `more` says which, and waits for its ready line.
    pub(crate) fn start(data: &Path, more: &[&str]) -> Self {
        Self::try_start(data, more).unwrap_or_else(|said| panic!("not ready: {said}"))
    }

    pub(crate) fn try_start(data: &Path, more: &[&str]) -> Result<Self, String> {
        Self::launch(ecom(), data, more)
    }

    /// Starts it by `command`, which ends in the program.
    pub(crate) fn launch(mut command: Command, data: &Path, more: &[&str]) -> Result<Self, String> {
        command.args(["serve", "--log-level", "warn"]);
        if !more.contains(&"--port-base") {
            command.args(["--port-base", "0"]);
        }
        Self::ready(command, data, more, 6)
    }

    /// Starts `ecom gateway serve` by `command`, on any free port unless `more` says which.
    pub(crate) fn provider(
        mut command: Command,
        data: &Path,
        more: &[&str],
    ) -> Result<Self, String> {
        command.args(["gateway", "serve", "--log-level", "warn"]);
        if !more.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        Self::ready(command, data, more, 1)
    }

    /// Starts `ecom serve --only` these roles by `command`, which have so many listeners.
    pub(crate) fn roles(
        mut command: Command,
        data: &Path,
        (roles, listeners): (&str, usize),
        more: &[&str],
    ) -> Result<Self, String> {
        command.args(["serve", "--log-level", "warn", "--port-base", "0", "--only", roles]);
        Self::ready(command, data, more, listeners)
    }

    fn ready(
        mut command: Command,
        data: &Path,
        more: &[&str],
        addresses_expected: usize,
    ) -> Result<Self, String> {
        let mut child = command
            .arg("--data")
            .arg(data)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addresses: Vec<String> = line
            .split_whitespace()
            .filter(|word| word.starts_with("http://"))
            .map(str::to_owned)
            .collect();
        if addresses.len() != addresses_expected {
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            child.wait().unwrap();
            return Err(format!("{line}{said}"));
        }
        // Somebody must read what it says, or it stops when the pipe is full.
        let mut stderr = child.stderr.take().unwrap();
        let read = move || {
            let mut said = vec![];
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        };
        let stderr = Some(std::thread::Builder::new().spawn(read).unwrap());
        Ok(Self { child, addresses, data: data.to_owned(), stderr })
    }

    pub(crate) fn gateway(&self) -> &str {
        &self.addresses[0]
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; the exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for its end; the exit code.
    pub(crate) fn ended(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// What it said from its ready line to its end; to be asked for once it has ended.
    pub(crate) fn said(&mut self) -> String {
        self.stderr.take().unwrap().join().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

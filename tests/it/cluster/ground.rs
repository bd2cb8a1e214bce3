//! Real servers that a case may kill: a stack of its own, that one case at a time has.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::harness::stack::{script, skipped};

static TURN: Mutex<()> = Mutex::new(());

/// The servers, for as long as a case has them.
pub(super) struct Ground {
    home: PathBuf,
    /// Brokers, separated by commas.
    pub(super) kafka: String,
    pub(super) postgres: String,
    pub(super) redis: String,
    pub(super) smtp: String,
    pub(super) inbox: String,
    _turn: MutexGuard<'static, ()>,
}

impl Ground {
    /// Waits for its turn, and makes sure that every server is up; without servers to kill the case is
    /// left out, loudly.
    pub(super) fn claim() -> Option<Self> {
        let Some(home) = std::env::var_os("ECOM_TEST_FAULT_STACK") else {
            skipped("servers to kill");
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ground = Self {
            home: home.into(),
            kafka: String::new(),
            postgres: String::new(),
            redis: String::new(),
            smtp: String::new(),
            inbox: String::new(),
            _turn: turn,
        };
        ground.start(&[]);
        let env = ground.stack(&["env"]);
        let value = |name: &str| {
            let rest = env.split_once(&format!("{name}=")).map(|(_, rest)| rest);
            rest.and_then(|rest| rest.split_whitespace().next()).unwrap().to_owned()
        };
        ground.kafka = value("ECOM_TEST_KAFKA");
        ground.postgres = value("ECOM_TEST_POSTGRES");
        ground.redis = value("ECOM_TEST_REDIS");
        ground.smtp = value("ECOM_TEST_SMTP");
        ground.inbox = value("ECOM_TEST_MAIL_API");
        Some(ground)
    }

    fn stack(&self, args: &[&str]) -> String {
        let ran = script(&self.home).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "scripts/stack {}: {said}", args.join(" "));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// Starts these, or all that are down, and waits until they can be used.
    pub(super) fn start(&self, names: &[&str]) {
        self.stack(&[&["up"], names].concat());
    }

    /// Asks a server to end, and waits for it.
    pub(super) fn stop(&self, name: &str) {
        self.stack(&["down", name]);
    }

    /// What a flush, or a restart without a disk, leaves.
    pub(super) fn empty_redis(&self) {
        let (_, port) = self.redis.rsplit_once(':').unwrap();
        let ran = Command::new("redis-cli").args(["-p", port, "flushall"]).output().unwrap();
        assert!(ran.status.success());
    }

    /// `kill -9`.
    pub(super) fn kill(&self, name: &str) {
        self.stack(&["signal", name, "KILL"]);
    }
}

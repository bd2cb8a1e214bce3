//! A shop of several processes on real servers, and load on it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use ecom::adapters::bus::KafkaBus;
use serde_json::Value as Json;

use super::ground::Ground;
use crate::harness::customer::{runtime, until};
use crate::harness::program::{Printed, ecom};
use crate::harness::stack::{self, own_schema, unique};

/// Ports that nobody is given for the asking: below the range from which the system takes them.
static NEXT_PORT: AtomicU16 = AtomicU16::new(13_000);

fn free_ports() -> u16 {
    loop {
        let base = NEXT_PORT.fetch_add(10, Ordering::Relaxed);
        assert!(base < 19_000, "no ports left");
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (base..base + 6).all(free) {
            return base;
        }
    }
}

/// A process of the fleet.
pub(super) struct Process {
    name: String,
    args: Vec<String>,
    child: Option<Child>,
}

/// The processes, by their order of starting; their data is their own.
pub(super) struct Fleet<'a> {
    ground: &'a Ground,
    /// What its topics begin with.
    name: String,
    env: Vec<(&'static str, String)>,
    folder: tempfile::TempDir,
    processes: Vec<Process>,
    gateway: u16,
    schema: String,
}

/// All roles.
pub(super) const ALL: &str = "gateway,cart,order,payment,inventory,notification,catalog";
/// Each role for itself.
pub(super) const EACH: [&str; 6] =
    ["gateway,catalog", "cart", "order", "payment", "inventory", "notification"];

impl<'a> Fleet<'a> {
    /// Starts a provider, and a process for each of these lists of roles, the first with a gateway.
    pub(super) fn start(ground: &'a Ground, roles: &[&str]) -> Self {
        let name = unique("fleet");
        let schema = runtime().block_on(own_schema(&ground.postgres, "fleet"));
        let provider = free_ports();
        let env = vec![
            ("ECOM_KAFKA_BOOTSTRAP", ground.kafka.clone()),
            ("ECOM_KAFKA_PREFIX", format!("{name}.")),
            ("ECOM_POSTGRES_URL", schema.clone()),
            ("ECOM_POSTGRES_CONNECTIONS", "6".to_owned()),
            ("ECOM_REDIS_URL", ground.redis.clone()),
            ("ECOM_REDIS_PREFIX", format!("{name}:")),
            ("ECOM_SMTP_URL", ground.smtp.clone()),
            ("ECOM_SMTP_INBOX", ground.inbox.clone()),
            ("ECOM_GATEWAY_URL", format!("http://127.0.0.1:{provider}")),
            ("ECOM_SERVE_PRODUCTS", "100".to_owned()),
            ("ECOM_LOG_LEVEL", "warn".to_owned()),
        ];
        let folder = tempfile::tempdir().unwrap();
        let mut fleet =
            Self { ground, name: name.clone(), env, folder, processes: vec![], gateway: 0, schema };
        let serve = format!("gateway serve --port {provider}");
        fleet.add("provider".to_owned(), &serve);
        for (n, only) in roles.iter().enumerate() {
            let port = free_ports();
            if n == 0 {
                fleet.gateway = port;
            }
            fleet.add(format!("{n}"), &format!("serve --port-base {port} --only {only}"));
        }
        // Who is first makes topics and tables; all the others may come at once.
        fleet.restart_all(&[0, 1]);
        fleet.restart_all(&(2..fleet.processes.len()).collect::<Vec<_>>());
        let on_sale = "select (select count(*) from products where stock > 0) >= 100
            and (select count(*) from cart_products) >= 100";
        fleet.until("everything is on sale", on_sale);
        fleet
    }

    fn add(&mut self, name: String, args: &str) {
        let args = args.split_whitespace().map(str::to_owned).collect();
        self.processes.push(Process { name, args, child: None });
    }

    fn command(&self) -> Command {
        let mut command = ecom();
        command.envs(self.env.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    /// Process number 0 is the provider.
    pub(super) const PROVIDER: usize = 0;

    /// Starts a process that is down, and waits for its ready line.
    pub(super) fn restart(&mut self, n: usize) {
        self.restart_all(&[n]);
    }

    /// Starts several at once.
    fn restart_all(&mut self, which: &[usize]) {
        for n in which {
            let process = &self.processes[*n];
            let log = self.folder.path().join(format!("{}.log", process.name));
            let log = File::options().create(true).append(true).open(log).unwrap();
            let data = self.folder.path().join(&process.name);
            let mut command = self.command();
            command
                .args(&process.args)
                .arg("--data")
                .arg(data)
                .env("ECOM_SERVE_INSTANCE", format!("instance-{}", process.name))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(log);
            self.processes[*n].child = Some(command.spawn().unwrap());
        }
        for n in which {
            let child = self.processes[*n].child.as_mut().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert!(line.contains("ready"), "process {n} is not ready\n{}", self.logs());
        }
    }

    fn logs(&self) -> String {
        let mut all = String::new();
        for process in &self.processes {
            let log = self.folder.path().join(format!("{}.log", process.name));
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(25)..];
            let (name, args, last) = (&process.name, &process.args, last.join("\n"));
            let _ = writeln!(all, "---- {name} {args:?}\n{last}");
        }
        all
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self, n: usize) {
        let mut child = self.processes[n].child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// `kill -9` of all of the shop's processes before any of them is started again.
    pub(super) fn kill_and_restart_everybody(&mut self) {
        let members: Vec<usize> = self.members().collect();
        members.iter().for_each(|n| self.kill(*n));
        self.restart_all(&members);
    }

    pub(super) fn signal(&self, n: usize, signal: &str) {
        let pid = self.processes[n].child.as_ref().unwrap().id().to_string();
        let kill = Command::new("kill").args([&format!("-{signal}"), &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// The shop's processes.
    fn members(&self) -> std::ops::Range<usize> {
        1..self.processes.len()
    }

    /// Lets `users` shoppers in within that many seconds.
    pub(super) fn load(&self, users: u32, seconds: u32) -> Load {
        let target = self.gateway();
        let (users, duration) = (users.to_string(), format!("{seconds}s"));
        let args = ["simulate", "--target", &target, "--users", &users, "--duration", &duration];
        let child = self
            .command()
            .args(args)
            .args(["--quiet", "-o", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Load(Some(child.unwrap()))
    }

    /// Where every API is, as a URL.
    pub(super) fn gateway(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway)
    }

    /// Waits until this query says yes.
    pub(super) fn until(&self, what: &str, sql: &str) {
        runtime().block_on(async {
            until(what, async || {
                // A server that is killed does not answer now and then.
                let one = async {
                    use sqlx::Connection as _;
                    let mut connection = sqlx::PgConnection::connect(&self.schema).await?;
                    sqlx::query_scalar::<_, bool>(sqlx::AssertSqlSafe(sql))
                        .fetch_one(&mut connection)
                        .await
                };
                one.await.unwrap_or(false)
            })
            .await;
        });
    }

    /// Waits until more than so many orders are there.
    pub(super) fn until_orders(&self, count: i64) {
        self.until("there are orders", &format!("select count(*) > {count} from orders"));
    }

    /// Waits until there are paid orders whose stock is being reserved.
    pub(super) fn until_reserving(&self) {
        self.until("orders are reserved", "select count(*) > 0 from orders where status = 'PAID'");
    }

    /// Waits until there are charges whose outcome is not known yet.
    pub(super) fn until_charging(&self) {
        let sql = "select count(*) > 3 from payments where next_attempt_at is not null";
        self.until("payments are under way", sql);
    }

    /// Waits for the verdict of the run; then stops every process, and asks for it again. What is wrong.
    pub(super) fn judged(mut self, mut load: Load) -> Result<(), String> {
        let ran = load.0.take().unwrap().wait_with_output().unwrap();
        let report: Json = serde_json::from_str(&ran.out()).unwrap_or_default();
        if ran.code() != 0 {
            let verdict = serde_json::to_string_pretty(&report["verdict"]).unwrap();
            return Err(format!("{verdict}\n{}\n{}", ran.err(), self.logs()));
        }
        if report["orders"]["placed"].as_u64().unwrap_or(0) == 0 {
            return Err(format!("no orders: {report}"));
        }
        for n in self.members() {
            self.signal(n, "TERM");
        }
        for n in self.members() {
            let ended = self.processes[n].child.take().unwrap().wait().unwrap();
            if ended.code() != Some(0) {
                return Err(format!("process {n} ended with {ended}\n{}", self.logs()));
            }
        }
        let verified = self.command().args(["verify", "--data", "/nonexistent"]).output().unwrap();
        if verified.code() == 0 && verified.out().contains("PASS") {
            return Ok(());
        }
        Err(format!("{}\n{}", verified.out(), verified.err()))
    }

    /// The same; ends the test if anything is wrong.
    pub(super) fn must_pass(self, load: Load) {
        self.judged(load).unwrap_or_else(|why| panic!("{why}"));
    }
}

impl Drop for Fleet<'_> {
    /// Leaves nothing behind that a broker would have to recover in the cases that follow.
    fn drop(&mut self) {
        for child in self.processes.iter_mut().filter_map(|process| process.child.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let options = stack::kafka(&self.ground.kafka, &self.name);
        let clock = Arc::new(ecom::app::SystemClock::default());
        runtime().block_on(async {
            if let Ok(bus) = KafkaBus::connect(options, clock).await {
                let _ = bus.sweep().await;
            }
        });
    }
}

/// A run of the lab against a fleet.
pub(super) struct Load(Option<Child>);

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

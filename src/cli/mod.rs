//! The command line: the only place that prints. One file per command.

mod bench;
mod config;
mod dlq;
mod exit;
mod gateway;
mod health;
mod output;
mod progress;
mod reach;
mod serve;
mod signals;
mod simulate;
mod topics;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app::config::{ConfigError, Layers, Origin, Sources};
use crate::app::folder::InUse;
use crate::app::{NotUsable, Settings, logging};
use crate::ports::gateway::GatewayError;
use crate::ports::mail::MailError;
use crate::ports::{BusError, StoreError};
pub use exit::Exit;

/// An event-driven shop, a lab that tries to break it, and a console for its events.
#[derive(Debug, Parser)]
#[command(name = "ecom", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
struct Global {
    /// Read this configuration file instead of the usual places.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ECOM_CONFIG",
        hide_env_values = true,
        help_heading = "Global"
    )]
    config: Option<PathBuf>,
    /// Use the settings of this profile: cluster, or one of your own.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global")]
    profile: Option<String>,
    /// Log lines for people or as JSON: auto, human or json.
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Global")]
    log_format: Option<String>,
    /// What is logged: error, warn, info, debug, trace, or a filter.
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Global")]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the shop: every service in this process, nothing to install.
    Serve(serve::ServeArgs),
    /// Send shoppers, sellers and failing payments through a shop, and check what comes of it.
    Simulate(simulate::SimulateArgs),
    /// Hold what a data folder contains against every invariant.
    Verify(verify::VerifyArgs),
    /// Look at topics and their records, and append to them.
    #[command(subcommand)]
    Topics(topics::TopicsCommand),
    /// Find out why events died, and send them back.
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// Run the simulated payment provider on its own; see and change how it behaves.
    #[command(subcommand)]
    Gateway(gateway::GatewayCommand),
    /// Ask a running process how it is.
    Health(health::HealthArgs),
    /// Measure how fast the shop is on this machine.
    Bench(bench::BenchArgs),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// Which shop an operation is meant for.
#[derive(Debug, Args)]
struct DataArg {
    /// The shop that keeps its data in this folder, running or stopped.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Say which shop is used.
    #[arg(short, long)]
    verbose: bool,
}

impl DataArg {
    fn flags(&self) -> FlagValues {
        let dir = self.data.as_ref().map(|dir| ("data", "data.dir", dir.display().to_string()));
        dir.into_iter().collect()
    }
}

/// The servers of a cluster, instead of what is embedded.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
struct ServerArgs {
    /// Events on Kafka: HOST:PORT of one or more brokers, separated by commas.
    #[arg(long, value_name = "BROKERS")]
    kafka: Option<String>,
    /// Tables in PostgreSQL: postgres://USER:PASSWORD@HOST:PORT/DATABASE.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Carts' copies and holds in Redis: redis://[USER:PASSWORD@]HOST:PORT.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Mail over SMTP: smtp://[USER:PASSWORD@]HOST:PORT.
    #[arg(long, value_name = "URL")]
    smtp: Option<String>,
    /// Payments at a provider: http://HOST:PORT, for example `ecom gateway serve`.
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// Wait this long for an answer of any of them, instead of what the settings say for each.
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
}

impl ServerArgs {
    fn flags(&self) -> FlagValues {
        let all = [
            ("kafka", "kafka.bootstrap", &self.kafka),
            ("postgres", "postgres.url", &self.postgres),
            ("redis", "redis.url", &self.redis),
            ("smtp", "smtp.url", &self.smtp),
            ("gateway", "gateway.url", &self.gateway),
            ("timeout", "kafka.timeout", &self.timeout),
            ("timeout", "postgres.timeout", &self.timeout),
            ("timeout", "redis.timeout", &self.timeout),
            ("timeout", "gateway.request_timeout", &self.timeout),
        ];
        let set = |(name, key, value): (_, _, &Option<String>)| Some((name, key, value.clone()?));
        all.into_iter().filter_map(set).collect()
    }
}

/// Reads a share: a number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

/// Flags that set a configuration key: name, key, value.
type FlagValues = Vec<(&'static str, &'static str, String)>;

/// Runs the command line; its exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            if !output::is_broken_pipe(&error) {
                output::error(&error);
            }
            exit_of(&error).into()
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Serve(args) => {
            let (settings, _) = load(&cli.global, args.flags(), "info")?;
            serve::run(&args, &settings)
        }
        Command::Simulate(args) => {
            let (settings, _) = load(&cli.global, args.flags(), "warn")?;
            simulate::run(&args, &settings)
        }
        Command::Verify(args) => {
            let (settings, _) = load(&cli.global, args.flags(), "warn")?;
            verify::run(&args, &settings)
        }
        Command::Topics(command) => {
            let (settings, _) = load(&cli.global, command.data().flags(), "warn")?;
            topics::run(&command, &settings)
        }
        Command::Dlq(command) => {
            let (settings, _) = load(&cli.global, command.data().flags(), "warn")?;
            dlq::run(&command, &settings)
        }
        Command::Gateway(command) => {
            let (settings, _) = load(&cli.global, command.flags(), command.level())?;
            gateway::run(&command, &settings)
        }
        Command::Health(args) => health::run(&args),
        Command::Bench(args) => {
            let (settings, _) = load(&cli.global, args.flags(), "warn")?;
            bench::run(&args, &settings)
        }
        Command::Config(command) => {
            let (_, layers) = load(&cli.global, vec![], "warn")?;
            config::run(&command, &layers)
        }
    }
}

/// Reads the configuration and starts logging; `level` is the command's own default.
fn load(global: &Global, flags: FlagValues, level: &str) -> anyhow::Result<(Settings, Layers)> {
    let mut sources = Sources::system(global.config.as_deref())?;
    sources.flags = flags;
    let profile = global.profile.clone();
    sources.profile = profile.map(|name| (name, Origin::Flag("profile".into())));
    let mut flag = |name, key, value: &Option<String>| {
        sources.flags.extend(value.clone().map(|value| (name, key, value)));
    };
    flag("log-format", "log.format", &global.log_format);
    flag("log-level", "log.level", &global.log_level);
    let layers = Layers::read(&sources)?;
    let settings = Settings::from_layers(&layers)?;
    let chosen =
        layers.all().any(|(key, _, origin)| key == "log.level" && *origin != Origin::Default);
    let level = if chosen { settings.log.level.as_str() } else { level };
    logging::start(settings.log.format, level)?;
    Ok((settings, layers))
}

fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(exit) = error.downcast_ref::<exit::WithExit>() {
        return exit.0;
    }
    if error.downcast_ref::<ConfigError>().is_some() {
        return Exit::Usage;
    }
    if error.chain().any(is_of_a_server) {
        return Exit::Unreachable;
    }
    if error.downcast_ref::<InUse>().is_some() {
        return Exit::Refused;
    }
    Exit::Failure
}

/// Whether it says that something which the program depends on cannot be used.
fn is_of_a_server(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<crate::sim::Unreachable>()
        || error.is::<NotUsable>()
        || matches!(error.downcast_ref(), Some(StoreError::Unavailable(_)))
        || matches!(error.downcast_ref(), Some(BusError::Unavailable(_)))
        || matches!(error.downcast_ref(), Some(GatewayError::Unavailable(_)))
        || error.is::<MailError>()
}

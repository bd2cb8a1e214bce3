//! The command line: the only place that prints. One file per command.

mod answers;
mod backup;
mod bench;
mod clean;
mod config;
mod dlq;
mod doctor;
mod exit;
mod gateway;
mod groups;
mod health;
mod manual;
mod orders;
mod output;
mod places;
mod progress;
mod protect;
mod query;
mod reach;
mod serve;
mod signals;
mod simulate;
mod topics;
mod trace;
mod tui;
mod verify;
mod watched;
mod when;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app::config::{ConfigError, Layers, Origin, Sources};
use crate::app::folder::{HalfRestored, InUse};
use crate::app::{NotUsable, Settings, logging, zone};
use crate::ports::gateway::GatewayError;
use crate::ports::mail::MailError;
use crate::ports::{BusError, StoreError};
pub use exit::Exit;
use places::{DataArg, FolderArg, ListArgs, ServerArgs};

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
    /// Show times in this time zone, such as Europe/Berlin, instead of the machine's.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global")]
    timezone: Option<String>,
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
    /// See how far consumer groups have read, and set where they read next.
    #[command(subcommand)]
    Groups(groups::GroupsCommand),
    /// Find out why events died, and send them back.
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// Watch and mend everything on a full screen.
    Tui(tui::TuiArgs),
    /// Tell everything that happened to one order, wherever it is written down.
    Trace(trace::TraceArgs),
    /// Look at orders, find those that are stuck, and make them go on or end.
    #[command(subcommand)]
    Orders(orders::OrdersCommand),
    /// Ask the shop's tables, in SQL or by the name of a question that is known.
    Query(query::QueryArgs),
    /// Run the simulated payment provider on its own; see and change how it behaves.
    #[command(subcommand)]
    Gateway(gateway::GatewayCommand),
    /// Look at everything that a shop needs, here and on its servers, and say what to do.
    Doctor(doctor::DoctorArgs),
    /// Empty a stopped shop: topics, groups, tables, cache, holds, stock, mail, the console's index.
    Clean(clean::CleanArgs),
    /// Write a shop's folder to one file, also while the shop runs.
    Backup(backup::BackupArgs),
    /// Put a backup into an empty or a new folder.
    Restore(backup::RestoreArgs),
    /// Ask a running process how it is.
    Health(health::HealthArgs),
    /// Measure how fast the shop is on this machine.
    Bench(bench::BenchArgs),
    /// Print a script that completes commands and flags in a shell.
    Completions(manual::CompletionsArgs),
    /// Print the manual.
    Man(manual::ManArgs),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
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

#[expect(clippy::too_many_lines, reason = "an arm per command")]
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
        Command::Groups(command) => {
            let (settings, _) = load(&cli.global, command.data().flags(), "warn")?;
            groups::run(&command, &settings)
        }
        Command::Dlq(command) => {
            let (settings, _) = load(&cli.global, command.data().flags(), "warn")?;
            dlq::run(&command, &settings)
        }
        Command::Tui(args) => {
            let (settings, _) = load(&cli.global, args.flags(), "warn")?;
            tui::run(&args, &settings)
        }
        Command::Trace(args) => {
            let (settings, _) = load(&cli.global, args.data.flags(), "warn")?;
            trace::run(&args, &settings)
        }
        Command::Orders(command) => {
            let (settings, _) = load(&cli.global, command.data().flags(), "warn")?;
            orders::run(&command, &settings)
        }
        Command::Query(args) => {
            let (settings, _) = load(&cli.global, args.data().flags(), "warn")?;
            query::run(&args, &settings)
        }
        Command::Gateway(command) => {
            let (settings, _) = load(&cli.global, command.flags(), command.level())?;
            gateway::run(&command, &settings)
        }
        Command::Doctor(args) => {
            let flags = args.flags()?;
            doctor::run(&args, load(&cli.global, flags, "error"))
        }
        Command::Clean(args) => {
            let (settings, _) = load(&cli.global, args.flags(), "warn")?;
            clean::run(&args, &settings)
        }
        Command::Backup(args) => {
            let (settings, _) = load(&cli.global, args.flags(), "warn")?;
            backup::run(&args, &settings)
        }
        Command::Restore(args) => {
            let (settings, _) = load(&cli.global, args.flags(), "warn")?;
            backup::run_restore(&args, &settings)
        }
        Command::Health(args) => health::run(&args),
        Command::Bench(args) => {
            let (settings, _) = load(&cli.global, args.flags(), "warn")?;
            bench::run(&args, &settings)
        }
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
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
    flag("timezone", "display.timezone", &global.timezone);
    flag("log-format", "log.format", &global.log_format);
    flag("log-level", "log.level", &global.log_level);
    let layers = Layers::read(&sources)?;
    let settings = Settings::from_layers(&layers)?;
    zone::choose(settings.zone().map_err(anyhow::Error::msg)?);
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
    if error.downcast_ref::<InUse>().is_some() || error.downcast_ref::<HalfRestored>().is_some() {
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

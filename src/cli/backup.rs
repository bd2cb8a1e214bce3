//! `ecom backup` and `ecom restore`: a shop's folder as one file, and back.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::WithExit;
use super::output::Format;
use super::reach::{Reach, failed};
use super::{Exit, FlagValues, FolderArg, output};
use crate::app::backup::{BackupReport, Counts, refused_on_servers};
use crate::app::zone::local;
use crate::app::{DataFolder, Settings, folder};
use crate::ops::backup::{self, BackupRequest};

#[derive(Debug, Args)]
#[command(
    after_help = "The backup shows one moment: tables, event log, the simulated provider's ledger and
the mailbox agree. A running shop makes it itself and goes on selling. It is a tar file
that holds a manifest with a SHA-256 of each part; it appears under its name once it is
complete and on disk. What is on servers is not in it: for PostgreSQL use pg_dump or a
base backup, for Kafka a mirror.

Examples:
  ecom backup shop.tar
  ecom backup /var/backups    named after the shop and the time
  ecom restore shop.tar --data elsewhere"
)]
pub(super) struct BackupArgs {
    /// A new file, or a folder for one.
    #[arg(value_name = "FILE|DIR")]
    target: PathBuf,
    #[command(flatten)]
    data: FolderArg,
    /// How the report is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The file is checked before anything is changed. A restore that was killed is finished
by running it again; until then no shop starts in the folder.

Examples:
  ecom restore shop.tar --data elsewhere
  ecom restore shop.tar --force    the shop that is there goes to a folder before-… in it"
)]
pub(super) struct RestoreArgs {
    /// A file that `ecom backup` made.
    file: PathBuf,
    /// The folder that it is put into: an empty or a new one.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Move a shop that is in the folder aside; it is not deleted.
    #[arg(long)]
    force: bool,
    /// How the report is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// A folder that is named is meant, whatever cluster a profile or the environment names.
pub(super) fn folder_is_meant(data: Option<&PathBuf>) -> FlagValues {
    let Some(dir) = data else { return vec![] };
    let dir = ("data", "data.dir", dir.display().to_string());
    vec![dir, ("data", "kafka.bootstrap", String::new()), ("data", "postgres.url", String::new())]
}

impl BackupArgs {
    pub(super) fn flags(&self) -> FlagValues {
        folder_is_meant(self.data.data.as_ref())
    }
}

impl RestoreArgs {
    pub(super) fn flags(&self) -> FlagValues {
        folder_is_meant(self.data.as_ref())
    }
}

pub(super) fn run(args: &BackupArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let target = std::path::absolute(&args.target)?;
    let Some(target) = target.to_str().map(str::to_owned) else {
        let text = format!("the name {} is not UTF-8; name another file", target.display());
        return Err(WithExit(Exit::Usage, text).into());
    };
    let request = BackupRequest { target };
    let path = settings.data_dir()?;
    if settings.on_servers() {
        return Err(failed(refused_on_servers().into()));
    }
    if !folder::holds_data(&path) {
        let text = format!("{} holds no shop; name its folder with --data", path.display());
        return Err(WithExit(Exit::NotFound, text).into());
    }
    let made = make(settings, &path, &request, args.data.verbose)?;
    if args.output == Format::Json {
        output::line(told("backup", &made)?)?;
        return Ok(Exit::Ok);
    }
    output::line(&made.file)?;
    output::say(in_words(&made));
    Ok(Exit::Ok)
}

fn make(
    settings: &Settings,
    path: &Path,
    request: &BackupRequest,
    verbose: bool,
) -> anyhow::Result<BackupReport> {
    let error = match DataFolder::open(path) {
        Ok(owned) => {
            if verbose {
                output::say(format!("using the stopped shop in {}", path.display()));
            }
            return backup::of_stopped(&owned, settings, request).map_err(failed);
        }
        Err(e) => e,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let reach = Reach::running(error, settings.console.protected, verbose).await?;
        reach.ops.back_up(request).await.map_err(failed)
    })
}

pub(super) fn run_restore(args: &RestoreArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let path = settings.data_dir()?;
    let done = backup::restore(&args.file, &path, args.force).map_err(failed)?;
    if args.output == Format::Json {
        output::line(told("restore", &done)?)?;
        return Ok(Exit::Ok);
    }
    output::line(&done.folder)?;
    let counts = counted(&done.manifest.counts);
    output::say(format!("the shop of {}: {counts}", local(done.manifest.taken_at)));
    if let Some(aside) = &done.aside {
        output::say(format!("the shop that was there is in {aside} now"));
    }
    output::say(format!("next: ecom serve --data {}", done.folder));
    Ok(Exit::Ok)
}

/// A report as one JSON object that says what it is.
fn told(kind: &str, report: &impl serde::Serialize) -> anyhow::Result<String> {
    let mut json = serde_json::json!({ "kind": kind, "schema_version": 1 });
    if let (Some(all), serde_json::Value::Object(told)) =
        (json.as_object_mut(), serde_json::to_value(report)?)
    {
        all.extend(told);
    }
    Ok(json.to_string())
}

fn in_words(made: &BackupReport) -> String {
    let BackupReport { bytes, took_ms, manifest, .. } = made;
    let mut text = format!(
        "{}; {} KiB in {}.{} s, as of {}",
        counted(&manifest.counts),
        bytes.div_ceil(1024),
        took_ms / 1_000,
        took_ms % 1_000 / 100,
        local(manifest.taken_at)
    );
    if !manifest.elsewhere.is_empty() {
        let elsewhere = manifest.elsewhere.join(", ");
        let _ = write!(text, "\nnot in it, since it is on servers: {elsewhere}");
    }
    text
}

fn counted(counts: &Counts) -> String {
    let Counts { orders, orders_open, records, charges, messages } = counts;
    format!(
        "{orders} orders ({orders_open} open), {records} events, {charges} charges, {messages} messages"
    )
}

//! `ecom verify`: holds what a folder contains against the invariants.

use clap::Args;

use super::exit::WithExit;
use super::output::Format;
use super::simulate::exit_of;
use super::{Exit, FlagValues, FolderArg, ServerArgs, output};
use crate::app::{Settings, folder};
use crate::sim::check::REQUIRED_OF_FOLDERS;
use crate::sim::lab::Stats;
use crate::sim::live::judge;
use crate::sim::report::{Backend, Mode, Parts, Report};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 PASS, 4 no data there, 20 a safety invariant violated, 21 a liveness
invariant violated, 30 nothing violated, but too little happened to tell."
)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    data: FolderArg,
    /// How the report is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    #[command(flatten)]
    servers: ServerArgs,
}

impl VerifyArgs {
    pub(super) fn flags(&self) -> FlagValues {
        let mut flags = self.data.flags();
        flags.extend(self.servers.flags());
        flags
    }
}

pub(super) fn run(args: &VerifyArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let path = settings.data_dir()?;
    let needs_folder = settings.postgres.url.is_empty() || settings.kafka.bootstrap.is_empty();
    if needs_folder && !folder::holds_data(&path) {
        let other = if settings.on_servers() { ", and all its servers" } else { "" };
        let text = format!("{} holds no shop; name its folder with --data{other}", path.display());
        return Err(WithExit(Exit::NotFound, text).into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (evidence, verdict) = runtime.block_on(judge(settings, &path, REQUIRED_OF_FOLDERS))?;
    let parts = Parts {
        mode: Mode::Verify,
        backend: Backend::of(settings),
        workload: None,
        begun: evidence.begun(),
        duration_ms: 0,
        trace_hash: None,
        replay: format!("ecom verify --data {}", path.display()),
    };
    let report = Report::new(parts, &Stats::default(), &evidence, verdict);
    match args.output {
        Format::Text => output::out(&report.to_text())?,
        Format::Json => output::line(serde_json::to_string(&report)?)?,
    }
    Ok(exit_of(&report.verdict))
}

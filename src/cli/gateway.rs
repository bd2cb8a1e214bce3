//! `ecom gateway`: how the simulated payment provider of a running shop behaves.

use clap::{Args, Subcommand};

use super::reach::{Reach, failed};
use super::{DataArg, Exit, output, share};
use crate::app::Settings;

#[derive(Debug, Subcommand)]
pub(super) enum GatewayCommand {
    /// Print how it behaves.
    Show(ShowArgs),
    /// Make it behave differently from now on.
    #[command(after_help = "Example:
  ecom gateway set --success 0.5 --ambiguous 0.1")]
    Set(SetArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    data: DataArg,
}

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// Share of charges that are captured.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    success: Option<f64>,
    /// Share of calls whose answer never comes.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    ambiguous: Option<f64>,
    /// Share of refund calls that fail for now.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    refund_failure: Option<f64>,
    /// Median time to answer, in ms.
    #[arg(long, value_name = "MS")]
    latency_p50: Option<u64>,
    /// 99th percentile of the time to answer, in ms.
    #[arg(long, value_name = "MS")]
    latency_p99: Option<u64>,
    #[command(flatten)]
    data: DataArg,
}

impl GatewayCommand {
    pub(super) const fn data(&self) -> &DataArg {
        match self {
            Self::Show(args) => &args.data,
            Self::Set(args) => &args.data,
        }
    }
}

pub(super) fn run(command: &GatewayCommand, settings: &Settings) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let reach = Reach::find(settings, command.data().verbose).await?;
        let mut dials = reach.ops.gateway(None).await.map_err(failed)?;
        if let GatewayCommand::Set(args) = command {
            dials.success = args.success.unwrap_or(dials.success);
            dials.ambiguous = args.ambiguous.unwrap_or(dials.ambiguous);
            dials.refund_failure = args.refund_failure.unwrap_or(dials.refund_failure);
            dials.latency_ms_p50 = args.latency_p50.unwrap_or(dials.latency_ms_p50);
            dials.latency_ms_p99 = args.latency_p99.unwrap_or(dials.latency_ms_p99);
            dials = reach.ops.gateway(Some(dials)).await.map_err(failed)?;
        }
        output::line(serde_json::to_string_pretty(&dials)?)?;
        reach.close();
        Ok(Exit::Ok)
    })
}

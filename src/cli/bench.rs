//! `ecom bench`: how fast it is here.

use std::sync::Arc;

use clap::{Args, Subcommand};

use super::{Exit, output};
use crate::app::Settings;
use crate::bench::ground::Ground;
use crate::bench::saga::{SagaPlan, measure};

#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Orders per second through the whole saga, in this process.
    Saga(SagaArgs),
}

#[derive(Debug, Args)]
pub(super) struct SagaArgs {
    /// How long orders are placed, in seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Offer this many orders per second; without it, as many as go.
    #[arg(long)]
    rate: Option<u64>,
    /// Orders under way at most.
    #[arg(long, default_value_t = 1_000)]
    in_flight: usize,
    /// Carts filled beforehand; the run ends when they are used up.
    #[arg(long, default_value_t = 150_000)]
    carts: usize,
}

pub(super) fn run(command: &BenchCommand, settings: &Settings) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let BenchCommand::Saga(args) = command;
    let plan = SagaPlan {
        seconds: args.seconds,
        rate: args.rate,
        in_flight: args.in_flight,
        carts: args.carts,
    };
    let figures = runtime.block_on(async {
        let ground = Arc::new(Ground::prepare(settings.clone()).await?);
        measure(ground, &plan).await
    })?;
    output::line(serde_json::to_string_pretty(&figures)?)?;
    Ok(Exit::Ok)
}

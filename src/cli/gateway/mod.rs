//! `ecom gateway`: the simulated payment provider, in a running shop or as a server of its own.

mod serve;

use clap::{Args, Subcommand};

use super::exit::WithExit;
use super::protect::{self, YesArg};
use super::reach::{Reach, failed};
use super::{Exit, FlagValues, FolderArg, output, share};
use crate::app::{Settings, provider};
use crate::ports::{GatewayDials, GatewayError};

#[derive(Debug, Subcommand)]
pub(super) enum GatewayCommand {
    /// Run the simulated payment provider as a server of its own.
    #[command(after_help = "Example:
  ecom gateway serve --webhook http://127.0.0.1:8000/payments/webhooks/gateway")]
    Serve(serve::ServeArgs),
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
    provider: ProviderArg,
}

/// Which provider is meant.
#[derive(Debug, Args)]
struct ProviderArg {
    /// The provider that is served at this URL; without it, the one of the shop.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    url: Option<String>,
    #[command(flatten)]
    data: FolderArg,
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
    yes: YesArg,
    #[command(flatten)]
    provider: ProviderArg,
}

impl GatewayCommand {
    pub(super) fn flags(&self) -> FlagValues {
        match self {
            Self::Serve(args) => args.flags(),
            Self::Show(ShowArgs { provider }) | Self::Set(SetArgs { provider, .. }) => {
                provider.data.flags()
            }
        }
    }

    /// What is logged unless it is set.
    pub(super) const fn level(&self) -> &'static str {
        match self {
            Self::Serve(_) => "info",
            Self::Show(_) | Self::Set(_) => "warn",
        }
    }
}

pub(super) fn run(command: &GatewayCommand, settings: &Settings) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let dials = match command {
            GatewayCommand::Serve(args) => return serve::run(args, settings).await,
            GatewayCommand::Show(args) => turn(&args.provider, settings, |_| false).await?,
            GatewayCommand::Set(args) => {
                let what = "make the provider behave differently";
                protect::mild(settings.console.protected, what, &args.yes)?;
                turn(&args.provider, settings, |dials| args.turn(dials)).await?
            }
        };
        output::line(serde_json::to_string_pretty(&dials)?)?;
        Ok(Exit::Ok)
    })
}

impl SetArgs {
    fn turn(&self, dials: &mut GatewayDials) -> bool {
        dials.success = self.success.unwrap_or(dials.success);
        dials.ambiguous = self.ambiguous.unwrap_or(dials.ambiguous);
        dials.refund_failure = self.refund_failure.unwrap_or(dials.refund_failure);
        dials.latency_ms_p50 = self.latency_p50.unwrap_or(dials.latency_ms_p50);
        dials.latency_ms_p99 = self.latency_p99.unwrap_or(dials.latency_ms_p99);
        true
    }
}

/// The dials of the provider that is meant, after `change`, which says whether it changed them.
async fn turn(
    of: &ProviderArg,
    settings: &Settings,
    change: impl FnOnce(&mut GatewayDials) -> bool,
) -> anyhow::Result<GatewayDials> {
    let configured = Some(&settings.gateway.url).filter(|url| !url.is_empty());
    // A folder that is named means the shop in it.
    if let Some(url) = of.url.as_ref().or(configured.filter(|_| of.data.data.is_none())) {
        let wrong = |e| WithExit(Exit::Usage, format!("--url {url}: {e}"));
        let provider = provider::remote(url, settings.gateway.secret.as_ref()).map_err(wrong)?;
        if of.data.verbose {
            output::say(format!("using the provider at {url}"));
        }
        let mut dials = provider.dials(None).await.map_err(|e| out_of_reach(url, &e))?;
        if change(&mut dials) {
            dials = provider.dials(Some(&dials)).await.map_err(|e| out_of_reach(url, &e))?;
        }
        return Ok(dials);
    }
    let reach = Reach::find(settings, of.data.verbose).await?;
    let mut dials = reach.ops.gateway(None).await.map_err(failed)?;
    if change(&mut dials) {
        dials = reach.ops.gateway(Some(dials)).await.map_err(failed)?;
    }
    reach.close();
    Ok(dials)
}

fn out_of_reach(url: &str, e: &GatewayError) -> WithExit {
    match e {
        GatewayError::Refused(text) => WithExit(Exit::Usage, text.clone()),
        GatewayError::Unavailable(text) => WithExit(Exit::Unreachable, text.clone()),
        GatewayError::Unknown => {
            let text = format!("{url} gave no answer that a payment provider would give");
            WithExit(Exit::Unreachable, text)
        }
    }
}

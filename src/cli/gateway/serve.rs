//! `ecom gateway serve`: the payment provider as a server of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::app::config::secrets;
use crate::app::embedded::Environment;
use crate::app::folder::{self, ServerNote};
use crate::app::provider::{Customer, Provider};
use crate::app::{DataFolder, Settings, SystemClock, Telemetry};
use crate::cli::exit::WithExit;
use crate::cli::signals::Signals;
use crate::cli::{Exit, FlagValues, output};
use crate::domain::Secret;
use crate::http::listen;
use crate::ports::clock::timeout;

/// How long a drain may take.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Where its ledger is unless it is told, in the folder of all data.
const FOLDER: &str = "gateway";

#[derive(Debug, Args)]
pub(in crate::cli) struct ServeArgs {
    /// Listen on this address; a public one needs a secret.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Listen on this port; 0 takes any free one.
    #[arg(long, default_value_t = 8090)]
    port: u16,
    /// Keep the ledger in this folder, which no shop may be in; by default `gateway` in data.dir.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Tell of every decision here, signed with `gateway.webhook_secret`.
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// Callers must know the secret in this file; without it, that of the settings.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl ServeArgs {
    pub(super) fn flags(&self) -> FlagValues {
        let dir = self.data.as_ref().map(|dir| ("data", "data.dir", dir.display().to_string()));
        dir.into_iter().collect()
    }

    fn folder(&self, settings: &Settings) -> anyhow::Result<PathBuf> {
        let data = settings.data_dir()?;
        let path = if self.data.is_some() { data } else { data.join(FOLDER) };
        if folder::holds_data(&path) {
            let path = path.display();
            let text = format!("{path} holds a shop; give the provider a folder of its own");
            return Err(WithExit(Exit::Refused, text).into());
        }
        Ok(path)
    }

    fn secret(&self, settings: &Settings) -> Result<Option<Secret>, WithExit> {
        let secret = match &self.secret_file {
            Some(path) => Some(secret_in(path)?),
            None => settings.gateway.secret.clone(),
        };
        if secret.is_none() && !self.listen.is_loopback() {
            return Err(usage(format!(
                "--listen {}: a public address needs a secret; name its file with --secret-file",
                self.listen
            )));
        }
        Ok(secret)
    }

    fn customer(&self, settings: &Settings) -> Result<Option<Customer>, WithExit> {
        let Some(url) = self.webhook.clone() else { return Ok(None) };
        let Some(secret) = settings.gateway.webhook_secret.clone() else {
            let text = "--webhook: messages are signed; set gateway.webhook_secret";
            return Err(usage(text.to_owned()));
        };
        let wrong = |e| usage(format!("--webhook {url}: {e}"));
        Customer::new(&url, secret).map(Some).map_err(wrong)
    }
}

fn secret_in(path: &Path) -> Result<Secret, WithExit> {
    secrets::read(path).map_err(|text| usage(format!("--secret-file: {text}")))
}

fn usage(text: String) -> WithExit {
    WithExit(Exit::Usage, text)
}

pub(super) async fn run(args: &ServeArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let (secret, customer) = (args.secret(settings)?, args.customer(settings)?);
    let path = args.folder(settings)?;
    let (ip, port) = (args.listen, args.port);
    let bound = listen::bind(ip, port).await.map_err(|e| {
        let text = format!("cannot listen on {ip}:{port}: {e}; choose another port with --port");
        WithExit(Exit::Failure, text)
    })?;
    let (address, environment) = (format!("http://{}", bound.address), Environment::system());
    let telemetry = Telemetry::of_provider(&bound.address.to_string(), &environment)?;
    let folder = DataFolder::open(&path)?;
    let provider = Provider::open(&folder, settings, customer.as_ref(), environment)?
        .traced(telemetry.tracer("ecom"));
    let (pid, token) = (std::process::id(), String::new());
    folder.leave_note(&ServerNote { pid, address: address.clone(), token })?;
    output::line(format!("ecom gateway is ready: {address}"))?;
    output::say(format!("ledger in {}; API at {address}/docs; Ctrl-C stops", path.display()));
    let mut serving = Box::pin(provider.serve(bound, secret));
    tokio::select! {
        biased;
        _ = signals.next() => {}
        () = &mut serving => {}
    }
    output::say("finishing what is under way; once more ends at once");
    provider.stop();
    let clock = SystemClock::default();
    tokio::select! {
        biased;
        done = timeout(&clock, DRAIN_MAX, serving) => {
            if done.is_none() {
                tracing::warn!("not everything was finished in time");
            }
        }
        never = signals.end_at_next() => match never {},
    }
    folder.take_note_away();
    provider.close();
    telemetry.close().await;
    Ok(Exit::Ok)
}

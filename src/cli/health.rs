//! `ecom health`: asks a running process how it is, for probes that have nothing but this program.

use std::time::Duration;

use clap::Args;

use super::exit::WithExit;
use super::{Exit, output};
use crate::app::config::Period;
use crate::sim::lab::client::{Call, Client};
use crate::sim::lab::wire::{Target, WireClient};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ecom health                                    the gateway of this machine: is every part ready?
  ecom health http://127.0.0.1:8002/health       one service: does it answer?

Exit codes: 0 it says yes, 5 it says no, or nothing in time.")]
pub(super) struct HealthArgs {
    /// What to ask: http://HOST:PORT and a path.
    #[arg(default_value = "http://127.0.0.1:8000/readyz")]
    url: String,
    /// Wait for an answer this long.
    #[arg(long, value_name = "TIME", default_value = "3s")]
    timeout: Period,
}

pub(super) fn run(args: &HealthArgs) -> anyhow::Result<Exit> {
    let (base, path) = split(&args.url).ok_or_else(|| {
        WithExit(Exit::Usage, format!("{} is not http://HOST:PORT/PATH", args.url))
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(ask(base, path, args.timeout.0));
    // An answer that still comes is nobody's.
    runtime.shutdown_background();
    let (status, body) = asked.map_err(|why| {
        WithExit(Exit::Unreachable, format!("{} does not answer: {why}", args.url))
    })?;
    output::line(body.trim_end())?;
    Ok(if (200..300).contains(&status) { Exit::Ok } else { Exit::Unreachable })
}

fn split(url: &str) -> Option<(&str, &str)> {
    let host = url.strip_prefix("http://").filter(|host| !host.is_empty())?;
    let at = host.find('/').map_or(url.len(), |at| at + "http://".len());
    let (base, path) = url.split_at(at);
    Some((base, if path.is_empty() { "/readyz" } else { path }))
}

async fn ask(base: &str, path: &str, limit: Duration) -> Result<(u16, String), String> {
    let client = WireClient::new(Target::gateway(base));
    let clock = crate::app::SystemClock::default();
    let (call, silence) = (Call::get(path), || format!("nothing within {limit:?}"));
    let asked = crate::ports::clock::timeout(&clock, limit, client.call(&call)).await;
    let reply = asked.ok_or_else(silence)?.map_err(|e| e.0)?;
    Ok((reply.status, String::from_utf8_lossy(&reply.body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_place_and_a_path() {
        assert_eq!(split("http://a:1/health"), Some(("http://a:1", "/health")));
        assert_eq!(split("http://a:1"), Some(("http://a:1", "/readyz")));
        assert_eq!(split("http://"), None);
        assert_eq!(split("https://a"), None);
    }
}

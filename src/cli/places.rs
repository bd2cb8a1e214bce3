//! Where a command works: a folder, or the servers of a cluster.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, FlagValues, exit, output};

/// A shop by its folder.
#[derive(Debug, Args)]
pub(in crate::cli) struct FolderArg {
    /// The shop that keeps its data in this folder, running or stopped.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) data: Option<PathBuf>,
    /// Say which shop is used.
    #[arg(short, long)]
    pub(in crate::cli) verbose: bool,
}

impl FolderArg {
    pub(in crate::cli) fn flags(&self) -> FlagValues {
        let dir = self.data.as_ref().map(|dir| ("data", "data.dir", dir.display().to_string()));
        dir.into_iter().collect()
    }
}

/// Which shop or cluster an operation is meant for.
#[derive(Debug, Args)]
pub(in crate::cli) struct DataArg {
    #[command(flatten)]
    pub(in crate::cli) folder: FolderArg,
    #[command(flatten)]
    pub(in crate::cli) servers: BackArgs,
    /// Wait this long for an answer of any of them, instead of what the settings say for each.
    #[arg(long, value_name = "TIME", help_heading = "Cluster")]
    pub(in crate::cli) timeout: Option<String>,
}

impl DataArg {
    /// Whether one place is meant; an error says which flag to drop.
    pub(in crate::cli) fn check(&self) -> anyhow::Result<()> {
        let cluster = self.servers.kafka.as_ref().is_some_and(|brokers| !brokers.is_empty());
        if self.folder.data.is_some() && cluster {
            let text = "--data means a shop in a folder, and --kafka a cluster: drop --data to work on the cluster, or --kafka to work on the folder";
            return Err(exit::WithExit(Exit::Usage, text.into()).into());
        }
        Ok(())
    }

    pub(in crate::cli) fn flags(&self) -> FlagValues {
        let mut flags = self.folder.flags();
        flags.extend(timeouts(self.timeout.as_ref()));
        let servers = self.servers.flags();
        if self.folder.data.is_some() && servers.is_empty() {
            // A folder that is named is meant, whatever cluster a profile or the environment names.
            flags.push(("data", "kafka.bootstrap", String::new()));
            flags.push(("data", "postgres.url", String::new()));
        }
        flags.extend(servers);
        flags
    }
}

/// What a list takes that can be of one place only.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    pub(in crate::cli) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = output::Format::Text)]
    pub(in crate::cli) output: output::Format,
}

/// The servers that keep what happens.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(in crate::cli) struct BackArgs {
    /// Events on Kafka: HOST:PORT of one or more brokers, separated by commas.
    #[arg(long, value_name = "BROKERS")]
    pub(in crate::cli) kafka: Option<String>,
    /// Tables in PostgreSQL: postgres://USER:PASSWORD@HOST:PORT/DATABASE.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) postgres: Option<String>,
    /// Carts' copies and holds in Redis: redis://[USER:PASSWORD@]HOST:PORT.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) redis: Option<String>,
}

impl BackArgs {
    pub(in crate::cli) fn flags(&self) -> FlagValues {
        let all = [
            ("kafka", "kafka.bootstrap", &self.kafka),
            ("postgres", "postgres.url", &self.postgres),
            ("redis", "redis.url", &self.redis),
        ];
        set(&all)
    }
}

/// Flags that were given.
pub(in crate::cli) fn set(all: &[(&'static str, &'static str, &Option<String>)]) -> FlagValues {
    all.iter().filter_map(|(name, key, value)| Some((*name, *key, (*value).clone()?))).collect()
}

pub(in crate::cli) fn timeouts(timeout: Option<&String>) -> FlagValues {
    let keys = ["kafka.timeout", "postgres.timeout", "redis.timeout", "gateway.request_timeout"];
    keys.into_iter().filter_map(|key| Some(("timeout", key, timeout?.clone()))).collect()
}

/// The servers of a cluster, instead of what is embedded.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(in crate::cli) struct ServerArgs {
    #[command(flatten)]
    pub(in crate::cli) back: BackArgs,
    /// Mail over SMTP: smtp://[USER:PASSWORD@]HOST:PORT.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) smtp: Option<String>,
    /// Payments at a provider: http://HOST:PORT, for example `ecom gateway serve`.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) gateway: Option<String>,
    /// Wait this long for an answer of any of them, instead of what the settings say for each.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) timeout: Option<String>,
}

impl ServerArgs {
    pub(in crate::cli) fn flags(&self) -> FlagValues {
        let mut flags = self.back.flags();
        flags.extend(set(&[
            ("smtp", "smtp.url", &self.smtp),
            ("gateway", "gateway.url", &self.gateway),
        ]));
        flags.extend(timeouts(self.timeout.as_ref()));
        flags
    }
}

//! `ecom config`: what is set, and where.

use std::borrow::Cow;

use clap::{Args, Subcommand};

use super::{Exit, output};
use crate::app::config::{Layers, Origin};

/// Look at the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every setting that applies.
    Show(ShowArgs),
    /// Print a configuration file with every setting, its default and what it means.
    Template,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Also print where each value comes from.
    #[arg(long)]
    origin: bool,
}

pub(super) fn run(command: &ConfigCommand, layers: &Layers) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Show(args) => output::out(&show(layers, args.origin))?,
        ConfigCommand::Template => {
            output::out(include_str!("../../config/ecom.default.toml"))?;
        }
    }
    Ok(Exit::Ok)
}

fn show(layers: &Layers, with_origin: bool) -> String {
    let row = |(key, value, origin): (&str, Cow<'_, toml::Value>, &Origin)| {
        let mut row = vec![key.to_owned(), "=".to_owned(), value.to_string()];
        row.extend(with_origin.then(|| format!("# {origin}")));
        row
    };
    output::table(&layers.all().map(row).collect::<Vec<_>>())
}

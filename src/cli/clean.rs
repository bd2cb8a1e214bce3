//! `ecom clean`: a stopped shop is emptied, in whole or in part.

use std::collections::BTreeSet;

use clap::Args;

use super::exit::WithExit;
use super::output::Format;
use super::reach::failed;
use super::{DataArg, Exit, FlagValues, output, protect};
use crate::app::embedded::Environment;
use crate::app::{Settings, folder};
use crate::ops::clean::{Cleaning, Part, Plan, Step};

#[derive(Debug, Args)]
#[command(
    override_usage = "ecom clean [OPTIONS] <WHAT>...",
    after_help = "The shop must be stopped; nobody's session is ended for it. What would go is counted and
printed first. Then a person types the name of the profile or the folder; who is no person
gives it with --confirm, or nothing is done and the exit code is 7.
Only what is the shop's goes: on Kafka and Redis, what has its prefix or its names.
A clean that was killed is finished by running it again.

Examples:
  ecom clean --all --dry-run
  ecom clean --all --confirm=shop --data shop
  ecom clean --topics --groups --profile cluster"
)]
pub(super) struct CleanArgs {
    #[command(flatten)]
    what: WhatArgs,
    /// Print what would go, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// The name of the profile, or of the folder, which says that it is meant.
    #[arg(long, value_name = "NAME", conflicts_with = "dry_run")]
    confirm: Option<String>,
    #[command(flatten)]
    data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct WhatArgs {
    /// Records of the shop's topics, its dead letters among them.
    #[arg(long)]
    topics: bool,
    /// How far the shop's consumer groups have read.
    #[arg(long)]
    groups: bool,
    /// All tables, with stock, cache and holds, and the simulated provider's ledger.
    #[arg(long)]
    db: bool,
    /// Catalogue and stock, with holds.
    #[arg(long)]
    stock: bool,
    /// The local mailbox.
    #[arg(long)]
    mail: bool,
    /// Copies of carts.
    #[arg(long)]
    cache: bool,
    /// Soft holds on stock.
    #[arg(long)]
    holds: bool,
    /// The console's index of dead letters.
    #[arg(long)]
    checkpoints: bool,
    /// All of that.
    #[arg(long)]
    all: bool,
}

impl WhatArgs {
    fn parts(&self) -> BTreeSet<Part> {
        let chosen = |part: &&Part| {
            self.all
                || match part {
                    Part::Topics => self.topics,
                    Part::Groups => self.groups,
                    Part::Db => self.db,
                    Part::Stock => self.stock,
                    Part::Mail => self.mail,
                    Part::Cache => self.cache,
                    Part::Holds => self.holds,
                    Part::Checkpoints => self.checkpoints,
                }
        };
        Part::ALL.iter().filter(chosen).copied().collect()
    }
}

impl CleanArgs {
    pub(super) fn flags(&self) -> FlagValues {
        self.data.flags()
    }
}

pub(super) fn run(args: &CleanArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let path = settings.data_dir()?;
    if !settings.on_servers() && !folder::holds_data(&path) {
        let text = format!("{} holds no shop; name its folder with --data", path.display());
        return Err(WithExit(Exit::NotFound, text).into());
    }
    let name = name(settings)?;
    if args.data.folder.verbose {
        output::say(format!("cleaning {name}, which keeps its folder in {}", path.display()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let env = Environment::system();
        let cleaning = Cleaning::of(settings, &env, &args.what.parts()).await.map_err(failed)?;
        let done = clean(args, &cleaning, &name).await;
        cleaning.close();
        done
    })
}

/// What must be typed: the profile's name, else the folder's, else that of a cluster without either.
fn name(settings: &Settings) -> anyhow::Result<String> {
    if let Some(profile) = &settings.profile {
        return Ok(profile.clone());
    }
    if settings.on_servers() {
        let prefix = settings.kafka.prefix.trim_end_matches(['.', '-', '_']);
        return Ok(if prefix.is_empty() { "cluster".to_owned() } else { prefix.to_owned() });
    }
    let path = std::path::absolute(settings.data_dir()?)?;
    Ok(path.file_name().map_or_else(|| "/".to_owned(), |name| name.to_string_lossy().into_owned()))
}

async fn clean(args: &CleanArgs, cleaning: &Cleaning<'_>, name: &str) -> anyhow::Result<Exit> {
    let plan = cleaning.plan().await.map_err(failed)?;
    if args.dry_run {
        print(args, &plan, name, false)?;
        output::say("dry run: nothing was changed");
        return Ok(Exit::Ok);
    }
    if args.output == Format::Text {
        print(args, &plan, name, false)?;
    }
    let what = format!(
        "empty {}",
        args.what.parts().iter().map(Part::to_string).collect::<Vec<_>>().join(", ")
    );
    protect::severe(&what, name, args.confirm.as_deref())?;
    cleaning.execute().await.map_err(failed)?;
    if args.output == Format::Json {
        print(args, &plan, name, true)?;
    }
    output::say(format!("{name} is clean; next: ecom serve"));
    Ok(Exit::Ok)
}

fn print(args: &CleanArgs, plan: &Plan, name: &str, executed: bool) -> anyhow::Result<()> {
    if args.output == Format::Json {
        let json = serde_json::json!({
            "kind": "clean", "schema_version": 1, "name": name, "executed": executed,
            "steps": plan.steps, "notes": plan.notes,
        });
        output::line(json)?;
        return Ok(());
    }
    let mut rows = vec![["PART", "COUNT", "WHAT", "WHERE"].map(str::to_owned).to_vec()];
    for Step { part, what, place, count } in &plan.steps {
        let count = count.map_or_else(|| "-".to_owned(), |n| n.to_string());
        rows.push(vec![part.to_string(), count, what.clone(), place.clone()]);
    }
    output::out(&output::table(&rows))?;
    plan.notes.iter().for_each(|note| output::say(format!("note: {note}")));
    Ok(())
}

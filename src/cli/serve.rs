//! `ecom serve`: the shop in this process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use utoipa_axum::router::OpenApiRouter;

use super::signals::Signals;
use super::tui::{LookArgs, doer, full_screen, keymap, rights};
use super::{Exit, FlagValues, ServerArgs, output};
use crate::app::backup::Keeper;
use crate::app::embedded::Environment;
use crate::app::folder::{self, ServerNote};
use crate::app::shop::Listener;
use crate::app::{Backends, DataFolder, Embedded, Office, Settings, Shop, Telemetry, backends};
use crate::http::listen::{self, Bound};
use crate::ops::Ops;
use crate::ops::api::Pace;
use crate::ops::local::{Ground, LocalOps};
use crate::ports::store::query;
use crate::tui::remap::Keymap;

/// How long a drain may take.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How long leaving may take after that.
const LEAVE_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Keep everything in this folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Listen on this address.
    #[arg(long, value_name = "IP")]
    listen: Option<String>,
    /// The gateway's port; the services take the five after it. 0 takes any free ports.
    #[arg(long, value_name = "PORT")]
    port_base: Option<u16>,
    /// Products in the first catalogue.
    #[arg(long, value_name = "N")]
    products: Option<usize>,
    /// Only these roles: gateway, cart, order, payment, inventory, notification, catalog.
    #[arg(long, value_name = "ROLES")]
    only: Option<String>,
    /// All roles but these.
    #[arg(long, value_name = "ROLES")]
    except: Option<String>,
    /// Show the console on a full screen; anywhere but on a terminal, this changes nothing.
    #[arg(long)]
    tui: bool,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    servers: ServerArgs,
}

impl ServeArgs {
    pub(super) fn flags(&self) -> FlagValues {
        let mut flags = vec![];
        let mut flag = |name, key, value: Option<String>| {
            flags.extend(value.map(|value| (name, key, value)));
        };
        flag("data", "data.dir", self.data.as_ref().map(|dir| dir.display().to_string()));
        flag("listen", "serve.listen", self.listen.clone());
        flag("port-base", "serve.port_base", self.port_base.map(|port| port.to_string()));
        flag("products", "serve.products", self.products.map(|n| n.to_string()));
        flag("only", "serve.only", self.only.clone());
        flag("except", "serve.except", self.except.clone());
        flags.extend(self.servers.flags());
        flags
    }
}

pub(super) fn run(args: &ServeArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(args, settings));
    // Who was not finished in time may leave its groups; a question to a server that is silent is given up.
    runtime.shutdown_timeout(LEAVE_MAX);
    ended
}

async fn serve(args: &ServeArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let keys = keymap(settings)?;
    let mut signals = Signals::listen()?;
    let environment = Environment::system();
    let telemetry = Telemetry::of_shop(settings, &environment)?;
    let needed = backends::needs_folder(settings).then(|| settings.data_dir()).transpose()?;
    let folder = needed.map(|path| DataFolder::open(&path)).transpose()?;
    let bound = bind_all(settings).await?;
    let backends = Backends::open(folder.as_ref(), settings, environment).await?;
    let Backends { ports, embedded, own_log } = backends;
    let started = ports.note_start().await?;
    let shop = Shop::build(settings, ports.clone(), |ports| telemetry.trace(ports, settings));
    shop.create_topics().await?;
    shop.start().await?;
    let seeded = shop.seed_catalogue().await?;
    if settings.roles().are_all() {
        shop.on_sale(seeded).await?;
    }
    if own_log {
        embedded.prune_log(&shop, settings.data.tidy_every.0);
    }
    let addresses: Vec<(Listener, String)> =
        bound.iter().map(|(of, bound)| (*of, format!("http://{}", bound.address))).collect();
    let token = folder::new_token();
    let ops = operations(settings, &shop, &embedded);
    for (of, bound) in bound {
        shop.listen(of, bound, admin(settings, &shop, &ops, &token));
    }
    if let (Some(folder), Some((Listener::Gateway, address))) = (&folder, addresses.first()) {
        let (pid, address) = (std::process::id(), address.clone());
        folder.leave_note(&ServerNote { pid, address, token })?;
    }
    announce(settings, &addresses, folder.as_ref(), seeded)?;
    if args.tui && crate::tui::app::has_terminal() {
        watched(args, settings, keys, ops).await?;
    } else {
        signals.next().await;
    }
    output::say("finishing what is under way; once more ends at once");
    let late = tokio::select! {
        biased;
        late = shop.drain(DRAIN_MAX) => late,
        never = signals.end_at_next() => match never {},
    };
    if !late.is_empty() {
        tracing::warn!(parts = late.join(", "), "not finished in time");
    }
    let open = query(
        ports.store.as_ref(),
        "select count(*) from orders where deadline is not null",
        vec![],
    );
    match open.await?.first().map_or(Ok(0), |row| row.int(0))? {
        0 => {}
        1 => output::say("one order is open and goes on at the next start"),
        open => output::say(format!("{open} orders are open and go on at the next start")),
    }
    if let Some(folder) = &folder {
        folder.take_note_away();
    }
    ports.note_end(started).await?;
    telemetry.close().await;
    embedded.close();
    Ok(Exit::Ok)
}

async fn bind_all(settings: &Settings) -> anyhow::Result<Vec<(Listener, Bound)>> {
    let mut all = vec![];
    for (of, n) in Listener::of(&settings.roles()) {
        let (ip, port) = (settings.serve.listen, settings.port(of.key(), n));
        let bound = listen::bind(ip, port).await.with_context(|| {
            format!("cannot listen on {ip}:{port} ({of}); choose other ports with --port-base")
        })?;
        all.push((of, bound));
    }
    Ok(all)
}

fn announce(
    settings: &Settings,
    addresses: &[(Listener, String)],
    folder: Option<&DataFolder>,
    seeded: usize,
) -> anyhow::Result<()> {
    let all: Vec<String> = addresses.iter().map(|(of, at)| format!("{of} {at}")).collect();
    output::line(format!("ecom is ready: {}", all.join(" ")))?;
    let mut said = vec![];
    said.extend(folder.map(|folder| format!("data in {}", folder.path().display())));
    let kafka = &settings.kafka.bootstrap;
    said.extend((!kafka.is_empty()).then(|| format!("events on Kafka at {kafka}")));
    said.extend((!settings.postgres.url.is_empty()).then(|| "tables in PostgreSQL".to_owned()));
    said.extend((seeded > 0).then(|| format!("{seeded} products created")));
    if let Some((Listener::Gateway, address)) = addresses.first() {
        said.push(format!("API at {address}/docs"));
    }
    said.push("Ctrl-C stops".to_owned());
    output::say(said.join("; "));
    Ok(())
}

/// Shows the console until its user leaves.
async fn watched(
    args: &ServeArgs,
    settings: &Settings,
    keys: Keymap,
    ops: Arc<dyn Ops>,
) -> anyhow::Result<()> {
    let mut setup = args.look.setup("this shop".into(), rights(settings), keys);
    setup.ends = Some("The shop stops; what is under way goes on at the next start.".into());
    full_screen(setup, doer(Some(ops), None)).await?;
    Ok(())
}

/// What can be done with the shop of this process.
fn operations(settings: &Settings, shop: &Shop, embedded: &Embedded) -> Arc<dyn Ops> {
    let ground = Ground::of_shop(shop.ports(), embedded.console.store(), true);
    let office = Office::seeing(shop, settings, embedded);
    let ops = LocalOps::new(ground).with_dials(embedded.dials.clone());
    Arc::new(ops.with_office(office).with_keeper(Keeper::of(embedded, settings)))
}

/// The admin API, where it is on.
fn admin(settings: &Settings, shop: &Shop, ops: &Arc<dyn Ops>, token: &str) -> OpenApiRouter {
    if !settings.serve.admin {
        return OpenApiRouter::new();
    }
    crate::ops::api::routes(Arc::clone(ops), token.to_owned(), Pace::of(shop))
}

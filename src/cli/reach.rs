//! Finding the shop that an operation is meant for: the running one that owns the data folder, else
//! the folder itself.

use std::sync::{Arc, OnceLock};

use indicatif::{ProgressBar, ProgressStyle};

use super::exit::WithExit;
use super::{DataArg, Exit, output};
use crate::app::embedded::Environment;
use crate::app::folder::{self, InUse};
use crate::app::remains::HttpLedger;
use crate::app::{Console, DataFolder, Embedded, Office, Ports, Settings, backends};
use crate::ops::dlq::Progress;
use crate::ops::local::{Ground, LocalOps, Others};
use crate::ops::remote::RemoteOps;
use crate::ops::{Ops, OpsError};
use crate::ports::{BusAdmin, EventBus, Store};

/// A shop in reach; closes what it opened.
pub(super) struct Reach {
    pub(super) ops: Arc<dyn Ops>,
    /// Whether somebody consumes there now.
    pub(super) running: bool,
    /// Whether the settings say that nothing is changed there unasked.
    pub(super) protected: bool,
    /// Whether it is another process that does the work.
    pub(super) elsewhere: bool,
    opened: Opened,
}

/// What is closed in the end.
enum Opened {
    Nothing,
    Folder(Box<Embedded>, DataFolder),
    Console(Console),
}

impl Reach {
    /// Finds it; says which it is if `verbose`.
    pub(super) async fn find(settings: &Settings, verbose: bool) -> anyhow::Result<Self> {
        if !settings.kafka.bootstrap.is_empty() {
            return Self::cluster(settings, verbose).await;
        }
        let path = settings.data_dir()?;
        if !folder::holds_data(&path) {
            let text = format!(
                "{} holds no shop; start one with `ecom serve`, or name its folder with --data",
                path.display()
            );
            return Err(WithExit(Exit::NotFound, text).into());
        }
        // Who holds the folder decides: a note alone may have come with a copy.
        let owned = match DataFolder::open(&path) {
            Ok(owned) => owned,
            Err(e) => return Self::running(e, settings.console.protected, verbose).await,
        };
        if verbose {
            output::say(format!("using the stopped shop in {}", path.display()));
        }
        let embedded = Embedded::open(&owned, settings, Environment::system())?;
        let ground = Ground::of_shop(&embedded.ports, embedded.console.store(), false);
        let office = Office::on(settings, &embedded.ports, embedded.remains());
        let ops = Arc::new(LocalOps::telling(ground, progress()).with_office(office));
        let opened = Opened::Folder(Box::new(embedded), owned);
        let protected = settings.console.protected;
        Ok(Self { ops, running: false, protected, elsewhere: false, opened })
    }

    /// The cluster that the settings name: a shop's, or anybody's.
    async fn cluster(settings: &Settings, verbose: bool) -> anyhow::Result<Self> {
        let env = Environment::system();
        let bus = backends::whole_kafka(settings, Arc::clone(&env.clock)).await?;
        let id = bus.cluster_id().await?;
        let inbox = !settings.postgres.url.is_empty();
        let console = Console::of_cluster(&id, &settings.kafka)?;
        let store = if inbox {
            let store = backends::postgres(settings, false, Arc::clone(&env.clock)).await?;
            Arc::new(store) as Arc<dyn Store>
        } else {
            console.store()
        };
        if verbose {
            let shop = if inbox { "and the shop's tables" } else { "without a shop's tables" };
            output::say(format!("using Kafka at {} {shop}", settings.kafka.bootstrap));
        }
        let Environment { clock, randomness, spawn } = env;
        let index = console.store();
        let bus = Arc::new(bus);
        let admin = Arc::clone(&bus) as Arc<dyn BusAdmin>;
        let bus: Arc<dyn EventBus> = bus;
        let office = inbox.then(|| clusters_office(settings, &bus, &store)).transpose()?;
        let others = if inbox { Others::Heard } else { Others::Locked(console.clone()) };
        let ground = Ground {
            bus,
            admin,
            store,
            index,
            inbox,
            running: true,
            others,
            clock,
            randomness,
            spawn,
        };
        let mut ops = LocalOps::telling(ground, progress());
        if let Some(office) = office {
            ops = ops.with_office(office);
        }
        let (protected, opened) = (settings.console.protected, Opened::Console(console));
        Ok(Self { ops: Arc::new(ops), running: true, protected, elsewhere: false, opened })
    }

    /// The shop that holds the folder, if that is why it could not be opened.
    pub(super) async fn running(
        error: anyhow::Error,
        protected: bool,
        verbose: bool,
    ) -> anyhow::Result<Self> {
        let in_use = error.downcast::<InUse>()?;
        if let Some(note) = &in_use.owner {
            let remote = RemoteOps::new(note);
            if remote.answers().await {
                if verbose {
                    output::say(format!("using the running shop at {}", note.address));
                }
                let (ops, opened) = (Arc::new(remote), Opened::Nothing);
                return Ok(Self { ops, running: true, protected, elsewhere: true, opened });
            }
        }
        let text =
            format!("{in_use}, but it does not answer on its admin API; is serve.admin off?");
        Err(WithExit(Exit::Unreachable, text).into())
    }

    /// Writes what was opened back and closes it.
    pub(super) fn close(self) {
        match self.opened {
            Opened::Nothing => {}
            Opened::Folder(embedded, _owned) => embedded.close(),
            Opened::Console(console) => console.close(),
        }
    }
}

/// The services of a cluster's shop, of which this process runs none; and what the settings name outside.
fn clusters_office(
    settings: &Settings,
    bus: &Arc<dyn EventBus>,
    store: &Arc<dyn Store>,
) -> anyhow::Result<Office> {
    let nothing = Embedded::in_memory(settings, Environment::system())?;
    let (bus, store) = (Arc::clone(bus), Arc::clone(store));
    let ports = Ports { bus, store, one_journal: false, ..nothing.ports.clone() };
    let mut remains = nothing.remains();
    // What is in memory here is nobody's.
    remains.outside = None;
    if !settings.gateway.url.is_empty() {
        let ledger = HttpLedger::new(&settings.gateway.url, settings.gateway.secret.as_ref())?;
        remains.ledger = Some(Arc::new(ledger));
    }
    remains.inbox = backends::inbox(settings, Environment::system().clock)?;
    Ok(Office::on(settings, &ports, remains))
}

/// Does `work` on the shop or cluster that is meant.
pub(super) fn with_reach(
    settings: &Settings,
    data: &DataArg,
    work: impl AsyncFnOnce(&Reach) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    data.check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let reach = Reach::find(settings, data.folder.verbose).await?;
        let done = work(&reach).await;
        reach.close();
        done
    })
}

/// Shows how far the search for dead letters is, once it takes a while.
fn progress() -> Progress {
    const WORTH_SHOWING: u64 = 20_000;
    let bar: OnceLock<ProgressBar> = OnceLock::new();
    Arc::new(move |done, all| {
        if all < WORTH_SHOWING || !output::is_watched() {
            return;
        }
        let bar = bar.get_or_init(|| {
            let style = "reading dead letters {bar:30} {human_pos} of {human_len} {eta}";
            let style = ProgressStyle::with_template(style)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(all).with_style(style)
        });
        bar.set_position(done);
        if done >= all {
            bar.finish_and_clear();
        }
    })
}

/// Ends a command with the exit code that an operation's error asks for.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn failed(e: OpsError) -> anyhow::Error {
    let exit = match &e {
        OpsError::NotFound(_) => Exit::NotFound,
        OpsError::Invalid(_) => Exit::Usage,
        OpsError::Unavailable(_) => Exit::Unreachable,
        OpsError::Refused(_) => Exit::Refused,
        OpsError::Failed(_) => Exit::Failure,
    };
    WithExit(exit, e.to_string()).into()
}

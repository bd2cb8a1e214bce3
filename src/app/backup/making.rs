//! Making a backup: of a running shop by the process that runs it, of a stopped one by whoever holds its
//! folder.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::channel::oneshot;

use super::{
    BackupError, BackupReport, Counts, FORMAT, KIND, Manifest, PARTS, Part, archive, room, stamp,
};
use crate::adapters::sqlite::Journal;
use crate::adapters::sqlite::copy::Pinned;
use crate::app::folder::{outside_db, shop_db};
use crate::app::{DataFolder, Embedded, Settings};
use crate::domain::Timestamp;
use crate::ports::{Clock, StoreError};

/// What the files of an unfinished backup end in: none of them looks like one.
const SUFFIX: &str = ".part";
/// Room that is left for everybody else.
const SPARE: u64 = 16 << 20;

/// Makes backups of the shop that this process runs.
pub struct Keeper {
    shop: Arc<Journal>,
    outside: Arc<Journal>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    busy: Arc<AtomicBool>,
}

impl Keeper {
    /// Of the shop on `embedded`.
    pub fn of(embedded: &Embedded, settings: &Settings) -> Self {
        Self {
            shop: Arc::clone(&embedded.journal),
            outside: Arc::clone(&embedded.outside),
            clock: Arc::clone(&embedded.ports.clock),
            settings: settings.clone(),
            busy: Arc::default(),
        }
    }

    /// Backs the shop up to the new file `target`, or to one in the folder `target`, while it runs. Who does
    /// not wait for the end breaks it off; nothing is left of it then.
    pub async fn back_up(&self, target: &Path) -> Result<BackupReport, BackupError> {
        let folder = self.settings.data_dir().map_err(|e| BackupError::failed("no folder", e))?;
        not_on_servers(&self.settings)?;
        if self.busy.swap(true, Ordering::SeqCst) {
            return Err(BackupError::Refused("another backup of this shop is being made".into()));
        }
        let going = Going { wanted: Arc::new(AtomicBool::new(true)), busy: Arc::clone(&self.busy) };
        let pinned = Journal::pin_together(&self.outside, &self.shop).await;
        let taken_at = self.clock.now();
        let (outside, shop) = pinned.map_err(|e| BackupError::failed("cannot copy", e))?;
        // The moment that is shown must be one that will stay: a later power cut takes nothing of it.
        let synced = futures::future::try_join(self.outside.durable(), self.shop.durable()).await;
        synced.map_err(|e| BackupError::failed("cannot sync", e))?;
        let (reply, made) = oneshot::channel();
        let (clock, wanted) = (Arc::clone(&self.clock), Arc::clone(&going.wanted));
        let elsewhere = elsewhere(&self.settings);
        let floor = self.settings.data.disk_floor.0;
        let target = target.to_owned();
        let work = move || {
            let state = State { parts: [outside, shop], taken_at, elsewhere, floor };
            let go_on = || wanted.load(Ordering::SeqCst);
            let _ = reply.send(state.write(&folder, &target, clock.as_ref(), &go_on));
        };
        // A thread, since it reads and writes files for as long as it takes.
        let thread = std::thread::Builder::new().name("ecom-backup".into()).spawn(work);
        thread.map_err(|e| BackupError::failed("cannot begin", e))?;
        let gone = || BackupError::Failed("the backup ended without a word".into());
        made.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// A backup that is being made, until it is dropped.
struct Going {
    wanted: Arc<AtomicBool>,
    busy: Arc<AtomicBool>,
}

impl Drop for Going {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::SeqCst);
        self.busy.store(false, Ordering::SeqCst);
    }
}

/// Backs up the stopped shop in `folder`. Nothing in it is changed: it is not even brought up to date.
pub fn of_stopped(
    folder: &DataFolder,
    settings: &Settings,
    target: &Path,
    clock: &dyn Clock,
) -> Result<BackupReport, BackupError> {
    not_on_servers(settings)?;
    let path = folder.path();
    let unreadable = |file: PathBuf| {
        let what = format!("cannot read {}", file.display());
        move |e: StoreError| BackupError::failed(&what, e)
    };
    // Nobody writes: the folder is ours.
    let outside = Pinned::now(&outside_db(path)).map_err(unreadable(outside_db(path)))?;
    let shop = Pinned::now(&shop_db(path)).map_err(unreadable(shop_db(path)))?;
    let (elsewhere, floor) = (elsewhere(settings), settings.data.disk_floor.0);
    let state = State { parts: [outside, shop], taken_at: clock.now(), elsewhere, floor };
    state.write(path, target, clock, &|| true)
}

/// Why there is no backup of a shop that keeps tables or events on servers.
pub fn refused_on_servers() -> BackupError {
    BackupError::Refused(
        "this shop keeps tables or events on servers, which have means of their own: pg_dump or a base \
         backup for PostgreSQL, a mirror for Kafka; `ecom backup` copies embedded shops"
            .into(),
    )
}

fn not_on_servers(settings: &Settings) -> Result<(), BackupError> {
    if settings.on_servers() { Err(refused_on_servers()) } else { Ok(()) }
}

/// What of the shop's world is on servers.
fn elsewhere(settings: &Settings) -> Vec<String> {
    let all = [
        ("carts' copies and holds in Redis (made anew)", &*settings.redis.url),
        ("the payment provider's ledger", settings.gateway.url.as_str()),
        ("sent mail", &*settings.smtp.url),
        ("sent text messages", &*settings.sms.url),
    ];
    let named = all.into_iter().filter(|(_, url)| !url.is_empty());
    named.map(|(what, _)| what.to_owned()).collect()
}

/// The states of all databases at one moment.
struct State {
    /// As in [`PARTS`].
    parts: [Pinned; 2],
    taken_at: Timestamp,
    elsewhere: Vec<String>,
    /// Room that the shop needs where its folder is, in bytes.
    floor: u64,
}

impl State {
    /// Writes the archive of the shop in `folder` under a name that is no backup's, and gives it its own name
    /// once it is complete and on disk.
    fn write(
        &self,
        folder: &Path,
        target: &Path,
        clock: &dyn Clock,
        go_on: &dyn Fn() -> bool,
    ) -> Result<BackupReport, BackupError> {
        let begun = clock.elapsed();
        let file = self.file(folder, target)?;
        let place = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.fits(place, folder)?;
        let failed = |e: &dyn std::fmt::Display| {
            BackupError::failed(&format!("cannot back up to {}", file.display()), e)
        };
        let corner = tempfile::Builder::new().prefix(".ecom-backup-").tempdir_in(place);
        let corner = corner.map_err(|e| failed(&e))?;
        let mut parts = vec![];
        for (pinned, (name, _)) in self.parts.iter().zip(&PARTS) {
            let copy = corner.path().join(format!("{name}{SUFFIX}"));
            pinned.copy_to(&copy, go_on).map_err(|e| failed(&format!("{name}: {e}")))?;
            parts.push(Part {
                name: (*name).to_owned(),
                bytes: copy.metadata().map_err(|e| failed(&e))?.len(),
                sha256: archive::sha256_of(&copy).map_err(|e| failed(&e))?,
                schema: pinned.schema_version().map_err(|e| failed(&e))?,
            });
        }
        let manifest = Manifest {
            kind: KIND.to_owned(),
            format: FORMAT,
            ecom_version: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at: self.taken_at,
            parts,
            counts: self.counts().map_err(|e| failed(&e))?,
            elsewhere: self.elsewhere.clone(),
        };
        let unnamed = corner.path().join(format!("archive{SUFFIX}"));
        let written = archive::write(&unnamed, &manifest, (corner.path(), SUFFIX), go_on);
        let bytes = written.map_err(|e| failed(&e))?;
        name(&unnamed, &file).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => exists(&file),
            _ => failed(&e),
        })?;
        std::fs::File::open(place).and_then(|p| p.sync_all()).map_err(|e| failed(&e))?;
        let took_ms = clock.elapsed().saturating_sub(begun).as_millis() as u64;
        Ok(BackupReport { file: file.display().to_string(), bytes, took_ms, manifest })
    }

    /// The file that is meant: `target`, or one in it that tells of which shop and when it was made.
    fn file(&self, folder: &Path, target: &Path) -> Result<PathBuf, BackupError> {
        let file = if target.is_dir() {
            let shop = folder.file_name().unwrap_or_default().to_string_lossy();
            target.join(format!("ecom-{shop}-{}.tar", stamp(self.taken_at)))
        } else {
            target.to_owned()
        };
        if file.exists() {
            return Err(exists(&file));
        }
        match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => {
                Err(BackupError::NotFound(format!(
                    "there is no folder {}; make it first",
                    parent.display()
                )))
            }
            _ => Ok(file),
        }
    }

    /// Copies and archive are there at the same time; a shop on the same disk takes no orders without room.
    fn fits(&self, place: &Path, folder: &Path) -> Result<(), BackupError> {
        let failed = |e: &dyn std::fmt::Display| {
            BackupError::failed(&format!("cannot back up to {}", place.display()), e)
        };
        let disk = |path: &Path| path.metadata().map(|found| found.dev());
        let shared =
            disk(place).map_err(|e| failed(&e))? == disk(folder).map_err(|e| failed(&e))?;
        let mut needed = SPARE + if shared { self.floor } else { 0 };
        for part in &self.parts {
            needed += 2 * part.bytes().map_err(|e| failed(&e))?;
        }
        let free = room(place).map_err(|e| failed(&e))?;
        if free >= needed {
            return Ok(());
        }
        Err(BackupError::Refused(format!(
            "{} has {} MiB free, and a backup needs {} MiB while it is made; name another place",
            place.display(),
            free >> 20,
            needed >> 20
        )))
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        let [outside, shop] = &self.parts;
        Ok(Counts {
            orders: shop.number("select count(*) from orders")?,
            orders_open: shop.number("select count(*) from orders where deadline is not null")?,
            records: shop.number("select count(*) from log_records")?,
            charges: outside.number("select count(*) from gateway_charges")?,
            messages: outside.number("select count(*) from mailbox")?,
        })
    }
}

fn exists(file: &Path) -> BackupError {
    BackupError::Refused(format!("{} is there already; name another file", file.display()))
}

/// Gives a file its name, unless that is somebody's already.
fn name(from: &Path, to: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => std::fs::hard_link(from, to),
        done => Ok(done?),
    }
}

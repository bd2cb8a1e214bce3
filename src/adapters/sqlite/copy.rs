//! Copies of databases that are in use: a state is pinned by a connection that only reads, and its pages
//! are copied while writing goes on. A pinned state keeps the write-ahead log from starting over, nothing
//! else.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::{Job, Journal, Place, Tx, connect_reader, convert, exec};
use crate::ports::store::StoreError;

/// Pages that are copied in one go: 1 MiB of 4 KiB pages.
const PAGES: i32 = 256;

/// One state of a database, whatever is written to it meanwhile.
pub struct Pinned(Connection);

impl Pinned {
    /// The state that the database at `path` has now.
    pub fn now(path: &Path) -> Result<Self, StoreError> {
        let pinned = Self(connect_reader(path)?);
        pinned.pin()?;
        Ok(pinned)
    }

    fn pin(&self) -> Result<(), StoreError> {
        exec(&self.0, "begin; select count(*) from sqlite_schema;")
    }

    /// How many migrations the database has had.
    pub fn schema_version(&self) -> Result<u64, StoreError> {
        self.number("pragma user_version")
    }

    /// The one number that `sql` asks for.
    pub fn number(&self, sql: &'static str) -> Result<u64, StoreError> {
        let found: i64 =
            self.0.query_row(sql, [], |row| row.get(0)).map_err(|e| convert::error(&e))?;
        Ok(found.unsigned_abs())
    }

    /// Bytes of a copy.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        Ok(self.number("pragma page_count")? * self.number("pragma page_size")?)
    }

    /// Writes a copy to the new file `path`, readable by its user only, and has it checked. It is not yet
    /// on disk. `go_on` is asked after every MiB; when it says no, the copy is not finished, and an error.
    pub fn copy_to(&self, path: &Path, go_on: &dyn Fn() -> bool) -> Result<(), StoreError> {
        let unavailable =
            |e: std::io::Error| StoreError::Unavailable(format!("{}: {e}", path.display()));
        let mut options = OpenOptions::new();
        options.create_new(true).write(true).mode(0o600).open(path).map_err(unavailable)?;
        let mut copy = open_copy(path)?;
        {
            let backup = Backup::new(&self.0, &mut copy).map_err(|e| convert::error(&e))?;
            while backup.step(PAGES).map_err(|e| convert::error(&e))? != StepResult::Done {
                if !go_on() {
                    return Err(StoreError::Unavailable("the copy was broken off".into()));
                }
            }
        }
        sound(&copy)
    }
}

/// A copy is nobody's but ours, and no state of it must survive a crash.
fn open_copy(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(path, flags).map_err(|e| convert::error(&e))?;
    exec(&copy, "pragma locking_mode=exclusive; pragma synchronous=off;")?;
    Ok(copy)
}

fn sound(connection: &Connection) -> Result<(), StoreError> {
    let told: String = connection
        .query_row("pragma quick_check(1)", [], |row| row.get(0))
        .map_err(|e| convert::error(&e))?;
    if told == "ok" { Ok(()) } else { Err(StoreError::Broken(told)) }
}

/// Reads the whole database at `path` and says whether its pages and tables hold together; the database may
/// be in use.
pub fn check(path: &Path) -> Result<(), StoreError> {
    sound(&connect_reader(path)?)
}

/// The same of a copy that nobody uses: no file is left beside it.
pub fn check_copy(path: &Path) -> Result<(), StoreError> {
    sound(&open_copy(path)?)
}

impl Journal {
    /// Pins the states that `still` and `then` have at one moment: nothing is committed to `still` while
    /// `then` is pinned, so that both were as they are pinned at that time, as a killed process would have
    /// left them. That takes less than a millisecond; databases in memory have no copies.
    pub async fn pin_together(still: &Self, then: &Self) -> Result<(Pinned, Pinned), StoreError> {
        let (Place::File { path: still_path, .. }, Place::File { path, .. }) =
            (&still.place, &then.place)
        else {
            return Err(StoreError::Broken("a database in memory cannot be copied".into()));
        };
        // Connected before anybody has to wait.
        let both = (Pinned(connect_reader(still_path)?), Pinned(connect_reader(path)?));
        let both = Arc::new(Mutex::new(Some(both)));
        let (reply, outcome) = futures::channel::oneshot::channel();
        still.submit(Box::new(HoldStill { both: Arc::clone(&both), reply }));
        outcome
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the store is closed".into())))?;
        let pinned = both.lock().unwrap_or_else(PoisonError::into_inner).take();
        pinned.ok_or_else(|| StoreError::Broken("nothing was pinned".into()))
    }
}

/// Keeps the writer of one database busy while both are pinned.
struct HoldStill {
    both: Arc<Mutex<Option<(Pinned, Pinned)>>>,
    reply: futures::channel::oneshot::Sender<Result<(), StoreError>>,
}

impl Job for HoldStill {
    fn apply(&mut self, _: &Tx<'_>) -> Result<(), StoreError> {
        let both = self.both.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((still, then)) = both.as_ref() else { return Ok(()) };
        for pinned in [still, then] {
            // What was pinned before is let go of when somebody else's job made the group fail.
            if !pinned.0.is_autocommit() {
                exec(&pinned.0, "commit")?;
            }
        }
        still.pin()?;
        then.pin()
    }

    fn done(self: Box<Self>, outcome: Result<(), StoreError>) {
        let _ = self.reply.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::sqlite::Schema;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    fn open(path: &Path) -> Journal {
        Journal::open(path, Schema::OUTSIDE).unwrap().0
    }

    #[test]
    fn a_copy_is_of_the_moment_it_was_pinned_and_sound() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (open(&dir.path().join("a.db")), open(&dir.path().join("b.db")));
        let (pinned, _other) = block_on(Journal::pin_together(&a, &b)).unwrap();
        let raw = Connection::open(dir.path().join("a.db")).unwrap();
        raw.execute_batch("create table later (x)").unwrap();
        let copy = dir.path().join("copy");
        pinned.copy_to(&copy, &|| true).unwrap();
        check_copy(&copy).unwrap();
        let count = "select count(*) from sqlite_schema where name = 'later'";
        let copied = Pinned::now(&copy).unwrap();
        assert_eq!(copied.number(count).unwrap(), 0);
        assert_eq!(Pinned::now(&dir.path().join("a.db")).unwrap().number(count).unwrap(), 1);
        assert_eq!(copied.schema_version().unwrap(), Schema::OUTSIDE.steps.len() as u64);
        assert_eq!(copied.bytes().unwrap(), copy.metadata().unwrap().len());
    }

    #[test]
    fn a_copy_can_be_broken_off_and_a_damaged_database_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let journal = open(&path);
        let raw = Connection::open(&path).unwrap();
        raw.execute_batch(
            "create table big (x); with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
             insert into big select zeroblob(4000) from n;",
        )
        .unwrap();
        drop(raw);
        journal.close();
        let broken_off = Pinned::now(&path).unwrap().copy_to(&dir.path().join("copy"), &|| false);
        assert!(matches!(broken_off, Err(StoreError::Unavailable(_))), "{broken_off:?}");
        check(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2 / 4096 * 4096;
        bytes[middle..middle + 4096].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        assert!(check(&path).is_err());
        assert!(Pinned::now(&path).unwrap().copy_to(&dir.path().join("bad"), &|| true).is_err());
    }
}

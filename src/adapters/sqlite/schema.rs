//! The schema of a database, as numbered steps that are applied once each.

use rusqlite::Connection;

use super::{convert, exec};
use crate::ports::store::StoreError;

/// A list of SQL scripts; the database remembers in `user_version` how many were applied.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// What the database is called in messages.
    pub name: &'static str,
    /// The scripts, oldest first. A published one never changes.
    pub steps: &'static [&'static str],
}

impl Schema {
    /// The shop's tables and its event log.
    pub const SHOP: Self = Self {
        name: "shop",
        steps: &[
            include_str!("../../../migrations/sqlite/shop/0001.sql"),
            include_str!("../../../migrations/sqlite/shop/0002.sql"),
            include_str!("../../../migrations/sqlite/shop/0003.sql"),
            include_str!("../../../migrations/sqlite/shop/0004.sql"),
            include_str!("../../../migrations/sqlite/shop/0005.sql"),
        ],
    };

    /// The world outside: the simulated payment provider's ledger, and the mailbox.
    pub const OUTSIDE: Self = Self {
        name: "outside",
        steps: &[
            include_str!("../../../migrations/sqlite/outside/0001.sql"),
            include_str!("../../../migrations/sqlite/outside/0002.sql"),
            include_str!("../../../migrations/sqlite/outside/0003.sql"),
            include_str!("../../../migrations/sqlite/outside/0004.sql"),
        ],
    };

    /// What the console remembers of a cluster.
    pub const CONSOLE: Self = Self {
        name: "console",
        steps: &[
            include_str!("../../../migrations/sqlite/console/0001.sql"),
            include_str!("../../../migrations/sqlite/console/0002.sql"),
            include_str!("../../../migrations/sqlite/console/0003.sql"),
        ],
    };

    /// Applies the steps that are missing. A database with more steps than this build knows is
    /// refused.
    pub(super) fn migrate(self, connection: &Connection) -> Result<(), StoreError> {
        let applied = self.check(connection)?;
        for (step, sql) in self.steps.iter().enumerate().skip(applied) {
            let script =
                format!("begin immediate;\n{sql}\npragma user_version={};\ncommit;", step + 1);
            exec(connection, &script).map_err(|e| match e {
                StoreError::Full(_) => e,
                other => StoreError::Broken(format!(
                    "{} schema step {} failed: {other}",
                    self.name,
                    step + 1
                )),
            })?;
        }
        Ok(())
    }

    /// For who only reads, and cannot apply what is missing.
    pub(super) fn check_complete(self, connection: &Connection) -> Result<(), StoreError> {
        let applied = self.check(connection)?;
        if applied < self.steps.len() {
            return Err(StoreError::Broken(format!(
                "the {} database has schema version {applied}, older than {}; start the shop on it once",
                self.name,
                self.steps.len()
            )));
        }
        Ok(())
    }

    /// How many steps were applied; an error if that is more than this build knows.
    pub(super) fn check(self, connection: &Connection) -> Result<usize, StoreError> {
        let version: i64 = connection
            .query_row("pragma user_version", [], |row| row.get(0))
            .map_err(|e| convert::error(&e))?;
        let applied = usize::try_from(version).unwrap_or(0);
        if applied > self.steps.len() {
            return Err(StoreError::Broken(format!(
                "the {} database has schema version {applied}, newer than {}, the newest this build knows; use a newer ecom",
                self.name,
                self.steps.len()
            )));
        }
        Ok(applied)
    }
}

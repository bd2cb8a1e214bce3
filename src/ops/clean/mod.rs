//! Emptying a stopped shop, in whole or in part. What would go is counted and shown first; then it goes in
//! steps, each of which is whole or not done, so that who was killed in the middle begins again and comes
//! to the same end. Only what is the shop's is touched: topics and groups by its names or prefix, its tables,
//! its keys.

mod running;
mod steps;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::OpsError;
use crate::app::Console;
use crate::app::embedded::Environment;
use crate::app::emptying::Grounds;
use crate::app::folder::InUse;
use crate::app::{NotUsable, Settings};
use crate::domain::closed_set::closed_set;

closed_set! {
    /// What can be emptied.
    Part {
        /// Records of the shop's topics.
        Topics = "topics",
        /// How far the shop's groups have read.
        Groups = "groups",
        /// All tables, and the simulated provider's ledger, which is about their orders.
        Db = "db",
        /// Catalogue, stock and what is kept for orders.
        Stock = "stock",
        /// Messages that arrived in the local mailbox.
        Mail = "mail",
        /// Copies of carts.
        Cache = "cache",
        /// Soft holds on stock.
        Holds = "holds",
        /// The console's index of dead letters.
        Checkpoints = "checkpoints",
    }
}

/// Something that is emptied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it belongs to.
    pub part: Part,
    /// What goes.
    pub what: String,
    /// Where it is.
    pub place: String,
    /// How much of it there is; none if that could not be counted, or need not be.
    pub count: Option<u64>,
}

/// What would go, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In the order in which it goes.
    pub steps: Vec<Step>,
    /// What one should know before.
    pub notes: Vec<String>,
}

/// A shop that can be emptied: nobody else opens its folder as long as this is there.
pub struct Cleaning<'a> {
    settings: &'a Settings,
    env: &'a Environment,
    grounds: Grounds,
    parts: BTreeSet<Part>,
}

impl<'a> Cleaning<'a> {
    /// Opens the shop that the settings name; refused while it runs.
    pub async fn of(
        settings: &'a Settings,
        env: &'a Environment,
        parts: &BTreeSet<Part>,
    ) -> Result<Self, OpsError> {
        let grounds = Grounds::open(settings, env).await.map_err(|e| {
            if let Some(in_use) = e.downcast_ref::<InUse>() {
                return OpsError::Refused(format!("{in_use}; stop it first"));
            }
            match e.downcast_ref::<NotUsable>() {
                Some(e) => OpsError::Unavailable(e.to_string()),
                None => OpsError::Failed(format!("{e:#}")),
            }
        })?;
        Ok(Self { settings, env, grounds, parts: with_what_belongs_to_it(parts) })
    }

    /// Counts what would go.
    pub async fn plan(&self) -> Result<Plan, OpsError> {
        let notes = notes(&self.parts, self.settings);
        Ok(Plan { steps: steps::plan(self).await?, notes })
    }

    /// Empties it. Refused, with nothing done, while anybody of the shop runs.
    pub async fn execute(&self) -> Result<(), OpsError> {
        running::nobody(&self.grounds, self.settings, self.env).await?;
        let console = self.grounds.console.as_ref().filter(|_| self.has(Part::Checkpoints));
        let lock = console.map(Console::replaying);
        if matches!(lock, Some(None)) {
            let text = "a replay is under way in another process; see `ecom dlq jobs list`";
            return Err(OpsError::Refused(text.into()));
        }
        steps::execute(self).await
    }

    /// Writes what was opened back and closes it.
    pub fn close(&self) {
        self.grounds.close();
    }

    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Whether nothing is left that knows events by their offsets.
    fn all_of_offsets(&self) -> bool {
        [Part::Topics, Part::Groups, Part::Db, Part::Checkpoints].iter().all(|p| self.has(*p))
    }
}

/// Copies go with what they are copies of.
fn with_what_belongs_to_it(parts: &BTreeSet<Part>) -> BTreeSet<Part> {
    let mut all = parts.clone();
    if all.contains(&Part::Db) {
        all.extend([Part::Stock, Part::Cache]);
    }
    if all.contains(&Part::Stock) {
        all.insert(Part::Holds);
    }
    all
}

/// What one should know before only these parts go.
fn notes(parts: &BTreeSet<Part>, settings: &Settings) -> Vec<String> {
    let has = |part| parts.contains(&part);
    let mut notes: Vec<&str> = vec![];
    if has(Part::Topics) && !has(Part::Db) {
        notes.push(
            "orders under way wait for events that are gone, and dead letters go too; add --db for a new start",
        );
    }
    if has(Part::Db) && !has(Part::Topics) {
        notes.push(
            "events of orders that are gone stay, and `ecom verify` finds them; add --topics",
        );
    }
    if has(Part::Groups) && !has(Part::Topics) {
        notes.push(if has(Part::Db) {
            "every event that is left is handled again, and brings old orders back; add --topics"
        } else {
            "every event that is left is read again; what was handled before is dropped as known"
        });
    }
    if has(Part::Stock) && !has(Part::Db) {
        notes.push("orders lose what is reserved for them, and `ecom verify` finds that; add --db");
    }
    if has(Part::Db) && !settings.gateway.url.is_empty() {
        notes.push("the payment provider keeps a ledger of its own, which stays");
    }
    if has(Part::Mail) && !settings.smtp.url.is_empty() {
        notes.push("mail on the mail server stays");
    }
    if has(Part::Stock) {
        notes.push("the next `ecom serve` makes a new first catalogue");
    }
    notes.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_go_with_what_they_are_copies_of() {
        use Part::{Cache, Db, Holds, Mail, Stock, Topics};
        let check = |parts: &[Part], expected: &[Part]| {
            let all = with_what_belongs_to_it(&parts.iter().copied().collect());
            assert_eq!(all.into_iter().collect::<Vec<_>>(), expected, "{parts:?}");
        };
        check(&[], &[]);
        check(&[Mail], &[Mail]);
        check(&[Stock], &[Stock, Holds]);
        check(&[Topics, Db], &[Topics, Db, Stock, Cache, Holds]);
        check(Part::ALL, Part::ALL);
    }

    #[test]
    fn what_does_not_fit_together_is_told_before() {
        let settings = Settings::defaults();
        let count = |parts: &[Part]| notes(&parts.iter().copied().collect(), &settings).len();
        assert_eq!(count(Part::ALL), 1, "only that there is a new catalogue");
        assert_eq!(count(&[Part::Topics]), 1);
        assert_eq!(count(&[Part::Db]), 1);
        assert_eq!(count(&[Part::Db, Part::Groups]), 2);
        assert_eq!(count(&[Part::Groups]), 1);
        assert_eq!(count(&[Part::Stock]), 2);
        for harmless in [Part::Cache, Part::Holds, Part::Mail, Part::Checkpoints] {
            assert_eq!(count(&[harmless]), 0, "{harmless}");
        }
    }
}

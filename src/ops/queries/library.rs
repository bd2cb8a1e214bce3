//! The library: questions with names, one file each in `queries/`. A file begins with its name, what it answers, its
//! group, and its parameters with their defaults; what follows is one statement for both stores.

use super::OpsError;
use crate::domain::spelling::did_you_mean;

macro_rules! files {
    ($($name:literal)+) => {
        &[$(include_str!(concat!("../../../queries/", $name, ".sql")),)+]
    };
}

/// Every file, group by group.
const FILES: &[&str] = files![
    "orders-recent"
    "orders-by-state"
    "orders-by-state-per-hour"
    "orders-per-minute"
    "orders-stuck"
    "orders-open-by-age"
    "orders-overdue"
    "orders-of-user"
    "order-show"
    "order-history"
    "order-lines"
    "orders-largest"
    "orders-cancelled-by-reason"
    "orders-settle-latency"
    "orders-step-latency"
    "orders-per-day"
    "carts-open"
    "carts-abandoned"
    "carts-abandoned-products"
    "carts-expired"
    "carts-conversion"
    "checkouts-recent"
    "checkouts-without-orders"
    "payments-by-state"
    "payments-recent"
    "payments-failed-by-reason"
    "payments-success-per-hour"
    "payments-due"
    "payments-unclear"
    "payments-latency"
    "payments-without-orders"
    "payments-contradicting"
    "orders-without-payments"
    "refunds"
    "refunds-per-day"
    "stock"
    "stock-low"
    "stock-depleted"
    "stock-oversold"
    "stock-moves"
    "holds-by-state"
    "holds-live"
    "holds-lapsed"
    "reservations-recent"
    "reservations-by-product"
    "reservations-without-orders"
    "orders-without-reservations"
    "restocks-recent"
    "sellers"
    "price-changes"
    "products-out-of-step"
    "products-unlisted"
    "deliveries-recent"
    "notifications-by-state"
    "notifications-recent"
    "notifications-unanswered"
    "notifications-failed"
    "notifications-due"
    "notifications-latency"
    "mailbox-of-order"
    "orders-without-notifications"
    "outbox-backlog"
    "outbox-oldest"
    "outbox-keys-waiting"
    "outbox-latency"
    "events-of-order"
    "events-unprocessed"
    "processed-by-consumer"
    "processed-per-minute"
    "processed-events-recent"
    "idempotency-keys"
    "operational-metrics"
    "revenue-per-minute"
    "revenue-per-hour"
    "revenue-per-day"
    "fraud-suspects"
    "inventory-velocity"
    "products-top-selling"
    "products-never-sold"
    "customers-top"
    "basket-sizes"
    "dead-letters-by-state"
    "dead-letters-unfinished"
    "dead-letters-audit"
    "replay-jobs"
    "processes"
    "process-starts"
    "process-gaps"
    "table-sizes"
    "health"
];

/// A question of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// What it answers, in one line.
    pub answers: &'static str,
    /// What it is about.
    pub group: &'static str,
    /// What it can be given.
    pub params: Vec<Param>,
    /// The statement, without its head.
    pub sql: &'static str,
    /// The whole file.
    pub file: &'static str,
}

/// A parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it is unless it is given; its kind is that of whatever is given.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

impl Named {
    /// Reads a file; none if it has no such head.
    fn read(file: &'static str) -> Option<Self> {
        let mut rest = file;
        let mut head = || {
            let (line, after) = rest.strip_prefix("-- ")?.split_once('\n')?;
            rest = after;
            Some(line)
        };
        let (name, answers) = (head()?, head()?);
        let group = head()?.strip_prefix("group: ")?;
        let mut params = vec![];
        while let Some(line) = head() {
            let (name, given) = line.split_once(" = ")?;
            let (default, meaning) = given.split_once(": ")?;
            params.push(Param { name, default, meaning });
        }
        Some(Self { name, answers, group, params, sql: rest.trim_end(), file })
    }
}

/// All of them, group by group.
pub fn all() -> impl Iterator<Item = Named> {
    FILES.iter().filter_map(|file| Named::read(file))
}

/// The one called `name`; the error suggests others.
pub fn find(name: &str) -> Result<Named, OpsError> {
    let names: Vec<&str> = all().map(|named| named.name).collect();
    all().find(|named| named.name == name).ok_or_else(|| {
        let near = did_you_mean(name, names.iter().copied());
        let list = "`ecom query --list` lists all, and SQL has white space";
        OpsError::NotFound(format!("there is no query {name}{near} ({list})"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_known_by_its_own_name_and_says_what_it_answers() {
        assert_eq!(all().count(), FILES.len(), "every file has a head");
        let known: BTreeSet<String> = all().map(|named| format!("{}.sql", named.name)).collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let there = std::fs::read_dir(folder).unwrap();
        let there: BTreeSet<String> =
            there.map(|entry| name(entry).into_string().unwrap()).collect();
        assert_eq!(known, there);
        for named in all() {
            let Named { name, answers, params, sql, .. } = &named;
            assert!(!name.contains(char::is_whitespace), "{name}");
            assert!(answers.ends_with('.') && answers.len() < 115, "{name}: {answers}");
            assert!(sql.starts_with("select") || sql.starts_with("with"), "{name}");
            assert!(!sql.contains(';'), "{name}");
            for param in params {
                assert!(sql.contains(&format!(":{}", param.name)), "{name} uses {}", param.name);
            }
        }
    }

    #[test]
    fn groups_stand_together() {
        let mut groups: Vec<&str> = all().map(|named| named.group).collect();
        groups.dedup();
        let distinct: BTreeSet<&str> = groups.iter().copied().collect();
        assert_eq!(groups.len(), distinct.len(), "{groups:?}");
    }
}

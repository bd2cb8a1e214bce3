//! The tables of a shop, and what belongs together.

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Counts its rows.
    pub count: &'static str,
    /// Removes them.
    pub delete: &'static str,
}

macro_rules! tables {
    ($($name:literal)+) => {
        &[$(Table {
            name: $name,
            count: concat!("select count(*) from ", $name),
            delete: concat!("delete from ", $name),
        },)+]
    };
}

/// What is for sale, how much of it there is, and for whom it is kept.
pub const STOCK: &[Table] = tables!(
    "catalog_products" "catalog_prices" "catalog_deliveries"
    "products" "product_changes" "stock_holds" "stock_reservations"
);

/// All other tables of the services and the runtime.
pub const SHOP: &[Table] = tables!(
    "carts" "cart_products" "checkouts" "idempotency_keys"
    "orders" "order_status_history" "order_notes" "payments" "notifications"
    "outbox_events" "processed_events" "dlq_entries" "dlq_audit" "replay_jobs"
    "members" "process_starts" "process_gaps"
);

/// Records of the embedded log; they are removed by what keeps their offsets.
pub const RECORDS: &[Table] = tables!("log_records");

/// How far groups have read the embedded log.
pub const OFFSETS: &[Table] = tables!("log_offsets");

/// The simulated provider's ledger.
pub const LEDGER: &[Table] =
    tables!("gateway_charges" "gateway_refunds" "gateway_webhooks" "gateway_cancelled");

/// Messages that arrived.
pub const MAILBOX: &[Table] = tables!("mailbox");

/// What the console remembers of dead letters.
pub const CONSOLE: &[Table] = tables!(
    "dlq_letters" "dlq_groups" "dlq_scanned" "dlq_synced" "dlq_entries" "dlq_audit" "replay_jobs"
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::adapters::sqlite::{Journal, Schema};
    use crate::adapters::store::SqliteStore;
    use crate::ports::store::query;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    /// What stays: topics and their settings, and the folder's own notes.
    const KEPT: [&str; 3] = ["log_topics", "log_partitions", "meta"];

    #[test]
    fn every_table_is_in_one_list_or_is_kept() {
        for (schema, lists) in [
            (Schema::SHOP, vec![STOCK, SHOP, RECORDS, OFFSETS]),
            (Schema::OUTSIDE, vec![LEDGER, MAILBOX]),
            (Schema::CONSOLE, vec![CONSOLE]),
        ] {
            let store = SqliteStore::new(Arc::new(Journal::in_memory(schema).unwrap()));
            let sql =
                "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'";
            let rows = block_on(query(&store, sql, vec![])).unwrap();
            let there: BTreeSet<String> =
                rows.iter().map(|row| row.text(0).unwrap().to_owned()).collect();
            let listed = lists.into_iter().flatten().map(|table| table.name);
            let mut known: Vec<&str> = listed.collect();
            known.extend(KEPT.iter().filter(|kept| there.contains(**kept)));
            known.sort_unstable();
            let all: Vec<&str> = there.iter().map(String::as_str).collect();
            assert_eq!(known, all, "{}", schema.name);
        }
    }
}

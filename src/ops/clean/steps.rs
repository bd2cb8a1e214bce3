//! What goes, and how. Events first: a shop that starts after a kill in the middle finds orders without
//! events, which it leaves as they are, and not events without orders, which it would carry out.

use std::collections::BTreeMap;

use super::{Cleaning, OpsError, Part, Step};
use crate::app::emptying::tables::{self, Table};
use crate::app::emptying::{CARTS, Grounds, HOLDS, Log};
use crate::ports::StoreError;
use crate::ports::admin::BusAdmin;
use crate::ports::bus::{BusError, EventBus};
use crate::ports::store::Batch;

/// What is in memory goes with its process.
const IN_MEMORY: &str = "memory of processes, gone with them";

pub(super) async fn plan(of: &Cleaning<'_>) -> Result<Vec<Step>, OpsError> {
    let mut steps = vec![];
    let mut step = |part, what: &str, place: &str, count| {
        steps.push(Step { part, what: what.to_owned(), place: place.to_owned(), count });
    };
    let (g, folder) = (&of.grounds, "shop.db");
    let kafka = format!("Kafka at {}", of.settings.kafka.bootstrap);
    let tables = g.tables();
    let rows = async |tables_of: &[Table]| match &tables {
        Some(store) => Grounds::count(store.as_ref(), tables_of).await,
        None => Some(0),
    };
    let shop_place = if g.postgres.is_some() { "PostgreSQL" } else { folder };
    if of.has(Part::Topics) {
        match &g.kafka {
            Some(bus) => step(Part::Topics, "records", &kafka, Some(records(bus).await?)),
            None => step(Part::Topics, "records", folder, rows(tables::RECORDS).await),
        }
    }
    if of.has(Part::Groups) {
        match &g.kafka {
            Some(bus) => {
                step(
                    Part::Groups,
                    "consumer groups",
                    &kafka,
                    Some(groups(bus).await?.len() as u64),
                );
            }
            None => step(Part::Groups, "committed offsets", folder, rows(tables::OFFSETS).await),
        }
    }
    if of.has(Part::Db) {
        step(
            Part::Db,
            "rows of orders, carts, payments and events",
            shop_place,
            rows(tables::SHOP).await,
        );
        if let (Some(outside), true) = (&g.outside, of.settings.gateway.url.is_empty()) {
            let count = Grounds::count(&outside.store(), tables::LEDGER).await;
            step(Part::Db, "entries of the provider's ledger", "outside.db", count);
        }
    }
    if of.has(Part::Stock) {
        step(Part::Stock, "rows of catalogue and stock", shop_place, rows(tables::STOCK).await);
    }
    if let (true, Some(outside)) = (of.has(Part::Mail), &g.outside) {
        let count = Grounds::count(&outside.store(), tables::MAILBOX).await;
        step(Part::Mail, "messages", "outside.db", count);
    }
    for (part, what, stem) in
        [(Part::Cache, "copies of carts", CARTS), (Part::Holds, "keys of holds", HOLDS)]
    {
        match &g.redis {
            _ if !of.has(part) => {}
            Some(link) => {
                let count = link.count(stem).await.map_err(|e| unusable(&e))?;
                step(part, what, "Redis", Some(count));
            }
            None => step(part, what, IN_MEMORY, None),
        }
    }
    if let (true, Some(console)) = (of.has(Part::Checkpoints), &g.console) {
        let count = Grounds::count(console.store().as_ref(), tables::CONSOLE).await;
        step(Part::Checkpoints, "rows of the index of dead letters", "console.db", count);
    }
    Ok(steps)
}

pub(super) async fn execute(of: &Cleaning<'_>) -> Result<(), OpsError> {
    let g = &of.grounds;
    if let Some(bus) = &g.kafka {
        if of.all_of_offsets() {
            // The next process of the shop makes them anew, as its settings say.
            for topic in bus.topics().await? {
                match bus.delete_topic(&topic.name).await {
                    Ok(()) | Err(BusError::Unknown(_)) => {}
                    Err(e) => return Err(e.into()),
                }
            }
        } else if of.has(Part::Topics) {
            truncate(bus, bus).await?;
        }
        if of.has(Part::Groups) {
            for group in groups(bus).await? {
                match bus.delete_group(&group).await {
                    // Somebody else has done it.
                    Ok(()) | Err(BusError::Unknown(_)) => {}
                    Err(e) => return Err(e.into()),
                }
            }
        }
    }
    let mut shop: Vec<Table> = vec![];
    for (part, of_part) in [(Part::Db, tables::SHOP), (Part::Stock, tables::STOCK)] {
        if of.has(part) {
            shop.extend_from_slice(of_part);
        }
    }
    let log = match of.has(Part::Topics) {
        true if of.all_of_offsets() => Log::BeginsAnew,
        true => Log::IsEmptied,
        false => Log::Stays,
    };
    let emptied = g.empty_shop(&shop, log, of.has(Part::Groups)).await;
    emptied.map_err(|e| match e {
        StoreError::Conflict(text) => OpsError::Refused(text),
        e => e.into(),
    })?;
    if let Some(outside) = &g.outside {
        let mut all: Vec<Table> = vec![];
        for (part, of_part) in [(Part::Db, tables::LEDGER), (Part::Mail, tables::MAILBOX)] {
            if of.has(part) {
                all.extend_from_slice(of_part);
            }
        }
        outside.empty(&all, Log::Stays).await?;
    }
    if let Some(link) = &g.redis {
        for (part, stem) in [(Part::Cache, CARTS), (Part::Holds, HOLDS)] {
            if of.has(part) {
                link.remove(stem).await.map_err(|e| unusable(&e))?;
            }
        }
    }
    if let (true, Some(console)) = (of.has(Part::Checkpoints), &g.console) {
        let mut batch = Batch::default();
        tables::CONSOLE.iter().for_each(|table| batch.any(table.delete, vec![]));
        console.store().write(batch).await?;
    }
    Ok(())
}

fn unusable(e: &impl std::fmt::Display) -> OpsError {
    OpsError::Unavailable(e.to_string())
}

async fn records(bus: &dyn EventBus) -> Result<u64, OpsError> {
    let topics = bus.topics().await?;
    Ok(topics.iter().flat_map(|topic| &topic.partitions).map(|p| p.end - p.start).sum())
}

async fn groups(bus: &dyn EventBus) -> Result<Vec<String>, OpsError> {
    let mut names: Vec<String> = bus.groups().await?.into_iter().map(|g| g.group).collect();
    names.dedup();
    Ok(names)
}

/// Deletes all records of all topics of the shop; the next ones go on at the offsets after them.
async fn truncate(bus: &dyn EventBus, admin: &dyn BusAdmin) -> Result<(), OpsError> {
    for topic in bus.topics().await? {
        let before: BTreeMap<u32, u64> = topic
            .partitions
            .iter()
            .filter(|p| p.end > p.start)
            .map(|p| (p.partition, p.end))
            .collect();
        if !before.is_empty() {
            admin.truncate(&topic.name, &before).await?;
        }
    }
    Ok(())
}

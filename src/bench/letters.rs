//! Dead letters by the million on a cluster: how long the console needs to sum them up, for the first time and
//! again, and how fast it sends them back.

use std::path::Path;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use serde::Serialize;
use serde_json::json;

use super::process::{RunFigures, watched};
use super::{Bar, Bench, Measured};
use crate::app::embedded::Environment;
use crate::app::folder::ThrowAway;
use crate::app::{Corner, Settings, backends};
use crate::ports::bus::{EventBus, NewRecord};

/// Bytes of a letter's value.
const VALUE_BYTES: usize = 300;
/// Letters of one call.
const BATCH: usize = 1_000;
/// Calls under way at a time.
const CALLS: usize = 8;
/// Letters that are sent back.
const REPLAYED: usize = 50_000;
const TOPIC: &str = "bench.orders";
const LETTERS: &str = "bench.orders-dlt";

#[derive(Serialize)]
struct LettersFigures {
    /// The first summary, from start to exit, in seconds.
    first_s: f64,
    /// The most memory of the first summary, in MiB.
    first_memory_mib: f64,
    /// The second.
    second_s: f64,
    /// Letters sent back per second, from start to exit.
    replayed_per_s: f64,
    /// The most memory of the replay, in MiB.
    replay_memory_mib: f64,
}

/// Makes `count` letters and measures what the console does with them.
pub(super) async fn measure(settings: &Settings, count: usize) -> anyhow::Result<Measured> {
    ensure!(
        !settings.kafka.bootstrap.is_empty(),
        "dead letters lie on a cluster: name it with --kafka"
    );
    let env = Environment::system();
    let name = format!("ecom-bench-dlq-{}-{}", std::process::id(), env.clock.now().millis());
    let state = ThrowAway::new(&name)?;
    let mut settings = settings.clone();
    settings.postgres.url = String::new().into();
    settings.redis.url = String::new().into();
    let corner = Corner::claim(&mut settings, &name, env.clock.as_ref()).await?;
    let measured = on_letters(&settings, state.path(), count, &env).await;
    corner.sweep(env.clock).await?;
    let figures = measured?;
    let bars = vec![
        Bar::at_most("first_s", "s", figures.first_s, 20.0),
        Bar::at_most("first_memory_mib", "MiB", figures.first_memory_mib, 200.0),
        Bar::at_most("second_s", "s", figures.second_s, 1.0),
        Bar::at_least("replayed_per_s", "letters/s", figures.replayed_per_s, 5_000.0),
    ];
    let plan =
        json!({ "letters": count, "value_bytes": VALUE_BYTES, "replayed": REPLAYED.min(count) });
    Ok(Measured::new(Bench::Dlq, &plan, &figures, bars))
}

async fn on_letters(
    settings: &Settings,
    state: &Path,
    count: usize,
    env: &Environment,
) -> anyhow::Result<LettersFigures> {
    let bus = backends::whole_kafka(settings, std::sync::Arc::clone(&env.clock)).await?;
    bus.create_topic(TOPIC, 3, None).await?;
    bus.create_topic(LETTERS, 3, None).await?;
    for first in (0..count).step_by(BATCH * CALLS) {
        let call = |c: usize| {
            let from = first + c * BATCH;
            bus.publish((from..(from + BATCH).min(count)).map(letter).collect())
        };
        let calls = (0..CALLS).filter(|c| first + c * BATCH < count);
        try_join_all(calls.map(call)).await?;
    }
    let console = |words: &[&str]| -> anyhow::Result<RunFigures> {
        // Nobody's shop, whatever the environment names.
        let servers = ["--kafka", &settings.kafka.bootstrap, "--postgres", "", "-o", "json"];
        let state = state.to_str().context("a folder with a plain name")?;
        let env =
            [("ECOM_KAFKA_PREFIX", settings.kafka.prefix.as_str()), ("XDG_STATE_HOME", state)];
        watched(&[words, &servers].concat(), &env)
    };
    let summed = |run: &RunFigures| {
        let total = run.printed["total"].as_u64().unwrap_or_default();
        ensure!(total == count as u64, "{total} of {count} letters were found");
        Ok(())
    };
    let first = console(&["dlq", "summary"])?;
    summed(&first)?;
    let second = console(&["dlq", "summary"])?;
    summed(&second)?;
    let sent = REPLAYED.min(count);
    let limit = sent.to_string();
    let replay = console(&["dlq", "replay", "--rate", "0", "-n", &limit])?;
    let replayed = replay.printed["replayed"].as_u64().unwrap_or_default();
    ensure!(replayed == sent as u64, "{replayed} of {sent} letters were sent back");
    Ok(LettersFigures {
        first_s: first.seconds,
        first_memory_mib: first.memory_mib_max,
        second_s: second.seconds,
        replayed_per_s: (sent as f64 / replay.seconds).round(),
        replay_memory_mib: replay.memory_mib_max,
    })
}

/// One as Spring writes it, for one of a few reasons.
fn letter(n: usize) -> NewRecord {
    let reason = format!("com.example.Reason{}Exception", n % 12);
    let headers = [
        ("kafka_dlt-original-topic", Bytes::from_static(TOPIC.as_bytes())),
        ("kafka_dlt-original-partition", Bytes::copy_from_slice(&((n % 3) as i32).to_be_bytes())),
        ("kafka_dlt-original-offset", Bytes::copy_from_slice(&(n as i64).to_be_bytes())),
        ("kafka_dlt-original-consumer-group", Bytes::from_static(b"billing")),
        ("kafka_dlt-exception-cause-fqcn", Bytes::from(reason)),
        ("kafka_dlt-exception-message", Bytes::from_static(b"the ledger said no")),
    ];
    NewRecord {
        topic: LETTERS.to_owned(),
        partition: None,
        key: Some(Bytes::from(format!("order-{n}"))),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        value: Some(Bytes::from(vec![b'x'; VALUE_BYTES])),
    }
}

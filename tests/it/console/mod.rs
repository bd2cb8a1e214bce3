//! The console on a full screen: what keys lead to, how it looks, the loop, and a real terminal.

mod admin;
mod keys;
mod live;
mod screens;
mod tables;
pub(crate) mod terminal;

use std::collections::BTreeMap;

use ecom::domain::Timestamp;
use ecom::ops::blob::Blob;
use ecom::ops::dlq::{DeadLetter, EntryState, Family, Group, GroupBy};
use ecom::ops::groups::{LagStatus, LagView};
use ecom::ops::live::{GroupPulse, LetterPulse, LogLine, Pulse, TopicPulse};
use ecom::ops::orders::{OrderState, OrderSummary};
use ecom::ops::tail::TailQuery;
use ecom::ops::topics::RecordView;
use ecom::tui::keymap::Key;
use ecom::tui::msg::{Effect, Follow, Loaded, Msg, Run, Tailed};
use ecom::tui::snapshot;
use ecom::tui::state::{Setup, State};
use ecom::tui::update::update;

const NOON: i64 = 1_769_860_800_000; // 2026-01-31T12:00:00Z

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON + seconds * 1_000)
}

/// A console of this size that knows nothing yet.
fn empty(size: (u16, u16)) -> State {
    let label = "shop in /data".to_owned();
    let setup = Setup { label, actor: "ann".into(), ..Setup::default() };
    State::new(setup, size, at(0))
}

/// A console that knows a little of everything.
fn filled(size: (u16, u16)) -> State {
    let mut state = empty(size);
    for (second, appended) in [(0, 100), (1, 140), (2, 300)] {
        take(&mut state, Loaded::Pulse(pulse(second, appended)));
    }
    take(&mut state, Loaded::Lag(lags()));
    take(&mut state, Loaded::Summary(GroupBy::Error, sums()));
    take(&mut state, Loaded::Orders(orders()));
    take(&mut state, Loaded::Logs(logs()));
    for seconds in [1, 2, 3] {
        take(&mut state, Loaded::Run(Some(run(seconds))));
    }
    state.tail = ecom::tui::state::tail::Tail::new(Some("order.created".into()));
    take(&mut state, Loaded::Tail(tailed()));
    state
}

fn take(state: &mut State, loaded: Loaded) -> Vec<Effect> {
    update(state, Msg::Loaded(Box::new(loaded)))
}

/// Presses these keys, separated by blanks; what is to be done about the last.
fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = vec![];
    for word in keys.split_whitespace() {
        let key = Key::parse(word).unwrap_or_else(|| panic!("{word} is no key"));
        effects = update(state, Msg::Key(key));
    }
    effects
}

/// What the screen shows.
fn shown(state: &State) -> String {
    snapshot::text(state)
}

fn pulse(second: i64, appended: u64) -> Pulse {
    let topic = |name: &str, appended| TopicPulse {
        name: name.to_owned(),
        partitions: 3,
        records: appended,
        appended,
    };
    let group = |group: &str, active, lag| GroupPulse { group: group.to_owned(), active, lag };
    let letters = |code: &str, open, total| LetterPulse {
        error_code: code.to_owned(),
        open,
        total,
        last_at: at(-90),
    };
    Pulse {
        at: at(second),
        topics: vec![
            topic("dlq.events", 12),
            topic("order.created", appended),
            topic("payment.processed", 7),
        ],
        groups: vec![
            group("inventory-service-group", true, 0),
            group("payment-service-group", true, 1_234),
            group("reports", false, 5),
        ],
        letters: vec![
            letters("payment.declined_code_unknown", 9, 10),
            letters("decode.malformed", 2, 2),
        ],
        open_orders: Some(17),
    }
}

fn lags() -> Vec<LagView> {
    let lag = |group: &str, lag, behind_ms, status| LagView {
        group: group.to_owned(),
        topic: "order.created".to_owned(),
        partition: 1,
        lag,
        behind_ms,
        status,
    };
    vec![
        lag("inventory-service-group", 0, None, LagStatus::Ok),
        lag("payment-service-group", 1_234, Some(61_000), LagStatus::Slow),
        lag("reports", 5, Some(7_300_000), LagStatus::Stopped),
    ]
}

fn sums() -> Vec<Group> {
    let group = |value: &str, open, resolved| Group {
        value: value.to_owned(),
        total: open + resolved,
        states: BTreeMap::from([(EntryState::Open, open), (EntryState::Resolved, resolved)]),
        first_at: at(-7_000),
        last_at: at(-90),
        over_time: if open == 9 { vec![1, 0, 0, 2, 6, 1] } else { vec![0, 0, 1, 0, 0, 1] },
    };
    vec![group("payment.declined_code_unknown", 9, 1), group("decode.malformed", 2, 0)]
}

fn letter(n: u64) -> DeadLetter {
    DeadLetter {
        id: format!("dlq.events/1/{n}"),
        state: EntryState::Open,
        family: Family::Ecom,
        failed_at: at(-90),
        service: "payment".into(),
        group: "payment-service-group".into(),
        original_topic: "order.created".into(),
        original_partition: Some(1),
        original_offset: Some(n),
        bytes: 700,
        event_id: format!("0199c0de-0000-7000-8000-{n:012}"),
        event_type: "order.created".into(),
        key: Some(Blob::Text(format!("ORD-{n}"))),
        error_code: "decode.malformed".into(),
        error_reason: "decode.malformed: not a valid order.created event".into(),
        retry_count: 0,
        replays: 0,
    }
}

fn orders() -> Vec<OrderSummary> {
    let order = |id: &str, state, reason: Option<&str>| OrderSummary {
        order_id: id.to_owned(),
        user_id: "ann".to_owned(),
        state,
        total_minor: 12_345,
        units: 2,
        reason: reason.map(str::to_owned),
        created_at: at(-20),
        updated_at: at(-10),
    };
    vec![
        order("ORD-3", OrderState::Pending, None),
        order("ORD-2", OrderState::Fulfilled, None),
        order("ORD-1", OrderState::Cancelled, Some("payment_failed")),
    ]
}

fn logs() -> Vec<LogLine> {
    let line = |n, level: &str, text: &str| LogLine {
        n,
        at: at(-(10 - n as i64)),
        level: level.to_owned(),
        text: text.to_owned(),
    };
    vec![
        line(1, "INFO", "ready"),
        line(2, "WARN", "event given up, see `ecom dlq list` service=payment"),
        line(3, "ERROR", "\u{1b}[2Jnot obeyed"),
    ]
}

fn record(offset: u64) -> RecordView {
    RecordView {
        topic: "order.created".into(),
        partition: (offset % 3) as u32,
        offset,
        timestamp: at(offset as i64 - 10),
        key: Some(Blob::Text(format!("ORD-{offset}"))),
        headers: vec![],
        value: Some(Blob::Text(format!("{{\"order_id\":\"ORD-{offset}\",\"total\":12.50}}"))),
    }
}

fn tailed() -> Tailed {
    let next = Follow::On(TailQuery { topic: "order.created".into(), ..TailQuery::default() });
    Tailed { records: (0..8).map(record).collect(), skipped: 0, next }
}

fn run(seconds: u64) -> Run {
    Run {
        phase: "shopping".into(),
        seconds,
        planned: 1_000,
        begun: 400 * seconds,
        ended: 300 * seconds,
        requests: 2_000 * seconds,
        errors: vec![("503 overloaded".into(), 3)],
        placed: 150 * seconds,
        fulfilled: 100 * seconds,
        cancelled: 20 * seconds,
        waiting: 12,
        checkout_ms: [1.25, 4.5, 20.0],
        verdict: None,
    }
}

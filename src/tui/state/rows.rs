//! What is known, as rows of lists.

use std::collections::BTreeMap;

use super::table::{Cell, Column, Row, numbers, words};
use crate::domain::{Money, Timestamp};
use crate::ops::dlq::replay::{JobState, JobView};
use crate::ops::dlq::{DeadLetter, EntryState, Group, trend};
use crate::ops::groups::{LagStatus, LagView};
use crate::ops::live::{LogLine, Pulse};
use crate::ops::orders::{OrderState, OrderSummary};
use crate::ops::topics::RecordView;
use crate::tui::text;
use crate::tui::theme::Tone;

/// Characters of a value that are shown in a list at most.
const PREVIEW: usize = 200;
/// Columns of a count.
const COUNT: u16 = 12;

pub(super) const TOPICS: &[Column] =
    &[words("topic", 0), numbers("records", COUNT), numbers("per s", 9), numbers("partitions", 10)];

pub(super) fn topics(pulse: &Pulse, rates: &BTreeMap<String, u64>) -> Vec<Row> {
    let row = |topic: &crate::ops::live::TopicPulse| {
        let rate = rates.get(&topic.name).copied().unwrap_or(0);
        Row {
            key: topic.name.clone(),
            cells: vec![
                Cell::text(text::harmless(&topic.name)),
                number(topic.records),
                number(rate).tone(if rate > 0 { Tone::Good } else { Tone::Dim }),
                number(u64::from(topic.partitions)),
            ],
        }
    };
    pulse.topics.iter().map(row).collect()
}

pub(super) const GROUPS: &[Column] = &[
    words("group", 0),
    words("status", 9),
    numbers("lag", COUNT),
    numbers("behind", 8),
    words("members", 8),
];

pub(super) fn groups(pulse: &Pulse, behind: &[LagView]) -> Vec<Row> {
    let row = |group: &crate::ops::live::GroupPulse| {
        let own = || behind.iter().filter(|lag| lag.group == group.group);
        let status = own().map(|lag| lag.status).max_by_key(|status| gravity(*status));
        let late = own().filter_map(|lag| lag.behind_ms).max();
        let members = if group.active { Cell::text("yes") } else { Cell::text("none") };
        Row {
            key: group.group.clone(),
            cells: vec![
                Cell::text(text::harmless(&group.group)),
                status.map_or_else(Cell::default, lag_status),
                number(group.lag).tone(if group.lag > 0 { Tone::Warn } else { Tone::Plain }),
                late.map_or_else(Cell::default, |ms| {
                    Cell::number(ms as i64, text::span(ms / 1_000))
                }),
                members.tone(if group.active { Tone::Plain } else { Tone::Dim }),
            ],
        }
    };
    pulse.groups.iter().map(row).collect()
}

/// A status as a word with its meaning.
pub fn lag_status(status: LagStatus) -> Cell {
    let (mark, tone) = match status {
        LagStatus::Ok => ("✓", Tone::Good),
        LagStatus::Slow => ("!", Tone::Warn),
        LagStatus::Stalled | LagStatus::Stopped => ("✗", Tone::Bad),
    };
    Cell::text(format!("{mark} {status}")).tone(tone)
}

const fn gravity(status: LagStatus) -> u8 {
    match status {
        LagStatus::Ok => 0,
        LagStatus::Slow => 1,
        LagStatus::Stopped => 2,
        LagStatus::Stalled => 3,
    }
}

pub(super) const RECORDS: &[Column] = &[
    words("time", 8),
    numbers("part", 4),
    numbers("offset", 9),
    words("key", 20),
    words("value", 0),
];

pub(super) fn record(record: &RecordView) -> Row {
    let shown = |blob: &Option<crate::ops::blob::Blob>| match blob {
        Some(blob) => Cell::text(text::one_line(&blob.shown(), PREVIEW)),
        None => Cell::text("null").tone(Tone::Dim),
    };
    Row {
        key: place(record),
        cells: vec![
            at(record.timestamp),
            number(u64::from(record.partition)),
            Cell::number(record.offset as i64, record.offset.to_string()),
            shown(&record.key),
            shown(&record.value),
        ],
    }
}

/// Where a record stands.
pub fn place(record: &RecordView) -> String {
    format!("{}/{}/{}", record.topic, record.partition, record.offset)
}

pub(super) const SUMMARY: &[Column] = &[
    words("what", 0),
    numbers("open", 9),
    numbers("all", 9),
    words("over time", 12),
    words("last", 8),
    words("first", 8),
];

pub(super) fn summary(groups: &[Group], now: Timestamp) -> Vec<Row> {
    let highest = trend::highest(groups);
    let row = |group: &Group| {
        let open = group.states.get(&EntryState::Open).copied().unwrap_or(0);
        let name = if group.value.is_empty() { "(unknown)" } else { &group.value };
        let past = |at: Timestamp| Cell::number(at.millis(), text::ago(now, at));
        Row {
            key: group.value.clone(),
            cells: vec![
                Cell::text(text::harmless(name)),
                number(open).tone(if open > 0 { Tone::Bad } else { Tone::Good }),
                number(group.total),
                Cell::text(text::bars(&group.over_time, highest)).tone(Tone::Warn),
                past(group.last_at),
                past(group.first_at),
            ],
        }
    };
    groups.iter().map(row).collect()
}

pub(super) const LETTERS: &[Column] = &[
    words("state", 10),
    words("at", 8),
    words("type", 24),
    words("key", 16),
    words("error", 0),
    words("id", 20),
    words("service", 12),
];

pub(super) fn letter(letter: &DeadLetter) -> Row {
    let key = letter.key.as_ref().map(crate::ops::blob::Blob::shown).unwrap_or_default();
    let kind =
        if letter.event_type.is_empty() { &letter.original_topic } else { &letter.event_type };
    let by = if letter.service.is_empty() { &letter.group } else { &letter.service };
    Row {
        key: letter.id.clone(),
        cells: vec![
            Cell::text(letter.state.as_str()).tone(state_tone(letter.state)),
            at(letter.failed_at),
            Cell::text(text::one_line(kind, PREVIEW)),
            Cell::text(text::one_line(&key, PREVIEW)),
            Cell::text(text::one_line(&letter.error_reason, PREVIEW)),
            Cell::text(text::harmless(&letter.id)).tone(Tone::Dim),
            Cell::text(text::one_line(by, PREVIEW)),
        ],
    }
}

/// What a letter's state means.
pub const fn state_tone(state: EntryState) -> Tone {
    match state {
        EntryState::Open | EntryState::Refailed => Tone::Bad,
        EntryState::Replaying => Tone::Warn,
        EntryState::Resolved => Tone::Good,
        EntryState::Discarded | EntryState::Parked => Tone::Dim,
    }
}

pub(in crate::tui) const JOBS: &[Column] = &[
    words("job", 12),
    words("state", 11),
    numbers("sent", 9),
    numbers("resolved", 9),
    numbers("failed", 8),
    words("began", 8),
    words("who", 0),
];

pub(in crate::tui) fn jobs(jobs: &[JobView], now: Timestamp) -> Vec<Row> {
    let row = |job: &JobView| Row {
        key: job.job.clone(),
        cells: vec![
            Cell::text(text::harmless(&job.job)),
            Cell::text(job.state.as_str()).tone(job_tone(job.state)),
            number(job.report.replayed),
            number(job.report.resolved),
            number(job.report.refailed),
            Cell::number(job.created_at.millis(), text::ago(now, job.created_at)),
            Cell::text(text::one_line(&job.actor, PREVIEW)),
        ],
    };
    jobs.iter().map(row).collect()
}

/// What a job's state means.
pub const fn job_tone(state: JobState) -> Tone {
    match state {
        JobState::Running => Tone::Accent,
        JobState::Done => Tone::Good,
        JobState::Partial | JobState::Cancelled | JobState::Interrupted => Tone::Warn,
        JobState::Failed => Tone::Bad,
    }
}

pub(super) const ORDERS: &[Column] = &[
    words("state", 9),
    words("changed", 8),
    words("shopper", 14),
    numbers("units", 5),
    numbers("total", 10),
    words("order", 0),
    words("reason", 18),
];

pub(super) fn orders(orders: &[OrderSummary]) -> Vec<Row> {
    let row = |order: &OrderSummary| Row {
        key: order.order_id.clone(),
        cells: vec![
            Cell::text(order.state.as_str()).tone(order_tone(order.state)),
            at(order.updated_at),
            Cell::text(text::one_line(&order.user_id, PREVIEW)),
            number(order.units),
            Cell::number(order.total_minor, Money::from_minor(order.total_minor).to_string()),
            Cell::text(text::harmless(&order.order_id)),
            Cell::text(text::one_line(order.reason.as_deref().unwrap_or_default(), PREVIEW)),
        ],
    };
    orders.iter().map(row).collect()
}

const fn order_tone(state: OrderState) -> Tone {
    match state {
        OrderState::Pending => Tone::Accent,
        OrderState::Paid => Tone::Plain,
        OrderState::Fulfilled => Tone::Good,
        OrderState::Cancelled => Tone::Warn,
    }
}

pub(super) const LOGS: &[Column] = &[words("time", 8), words("level", 5), words("text", 0)];

pub(super) fn logs(lines: &[LogLine]) -> Vec<Row> {
    let row = |line: &LogLine| {
        let tone = match line.level.as_str() {
            "ERROR" => Tone::Bad,
            "WARN" => Tone::Warn,
            "INFO" => Tone::Plain,
            _ => Tone::Dim,
        };
        Row {
            key: line.n.to_string(),
            cells: vec![
                at(line.at),
                Cell::text(line.level.clone()).tone(tone),
                Cell::text(text::harmless(&line.text)),
            ],
        }
    };
    lines.iter().map(row).collect()
}

fn at(at: Timestamp) -> Cell {
    Cell::number(at.millis(), text::clock(at))
}

fn number(n: u64) -> Cell {
    Cell::number(n as i64, text::number(n))
}

//! Records of a topic, as they come, and one of them in full.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::list;
use crate::app::zone::local;
use crate::ops::blob::Blob;
use crate::ops::topics::RecordView;
use crate::tui::state::popup::{Line, Page, line};
use crate::tui::state::{State, rows};
use crate::tui::text;
use crate::tui::theme::Tone;

pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let none = match &state.tail.topic {
        None => "choose a topic under 2 Topics, or type :tail TOPIC",
        Some(_) if state.tail.next.is_none() => "this topic cannot be followed",
        Some(_) => "nothing was appended yet",
    };
    list::draw(state, &state.tail.table, none, area, buffer);
}

/// Which topic is followed, and what was left out.
pub(super) fn standing(state: &State) -> Option<String> {
    let topic = state.tail.topic.as_ref()?;
    let rate = state.rates.get(topic).copied().unwrap_or(0);
    let said = format!("{}  {} per s", text::harmless(topic), text::number(rate));
    if state.tail.skipped > 0 {
        let (shown, skipped) = (text::number(state.tail.shown), text::number(state.tail.skipped));
        return Some(format!("{said}  showed {shown}, skipped {skipped}"));
    }
    Some(said)
}

/// A record in full.
pub fn page(record: &RecordView) -> Page {
    let place = rows::place(record);
    let key = record.key.as_ref().map(Blob::shown);
    let mut lines = vec![field("at", &local(record.timestamp))];
    lines.push(key.as_ref().map_or_else(
        || vec![("key ".into(), Tone::Accent), ("null".into(), Tone::Dim)],
        |key| field("key", key),
    ));
    lines.extend(headers(record));
    lines.push(vec![]);
    lines.extend(shown(record.value.as_ref()));
    Page::new(text::harmless(&place), lines)
}

/// A name and what it stands for.
pub(super) fn field(name: &str, value: &str) -> Line {
    vec![(format!("{name} "), Tone::Accent), (text::harmless(value), Tone::Plain)]
}

pub(super) fn headers(record: &RecordView) -> Vec<Line> {
    if record.headers.is_empty() {
        return vec![line("no headers", Tone::Dim)];
    }
    let header = |header: &crate::ops::topics::HeaderView| {
        vec![
            (format!("  {} ", text::harmless(&header.name)), Tone::Accent),
            (text::harmless(&header.value.shown()), Tone::Plain),
        ]
    };
    let title = line(format!("{} headers", record.headers.len()), Tone::Dim);
    [title].into_iter().chain(record.headers.iter().map(header)).collect()
}

pub(super) fn shown(value: Option<&Blob>) -> Vec<Line> {
    match value {
        None => vec![line("null", Tone::Dim)],
        Some(Blob::Text(text)) => text::value(text),
        Some(Blob::Base64(base64)) => {
            let bytes = Blob::Base64(base64.clone()).bytes().unwrap_or_default();
            hex(&bytes)
        }
    }
}

/// Bytes in rows of sixteen.
fn hex(bytes: &[u8]) -> Vec<Line> {
    const SHOWN: usize = 64 << 10;
    let row = |(n, row): (usize, &[u8])| {
        let digits: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let letter = |b: &u8| if b.is_ascii_graphic() { char::from(*b) } else { '.' };
        vec![
            (format!("{:06x}  ", n * 16), Tone::Dim),
            (format!("{:<48}", digits.join(" ")), Tone::Plain),
            (row.iter().map(letter).collect::<String>(), Tone::Good),
        ]
    };
    let mut lines: Vec<Line> =
        bytes[..bytes.len().min(SHOWN)].chunks(16).enumerate().map(row).collect();
    if bytes.len() > SHOWN {
        lines.push(line(format!("and {} bytes more", bytes.len() - SHOWN), Tone::Dim));
    }
    lines
}

//! A dead letter in full.

use super::tail::{field, headers, shown};
use crate::app::zone::local;
use crate::ops::blob::Blob;
use crate::ops::dlq::{AuditView, DeadLetterDetail};
use crate::tui::state::popup::{Line, Page, line};
use crate::tui::state::rows::state_tone;
use crate::tui::text;
use crate::tui::theme::Tone;

/// Why it died, what was done about it, what it is.
pub fn page(detail: &DeadLetterDetail) -> Page {
    let letter = &detail.letter;
    let key = letter.key.as_ref().map(Blob::shown);
    let mut lines: Vec<Line> = vec![
        vec![
            (letter.state.to_string(), state_tone(letter.state)),
            (format!("  {}", text::harmless(&letter.error_reason)), Tone::Bad),
        ],
        vec![],
        field("event", &letter.event_id),
        field("type", &letter.event_type),
        field("key", key.as_deref().unwrap_or("null")),
        field("from", &origin(detail)),
        field("given up", &local(letter.failed_at)),
        field("by", &format!("{} (group {})", letter.service, letter.group)),
        field("retries", &letter.retry_count.to_string()),
        field("sent back", &format!("{} times", letter.replays)),
        field("written by", letter.family.as_str()),
        intact(detail.payload_intact),
        vec![],
    ];
    lines.extend(shown(detail.payload.as_ref()));
    if !detail.audit.is_empty() {
        lines.extend([vec![], line("what was done", Tone::Dim)]);
        lines.extend(detail.audit.iter().map(done));
    }
    lines.push(vec![]);
    lines.extend(headers(&detail.record));
    let id = Some(letter.id.clone());
    Page { letter: id, ..Page::new(text::harmless(&letter.id), lines) }
}

fn origin(detail: &DeadLetterDetail) -> String {
    let letter = &detail.letter;
    if letter.original_topic.is_empty() {
        return "nothing tells where".into();
    }
    match letter.original_partition {
        Some(partition) => format!("{}, partition {partition}", letter.original_topic),
        None => letter.original_topic.clone(),
    }
}

fn intact(intact: Option<bool>) -> Line {
    match intact {
        Some(true) => {
            vec![("bytes ".into(), Tone::Accent), ("✓ as they failed".into(), Tone::Good)]
        }
        Some(false) => {
            vec![("bytes ".into(), Tone::Accent), ("✗ not those that failed".into(), Tone::Bad)]
        }
        None => vec![("bytes ".into(), Tone::Accent), ("no digest was noted".into(), Tone::Dim)],
    }
}

fn done(audit: &AuditView) -> Line {
    vec![
        (format!("  {} ", text::clock(audit.at)), Tone::Dim),
        (format!("{} ", text::harmless(&audit.action)), Tone::Accent),
        (format!("by {} ", text::harmless(&audit.actor)), Tone::Plain),
        (text::harmless(&audit.detail), Tone::Dim),
    ]
}

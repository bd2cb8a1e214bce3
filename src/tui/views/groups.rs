//! A consumer group, partition by partition.

use crate::ops::groups::LagView;
use crate::tui::state::popup::{Line, Page, line};
use crate::tui::state::rows::lag_status;
use crate::tui::text;
use crate::tui::theme::Tone;

/// How far the group is behind in each partition.
pub fn page(group: &str, behind: &[LagView]) -> Page {
    let own: Vec<&LagView> = behind.iter().filter(|lag| lag.group == group).collect();
    let widest = own.iter().map(|lag| lag.topic.chars().count()).max().unwrap_or(0).max(5);
    let head = format!("{:widest$}  part  {:9}  {:>9}  behind", "topic", "status", "lag");
    let mut lines: Vec<Line> = vec![line(head, Tone::Accent)];
    lines.extend(own.iter().map(|lag| {
        let status = lag_status(lag.status);
        let behind = lag.behind_ms.map_or_else(String::new, |ms| text::span(ms / 1_000));
        vec![
            (
                format!("{:widest$}  {:>4}  ", text::harmless(&lag.topic), lag.partition),
                Tone::Plain,
            ),
            (format!("{:9}", status.text), status.tone),
            (format!("  {:>9}  {behind}", text::number(lag.lag)), Tone::Plain),
        ]
    }));
    if own.is_empty() {
        lines.push(line("looking; this takes a few seconds", Tone::Dim));
    }
    Page::new(text::harmless(group), lines)
}

//! Spans: what was done, when, and what led to it, for whoever collects such things. Told when it is
//! over; nobody waits for it, and it may get lost.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

tokio::task_local! {
    static CURRENT: SpanContext;
}

/// The header of records and requests that says which span they are of.
pub const TRACEPARENT: &str = "traceparent";

/// Names a trace: all that follows from one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(pub u128);

/// Names a span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(pub u64);

/// Where a span belongs. As text it is a W3C `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
}

impl SpanContext {
    /// Reads a `traceparent`; none if it is not a valid one.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |range: std::ops::Range<usize>| {
            let part = text.get(range)?;
            part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)).then_some(part)
        };
        let dashes = [2, 35, 52].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
        let (version, _flags) = (hex(0..2)?, hex(53..55)?);
        // A later version may have more to say behind this one's fields.
        let end = text.len() == 55 || version != "00" && text.as_bytes()[55] == b'-';
        let trace = u128::from_str_radix(hex(3..35)?, 16).ok()?;
        let span = u64::from_str_radix(hex(36..52)?, 16).ok()?;
        (dashes && end && version != "ff" && trace != 0 && span != 0)
            .then_some(Self { trace: TraceId(trace), span: SpanId(span) })
    }

    /// Runs `work` as something that this span does.
    pub async fn around<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// The span that does what is going on here, if there is one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| *current).ok()
    }
}

impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.trace.0, self.span.0)
    }
}

/// What a span is to those around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Answers a request.
    Server,
    /// Asks somebody outside.
    Client,
    /// Publishes.
    Producer,
    /// Handles what was published.
    Consumer,
}

/// What an attribute says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A word.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Said {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Said {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Said {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Something that was done. Its times are of [`crate::ports::Clock::elapsed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its place.
    pub context: SpanContext,
    /// What led to it; none for what began the trace.
    pub parent: Option<SpanId>,
    /// Another span that has to do with it.
    pub link: Option<SpanContext>,
    /// What it is to others.
    pub kind: SpanKind,
    /// What was done.
    pub name: Cow<'static, str>,
    /// When it began.
    pub began: Duration,
    /// When it was over.
    pub ended: Duration,
    /// More about it.
    pub attributes: Vec<(&'static str, Said)>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct SpanCounts {
    /// Collected.
    pub exported: AtomicU64,
    /// Lost: there were too many, or they were not taken.
    pub dropped: AtomicU64,
}

/// Collects spans. Never waits.
pub trait Spans: Send + Sync {
    /// Whether anybody wants to know of this trace. All processes agree on that.
    fn wants(&self, trace: TraceId) -> bool;

    /// A span's id that no other has.
    fn new_id(&self) -> SpanId;

    /// Takes a span, or drops it.
    fn add(&self, span: Span);

    /// What became of those that it took.
    fn counts(&self) -> std::sync::Arc<SpanCounts>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_a_traceparent_and_back() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(SpanContext::parse(text).unwrap().to_string(), text);
        assert!(SpanContext::parse(&text.replace("-01", "-00")).is_some(), "not sampled by others");
        assert!(SpanContext::parse(&format!("01{}-more", &text[2..])).is_some());
        for bad in [
            "",
            "00-1",
            &text[..54],
            &format!("{text}-more"),
            &format!("ff{}", &text[2..]),
            &text.replace("4bf9", "4BF9"),
            &text.replace('-', "_"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(SpanContext::parse(bad), None, "{bad}");
        }
    }
}

//! Ids of traces and spans, made of ids that all processes know. Pure.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use crate::domain::EventId;
use crate::ports::spans::{SpanContext, SpanId, TraceId};

/// Where the publication of an event belongs. `correlation` is its order, if it has one.
pub fn event_context(correlation: &str, event_id: &str) -> SpanContext {
    let span = event_id.bytes().filter(|b| *b != b'-').skip(16).map(hex);
    let span = span.fold(0, |id: u64, digit| id << 4 | u64::from(digit));
    SpanContext { trace: trace_of(correlation), span: SpanId(span) }
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or(0) as u8
}

/// The trace of an order: its id is 16 bytes already.
pub(super) fn trace_of(correlation: &str) -> TraceId {
    let of_order = correlation
        .strip_prefix("ORD-")
        .and_then(|id| BASE32_NOPAD.decode(id.as_bytes()).ok())
        .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    let digest = || {
        let mut half = [0; 16];
        half.copy_from_slice(&Sha256::digest(correlation)[..16]);
        half
    };
    TraceId(u128::from_be_bytes(of_order.unwrap_or_else(digest)))
}

/// The span that a trace begins with: the request that placed the order.
pub(super) const fn root(trace: TraceId) -> SpanId {
    SpanId(trace.0 as u64)
}

/// The span of `service` handling an event.
pub(super) fn handling(event: EventId, service: &str) -> SpanId {
    // FNV-1a: any other number would do that is another one for each service.
    let turn = service.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    SpanId(event.0.as_u128() as u64 ^ turn)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::services::ServiceName;

    const ORDER_ID: &str = "ORD-AAAAAAAAAAAAAAAAAAAAAAAAAE";

    fn event(n: u128) -> EventId {
        EventId(Uuid::from_u128(0x0199_c0de_0000_7000_8000_0000_0000_0000 + n))
    }

    #[test]
    fn an_orders_events_share_a_trace() {
        let of = |n| event_context(ORDER_ID, &event(n).to_string()).to_string();
        assert_eq!(of(1), "00-00000000000000000000000000000001-8000000000000001-01");
        assert_eq!(of(1)[..35], of(2)[..35]);
        assert_ne!(of(1), of(2));
        assert_eq!(event_context("user123", &event(1).to_string()).to_string().len(), 55);
    }

    #[test]
    fn each_service_handles_an_event_in_a_span_of_its_own() {
        let published = event_context(ORDER_ID, &event(1).to_string()).span;
        let mut ids: Vec<u64> =
            ServiceName::ALL.iter().map(|name| handling(event(1), name.as_str()).0).collect();
        ids.push(published.0);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ServiceName::ALL.len() + 1);
        assert_ne!(handling(event(1), "order"), handling(event(2), "order"));
    }
}

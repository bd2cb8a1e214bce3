//! An order's way, told from wherever it is written down.

use ecom::ops::local::LocalOps;
use ecom::ops::orders::OrderState;
use ecom::ops::trace::{Step, StepKind, Trace, TraceQuery};
use ecom::ops::{OpsError, OrderOps, TraceOps};

use super::orders::{asked, office};
use crate::harness::shop;

pub(super) async fn trace(ops: &LocalOps, id: &str) -> Trace {
    ops.trace(&TraceQuery { id: id.to_owned() }).await.unwrap()
}

pub(super) fn of_kind(trace: &Trace, kind: StepKind) -> Vec<&Step> {
    trace.steps.iter().filter(|step| step.kind == kind).collect()
}

/// The kinds of steps that led to this one, itself first.
pub(super) fn way(trace: &Trace, step: &Step) -> Vec<StepKind> {
    let (mut way, mut at) = (vec![step.kind], step);
    while let Some(cause) = &at.cause {
        let Some(found) = trace.steps.iter().find(|step| step.id == *cause) else { break };
        way.push(found.kind);
        at = found;
    }
    way
}

/// Every step is named once, and stands after what led to it.
#[track_caller]
pub(super) fn well_ordered(trace: &Trace) {
    for (n, step) in trace.steps.iter().enumerate() {
        let before = &trace.steps[..n];
        assert!(before.iter().all(|other| other.id != step.id), "{} twice", step.id);
        assert!(before.last().is_none_or(|other| other.at <= step.at), "{} out of time", step.id);
        if let Some(cause) = &step.cause {
            let known = trace.steps.iter().find(|other| other.id == *cause);
            let known = known.unwrap_or_else(|| panic!("{} was caused by {cause}", step.id));
            assert!(known.at <= step.at, "{} before its cause {cause}", step.id);
        }
    }
}

#[test]
fn an_order_is_traced_from_its_cart_to_its_mail() {
    use StepKind::{Charge, Checkout, Event, Handled, Mail, State};
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        let order = t.buy("ann", "P").await;
        t.settle().await;
        let found = trace(&office(&t), &order).await;
        well_ordered(&found);
        assert_eq!(found.state, Some(OrderState::Fulfilled));
        assert_eq!((found.waiting.len(), &found.notes), (0, &vec![]));
        let mail = of_kind(&found, Mail).pop().unwrap();
        // mail ← notification.send ← FULFILLED ← inventory.reserved ← order.confirmed ← PAID
        //   ← payment.processed ← charge ← order.created ← PENDING ← cart.checkout_initiated ← checkout
        let expected = [
            Mail, Handled, Event, State, Handled, Event, Handled, Event, State, Handled, Event,
            Charge, Handled, Event, State, Handled, Event, Checkout,
        ];
        assert_eq!(way(&found, mail), expected, "{found:#?}");
        let states: Vec<_> =
            of_kind(&found, State).iter().map(|s| s.state.clone().unwrap()).collect();
        assert_eq!(states, ["PENDING", "PAID", "FULFILLED"]);
        let types: Vec<_> =
            of_kind(&found, Event).iter().map(|s| s.event_type.clone().unwrap()).collect();
        assert!(types.contains(&"cart.item_added".to_owned()), "{types:?}");
        // Whatever names it leads to it.
        let event = of_kind(&found, Event)[3];
        let cart = of_kind(&found, Checkout)[0].details["cart_id"].clone();
        let names = [
            order.replace("ORD-", "PAY-"),
            event.event_id.clone().unwrap(),
            event.record.clone().unwrap(),
            cart,
            "ann".to_owned(),
        ];
        for name in names {
            assert_eq!(trace(&office(&t), &name).await, found, "{name}");
        }
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        let (first, second) = (t.buy("ann", "P").await, t.buy("ann", "P").await);
        t.settle().await;
        let ops = office(&t);
        let unknown = "ORD-AGO4AV4LCRY5PG2BVDVJZ7BIGE";
        let event = "0198c0de-0000-7000-8000-000000000001";
        for id in [unknown, event, "bob", "order.created/0/999"] {
            let found = ops.trace(&TraceQuery { id: id.into() }).await;
            assert!(matches!(found, Err(OpsError::NotFound(_))), "{id}: {found:?}");
        }
        let found = ops.trace(&TraceQuery { id: "ann".into() }).await;
        let Err(OpsError::Invalid(text)) = found else { panic!("{found:?}") };
        assert!(text.contains(&first) && text.contains(&second), "{text}");
        let wrong = [
            ops.order(unknown).await.err(),
            ops.cancel_order(&asked(unknown)).await.err(),
            ops.refund_order(&asked(unknown)).await.err(),
            ops.resume_order(&asked(unknown)).await.err(),
        ];
        for error in wrong {
            assert!(matches!(error, Some(OpsError::NotFound(_))), "{error:?}");
        }
    });
}

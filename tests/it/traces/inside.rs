//! What is told of orders, in virtual time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecom::app::Ports;
use ecom::ports::spans::{Said, Span, SpanContext, SpanCounts, SpanId, SpanKind, Spans, TraceId};
use ecom::ports::{Clock, NewRecord, StoreError};
use ecom::runtime::Tracer;

use crate::harness::faults::{FailingStore, Fault, TestGateway};
use crate::harness::{Tester, settings, shop_with};

/// Keeps all spans.
#[derive(Default)]
struct Kept {
    spans: Mutex<Vec<Span>>,
    ids: AtomicU64,
}

impl Spans for Kept {
    fn wants(&self, _: TraceId) -> bool {
        true
    }

    fn new_id(&self) -> SpanId {
        SpanId(self.ids.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn add(&self, span: Span) {
        self.spans.lock().unwrap().push(span);
    }

    fn counts(&self) -> Arc<SpanCounts> {
        Arc::default()
    }
}

impl Kept {
    fn tracer(self: &Arc<Self>, clock: &Arc<dyn Clock>) -> Tracer {
        Tracer::new(Arc::clone(self) as Arc<dyn Spans>, Arc::clone(clock), "ecom")
    }

    /// All spans, of which every id is another and every parent is there.
    fn sound(&self) -> Vec<Span> {
        let spans = self.spans.lock().unwrap().clone();
        let ids: BTreeSet<(u128, u64)> =
            spans.iter().map(|span| (span.context.trace.0, span.context.span.0)).collect();
        assert_eq!(ids.len(), spans.len(), "an id is used twice");
        for span in &spans {
            let known = span.parent.is_none_or(|id| ids.contains(&(span.context.trace.0, id.0)));
            assert!(known, "the parent of {span:?} is not there");
            assert!(span.began <= span.ended, "{span:?}");
        }
        spans
    }

    /// An order's spans as a tree.
    fn tree(&self) -> String {
        let spans = self.sound();
        let roots: Vec<&Span> = spans.iter().filter(|span| span.parent.is_none()).collect();
        let [root] = roots.as_slice() else { panic!("{} roots: {spans:#?}", roots.len()) };
        let mut text = String::new();
        branch(&spans, root, 0, &mut text);
        text
    }
}

fn branch(spans: &[Span], span: &Span, depth: usize, text: &mut String) {
    let said = |name| said(span, name).map(|said| format!(" {said}")).unwrap_or_default();
    let (service, outcome) = (said("ecom.service"), said("ecom.outcome"));
    let (indent, service) = (" ".repeat(depth * 2), service.replace(' ', " @"));
    text.push_str(&[&indent, &*span.name, &service, &outcome, "\n"].concat());
    let mut below: Vec<&Span> =
        spans.iter().filter(|s| s.parent == Some(span.context.span)).collect();
    below.sort_by_key(|span| (span.began, span.name.clone(), said_by(span)));
    below.iter().for_each(|span| branch(spans, span, depth + 1, text));
}

fn said_by(span: &Span) -> String {
    said(span, "ecom.service").unwrap_or_default()
}

fn said(span: &Span, name: &str) -> Option<String> {
    let (_, said) = span.attributes.iter().find(|(found, _)| *found == name)?;
    Some(match said {
        Said::Text(text) => text.to_string(),
        Said::Number(number) => number.to_string(),
    })
}

/// Runs `test` on a shop that tells of everything.
fn traced<F: Future<Output = ()> + Send + 'static>(
    wrap: impl FnOnce(Ports) -> Ports,
    test: impl FnOnce(Tester, Arc<Kept>) -> F + Send + 'static,
) {
    let kept = Arc::new(Kept::default());
    let told = Arc::clone(&kept);
    let wrap = |ports: Ports| {
        let tracer = told.tracer(&ports.clock);
        wrap(ports).traced(tracer)
    };
    shop_with(&settings(&[]), 1, |ports, _| wrap(ports), |t| test(t, kept));
}

const FULFILLED: &str = "\
POST /cart/{user_id}/checkout
  publish cart.checkout_initiated @cart
    process cart.checkout_initiated @cart processed
    process cart.checkout_initiated @order processed
      publish order.created @order
        process order.created @inventory processed
        process order.created @payment processed
          charge captured
          publish payment.processed @payment
            process payment.processed @order processed
              publish order.confirmed @order
                process order.confirmed @inventory processed
                  publish inventory.reserved @inventory
                    process inventory.reserved @order processed
                      publish notification.send @order
                        process notification.send @notification processed
                          send e-mail sent
";

#[test]
fn an_order_is_a_tree_of_what_led_to_what() {
    traced(
        |ports| ports,
        |t, kept| async move {
            t.product("P", "5.00", 10).await;
            t.add("ann", "P", 1).await;
            t.checkout("ann").await;
            t.settle().await;
            assert_eq!(kept.tree(), FULFILLED);
        },
    );
}

#[test]
fn spans_are_those_that_the_records_speak_of() {
    traced(
        |ports| ports,
        |t, kept| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.settle().await;
            let spans = kept.sound();
            for topic in ["cart.checkout_initiated", "order.created", "payment.processed"] {
                let record = t.records(topic).await.pop().unwrap();
                let context = SpanContext::parse(record.header("traceparent").unwrap()).unwrap();
                let span = spans.iter().find(|span| span.context == context).unwrap();
                assert_eq!(
                    (&*span.name, span.kind),
                    (&*format!("publish {topic}"), SpanKind::Producer)
                );
                let at = |name| said(span, name).unwrap();
                assert_eq!(at("messaging.destination.name"), topic);
                assert_eq!(
                    at("messaging.destination.partition.id"),
                    record.at.partition.to_string()
                );
                assert_eq!(at("messaging.kafka.offset"), record.at.offset.to_string());
                assert_eq!(at("ecom.order_id"), order);
            }
        },
    );
}

#[test]
fn who_gets_an_order_that_is_there_already_did_not_begin_its_trace() {
    traced(
        |ports| ports,
        |t, kept| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            assert_eq!(t.checkout("ann").await, order);
            t.settle().await;
            let again = "  POST /cart/{user_id}/checkout\n";
            let tree = kept.tree();
            assert!(tree.contains(again), "{tree}");
            let others = tree.replacen(again, "", 1);
            assert_eq!(others, FULFILLED);
        },
    );
}

#[test]
fn a_cancelled_order_gets_its_money_back_in_its_trace() {
    let slow = |ports: Ports| {
        let charge_takes = Duration::from_secs(2);
        let gateway = TestGateway { charge_takes, ..TestGateway::new(&ports) };
        Ports { gateway: Arc::new(gateway), ..ports }
    };
    traced(slow, |t, kept| async move {
        t.product("P", "5.00", 10).await;
        let order = t.buy("ann", "P").await;
        t.pass(1).await;
        let path = format!("/orders/{order}/cancel");
        t.call("POST", &path, None).await;
        t.settle().await;
        let tree = kept.tree();
        for line in [
            "  POST /orders/{order_id}/cancel\n",
            "  publish order.cancelled @order\n",
            "    process order.cancelled @payment processed\n",
            "      refund refunded\n",
            "      publish payment.refunded @payment\n",
        ] {
            assert!(tree.contains(line), "{line} is not in\n{tree}");
        }
    });
}

#[test]
fn every_try_of_an_event_that_fails_is_told_and_that_it_was_given_up() {
    let broken = Fault::Store(StoreError::Broken("disk speaks in tongues".into()));
    let fail = Arc::new(AtomicI64::new(i64::MAX));
    let failing = |ports: Ports| {
        let (inner, only) = (Arc::clone(&ports.store), "insert into payments");
        let store = FailingStore { inner, fail, fault: broken, only };
        Ports { store: Arc::new(store), ..ports }
    };
    traced(failing, |t, kept| async move {
        t.product("P", "5.00", 10).await;
        t.buy("ann", "P").await;
        t.pass(5).await;
        let spans = kept.sound();
        let of_payment =
            |span: &&Span| said_by(span) == "payment" && span.kind == SpanKind::Consumer;
        let tries: Vec<String> = spans
            .iter()
            .filter(of_payment)
            .map(|span| {
                let (name, said) = (&span.name, |name| said(span, name).unwrap());
                assert!(span.error.as_ref().unwrap().contains("tongues"), "{span:?}");
                format!("{name}, {} {}", said("ecom.attempts"), said("ecom.outcome"))
            })
            .collect();
        let expected = [
            "process order.created, 1 failed",
            "process order.created, 2 failed",
            "process order.created, 3 failed",
            "process order.created, 4 failed",
            "give up order.created, 4 dead_letter",
        ];
        assert_eq!(tries, expected);
        let letter = spans.iter().find(|span| span.name.starts_with("give up")).unwrap();
        let at = t.records("dlq.events").await[0].at.to_string();
        assert_eq!(said(letter, "ecom.dead_letter_id"), Some(at));
        assert_eq!(said(letter, "error.type"), Some("store.broken".into()));
    });
}

#[test]
fn what_comes_again_is_told_as_a_repeat_and_garbage_under_its_order() {
    traced(
        |ports| ports,
        |t, kept| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.settle().await;
            let record = t.records("order.created").await.pop().unwrap();
            let again = NewRecord {
                topic: record.at.topic.to_string(),
                partition: None,
                key: record.key.clone(),
                headers: record.headers.clone(),
                value: record.value.clone(),
            };
            t.embedded.ports.bus.publish(vec![again]).await.unwrap();
            t.produce("payment.processed", &order, b"no event").await;
            t.produce("payment.processed", "K", b"no order's").await;
            t.settle().await;
            let tree = kept.tree();
            for line in [
                "        process order.created @payment processed\n",
                "        process order.created @payment duplicate\n",
                "  give up payment.processed @order dead_letter\n",
            ] {
                assert_eq!(tree.matches(line).count(), 1, "{line} is not once in\n{tree}");
            }
            let given_up = kept.sound().iter().filter(|s| s.name.starts_with("give up")).count();
            assert_eq!(given_up, 1, "nothing is told of what is about no order");
        },
    );
}

#[test]
fn what_is_about_no_order_is_not_told() {
    traced(
        |ports| ports,
        |t, kept| async move {
            t.product("P", "5.00", 1).await;
            t.add("ann", "P", 1).await;
            t.add("bob", "P", 1).await;
            t.get("/cart/ann").await;
            assert_eq!(t.try_checkout("nobody").await.status, 400);
            t.settle().await;
            assert_eq!(kept.sound(), []);
        },
    );
}

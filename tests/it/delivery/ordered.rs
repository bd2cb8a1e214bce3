//! Dead letters that are sent back in the order of their keys.

use std::collections::BTreeMap;
use std::time::Duration;

use ecom::ops::DlqOps;
use ecom::ops::dlq::DlqFilter;
use ecom::ops::dlq::replay::{JobState, Order, ReplayReport, ReplayRequest};
use ecom::ops::dlq::routing::Route;

use super::replay::{ended, ops, replay};
use crate::harness::{Tester, shop};

/// Records that are no events, under two keys; each becomes a letter of two services.
async fn garbage(t: &Tester) {
    for n in 0..6 {
        t.produce("order.created", if n % 2 == 0 { "K" } else { "L" }, &[0xff, n]).await;
    }
    t.pass(1).await;
}

fn in_order(request: &mut ReplayRequest) {
    request.ordered = Order::Key;
}

#[test]
fn a_letter_is_sent_when_the_one_before_it_of_its_key_was_given_up_again() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        garbage(&t).await;
        let letters = ops.dead_letters(&DlqFilter::default()).await.unwrap();
        let stood: BTreeMap<String, u64> = letters
            .iter()
            .map(|letter| (letter.id.clone(), letter.original_offset.unwrap()))
            .collect();
        let report = replay(&t, &ops, in_order).await;
        assert_eq!((report.replayed, report.refailed, report.held), (12, 12, 0));
        let of = |record: &ecom::ports::Record| record.header("ecom-replay-of").map(str::to_owned);
        let mut failed_again = BTreeMap::new();
        for record in t.records("dlq.events").await {
            failed_again.extend(of(&record).map(|id| (id, record.timestamp)));
        }
        let sent: Vec<_> = t
            .records("order.created")
            .await
            .into_iter()
            .filter_map(|record| Some((of(&record)?, record)))
            .collect();
        for key in ["K", "L"] {
            let of_key =
                sent.iter().filter(|(_, record)| record.key.as_deref() == Some(key.as_bytes()));
            let of_key: Vec<_> = of_key.collect();
            assert_eq!(of_key.len(), 6, "three records, each a letter of two services");
            for pair in of_key.windows(2) {
                let [(before, _), (id, record)] = pair else { unreachable!() };
                assert!(stood[before] <= stood[id], "{before} stood before {id}");
                assert!(failed_again[before] <= record.timestamp, "{id} waited for {before}");
            }
        }
    });
}

#[test]
fn what_waits_for_a_letter_that_nobody_takes_up_is_held_back() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        garbage(&t).await;
        let nobody = |request: &mut ReplayRequest| {
            in_order(request);
            // Whoever reads this topic leaves it to the group that had failed, which does not read it.
            request.to = Some("user.interaction".into());
            request.partition = Route::Fixed(2);
            request.wait_ms = 700;
        };
        let plan = replay(&t, &ops, |request| {
            nobody(request);
            request.dry_run = true;
        })
        .await;
        assert_eq!(plan.by_partition, [("user.interaction/2".to_owned(), 12)].into());
        let report = replay(&t, &ops, nobody).await;
        assert_eq!((report.replayed, report.pending, report.held), (2, 2, 10));
        let jobs = ops.jobs().await.unwrap();
        assert_eq!(jobs[0].state, JobState::Partial, "some are left for a person");
        let back = t.records("user.interaction").await;
        assert!(back.iter().all(|record| record.at.partition == 2), "{back:?}");
        // What was held back is open, and goes on its way once somebody takes it up.
        let rest = replay(&t, &ops, in_order).await;
        assert_eq!((rest.selected, rest.refailed, rest.held), (12, 12, 0));
    });
}

#[test]
fn a_job_in_order_that_is_cancelled_goes_on_where_it_ended() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        garbage(&t).await;
        let mut request = ReplayRequest { rate: 10, ..ReplayRequest::default() };
        in_order(&mut request);
        let job = ops.replay(&request).await.unwrap().job.unwrap();
        t.clock_ms(250).await;
        ops.cancel(&job).await.unwrap();
        let cancelled = ended(&t, &ops, &job).await;
        assert_eq!(cancelled.state, JobState::Cancelled);
        assert!((1..12).contains(&cancelled.report.replayed), "{:?}", cancelled.report);
        ops.resume(&job).await.unwrap();
        let done = ended(&t, &ops, &job).await;
        let ReplayReport { replayed, refailed, held, .. } = done.report;
        assert_eq!((done.state, replayed, refailed, held), (JobState::Partial, 12, 12, 0));
        assert!(done.updated_at.since(done.created_at) > Duration::from_millis(500));
    });
}

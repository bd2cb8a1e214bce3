//! When processes that share a store counted as gone: whoever judges what was done twice goes by it.

use ecom::ports::Clock;
use ecom::runtime::members::Members;

use crate::harness::{Tester, shop};

/// When processes counted as gone, and when they were back, in ms since the test's first moment.
async fn gaps(t: &Tester, begun: i64) -> Vec<(i64, i64)> {
    let sql = "select gone_since, back_at from process_gaps order by gone_since";
    let rows = t.rows(sql, vec![]).await;
    let at = |row: &ecom::ports::Row, column| row.time(column).unwrap().millis() - begun;
    rows.iter().map(|row| (at(row, 0), at(row, 1))).collect()
}

async fn beat(t: &Tester, members: &Members) {
    members.beat(t.embedded.ports.store.as_ref(), &t.clock).await.unwrap();
}

#[test]
fn a_process_that_was_stopped_notes_since_when_it_counted_as_gone_and_then_works_again() {
    shop(&[], |t| async move {
        let (begun, members) = (t.clock.now().millis(), Members::among_others("a"));
        beat(&t, &members).await;
        t.clock_ms(3_000).await;
        beat(&t, &members).await;
        assert_eq!(gaps(&t, begun).await, []);
        t.clock_ms(10_000).await;
        assert!(members.share(&t.clock).is_none(), "others may be at its work");
        beat(&t, &members).await;
        assert!(members.share(&t.clock).is_some());
        assert_eq!(gaps(&t, begun).await, [(7_000, 13_000)]);
    });
}

#[test]
fn the_end_of_a_process_that_said_nothing_is_noted_by_its_successor() {
    shop(&[], |t| async move {
        let begun = t.clock.now().millis();
        beat(&t, &Members::among_others("a")).await;
        t.clock_ms(1_000).await;
        beat(&t, &Members::among_others("a")).await;
        assert_eq!(gaps(&t, begun).await, [], "it never counted as gone");
        t.clock_ms(60_000).await;
        beat(&t, &Members::among_others("b")).await;
        assert_eq!(gaps(&t, begun).await, [], "another's end is none of its business");
        beat(&t, &Members::among_others("a")).await;
        assert_eq!(gaps(&t, begun).await, [(5_000, 5_000)]);
    });
}

#[test]
fn the_end_of_a_process_that_never_came_back_outlives_its_last_sign_of_life() {
    shop(&[], |t| async move {
        let begun = t.clock.now().millis();
        beat(&t, &Members::among_others("lost")).await;
        t.pass(600).await;
        let last = Members::among_others("last");
        beat(&t, &last).await;
        last.leave(t.embedded.ports.store.as_ref(), &t.clock).await.unwrap();
        assert_eq!(t.count("select count(*) from members").await, 0);
        assert_eq!(gaps(&t, begun).await, [(4_000, 4_000)]);
    });
}

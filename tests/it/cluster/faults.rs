//! One fault each, in the middle of a run.

use std::time::Duration;

use super::fleet::{ALL, EACH, Fleet};
use super::ground::Ground;

/// Longer than the others wait for a silent member: `kafka.session_timeout`, and `ALIVE_FOR` of the
/// outbox's shares.
const PAST_EVERY_SESSION: Duration = Duration::from_secs(8);

/// A fleet with these roles goes through `fault` while `users` shoppers come within `seconds`.
fn survives(
    roles: &[&str],
    (users, seconds): (u32, u32),
    fault: impl FnOnce(&Ground, &mut Fleet<'_>),
) {
    let Some(ground) = Ground::claim() else { return };
    let mut fleet = Fleet::start(&ground, roles);
    let load = fleet.load(users, seconds);
    fault(&ground, &mut fleet);
    fleet.must_pass(load);
}

#[test]
fn two_instances_of_every_role_work_side_by_side() {
    survives(&[EACH, EACH].concat(), (300, 10), |_, _| {});
}

#[test]
fn one_broker_of_three_is_killed() {
    survives(&[ALL], (400, 12), |ground, fleet| {
        fleet.until_orders(50);
        ground.kill("kafka-2");
        fleet.until_orders(150);
        ground.start(&["kafka-2"]);
    });
}

#[test]
fn the_broker_that_leads_every_partition_is_killed() {
    let Some(ground) = Ground::claim() else { return };
    let fleet = Fleet::start(&ground, &[ALL]);
    // Leadership does not come back by itself to those that were away.
    for name in ["kafka-2", "kafka-3"] {
        ground.stop(name);
        ground.start(&[name]);
    }
    let load = fleet.load(400, 12);
    fleet.until_orders(50);
    ground.kill("kafka-1");
    fleet.until_orders(150);
    ground.start(&["kafka-1"]);
    fleet.must_pass(load);
}

#[test]
fn postgres_is_killed_and_comes_back() {
    survives(&[ALL], (400, 12), |ground, fleet| {
        for orders in [50, 150] {
            fleet.until_orders(orders);
            ground.kill("postgres");
            ground.start(&["postgres"]);
        }
    });
}

#[test]
fn redis_is_killed_and_comes_back_empty() {
    survives(&[ALL], (400, 12), |ground, fleet| {
        fleet.until_orders(50);
        ground.kill("redis");
        fleet.until_orders(100);
        ground.start(&["redis"]);
        ground.empty_redis();
    });
}

#[test]
fn one_of_two_inventories_is_killed_in_the_middle_of_a_batch() {
    let rest = "gateway,cart,order,payment,notification,catalog";
    survives(&[rest, "inventory", "inventory"], (400, 12), |_, fleet| {
        for (orders, victim) in [(50, 2), (150, 3)] {
            fleet.until_orders(orders);
            fleet.until_reserving();
            fleet.kill(victim);
            fleet.restart(victim);
        }
    });
}

#[test]
fn every_process_is_killed_at_once() {
    survives(&[ALL, ALL], (400, 12), |_, fleet| {
        for orders in [50, 150] {
            fleet.until_orders(orders);
            fleet.kill_and_restart_everybody();
        }
    });
}

#[test]
fn the_provider_is_killed_between_capture_and_reply() {
    survives(&[ALL], (400, 12), |_, fleet| {
        for orders in [50, 100, 150] {
            fleet.until_orders(orders);
            // With answers that take 180 ms or more there are always some that were decided and not told.
            fleet.until_charging();
            fleet.kill(Fleet::PROVIDER);
            fleet.restart(Fleet::PROVIDER);
        }
    });
}

#[test]
fn a_zombie_does_no_harm() {
    survives(&[ALL, ALL], (400, 16), |_, fleet| {
        fleet.until_orders(50);
        fleet.signal(2, "STOP");
        std::thread::sleep(PAST_EVERY_SESSION);
        fleet.signal(2, "CONT");
    });
}

#[test]
fn mail_waits_for_a_server_that_is_down_for_a_minute() {
    survives(&[ALL], (300, 10), |ground, fleet| {
        ground.stop("smtp");
        std::thread::sleep(Duration::from_mins(1));
        fleet.until(
            "mail waits",
            "select count(*) > 0 from notifications where next_attempt_at is not null",
        );
        ground.start(&["smtp"]);
    });
}

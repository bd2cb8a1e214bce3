//! All faults in random order, one after the other, under load, each at least once.

use std::time::{Duration, Instant};

use ecom::ports::Randomness;

use super::fleet::{ALL, Fleet};
use super::ground::Ground;

/// How long faults go on.
const SHORT: u32 = 90;
/// The same with `scripts/test --full`.
const LONG: u32 = 300;

/// What happens to the servers and processes of a shop.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Broker(&'static str),
    Postgres,
    Redis,
    Mail,
    Provider,
    Process(usize),
    Zombie(usize),
    Everybody,
}

const FAULTS: [Fault; 11] = [
    Fault::Broker("kafka-1"),
    Fault::Broker("kafka-2"),
    Fault::Broker("kafka-3"),
    Fault::Postgres,
    Fault::Redis,
    Fault::Mail,
    Fault::Provider,
    Fault::Process(1),
    Fault::Process(2),
    Fault::Zombie(2),
    Fault::Everybody,
];

fn happen(fault: Fault, ground: &Ground, fleet: &mut Fleet<'_>, pause: Duration) {
    match fault {
        Fault::Broker(name) => {
            ground.kill(name);
            std::thread::sleep(pause);
            ground.start(&[name]);
        }
        Fault::Postgres => {
            ground.kill("postgres");
            ground.start(&["postgres"]);
        }
        Fault::Redis => {
            ground.kill("redis");
            std::thread::sleep(pause);
            ground.start(&["redis"]);
            ground.empty_redis();
        }
        Fault::Mail => {
            ground.stop("smtp");
            std::thread::sleep(pause);
            ground.start(&["smtp"]);
        }
        Fault::Provider => {
            fleet.kill(Fleet::PROVIDER);
            std::thread::sleep(pause);
            fleet.restart(Fleet::PROVIDER);
        }
        Fault::Process(n) => {
            fleet.kill(n);
            std::thread::sleep(pause);
            fleet.restart(n);
        }
        Fault::Zombie(n) => {
            fleet.signal(n, "STOP");
            std::thread::sleep(pause * 3);
            fleet.signal(n, "CONT");
        }
        Fault::Everybody => fleet.kill_and_restart_everybody(),
    }
}

#[test]
fn a_shop_survives_all_faults_in_any_order() {
    let Some(ground) = Ground::claim() else { return };
    let all = std::env::vars().any(|(name, _)| name == "ECOM_TEST_FULL");
    let seconds = if all { LONG } else { SHORT };
    let seed = std::env::var("ECOM_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let mut dice = Randomness::seeded(seed).stream("soak");
    let mut fleet = Fleet::start(&ground, &[ALL, ALL]);
    let load = fleet.load(seconds * 12, seconds);
    fleet.until_orders(20);
    let begun = Instant::now();
    let (mut left, mut told) = (vec![], vec![]);
    let time = Duration::from_secs(u64::from(seconds));
    while begun.elapsed() < time || told.len() < FAULTS.len() {
        if left.is_empty() {
            left = FAULTS.to_vec();
        }
        let fault = left.swap_remove(dice.below(left.len() as u64) as usize);
        told.push(fault);
        let pause = Duration::from_millis(500 + dice.below(2_500));
        happen(fault, &ground, &mut fleet, pause);
        std::thread::sleep(Duration::from_millis(dice.below(2_000)));
    }
    fleet.judged(load).unwrap_or_else(|why| panic!("ECOM_TEST_SEED={seed} {told:?}\n{why}"));
}

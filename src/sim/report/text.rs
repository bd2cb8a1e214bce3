//! The report for people.

use std::fmt::Write;

use super::Report;
use crate::app::zone::local;
use crate::sim::check::{CheckResult, Status};
use crate::sim::figures::Percentiles;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    let _ = write_all(&mut out, report);
    out
}

fn write_all(out: &mut String, r: &Report) -> std::fmt::Result {
    load(out, r)?;
    orders(out, r)?;
    writeln!(out)?;
    r.verdict.checks.iter().try_for_each(|check| check_line(out, check))?;
    for story in &r.stories {
        writeln!(out, "\n{}", story.order)?;
        for moment in &story.moments {
            writeln!(out, "  {}  {:<8} {}", local(moment.at), moment.source, moment.text)?;
        }
    }
    writeln!(out)?;
    if let Some(hash) = &r.trace_hash {
        writeln!(out, "trace hash: {hash}")?;
    }
    if let Some(data) = &r.data {
        writeln!(out, "data: {data}")?;
    }
    if !r.verdict.missing.is_empty() {
        let missing: Vec<&str> = r.verdict.missing.iter().map(|id| id.as_str()).collect();
        writeln!(out, "not exercised, but should be: {}; let more happen", missing.join(", "))?;
    }
    let looked = |check: &&CheckResult| matches!(check.status, Status::Pass | Status::Fail);
    let (looked, all) = (r.verdict.checks.iter().filter(looked).count(), r.verdict.checks.len());
    write!(out, "verdict: {}", r.verdict.result)?;
    if looked * 2 < all {
        write!(out, ", by the {looked} of {all} checks that could be made")?;
    }
    writeln!(out)?;
    writeln!(out, "replay: {}", r.replay)
}

fn load(out: &mut String, r: &Report) -> std::fmt::Result {
    let Some(workload) = &r.workload else { return Ok(()) };
    let seconds = workload.arrivals.as_secs_f64();
    writeln!(
        out,
        "{} run: {} shoppers within {seconds:.0} s, {} sellers, think times × {}, seed {}",
        r.mode, workload.users, workload.sellers, workload.think_scale, workload.seed
    )?;
    let dropped = match r.load.dropped {
        0 => String::new(),
        n => format!(", {n} DROPPED"),
    };
    writeln!(
        out,
        "load       {} sessions offered, {} started{dropped}; {} requests; {} carts left behind; sellers acted {} times",
        r.load.offered, r.load.sessions, r.load.requests, r.load.abandoned, r.load.seller_actions
    )?;
    if !r.load.http_errors.is_empty() {
        let all: Vec<String> =
            r.load.http_errors.iter().map(|(k, n)| format!("{n} × {k}")).collect();
        writeln!(out, "errors     {}", all.join(", "))?;
    }
    Ok(())
}

fn orders(out: &mut String, r: &Report) -> std::fmt::Result {
    let o = &r.orders;
    let reasons: Vec<String> =
        o.by_reason.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
    let reasons =
        if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    writeln!(
        out,
        "orders     {} placed: {} fulfilled, {} cancelled{reasons}, {} stuck",
        o.placed, o.fulfilled, o.cancelled, o.stuck
    )?;
    if r.workload.is_none() {
        return Ok(());
    }
    let seconds = r.duration_ms as f64 / 1_000.0;
    write!(out, "throughput {} orders/s", r.throughput.orders_per_s)?;
    if r.throughput.events_per_s > 0.0 {
        write!(out, ", {} events/s", r.throughput.events_per_s)?;
    }
    writeln!(out, " over {seconds:.1} s")?;
    let (checkouts, orders) = (r.load.checkouts_given_up, r.load.orders_given_up);
    percentiles(out, "checkout answered", &r.latency_ms.checkout_http, checkouts)?;
    percentiles(out, "checkout to final", &r.latency_ms.checkout_to_terminal, orders)?;
    if r.load.lag_ms_max > 10 {
        let late = r.load.lag_ms_max;
        writeln!(
            out,
            "note       the lab itself was up to {late} ms late: latencies include that"
        )?;
    }
    Ok(())
}

fn percentiles(out: &mut String, name: &str, p: &Percentiles, given_up: u64) -> std::fmt::Result {
    let given_up = match given_up {
        0 => String::new(),
        n => format!("; {n} GIVEN UP, in here with the age they had"),
    };
    writeln!(
        out,
        "{name}  p50 {} ms, p90 {} ms, p99 {} ms, p99.9 {} ms, max {} ms{given_up}",
        p.p50, p.p90, p.p99, p.p999, p.max
    )
}

fn check_line(out: &mut String, check: &CheckResult) -> std::fmt::Result {
    let (mark, what) = match check.status {
        Status::Pass => ("✓", format!("{} looked at", check.evaluated)),
        Status::Fail => ("✗", format!("{} of {} WRONG", check.violations, check.evaluated)),
        Status::NotExercised => ("-", "not exercised".to_owned()),
        Status::NotApplicable => {
            ("·", format!("n/a: {}", check.reason.as_deref().unwrap_or_default()))
        }
    };
    writeln!(out, "  {mark} {:<4}{:<50} {what}", check.id, check.name)?;
    for example in &check.examples {
        writeln!(out, "      {}: {}", example.subject, example.detail)?;
    }
    Ok(())
}

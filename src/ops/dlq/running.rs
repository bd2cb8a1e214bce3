//! A job at work: bounded by what there was when it began, at a bounded rate, watched, and resumed where it
//! broke off.

use std::time::Duration;

use super::EntryState;
use super::index::{Index, Indexed};
use super::ledger::Ledger;
use super::replay::{JobState, Order, ReplayReport, ReplayRequest};
use super::scan::Progress;
use super::sending::Sender;
use crate::ops::OpsError;
use crate::ports::Clock;
use crate::ports::bus::EventBus;
use crate::ports::store::Batch;
use crate::runtime::Stop;

/// Letters sent in one step at most.
const STEP: usize = 512;
/// Bytes of the letters of one step, about; a larger letter is a step of its own.
const STEP_BYTES: u64 = 8 << 20;
/// Pause between two looks at what became of a replay, at least.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A job that waits says that it is still there.
const SIGN_EVERY: Duration = Duration::from_secs(2);
/// Pause between two looks at how many failed again.
const JUDGE_EVERY: Duration = Duration::from_secs(1);
/// Letters of which something was heard, before their share of failures says anything.
const HEARD_MIN: u64 = 20;

/// What a replay works on.
pub(in crate::ops) struct Replayer<'a> {
    pub(in crate::ops) bus: &'a dyn EventBus,
    pub(in crate::ops) index: Index<'a>,
    pub(in crate::ops) ledger: Ledger<'a>,
    pub(in crate::ops) clock: &'a dyn Clock,
    /// Whether somebody consumes now, so that waiting makes sense.
    pub(in crate::ops) running: bool,
}

/// A job on its way.
pub(super) struct Way<'a> {
    pub(super) replayer: &'a Replayer<'a>,
    pub(super) job: &'a str,
    pub(super) request: &'a ReplayRequest,
    pub(super) stop: &'a Stop,
    sender: Sender<'a>,
    started: Duration,
    sent: u64,
    canary: u64,
    next_judging: Duration,
    next_sign: Duration,
}

impl Replayer<'_> {
    /// Does what is left of a job; `report` says what was done so far, and is brought up to date.
    pub(in crate::ops) async fn run(
        &self,
        job: &str,
        request: &ReplayRequest,
        report: &mut ReplayReport,
        stop: &Stop,
    ) -> Result<JobState, OpsError> {
        let now = self.clock.elapsed();
        let mut way = Way {
            replayer: self,
            job,
            request,
            stop,
            sender: Sender::new(self, job, request),
            started: now,
            sent: 0,
            canary: u64::from(request.canary),
            next_judging: now + JUDGE_EVERY,
            next_sign: now + SIGN_EVERY,
        };
        // Noted before it broke off, and perhaps not sent.
        let mut again = vec![];
        for id in std::mem::take(&mut report.under_way) {
            again.push(self.index.find(&id).await?);
            report.replayed = report.replayed.saturating_sub(1);
        }
        let mut state = match request.ordered {
            Order::None => way.send_all(again, report).await?,
            Order::Key => way.send_in_order(again, report).await?,
        };
        report.under_way.clear();
        way.outcome(report).await?;
        for order in &mut report.orders {
            order.after = self.ledger.order_status(&order.order_id).await?;
        }
        if state == JobState::Done && report.is_partial() {
            state = JobState::Partial;
        }
        let mut batch = Batch::default();
        self.ledger.stands(&mut batch, job, state, report);
        self.ledger.write(batch).await?;
        Ok(state)
    }

    /// Whether anybody tells what has become of letters, so that waiting for it makes sense.
    pub(super) const fn is_told(&self) -> bool {
        self.running && self.ledger.inbox
    }
}

impl Way<'_> {
    /// Sends `again`, and all others.
    async fn send_all(
        &mut self,
        again: Vec<Indexed>,
        report: &mut ReplayReport,
    ) -> Result<JobState, OpsError> {
        let limit = self.limit();
        let (replayer, mut waiting) = (self.replayer, again);
        let mut source = replayer.source(self.request, &mut ReplayReport::default()).await?;
        loop {
            if waiting.is_empty() {
                waiting = replayer.next(&mut source, self.request).await?;
                waiting.truncate(limit.saturating_sub(report.handled()) as usize);
            }
            if waiting.is_empty() {
                return Ok(JobState::Done);
            }
            if let Some(ended) = self.step(&mut waiting, report).await? {
                return Ok(ended);
            }
        }
    }

    /// Letters that a job comes to at most.
    pub(super) fn limit(&self) -> u64 {
        self.request.filter.limit.map_or(u64::MAX, |limit| limit as u64)
    }

    /// Sends the first of `waiting`; how the job ends, if it must.
    pub(super) async fn step(
        &mut self,
        waiting: &mut Vec<Indexed>,
        report: &mut ReplayReport,
    ) -> Result<Option<JobState>, OpsError> {
        if self.is_cancelled(report) {
            return Ok(Some(JobState::Cancelled));
        }
        let (clock, rate) = (self.replayer.clock, self.request.rate);
        let size = fitting(waiting, step(rate, self.canary));
        let letters: Vec<Indexed> = waiting.drain(..size).collect();
        if rate > 0 {
            let due = self.started + Duration::from_secs_f64(self.sent as f64 / f64::from(rate));
            let rest = due.saturating_sub(clock.elapsed());
            self.stop.unless_said(clock.sleep(rest)).await;
        }
        self.sent += letters.len() as u64;
        self.sender.send(&letters, report).await?;
        let tested = self.canary > 0 && report.handled() >= self.canary;
        if tested {
            self.outcome(report).await?;
            self.canary = 0;
        } else if self.request.stop_on_failure.is_some() && clock.elapsed() >= self.next_judging {
            self.look(report).await?;
            self.next_judging = clock.elapsed() + JUDGE_EVERY;
        }
        let ended = self.too_bad(report, tested);
        Ok(ended.map(|why| {
            report.note = Some(why);
            JobState::Failed
        }))
    }

    /// Whether somebody ended the job; it is noted if so.
    pub(super) fn is_cancelled(&self, report: &mut ReplayReport) -> bool {
        if self.stop.is_said() {
            report.note = Some("cancelled".into());
        }
        self.stop.is_said()
    }

    /// Why a job must stop, if it must.
    fn too_bad(&self, report: &ReplayReport, tested: bool) -> Option<String> {
        let heard = report.resolved + report.refailed;
        if tested && self.replayer.running && (report.refailed > 0 || report.pending > 0) {
            return Some(format!(
                "stopped after the first {}: {} failed again, and of {} nothing was heard",
                report.handled(),
                report.refailed,
                report.pending
            ));
        }
        let share = self.request.stop_on_failure.filter(|_| heard >= HEARD_MIN)?;
        (report.refailed * 100 > heard * u64::from(share)).then(|| {
            format!("stopped: {} of {heard} failed again, more than {share} %", report.refailed)
        })
    }

    /// Looks at what has become of the letters that the job sent.
    pub(super) async fn look(&self, report: &mut ReplayReport) -> Result<(), OpsError> {
        let quiet: Progress = std::sync::Arc::new(|_, _| {});
        let Replayer { ledger, index, .. } = self.replayer;
        ledger.hear(index, &quiet).await?;
        let counts = ledger.counts(self.job).await?;
        let count = |state| counts.get(&state).copied().unwrap_or(0);
        report.resolved = count(EntryState::Resolved);
        report.refailed = count(EntryState::Refailed);
        report.pending = count(EntryState::Replaying);
        Ok(())
    }

    /// How long to wait for news.
    pub(super) fn patience(&self) -> Duration {
        let asked = Duration::from_millis(self.request.wait_ms);
        if self.replayer.is_told() { asked } else { Duration::ZERO }
    }

    /// Waits for what becomes of the letters that the job sent.
    async fn outcome(&mut self, report: &mut ReplayReport) -> Result<(), OpsError> {
        let clock = self.replayer.clock;
        let give_up = clock.elapsed() + self.patience();
        loop {
            let began = clock.elapsed();
            self.look(report).await?;
            if report.pending == 0 || clock.elapsed() >= give_up {
                return Ok(());
            }
            if !self.pause(began, report).await? {
                return Ok(());
            }
        }
    }

    /// Says that the job is still there, and pauses after a look that `began` then; whether it goes on.
    pub(super) async fn pause(
        &mut self,
        began: Duration,
        report: &ReplayReport,
    ) -> Result<bool, OpsError> {
        let Replayer { clock, ledger, .. } = self.replayer;
        let now = clock.elapsed();
        if now >= self.next_sign {
            let mut batch = Batch::default();
            ledger.stands(&mut batch, self.job, JobState::Running, report);
            ledger.write(batch).await?;
            self.next_sign = now + SIGN_EVERY;
        }
        let pause = LOOK_EVERY.max(now.saturating_sub(began) * 2);
        Ok(self.stop.unless_said(clock.sleep(pause)).await.is_some())
    }
}

/// How many of `letters`, at most so many, fit into one step.
fn fitting(letters: &[Indexed], most: usize) -> usize {
    let mut bytes = 0;
    let fits = |letter: &&Indexed| {
        bytes += letter.view.bytes;
        bytes <= STEP_BYTES
    };
    letters.iter().take(most).take_while(fits).count().clamp(1, letters.len().max(1))
}

/// Letters of one step: a tenth of a second's, so that a slow job is steady and a fast one writes seldom.
const fn step(rate: u32, canary: u64) -> usize {
    let paced = if rate == 0 { STEP } else { (rate as usize).div_ceil(10) };
    let bounded = if paced < STEP { paced } else { STEP };
    if canary > 0 && (canary as usize) < bounded { canary as usize } else { bounded }
}

//! Replays under way in this process: one at a time, each a task that outlives who asked for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Others, Shared};
use crate::app::console::Replaying;
use crate::ops::OpsError;
use crate::ops::dlq::replay::{JobState, JobView, ReplayReport, ReplayRequest, SILENT_FOR};
use crate::ports::store::Batch;
use crate::ports::{Dice, Randomness};
use crate::runtime::Stop;

/// Jobs among which one of another process would be found.
const RECENT: usize = 20;

/// How often, and with which pause, the lock is tried before another process is said to replay.
const LOCK_LOOKS: u32 = 10;
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(20);

/// What runs here.
pub(super) struct Jobs {
    active: Mutex<Option<Active>>,
    dice: Mutex<Dice>,
}

struct Active {
    job: String,
    stop: Stop,
}

impl Jobs {
    pub(super) fn new(randomness: &Randomness) -> Self {
        Self { active: Mutex::default(), dice: Mutex::new(randomness.stream("replay-jobs")) }
    }

    fn active(&self) -> MutexGuard<'_, Option<Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self) -> String {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        format!("job-{:012x}", dice.below(1 << 48))
    }

    /// Takes the place of the job that runs here.
    fn take(&self, job: &str) -> Result<Stop, OpsError> {
        let mut active = self.active();
        if let Some(other) = active.as_ref() {
            let text = format!(
                "{0} is under way; see `ecom dlq jobs list`, or end it with `ecom dlq jobs cancel {0}`",
                other.job
            );
            return Err(OpsError::Refused(text));
        }
        let stop = Stop::default();
        *active = Some(Active { job: job.to_owned(), stop: stop.clone() });
        Ok(stop)
    }

    /// Whether this job runs here.
    fn runs(&self, job: &str) -> bool {
        self.active().as_ref().is_some_and(|active| active.job == job)
    }

    /// Tells the job to stop; whether it runs here.
    fn stop(&self, job: &str) -> bool {
        let active = self.active();
        let here = active.as_ref().filter(|active| active.job == job);
        here.inspect(|active| active.stop.say()).is_some()
    }
}

/// Gives the place back, however the job ends.
struct Place {
    shared: Arc<Shared>,
    /// Where others could have it.
    lock: Option<Replaying>,
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.shared.jobs.active() = None;
    }
}

impl Shared {
    /// Begins a replay, if there is anything to send back and it is no dry run; what it is about to do.
    pub(super) async fn begin(
        self: &Arc<Self>,
        mut request: ReplayRequest,
    ) -> Result<ReplayReport, OpsError> {
        if request.dry_run {
            return self.replayer().plan(&mut request, &self.progress).await;
        }
        // The place first: letters that another job has under way are none that nobody heard of.
        let job = self.jobs.name();
        let (stop, place) = self.place(&job).await?;
        let mut report = self.replayer().plan(&mut request, &self.progress).await?;
        if report.selected == 0 {
            return Ok(report);
        }
        report.job = Some(job.clone());
        self.ledger().begin(&job, &request, &report).await?;
        self.start(job, request, report.clone(), stop, place);
        Ok(report)
    }

    /// Goes on with a job that ended before its end.
    pub(super) async fn resume(self: &Arc<Self>, job: &str) -> Result<(), OpsError> {
        let JobView { state, request, mut report, .. } = self.job(job).await?;
        match state {
            JobState::Failed | JobState::Cancelled | JobState::Interrupted => {}
            JobState::Running => {
                return Err(OpsError::Refused(format!("{job} is under way")));
            }
            JobState::Done | JobState::Partial => {
                return Err(OpsError::Invalid(format!("{job} came to its end; nothing is left")));
            }
        }
        let (stop, place) = self.place(job).await?;
        // What it had sent before it broke off is not open any more.
        self.look().await?;
        report.note = None;
        let mut batch = Batch::default();
        self.ledger().stands(&mut batch, job, JobState::Running, &report);
        self.ledger().write(batch).await?;
        self.start(job.to_owned(), request, report, stop, place);
        Ok(())
    }

    /// The place of the one job that runs; refused while another has it, in this process or another.
    async fn place(self: &Arc<Self>, job: &str) -> Result<(Stop, Place), OpsError> {
        let stop = self.jobs.take(job)?;
        let mut place = Place { shared: Arc::clone(self), lock: None };
        match &self.ground.others {
            Others::None => {}
            Others::Heard => match self.elsewhere().await? {
                None => {}
                Some(other) => {
                    return Err(OpsError::Refused(format!(
                        "{other} is under way in another process; if that was killed, try again in {} s",
                        SILENT_FOR.as_secs()
                    )));
                }
            },
            Others::Locked(console) => {
                // Who only looks whether somebody has it has it for a moment.
                for _ in 0..LOCK_LOOKS {
                    place.lock = console.replaying();
                    if place.lock.is_some() {
                        return Ok((stop, place));
                    }
                    self.ground.clock.sleep(LOCK_LOOK_EVERY).await;
                }
                let other = self.elsewhere().await?.unwrap_or_else(|| "a replay".to_owned());
                return Err(OpsError::Refused(format!(
                    "{other} is under way in another process; see `ecom dlq jobs list`"
                )));
            }
        }
        Ok((stop, place))
    }

    /// The job that another process runs on the same letters.
    async fn elsewhere(&self) -> Result<Option<String>, OpsError> {
        let jobs = self.ledger().jobs(RECENT).await?.into_iter().map(|job| self.seen(job));
        let mut others = jobs.filter(|job| !self.jobs.runs(&job.job));
        Ok(others.find(|job| job.state == JobState::Running).map(|job| job.job))
    }

    fn start(
        self: &Arc<Self>,
        job: String,
        request: ReplayRequest,
        mut report: ReplayReport,
        stop: Stop,
        place: Place,
    ) {
        let shared = Arc::clone(self);
        self.ground.spawn.spawn(Box::pin(async move {
            let ran = shared.replayer().run(&job, &request, &mut report, &stop).await;
            if let Err(error) = ran {
                tracing::error!(job, %error, "replay broken off");
                report.note = Some(error.to_string());
                let mut batch = Batch::default();
                shared.ledger().stands(&mut batch, &job, JobState::Failed, &report);
                // A job that nobody writes for is found to be interrupted, and resumed as well.
                let _ = shared.ledger().write(batch).await;
            }
            let _ = shared.ground.store.durable().await;
            drop(place);
        }));
    }

    /// Ends a job that runs here, after its current step.
    pub(super) async fn cancel(&self, job: &str) -> Result<(), OpsError> {
        let view = self.job(job).await?;
        if self.jobs.stop(job) {
            return Ok(());
        }
        let text = match view.state {
            JobState::Running => format!("{job} runs in another process; end it there with Ctrl-C"),
            state => format!("{job} is not under way: it is {state}"),
        };
        Err(OpsError::Invalid(text))
    }

    pub(super) async fn job(&self, id: &str) -> Result<JobView, OpsError> {
        Ok(self.seen(self.ledger().job(id).await?))
    }

    pub(super) async fn jobs(&self, limit: usize) -> Result<Vec<JobView>, OpsError> {
        let jobs = self.ledger().jobs(limit).await?;
        Ok(jobs.into_iter().map(|job| self.seen(job)).collect())
    }

    /// A job that is said to run, and does not, was interrupted.
    fn seen(&self, mut view: JobView) -> JobView {
        let now = self.ground.clock.now();
        if self.jobs.runs(&view.job) {
            // Until its place is given back it is not over.
            view.state = JobState::Running;
        } else if view.state == JobState::Running
            && match &self.ground.others {
                Others::None => true,
                Others::Locked(console) => console.replaying().is_some(),
                Others::Heard => now.since(view.updated_at) > SILENT_FOR,
            }
        {
            view.state = JobState::Interrupted;
        }
        view
    }
}

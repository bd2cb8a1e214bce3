//! What a case has beside the adapter: time that passes, and others who work meanwhile.

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ecom::adapters::clock::SystemClock;
use ecom::adapters::spawn::TokioSpawn;
use ecom::ports::clock::timeout;
use ecom::ports::{Clock, Randomness, Spawn};
use ecom::sim::virtual_time::{Executor, Trace, VirtualClock};
use futures::channel::oneshot;
use futures::future::join_all;

/// Longer than any adapter may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time and tasks.
#[derive(Clone)]
pub(crate) struct Env {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawn: Arc<dyn Spawn>,
    /// A span that the adapter tells from none.
    pub(crate) tick: Duration,
}

/// Runs `case` as the program runs: on tokio, by the system's clock.
pub(crate) fn live<F>(case: impl FnOnce(Env) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(async {
        let clock = Arc::new(SystemClock::default());
        let spawn = Arc::new(TokioSpawn::current());
        case(Env { clock, spawn, tick: Duration::from_millis(20) }).await;
    });
}

/// Runs `case` as a simulation runs: on one thread, in virtual time.
pub(crate) fn simulated<F>(case: impl FnOnce(Env) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let clock = VirtualClock::default();
    let dice = Randomness::seeded(1).stream("executor");
    let mut executor = Executor::new(clock.clone(), dice, Trace::default());
    let spawn = executor.spawner();
    let env = Env { clock: Arc::new(clock), spawn, tick: Duration::from_millis(1) };
    executor.run(case(env)).expect("somebody can go on until the case is done");
}

impl Env {
    /// Lets that many ticks pass.
    pub(crate) async fn pass(&self, ticks: u32) {
        self.clock.sleep(self.tick * ticks).await;
    }

    /// What comes of `work`, which must come.
    pub(crate) async fn patiently<T>(&self, work: impl Future<Output = T>) -> T {
        timeout(self.clock.as_ref(), PATIENCE, work).await.expect("it is done in time")
    }

    /// What comes of `work` within two ticks, if anything does.
    pub(crate) async fn briefly<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        timeout(self.clock.as_ref(), self.tick * 2, work).await
    }

    /// Starts `work`; what will have come of it.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (done, outcome) = oneshot::channel();
        self.spawn.spawn(Box::pin(async move {
            let _ = done.send(work.await);
        }));
        outcome
    }

    /// Does all of `work` at the same time.
    pub(crate) async fn at_once<T, F>(&self, work: impl IntoIterator<Item = F>) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let outcomes: Vec<_> = work.into_iter().map(|work| self.spawn(work)).collect();
        let outcomes = self.patiently(join_all(outcomes)).await;
        outcomes.into_iter().map(|outcome| outcome.expect("nobody panics")).collect()
    }
}

/// A point at which somebody else may go on.
pub(crate) async fn let_others_run() {
    let mut waited = false;
    futures::future::poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

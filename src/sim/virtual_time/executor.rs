//! One thread, many tasks: of those that can run, the seed chooses one; when none can, time moves on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;

use super::clock::VirtualClock;
use super::trace::Trace;
use crate::ports::{Dice, Spawn};

/// Runs tasks in virtual time.
pub struct Executor {
    clock: VirtualClock,
    dice: Dice,
    trace: Trace,
    tasks: BTreeMap<u64, Task>,
    next_id: u64,
    queue: Arc<Queue>,
}

struct Task {
    future: BoxFuture<'static, ()>,
    waker: Waker,
    queued: Arc<AtomicBool>,
}

/// Who can run, and who was started.
#[derive(Default)]
struct Queue {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    ready: Vec<u64>,
    started: Vec<BoxFuture<'static, ()>>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct TaskWaker {
    id: u64,
    queue: Arc<Queue>,
    /// Whether it is among the ready ones.
    queued: Arc<AtomicBool>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.queue.lock().ready.push(self.id);
        }
    }
}

/// Starts tasks on an [`Executor`].
struct VirtualSpawn(Arc<Queue>);

impl Spawn for VirtualSpawn {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.lock().started.push(task);
    }
}

impl Executor {
    /// Without tasks. `dice` choose who runs next.
    pub fn new(clock: VirtualClock, dice: Dice, trace: Trace) -> Self {
        Self { clock, dice, trace, tasks: BTreeMap::new(), next_id: 0, queue: Arc::default() }
    }

    /// A way to start tasks here.
    pub fn spawner(&self) -> Arc<dyn Spawn> {
        Arc::new(VirtualSpawn(Arc::clone(&self.queue)))
    }

    /// Runs everything until `main` is done; none if nobody can run any more, and nobody waits for a
    /// time.
    pub fn run<T: Send + 'static>(
        &mut self,
        main: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        self.queue.lock().started.push(Box::pin(async move {
            let done = main.await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        }));
        loop {
            self.take_up_started();
            match self.choose() {
                Some(id) => self.poll(id),
                None if self.clock.advance() => {}
                None => return None,
            }
            if let Some(done) = result.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Some(done);
            }
        }
    }

    fn take_up_started(&mut self) {
        let started = std::mem::take(&mut self.queue.lock().started);
        for future in started {
            self.next_id += 1;
            let id = self.next_id;
            let queued = Arc::new(AtomicBool::new(false));
            let (queue, ours) = (Arc::clone(&self.queue), Arc::clone(&queued));
            let waker = Waker::from(Arc::new(TaskWaker { id, queue, queued: ours }));
            waker.wake_by_ref();
            self.tasks.insert(id, Task { future, waker, queued });
        }
    }

    fn choose(&mut self) -> Option<u64> {
        let mut inner = self.queue.lock();
        if inner.ready.is_empty() {
            return None;
        }
        let at = self.dice.below(inner.ready.len() as u64) as usize;
        Some(inner.ready.swap_remove(at))
    }

    fn poll(&mut self, id: u64) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.queued.store(false, Ordering::SeqCst);
        self.trace.note("run", || id.to_string());
        let mut context = Context::from_waker(&task.waker);
        if let Poll::Ready(()) = task.future.as_mut().poll(&mut context) {
            self.tasks.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ports::{Clock, Randomness};

    fn executor(seed: u64) -> (Executor, VirtualClock) {
        let clock = VirtualClock::default();
        let dice = Randomness::seeded(seed).stream("executor");
        (Executor::new(clock.clone(), dice, Trace::default()), clock)
    }

    /// The order in which eight tasks pass a point, each twice.
    fn interleaving(seed: u64) -> Vec<u64> {
        let (mut executor, clock) = executor(seed);
        let passed = Arc::new(Mutex::new(vec![]));
        let spawn = executor.spawner();
        for n in 0..8 {
            let (passed, clock) = (Arc::clone(&passed), clock.clone());
            spawn.spawn(Box::pin(async move {
                for _ in 0..2 {
                    clock.sleep(Duration::from_millis(1)).await;
                    passed.lock().unwrap().push(n);
                }
            }));
        }
        let main = clock.sleep(Duration::from_secs(1));
        executor.run(main).unwrap();
        Arc::try_unwrap(passed).unwrap().into_inner().unwrap()
    }

    #[test]
    fn the_seed_chooses_the_interleaving_and_nothing_else_does() {
        assert_eq!(interleaving(1), interleaving(1));
        let all: std::collections::BTreeSet<_> = (0..100).map(interleaving).collect();
        assert!(all.len() > 95, "{} of 100 interleavings differ", all.len());
    }

    #[test]
    fn time_passes_only_when_nobody_can_run() {
        let (mut executor, clock) = executor(1);
        let long = clock.clone();
        let elapsed = executor.run(async move {
            long.sleep(Duration::from_hours(1)).await;
            long.elapsed()
        });
        assert_eq!(elapsed, Some(Duration::from_hours(1)));
    }

    #[test]
    fn a_deadlock_is_told_not_waited_for() {
        let (mut executor, _) = executor(1);
        assert_eq!(executor.run(std::future::pending::<()>()), None);
    }

    #[test]
    fn a_dropped_sleep_is_forgotten() {
        let (mut executor, clock) = executor(1);
        let short = clock.clone();
        let elapsed = executor.run(async move {
            let long = short.sleep(Duration::from_secs(999));
            futures::future::select(short.sleep(Duration::from_secs(1)), long).await;
            short.elapsed()
        });
        assert_eq!(elapsed, Some(Duration::from_secs(1)));
        assert!(!clock.advance(), "nobody waits any more");
    }
}

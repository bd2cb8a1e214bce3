//! Asking again what a cluster cannot answer at this moment: brokers that have just begun, or have just taken
//! over from another, say so for a while.

use std::future::Future;
use std::time::Duration;

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};

use super::Shared;

/// Pause before the same is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

impl Shared {
    /// Asks until there is an answer, or the time for questions is over. Blocks.
    pub(super) fn ask<T>(&self, ask: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
        let give_up = self.clock.elapsed() + self.options.timeout;
        until(|| self.clock.elapsed() < give_up, || std::thread::sleep(AGAIN_AFTER), ask)
    }

    /// The same, of what does not block.
    pub(super) async fn demand<T, F>(&self, mut ask: impl FnMut() -> F) -> KafkaResult<T>
    where
        F: Future<Output = KafkaResult<T>>,
    {
        let give_up = self.clock.elapsed() + self.options.timeout;
        loop {
            match ask().await {
                Err(e) if passes(&e) && self.clock.elapsed() < give_up => {
                    self.clock.sleep(AGAIN_AFTER).await;
                }
                answer => return answer,
            }
        }
    }
}

fn until<T>(
    is_time: impl Fn() -> bool,
    pause: impl Fn(),
    mut ask: impl FnMut() -> KafkaResult<T>,
) -> KafkaResult<T> {
    loop {
        match ask() {
            Err(e) if passes(&e) && is_time() => pause(),
            answer => return answer,
        }
    }
}

/// What an error of a question or a command says.
pub(super) fn code_of(e: &KafkaError) -> Option<Code> {
    match e {
        KafkaError::AdminOp(code) => Some(*code),
        e => e.rdkafka_error_code(),
    }
}

/// Whether it says that the same will be answered in a moment.
pub(super) fn passes(e: &KafkaError) -> bool {
    matches!(
        code_of(e),
        Some(
            Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
                | Code::WaitingForCoordinator
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::PreferredLeaderNotAvailable
                | Code::BrokerNotAvailable
                | Code::ReplicaNotAvailable
                | Code::NotController
                | Code::KafkaStorageError
                | Code::NetworkException
                | Code::OffsetNotAvailable
                | Code::UnstableOffsetCommit
        )
    )
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What comes of these answers, when there is time for so many questions; and how many were asked.
    fn asked(answers: &[KafkaResult<u32>], time: usize) -> (KafkaResult<u32>, usize) {
        let (asked, waited) = (Cell::new(0), Cell::new(0));
        let answer = until(
            || asked.get() < time,
            || waited.set(waited.get() + 1),
            || {
                asked.set(asked.get() + 1);
                answers[(asked.get() - 1).min(answers.len() - 1)].clone()
            },
        );
        assert_eq!(waited.get() + 1, asked.get(), "a pause between two questions");
        (answer, asked.get())
    }

    #[test]
    fn what_passes_is_waited_for_and_nothing_else() {
        let loading = || Err(KafkaError::GroupListFetch(Code::CoordinatorLoadInProgress));
        let moved = || Err(KafkaError::OffsetFetch(Code::NotCoordinator));
        let elected = || Err(KafkaError::AdminOp(Code::LeaderNotAvailable));
        assert_eq!(asked(&[loading(), moved(), elected(), Ok(1)], 9), (Ok(1), 4));
        assert_eq!(asked(&[loading()], 5), (loading(), 5), "until the time is over");
        assert_eq!(asked(&[Ok(1)], 0), (Ok(1), 1));
        for lasts in [
            KafkaError::GroupListFetch(Code::OperationTimedOut),
            KafkaError::MetadataFetch(Code::UnknownTopicOrPartition),
            KafkaError::AdminOp(Code::InvalidConfig),
            KafkaError::Canceled,
        ] {
            assert_eq!(asked(&[Err(lasts.clone()), Ok(1)], 9), (Err(lasts), 1));
        }
    }
}

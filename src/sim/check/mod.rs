//! The checker: holds what a run left behind against what may never happen. It shares no type and no
//! code with the services: it reads tables, the raw log, the provider's ledger, the mailbox and the
//! clients' history, and has its own idea of the saga.

mod delivery;
mod evidence;
mod facts;
mod liveness;
mod mail;
mod money;
mod orders;
mod stock;
pub mod timeline;

use serde::Serialize;

use crate::domain::closed_set::closed_set;
pub use evidence::{Evidence, OrderCounts, Sources};

closed_set! {
    /// What may never happen (S), and what must happen in the end (L).
    Invariant {
        /// No oversell.
        S1 = "S1",
        /// Stock conservation.
        S2 = "S2",
        /// One live reservation.
        S3 = "S3",
        /// All or nothing.
        S4 = "S4",
        /// No lost or duplicate order.
        S5 = "S5",
        /// No phantom order.
        S6 = "S6",
        /// No double charge.
        S7 = "S7",
        /// Ledgers agree.
        S8 = "S8",
        /// Charges only what is held, refunds what is cancelled.
        S9 = "S9",
        /// Money conservation.
        S10 = "S10",
        /// Price truth.
        S11 = "S11",
        /// Legal history.
        S12 = "S12",
        /// Causal saga.
        S13 = "S13",
        /// Order per key.
        S14 = "S14",
        /// Outbox atomicity.
        S15 = "S15",
        /// Log equals outbox.
        S16 = "S16",
        /// Inbox exactly once.
        S17 = "S17",
        /// Dead letters complete.
        S18 = "S18",
        /// No commit ahead.
        S19 = "S19",
        /// E-mail exactly once.
        S20 = "S20",
        /// Retry discipline.
        S21 = "S21",
        /// Idempotent API.
        S23 = "S23",
        /// No lost update.
        S24 = "S24",
        /// Alerts once per crossing.
        S28 = "S28",
        /// Every order ends.
        L1 = "L1",
        /// The outbox drains.
        L2 = "L2",
        /// Consumers catch up.
        L3 = "L3",
        /// Holds end.
        L4 = "L4",
    }
}

impl Invariant {
    /// What it says, in a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::S1 => "no oversell",
            Self::S2 => "stock conservation",
            Self::S3 => "one live reservation",
            Self::S4 => "all or nothing",
            Self::S5 => "no lost or duplicate order",
            Self::S6 => "no phantom order",
            Self::S7 => "no double charge",
            Self::S8 => "ledgers agree",
            Self::S9 => "charge only what is held, refund what is cancelled",
            Self::S10 => "money conservation",
            Self::S11 => "price truth",
            Self::S12 => "legal history",
            Self::S13 => "causal saga",
            Self::S14 => "order per key",
            Self::S15 => "outbox atomicity",
            Self::S16 => "log equals outbox",
            Self::S17 => "inbox exactly once",
            Self::S18 => "dead letters complete",
            Self::S19 => "no commit ahead",
            Self::S20 => "e-mail exactly once",
            Self::S21 => "retry discipline",
            Self::S23 => "idempotent API",
            Self::S24 => "no lost update",
            Self::S28 => "alerts once per crossing",
            Self::L1 => "every order ends",
            Self::L2 => "the outbox drains",
            Self::L3 => "consumers catch up",
            Self::L4 => "holds end",
        }
    }

    /// Whether it is about what must happen in the end.
    pub const fn is_liveness(self) -> bool {
        matches!(self, Self::L1 | Self::L2 | Self::L3 | Self::L4)
    }

    const fn check(self) -> fn(&Evidence) -> Findings {
        match self {
            Self::S1 => stock::no_oversell,
            Self::S2 => stock::conservation,
            Self::S3 => stock::one_live_reservation,
            Self::S4 => stock::all_or_nothing,
            Self::S5 => orders::none_lost_or_doubled,
            Self::S6 => orders::no_phantom,
            Self::S7 => money::no_double_charge,
            Self::S8 => money::ledgers_agree,
            Self::S9 => money::held_and_refunded,
            Self::S10 => money::conservation,
            Self::S11 => orders::price_truth,
            Self::S12 => orders::legal_history,
            Self::S13 => orders::causal_saga,
            Self::S14 => delivery::order_per_key,
            Self::S15 => delivery::outbox_atomicity,
            Self::S16 => delivery::log_equals_outbox,
            Self::S17 => delivery::inbox_exactly_once,
            Self::S18 => delivery::dead_letters_complete,
            Self::S19 => delivery::no_commit_ahead,
            Self::S20 => mail::exactly_once,
            Self::S21 => delivery::retry_discipline,
            Self::S23 => orders::idempotent_api,
            Self::S24 => stock::no_lost_update,
            Self::S28 => stock::alerts_once,
            Self::L1 => liveness::orders_end,
            Self::L2 => liveness::outbox_drains,
            Self::L3 => liveness::consumers_catch_up,
            Self::L4 => liveness::holds_end,
        }
    }
}

/// What one check found.
#[derive(Debug, Default)]
pub struct Findings {
    evaluated: u64,
    violations: u64,
    examples: Vec<Violation>,
    not_applicable: Option<String>,
}

/// Violations told in full, per check.
const EXAMPLES_MAX: usize = 5;

/// Something that may never happen, and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The order (or product, or event) that went wrong.
    pub subject: String,
    /// What went wrong, with its numbers.
    pub detail: String,
}

impl Findings {
    fn not_applicable(reason: &str) -> Self {
        Self { not_applicable: Some(reason.to_owned()), ..Self::default() }
    }

    /// One more thing was looked at; a violation unless `good`.
    fn expect(&mut self, good: bool, subject: &str, detail: impl FnOnce() -> String) {
        self.evaluated += 1;
        if !good {
            self.violated(subject, detail());
        }
    }

    fn violated(&mut self, subject: &str, detail: String) {
        self.violations += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(Violation { subject: subject.to_owned(), detail });
        }
    }
}

closed_set! {
    /// How a check ended.
    Status {
        /// Looked, and all was well.
        Pass = "pass",
        /// Found a violation.
        Fail = "fail",
        /// Found nothing to look at.
        NotExercised = "not_exercised",
        /// Its evidence cannot exist for this run.
        NotApplicable = "not_applicable",
    }
}

/// A check and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// Which.
    pub id: Invariant,
    /// What it says.
    pub name: &'static str,
    /// How it ended.
    pub status: Status,
    /// Things looked at.
    pub evaluated: u64,
    /// Things that were wrong.
    pub violations: u64,
    /// Some of them.
    pub examples: Vec<Violation>,
    /// Why it does not apply, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

closed_set! {
    /// What all checks together say.
    Outcome {
        /// Nothing went wrong, and what had to be looked at was.
        Pass = "PASS",
        /// Something went wrong.
        Fail = "FAIL",
        /// Nothing went wrong, but not enough happened to tell.
        Inconclusive = "INCONCLUSIVE",
    }
}

/// The verdict over a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What all checks together say.
    pub result: Outcome,
    /// Every check.
    pub checks: Vec<CheckResult>,
    /// Checks that had to be exercised and were not.
    pub missing: Vec<Invariant>,
}

impl Verdict {
    /// Whether a safety invariant failed.
    pub fn safety_failed(&self) -> bool {
        self.failed().any(|check| !check.id.is_liveness())
    }

    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &CheckResult> {
        self.checks.iter().filter(|check| check.status == Status::Fail)
    }

    /// The check of this invariant.
    pub fn check(&self, id: Invariant) -> Option<&CheckResult> {
        self.checks.iter().find(|check| check.id == id)
    }
}

/// Holds the evidence against every invariant. `required` are those that this kind of run must
/// exercise.
pub fn judge(evidence: &Evidence, required: &[Invariant]) -> Verdict {
    let checks: Vec<CheckResult> =
        Invariant::ALL.iter().map(|id| result(*id, (id.check())(evidence))).collect();
    let unexercised = |id: &&Invariant| {
        checks.iter().any(|check| check.id == **id && check.status == Status::NotExercised)
    };
    let missing: Vec<Invariant> = required.iter().filter(unexercised).copied().collect();
    let failed = checks.iter().any(|check| check.status == Status::Fail);
    let result = match (failed, missing.is_empty()) {
        (true, _) => Outcome::Fail,
        (false, true) => Outcome::Pass,
        (false, false) => Outcome::Inconclusive,
    };
    Verdict { result, checks, missing }
}

/// The verdict where nothing but the clients' history is known: only what an API promises to its
/// callers can be told.
pub fn judge_history_alone(evidence: &Evidence) -> Verdict {
    let reason = "needs the shop's data folder (--data)";
    let of = |id: &Invariant| match id {
        Invariant::S23 => result(*id, (id.check())(evidence)),
        Invariant::L1 => result(*id, liveness::followed_orders_end(evidence)),
        _ => result(*id, Findings::not_applicable(reason)),
    };
    let checks: Vec<CheckResult> = Invariant::ALL.iter().map(of).collect();
    let failed = checks.iter().any(|check| check.status == Status::Fail);
    let exercised =
        checks.iter().any(|check| check.id == Invariant::L1 && check.status == Status::Pass);
    let missing = if exercised || failed { vec![] } else { vec![Invariant::L1] };
    let result = match (failed, exercised) {
        (true, _) => Outcome::Fail,
        (false, true) => Outcome::Pass,
        (false, false) => Outcome::Inconclusive,
    };
    Verdict { result, checks, missing }
}

fn result(id: Invariant, findings: Findings) -> CheckResult {
    let status = match &findings {
        Findings { not_applicable: Some(_), .. } => Status::NotApplicable,
        Findings { violations: 1.., .. } => Status::Fail,
        Findings { evaluated: 0, .. } => Status::NotExercised,
        _ => Status::Pass,
    };
    CheckResult {
        id,
        name: id.title(),
        status,
        evaluated: findings.evaluated,
        violations: findings.violations,
        examples: findings.examples,
        reason: findings.not_applicable,
    }
}

/// What a run of the whole shop with a client history must have exercised.
pub const REQUIRED_OF_RUNS: &[Invariant] = {
    use Invariant::{
        L1, L2, L3, L4, S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11, S12, S13, S14, S15, S16, S17,
        S18, S19, S20, S23, S24,
    };
    &[
        S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11, S12, S13, S14, S15, S16, S17, S18, S19, S20,
        S23, S24, L1, L2, L3, L4,
    ]
};

/// What a folder with orders, but perhaps without a client history, must exercise.
pub const REQUIRED_OF_FOLDERS: &[Invariant] = {
    use Invariant::{
        L1, L2, L3, S1, S2, S7, S8, S10, S12, S13, S14, S15, S16, S17, S18, S19, S20, S24,
    };
    &[S1, S2, S7, S8, S10, S12, S13, S14, S15, S16, S17, S18, S19, S20, S24, L1, L2, L3]
};

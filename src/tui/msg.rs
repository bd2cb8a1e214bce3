//! What the console hears, and what it wants done. Deciding is pure: [`super::update`] turns the one into
//! the other, and only [`super::effects`] does anything.

use std::path::PathBuf;

use super::keymap::Key;
use crate::domain::Timestamp;
use crate::ops::admin::topics::TopicRemoval;
use crate::ops::dlq::editing::EditReport;
use crate::ops::dlq::replay::{JobView, ReplayReport, ReplayRequest};
use crate::ops::dlq::{DeadLetter, DeadLetterDetail, DlqFilter, Group, GroupBy};
use crate::ops::groups::{LagView, ResetView};
use crate::ops::live::{LogLine, Pulse};
use crate::ops::orders::{OrderReport, OrderSummary};
use crate::ops::tail::TailQuery;
use crate::ops::topics::{NewRecordView, RecordView};
use crate::ops::trace::Trace;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Msg {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The mouse was pressed at this column and row.
    Click(u16, u16),
    /// The wheel was turned by so many rows, down if above 0.
    Wheel(isize),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// It is this late; comes once a second.
    Tick(Timestamp),
    /// What was asked for is here.
    Loaded(Box<Loaded>),
    /// It could not be had.
    Failed(Box<Load>, String),
    /// Something was done; what to say about it.
    Done(String),
    /// Something could not be done, and why.
    NotDone(String),
}

/// What can be asked for. One of each kind is under way at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// How everything is.
    Pulse,
    /// How far groups are behind.
    Lag,
    /// The newest records of a topic.
    Tail(Follow),
    /// Dead letters by what they have in common.
    Summary(GroupBy),
    /// Dead letters, and whether they come after those that are there.
    Letters(DlqFilter),
    /// One dead letter.
    Letter(String),
    /// Jobs.
    Jobs,
    /// A job that is watched.
    Job(String),
    /// A job that is to be watched.
    OpenJob(String),
    /// What a replay would do.
    Plan(ReplayRequest),
    /// Where this group would read next, at one of the places to choose from.
    Reset(String, usize),
    /// What would go with this topic.
    Removal(String),
    /// The newest orders.
    Orders,
    /// What happened to the order that this is about.
    Trace(String),
    /// The log after this line.
    Logs(u64),
    /// The run of the lab.
    Run,
}

impl Load {
    /// Two of the same kind are not under way at once.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Pulse => "pulse",
            Self::Lag => "lag",
            Self::Tail(_) => "tail",
            Self::Summary(_) => "summary",
            Self::Letters(_) => "letters",
            Self::Letter(_) => "letter",
            Self::Jobs => "jobs",
            Self::Job(_) => "job",
            Self::OpenJob(_) => "open job",
            Self::Plan(_) => "plan",
            Self::Reset(..) => "reset",
            Self::Removal(_) => "removal",
            Self::Orders => "orders",
            Self::Trace(_) => "trace",
            Self::Logs(_) => "logs",
            Self::Run => "run",
        }
    }
}

/// Where following a topic goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follow {
    /// With the last records of this topic.
    Begin(String),
    /// Here.
    On(TailQuery),
    /// More comes than can be followed: with the last records there are then; what lies between is counted.
    Skip(TailQuery),
}

/// What was asked for.
#[derive(Debug, Clone)]
pub enum Loaded {
    /// How everything is.
    Pulse(Pulse),
    /// How far groups are behind.
    Lag(Vec<LagView>),
    /// Records.
    Tail(Tailed),
    /// Dead letters by what they have in common.
    Summary(GroupBy, Vec<Group>),
    /// Dead letters of this filter.
    Letters(DlqFilter, Vec<DeadLetter>),
    /// One.
    Letter(DeadLetterDetail),
    /// Jobs.
    Jobs(Vec<JobView>),
    /// A job that is watched.
    Job(JobView),
    /// A job that is to be watched.
    Opened(JobView),
    /// What a replay would do.
    Plan(ReplayRequest, ReplayReport),
    /// Where this group would read next, at that place.
    Reset(String, usize, Vec<ResetView>),
    /// What would go with a topic.
    Removal(TopicRemoval),
    /// A repaired letter was sent.
    Edited(EditReport),
    /// Orders, the newest first.
    Orders(Vec<OrderSummary>),
    /// What happened to an order.
    Trace(Trace),
    /// Something was done about an order.
    Order(OrderReport),
    /// Lines of the log.
    Logs(Vec<LogLine>),
    /// The run of the lab; none, if there is none here.
    Run(Option<Run>),
}

/// Records of a topic that is followed.
#[derive(Debug, Clone)]
pub struct Tailed {
    /// The records.
    pub records: Vec<RecordView>,
    /// How many were left out before them.
    pub skipped: u64,
    /// Where it goes on.
    pub next: Follow,
}

/// How a run of the lab is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// What it is doing.
    pub phase: String,
    /// How long it has run, in seconds.
    pub seconds: u64,
    /// Sessions that were planned.
    pub planned: u64,
    /// Sessions that began.
    pub begun: u64,
    /// Sessions that ended.
    pub ended: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Requests that failed, by how.
    pub errors: Vec<(String, u64)>,
    /// Orders that were placed.
    pub placed: u64,
    /// Orders that were fulfilled.
    pub fulfilled: u64,
    /// Orders that were cancelled.
    pub cancelled: u64,
    /// What the shop still has to do.
    pub waiting: u64,
    /// Checkouts' latency, in ms: 50th, 90th and 99th percentile.
    pub checkout_ms: [f64; 3],
    /// The verdict and its exit code's meaning, once there is one.
    pub verdict: Option<(bool, String)>,
}

/// What a user writes in an editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Draft {
    /// The repaired value of this dead letter, to be sent.
    Letter(String),
    /// A record for this topic, to be appended.
    Record(NewRecordView),
    /// A topic, to be made.
    Topic,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask for this.
    Load(Load),
    /// Send dead letters back.
    Replay(ReplayRequest),
    /// End a job.
    Cancel(String),
    /// Go on with a job.
    Resume(String),
    /// Let this group read on at that place.
    Reset(String, usize),
    /// Delete this topic.
    DeleteTopic(String),
    /// Give letters up, and why.
    Discard(Vec<String>, String),
    /// Take that back.
    Restore(Vec<String>),
    /// Let the user write this in an editor, and do what it is for.
    Draft(Draft),
    /// Cancel an order, and why.
    CancelOrder(String, String),
    /// Make an order go on.
    ResumeOrder(String),
    /// Put text on the clipboard.
    Copy(String),
    /// Write text to a file.
    Write(PathBuf, String),
    /// Leave.
    Quit,
}

//! All that the console knows: what it shows is made of this, and of nothing else.

pub mod history;
pub mod letters;
pub mod popup;
pub mod rows;
pub mod table;
pub mod tail;

use std::collections::{BTreeMap, BTreeSet};

use super::keymap::{Action, View};
use super::msg::Run;
use super::remap::Keymap;
use super::theme::ThemeName;
use crate::domain::Timestamp;
use crate::ops::groups::LagView;
use crate::ops::live::{LogLine, Pulse};
use crate::ops::orders::OrderSummary;
use history::{History, Scale};
use letters::Letters;
use popup::Popup;
use table::Table;
use tail::Tail;

/// Lines of the log that are kept.
const LOG_LINES: usize = 2_000;

/// What may be changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rights {
    /// Everything.
    #[default]
    All,
    /// Nothing until it is unlocked: the settings protect it.
    Locked,
    /// Nothing.
    ReadOnly,
}

/// What the console is attached to, and how.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// What it is attached to, in few words.
    pub label: String,
    /// What may be changed.
    pub rights: Rights,
    /// Colours.
    pub theme: Option<ThemeName>,
    /// The first view.
    pub view: Option<View>,
    /// The topic that is followed at first.
    pub topic: Option<String>,
    /// What ends when the console ends, if anything does: asked about before leaving.
    pub ends: Option<String>,
    /// Who acts.
    pub actor: String,
    /// Which keys do what.
    pub keys: Keymap,
}

/// Everything.
#[derive(Debug, Clone)]
pub struct State {
    /// What it is attached to.
    pub setup: Setup,
    /// Colours.
    pub theme: ThemeName,
    /// The view.
    pub view: View,
    /// What lies over it, the topmost last.
    pub popups: Vec<Popup>,
    /// What is typed into a filter.
    pub typing: Option<String>,
    /// Filters that were used, the newest last.
    pub filters: Vec<String>,
    /// What was said last, whether it is bad news, and how many more seconds it is shown.
    pub notice: Option<(String, bool, u8)>,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The time.
    pub now: Timestamp,
    /// Whether what is shown stands still.
    pub frozen: bool,
    /// How much time charts show.
    pub scale: Scale,
    /// What is under way.
    pub busy: BTreeSet<&'static str>,
    /// How everything was at the last look.
    pub pulse: Option<Pulse>,
    /// Why the last look failed, if it did.
    pub unreachable: Option<String>,
    /// Records per second, by topic.
    pub rates: BTreeMap<String, u64>,
    /// Records per second.
    pub records: History,
    /// Records not read.
    pub lag: History,
    /// Dead letters that are open.
    pub open: History,
    /// How far groups are behind.
    pub behind: Vec<LagView>,
    /// Topics.
    pub topics: Table,
    /// Consumer groups.
    pub groups: Table,
    /// Records of one topic.
    pub tail: Tail,
    /// Dead letters.
    pub letters: Letters,
    /// Orders, the newest first.
    pub order_table: Table,
    /// Why orders cannot be seen, if they cannot.
    pub no_orders: Option<String>,
    /// The log.
    pub logs: Vec<LogLine>,
    /// The log as a list.
    pub log_table: Table,
    /// The run of the lab.
    pub run: Option<Run>,
    /// Requests of the run per second.
    pub requests: History,
    /// Orders of the run per second.
    pub orders: History,
}

impl State {
    /// At the beginning.
    pub fn new(setup: Setup, size: (u16, u16), now: Timestamp) -> Self {
        Self {
            theme: setup.theme.unwrap_or(ThemeName::Dark),
            view: setup.view.unwrap_or(View::Overview),
            popups: vec![],
            typing: None,
            filters: vec![],
            notice: None,
            size,
            now,
            frozen: false,
            scale: Scale::Fit,
            busy: BTreeSet::new(),
            pulse: None,
            unreachable: None,
            rates: BTreeMap::new(),
            records: History::default(),
            lag: History::default(),
            open: History::default(),
            behind: vec![],
            topics: Table::new(rows::TOPICS),
            groups: Table::new(rows::GROUPS),
            tail: Tail::new(setup.topic.clone()),
            letters: Letters::default(),
            order_table: Table::new(rows::ORDERS),
            no_orders: None,
            logs: vec![],
            log_table: Table::new(rows::LOGS),
            run: None,
            requests: History::default(),
            orders: History::default(),
            setup,
        }
    }

    /// The list of the view, if it has one.
    pub const fn table(&self) -> Option<&Table> {
        match self.view {
            View::Topics => Some(&self.topics),
            View::Tail => Some(&self.tail.table),
            View::Groups => Some(&self.groups),
            View::Dlq => Some(self.letters.table()),
            View::Orders => Some(&self.order_table),
            View::Logs => Some(&self.log_table),
            View::Overview | View::Simulation => None,
        }
    }

    /// The same, to be changed.
    pub const fn table_mut(&mut self) -> Option<&mut Table> {
        match self.view {
            View::Topics => Some(&mut self.topics),
            View::Tail => Some(&mut self.tail.table),
            View::Groups => Some(&mut self.groups),
            View::Dlq => Some(self.letters.table_mut()),
            View::Orders => Some(&mut self.order_table),
            View::Logs => Some(&mut self.log_table),
            View::Overview | View::Simulation => None,
        }
    }

    /// Says something for a few seconds.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notice = Some((text.into(), false, 5));
    }

    /// Says something that is wrong, for longer.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some((text.into(), true, 15));
    }

    /// Whether something may be changed; says why, if it may not.
    pub fn may_change(&mut self) -> bool {
        match self.setup.rights {
            Rights::All => return true,
            Rights::Locked => {
                let key = self.setup.keys.usual(Action::Unlock);
                self.complain(format!("this is protected (console.protected); {key} unlocks it"));
            }
            Rights::ReadOnly => {
                self.complain("this is read-only; start without --read-only to change anything");
            }
        }
        false
    }

    /// Allows changes, where only the settings are against it.
    pub fn unlock(&mut self) {
        match self.setup.rights {
            Rights::All => self.say("nothing is locked"),
            Rights::Locked => {
                self.setup.rights = Rights::All;
                self.say("unlocked until the console is closed");
            }
            Rights::ReadOnly => drop(self.may_change()),
        }
    }

    /// Closes the page on top: what it shows is history now.
    pub fn close_page(&mut self) {
        self.popups.pop_if(|top| matches!(top, Popup::Page(_)));
    }

    /// Takes in how everything is.
    pub fn take_pulse(&mut self, pulse: Pulse) {
        self.unreachable = None;
        if let Some(before) = &self.pulse {
            let ms = pulse.at.since(before.at).as_millis().max(1) as u64;
            let known: BTreeMap<&str, u64> =
                before.topics.iter().map(|t| (t.name.as_str(), t.appended)).collect();
            let rate = |topic: &crate::ops::live::TopicPulse| {
                let was = known.get(topic.name.as_str()).copied().unwrap_or(topic.appended);
                let more = topic.appended.saturating_sub(was);
                (topic.name.clone(), (more * 1_000).div_ceil(ms))
            };
            self.rates = pulse.topics.iter().map(rate).collect();
            self.records.push(self.rates.values().sum());
            self.lag.push(pulse.groups.iter().map(|group| group.lag).sum());
            self.open.push(pulse.letters.iter().map(|letters| letters.open).sum());
        }
        self.pulse = Some(pulse);
        self.show_pulse();
    }

    /// Shows what is known of topics and groups in their lists.
    pub fn show_pulse(&mut self) {
        if self.frozen {
            return;
        }
        if let Some(pulse) = &self.pulse {
            self.topics.set(rows::topics(pulse, &self.rates));
            self.groups.set(rows::groups(pulse, &self.behind));
        }
    }

    /// Takes in orders.
    pub fn take_orders(&mut self, orders: &[OrderSummary]) {
        self.no_orders = None;
        if !self.frozen {
            self.order_table.set(rows::orders(orders));
        }
    }

    /// Takes in lines of the log.
    pub fn take_logs(&mut self, lines: Vec<LogLine>) {
        if lines.is_empty() {
            return;
        }
        self.logs.extend(lines);
        let surplus = self.logs.len().saturating_sub(LOG_LINES);
        self.logs.drain(..surplus);
        if self.frozen {
            return;
        }
        let follow = self.log_table.is_at_end();
        self.log_table.set(rows::logs(&self.logs));
        if follow {
            self.log_table.go(usize::MAX);
        }
    }

    /// Takes in how the run of the lab is.
    pub fn take_run(&mut self, run: Option<Run>) {
        if let (Some(before), Some(run)) = (&self.run, &run)
            && run.seconds > before.seconds
        {
            let seconds = run.seconds - before.seconds;
            let rate = |now: u64, then: u64| now.saturating_sub(then) / seconds;
            self.requests.push(rate(run.requests, before.requests));
            self.orders.push(rate(run.placed, before.placed));
        } else if self.run.is_some() && run.as_ref().is_none_or(|run| run.verdict.is_none()) {
            // Too soon after the last look to tell a rate.
            return;
        }
        self.run = run;
    }
}

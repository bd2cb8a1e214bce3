//! Operations on orders.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use super::{Ground, LocalOps};
use crate::app::Office;
use crate::app::office::{Answer, Operator};
use crate::domain::{OrderId, Timestamp};
use crate::events::Topic;
use crate::ops::dlq::index::Cursor;
use crate::ops::dlq::replay::ReplayRequest;
use crate::ops::dlq::{self, DeadLetter, DlqFilter, EntryState};
use crate::ops::orders::groups::Readers;
use crate::ops::orders::rows::Rows;
use crate::ops::orders::waiting::{Facts, is_open, turns, waiting};
use crate::ops::orders::{
    self, OrderDetail, OrderQuery, OrderReport, OrderRequest, OrderSummary, StuckOrder, StuckQuery,
    WaitReason, Waiting, limited, list, no_tables, order_of, resuming, unknown,
};
use crate::ops::trace::building::Said;
use crate::ops::trace::finding::{cart_began, order_in};
use crate::ops::trace::log::{SKEW, Window};
use crate::ops::{DlqOps, OpsError, OrderOps};
use crate::ports::bus::Position;
use crate::ports::store::Store;

/// Open dead letters that are looked at for the orders they are about.
const LETTERS_MAX: usize = 2_000;
/// Records that a service has not read, looked at for the orders they are about.
const UNREAD_MAX: usize = 1_000;

/// An order, with all that tells how it stands.
struct Standing {
    rows: Rows,
    letters: Vec<DeadLetter>,
    waiting: Vec<Waiting>,
}

#[async_trait]
impl OrderOps for LocalOps {
    async fn orders(&self, query: &OrderQuery) -> Result<Vec<OrderSummary>, OpsError> {
        let limit = query.checked()?;
        Ok(list::orders(self.needed()?, query, limit).await?)
    }

    async fn order(&self, id: &str) -> Result<OrderDetail, OpsError> {
        self.needed()?;
        let order = order_of(id)?;
        self.shared.look().await?;
        Ok(detail(&order, self.standing(&order).await?))
    }

    async fn stuck_orders(&self, query: &StuckQuery) -> Result<Vec<StuckOrder>, OpsError> {
        let (tables, limit) = (self.needed()?, limited(query.limit)?);
        let Ground { bus, clock, running, .. } = &self.shared.ground;
        let before = clock.now() - Duration::from_millis(query.older_than_ms);
        self.shared.look().await?;
        let letters = self.letters_by_order().await?;
        let readers = Readers::look(bus.as_ref(), *running).await?;
        let mut ids = list::suspects(tables, before, limit).await?;
        ids.extend(letters.keys().cloned());
        ids.extend(self.not_taken_up(&readers, before).await?);
        let (mut seen, mut stuck) = (BTreeSet::new(), vec![]);
        for id in ids {
            let Ok(order) = id.parse::<OrderId>() else { continue };
            if !seen.insert(id.clone()) {
                continue;
            }
            let rows = Rows::of(tables, &order).await?;
            let letters = letters.get(&id).map(Vec::as_slice).unwrap_or_default();
            let failed = letters.iter().map(|letter| letter.failed_at).min();
            let Some(since) =
                rows.order.as_ref().map(|row| row.updated_at).or(rows.begun()).or(failed)
            else {
                continue;
            };
            let handled = self.handled_in(&rows).await?;
            let facts = Facts {
                order: &order,
                rows: &rows,
                letters,
                handled: &handled,
                readers: &readers,
                tables: true,
            };
            let waiting = waiting(&facts);
            if since < before && !waiting.is_empty() {
                let (user_id, state) = (rows.user().unwrap_or_default().to_owned(), rows.state());
                stuck.push(StuckOrder { order_id: id, user_id, state, since, waiting });
            }
        }
        stuck.sort_by(|a, b| (a.since, &a.order_id).cmp(&(b.since, &b.order_id)));
        stuck.truncate(limit);
        Ok(stuck)
    }

    async fn cancel_order(&self, request: &OrderRequest) -> Result<OrderReport, OpsError> {
        let (office, order) = (self.office()?, order_of(&request.order)?);
        let answer = office.cancel(&order, &by(request, "")).await?;
        self.shared.ground.store.durable().await?;
        match answer {
            Answer::Done(state, changed) => {
                let told = if changed {
                    format!("{order} is {state}; its units and money are given back")
                } else {
                    format!("{order} was {state} already")
                };
                Ok(self.report(&order, state, changed, vec![told]))
            }
            Answer::TooLate(state) => {
                Err(OpsError::Refused(format!("{order} is {state}: it is too late to cancel it")))
            }
            Answer::NotYet => Err(OpsError::Unavailable(format!(
                "{order} is checked out, and the order service has not taken it up yet; try again, or see `ecom trace {order}`"
            ))),
            Answer::Unknown => Err(unknown(&order)),
        }
    }

    async fn refund_order(&self, request: &OrderRequest) -> Result<OrderReport, OpsError> {
        let (office, order) = (self.office()?, order_of(&request.order)?);
        let rows = Rows::of(self.needed()?, &order).await?;
        if rows.is_empty() {
            return Err(unknown(&order));
        }
        let Some(payment) = &rows.payment else {
            return Err(OpsError::Refused(format!("{order} has no payment: nothing was taken")));
        };
        let cancelled = rows.state() == Some(orders::OrderState::Cancelled);
        let done = |told: String| Ok(self.report(&order, &payment.state, false, vec![told]));
        match payment.state.as_str() {
            "REFUND_FAILED" => {
                let answer = office.ask_again(&order).await?;
                office.note(&order, &by(request, ""), "asked for the refund again").await?;
                self.shared.ground.store.durable().await?;
                match answer {
                    Answer::Done(state, changed) => {
                        let told = "the provider is asked for the refund again".to_owned();
                        Ok(self.report(&order, state, changed, vec![told]))
                    }
                    _ => Err(unknown(&order)),
                }
            }
            "REFUNDED" => done(format!("the money of {order} was given back already")),
            "REFUND_DUE" => done(format!("the refund of {order} is under way")),
            "FAILED" | "CANCELLED" => {
                Err(OpsError::Refused(format!("nothing was taken for {order}")))
            }
            _ if cancelled => done(format!(
                "{order} is cancelled, and its money is given back as soon as payment has heard of it"
            )),
            _ if rows.state() == Some(orders::OrderState::Fulfilled) => Err(OpsError::Refused(
                format!("{order} is FULFILLED, which is final: it is not refunded"),
            )),
            _ => Err(OpsError::Refused(format!(
                "{order} is not cancelled; `ecom orders cancel {order}` gives its money back"
            ))),
        }
    }

    async fn resume_order(&self, request: &OrderRequest) -> Result<OrderReport, OpsError> {
        self.office()?;
        let order = order_of(&request.order)?;
        self.shared.look().await?;
        let standing = self.standing(&order).await?;
        let state = standing.rows.state().map_or("CHECKED_OUT", orders::OrderState::as_str);
        let mut report = self.report(&order, state, false, vec![]);
        self.send_back(&standing, request, &mut report).await?;
        for wait in standing.waiting.iter().filter(|wait| wait.dead_letter.is_none()) {
            match self.push(&order, &standing.rows, wait).await? {
                Some(told) => report.told.push(told),
                None => report.waiting.push(wait.clone()),
            }
        }
        report.changed = !report.told.is_empty();
        if report.changed {
            let told = report.told.join("; ");
            self.office()?.note(&order, &by(request, &told), "resumed").await?;
            self.shared.ground.store.durable().await?;
        } else if report.waiting.is_empty() {
            report.told.push(format!("{order} is {state}, and nothing is open: nothing to resume"));
        }
        Ok(report)
    }
}

/// Who asks, and why; `done` is put before it.
fn by(request: &OrderRequest, done: &str) -> Operator {
    let parts = [done, request.reason.as_str()].into_iter().filter(|part| !part.is_empty());
    let why = parts.collect::<Vec<_>>().join("; ");
    Operator { actor: request.actor.clone(), why }
}

impl LocalOps {
    fn needed(&self) -> Result<&dyn Store, OpsError> {
        self.tables().ok_or_else(no_tables)
    }

    fn office(&self) -> Result<&Office, OpsError> {
        self.needed()?;
        self.office.as_ref().ok_or_else(no_tables)
    }

    fn report(
        &self,
        order: &OrderId,
        state: &str,
        changed: bool,
        mut told: Vec<String>,
    ) -> OrderReport {
        if changed && !self.shared.ground.running {
            told.push("the shop is stopped: the rest follows when it is started".into());
        }
        let (order_id, state) = (order.to_string(), state.to_owned());
        OrderReport { order_id, state, changed, told, job: None, waiting: vec![] }
    }

    /// Which of an order's turns were taken.
    async fn handled_in(&self, rows: &Rows) -> Result<BTreeSet<(String, String)>, OpsError> {
        let events = turns(rows).into_iter().map(|(_, event)| event.to_owned()).collect();
        Ok(self.handled(&events).await?.into_keys().collect())
    }

    async fn standing(&self, order: &OrderId) -> Result<Standing, OpsError> {
        let rows = Rows::of(self.needed()?, order).await?;
        let letters = self.letters_about(order, rows.user()).await?;
        if rows.is_empty() && letters.is_empty() {
            return Err(unknown(order));
        }
        let letters: Vec<DeadLetter> = letters.into_iter().map(|letter| letter.view).collect();
        let handled = self.handled_in(&rows).await?;
        let waiting = self.waits(order, &rows, &letters, &handled).await?;
        Ok(Standing { rows, letters, waiting })
    }

    /// Dead letters that somebody must see to, by the order that each is about.
    async fn letters_by_order(&self) -> Result<BTreeMap<String, Vec<DeadLetter>>, OpsError> {
        let mut by_order: BTreeMap<String, Vec<DeadLetter>> = BTreeMap::new();
        let mut left = LETTERS_MAX;
        for state in EntryState::ALL.iter().filter(|state| is_open(**state)) {
            let filter = DlqFilter { state: Some(state.to_string()), ..DlqFilter::default() };
            let (checked, mut cursor) = (filter.checked()?, Cursor::default());
            while left > 0 {
                let page = self.shared.index().list(&checked, &mut cursor).await?;
                if page.is_empty() {
                    break;
                }
                for letter in page.into_iter().take(left) {
                    left -= 1;
                    let key = letter.view.key.as_ref().map(crate::ops::blob::Blob::shown);
                    let order = match key.and_then(|key| key.parse::<OrderId>().ok()) {
                        Some(order) => Some(order),
                        // Of a cart: only its payload knows the order.
                        None if letter.view.original_topic
                            == Topic::CartCheckoutInitiated.as_str() =>
                        {
                            let record = self.shared.ground.bus.read(&letter.at, 1).await?.pop();
                            let there = record.filter(|record| record.at == letter.at);
                            there.and_then(|record| {
                                order_in(&record, dlq::content(&record).payload.as_deref())
                            })
                        }
                        None => None,
                    };
                    if let Some(order) = order {
                        by_order.entry(order.to_string()).or_default().push(letter.view);
                    }
                }
            }
        }
        Ok(by_order)
    }

    /// Orders whose checkout the order service has not read yet.
    async fn not_taken_up(
        &self,
        readers: &Readers,
        before: Timestamp,
    ) -> Result<Vec<String>, OpsError> {
        let topic = Topic::CartCheckoutInitiated;
        let mut orders = vec![];
        for (partition, offset) in readers.behind("order", topic) {
            let from = Position { topic: topic.as_str().into(), partition, offset };
            let unread = self.shared.ground.bus.read(&from, UNREAD_MAX).await?;
            let old = unread.iter().filter(|record| record.timestamp < before);
            orders.extend(old.filter_map(|record| Some(Said::by(record).order()?.to_string())));
        }
        Ok(orders)
    }

    /// Sends the order's dead letters back to who gave them up.
    async fn send_back(
        &self,
        standing: &Standing,
        request: &OrderRequest,
        report: &mut OrderReport,
    ) -> Result<(), OpsError> {
        let stands = |wait: &&Waiting| wait.reason == WaitReason::DeadLetter;
        let in_the_way: Vec<&Waiting> = standing.waiting.iter().filter(stands).collect();
        let (sent, left): (Vec<&Waiting>, Vec<&Waiting>) =
            in_the_way.into_iter().partition(|wait| wait.resumable);
        report.waiting.extend(left.into_iter().cloned());
        let ids: Vec<String> = sent.iter().filter_map(|wait| wait.dead_letter.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let ours = |letter: &&DeadLetter| ids.contains(&letter.id);
        let letters: Vec<&DeadLetter> = standing.letters.iter().filter(ours).collect();
        let parked = letters.iter().filter(|letter| letter.state == EntryState::Parked);
        let parked: Vec<String> = parked.map(|letter| letter.id.clone()).collect();
        if !parked.is_empty() {
            self.restore(&parked, &request.actor).await?;
        }
        // Who resumes an order by its name wants this one sent, however often it was before.
        let before = letters.iter().map(|letter| letter.replays).max().unwrap_or(0);
        let replay = ReplayRequest {
            ids: ids.clone(),
            max_replays: before + 1,
            actor: request.actor.clone(),
            ..ReplayRequest::default()
        };
        let begun = self.replay(&replay).await?;
        report.job = begun.job;
        report.told.extend(ids.iter().map(|id| format!("dead letter {id} is sent back")));
        Ok(())
    }

    /// Does what can be done about something that is waited for, in words; none: it goes on by itself or
    /// not at all.
    async fn push(
        &self,
        order: &OrderId,
        rows: &Rows,
        wait: &Waiting,
    ) -> Result<Option<String>, OpsError> {
        match wait.reason {
            WaitReason::RefundRefused => {
                let answer = self.office()?.ask_again(order).await?;
                let asked = matches!(answer, Answer::Done(_, true));
                Ok(asked.then(|| "the provider is asked for the refund again".to_owned()))
            }
            WaitReason::Skipped => {
                let Some(topic) = wait.topic.as_deref().and_then(Topic::parse) else {
                    return Ok(None);
                };
                let Ground { bus, store, .. } = &self.shared.ground;
                let from = rows.begun().or(cart_began(order)).unwrap_or_default() - SKEW;
                let window = Window { from, until: None };
                let whose = (order, rows.user().unwrap_or_default());
                let ports = (bus.as_ref(), store.as_ref());
                let at = resuming::publish_again(ports, whose, topic, window).await?;
                Ok(at.map(|at| format!("{topic} is published once more, at {at}")))
            }
            _ => Ok(None),
        }
    }
}

fn detail(order: &OrderId, standing: Standing) -> OrderDetail {
    let Standing { rows, letters, waiting } = standing;
    let user_id = rows.user().unwrap_or_default().to_owned();
    let (state, begun) = (rows.state(), rows.begun().unwrap_or_default());
    let open = letters.iter().filter(|letter| is_open(letter.state));
    let dead_letters = open.map(|letter| letter.id.clone()).collect();
    let (items, total_minor) = match (&rows.order, &rows.checkout) {
        (Some(row), _) => (row.items.clone(), row.total_minor),
        (None, Some(row)) => (row.items.clone(), row.total_minor),
        (None, None) => (vec![], 0),
    };
    let row = rows.order;
    OrderDetail {
        order_id: order.to_string(),
        user_id,
        state,
        items,
        total_minor,
        reason: row.as_ref().and_then(|row| row.reason.clone()),
        decline: row.as_ref().and_then(|row| row.decline.clone()),
        deadline: row.and_then(|row| row.deadline),
        created_at: begun,
        history: rows.history,
        payment: rows.payment,
        stock: rows.stock,
        messages: rows.messages,
        notes: rows.notes,
        dead_letters,
        waiting,
    }
}

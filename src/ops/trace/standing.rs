//! Steps of what stands in tables, at the provider, in the mailbox and among the dead letters.

use std::collections::BTreeSet;

use super::StepKind;
use super::StepSource;
use super::building::{LetterSeen, Said};
use super::steps::Steps;
use crate::domain::Money;
use crate::events::Topic;

fn money(minor: i64) -> Money {
    Money::from_minor(minor)
}

impl Steps<'_> {
    pub(super) fn rows(&mut self) {
        let rows = &self.from.rows;
        if let Some(row) = &rows.payment {
            let asked = self.turn(Topic::OrderCreated, "payment");
            let cause = asked.or_else(|| self.turn(Topic::OrderCancelled, "payment"));
            let next =
                row.next_attempt_at.map(|at| format!(", the provider is asked next at {at}"));
            let what = format!(
                "payment over {} is {}{}",
                money(row.amount_minor),
                row.state,
                next.unwrap_or_default()
            );
            let step = self.add("payment", StepKind::Row, row.updated_at, what);
            (step.cause, step.service) = (cause, Some("payment".into()));
            (step.state, step.error) = (Some(row.state.clone()), row.reason.clone());
            step.details.insert("payment_id".into(), row.payment_id.clone());
            step.details.insert("attempts".into(), row.attempts.to_string());
        }
        if let Some(row) = &rows.stock {
            let asked = self.turn(Topic::OrderCreated, "inventory");
            let cause = asked.or_else(|| self.turn(Topic::OrderConfirmed, "inventory"));
            let what = format!("stock is {}", row.state);
            let step = self.add("stock", StepKind::Row, row.updated_at, what);
            (step.cause, step.service, step.state) =
                (cause, Some("inventory".into()), Some(row.state.clone()));
        }
        for row in &rows.reserved {
            let moved = [
                ("left the stock", Some((&row.event_id, row.at))),
                ("came back", row.released.as_ref().map(|(event, at)| (event, *at))),
            ];
            for (how, moved) in moved {
                let Some((event, at)) = moved else { continue };
                let cause = self.causes.get(event).map(|cause| self.handled_by(cause, "inventory"));
                let what = format!("{} units of {} {how}", row.quantity, row.product_id);
                let step = self.add(
                    format!("stock/{event}/{}", row.product_id),
                    StepKind::Stock,
                    at,
                    what,
                );
                (step.cause, step.service) = (cause, Some("inventory".into()));
                step.event_id = Some(event.clone());
            }
        }
        for row in &rows.messages {
            let cause = self.turn(Topic::NotificationSend, "notification");
            let what = format!("{} to {} is {}", row.channel, row.recipient, row.state);
            let step = self.add(&row.message_id, StepKind::Row, row.updated_at, what);
            (step.cause, step.service) = (cause, Some("notification".into()));
            (step.state, step.error) = (Some(row.state.clone()), row.reason.clone());
            step.details.insert("attempts".into(), row.attempts.to_string());
        }
    }

    pub(super) fn unsent(&mut self) {
        let known: BTreeSet<String> = self.copies.keys().cloned().collect();
        for row in self.from.rows.unsent.iter().filter(|row| !known.contains(&row.event_id)) {
            let cause = self.state_of(&row.event_id, &Said::default());
            let what = format!("{} is written, and not published yet", row.event_type);
            let step = self.add(&row.event_id, StepKind::Unsent, row.created_at, what);
            (step.cause, step.service) = (cause, Some(row.service.clone()));
            step.event_id = Some(row.event_id.clone());
            step.event_type = Some(row.event_type.clone());
        }
    }

    pub(super) fn outside(&mut self) {
        let outside = &self.from.outside;
        for row in &outside.charges {
            let cause = self.turn(Topic::OrderCreated, "payment");
            let lost = if row.lost_reply { "; the answer was lost" } else { "" };
            let what = format!("provider: {} over {}{lost}", row.outcome, money(row.amount_minor));
            let step =
                self.add(format!("charge/{}", row.charge_key), StepKind::Charge, row.at, what);
            (step.cause, step.state) = (cause, Some(row.outcome.clone()));
        }
        for row in &outside.refunds {
            let cause = self.turn(Topic::OrderCancelled, "payment");
            let what = format!("provider: {} given back", money(row.amount_minor));
            let step =
                self.add(format!("refund/{}", row.refund_key), StepKind::Refund, row.at, what);
            step.cause = cause;
        }
        for mail in &outside.mails {
            let cause = self.turn(Topic::NotificationSend, "notification");
            let what = format!("{} arrived: {}", mail.channel, mail.subject);
            let step =
                self.add(format!("mail/{}", mail.seq), StepKind::Mail, mail.received_at, what);
            step.cause = cause;
        }
    }

    pub(super) fn letter(&mut self, letter: &LetterSeen) {
        let view = &letter.view;
        let header = |name: &str| letter.record.as_ref().and_then(|r| r.header(name));
        let origin = header("ecom-dlq-id").and_then(|place| self.places.get(place)).cloned();
        let cause = origin.unwrap_or_else(|| view.event_id.clone());
        let tries = match view.retry_count {
            0 => "at once".to_owned(),
            n => format!("after {n} retries"),
        };
        let what = format!("{} gave it up {tries}: dead letter {}", view.service, view.id);
        let first_tried = header("ecom-dlq-first-tried-at").map(str::to_owned);
        let step = self.add(&view.id, StepKind::DeadLetter, view.failed_at, what);
        (step.cause, step.service) = (Some(cause), Some(view.service.clone()));
        step.error = Some(view.error_reason.clone());
        (step.state, step.record) = (Some(view.state.to_string()), Some(view.id.clone()));
        (step.event_id, step.event_type) =
            (Some(view.event_id.clone()), Some(view.original_topic.clone()));
        step.details.insert("error_code".into(), view.error_code.clone());
        step.details.insert("retries".into(), view.retry_count.to_string());
        step.details.extend(first_tried.map(|at| ("first_tried_at".to_owned(), at)));
        for (n, done) in letter.audit.iter().enumerate() {
            let what = format!("{} by {}: {}", done.action, done.actor, done.detail);
            let step = self.add(format!("{}#{n}", view.id), StepKind::Action, done.at, what);
            step.cause = Some(view.id.clone());
            step.source = StepSource::Letters;
        }
    }
}

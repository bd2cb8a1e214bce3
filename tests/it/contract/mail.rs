//! The contract of mail and text messages: what is sent arrives, and can be looked at.

use std::future::Future;
use std::sync::Arc;

use ecom::adapters::mail::LocalMailbox;
use ecom::adapters::sqlite::Schema;
use ecom::domain::OrderId;
use ecom::ports::mail::{Mail, MailFilter, Mailbox, Mailer, Received, Sms, Text};

use super::env::{self, Env};
use super::journal::Place;

suite! {
    in_a_folder: super::in_a_folder,
    in_memory: super::in_memory;
    {
        a_mail_arrives_as_it_was_sent,
        a_text_message_arrives_as_it_was_sent,
        awkward_bodies_arrive_whole,
        every_copy_that_arrives_is_kept,
        messages_are_found_by_order_and_by_recipient,
        messages_are_read_on_from_an_arrival,
        many_who_send_at_once_are_all_heard,
        what_arrived_is_there_after_a_restart,
    }
}

fn in_a_folder<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::live(|env| case(Rig::local(env, Place::folder(Schema::OUTSIDE))));
}

fn in_memory<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::simulated(|env| case(Rig::local(env, Place::memory(Schema::OUTSIDE))));
}

/// Ways to send, and the other side.
struct Connected {
    mailer: Arc<dyn Mailer>,
    sms: Arc<dyn Sms>,
    mailbox: Arc<dyn Mailbox>,
}

struct Rig {
    to: Connected,
    env: Env,
    connect: Box<dyn Fn() -> Connected + Send + Sync>,
}

impl Rig {
    fn local(env: Env, place: Place) -> Self {
        let clock = Arc::clone(&env.clock);
        let connect = move || {
            let local = Arc::new(LocalMailbox::new(place.open(), Arc::clone(&clock)));
            Connected { mailer: local.clone(), sms: local.clone(), mailbox: local }
        };
        Self { to: connect(), env, connect: Box::new(connect) }
    }

    fn restarted(self) -> Self {
        let Self { to, env, connect } = self;
        drop(to);
        Self { to: connect(), env, connect }
    }

    async fn send(&self, mail: &Mail) {
        self.env.patiently(self.to.mailer.send(mail)).await.unwrap();
    }

    async fn find(&self, filter: MailFilter) -> Vec<Received> {
        self.to.mailbox.messages(&filter).await.unwrap()
    }

    async fn all(&self) -> Vec<Received> {
        self.find(some(100)).await
    }
}

fn some(limit: u32) -> MailFilter {
    MailFilter { limit, ..MailFilter::default() }
}

fn order(name: &str) -> OrderId {
    format!("ORD-{name}").parse().unwrap()
}

fn mail(id: &str, about: &str, to: &str) -> Mail {
    Mail {
        message_id: format!("{id}@mail.example"),
        order_id: Some(order(about)),
        to: to.parse().unwrap(),
        subject: "On its way".into(),
        body: "Your order is on its way.".into(),
    }
}

/// The ids of these messages, without their domain.
fn ids(messages: &[Received]) -> Vec<&str> {
    messages.iter().map(|message| message.message_id.split('@').next().unwrap()).collect()
}

async fn a_mail_arrives_as_it_was_sent(rig: Rig) {
    assert_eq!(rig.all().await, []);
    let sent = Mail {
        subject: "Größe 42 ist unterwegs 🛒 — it's \"here\"".into(),
        body: "Grüße\n\nzwölf Boxkämpfer, 3 × 9,99 €".into(),
        ..mail("m-1", "A", "ann+shop@mail.example")
    };
    let before = rig.env.clock.now();
    rig.send(&sent).await;
    let found = rig.all().await.remove(0);
    assert_eq!(found.channel, "email");
    assert_eq!(found.message_id, sent.message_id);
    assert_eq!(found.order_id.as_deref(), Some("ORD-A"));
    assert_eq!(found.recipient, "ann+shop@mail.example");
    assert_eq!((found.subject, found.body), (sent.subject, sent.body));
    assert!(found.received_at >= before);
}

async fn a_text_message_arrives_as_it_was_sent(rig: Rig) {
    let text = Text {
        message_id: "t-1".into(),
        order_id: None,
        to: "+4915112345678".parse().unwrap(),
        body: "Unterwegs 🛒".into(),
    };
    rig.env.patiently(rig.to.sms.text(&text)).await.unwrap();
    let found = rig.all().await.remove(0);
    let what = (found.channel.as_str(), found.message_id.as_str(), found.order_id);
    assert_eq!(what, ("sms", "t-1", None));
    let said = (found.recipient.as_str(), found.subject.as_str(), found.body.as_str());
    assert_eq!(said, ("+4915112345678", "", "Unterwegs 🛒"));
}

async fn awkward_bodies_arrive_whole(rig: Rig) {
    let long = "x".repeat(5_000);
    let bodies =
        ["", ".", "a\n.\nb", "From me\n--\n<b>&amp;</b>", "'; drop table mailbox; --", &long];
    for body in bodies {
        rig.send(&Mail { body: body.to_owned(), ..mail("m", "A", "ann@mail.example") }).await;
    }
    let found = rig.all().await;
    let found: Vec<&str> = found.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(found, bodies);
}

async fn every_copy_that_arrives_is_kept(rig: Rig) {
    let sent = mail("m-1", "A", "ann@mail.example");
    rig.send(&sent).await;
    rig.send(&sent).await;
    let found = rig.all().await;
    assert_eq!(ids(&found), ["m-1", "m-1"], "a repeat is recognised by its id, not hidden");
    assert!(found[0].seq < found[1].seq);
}

async fn messages_are_found_by_order_and_by_recipient(rig: Rig) {
    let (ann, bob) = ("ann@mail.example", "bob@mail.example");
    for (id, about, to) in [("1", "A", ann), ("2", "B", ann), ("3", "B", bob), ("4", "A", ann)] {
        rig.send(&mail(id, about, to)).await;
    }
    rig.send(&Mail { order_id: None, ..mail("5", "A", bob) }).await;
    let find = async |order: Option<&str>, recipient: Option<&str>| {
        let order_id = order.map(str::to_owned);
        let filter = MailFilter { order_id, recipient: recipient.map(str::to_owned), ..some(100) };
        rig.find(filter).await
    };
    assert_eq!(ids(&find(None, None).await), ["1", "2", "3", "4", "5"]);
    assert_eq!(ids(&find(Some("ORD-A"), None).await), ["1", "4"]);
    assert_eq!(ids(&find(None, Some(bob)).await), ["3", "5"]);
    assert_eq!(ids(&find(Some("ORD-B"), Some(ann)).await), ["2"]);
    assert_eq!(find(Some("ORD-X"), None).await, []);
    assert_eq!(find(None, Some("nobody@mail.example")).await, []);
    assert_eq!(find(Some("ORD-A"), Some(bob)).await, []);
}

async fn messages_are_read_on_from_an_arrival(rig: Rig) {
    for n in 0..6 {
        let about = if n % 2 == 0 { "A" } else { "B" };
        rig.send(&mail(&n.to_string(), about, "ann@mail.example")).await;
    }
    let first = rig.find(some(2)).await;
    assert_eq!(ids(&first), ["0", "1"], "the oldest");
    let rest = rig.find(MailFilter { after: first[1].seq, ..some(3) }).await;
    assert_eq!(ids(&rest), ["2", "3", "4"]);
    let (order_id, recipient) = (Some("ORD-A".to_owned()), Some("ann@mail.example".to_owned()));
    let both = MailFilter { order_id, recipient, after: first[0].seq, limit: 1 };
    assert_eq!(ids(&rig.find(both.clone()).await), ["2"]);
    assert_eq!(ids(&rig.find(MailFilter { limit: 9, ..both }).await), ["2", "4"]);
    let last = rest[2].seq + 1;
    assert_eq!(rig.find(MailFilter { after: last, ..some(9) }).await, []);
}

async fn many_who_send_at_once_are_all_heard(rig: Rig) {
    let send = |n: u32| {
        let mailer = Arc::clone(&rig.to.mailer);
        async move { mailer.send(&mail(&format!("{n:02}"), "A", "ann@mail.example")).await }
    };
    let sent = rig.env.at_once((0..40).map(send)).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let found = rig.all().await;
    assert!(found.is_sorted_by(|a, b| a.seq < b.seq));
    let mut found = ids(&found);
    found.sort_unstable();
    assert_eq!(found, (0..40).map(|n| format!("{n:02}")).collect::<Vec<_>>());
}

async fn what_arrived_is_there_after_a_restart(rig: Rig) {
    rig.send(&mail("1", "A", "ann@mail.example")).await;
    let before = rig.all().await;
    let rig = rig.restarted();
    assert_eq!(rig.all().await, before);
    rig.send(&mail("2", "A", "ann@mail.example")).await;
    assert_eq!(ids(&rig.all().await), ["1", "2"]);
}

//! The contract of mail and text messages: what is sent arrives, and can be looked at.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ecom::adapters::mail::{HttpInbox, LocalMailbox, SmtpMailer, WebhookSms};
use ecom::adapters::sqlite::Schema;
use ecom::domain::{Email, OrderId};
use ecom::ports::mail::{Mail, MailError, MailFilter, Mailbox, Mailer, Received, Sms, Text};

use super::env::{self, Env};
use super::journal::Place;
use super::scripted::{Answer, HttpServer};
use crate::harness::stack::{Server, unique};

suite! {
    in_a_folder: super::in_a_folder,
    in_memory: super::in_memory,
    on_smtp: super::on_smtp;
    {
        a_mail_arrives_as_it_was_sent,
        a_text_message_arrives_as_it_was_sent,
        awkward_bodies_arrive_whole,
        awkward_subjects_arrive_in_one_line,
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

fn on_smtp<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    let servers = (Server::Smtp.address_or_skip(), Server::MailApi.address_or_skip());
    let (Some(smtp), Some(api)) = servers else { return };
    env::live(|env| async move { case(Rig::shared(env, smtp, api).await).await });
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
    /// Where the case's people have their mailboxes.
    domain: String,
    /// What was there before, in a mailbox that others use too.
    before: Option<i64>,
    /// How exactly times of arrival are known.
    grain: Duration,
}

impl Rig {
    fn local(env: Env, place: Place) -> Self {
        let clock = Arc::clone(&env.clock);
        let connect = move || {
            let local = Arc::new(LocalMailbox::new(place.open(), Arc::clone(&clock)));
            Connected { mailer: local.clone(), sms: local.clone(), mailbox: local }
        };
        let (domain, before, grain) = ("mail.example".into(), None, Duration::ZERO);
        Self { to: connect(), env, connect: Box::new(connect), domain, before, grain }
    }

    /// A mail server that others use at the same time, and a service for text messages.
    async fn shared(env: Env, smtp: String, api: String) -> Self {
        let texts = Arc::new(Texts::default());
        let webhook = texts.clone().serve();
        let clock = Arc::clone(&env.clock);
        let connect = move || {
            let clock = || Arc::clone(&clock);
            let from = "shop@ecom.example".parse().unwrap();
            let mailer = SmtpMailer::new(&smtp, &from, clock()).unwrap();
            let sms = WebhookSms::new(&webhook.url(), clock()).unwrap();
            let inbox = HttpInbox::at(&api, clock()).unwrap();
            let mailbox = Arc::new(Both { inbox, texts: Arc::clone(&texts) });
            Connected { mailer: Arc::new(mailer), sms: Arc::new(sms), mailbox }
        };
        let to = connect();
        let there = to.mailbox.messages(&some(u32::MAX)).await.unwrap();
        let before = Some(there.last().map_or(0, |last| last.seq));
        let domain = format!("{}.example", unique("mail").replace('_', "-"));
        let grain = Duration::from_secs(1);
        Self { to, env, connect: Box::new(connect), domain, before, grain }
    }

    fn restarted(self) -> Self {
        let Self { to, env, connect, domain, before, grain } = self;
        drop(to);
        Self { to: connect(), env, connect, domain, before, grain }
    }

    fn address(&self, name: &str) -> Email {
        format!("{name}@{}", self.domain).parse().unwrap()
    }

    /// An order of this case.
    fn order(&self, name: &str) -> OrderId {
        let shared = self.before.map(|_| format!("{}-", self.domain)).unwrap_or_default();
        format!("ORD-{shared}{name}").parse().unwrap()
    }

    fn mail(&self, id: &str, about: &str, to: &str) -> Mail {
        Mail {
            message_id: format!("{id}@{}", self.domain),
            order_id: Some(self.order(about)),
            to: self.address(to),
            subject: "On its way".into(),
            body: "Your order is on its way.".into(),
        }
    }

    async fn send(&self, mail: &Mail) {
        self.env.patiently(self.to.mailer.send(mail)).await.unwrap();
    }

    async fn find(&self, filter: MailFilter) -> Vec<Received> {
        let Some(before) = self.before else {
            return self.to.mailbox.messages(&filter).await.unwrap();
        };
        let after = filter.after.max(before);
        if filter.order_id.is_some() || filter.recipient.is_some() {
            return self.to.mailbox.messages(&MailFilter { after, ..filter }).await.unwrap();
        }
        let all = MailFilter { after, limit: u32::MAX, ..filter };
        let mut found = self.to.mailbox.messages(&all).await.unwrap();
        found.retain(|m| m.channel == "sms" || m.recipient.ends_with(&self.domain));
        found.truncate(filter.limit as usize);
        found
    }

    async fn all(&self) -> Vec<Received> {
        self.find(some(100)).await
    }

    /// All messages once there are so many: a server may show them a little later than it takes them.
    async fn arrived(&self, count: usize) -> Vec<Received> {
        let arrival = async {
            loop {
                let all = self.all().await;
                if all.len() >= count {
                    return all;
                }
                self.env.pass(1).await;
            }
        };
        let all = self.env.patiently(arrival).await;
        assert_eq!(all.len(), count, "{all:?}");
        all
    }
}

/// A service that text messages are posted to, and keeps them.
#[derive(Default)]
struct Texts(Mutex<Vec<Received>>);

impl Texts {
    fn serve(self: Arc<Self>) -> HttpServer {
        HttpServer::start(move |ask| {
            let said: serde_json::Value = serde_json::from_slice(&ask.body).unwrap();
            let text = |name: &str| said[name].as_str().map(str::to_owned);
            let mut all = self.0.lock().unwrap();
            let received = Received {
                seq: all.len() as i64 + 1,
                channel: "sms".into(),
                message_id: text("message_id").unwrap(),
                order_id: text("order_id"),
                recipient: text("to").unwrap(),
                subject: String::new(),
                body: text("body").unwrap(),
                received_at: ecom::ports::Clock::now(&ecom::app::SystemClock::default()),
            };
            all.push(received);
            Answer::ok("{}")
        })
    }
}

/// E-mail and text messages.
struct Both {
    inbox: HttpInbox,
    texts: Arc<Texts>,
}

#[async_trait]
impl Mailbox for Both {
    async fn messages(&self, filter: &MailFilter) -> Result<Vec<Received>, MailError> {
        let mut found = self.inbox.messages(filter).await?;
        if filter.order_id.is_none() && filter.recipient.is_none() {
            found.extend(self.texts.0.lock().unwrap().iter().cloned());
        }
        Ok(found)
    }
}

fn some(limit: u32) -> MailFilter {
    MailFilter { limit, ..MailFilter::default() }
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
        ..rig.mail("m-1", "A", "ann+shop")
    };
    let before = rig.env.clock.now();
    rig.send(&sent).await;
    let found = rig.arrived(1).await.remove(0);
    assert_eq!(found.channel, "email");
    assert_eq!(found.message_id, sent.message_id);
    assert_eq!(found.order_id.as_deref(), Some(rig.order("A").as_str()));
    assert_eq!(found.recipient, rig.address("ann+shop").as_str());
    assert_eq!((found.subject, found.body), (sent.subject, sent.body));
    assert!(found.received_at + rig.grain >= before);
}

async fn a_text_message_arrives_as_it_was_sent(rig: Rig) {
    let text = Text {
        message_id: "t-1".into(),
        order_id: None,
        to: "+4915112345678".parse().unwrap(),
        body: "Unterwegs 🛒".into(),
    };
    rig.env.patiently(rig.to.sms.text(&text)).await.unwrap();
    let found = rig.arrived(1).await.remove(0);
    let what = (found.channel.as_str(), found.message_id.as_str(), found.order_id);
    assert_eq!(what, ("sms", "t-1", None));
    let said = (found.recipient.as_str(), found.subject.as_str(), found.body.as_str());
    assert_eq!(said, ("+4915112345678", "", "Unterwegs 🛒"));
}

async fn awkward_bodies_arrive_whole(rig: Rig) {
    let (long, longer) = ("x".repeat(5_000), "Wörter und ".repeat(2_000));
    let bodies = [
        "",
        ".",
        "a\n.\nb",
        ".\n..\n\n.",
        "From me\n--\n<b>&amp;</b>",
        "'; drop table mailbox; --",
        "the end\n",
        "the end\n\n",
        "=3D =\n= 100 % é",
        &long,
        &longer,
    ];
    for body in bodies {
        rig.send(&Mail { body: body.to_owned(), ..rig.mail("m", "A", "ann") }).await;
    }
    let found = rig.arrived(bodies.len()).await;
    let found: Vec<&str> = found.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(found, bodies);
}

async fn awkward_subjects_arrive_in_one_line(rig: Rig) {
    let long = "a word ".repeat(60).trim_end().to_owned();
    let subjects = [
        "",
        "Re: [shop] 100 % =3D",
        "\"Ann\" <ann@x>, €uro",
        "💥💥💥💥💥💥💥💥💥💥💥💥💥💥💥",
        &long,
    ];
    for subject in subjects {
        rig.send(&Mail { subject: subject.to_owned(), ..rig.mail("m", "A", "ann") }).await;
    }
    let found = rig.arrived(subjects.len()).await;
    let found: Vec<&str> = found.iter().map(|message| message.subject.as_str()).collect();
    assert_eq!(found, subjects);
}

async fn every_copy_that_arrives_is_kept(rig: Rig) {
    let sent = rig.mail("m-1", "A", "ann");
    rig.send(&sent).await;
    rig.send(&sent).await;
    let found = rig.arrived(2).await;
    assert_eq!(ids(&found), ["m-1", "m-1"], "a repeat is recognised by its id, not hidden");
    assert!(found[0].seq < found[1].seq);
}

async fn messages_are_found_by_order_and_by_recipient(rig: Rig) {
    for (id, about, to) in
        [("1", "A", "ann"), ("2", "B", "ann"), ("3", "B", "bob"), ("4", "A", "ann")]
    {
        rig.send(&rig.mail(id, about, to)).await;
    }
    rig.send(&Mail { order_id: None, ..rig.mail("5", "A", "bob") }).await;
    let find = async |order: Option<&str>, recipient: Option<&str>| {
        let order_id = order.map(|name| rig.order(name).to_string());
        let recipient = recipient.map(|name| rig.address(name).to_string());
        rig.find(MailFilter { order_id, recipient, ..some(100) }).await
    };
    assert_eq!(ids(&rig.arrived(5).await), ["1", "2", "3", "4", "5"]);
    assert_eq!(ids(&find(Some("A"), None).await), ["1", "4"]);
    assert_eq!(ids(&find(None, Some("bob")).await), ["3", "5"]);
    assert_eq!(ids(&find(Some("B"), Some("ann")).await), ["2"]);
    assert_eq!(find(Some("X"), None).await, []);
    assert_eq!(find(None, Some("nobody")).await, []);
    assert_eq!(find(Some("A"), Some("bob")).await, []);
}

async fn messages_are_read_on_from_an_arrival(rig: Rig) {
    for n in 0..6 {
        let about = if n % 2 == 0 { "A" } else { "B" };
        rig.send(&rig.mail(&n.to_string(), about, "ann")).await;
    }
    rig.arrived(6).await;
    let first = rig.find(some(2)).await;
    assert_eq!(ids(&first), ["0", "1"], "the oldest");
    let rest = rig.find(MailFilter { after: first[1].seq, ..some(3) }).await;
    assert_eq!(ids(&rest), ["2", "3", "4"]);
    let order_id = Some(rig.order("A").to_string());
    let recipient = Some(rig.address("ann").to_string());
    let both = MailFilter { order_id, recipient, after: first[0].seq, limit: 1 };
    assert_eq!(ids(&rig.find(both.clone()).await), ["2"]);
    assert_eq!(ids(&rig.find(MailFilter { limit: 9, ..both }).await), ["2", "4"]);
    let last = rig.find(MailFilter { after: rest[2].seq, ..some(9) }).await.remove(0);
    assert_eq!(rig.find(MailFilter { after: last.seq, ..some(9) }).await, []);
}

async fn many_who_send_at_once_are_all_heard(rig: Rig) {
    let send = |n: u32| {
        let (mailer, mail) = (Arc::clone(&rig.to.mailer), rig.mail(&format!("{n:02}"), "A", "ann"));
        async move { mailer.send(&mail).await }
    };
    let sent = rig.env.at_once((0..40).map(send)).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let found = rig.arrived(40).await;
    assert!(found.is_sorted_by(|a, b| a.seq < b.seq));
    let mut found = ids(&found);
    found.sort_unstable();
    assert_eq!(found, (0..40).map(|n| format!("{n:02}")).collect::<Vec<_>>());
}

async fn what_arrived_is_there_after_a_restart(rig: Rig) {
    rig.send(&rig.mail("1", "A", "ann")).await;
    let before = rig.arrived(1).await;
    let rig = rig.restarted();
    assert_eq!(rig.all().await, before);
    rig.send(&rig.mail("2", "A", "ann")).await;
    assert_eq!(ids(&rig.arrived(2).await), ["1", "2"]);
}

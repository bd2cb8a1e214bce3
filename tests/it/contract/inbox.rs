//! Reading the mailboxes of test mail servers, as their answers look.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ecom::adapters::mail::HttpInbox;
use ecom::ports::mail::{MailError, MailFilter, Mailbox, Received};
use serde_json::{Value, json};

use super::env::{self, Env};
use super::scripted::{Answer, Ask, HttpServer, Say};

/// A message as Mailpit keeps it.
#[derive(Clone)]
struct Kept {
    id: String,
    /// Milliseconds after the full hour.
    ms: usize,
    to: &'static str,
    order: Option<&'static str>,
    body: &'static str,
}

fn kept(n: usize) -> Kept {
    let (order, to) = match n % 4 {
        0 => (Some("ORD-A"), "ann@mail.example"),
        1 => (Some("ORD-B"), "ann@mail.example"),
        2 => (Some("ORD-B"), "bob@mail.example"),
        _ => (None, "admin@mail.example"),
    };
    Kept { id: format!("id{n:05}"), ms: 3 * n, to, order, body: "Hello,\r\n\r\nyours\r\n" }
}

impl Kept {
    fn number(&self) -> &str {
        self.id.trim_start_matches("id").trim_start_matches('0')
    }

    fn in_list(&self) -> Value {
        let (minutes, seconds, ms) = (self.ms / 60_000, self.ms / 1_000 % 60, self.ms % 1_000);
        json!({
            "ID": self.id,
            "MessageID": format!("m{}@ecom", self.number()),
            "Read": false,
            "From": { "Name": "", "Address": "shop@ecom.example" },
            "To": [{ "Name": "", "Address": self.to }],
            "Cc": [], "Bcc": [], "ReplyTo": [],
            "Subject": "Größe 42 ist unterwegs",
            // Two hours east, with as many decimals as Go shows.
            "Created": format!("2026-01-31T14:{minutes:02}:{seconds:02}.{ms:03}+02:00"),
            "Username": "", "Tags": [], "Size": 512, "Attachments": 0,
            "Snippet": "Hello, yours",
        })
    }

    fn headers(&self) -> Value {
        let mut headers = json!({
            "Content-Transfer-Encoding": ["7bit"],
            "Content-Type": ["text/plain; charset=utf-8"],
            "From": ["shop@ecom.example"],
            "Message-Id": [format!("<m{}@ecom>", self.number())],
            "Received": ["from [127.0.0.1] by mailpit (Mailpit) with SMTP", "once more"],
            "To": [self.to],
        });
        if let Some(order) = self.order {
            headers["X-Ecom-Order-Id"] = json!([order]);
        }
        headers
    }

    fn shown(&self) -> Value {
        json!({
            "ID": self.id, "MessageID": format!("m{}@ecom", self.number()),
            "From": { "Name": "", "Address": "shop@ecom.example" },
            "To": [{ "Name": "", "Address": self.to }],
            "Subject": "Größe 42 ist unterwegs", "Date": "2026-01-31T12:00:00Z",
            "Text": self.body, "HTML": "", "Size": 512, "Inline": [], "Attachments": [],
        })
    }
}

type Change = Box<dyn FnOnce(&mut Vec<Kept>) + Send>;

/// A Mailpit, oldest message first.
#[derive(Default)]
struct Mailpit {
    kept: Mutex<Vec<Kept>>,
    /// Told when a page was shown.
    after_page: Mutex<Option<Change>>,
    asked: AtomicUsize,
}

impl Mailpit {
    fn with(messages: impl IntoIterator<Item = Kept>) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::new(messages.into_iter().collect()), ..Self::default() })
    }

    fn serve(self: &Arc<Self>) -> HttpServer {
        let mailpit = Arc::clone(self);
        HttpServer::start(move |ask| mailpit.answer(ask))
    }

    fn answer(&self, ask: &Ask) -> Answer {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut kept = self.kept.lock().unwrap();
        let path = ask.path.split('?').next().unwrap();
        if path == "/api/v1/messages" {
            let (start, limit) =
                (ask.number("start").unwrap_or(0), ask.number("limit").unwrap_or(50));
            let page: Vec<_> =
                kept.iter().rev().skip(start).take(limit).map(Kept::in_list).collect();
            let total = kept.len();
            if limit > 1 {
                self.after_page.lock().unwrap().take().into_iter().for_each(|then| then(&mut kept));
            }
            let list = json!({
                "total": total, "unread": total, "count": page.len(), "messages_count": total,
                "messages_unread": total, "start": start, "tags": [], "messages": page,
            });
            return Answer::ok(list.to_string());
        }
        let rest = path.strip_prefix("/api/v1/message/").unwrap_or_default();
        let id = rest.trim_end_matches("/headers");
        match kept.iter().find(|kept| kept.id == id) {
            Some(kept) if rest.ends_with("/headers") => Answer::ok(kept.headers().to_string()),
            Some(kept) => Answer::ok(kept.shown().to_string()),
            None => Answer::Status(404, "Page not found".into()),
        }
    }
}

async fn connect(env: &Env, server: &HttpServer) -> HttpInbox {
    HttpInbox::connect(&format!("{}/", server.url()), Arc::clone(&env.clock)).await.unwrap()
}

fn some(limit: u32) -> MailFilter {
    MailFilter { limit, ..MailFilter::default() }
}

fn ids(messages: &[Received]) -> Vec<String> {
    messages.iter().map(|m| m.message_id.trim_end_matches("@ecom").to_owned()).collect()
}

#[test]
fn a_message_in_mailpit_is_read_with_all_that_is_known_of_it() {
    env::live(|env| async move {
        let server = Mailpit::with([kept(4)]).serve();
        let inbox = connect(&env, &server).await;
        let expected = Received {
            seq: 1_769_860_800_012_000,
            channel: "email".into(),
            message_id: "m4@ecom".into(),
            order_id: Some("ORD-A".into()),
            recipient: "ann@mail.example".into(),
            subject: "Größe 42 ist unterwegs".into(),
            body: "Hello,\n\nyours".into(),
            received_at: "2026-01-31T12:00:00.012Z".parse().unwrap(),
        };
        assert_eq!(inbox.messages(&some(9)).await, Ok(vec![expected]));
    });
}

#[test]
fn messages_in_mailpit_are_found_and_read_on() {
    env::live(|env| async move {
        let server = Mailpit::with((1..=1_203).map(kept)).serve();
        let inbox = connect(&env, &server).await;
        let all = inbox.messages(&some(u32::MAX)).await.unwrap();
        assert_eq!(ids(&all), (1..=1_203).map(|n| format!("m{n}")).collect::<Vec<_>>());
        assert!(all.is_sorted_by(|a, b| a.seq < b.seq));
        let first = inbox.messages(&some(2)).await.unwrap();
        assert_eq!(first, all[..2]);
        let next = MailFilter { after: first[1].seq, ..some(3) };
        assert_eq!(inbox.messages(&next).await.unwrap(), all[2..5]);
        let order = MailFilter { order_id: Some("ORD-A".into()), ..next.clone() };
        assert_eq!(ids(&inbox.messages(&order).await.unwrap()), ["m4", "m8", "m12"]);
        let bob = MailFilter { recipient: Some("Bob@mail.example".into()), ..order.clone() };
        assert_eq!(inbox.messages(&bob).await, Ok(vec![]));
        let bob = MailFilter { order_id: Some("ORD-B".into()), ..bob };
        assert_eq!(ids(&inbox.messages(&bob).await.unwrap()), ["m6", "m10", "m14"]);
        let last = MailFilter { after: all[1_202].seq, ..some(9) };
        assert_eq!(inbox.messages(&last).await, Ok(vec![]));
    });
}

#[test]
fn mailpit_is_asked_once_for_what_is_in_a_message() {
    env::live(|env| async move {
        let mailpit = Mailpit::with((1..=40).map(kept));
        let server = mailpit.serve();
        let inbox = connect(&env, &server).await;
        let all = inbox.messages(&some(100)).await;
        let asked = mailpit.asked.load(Ordering::SeqCst);
        assert_eq!(inbox.messages(&some(100)).await, all);
        assert_eq!(mailpit.asked.load(Ordering::SeqCst), asked + 1, "for the list only");
    });
}

#[test]
fn messages_of_one_millisecond_have_numbers_of_their_own_that_stay() {
    env::live(|env| async move {
        let mailpit = Mailpit::with((1..=9).map(|n| Kept { ms: 5, ..kept(n) }));
        let server = mailpit.serve();
        let inbox = connect(&env, &server).await;
        let before = inbox.messages(&some(100)).await.unwrap();
        assert!(before.is_sorted_by(|a, b| a.seq < b.seq));
        let rest = MailFilter { after: before[3].seq, ..some(100) };
        assert_eq!(inbox.messages(&rest).await.unwrap(), before[4..]);
        // Another reader, and others came.
        mailpit.kept.lock().unwrap().push(Kept { ms: 6, ..kept(10) });
        let after = connect(&env, &server).await.messages(&some(100)).await.unwrap();
        assert_eq!(after[..9], before);
        // The oldest are pruned, and what is read on stays the same.
        mailpit.kept.lock().unwrap().drain(..9);
        assert_eq!(inbox.messages(&rest).await.unwrap(), after[9..]);
    });
}

#[test]
fn what_arrives_or_goes_while_pages_are_read_hides_nothing_else() {
    env::live(|env| async move {
        let mailpit = Mailpit::with((1..=700).map(kept));
        let server = mailpit.serve();
        let inbox = connect(&env, &server).await;
        *mailpit.after_page.lock().unwrap() = Some(Box::new(|kept_now| {
            kept_now.extend((701..=750).map(kept));
        }));
        let found = inbox.messages(&some(u32::MAX)).await.unwrap();
        assert_eq!(ids(&found), (1..=700).map(|n| format!("m{n}")).collect::<Vec<_>>());
        *mailpit.after_page.lock().unwrap() = Some(Box::new(|kept_now| {
            kept_now.retain(|kept| kept.ms % 2 == 0);
        }));
        let fresh = connect(&env, &server).await;
        let found = fresh.messages(&some(u32::MAX)).await.unwrap();
        assert_eq!(ids(&found), (1..=375).map(|n| format!("m{}", 2 * n)).collect::<Vec<_>>());
    });
}

/// A maildev with that many messages, as its `/email` shows them.
fn maildev(count: usize) -> HttpServer {
    let entry = |n: usize| {
        json!({
            "html": "<p>Hello</p>", "text": "Hello,\n\nyours\n",
            "headers": {
                "message-id": format!("<m{n}@ecom>"), "x-ecom-order-id": format!("ORD-{}", n % 1_000),
                "content-transfer-encoding": "7bit", "received": ["one", "two"],
            },
            "subject": "On its \"way\" 🛒", "messageId": format!("m{n}@ecom"), "priority": "normal",
            "from": [{ "address": "shop@ecom.example", "name": "" }],
            "to": [{ "address": "ann@mail.example", "name": "" }],
            "date": "2026-01-31T12:00:00.000Z", "id": format!("x{n}"),
            "time": "2026-01-31T12:00:00.000Z", "read": false,
            "envelope": {
                "from": { "address": "shop@ecom.example", "args": false },
                // What it had before a restart is for nobody.
                "to": if n < 4_000 { json!("") } else { json!([{ "address": "ann@mail.example", "args": false }]) },
                "host": "[127.0.0.1]", "remoteAddress": "127.0.0.1",
            },
            "source": "/tmp/x.eml", "size": 512, "sizeHuman": "512 bytes", "attachments": null,
            "calculatedBcc": [],
        })
    };
    // A message of somebody else: no text, no id, no recipient.
    let bare = json!({
        "headers": {}, "priority": "normal", "id": "bare", "time": "2026-01-31T12:00:00.000Z",
        "envelope": { "from": false, "to": [] }, "attachments": null,
    });
    let all: Vec<String> =
        std::iter::once(bare).chain((1..count).map(entry)).map(|entry| entry.to_string()).collect();
    HttpServer::start(move |ask| match ask.path.split('?').next().unwrap() {
        "/email" => {
            let rest = all.get(ask.number("skip").unwrap_or(0)..).unwrap_or_default();
            Answer::ok(format!("[{}]", rest.join(",")))
        }
        "/config" => {
            Answer::ok(r#"{"version":"2.2.1","smtpPort":"1025","isOutgoingEnabled":false}"#)
        }
        _ => Answer::Status(404, "Cannot GET".into()),
    })
}

#[test]
fn several_thousand_messages_in_maildev_are_read_at_once() {
    env::live(|env| async move {
        let server = maildev(8_000);
        let inbox = connect(&env, &server).await;
        let all = env.patiently(inbox.messages(&some(u32::MAX))).await.unwrap();
        assert_eq!(all.iter().map(|m| m.seq).collect::<Vec<_>>(), (1..=8_000).collect::<Vec<_>>());
        let nothing = ("", None, "", "");
        let bare = &all[0];
        assert_eq!(
            (&*bare.message_id, bare.order_id.as_deref(), &*bare.recipient, &*bare.body),
            nothing
        );
        assert!(all[1..].iter().all(|message| message.recipient == "ann@mail.example"));
        assert_eq!(all[7_999].subject, "On its \"way\" 🛒");
        assert_eq!(all[7_999].body, "Hello,\n\nyours");
        let order = MailFilter { order_id: Some("ORD-77".into()), after: 2_000, ..some(3) };
        assert_eq!(ids(&inbox.messages(&order).await.unwrap()), ["m2077", "m3077", "m4077"]);
        let beyond = MailFilter { after: 9_000, ..some(9) };
        assert_eq!(inbox.messages(&beyond).await, Ok(vec![]));
    });
}

#[test]
fn what_is_no_mailbox_is_said_to_be_none() {
    env::live(|env| async move {
        let clock = || Arc::clone(&env.clock);
        for answer in ["{}", "<html></html>", "", "[]"] {
            let server = HttpServer::start(move |_| Answer::ok(answer));
            let inbox = HttpInbox::connect(&server.url(), clock()).await;
            assert!(matches!(inbox, Err(MailError::Refused(_))), "{answer}");
        }
        for url in ["https://mail.example", "mail.example", ""] {
            assert!(HttpInbox::at(url, clock()).is_err(), "{url}");
        }
    });
}

#[test]
fn a_mailbox_that_does_not_answer_may_do_so_later() {
    env::live(|env| async move {
        let clock = || Arc::clone(&env.clock);
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let outcome = HttpInbox::connect(&format!("http://{closed}"), clock()).await;
        assert!(matches!(outcome, Err(MailError::Later(_))));
        let server = HttpServer::start(|_| Answer::Status(503, String::new()));
        let outcome = HttpInbox::connect(&server.url(), clock()).await;
        assert!(matches!(outcome, Err(MailError::Later(_))));
        // One that comes up after the shop did.
        let (up, mailpit) = (Arc::new(AtomicUsize::new(0)), Mailpit::with([kept(1)]));
        let is_up = Arc::clone(&up);
        let server = HttpServer::start(move |ask| {
            if is_up.load(Ordering::SeqCst) == 0 {
                return Answer::Else(Say::Cut(b""));
            }
            mailpit.answer(ask)
        });
        let inbox = HttpInbox::at(&server.url(), clock()).unwrap();
        assert!(matches!(inbox.messages(&some(9)).await, Err(MailError::Later(_))));
        up.store(1, Ordering::SeqCst);
        assert_eq!(ids(&inbox.messages(&some(9)).await.unwrap()), ["m1"]);
    });
}

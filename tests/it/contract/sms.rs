//! What becomes of text messages that are posted to a webhook.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecom::adapters::mail::WebhookSms;
use ecom::ports::mail::{MailError, Sms, Text};
use serde_json::{Value, json};

use super::env::{self, Env};
use super::scripted::{Answer, HttpServer, Say};

const PATIENCE: Duration = Duration::from_millis(600);

fn text() -> Text {
    Text {
        message_id: "ORD-A.fulfilled.sms@ecom".into(),
        order_id: Some("ORD-A".parse().unwrap()),
        to: "+4915112345678".parse().unwrap(),
        body: "\"Größe 42\"\nist unterwegs 🛒".into(),
    }
}

fn sms(env: &Env, url: &str) -> WebhookSms {
    WebhookSms::new(url, Arc::clone(&env.clock)).unwrap().with_patience(PATIENCE)
}

#[test]
fn a_text_is_posted_with_its_id_as_the_key_of_every_attempt() {
    env::live(|env| async move {
        let (asked, busy) = (Arc::new(Mutex::new(vec![])), Mutex::new(true));
        let heard = Arc::clone(&asked);
        let server = HttpServer::start(move |ask| {
            let key = ask.headers["idempotency-key"].clone();
            let body: Value = serde_json::from_slice(&ask.body).unwrap();
            let kind = ask.headers["content-type"].clone();
            heard.lock().unwrap().push((ask.method.clone(), ask.path.clone(), kind, key, body));
            let busy = std::mem::replace(&mut *busy.lock().unwrap(), false);
            Answer::Status(if busy { 503 } else { 202 }, String::new())
        });
        let sms = sms(&env, &format!("{}/v1/texts?from=shop", server.url()));
        assert_eq!(sms.text(&text()).await, Err(MailError::Later("503".into())));
        assert_eq!(sms.text(&text()).await, Ok(()));
        assert_eq!(sms.text(&Text { order_id: None, ..text() }).await, Ok(()));
        let asked = asked.lock().unwrap();
        let body = |order: Value| json!({ "message_id": text().message_id, "order_id": order, "to": "+4915112345678", "body": text().body });
        let expected = |order: Value| {
            let (method, path) = ("POST".to_owned(), "/v1/texts?from=shop".to_owned());
            (method, path, "application/json".to_owned(), text().message_id, body(order))
        };
        let order = || expected(json!("ORD-A"));
        assert_eq!(*asked, [order(), order(), expected(Value::Null)]);
    });
}

#[test]
fn a_status_says_whether_a_text_is_worth_another_try() {
    env::live(|env| async move {
        let status = Arc::new(Mutex::new(0));
        let says = Arc::clone(&status);
        let server = HttpServer::start(move |_| {
            Answer::Status(*says.lock().unwrap(), "over\r\nquota ".repeat(100))
        });
        let sms = sms(&env, &server.url());
        for good in [200, 201, 202, 204] {
            *status.lock().unwrap() = good;
            if good != 204 {
                assert_eq!(sms.text(&text()).await, Ok(()), "{good}");
            }
        }
        for later in [301, 307, 408, 425, 429, 500, 502, 503, 504] {
            *status.lock().unwrap() = later;
            let outcome = sms.text(&text()).await;
            assert!(matches!(&outcome, Err(MailError::Later(_))), "{later}: {outcome:?}");
        }
        for never in [400, 401, 403, 404, 409, 413, 422] {
            *status.lock().unwrap() = never;
            let Err(MailError::Refused(reason)) = sms.text(&text()).await else {
                unreachable!("{never} is for good")
            };
            assert!(reason.starts_with(&format!("{never} over  quota")), "{reason}");
            assert!(reason.len() < 300 && !reason.contains('\n'), "{reason}");
        }
    });
}

#[test]
fn a_webhook_that_breaks_or_never_answers_is_tried_again_later() {
    env::live(|env| async move {
        let talk = [
            Say::Nothing,
            Say::Cut(b""),
            Say::Cut(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"),
            Say::Cut(b"220 mail.example ESMTP\r\n"),
            Say::Late(PATIENCE, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ];
        for say in talk {
            let shown = format!("{say:?}");
            let server = HttpServer::start(move |_| Answer::Else(say.clone()));
            let sms = sms(&env, &server.url());
            let started = env.clock.elapsed();
            let outcome = env.patiently(sms.text(&text())).await;
            assert!(matches!(&outcome, Err(MailError::Later(_))), "{shown}: {outcome:?}");
            assert!(env.clock.elapsed() < started + PATIENCE * 2, "{shown}");
        }
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let outcome = sms(&env, &format!("http://{closed}")).text(&text()).await;
        assert!(matches!(&outcome, Err(MailError::Later(_))), "{outcome:?}");
    });
}

#[test]
fn what_cannot_be_posted_is_said_at_once() {
    env::live(|env| async move {
        for (url, why) in [
            ("https://sms.example/", "https is not spoken here"),
            ("sms.example", "scheme"),
            ("ftp://sms.example", "http://"),
            ("http://ann:secret@sms.example", "not supported"),
            ("http://", "no host"),
        ] {
            let error = WebhookSms::new(url, Arc::clone(&env.clock)).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains(why), "{url}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let bad = Text { message_id: "a\r\nx-evil: 1".into(), ..text() };
        let outcome = sms(&env, "http://127.0.0.1:1").text(&bad).await;
        assert!(matches!(&outcome, Err(MailError::Refused(_))), "{outcome:?}");
    });
}

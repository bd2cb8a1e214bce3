//! What a mailer makes of mail servers that are busy, strict, broken or wrong.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::mail::SmtpMailer;
use ecom::ports::mail::{Mail, MailError, Mailer};

use super::env::{self, Env};
use super::scripted::{MOMENTS, Say, SmtpServer};

/// Long enough for a server on this machine, and short enough to wait for.
const PATIENCE: Duration = Duration::from_millis(1_200);

/// A mailer's server, and the time that passes.
struct Rig {
    server: SmtpServer,
    env: Env,
}

fn with_server<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::live(|env| async move {
        let server = SmtpServer::start();
        case(Rig { server, env }).await;
    });
}

impl Rig {
    fn mailer(&self) -> Arc<SmtpMailer> {
        self.mailer_at(&self.server.url())
    }

    fn mailer_at(&self, url: &str) -> Arc<SmtpMailer> {
        let from = "shop@ecom.example".parse().unwrap();
        let mailer = SmtpMailer::new(url, &from, Arc::clone(&self.env.clock)).unwrap();
        Arc::new(mailer.with_patience(PATIENCE))
    }

    /// Sends; the answer must come in time.
    async fn send(&self, mailer: &SmtpMailer, name: &str) -> Result<(), MailError> {
        let started = self.env.clock.elapsed();
        let outcome = self.env.patiently(mailer.send(&mail(name))).await;
        let took = self.env.clock.elapsed().saturating_sub(started);
        assert!(took < PATIENCE * 2, "took {took:?}");
        outcome
    }
}

fn mail(name: &str) -> Mail {
    Mail {
        message_id: format!("{name}@ecom"),
        order_id: Some("ORD-A".parse().unwrap()),
        to: format!("{name}@mail.example").parse().unwrap(),
        subject: "On its way".into(),
        body: "Your order is on its way.\n".into(),
    }
}

#[track_caller]
fn is_later(outcome: &Result<(), MailError>, when: &str) {
    assert!(matches!(outcome, Err(MailError::Later(_))), "{when}: {outcome:?}");
}

/// Once the message is on its way nobody but the server knows whether it was taken.
#[track_caller]
fn is_open(outcome: &Result<(), MailError>, moment: &str) {
    let handed_over = matches!(outcome, Err(MailError::Unanswered(_)));
    assert!(handed_over == (moment == "."), "{moment}: {outcome:?}");
    assert!(handed_over || matches!(outcome, Err(MailError::Later(_))), "{moment}: {outcome:?}");
}

#[track_caller]
fn is_refused(outcome: &Result<(), MailError>, why: &str) {
    assert!(matches!(outcome, Err(MailError::Refused(text)) if text.contains(why)), "{outcome:?}");
}

#[test]
fn messages_share_a_connection_one_after_the_other() {
    with_server(|rig| async move {
        let mailer = rig.mailer();
        for n in 0..5 {
            assert_eq!(rig.send(&mailer, &format!("m{n}")).await, Ok(()));
        }
        assert_eq!(rig.server.connections(), (1, 1));
        let taken = rig.server.taken();
        assert_eq!(taken.len(), 5);
        assert!(taken[4].starts_with("Message-ID: <m4@ecom>\r\n"), "{}", taken[4]);
        assert!(taken[4].contains("\r\nX-Ecom-Order-Id: ORD-A\r\n"), "{}", taken[4]);
        let heard = rig.server.heard();
        assert!(heard.contains(&"MAIL FROM:<shop@ecom.example>".to_owned()), "{heard:?}");
        assert!(heard.contains(&"RCPT TO:<m4@mail.example>".to_owned()), "{heard:?}");
    });
}

#[test]
fn a_message_does_not_wait_for_the_network_to_acknowledge_half_of_it() {
    with_server(|rig| async move {
        let mailer = rig.mailer();
        let started = rig.env.clock.elapsed();
        for n in 0..30 {
            assert_eq!(rig.send(&mailer, &format!("m{n}")).await, Ok(()));
        }
        // A wait for a delayed acknowledgement is 40 ms, and a message here takes one.
        let took = rig.env.clock.elapsed().saturating_sub(started);
        assert!(took < Duration::from_millis(30 * 30), "took {took:?}");
    });
}

#[test]
fn a_no_for_now_at_any_moment_is_asked_again_later() {
    with_server(|rig| async move {
        for moment in MOMENTS {
            let mailer = rig.mailer();
            rig.server.once(moment, Say::This(b"451 4.3.0 try again later\r\n"));
            is_later(&rig.send(&mailer, "a").await, moment);
            assert_eq!(rig.send(&mailer, "a").await, Ok(()), "after {moment}");
        }
        assert_eq!(rig.server.taken().len(), MOMENTS.len());
    });
}

#[test]
fn what_is_said_of_the_message_for_good_refuses_it() {
    with_server(|rig| async move {
        let mailer = rig.mailer();
        for moment in ["RCPT", "DATA", "."] {
            rig.server.once(moment, Say::This(b"550-5.1.1 no such\r\n550 5.1.1 mailbox\r\n"));
            is_refused(&rig.send(&mailer, "nobody").await, "550");
            assert_eq!(rig.send(&mailer, "ann").await, Ok(()), "after {moment}");
        }
        assert_eq!(rig.server.taken().len(), 3);
    });
}

#[test]
fn what_is_said_of_the_shop_for_good_refuses_no_message() {
    with_server(|rig| async move {
        let mailer = rig.mailer();
        let cases: [(&str, &'static [u8]); 6] = [
            ("HELLO", b"554 5.7.1 your network is not welcome\r\n"),
            ("EHLO", b"550 5.7.1 who are you\r\n"),
            ("MAIL", b"553 5.7.1 sender not owned by you\r\n"),
            ("MAIL", b"530 5.7.0 authentication required\r\n"),
            ("RCPT", b"530 5.7.0 authentication required\r\n"),
            ("DATA", b"538 5.7.11 encryption required\r\n"),
        ];
        for (moment, said) in cases {
            rig.server.once(moment, Say::This(said));
            is_later(&rig.send(&mailer, "ann").await, moment);
        }
        assert_eq!(rig.send(&mailer, "ann").await, Ok(()));
    });
}

#[test]
fn a_wrong_password_refuses_no_message() {
    with_server(|rig| async move {
        let url = rig.server.url().replace("smtp://", "smtp://ann%40shop:s%3Acret@");
        let mailer = rig.mailer_at(&url);
        rig.server.once("AUTH", Say::This(b"535 5.7.8 authentication failed\r\n"));
        let outcome = rig.send(&mailer, "ann").await;
        is_later(&outcome, "AUTH");
        assert!(!format!("{outcome:?}").contains("cret"), "{outcome:?}");
        assert_eq!(rig.send(&mailer, "ann").await, Ok(()));
        let login = data_encoding::BASE64.encode(b"\0ann@shop\0s:cret");
        assert!(rig.server.heard().contains(&format!("AUTH PLAIN {login}")));
    });
}

#[test]
fn a_server_without_logins_refuses_no_message() {
    with_server(|rig| async move {
        let mailer = rig.mailer_at(&rig.server.url().replace("smtp://", "smtp://ann:secret@"));
        rig.server.once("EHLO", Say::This(b"250 mail.example\r\n"));
        is_later(&rig.send(&mailer, "ann").await, "no AUTH");
        assert!(!rig.server.heard().iter().any(|line| line.starts_with("MAIL")));
    });
}

#[test]
fn without_the_encryption_that_is_required_nothing_is_said() {
    with_server(|rig| async move {
        let url = format!("{}?tls=required", rig.server.url().replace("//", "//ann:secret@"));
        is_later(&rig.send(&rig.mailer_at(&url), "ann").await, "no STARTTLS");
        assert!(rig.server.heard().iter().all(|line| line.starts_with("EHLO")));
        let if_possible = format!("{}?tls=opportunistic", rig.server.url());
        assert_eq!(rig.send(&rig.mailer_at(&if_possible), "ann").await, Ok(()));
    });
}

#[test]
fn a_connection_that_is_cut_at_any_moment_is_tried_again_later() {
    with_server(|rig| async move {
        for moment in MOMENTS {
            for said in [&b""[..], b"2", b"250-half", b"250-half\r\n", b"250-half\r\n25"] {
                let mailer = rig.mailer();
                rig.server.once(moment, Say::Cut(said));
                is_open(&rig.send(&mailer, "a").await, moment);
                assert_eq!(rig.send(&mailer, "a").await, Ok(()), "after {moment}");
            }
        }
    });
}

#[test]
fn a_server_that_never_answers_is_not_waited_for() {
    with_server(|rig| async move {
        for moment in MOMENTS {
            let mailer = rig.mailer();
            rig.server.once(moment, Say::Nothing);
            is_open(&rig.send(&mailer, "a").await, moment);
            assert_eq!(rig.send(&mailer, "a").await, Ok(()), "after {moment}");
        }
    });
}

#[test]
fn an_answer_that_comes_too_late_is_not_taken_for_another_message() {
    with_server(|rig| async move {
        for moment in MOMENTS {
            let mailer = rig.mailer();
            assert_eq!(rig.send(&mailer, "first").await, Ok(()));
            rig.server.once(moment, Say::Late(PATIENCE * 3 / 4, b"250 better late than never\r\n"));
            if ["HELLO", "EHLO"].contains(&moment) {
                rig.server.once("MAIL", Say::Cut(b""));
            }
            is_open(&rig.send(&mailer, "slow").await, moment);
            rig.env.clock.sleep(PATIENCE / 2).await;
            rig.server.once("RCPT", Say::This(b"550 no such mailbox\r\n"));
            is_refused(&rig.send(&mailer, "nobody").await, "no such mailbox");
            assert_eq!(rig.send(&mailer, "ann").await, Ok(()));
        }
    });
}

#[test]
fn a_server_that_speaks_something_else_is_tried_again_later() {
    with_server(|rig| async move {
        let mailer = rig.mailer();
        let talk: [&'static [u8]; 6] = [
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"\xff\xfe\x00\x01\r\n",
            b"999 what\r\n",
            b"220\xc3\r\n",
            b"\r\n\r\n\r\n",
        ];
        for said in talk {
            for moment in ["HELLO", "EHLO", "MAIL", "RCPT", "."] {
                rig.server.once(moment, Say::Cut(said));
                is_open(&rig.send(&rig.mailer(), "a").await, moment);
            }
        }
        assert_eq!(rig.send(&mailer, "a").await, Ok(()));
    });
}

#[test]
fn a_server_that_is_not_there_is_tried_again_later() {
    with_server(|rig| async move {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        is_later(&rig.send(&rig.mailer_at(&format!("smtp://{closed}")), "a").await, "closed");
        is_later(&rig.send(&rig.mailer_at("smtp://nowhere.invalid:25"), "a").await, "no name");
    });
}

#[test]
fn a_kept_connection_that_was_closed_costs_no_message() {
    with_server(|rig| async move {
        let mailer = rig.mailer();
        assert_eq!(rig.send(&mailer, "a").await, Ok(()));
        for goodbye in [&b""[..], b"421 4.4.2 idle for too long\r\n"] {
            rig.server.once("MAIL", Say::Cut(goodbye));
            assert_eq!(rig.send(&mailer, "b").await, Ok(()));
        }
        assert_eq!(rig.server.connections().0, 3);
        assert_eq!(rig.server.taken().len(), 3);
    });
}

#[test]
fn a_thousand_messages_do_not_open_a_thousand_connections() {
    with_server(|rig| async move {
        let from = "shop@ecom.example".parse().unwrap();
        let clock = Arc::clone(&rig.env.clock);
        let mailer = Arc::new(SmtpMailer::new(&rig.server.url(), &from, clock).unwrap());
        let send = |n: u32| {
            let mailer = Arc::clone(&mailer);
            async move { mailer.send(&mail(&format!("m{n}"))).await }
        };
        let sent = rig.env.at_once((0..1_000).map(send)).await;
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
        assert_eq!(rig.server.taken().len(), 1_000);
        let (all, most) = rig.server.connections();
        assert!(most <= 32 && all <= 32, "{all} connections, {most} at once");
    });
}

#[test]
fn a_thousand_messages_do_not_wait_for_each_other_at_a_server_that_never_answers() {
    with_server(|rig| async move {
        let mailer = rig.mailer();
        (0..1_000).for_each(|_| rig.server.once("HELLO", Say::Nothing));
        let started = rig.env.clock.elapsed();
        let send = |n: u32| {
            let mailer = Arc::clone(&mailer);
            async move { mailer.send(&mail(&format!("m{n}"))).await }
        };
        for outcome in rig.env.at_once((0..1_000).map(send)).await {
            is_later(&outcome, "HELLO");
        }
        let took = rig.env.clock.elapsed().saturating_sub(started);
        assert!(took < PATIENCE * 3, "took {took:?}");
    });
}

#[test]
fn what_cannot_be_written_down_is_refused_before_anybody_is_asked() {
    with_server(|rig| async move {
        let mailer = rig.mailer();
        let bad = Mail { message_id: "a@b>\r\nBcc: <eve@mail.example".into(), ..mail("a") };
        is_refused(&mailer.send(&bad).await, "cannot name a message");
        assert_eq!(rig.server.connections().0, 0);
        let sly = Mail { subject: "Hi\r\nBcc: eve@mail.example\r\n\r\nBuy!".into(), ..mail("a") };
        assert_eq!(mailer.send(&sly).await, Ok(()));
        let taken = rig.server.taken().remove(0);
        let headers = taken.split("\r\n\r\n").next().unwrap();
        assert!(!headers.contains("\r\nBcc:"), "{headers}");
        assert!(taken.ends_with("\r\n\r\nYour order is on its way.\r\n\r\n"), "{taken}");
    });
}

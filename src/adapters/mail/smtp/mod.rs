//! E-mail over SMTP. Connections are kept and used one message at a time; one that answered anything
//! but yes, or that a message was broken off on, is thrown away, since the next answer on it could be
//! the last message's.
//!
//! Only what is said of the recipient or the message itself refuses the message. A greeting, login
//! or sender that is not accepted is trouble with the settings: every message would be lost by it,
//! so they wait, and the log says so.

mod connections;
mod letter;
mod server;

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Noop, Rcpt};
use lettre::transport::smtp::response::Severity;

use super::address::BadAddress;
use super::turns::Turns;
use crate::domain::Email;
use crate::ports::clock::Clock;
use crate::ports::mail::{Mail, MailError, Mailer};
use connections::Connections;
use letter::Letter;
use server::Server;

/// Connections at once at most; common servers accept up to 50 from one client.
const CONNECTIONS_MAX: usize = 32;
/// No message takes longer, its wait for a free connection included.
const PATIENCE: Duration = Duration::from_secs(30);
/// The log speaks of trouble with the settings this often at most.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);
/// Replies that are about who we are, whenever they come: authentication required, its mechanism
/// too weak, wrong, or encryption required (RFC 4954 §6).
const LOGIN_CODES: [u16; 4] = [530, 534, 535, 538];

/// Sends e-mail to an SMTP server.
pub struct SmtpMailer {
    from: Address,
    connections: Connections,
    turns: Turns,
    clock: Arc<dyn Clock>,
    complained: Mutex<Option<Duration>>,
}

/// How far a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connection,
    Sender,
    Recipient,
    Content,
}

/// Why a message was not taken.
enum Trouble {
    /// The server cannot now.
    Passing(String),
    /// The server does not want us.
    Settings(String),
    /// The server does not want this message.
    Message(String),
}

impl SmtpMailer {
    /// A mailer that sends as `from` through the server at `url`:
    /// `smtp://[user:password@]host[:port][?tls=none|opportunistic|required]`, or `smtps://…` for a
    /// port that speaks TLS from the start. Name and password are percent-encoded.
    pub fn new(url: &str, from: &Email, clock: Arc<dyn Clock>) -> Result<Self, BadAddress> {
        let sender = from.as_str().parse();
        let from = sender.map_err(|e| BadAddress::new(format!("{from} cannot send mail: {e}")))?;
        let connections = Connections::new(Server::parse(url)?, Arc::clone(&clock));
        let turns = Turns::new(CONNECTIONS_MAX, PATIENCE, Arc::clone(&clock));
        Ok(Self { from, connections, turns, clock, complained: Mutex::default() })
    }

    /// The same, but no message takes longer than `patience`.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        let turns = Turns::new(CONNECTIONS_MAX, patience, Arc::clone(&self.clock));
        Self { turns, ..self }
    }

    /// Whether the server lets us in.
    pub async fn answers(&self) -> Result<(), MailError> {
        let asking = async {
            let line = self.begin(Noop).await.map_err(|(_, e)| MailError::Later(e.to_string()))?;
            self.connections.keep(line);
            Ok(())
        };
        self.turns.take(asking.boxed()).await
    }

    /// Sets `handed_over` while only the server knows whether the message is taken.
    async fn deliver(&self, letter: &Letter, handed_over: &AtomicBool) -> Result<(), Trouble> {
        let sender = MailFrom::new(Some(self.from.clone()), vec![]);
        let mut line = self.begin(sender).await.map_err(|(stage, e)| sorted(stage, &e))?;
        let recipient = Rcpt::new(letter.to.clone(), vec![]);
        line.command(recipient).await.map_err(|e| sorted(Stage::Recipient, &e))?;
        line.command(Data).await.map_err(|e| sorted(Stage::Content, &e))?;
        handed_over.store(true, Ordering::Relaxed);
        let answer = line.command(&letter.wire).await;
        let said_no = answer.as_ref().is_err_and(|e| e.status().is_some());
        handed_over.store(!said_no, Ordering::Relaxed);
        answer.map_err(|e| sorted(Stage::Content, &e))?;
        self.connections.keep(line);
        Ok(())
    }

    /// A connection on which the `first` command is accepted. Nothing is lost by asking once more when a
    /// kept one turns out to be closed.
    async fn begin<C: Display>(&self, first: C) -> Result<AsyncSmtpConnection, (Stage, Error)> {
        if let Some(mut kept) = self.connections.kept() {
            match kept.command(&first).await {
                Ok(_) => return Ok(kept),
                Err(e) if e.status().is_none_or(|code| u16::from(code) == 421) => {}
                Err(e) => return Err((Stage::Sender, e)),
            }
        }
        let mut fresh = self.connections.open().await.map_err(|e| (Stage::Connection, e))?;
        fresh.command(&first).await.map_err(|e| (Stage::Sender, e))?;
        Ok(fresh)
    }

    fn complain(&self, trouble: &str) {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.elapsed();
        if complained.is_none_or(|at| now >= at + COMPLAIN_EVERY) {
            *complained = Some(now);
            let server = self.connections.server();
            tracing::error!(%server, trouble, "no mail can be sent: check the mail server's settings");
        }
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let letter = Letter::write(mail, &self.from, self.clock.now())?;
        let handed_over = AtomicBool::new(false);
        let delivery = async {
            match self.deliver(&letter, &handed_over).await {
                Ok(()) => Ok(()),
                Err(Trouble::Passing(reason)) => Err(MailError::Later(reason)),
                Err(Trouble::Settings(reason)) => {
                    self.complain(&reason);
                    Err(MailError::Later(reason))
                }
                Err(Trouble::Message(reason)) => Err(MailError::Refused(reason)),
            }
        };
        match self.turns.take(delivery).await {
            Err(MailError::Later(reason)) if handed_over.load(Ordering::Relaxed) => {
                Err(MailError::Unanswered(reason))
            }
            outcome => outcome,
        }
    }
}

/// Whose trouble an error is.
fn sorted(stage: Stage, e: &Error) -> Trouble {
    let at = match stage {
        Stage::Connection => "connecting",
        Stage::Sender => "sender",
        Stage::Recipient => "recipient",
        Stage::Content => "content",
    };
    let reason = format!("{at}: {e}");
    let Some(code) = e.status() else {
        let settings = e.is_client() || e.is_tls();
        return if settings { Trouble::Settings(reason) } else { Trouble::Passing(reason) };
    };
    if code.severity != Severity::PermanentNegativeCompletion {
        return Trouble::Passing(reason);
    }
    let of_message = matches!(stage, Stage::Recipient | Stage::Content);
    if of_message && !LOGIN_CODES.contains(&u16::from(code)) {
        return Trouble::Message(reason);
    }
    Trouble::Settings(reason)
}

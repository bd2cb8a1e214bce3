//! Open connections to the SMTP server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls};
use lettre::transport::smtp::extension::ClientId;

use super::server::Server;
use crate::ports::clock::Clock;

/// A connection that was not used for so long is not used again; servers close theirs after one to
/// five minutes.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Connections that wait for the next message. As many as were ever in use at once, which the mailer
/// bounds.
pub(super) struct Connections {
    server: Server,
    clock: Arc<dyn Clock>,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    line: AsyncSmtpConnection,
    since: Duration,
}

impl Connections {
    pub(super) fn new(server: Server, clock: Arc<dyn Clock>) -> Self {
        Self { server, clock, idle: Mutex::default() }
    }

    pub(super) const fn server(&self) -> &Server {
        &self.server
    }

    /// The connection that was used last, if it is fresh enough; with it, older ones go.
    pub(super) fn kept(&self) -> Option<AsyncSmtpConnection> {
        let now = self.clock.elapsed();
        let mut idle = self.idle();
        idle.retain(|idle| idle.since + IDLE_MAX > now);
        idle.pop().map(|idle| idle.line)
    }

    /// Keeps a connection on which a message was taken.
    pub(super) fn keep(&self, line: AsyncSmtpConnection) {
        let since = self.clock.elapsed();
        self.idle().push(Idle { line, since });
    }

    /// A new connection: greeted, encrypted and logged in as the URL says.
    pub(super) async fn open(&self) -> Result<AsyncSmtpConnection, Error> {
        let Server { host, port, tls, login } = &self.server;
        let name = ClientId::default();
        let wrapped = match tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let at = (host.as_str(), *port);
        // The mailer bounds the time of all that is done here.
        let mut line = AsyncSmtpConnection::connect_tokio1(at, None, &name, wrapped, None).await?;
        match tls {
            Tls::Required(parameters) => line.starttls(parameters.clone(), &name).await?,
            Tls::Opportunistic(parameters) if line.can_starttls() => {
                line.starttls(parameters.clone(), &name).await?;
            }
            _ => {}
        }
        if let Some(login) = login {
            line.auth(DEFAULT_MECHANISMS, login).await?;
        }
        Ok(line)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

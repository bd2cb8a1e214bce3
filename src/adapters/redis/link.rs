//! The connection to a Redis server: one for all, made when it is first needed and again after it was
//! lost. No call takes longer than the time-out, whatever the server does.
//!
//! This is not the crate's `ConnectionManager` since that stays with the first error that is no I/O
//! error (a wrong password, too many clients), also when the server has long recovered.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, ProtocolVersion, PushInfo, PushKind, RedisError,
    RedisResult, ServerErrorKind,
};

use crate::ports::Clock;
use crate::ports::clock::timeout;

/// After a connection could not be made, everybody is told so at once for this long: of many callers
/// only one waits for a server that does not answer.
const REST: Duration = Duration::from_secs(1);
/// Commands that wait to be written; as many as checkouts that one process takes at once.
const PIPELINE: usize = 1_024;

/// Why the server did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct LinkError {
    text: String,
    code: Option<String>,
}

impl LinkError {
    /// With which word the server said no, if it did.
    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

/// A Redis server, or a place on one. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct RedisLink(Arc<Inner>);

struct Inner {
    client: Client,
    prefix: String,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    line: Mutex<Line>,
}

/// What to do about a wrong place.
const PLACE: &str = "check host and port of redis.url";

type Connecting = Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>;

/// The connection in use, or being made; all that ask share it.
#[derive(Default)]
struct Line {
    connecting: Option<Connecting>,
    /// Counts connections, so that nobody gives up one that somebody else has just made.
    count: u64,
    /// Until when no other is tried, and why.
    rest: Option<(Duration, LinkError)>,
}

impl RedisLink {
    /// A link to `url` (`redis://user:password@host:port/db`, `rediss://` for TLS, `unix://`) that
    /// puts `prefix` before every key, so that several shops can share a server. Nothing is sent yet;
    /// what is wrong with the url or the prefix is an error at once.
    pub fn connect(
        url: &str,
        prefix: &str,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LinkError> {
        let wrong = |text: String| LinkError { text, code: None };
        if prefix.contains(['{', '}']) {
            // A cluster would put the keys that belong together on different servers.
            return Err(wrong(format!("redis prefix {prefix:?} must be without braces")));
        }
        // The error does not repeat the url, in which there may be a password.
        let bad = |e: RedisError| {
            let advice =
                "write redis://USER:PASSWORD@HOST:PORT/NUMBER, with %XX for what is special";
            let text = e.to_string();
            let what = text.split(" - ").next().unwrap_or_default();
            wrong(format!("redis url: {what}; {advice}"))
        };
        let client = Client::open(url).map_err(bad)?;
        let info = client.get_connection_info().clone();
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(settings)).map_err(bad)?;
        let (prefix, line) = (prefix.to_owned(), Mutex::default());
        Ok(Self(Arc::new(Inner { client, prefix, timeout, clock, line })))
    }

    /// Asks the server for a sign of life.
    pub async fn ping(&self) -> Result<(), LinkError> {
        self.again(|mut connection| async move {
            redis::cmd("PING").query_async::<()>(&mut connection).await
        })
        .await
    }

    /// Removes every key with our prefix; there must be one.
    pub async fn remove_all(&self) -> Result<(), LinkError> {
        if self.0.prefix.is_empty() {
            let text = "without a prefix every key would be removed".to_owned();
            return Err(LinkError { text, code: None });
        }
        self.remove("").await
    }

    /// The key called `name`.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.0.prefix)
    }

    /// Time, as the link sees it.
    pub(super) fn clock(&self) -> &dyn Clock {
        self.0.clock.as_ref()
    }

    /// Asks once. When the connection breaks, nobody knows whether the server has done it.
    pub(super) async fn once<T, F>(
        &self,
        ask: impl Fn(MultiplexedConnection) -> F,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        self.attempts(1, ask).await
    }

    /// Asks, and asks again on another connection if the first one breaks: for what may be done twice.
    pub(super) async fn again<T, F>(
        &self,
        ask: impl Fn(MultiplexedConnection) -> F,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        self.attempts(2, ask).await
    }

    async fn attempts<T, F>(
        &self,
        max: usize,
        ask: impl Fn(MultiplexedConnection) -> F,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let end = self.0.clock.elapsed() + self.0.timeout;
        let mut attempt = 1;
        loop {
            let (id, connecting) = self.line()?;
            let connection = match self.until(end, connecting).await {
                Ok(connection) => connection,
                Err(error) => return Err(self.not_connected(id, &error)),
            };
            match self.until(end, ask(connection)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let broken = is_broken(&error);
                    if broken {
                        self.0.give_up(id);
                    }
                    let in_vain = broken || error.kind() == NO_SCRIPT;
                    if !in_vain || error.is_timeout() || attempt == max {
                        return Err(self.explained(&error));
                    }
                    attempt += 1;
                }
            }
        }
    }

    /// The connection that there is, or the making of one.
    fn line(&self) -> Result<(u64, Connecting), LinkError> {
        let mut line = self.0.line();
        if let Some((until, error)) = &line.rest {
            if self.0.clock.elapsed() < *until {
                return Err(error.clone());
            }
            line.rest = None;
        }
        if let Some(connecting) = &line.connecting {
            return Ok((line.count, connecting.clone()));
        }
        line.count += 1;
        let connecting = self.connecting(line.count);
        line.connecting = Some(connecting.clone());
        Ok((line.count, connecting))
    }

    fn connecting(&self, id: u64) -> Connecting {
        let (client, inner) = (self.0.client.clone(), Arc::downgrade(&self.0));
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.0.timeout))
            .set_response_timeout(None) // the whole call has one
            .set_pipeline_buffer_size(PIPELINE)
            .set_push_sender(move |push: PushInfo| {
                notice(&inner, id, &push);
                RedisResult::Ok(())
            });
        async move { client.get_multiplexed_async_connection_with_config(&config).await }
            .boxed()
            .shared()
    }

    async fn until<T>(
        &self,
        end: Duration,
        work: impl Future<Output = RedisResult<T>>,
    ) -> RedisResult<T> {
        let clock = self.0.clock.as_ref();
        let rest = end.saturating_sub(clock.elapsed());
        let too_late = || Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
        timeout(clock, rest, work).await.unwrap_or_else(too_late)
    }

    fn not_connected(&self, id: u64, error: &RedisError) -> LinkError {
        let error = self.explained(error);
        let mut line = self.0.line();
        if line.count == id && line.connecting.take().is_some() {
            line.rest = Some((self.0.clock.elapsed() + REST, error.clone()));
        }
        error
    }

    /// What happened, and what to do. The password is never in it.
    fn explained(&self, error: &RedisError) -> LinkError {
        let at = self.0.client.get_connection_info().addr();
        let text = match (error.kind(), error.code()) {
            _ if error.is_timeout() => format!(
                "redis at {at} has not answered within {:?}; {PLACE}, and any firewall between",
                self.0.timeout
            ),
            (ErrorKind::Io, _) if error.is_connection_refusal() => {
                format!("redis at {at} cannot be reached: {error}; is Redis running there?")
            }
            (ErrorKind::Io, _) => format!("redis at {at} cannot be reached: {error}; {PLACE}"),
            // What it said instead may be anything, and long.
            (ErrorKind::Parse, _) => format!("what answers at {at} is no redis; {PLACE}"),
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH" | "NOPERM")) => {
                format!(
                    "redis at {at} refuses this user or password: {}; check redis.url",
                    error.to_string().trim_end_matches('.')
                )
            }
            (_, Some("WRONGTYPE")) => {
                format!("redis at {at} has something else under a key of the shop: {error}")
            }
            _ => format!("redis at {at}: {error}"),
        };
        LinkError { text, code: error.code().map(str::to_owned) }
    }
}

impl Inner {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody else shall use connection `id`.
    fn give_up(&self, id: u64) {
        let mut line = self.line();
        if line.count == id {
            line.connecting = None;
        }
    }
}

const NO_SCRIPT: ErrorKind = ErrorKind::Server(ServerErrorKind::NoScript);

/// Whether another connection may do better.
fn is_broken(error: &RedisError) -> bool {
    // A server that has become a replica takes no writes; its name may lead to another one by now.
    let demoted = ErrorKind::Server(ServerErrorKind::ReadOnly);
    error.is_io_error() || error.is_unrecoverable_error() || error.kind() == demoted
}

/// A connection that breaks while nobody uses it is noticed at once, not by who needs it next.
fn notice(inner: &Weak<Inner>, id: u64, push: &PushInfo) {
    if let Some(inner) = inner.upgrade().filter(|_| push.kind == PushKind::Disconnection) {
        inner.give_up(id);
    }
}

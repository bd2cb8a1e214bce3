//! Servers of other people, as bad as a case wants them: SMTP and HTTP, on a port of their own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

fn listen() -> (TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (TcpListener::from_std(listener).unwrap(), address)
}

/// What a server does instead of its duty.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// Says this, whatever it means.
    This(&'static [u8]),
    /// Says this, but only after a while.
    Late(Duration, &'static [u8]),
    /// Says this and closes the connection.
    Cut(&'static [u8]),
    /// Says nothing at all.
    Nothing,
}

impl Say {
    /// Says it; whether the connection goes on.
    async fn to(&self, stream: &mut TcpStream) -> bool {
        match self {
            Self::This(text) => stream.write_all(text).await.is_ok(),
            Self::Late(pause, text) => {
                tokio::time::sleep(*pause).await;
                stream.write_all(text).await.is_ok()
            }
            Self::Cut(text) => {
                let _ = stream.write_all(text).await;
                false
            }
            Self::Nothing => {
                // Until the other side hangs up.
                let _ = stream.read_to_end(&mut vec![]).await;
                false
            }
        }
    }
}

/// A mail server that follows the protocol except where it is told otherwise.
#[derive(Clone, Default)]
pub(crate) struct SmtpServer {
    told: Arc<Mutex<Vec<(&'static str, Say)>>>,
    said: Arc<Mutex<Vec<String>>>,
    taken: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    address: Option<SocketAddr>,
}

/// The moments in which a server speaks: when it is connected to, after each command, and after the
/// dot that ends a message.
pub(crate) const MOMENTS: [&str; 6] = ["HELLO", "EHLO", "MAIL", "RCPT", "DATA", "."];

impl SmtpServer {
    pub(crate) fn start() -> Self {
        let (listener, address) = listen();
        let server = Self { address: Some(address), ..Self::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = serving.clone();
                server.connections.fetch_add(1, Ordering::SeqCst);
                let open = server.open.fetch_add(1, Ordering::SeqCst) + 1;
                server.most.fetch_max(open, Ordering::SeqCst);
                tokio::spawn(async move {
                    server.serve(stream).await;
                    server.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address.unwrap())
    }

    /// The next time that it is its turn at this moment, it does this.
    pub(crate) fn once(&self, moment: &'static str, say: Say) {
        self.told.lock().unwrap().push((moment, say));
    }

    /// The messages that it took, each with its headers.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    /// The commands that it heard.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Connections so far, and the most at any time.
    pub(crate) fn connections(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.most.load(Ordering::SeqCst))
    }

    fn duty(&self, moment: &str) -> Say {
        let mut told = self.told.lock().unwrap();
        if let Some(at) = told.iter().position(|(when, _)| *when == moment) {
            return told.remove(at).1;
        }
        Say::This(match moment {
            "HELLO" => b"220 mail.example ESMTP\r\n",
            "EHLO" => b"250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n",
            "AUTH" => b"235 welcome\r\n",
            "DATA" => b"354 go on\r\n",
            "QUIT" => return Say::Cut(b"221 bye\r\n"),
            _ => b"250 OK\r\n",
        })
    }

    async fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut stream = BufReader::new(stream);
        let mut go_on = self.duty("HELLO").to(stream.get_mut()).await;
        while go_on {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let command = line.trim_end().to_owned();
            let moment = command.split(' ').next().unwrap().to_uppercase();
            self.said.lock().unwrap().push(command);
            let is_data = moment == "DATA" && !self.is_told("DATA");
            go_on = self.duty(&moment).to(stream.get_mut()).await;
            if is_data && go_on {
                go_on = self.take(&mut stream).await;
            }
        }
    }

    fn is_told(&self, moment: &str) -> bool {
        self.told.lock().unwrap().iter().any(|(when, _)| *when == moment)
    }

    async fn take(&self, stream: &mut BufReader<TcpStream>) -> bool {
        let mut message = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return false;
            }
            if line == ".\r\n" {
                break;
            }
            message.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
        let is_accepted = !self.is_told(".");
        if is_accepted {
            self.taken.lock().unwrap().push(message);
        }
        self.duty(".").to(stream.get_mut()).await
    }
}

/// What an HTTP server is asked.
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) path: String,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    /// A number in the query.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        let (_, query) = self.path.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name)?.1.parse().ok()
    }
}

/// What it answers.
pub(crate) enum Answer {
    /// A status and a body.
    Status(u16, String),
    /// Something else.
    Else(Say),
}

impl Answer {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Status(200, body.into())
    }
}

/// An HTTP server that answers as it is told.
pub(crate) struct HttpServer {
    address: SocketAddr,
}

impl HttpServer {
    pub(crate) fn start(answer: impl Fn(&Ask) -> Answer + Send + Sync + 'static) -> Self {
        let (listener, address) = listen();
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(ask) = hear(&mut stream).await {
                        let go_on = match answer(&ask) {
                            Answer::Status(status, body) => {
                                let length = body.len();
                                let head = format!(
                                    "HTTP/1.1 {status} -\r\ncontent-length: {length}\r\n\r\n"
                                );
                                let text = [head.as_bytes(), body.as_bytes()].concat();
                                stream.get_mut().write_all(&text).await.is_ok()
                            }
                            Answer::Else(say) => say.to(stream.get_mut()).await,
                        };
                        if !go_on {
                            return;
                        }
                    }
                });
            }
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn hear(stream: &mut BufReader<TcpStream>) -> Option<Ask> {
    let mut lines = vec![];
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let mut words = lines.first()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let header = |line: &String| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_lowercase(), value.trim().to_owned())
    };
    let headers: BTreeMap<_, _> = lines[1..].iter().map(header).collect();
    let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Ask { method, path, headers, body })
}

//! Something between a link and its server that breaks connections as a case needs it.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Place;

/// What happens to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The connection breaks before the server hears of it.
    Before,
    /// The connection breaks when the server has done it, before anybody hears of that.
    After,
    /// Nothing is passed on any more.
    Stall,
}

/// Passes everything on but for the cuts that it has been told of.
pub(super) struct Proxy {
    pub(super) place: Place,
    cuts: Arc<Mutex<VecDeque<Cut>>>,
}

impl Proxy {
    /// In front of the server of `place`.
    pub(super) async fn before(place: &Place) -> Self {
        let there = redis::Client::open(place.url.as_str()).unwrap();
        let there = there.get_connection_info().addr().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        assert!(place.url.contains(&there), "the address of the server has a port");
        let place = Place { url: place.url.replace(&there, &here), ..place.clone() };
        let cuts = Arc::<Mutex<VecDeque<Cut>>>::default();
        let told = Arc::clone(&cuts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&there).await.unwrap();
                tokio::spawn(pass_on(client, server, Arc::clone(&told)));
            }
        });
        Self { place, cuts }
    }

    /// This shall happen to the next commands.
    pub(super) fn cut(&self, cuts: &[Cut]) {
        self.cuts.lock().unwrap().extend(cuts);
    }

    /// Whether all of it has happened.
    pub(super) fn has_cut(&self) -> bool {
        self.cuts.lock().unwrap().is_empty()
    }
}

/// Ends, and breaks the connection with it, at the first cut or with either side.
async fn pass_on(mut client: TcpStream, mut server: TcpStream, cuts: Arc<Mutex<VecDeque<Cut>>>) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut last = false;
    loop {
        tokio::select! {
            Ok(n) = client.read(&mut asked) => {
                let is_greeting = asked[..n].windows(5).any(|word| word == b"HELLO");
                let cut = if n == 0 || is_greeting { None } else { cuts.lock().unwrap().pop_front() };
                match cut {
                    Some(Cut::Before) => return,
                    Some(Cut::Stall) => pending().await,
                    Some(Cut::After) => last = true,
                    None if n == 0 => return,
                    None => {}
                }
                if server.write_all(&asked[..n]).await.is_err() {
                    return;
                }
            }
            Ok(n) = server.read(&mut answered) => {
                if n == 0 {
                    return;
                }
                // A script that the server does not know yet has not been run.
                if last && answered.starts_with(b"-NOSCRIPT") {
                    last = false;
                    cuts.lock().unwrap().push_front(Cut::After);
                } else if last {
                    return;
                }
                if client.write_all(&answered[..n]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}

//! The SMTP server, as its URL says.

use std::fmt;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};

use crate::adapters::mail::address::{BadAddress, decoded, parts};

/// Port between servers.
const PORT: u16 = 25;
/// Port for those who hand in mail and then ask for TLS.
const PORT_STARTTLS: u16 = 587;
/// Port that speaks TLS from the start.
const PORT_TLS: u16 = 465;

/// Where the server is and how it is spoken to. Shown without name and password.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) login: Option<Credentials>,
}

impl Server {
    /// Reads `smtp://[user:password@]host[:port][?tls=…]` or `smtps://…`.
    pub(super) fn parse(url: &str) -> Result<Self, BadAddress> {
        let found = parts(url)?;
        if !["", "/"].contains(&found.path) {
            return Err(BadAddress::new("the URL of a mail server has no path"));
        }
        let host = found.host.to_owned();
        let parameters = || {
            TlsParameters::new(host.clone())
                .map_err(|e| BadAddress::new(format!("no TLS with {host}: {e}")))
        };
        let (tls, port) = match (found.scheme, found.query) {
            ("smtp", "" | "tls=none") => (Tls::None, PORT),
            ("smtp", "tls=opportunistic") => (Tls::Opportunistic(parameters()?), PORT_STARTTLS),
            ("smtp", "tls=required") => (Tls::Required(parameters()?), PORT_STARTTLS),
            ("smtps", "") => (Tls::Wrapper(parameters()?), PORT_TLS),
            ("smtp", _) => {
                let why = "after ? only tls=none, tls=opportunistic or tls=required may stand";
                return Err(BadAddress::new(why));
            }
            ("smtps", _) => return Err(BadAddress::new("smtps:// needs nothing after ?")),
            _ => return Err(BadAddress::new("the URL must begin with smtp:// or smtps://")),
        };
        let login = found.who.map(login).transpose()?;
        Ok(Self { host, port: found.port.unwrap_or(port), tls, login })
    }
}

fn login(text: &str) -> Result<Credentials, BadAddress> {
    let bad = || BadAddress::new("before @ must stand user:password, percent-encoded");
    let (user, password) = text.split_once(':').ok_or_else(bad)?;
    let user = decoded(user).filter(|user| !user.is_empty()).ok_or_else(bad)?;
    Ok(Credentials::new(user, decoded(password).ok_or_else(bad)?))
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_all_there_is_to_know() {
        let plain = Server::parse("smtp://127.0.0.1:1025").unwrap();
        assert_eq!(plain.to_string(), "127.0.0.1:1025");
        assert!(matches!(plain.tls, Tls::None) && plain.login.is_none());
        let full = Server::parse("smtp://ann%40shop:s%3Acret@mail.example?tls=required").unwrap();
        assert_eq!(full.to_string(), "mail.example:587");
        assert!(matches!(full.tls, Tls::Required(_)));
        assert_eq!(full.login, Some(Credentials::new("ann@shop".into(), "s:cret".into())));
        let tls = Server::parse("smtps://mail.example").unwrap();
        assert!(matches!(tls.tls, Tls::Wrapper(_)) && tls.port == 465);
        let perhaps = Server::parse("smtp://mail.example:25?tls=opportunistic").unwrap();
        assert!(matches!(perhaps.tls, Tls::Opportunistic(_)) && perhaps.port == 25);
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_the_password() {
        for bad in [
            "http://h:1",
            "smtp://h/path",
            "smtp://h?tls=perhaps",
            "smtps://h?tls=required",
            "smtp://ann@h",
            "smtp://:hunter2@h",
            "smtp://ann:hunter2%@h",
            "smtp://ann:hunter2@",
        ] {
            let error = Server::parse(bad).map(|_| ()).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

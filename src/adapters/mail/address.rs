//! Where a server is, as it is written in the settings.

/// An address that cannot be used. Says why, and repeats neither a user's name nor a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(pub(super) String);

impl BadAddress {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// A URL in its parts; none of them is decoded.
pub(super) struct Parts<'a> {
    pub(super) scheme: &'a str,
    /// What stands before an `@`.
    pub(super) who: Option<&'a str>,
    /// Without the brackets of an IPv6 address.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
    /// From the first `/` after the host on, without the query.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

/// Takes a URL apart.
pub(super) fn parts(url: &str) -> Result<Parts<'_>, BadAddress> {
    let plain = url.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{}|#".contains(&b));
    if !plain {
        return Err(BadAddress::new("a URL has neither spaces nor control characters"));
    }
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| BadAddress::new("a URL has a scheme and ://"))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (who, server) = match server.rsplit_once('@') {
        Some((who, server)) => (Some(who), server),
        None => (None, server),
    };
    let (host, port) = match server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').or(port.is_empty().then_some(""))),
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, Some("")),
        },
    };
    if host.is_empty() {
        return Err(BadAddress::new("there is no host in it"));
    }
    let bad_port = || BadAddress::new("a port is a number up to 65535");
    let port = match port.ok_or_else(bad_port)? {
        "" => None,
        digits => Some(digits.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(bad_port)?),
    };
    Ok(Parts { scheme, who, host, port, path, query })
}

/// Text with its `%41` read; none if it is no UTF-8 or a `%` has no digits.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = vec![];
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push((digit()? * 16 + digit()?) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, scheme: &str, who: Option<&str>, host: &str, port: Option<u16>) {
        let found = parts(url).unwrap();
        assert_eq!((found.scheme, found.who, found.host, found.port), (scheme, who, host, port));
    }

    #[test]
    fn urls_are_taken_apart() {
        check("smtp://mail.example", "smtp", None, "mail.example", None);
        check("smtps://a:b@mail.example:465/?x", "smtps", Some("a:b"), "mail.example", Some(465));
        check("http://[::1]:8025/base", "http", None, "::1", Some(8025));
        check("http://[::1]", "http", None, "::1", None);
        let found = parts("http://h:1/a/b?c=d").unwrap();
        assert_eq!((found.path, found.query), ("/a/b", "c=d"));
        let bad =
            ["", "mail", "smtp://", "smtp://:25", "smtp://h:x", "smtp://h:0", "smtp://h:65536"];
        for bad in
            bad.into_iter().chain(["http://[::1", "http://[::1]x", "http://a b", "http://a\r\nb"])
        {
            assert!(parts(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn text_is_decoded() {
        assert_eq!(decoded("ann%40shop%C3%A9").as_deref(), Some("ann@shopé"));
        assert_eq!(decoded("").as_deref(), Some(""));
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }
}

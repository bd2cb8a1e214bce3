//! A message as it goes over the wire: headers and text, in lines that mail servers accept.

use std::time::{Duration, SystemTime};

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::{Address, Message};

use crate::domain::Timestamp;
use crate::ports::mail::{Mail, MailError};

/// Longest id that fits into a header's line (RFC 5322 §2.1.1), its name included.
const ID_LEN_MAX: usize = 900;

/// A message ready to be sent.
pub(super) struct Letter {
    pub(super) to: Address,
    /// Headers and body as they go over the wire, the dot at their end included: all in one piece. A
    /// dot that is written by itself waits 40 ms for the other side to acknowledge the rest (Nagle's
    /// algorithm and delayed acknowledgements): 22 messages/s on a connection instead of 950.
    pub(super) wire: String,
}

impl Letter {
    /// Writes `mail` down as sent by `from` at this time; refused if it could not be read again.
    pub(super) fn write(mail: &Mail, from: &Address, at: Timestamp) -> Result<Self, MailError> {
        let refused = |why: String| MailError::Refused(why);
        let to: Address =
            mail.to.as_str().parse().map_err(|e| refused(format!("{}: {e}", mail.to)))?;
        let id = &mail.message_id;
        let plain = |b: u8| b.is_ascii_graphic() && !b"<>".contains(&b);
        if id.is_empty() || id.len() > ID_LEN_MAX || !id.bytes().all(plain) {
            return Err(refused(format!("{id:?} cannot name a message")));
        }
        let date = SystemTime::UNIX_EPOCH + Duration::from_millis(at.millis().unsigned_abs());
        let mut message = Message::builder()
            .raw_header(as_it_is("Message-ID", format!("<{id}>")))
            .date(date)
            .from(Mailbox::new(None, from.clone()))
            .to(Mailbox::new(None, to.clone()))
            .subject(one_line(&mail.subject))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN);
        if let Some(order) = &mail.order_id {
            message = message.raw_header(as_it_is("X-Ecom-Order-Id", order.to_string()));
        }
        let message = message.body(line_ends(&mail.body)).map_err(|e| refused(e.to_string()))?;
        let text = String::from_utf8(message.formatted()).map_err(|e| refused(e.to_string()))?;
        Ok(Self { to, wire: with_dots(&text) })
    }
}

/// The text with its end marked by a dot on a line of its own, and with another dot before those that
/// begin a line (RFC 5321 §4.5.2). The text begins with a header and has no other line ends.
fn with_dots(text: &str) -> String {
    text.replace("\r\n.", "\r\n..") + "\r\n.\r\n"
}

/// A header whose value was checked to be plain: it must not be folded, or it would not be found.
fn as_it_is(name: &'static str, value: String) -> HeaderValue {
    let name = HeaderName::new_from_ascii_str(name);
    HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value)
}

/// What would end a header is a space, and what looks like encoded text is taken apart, since it
/// would be shown as something else.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ").replace("=?", "= ?")
}

/// A carriage return of its own is a line end for some servers and none for others, which is how a
/// second message is smuggled into a first.
fn line_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Mail {
            message_id: "ORD-A.fulfilled.email@ecom".into(),
            order_id: Some("ORD-A".parse().unwrap()),
            to: "ann@mail.example".parse().unwrap(),
            subject: "On its way".into(),
            body: "Hello Ann,\n\nit is on its way.\n".into(),
        }
    }

    fn write(mail: &Mail) -> Result<String, MailError> {
        let from = "shop@ecom.example".parse().unwrap();
        let letter = Letter::write(mail, &from, Timestamp::from_millis(1_700_000_000_123))?;
        let text = letter.wire.strip_suffix("\r\n.\r\n").unwrap();
        assert!(!text.contains("\r\n.\r\n"), "{text:?}");
        Ok(text.replace("\r\n..", "\r\n."))
    }

    /// The lines before the first empty one.
    fn headers(text: &str) -> Vec<&str> {
        text.split("\r\n").take_while(|line| !line.is_empty()).collect()
    }

    #[test]
    fn a_letter_has_the_headers_that_a_mailbox_is_searched_by() {
        let text = write(&mail()).unwrap();
        assert_eq!(
            headers(&text),
            [
                "Message-ID: <ORD-A.fulfilled.email@ecom>",
                "Date: Tue, 14 Nov 2023 22:13:20 +0000",
                "From: shop@ecom.example",
                "To: ann@mail.example",
                "Subject: On its way",
                "MIME-Version: 1.0",
                "Content-Type: text/plain; charset=utf-8",
                "X-Ecom-Order-Id: ORD-A",
                "Content-Transfer-Encoding: 7bit",
            ]
        );
        assert!(text.ends_with("\r\n\r\nHello Ann,\r\n\r\nit is on its way.\r\n"), "{text}");
    }

    #[test]
    fn long_ids_are_not_folded() {
        let long = format!("{}@ecom", "x".repeat(300));
        let text = write(&Mail { message_id: long.clone(), ..mail() }).unwrap();
        assert_eq!(headers(&text)[0], format!("Message-ID: <{long}>"));
    }

    #[test]
    fn nothing_can_be_smuggled_into_the_headers() {
        for subject in [
            "a\r\nBcc: eve@mail.example",
            "a\nBcc: eve@mail.example",
            "a\rBcc: x@y",
            "a\r\n\r\nb",
            "\0",
        ] {
            let text = write(&Mail { subject: subject.into(), ..mail() }).unwrap();
            let names: Vec<&str> =
                headers(&text).iter().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
            assert_eq!(names.len(), 9, "{text}");
            assert!(!names.contains(&"Bcc"), "{text}");
        }
        for id in ["", "a b", "a\r\nBcc: x@y", "a>\r\nBcc: x@y", "é@x", "<a>", &"x".repeat(901)] {
            let refused = write(&Mail { message_id: id.into(), ..mail() });
            assert!(matches!(refused, Err(MailError::Refused(_))), "{id:?}");
        }
    }

    #[test]
    fn subjects_say_what_they_say() {
        let sly = Mail { subject: "=?utf-8?q?You=20won?=".into(), ..mail() };
        let text = write(&sly).unwrap();
        assert!(headers(&text).contains(&"Subject: = ?utf-8?q?You=20won?="), "{text}");
    }

    #[test]
    fn lines_are_plain_and_short_whatever_is_said() {
        let long = "lang ".repeat(400);
        for said in
            ["Größe 42 🛒", &long, "a\r.\rb", "a\n.\nb", "\u{0}\u{7f}", "é".repeat(3_000).as_str()]
        {
            let text = write(&Mail { subject: said.into(), body: said.into(), ..mail() }).unwrap();
            assert!(text.is_ascii(), "{text}");
            assert!(text.split("\r\n").all(|line| line.len() <= 998), "{text}");
            let alone = text.replace("\r\n", "").contains(['\r', '\n']);
            assert!(!alone, "{text:?}");
        }
    }
}

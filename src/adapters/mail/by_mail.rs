//! Text messages as e-mail, where there is a mail server but nobody who sends texts: they arrive at
//! `NUMBER@sms.invalid`, a domain that nobody can own (RFC 2606 §2).

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::Email;
use crate::ports::mail::{Mail, MailError, Mailer, Sms, Text};

/// Sends text messages through a mailer.
pub struct SmsByMail {
    mailer: Arc<dyn Mailer>,
}

impl SmsByMail {
    /// Through `mailer`.
    pub fn new(mailer: Arc<dyn Mailer>) -> Self {
        Self { mailer }
    }
}

#[async_trait]
impl Sms for SmsByMail {
    async fn text(&self, text: &Text) -> Result<(), MailError> {
        let address = format!("{}@sms.invalid", text.to.as_str());
        let to: Email = address.parse().map_err(|_| MailError::Refused(address))?;
        let (message_id, order_id) = (text.message_id.clone(), text.order_id.clone());
        let (subject, body) = ("Text message".to_owned(), text.body.clone());
        self.mailer.send(&Mail { message_id, order_id, to, subject, body }).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt;

    use super::*;

    #[derive(Default)]
    struct Sent(Mutex<Vec<Mail>>);

    #[async_trait]
    impl Mailer for Sent {
        async fn send(&self, mail: &Mail) -> Result<(), MailError> {
            self.0.lock().unwrap().push(mail.clone());
            Ok(())
        }
    }

    #[test]
    fn a_text_is_a_mail_to_its_number() {
        let sent = Arc::new(Sent::default());
        let sms = SmsByMail::new(Arc::clone(&sent) as _);
        let text = Text {
            message_id: "ORD-A.paid.sms".into(),
            order_id: "ORD-A".parse().ok(),
            to: "+4915112345678".parse().unwrap(),
            body: "On its way.".into(),
        };
        sms.text(&text).now_or_never().unwrap().unwrap();
        let mails = sent.0.lock().unwrap();
        assert_eq!(mails[0].to.as_str(), "+4915112345678@sms.invalid");
        assert_eq!((&mails[0].message_id, &mails[0].body), (&text.message_id, &text.body));
    }
}

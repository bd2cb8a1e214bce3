//! Reading a mail server's mailbox.

use super::MailCopy;
use crate::app::NotUsable;
use crate::ports::Mailbox;
use crate::ports::mail::MailFilter;

/// Copies per page.
const PAGE: u32 = 1_000;

/// Every copy that arrived.
pub(super) async fn copies(inbox: &dyn Mailbox) -> Result<Vec<MailCopy>, NotUsable> {
    let (mut copies, mut after) = (vec![], 0);
    loop {
        let filter = MailFilter { after, limit: PAGE, ..MailFilter::default() };
        let page = inbox
            .messages(&filter)
            .await
            .map_err(|e| NotUsable(format!("the mailbox cannot be read: {e}; check smtp.inbox")))?;
        let Some(last) = page.last() else { return Ok(copies) };
        after = last.seq;
        copies.extend(page.into_iter().map(|message| MailCopy {
            message_id: message.message_id,
            order: message.order_id,
            at: message.received_at.millis(),
        }));
    }
}

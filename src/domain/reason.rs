//! Why a payment was declined and why an order was cancelled: closed sets, stable on the wire.

use super::closed_set::closed_set;

closed_set! {
    /// Why no money was taken.
    DeclineReason {
        /// Not enough money on the account.
        InsufficientFunds = "insufficient_funds",
        /// The issuer said no.
        CardDeclined = "card_declined",
        /// The card is past its date.
        ExpiredCard = "expired_card",
        /// The stock hold lapsed before a charge could start.
        HoldExpired = "hold_expired",
    }
}

closed_set! {
    /// Why an order ended `CANCELLED`.
    CancelReason {
        /// The payment was declined.
        PaymentFailed = "payment_failed",
        /// The hold had lapsed and the stock was gone when it should be reserved.
        OutOfStock = "out_of_stock",
        /// Not paid, or not reserved, before its deadline.
        Expired = "expired",
        /// The customer asked for it.
        CustomerRequest = "customer_request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_serde_agree() {
        for reason in CancelReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert_eq!(CancelReason::parse(reason.as_str()), Some(*reason));
        }
        for reason in DeclineReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert_eq!(DeclineReason::parse(reason.as_str()), Some(*reason));
        }
    }
}

//! What the payment provider tells without being asked, and how one knows that it was the provider:
//! `Ecom-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`. A message is a hint to ask,
//! never an answer.

use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use utoipa::ToSchema;

use crate::domain::closed_set::closed_set;
use crate::domain::{Secret, Timestamp};

/// The header of the signature.
pub const SIGNATURE: &str = "ecom-signature";
/// A message signed longer ago, or further ahead, than this is not believed.
pub const TOLERANCE: Duration = Duration::from_mins(5);
/// Signatures looked at in one header: a provider sends two while its secret changes.
const SIGNATURES_MAX: usize = 4;

closed_set! {
    /// What a message is about.
    Told {
        /// A charge took the money.
        ChargeCaptured = "charge.captured",
        /// A charge took no money.
        ChargeDeclined = "charge.declined",
        /// Money was given back.
        RefundDone = "refund.done",
    }
}

/// A message of the provider. Readers ignore fields and types that they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// Names the message: the same one may come more than once.
    pub id: String,
    /// `charge.captured`, `charge.declined` or `refund.done`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The charge that it is about.
    pub charge_key: String,
    /// The refund that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_key: Option<String>,
    /// How much, in minor units.
    #[serde(default)]
    pub amount: i64,
    /// Why no money was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was decided.
    #[schema(value_type = Option<Timestamp>)]
    pub created_at: Option<Timestamp>,
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// It is not signed, or not so that one could tell.
    #[error("the header Ecom-Signature is missing or not t=SECONDS,v1=HEX")]
    Unreadable,
    /// Somebody else signed it, or something else.
    #[error("the signature is not that of this body under the shared secret")]
    Wrong,
    /// It is too old, or from the future.
    #[error("the message was not signed within the last 5 minutes")]
    Age,
}

/// The signature of `body` at `now`.
pub fn sign(secret: &Secret, now: Timestamp, body: &[u8]) -> String {
    let seconds = now.millis().div_euclid(1_000);
    let code = code(secret, &seconds.to_string(), body).finalize().into_bytes();
    format!("t={seconds},v1={}", HEXLOWER_PERMISSIVE.encode(&code))
}

/// Whether `body` was signed with `secret` a short while before `now`.
pub fn verify(
    secret: &Secret,
    now: Timestamp,
    header: Option<&str>,
    body: &[u8],
) -> Result<(), BadSignature> {
    let parts = header.unwrap_or_default().split(',').map(str::trim);
    let parts: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let of = |name: &'static str| {
        parts.iter().filter(move |(found, _)| *found == name).map(|(_, value)| *value)
    };
    let seconds = of("t").next().ok_or(BadSignature::Unreadable)?;
    let at: u32 = seconds.parse().map_err(|_| BadSignature::Unreadable)?;
    let given: Vec<Vec<u8>> = of("v1")
        .take(SIGNATURES_MAX)
        .filter_map(|hex| HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok())
        .collect();
    if given.is_empty() {
        return Err(BadSignature::Unreadable);
    }
    // `verify_slice` compares in constant time.
    let code = code(secret, seconds, body);
    if !given.iter().any(|given| code.clone().verify_slice(given).is_ok()) {
        return Err(BadSignature::Wrong);
    }
    let at = Timestamp::from_millis(i64::from(at) * 1_000);
    // The signature is of whole seconds.
    let late = now.since(at) > TOLERANCE + Duration::from_secs(1);
    if late || at.since(now) > TOLERANCE { Err(BadSignature::Age) } else { Ok(()) }
}

fn code(secret: &Secret, seconds: &str, body: &[u8]) -> Hmac<Sha256> {
    let key = secret.expose().as_bytes();
    let mut code = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    code.update(seconds.as_bytes());
    code.update(b".");
    code.update(body);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_123);

    fn secret(text: &str) -> Secret {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(header: Option<&str>, at: Timestamp, body: &[u8], is: Result<(), BadSignature>) {
        assert_eq!(verify(&secret("key"), at, header, body), is, "{header:?}");
    }

    #[test]
    fn the_signature_is_hmac_sha256_of_time_dot_body() {
        // printf '0.' | openssl dgst -sha256 -hmac key
        let hex = "85841b4efc3cd7776c3c8f9b7cca9e281c550e5d19889d78e9e669c6337f000d";
        let signed = sign(&secret("key"), Timestamp::default(), b"");
        assert_eq!(signed, format!("t=0,v1={hex}"));
        check(Some(&signed), Timestamp::default(), b"", Ok(()));
    }

    #[test]
    fn only_the_very_body_under_the_very_secret_is_believed() {
        let signed = sign(&secret("key"), NOW, b"{}");
        check(Some(&signed), NOW, b"{}", Ok(()));
        check(Some(&signed), NOW, b"{ }", Err(BadSignature::Wrong));
        let other = sign(&secret("kez"), NOW, b"{}");
        check(Some(&other), NOW, b"{}", Err(BadSignature::Wrong));
        check(Some(&format!("{other},{}", &signed[13..])), NOW, b"{}", Ok(()));
        let moved = signed.replace("t=1769860800", "t=1769860801");
        check(Some(&moved), NOW, b"{}", Err(BadSignature::Wrong));
    }

    #[test]
    fn a_message_is_believed_for_five_minutes() {
        let signed = sign(&secret("key"), NOW, b"{}");
        check(Some(&signed), NOW + TOLERANCE, b"{}", Ok(()));
        check(Some(&signed), NOW - TOLERANCE, b"{}", Ok(()));
        let more = TOLERANCE + Duration::from_secs(2);
        check(Some(&signed), NOW + more, b"{}", Err(BadSignature::Age));
        check(Some(&signed), NOW - more, b"{}", Err(BadSignature::Age));
    }

    #[test]
    fn what_is_no_signature_is_not_looked_at() {
        let none = [
            "",
            "t=1",
            "v1=00",
            "t=x,v1=00",
            "t=1,v1=zz",
            "t=1;v1=00",
            "=",
            "t==,v1==",
            "t=-1,v1=00",
        ];
        for header in none {
            check(Some(header), NOW, b"{}", Err(BadSignature::Unreadable));
        }
        check(None, NOW, b"{}", Err(BadSignature::Unreadable));
    }
}

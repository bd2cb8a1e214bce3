//! Bytes that may be text: shown as text where they are, kept exactly where they are not.

use bytes::Bytes;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Bytes, as text if they are UTF-8, else as base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blob {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Base64(String),
}

impl Blob {
    /// These bytes.
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(BASE64.encode(bytes)),
        }
    }

    /// The bytes again; none if the base64 is none.
    pub fn bytes(&self) -> Option<Bytes> {
        match self {
            Self::Text(text) => Some(Bytes::from(text.clone())),
            Self::Base64(text) => BASE64.decode(text.as_bytes()).ok().map(Bytes::from),
        }
    }

    /// For people: text as it is, else what there is to say.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Base64(text) => format!("base64:{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_survive(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let json = serde_json::to_string(&Blob::of(&bytes)).unwrap();
            let blob: Blob = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(blob.bytes().unwrap().to_vec(), bytes);
        }
    }
}

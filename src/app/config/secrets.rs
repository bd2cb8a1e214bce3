//! Secrets among the settings: shown masked, and best kept in files of their own.

use std::path::Path;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};
use toml::Value;

use crate::domain::Secret;
use crate::domain::secret::MASK;

/// How the names of settings end whose values are nobody's business.
const WORDS: [&str; 3] = ["secret", "password", "token"];

static MASKED: LazyLock<Value> = LazyLock::new(|| Value::String(MASK.to_owned()));

/// Whether a setting's value is a secret.
pub fn is_secret(key: &str) -> bool {
    WORDS.iter().any(|word| key.ends_with(word))
}

/// A setting's value as it may be shown: that there is no secret may be seen.
pub(super) fn shown<'a>(key: &str, value: &'a Value) -> &'a Value {
    if is_secret(key) && value.as_str() != Some("") { &MASKED } else { value }
}

/// The secret in a file: its text without the line's end.
pub fn read(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("cannot read the secret in {}: {e}", path.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    text.parse().map_err(|e| format!("the secret in {} {e}", path.display()))
}

/// Reads a secret where an empty text means that there is none.
pub(super) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret>, D::Error> {
    Secret::optional(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

//! Secrets among the settings: shown masked, and best kept in files of their own.

use std::borrow::Cow;
use std::path::Path;

use serde::{Deserialize, Deserializer};
use toml::Value;

use crate::domain::Secret;
use crate::domain::secret::MASK;

/// How the names of settings end whose values are nobody's business.
const WORDS: [&str; 3] = ["secret", "password", "token"];

/// Whether a setting's value is a secret.
pub fn is_secret(key: &str) -> bool {
    WORDS.iter().any(|word| key.ends_with(word))
}

/// Whether a setting's value may be in a file that a variable names.
pub(super) fn may_be_in_a_file(key: &str) -> bool {
    is_secret(key) || key.rsplit('.').next() == Some("url")
}

/// A setting's value as it may be shown: that there is no secret may be seen.
pub(super) fn shown<'a>(key: &str, value: &'a Value) -> Cow<'a, Value> {
    match value.as_str() {
        Some("") | None => Cow::Borrowed(value),
        Some(_) if is_secret(key) => Cow::Owned(Value::String(MASK.to_owned())),
        Some(url) if url.contains("://") => Cow::Owned(Value::String(masked(url))),
        Some(_) => Cow::Borrowed(value),
    }
}

/// A URL without its password, which may stand before the host or among the parameters.
pub fn masked(url: &str) -> String {
    let before_host = || {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (login, _) = rest[..end].rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:{MASK}{}", &rest[login.len()..]))
    };
    let url = before_host().unwrap_or_else(|| url.to_owned());
    let Some((place, parameters)) = url.split_once('?') else { return url };
    let mask = |parameter: &str| match parameter.split_once('=') {
        Some((name @ ("pass" | "password"), _)) => format!("{name}={MASK}"),
        _ => parameter.to_owned(),
    };
    let parameters: Vec<String> = parameters.split('&').map(mask).collect();
    format!("{place}?{}", parameters.join("&"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_masked_and_nothing_else() {
        for (url, shown) in [
            ("postgres://me:p%40ss@host:5432/db?x=a@b", "postgres://me:***@host:5432/db?x=a@b"),
            ("redis://:secret@host", "redis://:***@host"),
            ("smtp://me:a@b@host:25", "smtp://me:***@host:25"),
            ("smtp://host:25", "smtp://host:25"),
            ("redis+unix:///s.sock?db=1&pass=secret", "redis+unix:///s.sock?db=1&pass=***"),
            ("postgres://h/db?password=p&sslmode=off", "postgres://h/db?password=***&sslmode=off"),
            ("postgres://me@host/db", "postgres://me@host/db"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}

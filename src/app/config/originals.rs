//! The original shop's environment variables: its `.env` file works as it stands.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Variables that are a setting by themselves.
const SETTINGS: [(&str, &str); 7] = [
    ("KAFKA_BOOTSTRAP_SERVERS", "kafka.bootstrap"),
    ("ADMIN_EMAIL", "shop.admin_email"),
    ("CART_SERVICE_PORT", "ports.cart"),
    ("ORDER_SERVICE_PORT", "ports.order"),
    ("PAYMENT_SERVICE_PORT", "ports.payment"),
    ("INVENTORY_SERVICE_PORT", "ports.inventory"),
    ("NOTIFICATION_SERVICE_PORT", "ports.notification"),
];
/// Variables that are parts of an address; without the host they mean nothing.
const PARTS: [&str; 10] = [
    "POSTGRES_HOST",
    "POSTGRES_PORT",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "POSTGRES_PASSWORD_FILE",
    "POSTGRES_DB",
    "REDIS_HOST",
    "REDIS_PORT",
    "MAILHOG_HOST",
    "MAILHOG_PORT",
];

/// Whether the original shop knows this variable.
pub(super) fn is_known(name: &str) -> bool {
    PARTS.contains(&name) || SETTINGS.iter().any(|(known, _)| *known == name)
}

/// What the original shop's variables set: key, value and the variable that says so.
pub(super) fn settings(env: &[(String, String)]) -> Vec<(&'static str, String, String)> {
    let env: BTreeMap<&str, &str> =
        env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let get = |name: &str| env.get(name).copied().filter(|value| !value.is_empty());
    // Kubernetes sets REDIS_PORT=tcp://10.0.0.1:6379 where there is a service of that name.
    let port = |name: &str, usual: u16| {
        get(name).and_then(|text| text.rsplit(':').next()?.parse().ok()).unwrap_or(usual)
    };
    let mut found = vec![];
    for (name, key) in SETTINGS {
        found.extend(get(name).map(|value| (key, value.to_owned(), name.to_owned())));
    }
    if let Some(host) = get("POSTGRES_HOST") {
        let user = get("POSTGRES_USER").unwrap_or("postgres");
        let from_file = get("POSTGRES_PASSWORD_FILE")
            .and_then(|path| Some(std::fs::read_to_string(path).ok()?.trim().to_owned()));
        let password = from_file.or_else(|| get("POSTGRES_PASSWORD").map(str::to_owned));
        let login = match password {
            Some(password) => format!("{}:{}", escaped(user), escaped(&password)),
            None => escaped(user),
        };
        let database = escaped(get("POSTGRES_DB").unwrap_or(user));
        let port = port("POSTGRES_PORT", 5432);
        let url = format!("postgres://{login}@{host}:{port}/{database}");
        found.push(("postgres.url", url, "POSTGRES_HOST".into()));
    }
    if let Some(host) = get("REDIS_HOST") {
        let url = format!("redis://{host}:{}", port("REDIS_PORT", 6379));
        found.push(("redis.url", url, "REDIS_HOST".into()));
    }
    if let Some(host) = get("MAILHOG_HOST") {
        let url = format!("smtp://{host}:{}", port("MAILHOG_PORT", 1025));
        found.push(("smtp.url", url, "MAILHOG_HOST".into()));
    }
    found
}

/// Text as a part of a URL: everything but letters, digits and `-._~` as `%XX` (RFC 3986, 2.1).
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => escaped.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => escaped.push(byte.into()),
            byte => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(env: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let env: Vec<_> = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        settings(&env).into_iter().map(|(key, value, _)| (key, value)).collect()
    }

    #[test]
    fn the_original_env_file_means_what_it_meant() {
        let env = [
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka-broker-1:9092,kafka-broker-2:9092"),
            ("POSTGRES_USER", "postgres"),
            ("POSTGRES_PASSWORD", "p@ss/word"),
            ("POSTGRES_DB", "kafka_ecom"),
            ("POSTGRES_HOST", "postgres"),
            ("POSTGRES_PORT", "5432"),
            ("REDIS_HOST", "redis"),
            ("REDIS_PORT", "tcp://10.0.0.7:6380"),
            ("MAILHOG_HOST", "mailhog"),
            ("CART_SERVICE_PORT", "9001"),
        ];
        let mut found = of(&env);
        found.sort();
        let wanted = [
            ("kafka.bootstrap", "kafka-broker-1:9092,kafka-broker-2:9092"),
            ("ports.cart", "9001"),
            ("postgres.url", "postgres://postgres:p%40ss%2Fword@postgres:5432/kafka_ecom"),
            ("redis.url", "redis://redis:6380"),
            ("smtp.url", "smtp://mailhog:1025"),
        ];
        assert_eq!(found, wanted.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn parts_without_a_host_mean_nothing() {
        assert_eq!(of(&[("POSTGRES_USER", "me"), ("REDIS_PORT", "6379")]), []);
    }
}

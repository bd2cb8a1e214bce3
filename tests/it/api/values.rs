//! Values that fields of each kind must not have, as JSON.

/// What a field is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Id,
    Units,
    Price,
    /// A price that must be the catalogue's.
    Shown,
    Name,
    Text,
    Email,
    Phone,
}

impl Kind {
    /// JSON that it must not be.
    pub(super) fn wrong(self) -> Vec<String> {
        let all = match self {
            Self::Units => UNITS,
            Self::Price => PRICES,
            Self::Shown => SHOWN,
            Self::Id => IDS,
            Self::Name => NAMES,
            Self::Text => TEXTS,
            Self::Email => EMAILS,
            Self::Phone => PHONES,
        };
        let long = match self {
            Self::Id | Self::Name | Self::Text | Self::Phone => "x".repeat(10_240),
            Self::Email => format!("ann@{}.example", "x".repeat(10_240)),
            Self::Units | Self::Price | Self::Shown => return owned(all),
        };
        [owned(all), vec![format!("\"{long}\"")]].concat()
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

const UNITS: &[&str] = &[
    "0",
    "-1",
    "-0",
    "1.5",
    "1.0",
    "1e2",
    "1e400",
    "-1e400",
    "1000001",
    "4294967296",
    "4294967297",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "99999999999999999999999999",
    "\"1\"",
    "true",
    "[1]",
    "{}",
];
const PRICES: &[&str] = &[
    "-1",
    "-0.01",
    "-0",
    "1.001",
    "0.001",
    "1e2",
    "1e400",
    "100000000.01",
    "99999999999999999999",
    "\"5.00\"",
    "\"NaN\"",
    "\"Infinity\"",
    "null",
    "true",
    "[]",
];
const SHOWN: &[&str] =
    &["0", "4.99", "5.01", "500", "-5", "5.001", "5e0", "1e400", "\"5.00\"", "true", "{}"];
const IDS: &[&str] = &[
    r#""""#,
    r#"" ""#,
    r#""a b""#,
    r#""a/b""#,
    r#""../../etc/passwd""#,
    r#""..""#,
    r#"".""#,
    r#""a\u0000b""#,
    r#""a\nb""#,
    r#""%2F""#,
    "\"\u{1f6d2}\"",
    "\"\u{202e}P\"",
    "1",
    "null",
    "[]",
    "{}",
];
const NAMES: &[&str] = &[r#""""#, r#"" ""#, r#""a\u0000b""#, r#""a\u001bb""#, "1", "null", "[]"];
const TEXTS: &[&str] = &[r#""a\u0000b""#, r#""a\u001bb""#, "1", "null", "[]"];
const EMAILS: &[&str] = &[
    r#""""#,
    r#"" ""#,
    r#""ann""#,
    r#""@""#,
    r#""ann@""#,
    r#""@mail.example""#,
    r#""a@b@c""#,
    r#""a b@c""#,
    r#""a@b\r\nBcc: eve@mail.example""#,
    r#""a@b\u0000""#,
    "\"\u{e4}nn@mail.example\"",
    r#""Ann <ann@mail.example>""#,
    "1",
    "[]",
    "true",
];
const PHONES: &[&str] = &[
    r#""""#,
    r#""+""#,
    r#""123456""#,
    r#""+12345""#,
    r#""+1234567890123456""#,
    r#""+49 151 12345""#,
    r#""+49abc123""#,
    r#""+١٢٣٤٥٦٧""#,
    "4915112345678",
    "[]",
];

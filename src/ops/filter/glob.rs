//! Names with gaps.

use regex::bytes::{Regex, RegexBuilder};

/// A name in which `*` stands for anything and `?` for one character; everything else for itself.
#[derive(Debug, Clone)]
pub struct Glob(Regex);

impl Glob {
    /// Reads it; there is nothing that it cannot be, but too long.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pattern = String::from("^");
        for c in text.chars() {
            match c {
                '*' => pattern.push_str("(?s-u:.*)"),
                '?' => pattern.push_str("(?s:.)"),
                c => pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        pattern.push('$');
        RegexBuilder::new(&pattern).build().map(Self).map_err(|_| format!("{text:?} is too long"))
    }

    /// Whether it stands for this.
    pub fn takes(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled() {
        let cases: [(&str, &[u8], bool); 12] = [
            ("ORD-*", b"ORD-1", true),
            ("ORD-*", b"ORD-", true),
            ("ORD-*", b"XORD-1", false),
            ("*", b"\xff\n", true),
            ("*-1", b"ORD-1", true),
            ("*-1", b"ORD-12", false),
            ("o?d", b"old", true),
            ("o?d", "o\u{fc}d".as_bytes(), true),
            ("o?d", b"od", false),
            ("a.c", b"abc", false),
            ("a.c", b"a.c", true),
            ("", b"", true),
        ];
        for (glob, text, taken) in cases {
            assert_eq!(Glob::parse(glob).unwrap().takes(text), taken, "{glob} {text:?}");
        }
    }
}

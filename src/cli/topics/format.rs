//! How `ecom topics tail` prints a record: a line of one's own, as kcat's `-f`.

use crate::ops::blob::Blob;
use crate::ops::topics::RecordView;

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    Of(What),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Topic,
    Partition,
    Offset,
    Key,
    KeyBytes,
    Value,
    ValueBytes,
    Headers,
    Millis,
}

/// A line for each record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineFormat(Vec<Piece>);

impl std::str::FromStr for LineFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = vec![];
        let mut plain: Vec<u8> = vec![];
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            let wrong = |what: &str| format!("column {}: {what}", text[..at].chars().count() + 1);
            match c {
                '%' => {
                    match chars.next().map(|(_, c)| c) {
                        Some('%') => plain.push(b'%'),
                        Some(c) => {
                            let what = placeholder(c).ok_or_else(|| {
                            wrong(&format!("%{c} means nothing; there are %t %p %o %k %v %h %T %s %S %K and %%"))
                        })?;
                            if !plain.is_empty() {
                                pieces.push(Piece::Bytes(std::mem::take(&mut plain)));
                            }
                            pieces.push(Piece::Of(what));
                        }
                        None => return Err(wrong("a % at the end; write %% for one")),
                    }
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => plain.push(b'\n'),
                    Some('t') => plain.push(b'\t'),
                    Some('r') => plain.push(b'\r'),
                    Some('0') => plain.push(0),
                    Some('\\') => plain.push(b'\\'),
                    _ => return Err(wrong("after \\ comes one of n, t, r, 0 and \\")),
                },
                c => plain.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Bytes(plain));
        }
        Ok(Self(pieces))
    }
}

fn placeholder(c: char) -> Option<What> {
    Some(match c {
        't' => What::Topic,
        'p' => What::Partition,
        'o' => What::Offset,
        'k' => What::Key,
        'K' => What::KeyBytes,
        'v' | 's' => What::Value,
        'S' => What::ValueBytes,
        'h' => What::Headers,
        'T' => What::Millis,
        _ => return None,
    })
}

impl LineFormat {
    /// Appends the record's line; bytes are what they are.
    pub(super) fn print(&self, record: &RecordView, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Bytes(bytes) => out.extend(bytes),
                Piece::Of(what) => what.print(record, out),
            }
        }
    }
}

impl What {
    fn print(self, record: &RecordView, out: &mut Vec<u8>) {
        let size = |blob: &Option<Blob>| {
            blob.as_ref()
                .and_then(Blob::bytes)
                .map_or_else(|| "-1".to_owned(), |b| b.len().to_string())
        };
        match self {
            Self::Topic => out.extend(record.topic.as_bytes()),
            Self::Partition => out.extend(record.partition.to_string().as_bytes()),
            Self::Offset => out.extend(record.offset.to_string().as_bytes()),
            Self::Millis => out.extend(record.timestamp.millis().to_string().as_bytes()),
            Self::Key => put(record.key.as_ref(), out),
            Self::Value => put(record.value.as_ref(), out),
            Self::KeyBytes => out.extend(size(&record.key).as_bytes()),
            Self::ValueBytes => out.extend(size(&record.value).as_bytes()),
            Self::Headers => {
                for (n, header) in record.headers.iter().enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    out.extend(header.name.as_bytes());
                    out.push(b'=');
                    put(Some(&header.value), out);
                }
            }
        }
    }
}

fn put(blob: Option<&Blob>, out: &mut Vec<u8>) {
    match blob {
        None => {}
        Some(Blob::Text(text)) => out.extend(text.as_bytes()),
        Some(blob) => out.extend(blob.bytes().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::topics::HeaderView;

    fn record(key: Option<&[u8]>, value: Option<&[u8]>) -> RecordView {
        let header =
            |name: &str, value: &[u8]| HeaderView { name: name.into(), value: Blob::of(value) };
        RecordView {
            topic: "orders".into(),
            partition: 2,
            offset: 41,
            timestamp: crate::domain::Timestamp::from_millis(1_769_860_800_123),
            key: key.map(Blob::of),
            headers: vec![header("a", b"1"), header("b", b"\xff")],
            value: value.map(Blob::of),
        }
    }

    #[test]
    fn a_line_has_what_its_format_names() {
        let cases: [(&str, &[u8]); 7] = [
            ("%t %p %o", b"orders 2 41"),
            ("%k=%v\\n", b"K={}\n"),
            ("%s", b"{}"),
            ("%T %S %K", b"1769860800123 2 1"),
            ("%h", b"a=1,b=\xff"),
            ("100%%\\t\\\\\\0\\r", b"100%\t\\\0\r"),
            ("", b""),
        ];
        for (format, line) in cases {
            let mut out = vec![];
            format.parse::<LineFormat>().unwrap().print(&record(Some(b"K"), Some(b"{}")), &mut out);
            assert_eq!(out, line, "{format}");
        }
        let mut out = vec![];
        let format: LineFormat = "[%k][%v] %K %S".parse().unwrap();
        format.print(&record(None, Some(b"\xff\0")), &mut out);
        assert_eq!(out, b"[][\xff\0] -1 2");
    }

    #[test]
    fn what_means_nothing_is_said_with_its_place() {
        for (format, says) in [
            ("ab%x", "column 3: %x means nothing"),
            ("%", "column 1: a % at the end"),
            ("\u{fc}\\q", "column 2: after \\ comes"),
        ] {
            let wrong = format.parse::<LineFormat>().unwrap_err();
            assert!(wrong.starts_with(says), "{wrong}");
        }
    }
}

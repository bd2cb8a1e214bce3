//! How many records are read at a time: few at first, then as many as a number of bytes holds.

use std::sync::Arc;

use crate::ports::bus::Record;

/// Records of a page at first and at most.
const PAGE: (usize, usize) = (16, 4_096);

/// The size of pages.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    bytes: usize,
    size: usize,
}

impl Pages {
    /// Pages of about so many bytes.
    pub(super) const fn of(bytes: usize) -> Self {
        Self { bytes, size: PAGE.0 }
    }

    /// Records of the next page.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Takes up how large the records of a page are.
    pub(super) fn learn(&mut self, page: &[Arc<Record>]) {
        let bytes: usize = page.iter().map(|record| bytes_of(record)).sum();
        let fits = (page.len() * self.bytes / bytes.max(1)).clamp(PAGE.0, PAGE.1);
        self.size = fits.min(self.size * 4);
    }
}

/// About the memory of a record.
pub(super) fn bytes_of(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let len = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    64 + headers + len(&record.key) + len(&record.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::bus::Position;

    #[test]
    fn pages_grow_until_they_are_full() {
        let record = |bytes: usize| {
            let at = Position { topic: "t".into(), partition: 0, offset: 0 };
            let value = Some(vec![0; bytes - 64].into());
            let timestamp = crate::domain::Timestamp::default();
            Arc::new(Record { at, timestamp, key: None, headers: vec![], value })
        };
        let mut pages = Pages::of(1 << 20);
        let mut sizes = vec![];
        for _ in 0..4 {
            pages.learn(&vec![record(1_024); pages.size()]);
            sizes.push(pages.size());
        }
        assert_eq!(sizes, [64, 256, 1_024, 1_024]);
        pages.learn(&[record(1 << 20)]);
        assert_eq!(pages.size(), 16, "large records, small pages");
    }
}

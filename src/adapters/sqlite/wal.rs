//! Looks at a write-ahead log before SQLite opens it, to say what SQLite is silent about: whether
//! the last run ended in the middle of a write. SQLite itself does the repair, by ignoring all after
//! the last whole transaction. The format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::io::{self, Read};
use std::path::Path;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// What was found behind the last whole transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Bytes of whole transactions, the header included.
    pub(crate) whole: u64,
    /// Bytes of a transaction that never ended; they are ignored from now on.
    pub(crate) torn: u64,
}

/// Examines the log at `path`. A log that is missing or empty is whole.
pub(crate) fn examine(path: &Path) -> io::Result<Tail> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Tail { whole: 0, torn: 0 }),
        Err(e) => return Err(e),
    };
    let size = file.metadata()?.len();
    examine_bytes(io::BufReader::with_capacity(1 << 20, file), size)
}

fn examine_bytes(mut reader: impl Read, size: u64) -> io::Result<Tail> {
    let mut header = [0; HEADER_BYTES];
    let got = read_full(&mut reader, &mut header)?;
    if got < HEADER_BYTES {
        return Ok(Tail { whole: 0, torn: got as u64 });
    }
    let Some(mut scan) = Scan::start(&header) else {
        return Ok(Tail { whole: 0, torn: size });
    };
    let mut frame = vec![0; FRAME_HEADER_BYTES + scan.page_bytes];
    let mut end = HEADER_BYTES as u64;
    let mut whole = end;
    let torn_to = loop {
        let got = read_full(&mut reader, &mut frame)?;
        if got == 0 {
            break end;
        }
        if got < frame.len() {
            break if scan.may_be_ours(&frame[..got]) { end + got as u64 } else { end };
        }
        if !scan.accept(&frame) {
            // Frames of an earlier generation are normal here; a broken one of this generation is not.
            break if scan.may_be_ours(&frame) { end + frame.len() as u64 } else { end };
        }
        end += frame.len() as u64;
        if be32(&frame[4..]) != 0 {
            whole = end;
        }
    };
    Ok(Tail { whole, torn: torn_to - whole })
}

struct Scan {
    page_bytes: usize,
    salts: [u8; 8],
    big_endian: bool,
    sums: (u32, u32),
}

impl Scan {
    fn start(header: &[u8; HEADER_BYTES]) -> Option<Self> {
        let magic = be32(header);
        let page_bytes = be32(&header[8..]) as usize;
        let known = magic & 0xffff_fffe == 0x377f_0682;
        if !known || !page_bytes.is_power_of_two() || !(512..=65536).contains(&page_bytes) {
            return None;
        }
        let mut salts = [0; 8];
        salts.copy_from_slice(&header[16..24]);
        let mut scan = Self { page_bytes, salts, big_endian: magic & 1 == 1, sums: (0, 0) };
        scan.sums = scan.checksum((0, 0), &header[..24]);
        (scan.sums == (be32(&header[24..]), be32(&header[28..]))).then_some(scan)
    }

    /// Whether `frame` continues this generation, undamaged.
    fn accept(&mut self, frame: &[u8]) -> bool {
        if frame[8..16] != self.salts {
            return false;
        }
        let sums = self.checksum(self.sums, &frame[..8]);
        let sums = self.checksum(sums, &frame[FRAME_HEADER_BYTES..]);
        let good = sums == (be32(&frame[16..]), be32(&frame[20..]));
        if good {
            self.sums = sums;
        }
        good
    }

    /// Whether the bytes could be the beginning of a frame of this generation.
    fn may_be_ours(&self, bytes: &[u8]) -> bool {
        let salts = bytes.get(8..).unwrap_or_default();
        let n = salts.len().min(8);
        salts[..n] == self.salts[..n]
    }

    fn checksum(&self, mut sums: (u32, u32), data: &[u8]) -> (u32, u32) {
        let word = |b: &[u8]| {
            let bytes = [b[0], b[1], b[2], b[3]];
            if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        for pair in data.chunks_exact(8) {
            sums.0 = sums.0.wrapping_add(word(pair)).wrapping_add(sums.1);
            sums.1 = sums.1.wrapping_add(word(&pair[4..])).wrapping_add(sums.0);
        }
        sums
    }
}

fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match reader.read(&mut buffer[got..])? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three transactions in a log that is still open, as a crash would leave it.
    fn log_bytes(dir: &Path) -> Vec<u8> {
        let path = dir.join("t.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch("pragma journal_mode=wal; create table t(x);").unwrap();
        for n in 0..3 {
            db.execute("insert into t values (?1)", [n]).unwrap();
        }
        std::fs::read(dir.join("t.db-wal")).unwrap()
    }

    #[test]
    fn a_log_cut_anywhere_is_torn_unless_cut_between_transactions() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = log_bytes(dir.path());
        let mut whole_at = vec![];
        for len in 0..=bytes.len() {
            let tail = examine_bytes(&bytes[..len], len as u64).unwrap();
            assert_eq!(tail.whole + tail.torn, len as u64, "cut at {len}");
            if tail.torn == 0 {
                whole_at.push(len);
            }
        }
        assert_eq!(
            whole_at.len(),
            6,
            "empty, the header, and each of four transactions: {whole_at:?}"
        );
    }

    #[test]
    fn a_flipped_bit_is_noticed_and_old_generations_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = log_bytes(dir.path());
        let cut = dir.path().join("cut-wal");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&cut, &bytes).unwrap();
        assert!(examine(&cut).unwrap().torn > 0);
        bytes[last] ^= 1;
        let frame = 24 + 4096;
        let mut stale = bytes[bytes.len() - frame..].to_vec();
        stale[8] ^= 0xff;
        bytes.extend(stale);
        std::fs::write(&cut, &bytes).unwrap();
        assert_eq!(examine(&cut).unwrap().torn, 0, "a frame with other salts is left from before");
    }
}

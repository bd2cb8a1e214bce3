//! Headers of a record in one column: for each, the lengths and bytes of its name and its value.

use bytes::{BufMut, Bytes, BytesMut};

use crate::ports::bus::RecordHeader;

pub(super) fn encode(headers: &[RecordHeader]) -> Bytes {
    let size = headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum();
    let mut out = BytesMut::with_capacity(size);
    for (name, value) in headers {
        out.put_u32(name.len() as u32);
        out.put_slice(name.as_bytes());
        out.put_u32(value.len() as u32);
        out.put_slice(value);
    }
    out.freeze()
}

/// None if the bytes were not written by [`encode`].
pub(super) fn decode(mut bytes: Bytes) -> Option<Vec<RecordHeader>> {
    let mut headers = vec![];
    while !bytes.is_empty() {
        let name = take(&mut bytes)?;
        let value = take(&mut bytes)?;
        headers.push((String::from_utf8(name.to_vec()).ok()?, value));
    }
    Some(headers)
}

fn take(bytes: &mut Bytes) -> Option<Bytes> {
    let length = bytes.get(..4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
    if bytes.len() < 4 + length {
        return None;
    }
    let _ = bytes.split_to(4);
    Some(bytes.split_to(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_round_trip(raw in proptest::collection::vec((".{0,12}", proptest::collection::vec(any::<u8>(), 0..40)), 0..6)) {
            let headers: Vec<RecordHeader> = raw.into_iter().map(|(n, v)| (n, v.into())).collect();
            prop_assert_eq!(decode(encode(&headers)), Some(headers));
        }

        #[test]
        fn foreign_bytes_are_refused_not_trusted(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(headers) = decode(bytes.clone().into()) {
                prop_assert_eq!(encode(&headers).to_vec(), bytes);
            }
        }
    }
}

//! Values, which come back as they were.

use bytes::Bytes;
use ecom::domain::Timestamp;
use ecom::ports::store::{Row, query, values};

use super::{KEEP, KEPT, Rig, one};

pub(super) async fn every_value_comes_back_as_it_was(rig: Rig) {
    let numbers = [0, 1, -1, i64::from(i32::MAX) + 1, i64::MAX, i64::MIN];
    let long = "lang ".repeat(20_000);
    let words = [
        "",
        " ",
        "Ärger",
        "🛒🧾 e\u{301}",
        "it's \"quoted\"; -- ?1 $1 \\ %_",
        "a\r\nb\tc",
        "null",
        &long,
    ];
    let every: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let data = [Bytes::new(), Bytes::from_static(&[0]), every, vec![0xfe; 1 << 20].into()];
    let times = [0, 1, 1_767_225_600_123, 951_782_399_999, 253_402_207_200_999, -1]
        .map(Timestamp::from_millis);
    let rounds = words.len() + 1;
    for n in 0..rounds {
        // Past its end each list gives nulls.
        let row = Row(vec![
            numbers.get(n).copied().into(),
            words.get(n).copied().into(),
            data.get(n).cloned().into(),
        ]);
        let time = times.get(n).copied();
        let mut params = values![n as i64];
        params.extend(row.0.clone());
        params.push(time.into());
        rig.write(one(KEEP, params)).await.unwrap();
        let kept = query(rig.store.as_ref(), KEPT, values![n as i64]).await.unwrap();
        assert_eq!(kept[0].time_opt(3).unwrap(), time);
        assert_eq!(kept[0].0[..3], row.0, "row {n}");
    }
}

//! Between the store port's values and PostgreSQL's binary format. What a parameter is, its place in
//! the statement says: a text may be a `text`, a `uuid` or a `jsonb`.

use bytes::Bytes;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo, PgValueRef, Postgres};
use sqlx::{Arguments, Column, Row as _, Type, TypeInfo as _, ValueRef};

use crate::domain::Timestamp;
use crate::ports::store::{Row, StoreError, Value};

/// 2000-01-01, from which PostgreSQL counts, in µs since 1970.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The types that the shop's tables are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Text,
    Bytes,
    Time,
    Json,
    Uuid,
}

/// Kind, its object id, the id of its array, and its name in SQL. Source: `pg_type.dat`.
const KINDS: [(Kind, u32, u32, &str); 9] = [
    (Kind::Bool, 16, 1000, "bool"),
    (Kind::Int2, 21, 1005, "int2"),
    (Kind::Int4, 23, 1007, "int4"),
    (Kind::Int8, 20, 1016, "int8"),
    (Kind::Text, 25, 1009, "text"),
    (Kind::Bytes, 17, 1001, "bytea"),
    (Kind::Time, 1184, 1185, "timestamptz"),
    (Kind::Json, 3802, 3807, "jsonb"),
    (Kind::Uuid, 2950, 2951, "uuid"),
];
/// `varchar` and `char(n)`, which are text too.
const TEXTS: [u32; 2] = [1043, 1042];

impl Kind {
    /// The kind of a type, if it is one that the shop's tables are made of.
    pub(super) fn of(info: &PgTypeInfo) -> Option<Self> {
        let oid = info.oid()?.0;
        if TEXTS.contains(&oid) {
            return Some(Self::Text);
        }
        KINDS.iter().find(|(_, known, ..)| *known == oid).map(|(kind, ..)| *kind)
    }

    const fn row(self) -> (Self, u32, u32, &'static str) {
        KINDS[self as usize]
    }

    /// Its name in SQL.
    pub(super) const fn name(self) -> &'static str {
        self.row().3
    }

    fn write(self, value: &Value, buf: &mut Vec<u8>) -> Result<(), BoxDynError> {
        match (self, value) {
            (Self::Bool, Value::Int(n)) => buf.push(u8::from(*n != 0)),
            (Self::Int2, Value::Int(n)) => buf.extend(i16::try_from(*n)?.to_be_bytes()),
            (Self::Int4, Value::Int(n)) => buf.extend(i32::try_from(*n)?.to_be_bytes()),
            (Self::Int8, Value::Int(n)) => buf.extend(n.to_be_bytes()),
            (Self::Text, Value::Text(text)) => buf.extend(text.as_bytes()),
            (Self::Bytes, Value::Bytes(bytes)) => buf.extend(bytes),
            (Self::Time, Value::Time(time)) => {
                buf.extend((time.millis() * 1_000 - EPOCH_MICROS).to_be_bytes());
            }
            (Self::Json, Value::Text(text)) => {
                buf.push(1); // the format's version
                buf.extend(text.as_bytes());
            }
            (Self::Uuid, Value::Text(text)) => buf.extend(uuid::Uuid::parse_str(text)?.as_bytes()),
            (kind, value) => return Err(format!("{value:?} is no {}", kind.name()).into()),
        }
        Ok(())
    }

    fn read(self, bytes: &[u8]) -> Result<Value, BoxDynError> {
        let text = |bytes: &[u8]| Ok::<_, BoxDynError>(std::str::from_utf8(bytes)?.to_owned());
        Ok(match self {
            Self::Bool => Value::Int(i64::from(bytes.first() == Some(&1))),
            Self::Int2 => Value::Int(i16::from_be_bytes(bytes.try_into()?).into()),
            Self::Int4 => Value::Int(i32::from_be_bytes(bytes.try_into()?).into()),
            Self::Int8 => Value::Int(i64::from_be_bytes(bytes.try_into()?)),
            Self::Text => Value::Text(text(bytes)?),
            Self::Bytes => Value::Bytes(Bytes::copy_from_slice(bytes)),
            Self::Time => {
                let micros = i64::from_be_bytes(bytes.try_into()?) + EPOCH_MICROS;
                Value::Time(Timestamp::from_millis(micros.div_euclid(1_000)))
            }
            Self::Json => Value::Text(text(bytes.get(1..).unwrap_or_default())?),
            Self::Uuid => Value::Text(uuid::Uuid::from_slice(bytes)?.to_string()),
        })
    }
}

/// One parameter: a value, or one of each row.
struct Cell<'a> {
    kind: Kind,
    values: Values<'a>,
}

enum Values<'a> {
    One(&'a Value),
    /// This column of all rows.
    Column(&'a [Vec<Value>], usize),
}

impl Type<Postgres> for Cell<'_> {
    fn type_info() -> PgTypeInfo {
        <String as Type<Postgres>>::type_info() // never asked: each cell produces its own
    }
}

impl Encode<'_, Postgres> for Cell<'_> {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let (_, oid, ..) = self.kind.row();
        match self.values {
            Values::One(Value::Null) => return Ok(IsNull::Yes),
            Values::One(value) => self.kind.write(value, buf)?,
            Values::Column(rows, at) => {
                // One dimension, nulls allowed, from 1 on. Source: `array_recv`.
                buf.extend(1_i32.to_be_bytes());
                buf.extend(1_i32.to_be_bytes());
                buf.extend(oid.to_be_bytes());
                buf.extend(i32::try_from(rows.len())?.to_be_bytes());
                buf.extend(1_i32.to_be_bytes());
                for row in rows {
                    self.write_element(&row[at], buf)?;
                }
            }
        }
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        let (_, oid, array, _) = self.kind.row();
        let oid = if matches!(self.values, Values::One(_)) { oid } else { array };
        Some(PgTypeInfo::with_oid(Oid(oid)))
    }
}

impl Cell<'_> {
    fn write_element(&self, value: &Value, buf: &mut Vec<u8>) -> Result<(), BoxDynError> {
        if *value == Value::Null {
            buf.extend((-1_i32).to_be_bytes());
            return Ok(());
        }
        let at = buf.len();
        buf.extend([0; 4]);
        self.kind.write(value, buf)?;
        let length = i32::try_from(buf.len() - at - 4)?;
        buf[at..at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// One row of parameters of these kinds.
pub(super) fn single(kinds: &[Kind], row: &[Value]) -> Result<PgArguments, StoreError> {
    arguments(kinds.iter().zip(row).map(|(kind, value)| (*kind, Values::One(value))))
}

/// All rows of parameters of one statement after the other, as one array per parameter.
pub(super) fn columns<'a>(
    statements: impl IntoIterator<Item = (&'a [Kind], &'a [Vec<Value>])>,
) -> Result<PgArguments, StoreError> {
    let columns = |(kinds, rows): (&'a [Kind], &'a [Vec<Value>])| {
        kinds.iter().enumerate().map(move |(at, kind)| (*kind, Values::Column(rows, at)))
    };
    arguments(statements.into_iter().flat_map(columns))
}

fn arguments<'a>(
    cells: impl Iterator<Item = (Kind, Values<'a>)>,
) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    for (kind, values) in cells {
        let cell = Cell { kind, values };
        arguments.add(cell).map_err(|e| StoreError::Broken(format!("parameter: {e}")))?;
    }
    Ok(arguments)
}

/// The first `columns` columns of a row.
pub(super) fn row(row: &PgRow, columns: usize) -> Result<Row, StoreError> {
    let cell = |at: usize| {
        let column = row.column(at);
        let wrong = |e: String| StoreError::Broken(format!("column {}: {e}", column.name()));
        let raw = row.try_get_raw(at).map_err(|e| wrong(e.to_string()))?;
        if raw.is_null() {
            return Ok(Value::Null);
        }
        let kind = Kind::of(column.type_info());
        let unknown = || wrong(format!("type {} is none of the shop's", column.type_info().name()));
        read(kind.ok_or_else(unknown)?, &raw).map_err(|e| wrong(e.to_string()))
    };
    Ok(Row((0..columns).map(cell).collect::<Result<_, _>>()?))
}

fn read(kind: Kind, raw: &PgValueRef<'_>) -> Result<Value, BoxDynError> {
    kind.read(raw.as_bytes()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_finds_its_own_row() {
        for (n, (kind, ..)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, n);
        }
    }

    #[test]
    fn values_come_back_as_they_were() {
        let id = "0199c0de-0000-7000-8000-000000000001";
        let all = [
            (Kind::Bool, Value::Int(1)),
            (Kind::Int8, Value::Int(-5)),
            (Kind::Text, Value::Text("Ä".into())),
            (Kind::Time, Value::Time(Timestamp::from_millis(-1))),
            (Kind::Json, Value::Text("[1]".into())),
            (Kind::Uuid, Value::Text(id.into())),
        ];
        for (kind, value) in all {
            let mut bytes = vec![];
            kind.write(&value, &mut bytes).unwrap();
            assert_eq!(kind.read(&bytes).unwrap(), value);
        }
        assert!(Kind::Int8.write(&Value::Text("5".into()), &mut vec![]).is_err());
        assert!(Kind::Uuid.write(&Value::Text("no id".into()), &mut vec![]).is_err());
    }
}

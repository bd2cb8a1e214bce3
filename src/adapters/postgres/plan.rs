//! What the server says of a statement, asked once per process.

use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Either, Executor as _, PgConnection, Statement as _, TypeInfo as _};

use super::cells::{self, Kind};
use super::errors::Trouble;
use super::translate::{self, Answer, Many};
use crate::ports::Value;
use crate::ports::store::{Row, StoreError};

/// What is known of a statement once the server has seen it.
pub(super) struct Plan {
    pub(super) single: Arc<str>,
    pub(super) many: Option<(Arc<str>, Answer)>,
    pub(super) kinds: Vec<Kind>,
    pub(super) columns: usize,
}

impl Plan {
    pub(super) fn check(&self, sql: &str, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        match rows.iter().find(|row| row.len() != self.kinds.len()) {
            None => Ok(()),
            Some(row) => {
                let (wanted, given) = (self.kinds.len(), row.len());
                Err(StoreError::Broken(format!("{wanted} parameters wanted, {given} given: {sql}")))
            }
        }
    }

    pub(super) fn rows(&self, rows: &[PgRow]) -> Result<Vec<Row>, Trouble> {
        rows.iter().map(|row| cells::row(row, self.columns).map_err(Trouble::Told)).collect()
    }
}

/// Asks the server what a statement's parameters and columns are.
pub(super) async fn learn(
    connection: &mut PgConnection,
    sql: &'static str,
) -> Result<Plan, Trouble> {
    let text = translate::translate(sql);
    let single: Arc<str> = text.single.into();
    let statement = connection
        .prepare(sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(Arc::clone(&single))))
        .await?;
    let parameters = match statement.parameters() {
        Some(Either::Left(parameters)) => parameters,
        _ => &[],
    };
    let kind = |info: &sqlx::postgres::PgTypeInfo| {
        let unknown = || format!("parameter of type {} is none of the shop's: {sql}", info.name());
        Kind::of(info).ok_or_else(|| StoreError::Broken(unknown()))
    };
    let kinds = parameters.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let many = text.many.map(|many: Many| (Arc::from(many.text(&names)), many.answer));
    Ok(Plan { single, many, kinds, columns: statement.columns().len() })
}

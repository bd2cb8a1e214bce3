//! What the server says of a statement, asked once per process.

use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Either, Executor as _, PgConnection, Statement as _, TypeInfo as _};

use super::Numbered;
use super::cells::{self, Kind};
use super::errors::Trouble;
use super::translate::{self, Answer, Many};
use crate::ports::Value;
use crate::ports::store::{Row, StoreError};

/// What is known of a statement once the server has seen it.
pub(super) struct Plan {
    pub(super) single: Arc<str>,
    /// For many rows, if it is a query.
    pub(super) rows: Option<Arc<str>>,
    /// For many rows, if it is a write.
    pub(super) write: Option<Many>,
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

    /// The types of the arrays that its form for many rows takes.
    pub(super) fn types(&self) -> Vec<&'static str> {
        self.kinds.iter().map(|kind| kind.name()).collect()
    }

    pub(super) fn answer(&self, rows: &[PgRow], numbered: Numbered) -> Result<Vec<Row>, Trouble> {
        let row = |row: &PgRow| match numbered {
            Numbered::No => cells::row(row, self.columns),
            Numbered::Yes => {
                let mut row = cells::row(row, self.columns + 2)?;
                row.0.remove(self.columns);
                Ok(row)
            }
        };
        rows.iter().map(|one| row(one).map_err(Trouble::Told)).collect()
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
    let columns = statement.columns().len();
    let mut plan = Plan { single, rows: None, write: None, kinds, columns };
    match text.many {
        Some(many) if many.answer == Answer::Rows => {
            plan.rows = Some(many.text(&plan.types(), 1).into());
        }
        many => plan.write = many,
    }
    Ok(plan)
}

//! Reading: one query by itself, many as one snapshot.

use sqlx::{Connection as _, PgConnection};

use super::errors::Trouble;
use super::{PostgresStore, cells, run};
use crate::ports::clock::timeout;
use crate::ports::store::{Read, Row, StoreError};

/// Whether rows come with the number of the run that found them, behind the last column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbered {
    No,
    Yes,
}

impl PostgresStore {
    /// The rows of each, on one snapshot; on another connection if one is lost.
    pub(super) async fn read_again(
        &self,
        reads: &[Read],
        numbered: Numbered,
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        for _ in 0..self.tries() {
            let mut connection = self.pool.acquire().await.map_err(Trouble::from)?;
            let work = self.read_on(&mut connection, reads, numbered);
            let done = timeout(self.clock.as_ref(), self.patience(), work).await;
            match self.finish(connection, done) {
                Err(Trouble::Lost(_) | Trouble::Useless(_) | Trouble::InTheWay(_)) => {}
                done => return Ok(done?),
            }
        }
        Err(StoreError::Unavailable("the server closes every connection".into()))
    }

    async fn read_on(
        &self,
        connection: &mut PgConnection,
        reads: &[Read],
        numbered: Numbered,
    ) -> Result<Vec<Vec<Row>>, Trouble> {
        let Some((last, before)) = reads.split_last() else { return Ok(vec![]) };
        if before.is_empty() {
            return Ok(vec![self.rows_of(connection, last, numbered).await?]);
        }
        let begin = "begin isolation level repeatable read, read only";
        let mut tx = connection.begin_with(begin).await?;
        let mut results = vec![];
        for read in reads {
            results.push(self.rows_of(&mut tx, read, numbered).await?);
        }
        tx.commit().await?;
        Ok(results)
    }

    async fn rows_of(
        &self,
        connection: &mut PgConnection,
        read: &Read,
        numbered: Numbered,
    ) -> Result<Vec<Row>, Trouble> {
        if read.rows.is_empty() {
            return Ok(vec![]);
        }
        let plan = self.plan(connection, read.sql).await?;
        plan.check(read.sql, &read.rows)?;
        if let (Some(text), true) = (&plan.rows, read.rows.len() > 1) {
            let arguments = cells::columns([(&plan.kinds[..], &read.rows[..])])?;
            let rows = run(text, arguments).fetch_all(connection).await?;
            return plan.answer(&rows, numbered);
        }
        if numbered == Numbered::Yes {
            return Err(StoreError::Broken("its runs cannot be told apart".into()).into());
        }
        let mut all = vec![];
        for row in &read.rows {
            let arguments = cells::single(&plan.kinds, row)?;
            let rows = run(&plan.single, arguments).fetch_all(&mut *connection).await?;
            all.extend(plan.answer(&rows, Numbered::No)?);
        }
        Ok(all)
    }
}

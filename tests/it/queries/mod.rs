//! Questions to the shop's tables: what each of the library answers after a day at the shop, that both stores
//! answer the same, and that none can change anything.

mod both;
mod day;
mod hostile;
mod meaning;

use std::collections::BTreeMap;

use ecom::domain::Timestamp;
use ecom::ops::OpsError;
use ecom::ops::queries::{self, Asked, QueryRequest, QueryView};
use ecom::ports::Store;

fn request(ask: Asked, set: &[(&str, &str)]) -> QueryRequest {
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    QueryRequest { ask, set: set.collect(), limit: 1_000, timeout_ms: 20_000 }
}

/// What `store` says to this SQL.
async fn sql(store: &dyn Store, text: &str) -> Result<QueryView, OpsError> {
    let asked = request(Asked::Sql(text.to_owned()), &[]);
    queries::ask(store, Timestamp::from_millis(0), &asked).await
}

/// Answers by the names of their questions.
type Answers = BTreeMap<&'static str, QueryView>;

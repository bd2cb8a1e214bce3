//! HTTP of the inventory service.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Inventory;
use super::model::Product;
use crate::domain::{Money, ProductId};
use crate::http::{PathId, Problem, Query};

/// Products in one page at most.
const PAGE_MAX: u32 = 500;
/// Products in one page unless asked otherwise.
const PAGE_DEFAULT: u32 = 100;

/// The routes of the inventory service.
pub fn routes(inventory: Arc<Inventory>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_products))
        .routes(routes!(get_product))
        .with_state(inventory)
}

#[derive(Serialize, ToSchema)]
struct ProductBody {
    product_id: ProductId,
    name: String,
    description: String,
    price: Money,
    /// Units that are there, those held for others included.
    stock: i64,
    /// Whether it can be bought.
    listed: bool,
}

impl From<Product> for ProductBody {
    fn from(p: Product) -> Self {
        let Product { product_id, name, description, price, stock, listed, .. } = p;
        Self { product_id, name, description, price, stock, listed }
    }
}

#[derive(Deserialize, IntoParams)]
struct PageQuery {
    /// Products per page, 1 to 500; 100 without.
    limit: Option<u32>,
    /// Where the page begins: from the `Link` header of the page before.
    cursor: Option<String>,
}

/// Products on sale, by id. The header `Link` names the next page, if there is one.
#[utoipa::path(get, path = "/products", tag = "inventory", params(PageQuery),
    responses((status = 200, body = Vec<ProductBody>)))]
async fn list_products(
    State(inventory): State<Arc<Inventory>>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Problem> {
    let limit = page.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        let detail = format!("must be between 1 and {PAGE_MAX}");
        return Err(Problem::field(StatusCode::BAD_REQUEST, "limit", detail));
    }
    let cursor = page.cursor.unwrap_or_default();
    if !cursor.is_empty() && cursor.parse::<ProductId>().is_err() {
        return Err(Problem::field(StatusCode::BAD_REQUEST, "cursor", "is not from a Link header"));
    }
    let mut products = inventory.listed(&cursor, limit + 1).await?;
    let more = products.len() > limit as usize;
    products.truncate(limit as usize);
    let next = products
        .last()
        .filter(|_| more)
        .map(|last| format!("</products?limit={limit}&cursor={}>; rel=\"next\"", last.product_id));
    let bodies: Vec<ProductBody> = products.into_iter().map(Into::into).collect();
    Ok(match next {
        Some(link) => ([(header::LINK, link)], Json(bodies)).into_response(),
        None => Json(bodies).into_response(),
    })
}

/// One product.
#[utoipa::path(get, path = "/products/{product_id}", tag = "inventory", params(("product_id" = ProductId, Path)),
    responses((status = 200, body = ProductBody), (status = 404, body = Problem)))]
async fn get_product(
    State(inventory): State<Arc<Inventory>>,
    PathId(id): PathId<ProductId>,
) -> Result<Json<ProductBody>, Problem> {
    let found = inventory.product(&id).await?.filter(|p| p.catalog_version > 0);
    Ok(Json(found.ok_or_else(|| Problem::not_found(format!("product {id}")))?.into()))
}

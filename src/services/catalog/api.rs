//! HTTP of the catalogue: what sellers do. Behind the gateway only.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::model::Offer;
use super::{Catalog, CatalogError, NewProduct};
use crate::domain::{Money, ProductId, Quantity};
use crate::http::{Body, IdempotencyKey, PathId, Problem, answer};
use crate::services::UnitOfWork;
use crate::services::idempotency::{Answer, Begun, IdempotencyKeys};

#[derive(Clone)]
struct Api {
    catalog: Arc<Catalog>,
    keys: Arc<IdempotencyKeys>,
}

/// The routes of the catalogue.
pub fn routes(catalog: Arc<Catalog>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(reprice, delist))
        .routes(routes!(restock))
        .with_state(Api { catalog, keys: Arc::default() })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProductBody {
    product_id: ProductId,
    name: String,
    #[serde(default)]
    description: String,
    price: Money,
    /// Units to begin with.
    stock: Option<Quantity>,
    /// Who sells it.
    #[serde(default)]
    seller_id: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPrice {
    price: Money,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Delivery {
    quantity: Quantity,
}

#[derive(Serialize, ToSchema)]
struct OfferBody {
    product_id: ProductId,
    seller_id: String,
    name: String,
    description: String,
    price: Money,
    listed: bool,
    /// Counts the changes.
    version: i64,
}

impl From<Offer> for OfferBody {
    fn from(o: Offer) -> Self {
        let Offer { product_id, seller_id, name, description, price, listed, version, .. } = o;
        Self { product_id, seller_id, name, description, price, listed, version }
    }
}

#[derive(Serialize, ToSchema)]
struct DeliveryBody {
    message: String,
    product_id: ProductId,
    quantity: Quantity,
}

fn created(offer: &Offer) -> Answer {
    let body = OfferBody::from(offer.clone());
    Answer {
        status: StatusCode::CREATED.as_u16(),
        location: Some(format!("/products/{}", offer.product_id)),
        body: serde_json::to_string(&body).expect("an answer is plain data"),
    }
}

fn delivered(offer: &Offer, quantity: Quantity) -> Answer {
    let message = format!("{quantity} units of {} received", offer.product_id);
    let body = DeliveryBody { message, product_id: offer.product_id.clone(), quantity };
    Answer {
        status: StatusCode::ACCEPTED.as_u16(),
        location: None,
        body: serde_json::to_string(&body).expect("an answer is plain data"),
    }
}

/// Offers a new product.
#[utoipa::path(post, path = "/products", tag = "catalog",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = NewProductBody,
    responses((status = 201, body = OfferBody), (status = 409, body = Problem, description = "The id is taken"),
        (status = 422, body = Problem)))]
async fn create(
    State(api): State<Api>,
    IdempotencyKey(key): IdempotencyKey,
    Body(new, raw): Body<NewProductBody>,
) -> Result<Response, Problem> {
    let desk = &api.catalog.desk;
    let ticket = match api.keys.begin(desk, "POST /products".into(), key, &raw).await? {
        Begun::Answered(answer) => return Ok(answer::respond(answer)),
        Begun::OtherBody => return Err(answer::other_body()),
        Begun::Fresh(ticket) => ticket,
    };
    let product = NewProduct {
        product_id: new.product_id,
        seller_id: new.seller_id,
        name: new.name,
        description: new.description,
        price: new.price,
        stock: new.stock,
    };
    let remember = |unit: &mut UnitOfWork, offer: &Offer| {
        ticket.remember(desk, unit, &created(offer));
    };
    let offers = api.catalog.create(std::slice::from_ref(&product), &remember).await?;
    Ok(answer::respond(created(&offers[0])))
}

/// Changes a product's price.
#[utoipa::path(patch, path = "/products/{product_id}", tag = "catalog", params(("product_id" = ProductId, Path)),
    request_body = NewPrice, responses((status = 200, body = OfferBody), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn reprice(
    State(api): State<Api>,
    PathId(id): PathId<ProductId>,
    Body(new, _): Body<NewPrice>,
) -> Result<Json<OfferBody>, Problem> {
    Ok(Json(api.catalog.reprice(&id, new.price).await?.into()))
}

/// Takes a product off sale. What was ordered is served; what is in a cart is refused at checkout.
#[utoipa::path(delete, path = "/products/{product_id}", tag = "catalog", params(("product_id" = ProductId, Path)),
    responses((status = 200, body = OfferBody), (status = 404, body = Problem)))]
async fn delist(
    State(api): State<Api>,
    PathId(id): PathId<ProductId>,
) -> Result<Json<OfferBody>, Problem> {
    Ok(Json(api.catalog.delist(&id).await?.into()))
}

/// Delivers units of a product; they can be bought a moment later.
#[utoipa::path(post, path = "/products/{product_id}/stock", tag = "catalog",
    params(("product_id" = ProductId, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = Delivery,
    responses((status = 202, body = DeliveryBody), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn restock(
    State(api): State<Api>,
    PathId(id): PathId<ProductId>,
    IdempotencyKey(key): IdempotencyKey,
    Body(new, raw): Body<Delivery>,
) -> Result<Response, Problem> {
    let desk = &api.catalog.desk;
    let ticket = match api.keys.begin(desk, format!("POST /products/{id}/stock"), key, &raw).await?
    {
        Begun::Answered(answer) => return Ok(answer::respond(answer)),
        Begun::OtherBody => return Err(answer::other_body()),
        Begun::Fresh(ticket) => ticket,
    };
    let remember = |unit: &mut UnitOfWork, offer: &Offer| {
        ticket.remember(desk, unit, &delivered(offer, new.quantity));
    };
    let offer = api.catalog.restock(&id, new.quantity, &remember).await?;
    Ok(answer::respond(delivered(&offer, new.quantity)))
}

impl From<CatalogError> for Problem {
    fn from(e: CatalogError) -> Self {
        match e {
            CatalogError::Unknown(id) => Self::not_found(format!("product {id}")),
            CatalogError::Exists(id) => Self::conflict(
                "exists",
                "Product exists",
                format!("there is a product {id} already; change it with PATCH /products/{id}"),
            ),
            CatalogError::Invalid(field, e) => {
                Self::field(StatusCode::UNPROCESSABLE_ENTITY, field, e.to_string())
            }
            CatalogError::Store(e) => e.into(),
        }
    }
}

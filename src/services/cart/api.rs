//! HTTP of the cart service.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::copy::CartView;
use super::{CartError, Carts, CheckedOut, Contact, Refusal};
use crate::domain::{Email, Line, Money, OrderId, Phone, ProductId, Quantity, UserId};
use crate::http::problem::FieldError;
use crate::http::trace::Placed;
use crate::http::{Body, IdempotencyKey, OptionalBody, PathId, PathIds, Problem, answer};
use crate::services::idempotency::{Answer, Begun, IdempotencyKeys, Ticket};

#[derive(Clone)]
struct Api {
    carts: Arc<Carts>,
    keys: Arc<IdempotencyKeys>,
}

/// The routes of the cart service.
pub fn routes(carts: Arc<Carts>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(get_cart))
        .routes(routes!(add_item))
        .routes(routes!(set_quantity, remove_item))
        .routes(routes!(checkout))
        .with_state(Api { carts, keys: Arc::default() })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewItem {
    product_id: ProductId,
    quantity: Quantity,
    /// The price that the shopper was shown; without it, today's.
    price: Option<Money>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewQuantity {
    quantity: Quantity,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckoutRequest {
    /// Where the shopper wants to be written to.
    email: Option<Email>,
    /// Where the shopper wants to be texted to.
    phone: Option<Phone>,
}

#[derive(Serialize, ToSchema)]
struct Message {
    message: String,
}

/// A cart as people see it.
#[derive(Serialize, ToSchema)]
struct CartBody {
    user_id: UserId,
    items: Vec<Line>,
    total_amount: Money,
    /// Different products.
    item_count: usize,
}

#[derive(Serialize, ToSchema)]
struct CheckoutBody {
    message: &'static str,
    /// The order that the cart became; follow it at `/orders/{order_id}`.
    order_id: OrderId,
    /// The cart as it was.
    cart: CartBody,
}

impl From<CartView> for CartBody {
    fn from(view: CartView) -> Self {
        let CartView { user_id, items, total_amount, item_count } = view;
        Self { user_id, items, total_amount, item_count }
    }
}

/// A shopper's cart; empty if they never put anything into it.
#[utoipa::path(get, path = "/cart/{user_id}", tag = "cart", params(("user_id" = UserId, Path)),
    responses((status = 200, body = CartBody)))]
async fn get_cart(
    State(api): State<Api>,
    PathId(user): PathId<UserId>,
) -> Result<Json<CartBody>, Problem> {
    Ok(Json(api.carts.view(&user).await?.into()))
}

/// Puts units of a product into the cart.
#[utoipa::path(post, path = "/cart/{user_id}/items", tag = "cart", params(("user_id" = UserId, Path)),
    request_body = NewItem,
    responses((status = 201, body = Message), (status = 404, body = Problem, description = "No such product"),
        (status = 409, body = Problem, description = "Not on sale any more"),
        (status = 422, body = Problem, description = "A field is wrong, or the price is not the catalogue's")))]
async fn add_item(
    State(api): State<Api>,
    PathId(user): PathId<UserId>,
    Body(item, _): Body<NewItem>,
) -> Result<(StatusCode, Json<Message>), Problem> {
    api.carts.add(&user, &item.product_id, item.quantity, item.price).await?;
    let message = format!("Item {} added to cart", item.product_id);
    Ok((StatusCode::CREATED, Json(Message { message })))
}

/// Sets how many units of a product are in the cart.
#[utoipa::path(put, path = "/cart/{user_id}/items/{product_id}", tag = "cart",
    params(("user_id" = UserId, Path), ("product_id" = ProductId, Path)), request_body = NewQuantity,
    responses((status = 200, body = CartBody), (status = 404, body = Problem)))]
async fn set_quantity(
    State(api): State<Api>,
    PathIds(user, product): PathIds<UserId, ProductId>,
    Body(new, _): Body<NewQuantity>,
) -> Result<Json<CartBody>, Problem> {
    Ok(Json(api.carts.set_quantity(&user, &product, new.quantity).await?.into()))
}

/// Takes a product out of the cart.
#[utoipa::path(delete, path = "/cart/{user_id}/items/{product_id}", tag = "cart",
    params(("user_id" = UserId, Path), ("product_id" = ProductId, Path)),
    responses((status = 200, body = Message), (status = 404, body = Problem)))]
async fn remove_item(
    State(api): State<Api>,
    PathIds(user, product): PathIds<UserId, ProductId>,
) -> Result<Json<Message>, Problem> {
    api.carts.remove(&user, &product).await?;
    Ok(Json(Message { message: format!("Item {product} removed from cart") }))
}

/// Turns the cart into an order: holds the stock, then answers. What follows is told at the order.
#[utoipa::path(post, path = "/cart/{user_id}/checkout", tag = "cart",
    params(("user_id" = UserId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body get the same answer, for 24 hours")),
    request_body = Option<CheckoutRequest>,
    responses((status = 202, body = CheckoutBody),
        (status = 400, body = Problem, description = "The cart is empty"),
        (status = 409, body = Problem, description = "Lines were repriced or delisted, or stock is short; `errors` names them"),
        (status = 422, body = Problem, description = "A field is wrong, or the key was used for another body"),
        (status = 503, body = Problem, description = "No new orders for now")))]
async fn checkout(
    State(api): State<Api>,
    PathId(user): PathId<UserId>,
    IdempotencyKey(key): IdempotencyKey,
    OptionalBody(request, raw): OptionalBody<CheckoutRequest>,
) -> Result<Response, Problem> {
    let scope = format!("{user} POST /cart/{user}/checkout");
    let desk = &api.carts.desk;
    let ticket = match api.keys.begin(desk, scope, key, &raw).await? {
        Begun::Answered(answer) => return Ok(answer::respond(answer)),
        Begun::OtherBody => return Err(answer::other_body()),
        Begun::Fresh(ticket) => ticket,
    };
    let contact = Contact { email: request.email, phone: request.phone };
    let remember = remembering(&api, ticket);
    let done = api.carts.checkout(&user, &contact, &remember).await?;
    tracing::info!(order_id = %done.order_id, user_id = %user, "order placed");
    let mut response = answer::respond(accepted(&done));
    if done.placed {
        response.extensions_mut().insert(Placed);
    }
    Ok(response)
}

fn remembering(
    api: &Api,
    ticket: Ticket,
) -> impl Fn(&mut crate::services::UnitOfWork, &CheckedOut) + Send + Sync {
    move |unit, done| ticket.remember(&api.carts.desk, unit, &accepted(done))
}

fn accepted(done: &CheckedOut) -> Answer {
    let body = CheckoutBody {
        message: "Checkout initiated",
        order_id: done.order_id.clone(),
        cart: done.cart.clone().into(),
    };
    Answer {
        status: StatusCode::ACCEPTED.as_u16(),
        location: Some(format!("/orders/{}", done.order_id)),
        body: serde_json::to_string(&body).expect("an answer is plain data"),
    }
}

impl From<CartError> for Problem {
    fn from(e: CartError) -> Self {
        match e {
            CartError::Store(e) => e.into(),
            CartError::Refused(refusal) => refused(refusal),
        }
    }
}

fn refused(refusal: Refusal) -> Problem {
    let line = |id: &ProductId, detail: String| FieldError { field: id.to_string(), detail };
    match refusal {
        Refusal::UnknownProduct(id) => Problem::not_found(format!("product {id}")),
        Refusal::NotInCart(id) => Problem::not_found(format!("product {id} in this cart")),
        Refusal::Delisted(id) => {
            Problem::conflict("delisted", "Not on sale", format!("{id} is not on sale any more"))
        }
        Refusal::WrongPrice { product_id, price } => Problem::field(
            StatusCode::UNPROCESSABLE_ENTITY,
            "price",
            format!("{product_id} costs {price} now"),
        ),
        Refusal::Empty => Problem::new(
            StatusCode::BAD_REQUEST,
            "empty-cart",
            "Empty cart",
            "the cart is empty; add items first",
        ),
        Refusal::Bound(e) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "cart-bound",
            "Cart too large",
            e.to_string(),
        ),
        Refusal::Repriced(ids) => Problem::conflict(
            "repriced",
            "Cart has changed",
            "products cost something else now, or are gone; look at the cart and check out again",
        )
        .naming(ids.iter().map(|id| line(id, "repriced or not on sale any more".into())).collect()),
        Refusal::Short(short) => Problem::conflict(
            "out-of-stock",
            "Not enough stock",
            "too few units are left; lower the quantities and check out again",
        )
        .naming(
            short
                .iter()
                .map(|s| line(&s.product_id, format!("{} units left", s.available)))
                .collect(),
        ),
        Refusal::Busy => Problem::unavailable("no new orders are taken for a moment"),
    }
}

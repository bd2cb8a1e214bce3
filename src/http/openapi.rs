//! The OpenAPI document, made from the handlers, and the page that shows it.

use axum::Json;
use axum::response::Html;
use axum::routing::get;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::{
    Email, Line, Money, OrderId, PaymentId, Phone, ProductId, Quantity, Timestamp, UserId,
};

/// An empty document, to be filled by the routers.
pub fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("ecom")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("An event-driven shop. Errors are RFC 9457 problem details."))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// `/docs` and `/openapi.json`.
pub fn routes(document: OpenApi) -> axum::Router {
    let page = page(&document);
    axum::Router::new()
        .route("/openapi.json", get(move || async move { Json(document) }))
        .route("/docs", get(move || async move { Html(page) }))
}

/// The document as a plain page: no script, nothing fetched from elsewhere.
fn page(document: &OpenApi) -> String {
    use std::fmt::Write;
    let mut page = String::from(
        "<!doctype html><html lang=en><meta charset=utf-8><title>ecom API</title><style>\
         body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
         code{background:#8882;padding:.1em .3em;border-radius:.2em}h2{margin-top:2rem}\
         .m{display:inline-block;min-width:4.5rem;font-weight:700}td,th{text-align:left;padding:.2rem 1rem .2rem 0}</style>\
         <h1>ecom API</h1><p>OpenAPI 3.1 document: <a href=/openapi.json>/openapi.json</a></p>",
    );
    let json = serde_json::to_value(document).unwrap_or_default();
    let empty = serde_json::Map::new();
    let paths = json["paths"].as_object().unwrap_or(&empty);
    let mut tag = "";
    let mut operations: Vec<(&str, &str, &str, &serde_json::Value)> = vec![];
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap_or(&empty) {
            operations.push((
                operation["tags"][0].as_str().unwrap_or("other"),
                path,
                method,
                operation,
            ));
        }
    }
    operations.sort_by_key(|(tag, path, method, _)| (*tag, *path, *method));
    for (of, path, method, operation) in operations {
        if of != tag {
            tag = of;
            let _ = write!(page, "<h2>{}</h2>", escape(tag));
        }
        let text = |key: &str| escape(operation[key].as_str().unwrap_or_default());
        let _ = write!(
            page,
            "<h3><span class=m>{}</span><code>{}</code></h3><p>{} {}</p><table>",
            escape(&method.to_uppercase()),
            escape(path),
            text("summary"),
            text("description"),
        );
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let of = |key: &str| escape(parameter[key].as_str().unwrap_or_default());
            let _ = write!(
                page,
                "<tr><td><code>{}</code><td>{}<td>{}",
                of("name"),
                of("in"),
                of("description")
            );
        }
        for (status, response) in operation["responses"].as_object().into_iter().flatten() {
            let description = escape(response["description"].as_str().unwrap_or_default());
            let _ = write!(page, "<tr><td>{}<td>answer<td>{description}", escape(status));
        }
        page.push_str("</table>");
    }
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn string(description: &str, format: Option<SchemaFormat>, example: &str) -> RefOr<Schema> {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(format)
        .description(Some(description))
        .examples([serde_json::json!(example)]);
    RefOr::T(Schema::Object(schema.build()))
}

macro_rules! schema {
    ($($type:ty => $schema:expr;)+) => {
        $(
            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> { $schema }
            }
            impl ToSchema for $type {}
        )+
    };
}

schema! {
    UserId => string("1 to 64 letters, digits and - _ . : @", None, "user123");
    ProductId => string("1 to 64 letters, digits and - _ . : @", None, "PROD-123");
    OrderId => string("ORD- and 26 base32 characters", None, "ORD-AGM4BXQAAB2ABACAAAAAAAAAAE");
    PaymentId => string("PAY- and 26 base32 characters", None, "PAY-AGM4BXQAAB2ABACAAAAAAAAAAE");
    Email => string("E-mail address", Some(SchemaFormat::KnownFormat(KnownFormat::Email)), "ann@example.com");
    Phone => string("E.164 telephone number", None, "+4915112345678");
    Timestamp => string("RFC 3339, UTC", Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)), "2026-01-31T12:00:00.000Z");
    Money => RefOr::T(Schema::Object(
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .multiple_of(Some(0.01))
            .description(Some("US dollars, two decimals"))
            .examples([serde_json::json!(49.99)])
            .build(),
    ));
    Quantity => RefOr::T(Schema::Object(
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(Quantity::MAX))
            .description(Some("Units"))
            .build(),
    ));
    Line => RefOr::T(Schema::Object(
        ObjectBuilder::new()
            .property("product_id", ProductId::schema())
            .property("name", string("Name when it was put into the cart", None, "Power Bank"))
            .property("quantity", Quantity::schema())
            .property("price", Money::schema())
            .property("item_total", Money::schema())
            .required("product_id")
            .required("quantity")
            .required("price")
            .build(),
    ));
}

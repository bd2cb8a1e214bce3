//! The OpenAPI document, made from the handlers, and the page that shows it.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{
    Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder, Schema,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::PROBLEM_JSON;
use crate::domain::{
    Email, Line, Money, OrderId, PaymentId, Phone, ProductId, Quantity, Timestamp, UserId,
};

const JSON: &str = "application/json";

/// An empty document, to be filled by the routers.
pub fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("ecom")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("An event-driven shop. Errors are RFC 9457 problem details."))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// The routes of `api`, with the document of all of them at `/openapi.json` and `/docs`.
pub fn publish(api: OpenApiRouter) -> axum::Router {
    let own = OpenApiRouter::new().routes(routes!(openapi_json)).routes(routes!(docs));
    let (own, own_document) = own.split_for_parts();
    let (router, mut document) = api.split_for_parts();
    document.merge(own_document);
    complete(&mut document);
    let json = document.to_json().expect("a document is plain data");
    router.merge(own.with_state(Published { page: page(&document).into(), json: json.into() }))
}

#[derive(Clone)]
struct Published {
    page: Bytes,
    json: Bytes,
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "documents", responses((status = 200, body = Object)))]
async fn openapi_json(State(published): State<Published>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, JSON)], published.json)
}

/// This document as a page.
#[utoipa::path(get, path = "/docs", tag = "documents", responses((status = 200, body = String, content_type = "text/html")))]
async fn docs(State(published): State<Published>) -> Html<Bytes> {
    Html(published.page)
}

/// Adds how any operation may be refused, and the words that every answer must have.
fn complete(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let methods =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in methods.into_iter().flatten() {
            let refusals = refusals(path, operation);
            let responses = &mut operation.responses.responses;
            for (status, why) in refusals {
                let problem = Content::new(Some(Ref::from_schema_name("Problem")));
                let refusal = ResponseBuilder::new().description(why).content(JSON, problem);
                responses.entry(status.to_owned()).or_insert_with(|| refusal.build().into());
            }
            for (status, response) in responses {
                if let RefOr::T(response) = response {
                    word(status, response);
                }
            }
        }
    }
}

/// How an operation may be refused beyond what its handler says.
fn refusals(path: &str, operation: &Operation) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("default", "Not for now, or a bug")];
    if operation.request_body.is_some() {
        all.extend([
            ("400", "The path, a header or the body cannot be read"),
            ("413", "The body is too large"),
            ("415", "The body is not said to be JSON"),
            ("422", "A field is wrong; `errors` names it"),
        ]);
    }
    if operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
        all.push(("400", "The path, the query or a header is wrong"));
    }
    if path.starts_with("/admin/") {
        all.push(("401", "The token is missing or wrong"));
        all.push(("403", "Asked for from elsewhere than this machine"));
    }
    all
}

/// Gives a response its description, and a problem its content type.
fn word(status: &str, response: &mut Response) {
    let status = status.parse::<StatusCode>().ok();
    if response.description.is_empty() {
        let reason = status.and_then(|status| status.canonical_reason());
        reason.unwrap_or("Answer").clone_into(&mut response.description);
    }
    if !status.is_some_and(|status| status.is_success())
        && let Some(content) = response.content.swap_remove(JSON)
    {
        response.content.insert(PROBLEM_JSON.to_owned(), content);
    }
}

/// The fields of an operation's JSON body: name, schema, whether it is required.
fn body_fields<'a>(
    document: &'a serde_json::Value,
    operation: &'a serde_json::Value,
) -> Vec<(&'a str, &'a serde_json::Value, bool)> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let named = schema["$ref"].as_str().or(schema["oneOf"][1]["$ref"].as_str());
    let name = named.and_then(|path| path.rsplit('/').next());
    let schema = name.map_or(schema, |name| &document["components"]["schemas"][name]);
    let required = |field: &str| {
        schema["required"].as_array().is_some_and(|names| names.iter().any(|name| name == field))
    };
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields.map(|(name, field)| (name.as_str(), field, required(name))).collect()
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
    // What shoppers and sellers use comes first.
    operations.sort_by_key(|(tag, path, method, _)| (*tag == "admin", *tag, *path, *method));
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
        for (name, field, required) in body_fields(&json, operation) {
            let kind = field["type"].as_str().or(field["type"][0].as_str()).unwrap_or("");
            let needed = if required { "body, required" } else { "body" };
            let about = field["description"].as_str().unwrap_or_default();
            let _ = write!(
                page,
                "<tr><td><code>{}</code><td>{needed}<td>{} {}",
                escape(name),
                escape(kind),
                escape(about)
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

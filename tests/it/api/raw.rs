//! A client that can send anything, and what must be true of every refusal.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request};
use bytes::Bytes;
use ecom::app::Office;
use ecom::app::shop::Listener;
use ecom::ops::api::Pace;
use ecom::ops::local::{Ground, LocalOps};
use http_body_util::BodyExt;
use serde_json::Value as Json;
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;

use crate::harness::Tester;

/// The token that the admin API of [`Raw::gateway`] asks for.
pub(super) const TOKEN: &str = "0123456789abcdef";

/// A request of any kind.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Ask {
    pub(super) fn new(method: &str, path: impl Into<String>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("127.0.0.1:8000"));
        Self { method: method.to_owned(), path: path.into(), headers, body: vec![] }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// With this body, said to be JSON.
    pub(super) fn json(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }.header("content-type", "application/json")
    }

    /// With this header and no other of that name.
    pub(super) fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.insert(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(super) fn admin(self) -> Self {
        self.header("authorization", format!("Bearer {TOKEN}"))
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A listener's router.
pub(super) struct Raw {
    pub(super) router: Router,
}

impl Raw {
    /// The gateway, its admin API included.
    pub(super) fn gateway(t: &Tester) -> Self {
        let ground = Ground::of_shop(t.shop.ports(), t.embedded.console.store(), true);
        let office = Office::of(&t.shop, t.embedded.remains());
        let ops = LocalOps::new(ground).with_dials(t.embedded.dials.clone()).with_office(office);
        let admin = ecom::ops::api::routes(Arc::new(ops), TOKEN.to_owned(), Pace::of(&t.shop));
        Self { router: t.shop.router(Listener::Gateway, admin) }
    }

    pub(super) fn of(t: &Tester, listener: Listener) -> Self {
        Self { router: t.shop.router(listener, OpenApiRouter::new()) }
    }

    pub(super) async fn send(&self, ask: &Ask) -> Answer {
        let mut request = Request::builder().method(ask.method.as_str()).uri(&ask.path);
        *request.headers_mut().unwrap() = ask.headers.clone();
        let request = request.body(Body::from(ask.body.clone())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(super) async fn document(&self) -> Json {
        self.send(&Ask::get("/openapi.json")).await.json()
    }

    /// Sends it, and expects a problem with this status that names this field, if any.
    pub(super) async fn refused(&self, ask: &Ask, status: u16, field: Option<&str>) -> Json {
        let answer = self.send(ask).await;
        let shown = String::from_utf8_lossy(&ask.body).chars().take(200).collect::<String>();
        let told = format!("{} {:.120} {shown}: {}", ask.method, ask.path, answer.text());
        assert_eq!(answer.status, status, "{told}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{told}");
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{told}");
        assert!(problem["type"].as_str().unwrap().starts_with("urn:ecom:problem:"), "{told}");
        for part in ["title", "detail"] {
            assert!(!problem[part].as_str().unwrap().is_empty(), "{told}");
        }
        if let Some(field) = field {
            assert_eq!(problem["errors"][0]["field"], field, "{told}");
            assert!(problem["detail"].as_str().unwrap().contains(field), "{told}");
        }
        problem
    }
}

/// The operation of `document` that a request reaches.
pub(super) fn operation<'a>(document: &'a Json, ask: &Ask) -> Option<&'a Json> {
    let path = ask.path.split('?').next().unwrap();
    let fits = |template: &str| {
        let same = |(a, b): (&str, &str)| a == b || a.starts_with('{');
        template.split('/').count() == path.split('/').count()
            && template.split('/').zip(path.split('/')).all(same)
    };
    let all = document["paths"].as_object().unwrap();
    // A literal path wins over one with parameters.
    let item = all.get(path).or_else(|| all.iter().find(|(p, _)| fits(p)).map(|(_, item)| item));
    item.and_then(|item| item.get(ask.method.to_lowercase()))
}

/// Everything in the shop's tables, its event log included, but what passing time changes.
pub(super) async fn state(t: &Tester) -> Vec<(String, String)> {
    let tables = "select name from sqlite_master where type = 'table' order by name";
    let mut all = vec![];
    for table in t.rows(tables, vec![]).await {
        let table = table.text(0).unwrap().to_owned();
        let columns = format!(
            "select group_concat('quote(' || name || ')', '||') from pragma_table_info('{table}')"
        );
        let columns = t.rows(columns.leak(), vec![]).await[0].text(0).unwrap().to_owned();
        let rows = format!("select coalesce(group_concat({columns}, char(10)), '') from {table}");
        let rows = t.rows(rows.leak(), vec![]).await[0].text(0).unwrap().to_owned();
        all.push((table, rows));
    }
    all
}

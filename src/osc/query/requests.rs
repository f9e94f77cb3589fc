//! Requests of HTTP: the namespace, the page with its picture, the health of the show, and the way to a WebSocket.
//!
//! Called for each request on the server's thread; nothing here waits for the frame. Everything is read with GET and
//! has no body. Answers tell browsers not to embed them, not to guess at their type, and not to keep them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use hyper::body::Body as _;
use serde_json::{Value as Json, json};

use super::callers::Caller;
use super::clients::{Client, LARGEST, Place};
use super::{Shared, Snap};
use crate::latest::lock;
use crate::osc::Sender;
use crate::osc::tree::Answer;
use crate::worker::caught;

/// The page, whole.
const PAGE: &str = include_str!("page.html");
/// What the page may load, and that nothing may hold it.
const POLICY: &str = "default-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; connect-src 'self' ws: wss:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Of everything that is not the page.
const BARE_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The answer to a request.
pub(super) async fn answer(shared: Arc<Shared>, from: SocketAddr, request: Request<hyper::body::Incoming>) -> Response {
    let (mut parts, body) = request.into_parts();
    let bare = body.is_end_stream();
    // It is never read, so the connection ends with the answer.
    drop(body);
    let mut answer = if bare || !reads(&parts.method) {
        route(&shared, from, &mut parts).await
    } else {
        (StatusCode::BAD_REQUEST, "a request here has no body").into_response()
    };
    if !bare {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        guard(answer.headers_mut());
    }
    answer
}

fn reads(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

/// What every answer tells a browser.
fn guard(headers: &mut HeaderMap) {
    let guards = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    headers.extend(guards.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(BARE_POLICY));
}

async fn route(shared: &Arc<Shared>, from: SocketAddr, parts: &mut Parts) -> Response {
    let read = reads(&parts.method);
    if read
        && parts.uri.path() == "/health"
        && let Some(health) = &shared.settings.health
    {
        return told_health(caught(|| health()));
    }
    let token = shared.token(parts.uri.query());
    let caller = match shared.names.admit(parts, token) {
        Ok(caller) => caller,
        Err(why) => return (StatusCode::FORBIDDEN, why).into_response(),
    };
    let mut answer = if read {
        read_or_upgrade(shared, from, parts, &caller, token).await
    } else if parts.method == Method::OPTIONS {
        let mut answer = StatusCode::NO_CONTENT.into_response();
        caller.tell_beforehand(answer.headers_mut());
        answer
    } else {
        let allowed = [(header::ALLOW, "GET, HEAD, OPTIONS")];
        (StatusCode::METHOD_NOT_ALLOWED, allowed, "only GET; the show is steered by OSC or a WebSocket").into_response()
    };
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        caller.tell(answer.headers_mut());
    }
    answer
}

/// How the show is.
fn told_health(health: Result<(bool, String), String>) -> Response {
    let (healthy, json) = health.unwrap_or_else(|why| (false, json!({"healthy": false, "why": why}).to_string()));
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // Whoever looks after a show comes again on another connection.
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CONNECTION, "close")], json).into_response()
}

async fn read_or_upgrade(
    shared: &Arc<Shared>,
    from: SocketAddr,
    parts: &mut Parts,
    caller: &Caller,
    token: bool,
) -> Response {
    // What only this machine reaches is for everybody on it, except for pages of other origins.
    let may = (shared.open() || token) && caller.trusted();
    if parts.headers.contains_key(header::UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(parts, &()).await {
            Ok(upgrade) => welcome(shared, from, upgrade, may),
            Err(rejection) => rejection.into_response(),
        };
    }
    let Ok(path) = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8() else {
        return (StatusCode::BAD_REQUEST, "the path is not UTF-8").into_response();
    };
    let query = parts.uri.query().unwrap_or_default();
    let accepts = parts.headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    match path.as_ref() {
        "/" if query.is_empty()
            && accepts.is_some_and(|v| v.contains("text/html"))
            && shared.settings.page.is_some() =>
        {
            Redirect::to("/page").into_response()
        }
        "/page" | "/page/" | "/page/picture.jpg" => page(shared, path.ends_with("jpg"), may).await,
        path => ask(shared, path, query),
    }
}

/// Another client, if there is a place for it.
fn welcome(shared: &Arc<Shared>, from: SocketAddr, upgrade: WebSocketUpgrade, may: bool) -> Response {
    // Before the upgrade: many at once would else all find a place.
    let Some(place) = Place::reserve(shared, may || from.ip().is_loopback()) else {
        let soon = [(header::RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, soon, "too many clients").into_response();
    };
    let client = Client::new(place, Sender::Web(from), may);
    // What is not read fills the system's buffer and then one message here, no more.
    let upgrade = upgrade.max_message_size(LARGEST).max_frame_size(LARGEST).read_buffer_size(8 << 10);
    upgrade.write_buffer_size(0).max_write_buffer_size(1 << 20).on_upgrade(move |socket| client.serve(socket))
}

/// The page and its picture.
async fn page(shared: &Shared, picture: bool, may: bool) -> Response {
    let Some(snap) = &shared.settings.page else {
        return (StatusCode::NOT_FOUND, "the page is off; [query] page = true in the preset turns it on")
            .into_response();
    };
    if !may {
        return (StatusCode::FORBIDDEN, "this page needs the token that the desk shows").into_response();
    }
    if !picture {
        let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
        return (kind, PAGE).into_response();
    }
    jpeg(shared, snap).await
}

async fn jpeg(shared: &Shared, snap: &Snap) -> Response {
    match shared.pictures.now(snap).await {
        Ok(Some(jpeg)) => ([(header::CONTENT_TYPE, "image/jpeg")], Body::from(jpeg)).into_response(),
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(()) => (StatusCode::SERVICE_UNAVAILABLE, "the picture was not drawn in time").into_response(),
    }
}

/// The namespace, or one attribute of it.
fn ask(shared: &Shared, path: &str, query: &str) -> Response {
    let attribute = query.split('&').find(|word| !word.is_empty() && !word.starts_with("token="));
    if attribute == Some("HOST_INFO") {
        return told(&shared.host_info());
    }
    shared.apply();
    let mut tree = lock(&shared.tree);
    for (path, value) in &shared.settings.live {
        tree.set(path, vec![value()]);
    }
    match tree.answer(path, attribute) {
        Answer::Found(found) => told(&found),
        Answer::Nothing => StatusCode::NO_CONTENT.into_response(),
        Answer::Unknown => {
            let path: String = path.chars().take(200).collect();
            (StatusCode::NOT_FOUND, format!("there is no {path}")).into_response()
        }
        Answer::Wrong => (StatusCode::BAD_REQUEST, "no such attribute").into_response(),
    }
}

fn told(json: &Json) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json.to_string()).into_response()
}

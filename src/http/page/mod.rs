//! The page at `/`: designs with sync and health, one design with diagram, findings and a plan to read, approve or refuse,
//! the log of a running job, the history. Server-rendered; reading needs no script.
//!
//! Documents come through [`Door`]s of `kube::Client` and services that carry an identity; nothing is read or written
//! past them. A visitor is signed in by a token, once; from then on a random session id in a cookie says who it is, and a
//! CSRF token in each form says that the form was ours. Reading needs either role, writing the approver's.
//!
//! | route | who |
//! |---|---|
//! | `GET /` | anybody gets the form to sign in; signed in: the designs |
//! | `POST /login`, `POST /logout` | anybody with our form |
//! | `GET /designs/{name}`, `…/plan?address=`, `…/jobs/{job}`, `…/diagram.svg`, `…/exports/{file}` | signed in |
//! | `POST /designs/{name}/approve`, `…/refuse`, `…/replan` | approver |
//! | `GET /favicon.svg` | anybody |

mod act;
mod design;
mod frame;
mod handlers;
mod history;
mod list;
mod parts;
mod plan;
mod read;
mod request;
mod sessions;
#[cfg(test)]
pub(crate) mod tests;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::credentials::Credentials;
use crate::api::Design;
use crate::api::session::Language;
use crate::clock::Clock;
use crate::services::Services;
use sessions::PageSessions;

/// How documents are reached as somebody.
#[derive(Clone)]
pub struct Door {
    /// documents, with the identity stamped on every request
    pub client: kube::Client,
    /// the services with the same identity
    pub services: Services,
}

/// The picture of a design (title, language) as an SVG document; None when there is none.
pub type Diagram = Arc<dyn Fn(&Design, &str, Language) -> Option<String> + Send + Sync>;

/// What the page stands on.
#[derive(Clone)]
pub struct PageParts {
    /// reads; the editor through the page
    pub reader: Door,
    /// approves and refuses; the approver through the page
    pub approver: Door,
    /// draws
    pub diagram: Diagram,
    /// now
    pub clock: Arc<dyn Clock>,
}

/// The page.
pub(super) struct Page {
    parts: PageParts,
    credentials: Arc<Credentials>,
    sessions: PageSessions,
}

/// Routes of the page.
pub(super) fn router(parts: PageParts, credentials: Arc<Credentials>) -> Router {
    let sessions = PageSessions::new(parts.clock.clone());
    Router::new()
        .route("/", get(handlers::root))
        .route("/favicon.svg", get(handlers::favicon))
        .route("/login", post(handlers::login))
        .route("/logout", post(handlers::logout))
        .route("/designs/{name}", get(handlers::design))
        .route("/designs/{name}/diagram.svg", get(handlers::diagram))
        .route("/designs/{name}/plan", get(handlers::plan_resource))
        .route("/designs/{name}/exports/{file}", get(handlers::export))
        .route("/designs/{name}/jobs/{job}", get(handlers::job))
        .route("/designs/{name}/approve", post(handlers::approve))
        .route("/designs/{name}/refuse", post(handlers::refuse))
        .route("/designs/{name}/replan", post(handlers::replan))
        .with_state(Arc::new(Page { parts, credentials, sessions }))
}

/// Is this a route that takes a form of the page? Every other writing route takes JSON.
pub(super) fn takes_form(path: &str) -> bool {
    let decides = |rest: &str| matches!(rest.split_once('/'), Some((_, "approve" | "refuse" | "replan")));
    matches!(path, "/login" | "/logout") || path.strip_prefix("/designs/").is_some_and(decides)
}

//! One function per route: who is it, may they, do it, show it. Order on a writing route: signed in, our form, role.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use maud::{Markup, html};

use super::frame::{Frame, MARK, go, guard, with_cookie};
use super::sessions::{LONGEST, PageSession, same};
use super::words::{Say, Word};
use super::{Page, act, design, history, list, plan, read, request};
use crate::api::Reason;
use crate::api::approval::Role;
use crate::api::session::Language;
use crate::services::Code;

/// Most bytes of a form: a token or a reason of a kibibyte, percent-encoded.
const FORM_LIMIT: usize = 16 * 1024;
/// How long a chosen language is remembered, and how long a login form may lie open: 400 days is what browsers keep.
const LANGUAGE_SECONDS: i64 = 400 * 24 * 3600;
const LOGIN_SECONDS: i64 = 3600;

/// Who asks, in which language.
struct Visitor {
    language: Language,
    headers: HeaderMap,
    uri: Uri,
    id: Option<String>,
    session: Option<PageSession>,
}

impl Visitor {
    fn of(page: &Page, headers: HeaderMap, uri: Uri) -> Self {
        let id = request::cookie(&headers, &request::session_cookie(&headers)).map(str::to_owned);
        let visit = !headers.contains_key("x-galley-look");
        let session = id.as_deref().and_then(|id| page.sessions.find(id, visit));
        Visitor { language: request::language(&headers, &uri), headers, uri, id, session }
    }
    fn say(&self) -> Say {
        Say(self.language)
    }
    fn frame<'a>(&'a self, title: &'a str, moving: bool) -> Frame<'a> {
        Frame { language: self.language, title, session: self.session.as_ref(), path: self.uri.path(), moving }
    }
    /// Remembers a language that was asked for.
    fn remember(&self, response: Response) -> Response {
        match request::asked_language(&self.uri) {
            Some(language) => {
                let word = request::language_word(language);
                with_cookie(response, &request::set_cookie(&self.headers, request::LANGUAGE_COOKIE, word, LANGUAGE_SECONDS))
            }
            None => response,
        }
    }
    /// A page with one sentence and a way back.
    fn notice(&self, status: StatusCode, text: &str) -> Response {
        let say = self.say();
        let title = if status == StatusCode::NOT_FOUND { say.word(Word::NotFound) } else { "Galley" };
        let body = html! { section.card.lonely { p role="alert" { (text) } p { a href="/" { (say.word(Word::Back)) } } } };
        self.frame(title, false).page(status, &body)
    }
    fn failed(&self, error: &read::Error) -> Response {
        match error {
            read::Error::NotFound => self.notice(StatusCode::NOT_FOUND, self.say().word(Word::NotFound)),
            read::Error::Service(error) => self.notice(StatusCode::CONFLICT, &error.message),
            read::Error::Read { source } => {
                tracing::warn!(error = %source, "the page cannot read documents");
                self.notice(StatusCode::SERVICE_UNAVAILABLE, self.say().word(Word::Unavailable))
            }
        }
    }
    /// The form to sign in. `next` is where to go after it.
    fn login(&self, page: &Page, status: StatusCode, next: &str, wrong: Option<Word>) -> Response {
        let (cookie, token) = page.sessions.login_pair();
        let body = list::login(self.say(), &token, next, wrong);
        let response = self.frame(self.say().word(Word::SignIn), false).page(status, &body);
        with_cookie(response, &request::set_cookie(&self.headers, &request::login_cookie(&self.headers), &cookie, LOGIN_SECONDS))
    }
    /// For a page that needs somebody: off to the form, and back here afterwards.
    fn to_login(&self) -> Response {
        go(&format!("/?next={}", request::local_path(self.uri.path())))
    }
}

type Shared = State<Arc<Page>>;

pub(super) async fn root(State(page): Shared, headers: HeaderMap, uri: Uri) -> Response {
    let visitor = Visitor::of(&page, headers, uri);
    let query = request::query(&visitor.uri);
    if visitor.session.is_none() {
        let next = query.get("next").map_or("/", |next| request::local_path(next));
        let response = visitor.login(&page, StatusCode::OK, next, None);
        return visitor.remember(response);
    }
    match page.rows().await {
        Ok(rows) => {
            let at = query.get("page").and_then(|at| at.parse().ok()).unwrap_or(0);
            let body = list::list(visitor.say(), &rows, at, &page.parts.clock.now());
            visitor.remember(visitor.frame(visitor.say().word(Word::Designs), false).page(StatusCode::OK, &body))
        }
        Err(error) => visitor.failed(&error),
    }
}

pub(super) async fn favicon() -> Response {
    let mut response = ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")], MARK).into_response();
    guard(&mut response, "default-src 'none'");
    response
}

/// The pairs of a form, bounded.
async fn form(request: Request) -> Option<BTreeMap<String, String>> {
    let bytes = axum::body::to_bytes(request.into_body(), FORM_LIMIT).await.ok()?;
    Some(request::pairs(&bytes))
}

fn field<'a>(form: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    form.get(name).map_or("", String::as_str)
}

pub(super) async fn login(State(page): Shared, request: Request) -> Response {
    let visitor = Visitor::of(&page, request.headers().clone(), request.uri().clone());
    let Some(form) = form(request).await else { return visitor.login(&page, StatusCode::BAD_REQUEST, "/", Some(Word::FormTooOld)) };
    let next = request::local_path(field(&form, "next"));
    let cookie = request::cookie(&visitor.headers, &request::login_cookie(&visitor.headers)).unwrap_or_default();
    if !page.sessions.login_pair_fits(cookie, field(&form, "csrf")) {
        return visitor.login(&page, StatusCode::FORBIDDEN, next, Some(Word::FormTooOld));
    }
    if !page.sessions.may_try() {
        return visitor.login(&page, StatusCode::TOO_MANY_REQUESTS, next, Some(Word::TooMany));
    }
    let Some(role) = page.credentials.role(field(&form, "token").trim()) else {
        page.sessions.was_wrong();
        return visitor.login(&page, StatusCode::UNAUTHORIZED, next, Some(Word::WrongToken));
    };
    // a former session of this browser ends here, whoever it was
    if let Some(id) = &visitor.id {
        page.sessions.close(id);
    }
    let id = page.sessions.open(role);
    let response =
        with_cookie(go(next), &request::set_cookie(&visitor.headers, &request::session_cookie(&visitor.headers), &id, LONGEST.as_secs()));
    with_cookie(response, &request::set_cookie(&visitor.headers, &request::login_cookie(&visitor.headers), "", 0))
}

pub(super) async fn logout(State(page): Shared, request: Request) -> Response {
    let visitor = Visitor::of(&page, request.headers().clone(), request.uri().clone());
    let (Some(session), Some(id)) = (&visitor.session, &visitor.id) else { return go("/") };
    let form = form(request).await.unwrap_or_default();
    if !same(&session.csrf, field(&form, "csrf")) {
        return visitor.notice(StatusCode::FORBIDDEN, visitor.say().word(Word::FormTooOld));
    }
    page.sessions.close(id);
    with_cookie(go("/"), &request::set_cookie(&visitor.headers, &request::session_cookie(&visitor.headers), "", 0))
}

pub(super) async fn design(State(page): Shared, Path(name): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let visitor = Visitor::of(&page, headers, uri);
    if visitor.session.is_none() {
        return visitor.to_login();
    }
    let done = match request::query(&visitor.uri).get("done").map(String::as_str) {
        Some("approved") => Some(Word::DidApprove),
        Some("refused") => Some(Word::DidRefuse),
        Some("replanned") => Some(Word::DidReplan),
        Some(_) | None => None,
    };
    let note = done.map(Note::Done);
    let response = show(&page, &visitor, &name, StatusCode::OK, note).await;
    visitor.remember(response)
}

/// What is to be said above a design.
enum Note {
    /// a decision was taken down; said until its end is seen
    Done(Word),
    /// it could not be
    Failed(String),
}

impl Note {
    /// A decision whose end is not seen yet: what was approved or asked for again begins in a moment.
    fn pending(&self, view: &read::DesignView) -> bool {
        match self {
            Note::Done(Word::DidApprove) => !matches!(
                read::reason(&view.design),
                Some(Reason::Synced | Reason::Destroyed | Reason::JobFailed | Reason::RetryScheduled | Reason::ApprovalRefused)
            ),
            Note::Done(Word::DidReplan) => view.plan.as_ref().is_some_and(|plan| plan.expired || plan.refused.is_some()),
            Note::Done(_) | Note::Failed(_) => false,
        }
    }
    fn markup(&self, say: Say) -> Markup {
        match self {
            Note::Done(word) => html! { p.note.good role="status" { (say.word(*word)) } },
            Note::Failed(text) => html! { p.note.bad role="alert" { (text) } },
        }
    }
}

/// A design's page, with what is to be said above it.
async fn show(page: &Page, visitor: &Visitor, name: &str, status: StatusCode, note: Option<Note>) -> Response {
    let Some(session) = &visitor.session else { return visitor.to_login() };
    match page.view(name).await {
        Ok(view) => {
            let viewer = design::Viewer { say: visitor.say(), session, now: page.parts.clock.now() };
            let pending = note.as_ref().is_some_and(|note| note.pending(&view));
            // what was approved and is built needs no word about it any more
            let note = note.filter(|note| pending || !matches!(note, Note::Done(Word::DidApprove | Word::DidReplan)));
            let body = html! { @if let Some(note) = note { (note.markup(viewer.say)) } (design::design(&viewer, &view)) };
            let moving = view.job.is_some() || pending;
            let frame = Frame { path: &format!("/designs/{name}"), ..visitor.frame(&view.session.spec.title, moving) };
            frame.page(status, &body)
        }
        Err(error) => visitor.failed(&error),
    }
}

pub(super) async fn diagram(State(page): Shared, Path(name): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let visitor = Visitor::of(&page, headers, uri);
    if visitor.session.is_none() {
        return visitor.to_login();
    }
    let (session, design) = match (page.session(&name).await, page.design(&name).await) {
        (Ok(session), Ok(design)) => (session, design),
        (Err(error), _) | (_, Err(error)) => return visitor.failed(&error),
    };
    let (draw, language) = (page.parts.diagram.clone(), visitor.language);
    // beside the threads that answer people: the picture of a large design takes a while
    let drawn = tokio::task::spawn_blocking(move || draw(&design, &session.spec.title, language)).await;
    let Some(svg) = drawn.unwrap_or_else(|error| {
        tracing::error!(%error, "a diagram could not be drawn");
        None
    }) else {
        return visitor.notice(StatusCode::NOT_FOUND, visitor.say().word(Word::NotFound));
    };
    let kind = HeaderValue::from_static("image/svg+xml; charset=utf-8");
    // the address carries the generation, so a picture that was fetched stays right for a while
    let mut response =
        ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"))], svg).into_response();
    // the sheet inside the picture has no nonce; scripts and everything from elsewhere stay shut out
    guard(&mut response, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox");
    response
}

pub(super) async fn export(State(page): Shared, Path((name, file)): Path<(String, String)>, headers: HeaderMap, uri: Uri) -> Response {
    let visitor = Visitor::of(&page, headers, uri);
    if visitor.session.is_none() {
        return visitor.to_login();
    }
    match crate::http::exports::answer(&page.parts.reader.services, &name, &file).await {
        Ok(mut response) => {
            guard(&mut response, "default-src 'none'; sandbox");
            response
        }
        Err(error) if error.code == Code::SessionNotFound || error.code == Code::InvalidArgument => visitor.failed(&read::Error::NotFound),
        Err(error) => visitor.failed(&read::Error::Service(error)),
    }
}

pub(super) async fn plan_resource(State(page): Shared, Path(name): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let visitor = Visitor::of(&page, headers, uri);
    if visitor.session.is_none() {
        return visitor.to_login();
    }
    let address = request::query(&visitor.uri).get("address").cloned().unwrap_or_default();
    match page.plan_resource(&name, &address).await {
        Ok(found) => visitor.frame(&address, false).page(StatusCode::OK, &plan::resource(visitor.say(), &name, &address, &found)),
        Err(error) => visitor.failed(&error),
    }
}

pub(super) async fn job(State(page): Shared, Path((name, job)): Path<(String, String)>, headers: HeaderMap, uri: Uri) -> Response {
    let visitor = Visitor::of(&page, headers, uri);
    if visitor.session.is_none() {
        return visitor.to_login();
    }
    let found = match page.job(&name, &job).await {
        Ok(found) => found,
        Err(error) => return visitor.failed(&error),
    };
    let title = match page.session(&name).await {
        Ok(session) => session.spec.title,
        Err(error) => return visitor.failed(&error),
    };
    match page.log(&name, &job).await {
        Ok((lines, cut)) => {
            let body = history::job(visitor.say(), &title, &found, &lines, cut, &page.parts.clock.now());
            let response = visitor.frame(&title, !found.phase().is_terminal()).page(StatusCode::OK, &body);
            visitor.remember(response)
        }
        Err(error) => visitor.failed(&error),
    }
}

/// What every decision asks first: signed in, our form, approver. Gives the form.
async fn decision(page: &Page, request: Request) -> Result<(Visitor, BTreeMap<String, String>), Response> {
    let visitor = Visitor::of(page, request.headers().clone(), request.uri().clone());
    let Some(session) = visitor.session.clone() else {
        return Err(visitor.login(page, StatusCode::UNAUTHORIZED, "/", Some(Word::SignInFirst)));
    };
    let form = form(request).await.unwrap_or_default();
    if !same(&session.csrf, field(&form, "csrf")) {
        return Err(visitor.notice(StatusCode::FORBIDDEN, visitor.say().word(Word::FormTooOld)));
    }
    match session.role {
        Role::Approver => Ok((visitor, form)),
        Role::Editor | Role::System => Err(visitor.notice(StatusCode::FORBIDDEN, visitor.say().word(Word::NotPermitted))),
    }
}

/// After a decision: back to the design, or the design with what went wrong.
async fn decided(page: &Page, visitor: &Visitor, name: &str, done: &str, result: Result<(), act::Error>) -> Response {
    let error = match result {
        Ok(()) => return go(&format!("/designs/{name}?done={done}")),
        Err(error) => error,
    };
    let say = visitor.say();
    let (status, text) = match error {
        act::Error::Read(error) => return visitor.failed(&error),
        act::Error::PlanChanged => (StatusCode::CONFLICT, say.word(Word::PlanChanged).to_owned()),
        act::Error::Refused => (StatusCode::CONFLICT, say.word(Word::PlanRefused).to_owned()),
        act::Error::NotConfirmed => (StatusCode::BAD_REQUEST, say.word(Word::ConfirmMissing).to_owned()),
        act::Error::TooLate => (StatusCode::CONFLICT, say.word(Word::TooLate).to_owned()),
        act::Error::Service(error) => (StatusCode::CONFLICT, format!("{} {}", error.message, error.hint)),
        act::Error::Write { source } => {
            tracing::warn!(error = %source, "a refusal could not be written");
            (StatusCode::SERVICE_UNAVAILABLE, say.word(Word::Unavailable).to_owned())
        }
    };
    show(page, visitor, name, status, Some(Note::Failed(text))).await
}

pub(super) async fn approve(State(page): Shared, Path(name): Path<String>, request: Request) -> Response {
    let (visitor, form) = match decision(&page, request).await {
        Ok(pair) => pair,
        Err(response) => return response,
    };
    let result = page.approve(&name, field(&form, "plan_sha256"), field(&form, "reason"), field(&form, "confirm") == "1").await;
    decided(&page, &visitor, &name, "approved", result).await
}

pub(super) async fn refuse(State(page): Shared, Path(name): Path<String>, request: Request) -> Response {
    let (visitor, form) = match decision(&page, request).await {
        Ok(pair) => pair,
        Err(response) => return response,
    };
    let result = page.refuse(&name, field(&form, "plan_sha256"), field(&form, "reason")).await;
    decided(&page, &visitor, &name, "refused", result).await
}

pub(super) async fn replan(State(page): Shared, Path(name): Path<String>, request: Request) -> Response {
    let (visitor, _) = match decision(&page, request).await {
        Ok(pair) => pair,
        Err(response) => return response,
    };
    let result = page.replan(&name).await;
    decided(&page, &visitor, &name, "replanned", result).await
}

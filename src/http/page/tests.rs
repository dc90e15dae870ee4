//! The page as its visitors and its enemies see it: route × who, forms, forged decisions, hostile names, leaks.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::api::approval::{Channel, Identity};
use crate::blobs::JobBlob;
use crate::config::{Secret, Tokens};
use crate::services::testkit::{FixedClock, Kit, awaiting, condition, sha};

const EDITOR: &str = "editor-token-0123456789";
const APPROVER: &str = "approver-token-0123456789";

/// A page that no server answers, for tests of other doors.
pub(crate) fn unanswered() -> PageParts {
    let (client, services) = crate::services::testkit::unanswered();
    let door = Door { client, services };
    PageParts { reader: door.clone(), approver: door, diagram: Arc::new(|_, _, _| None), clock: Arc::new(FixedClock) }
}

/// A page over documents in memory.
struct Site {
    kit: Kit,
    door: Router,
}

/// One answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn location(&self) -> &str {
        self.headers.get("location").map_or("", |value| value.to_str().unwrap())
    }
    fn hidden(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        self.text.split_once(&mark).map(|(_, rest)| rest.split('"').next().unwrap().to_owned()).unwrap_or_default()
    }
    fn cookies(&self) -> Vec<String> {
        self.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap().to_owned()).collect()
    }
}

/// A signed-in (or not) browser.
#[derive(Clone, Default)]
struct Browser {
    cookie: String,
    csrf: String,
}

impl Site {
    async fn new() -> Self {
        Site::over(Kit::new().await)
    }

    fn over(kit: Kit) -> Self {
        let door = |identity: Identity| Door { client: kit.server.client(identity.clone()), services: kit.seen_by(identity).services };
        let parts = PageParts {
            reader: door(Identity::editor(Channel::Page)),
            approver: door(Identity::approver(Channel::Page)),
            diagram: Arc::new(|_, title, _| {
                Some(format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><title>{}</title></svg>", title.len()))
            }),
            clock: Arc::new(FixedClock),
        };
        let tokens = Tokens { editor: Secret::new(EDITOR), approver: Secret::new(APPROVER) };
        let door = router(parts, Arc::new(Credentials::new(&tokens)));
        Site { kit, door }
    }

    async fn send(&self, browser: &Browser, method: &str, uri: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "127.0.0.1:8470")
            .header("cookie", &browser.cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = self.door.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    async fn get(&self, browser: &Browser, uri: &str) -> Answer {
        self.send(browser, "GET", uri, "").await
    }

    async fn post(&self, browser: &Browser, uri: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(browser, "POST", uri, &body).await
    }

    /// Signs in as a person does: form, token, cookie.
    async fn sign_in(&self, token: &str) -> Browser {
        let form = self.get(&Browser::default(), "/").await;
        let before = Browser { cookie: form.cookies()[0].split(';').next().unwrap().to_owned(), ..Browser::default() };
        let answer = self.post(&before, "/login", &[("csrf", &form.hidden("csrf")), ("token", token), ("next", "/")]).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/"), "{}", answer.text);
        let cookie = answer.cookies().into_iter().find(|line| line.starts_with("galley_session")).unwrap();
        let mut browser = Browser { cookie: cookie.split(';').next().unwrap().to_owned(), csrf: String::new() };
        browser.csrf = self.get(&browser, "/").await.hidden("csrf");
        browser
    }

    fn design(&self, name: &str) -> Value {
        self.kit.server.object("designs", name).unwrap()
    }

    /// A design whose plan waits, and which is wanted.
    async fn waiting(&self) -> String {
        let name = self.kit.design(awaiting()).await;
        let mut design = self.design(&name);
        design["spec"]["desiredState"] = json!("Applied");
        self.kit.server.put("designs", design).await;
        // the edit made a new generation; the controllers restamp a plan whose inputs are the same
        self.kit.server.set_status("designs", &name, json!({ "observedGeneration": 2, "plan": { "generation": 2 } })).await;
        name
    }
}

#[tokio::test]
async fn every_route_opens_to_whom_it_should() {
    let site = Site::new().await;
    let name = site.waiting().await;
    site.kit.job(&name, "plan-1", "Plan", json!({ "phase": "Succeeded" })).await;
    let (editor, approver) = (site.sign_in(EDITOR).await, site.sign_in(APPROVER).await);
    let made_up = Browser { cookie: format!("galley_session_8470={}", "0".repeat(64)), csrf: "0".repeat(64) };
    // route, method, [nobody, made-up cookie, editor, approver]
    let rows: &[(&str, String, [u16; 4])] = &[
        ("GET", "/".into(), [200, 200, 200, 200]),
        ("GET", "/favicon.svg".into(), [200, 200, 200, 200]),
        ("GET", format!("/designs/{name}"), [303, 303, 200, 200]),
        ("GET", format!("/designs/{name}/diagram.svg"), [303, 303, 200, 200]),
        ("GET", format!("/designs/{name}/jobs/plan-1"), [303, 303, 200, 200]),
        ("GET", format!("/designs/{name}/jobs/nothing"), [303, 303, 404, 404]),
        ("GET", "/designs/nothing".into(), [303, 303, 404, 404]),
        ("GET", "/designs/..%2F..%2Fapprovals".into(), [303, 303, 404, 404]),
        ("POST", format!("/designs/{name}/replan"), [401, 401, 403, 303]),
        ("POST", format!("/designs/{name}/approve"), [401, 401, 403, 409]),
        ("POST", format!("/designs/{name}/refuse"), [401, 401, 403, 409]),
        ("DELETE", format!("/designs/{name}"), [405, 405, 405, 405]),
    ];
    for (method, uri, expected) in rows {
        for (who, browser, wanted) in [
            ("nobody", &Browser::default(), expected[0]),
            ("made up", &made_up, expected[1]),
            ("editor", &editor, expected[2]),
            ("approver", &approver, expected[3]),
        ] {
            let body = format!("csrf={}&plan_sha256={}&confirm=1", browser.csrf, sha('f'));
            let answer = site.send(browser, method, uri, if *method == "POST" { &body } else { "" }).await;
            assert_eq!(answer.status.as_u16(), wanted, "{method} {uri} as {who}: {}", answer.text);
        }
    }
    let asked = site.get(&Browser::default(), &format!("/designs/{name}")).await;
    assert_eq!(asked.location(), format!("/?next=/designs/{name}"), "back here after signing in");
}

#[tokio::test]
async fn signing_in_takes_our_form_and_a_known_token_and_keeps_the_token_nowhere() {
    let site = Site::new().await;
    let form = site.get(&Browser::default(), "/").await;
    let cookie = Browser { cookie: form.cookies()[0].split(';').next().unwrap().to_owned(), ..Browser::default() };
    let csrf = form.hidden("csrf");
    for (reason, browser, csrf, token, status) in [
        ("another site's form", &Browser::default(), csrf.as_str(), APPROVER, 403),
        ("no form token", &cookie, "", APPROVER, 403),
        ("an unknown token", &cookie, &csrf, "guess", 401),
        ("an empty one", &cookie, &csrf, "", 401),
        ("the right one", &cookie, &csrf, APPROVER, 303),
    ] {
        let answer = site.post(browser, "/login", &[("csrf", csrf), ("token", token), ("next", "//evil.example")]).await;
        assert_eq!(answer.status.as_u16(), status, "{reason}: {}", answer.text);
        assert!(!answer.text.contains("guess") && !answer.text.contains(APPROVER), "{reason}: the token comes back");
        if status == 303 {
            assert_eq!(answer.location(), "/", "no way to another site");
            let line = answer.cookies().into_iter().find(|line| line.starts_with("galley_session_8470=")).unwrap();
            assert!(line.contains("HttpOnly") && line.contains("SameSite=Strict") && line.contains("Path=/"), "{line}");
            assert!(!line.contains(APPROVER));
        }
    }
    for _ in 0..20 {
        site.post(&cookie, "/login", &[("csrf", &csrf), ("token", "guess")]).await;
    }
    let answer = site.post(&cookie, "/login", &[("csrf", &csrf), ("token", APPROVER)]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn signing_out_ends_the_session_on_the_server() {
    let site = Site::new().await;
    let browser = site.sign_in(APPROVER).await;
    assert_eq!(site.post(&browser, "/logout", &[("csrf", "forged")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(site.post(&browser, "/logout", &[("csrf", &browser.csrf)]).await.status, StatusCode::SEE_OTHER);
    assert!(site.get(&browser, "/").await.text.contains("type=\"password\""), "the old cookie opens nothing");
}

#[tokio::test]
async fn an_approval_is_of_exactly_the_plan_shown_and_stamped_as_the_approver_on_the_page() {
    let site = Site::new().await;
    let name = site.waiting().await;
    let browser = site.sign_in(APPROVER).await;
    let shown = site.get(&browser, &format!("/designs/{name}")).await;
    assert_eq!(shown.hidden("plan_sha256"), sha('a'));
    let approve = format!("/designs/{name}/approve");
    let (right, other) = (sha('a'), sha('b'));
    for (reason, fields, status) in [
        ("no form token", vec![("csrf", ""), ("plan_sha256", right.as_str()), ("confirm", "1")], 403),
        ("another session's form token", vec![("csrf", other.as_str()), ("plan_sha256", &right), ("confirm", "1")], 403),
        ("another plan", vec![("csrf", browser.csrf.as_str()), ("plan_sha256", &other), ("confirm", "1")], 409),
        ("a part of the sha256", vec![("csrf", browser.csrf.as_str()), ("plan_sha256", &right[..12]), ("confirm", "1")], 409),
        ("no plan", vec![("csrf", browser.csrf.as_str()), ("confirm", "1")], 409),
        ("something is destroyed and the box is not ticked", vec![("csrf", browser.csrf.as_str()), ("plan_sha256", &right)], 400),
    ] {
        let answer = site.post(&browser, &approve, &fields).await;
        assert_eq!(answer.status.as_u16(), status, "{reason}");
        assert!(site.kit.server.names("approvals").is_empty(), "{reason}: an approval was made");
    }
    let fields = [("csrf", browser.csrf.as_str()), ("plan_sha256", &right), ("confirm", "1"), ("reason", " seen with the customer ")];
    let answer = site.post(&browser, &approve, &fields).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, format!("/designs/{name}?done=approved").as_str()),
        "{}",
        answer.text
    );
    let names = site.kit.server.names("approvals");
    let approval = site.kit.server.object("approvals", &names[0]).unwrap();
    assert_eq!(approval["spec"]["planSha256"], right);
    assert_eq!(approval["spec"]["reason"], "seen with the customer");
    assert_eq!(approval["status"], json!({ "approver": "approver", "role": "approver", "channel": "page" }));
}

#[tokio::test]
async fn an_editor_sees_the_buttons_disabled_with_the_reason_and_a_forged_post_is_refused() {
    let site = Site::new().await;
    let name = site.waiting().await;
    let editor = site.sign_in(EDITOR).await;
    let page = site.get(&editor, &format!("/designs/{name}")).await;
    let button = page.text.split("id=\"approve\"").nth(1).unwrap().split('>').next().unwrap();
    assert!(button.contains("disabled") && button.contains("aria-describedby=\"readers\""), "{button}");
    assert!(page.text.contains("need the approver token"));
    for action in ["approve", "refuse", "replan"] {
        let fields = [("csrf", editor.csrf.as_str()), ("plan_sha256", &sha('a')), ("confirm", "1")];
        let answer = site.post(&editor, &format!("/designs/{name}/{action}"), &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action}");
    }
    assert!(site.kit.server.names("approvals").is_empty());
    assert_eq!(site.design(&name)["spec"]["desiredState"], "Applied", "nothing was changed");
}

#[tokio::test]
async fn a_refusal_leaves_nothing_that_could_be_applied() {
    let site = Site::new().await;
    let name = site.waiting().await;
    let browser = site.sign_in(APPROVER).await;
    let fields = [("csrf", browser.csrf.as_str()), ("plan_sha256", &sha('a')), ("reason", "too <b>expensive</b>")];
    let before = site.design(&name)["metadata"]["generation"].as_i64().unwrap();
    let answer = site.post(&browser, &format!("/designs/{name}/refuse"), &fields).await;
    assert_eq!(answer.location(), format!("/designs/{name}?done=refused"), "{}", answer.text);
    let design = site.design(&name);
    assert_eq!(design["spec"]["desiredState"], "Planned", "the wish is taken back");
    assert_eq!(design["spec"]["policy"]["approval"], "human", "no model says yes where a person said no");
    assert_eq!(design["metadata"]["generation"], before + 1, "every approval names an older generation");
    let page = site.get(&browser, &format!("/designs/{name}")).await;
    assert!(page.text.contains("This plan was refused") && page.text.contains("too &lt;b&gt;expensive&lt;/b&gt;"), "{}", page.text);
    assert!(!page.text.contains("id=\"approve\""));
    let fields = [("csrf", browser.csrf.as_str()), ("plan_sha256", &sha('a')), ("confirm", "1")];
    let answer = site.post(&browser, &format!("/designs/{name}/approve"), &fields).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "a refused plan stays refused here");
    assert!(site.kit.server.names("approvals").is_empty());
}

#[tokio::test]
async fn refusing_the_destroy_of_a_deleted_design_suspends_it() {
    let site = Site::new().await;
    let name = site.waiting().await;
    site.kit.server.patch("designs", &name, json!({ "metadata": { "finalizers": ["galley.dev/terraform-state"] } })).await;
    site.kit.server.delete("designs", &name).await;
    let generation = site.design(&name)["metadata"]["generation"].clone();
    site.kit.server.set_status("designs", &name, json!({ "observedGeneration": generation, "plan": { "generation": generation } })).await;
    let browser = site.sign_in(APPROVER).await;
    let answer =
        site.post(&browser, &format!("/designs/{name}/refuse"), &[("csrf", browser.csrf.as_str()), ("plan_sha256", &sha('a'))]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(site.design(&name)["spec"]["suspend"], true, "a deletion cannot be taken back: it is held");
}

#[tokio::test]
async fn a_plan_that_is_being_applied_can_no_longer_be_refused() {
    let site = Site::new().await;
    let name = site.waiting().await;
    site.kit.job(&name, "apply-1", "Apply", json!({ "phase": "Running" })).await;
    site.kit.server.set_status("designs", &name, json!({ "activeJob": "apply-1" })).await;
    let browser = site.sign_in(APPROVER).await;
    let answer =
        site.post(&browser, &format!("/designs/{name}/refuse"), &[("csrf", browser.csrf.as_str()), ("plan_sha256", &sha('a'))]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.text.contains("being applied already"));
    assert_eq!(site.design(&name)["spec"]["desiredState"], "Applied");
}

#[tokio::test]
async fn a_write_in_between_is_read_before_a_refusal_is_tried_again() {
    let site = Site::new().await;
    let name = site.waiting().await;
    let browser = site.sign_in(APPROVER).await;
    site.kit.server.fail_next(http::Method::PATCH, "designs", 409);
    let answer =
        site.post(&browser, &format!("/designs/{name}/refuse"), &[("csrf", browser.csrf.as_str()), ("plan_sha256", &sha('a'))]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(site.design(&name)["spec"]["desiredState"], "Planned");
}

#[tokio::test]
async fn every_text_of_a_user_is_escaped_wherever_it_stands() {
    const EVIL: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";
    let site = Site::new().await;
    let name = site.waiting().await;
    let mut session = site.kit.server.object("sessions", &name).unwrap();
    session["spec"]["title"] = json!(EVIL);
    site.kit.server.put("sessions", session).await;
    let mut design = site.design(&name);
    design["spec"]["components"][0]["displayName"] = json!(EVIL);
    design["spec"]["components"][0]["serviceType"] = json!(EVIL);
    design["spec"]["region"] = json!(EVIL);
    site.kit.server.put("designs", design).await;
    let finding = json!({ "rule": "r", "severity": "error", "path": EVIL, "message": EVIL, "recommendation": EVIL, "allowed": [EVIL] });
    let failure = json!({ "job": "job-1", "action": "Apply", "class": "Stalled", "reason": "JobFailed", "attempts": 1, "nextActions": [EVIL],
        "diagnostics": [{ "severity": "error", "summary": EVIL, "detail": EVIL, "code": EVIL, "address": EVIL, "whoActs": "Stalled", "nextAction": EVIL }] });
    site.kit.server.set_status(
        "designs",
        &name,
        json!({ "findings": { "errors": 1, "warnings": 0, "infos": 0, "items": [finding] }, "lastFailure": failure, "outputs": { (EVIL): EVIL },
            "plan": { "changes": [{ "address": EVIL, "action": "delete", "replacePaths": [EVIL] }], "driftDeletes": [EVIL] },
            "conditions": [{ "type": "Ready", "status": "False", "reason": "JobFailed", "message": EVIL, "lastTransitionTime": "2026-01-01T00:00:00Z" }] }),
    ).await;
    site.kit.job(&name, "job-1", "Apply", json!({ "phase": "Failed", "message": EVIL, "diagnostics": [] })).await;
    site.kit.blob(&name, "job-1", JobBlob::Log, &format!("{}\n", json!({ "@level": "info", "@message": EVIL, "@timestamp": EVIL }))).await;
    let browser = site.sign_in(EDITOR).await;
    for uri in [
        "/".to_owned(),
        format!("/designs/{name}"),
        format!("/designs/{name}/jobs/job-1"),
        format!("/designs/{name}?done={}", parts::escaped(EVIL)),
    ] {
        let answer = site.get(&browser, &uri).await;
        assert_eq!(answer.status, StatusCode::OK, "{uri}: {}", answer.text);
        assert!(!answer.text.contains("<script>alert") && !answer.text.contains("<img src=x"), "{uri}: {}", answer.text);
        assert!(uri.contains("done=") || answer.text.contains("&lt;script&gt;alert"), "{uri}: the text is shown, escaped");
    }
}

#[tokio::test]
async fn every_answer_carries_a_strict_policy_and_no_page_names_anything_elsewhere() {
    let site = Site::new().await;
    let name = site.waiting().await;
    let browser = site.sign_in(APPROVER).await;
    for uri in ["/".to_owned(), format!("/designs/{name}"), "/designs/nothing".into()] {
        let (first, second) = (site.get(&browser, &uri).await, site.get(&browser, &uri).await);
        let policy = first.headers["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{uri}: {policy}");
        assert_ne!(policy, second.headers["content-security-policy"].to_str().unwrap(), "{uri}: the nonce is used once");
        assert_eq!(first.headers["cache-control"], "no-store", "{uri}");
        assert_eq!(first.headers["referrer-policy"], "same-origin", "{uri}: under no-referrer our own forms come with Origin: null");
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        for tag in ["<script", "<style"] {
            assert!(
                first.text.split(tag).skip(1).all(|rest| rest.starts_with(&format!(" nonce=\"{nonce}\""))),
                "{uri}: {tag} without nonce"
            );
        }
        assert!(
            !first.text.contains(" style=\"") && !first.text.contains(" onclick"),
            "{uri}: inline styles and handlers are dead under the policy"
        );
        for secret in [EDITOR, APPROVER] {
            assert!(!first.text.contains(secret), "{uri} shows a token");
        }
        let elsewhere = first.text.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !elsewhere.contains("http://") && !elsewhere.contains("https://") && !elsewhere.contains("src=\"//"),
            "{uri} names another site"
        );
    }
    let picture = site.get(&browser, &format!("/designs/{name}/diagram.svg")).await;
    assert!(picture.headers["content-security-policy"].to_str().unwrap().contains("sandbox"), "an opened picture runs nothing");
}

#[tokio::test]
async fn every_form_that_writes_carries_the_token_of_its_session() {
    let site = Site::new().await;
    let name = site.waiting().await;
    let (one, two) = (site.sign_in(APPROVER).await, site.sign_in(APPROVER).await);
    assert_ne!(one.csrf, two.csrf);
    let page = site.get(&one, &format!("/designs/{name}")).await;
    for form in page.text.split("<form").skip(1) {
        let form = form.split("</form>").next().unwrap();
        assert!(form.contains("method=\"post\"") && form.contains(&format!("name=\"csrf\" value=\"{}\"", one.csrf)), "{form}");
    }
    let fields = [("csrf", two.csrf.as_str()), ("plan_sha256", &sha('a')), ("confirm", "1")];
    assert_eq!(site.post(&one, &format!("/designs/{name}/approve"), &fields).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_lost_stands_before_everything_else_with_its_cause() {
    let site = Site::new().await;
    let name = site.waiting().await;
    let page = site.get(&site.sign_in(EDITOR).await, &format!("/designs/{name}")).await;
    let at = |text: &str| page.text.find(text).unwrap_or_else(|| panic!("{text} is not shown: {}", page.text));
    assert!(at("oci_core_instance.old") < at("oci_core_vcn.vcn") && at("oci_core_subnet.app") < at("oci_core_vcn.vcn"));
    assert!(page.text.contains("cannot be changed in place: cidr_block"));
    assert!(page.text.contains("no longer in the design"));
}

#[tokio::test]
async fn what_waits_for_a_person_comes_first_and_one_broken_document_hides_nothing() {
    let broken = "s-broken";
    let document = json!({ "apiVersion": "galley.dev/v1alpha1", "kind": "Design",
        "metadata": { "name": broken, "namespace": "default", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "sessionRef": broken, "components": "none" } });
    let site = Site::over(Kit::holding("designs", broken, document).await);
    let session =
        json!({ "apiVersion": "galley.dev/v1alpha1", "kind": "Session", "metadata": { "name": broken }, "spec": { "title": "t" } });
    site.kit.server.create("sessions", session).await;
    let waiting = site.waiting().await;
    let calm = site.kit.design(json!({ "sync": "Synced", "health": "Healthy", "conditions": [condition("True", "Synced")] })).await;
    let talking = site.kit.session().await;
    let page = site.get(&site.sign_in(EDITOR).await, "/?lang=ja").await;
    let at = |text: &str| page.text.find(text).unwrap_or_else(|| panic!("{text} is not listed"));
    assert!(at(&waiting) < at(&calm) && at(&waiting) < at(&talking), "newer ones come after what waits");
    assert!(page.text.contains("1 件が判断待ち") && page.text.contains("この文書は読み取れません"), "{}", page.text);
    assert!(page.text.starts_with("<!DOCTYPE html><html lang=\"ja\">"));
    assert!(page.cookies().iter().any(|line| line.starts_with("galley_lang=ja")), "the language stays chosen");
    assert!(at(broken) > 0);
}

/// A row of the list, or nothing.
fn row<'a>(page: &'a str, name: &str) -> &'a str {
    page.split("<tr").find(|row| row.contains(name)).unwrap_or_default()
}

#[tokio::test]
async fn what_is_stuck_comes_after_what_waits_and_both_are_counted() {
    let site = Site::new().await;
    let stalled = json!({ "conditions": [condition("False", "JobFailed"),
        { "type": "Stalled", "status": "True", "reason": "JobFailed", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z" }] });
    let stuck = site.kit.design(stalled).await;
    let waiting = site.waiting().await;
    let draft = site.kit.design(json!({ "sync": "Unknown", "health": "Missing", "conditions": [condition("True", "Draft")] })).await;
    let page = site.get(&site.sign_in(EDITOR).await, "/").await.text;
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not listed"));
    assert!(at(&waiting) < at(&stuck) && at(&stuck) < at(&draft), "decisions, then troubles, then the newest");
    assert!(page.contains("1 waiting for a decision") && page.contains("1 needs attention"), "{page}");
    assert!(row(&page, &waiting).contains("1 create · 1 replace · 1 destroy"), "what there is to decide: {}", row(&page, &waiting));
    assert!(row(&page, &draft).contains("not planned") && !row(&page, &draft).contains("Unknown"), "a draft is in order");
}

#[tokio::test]
async fn notes_are_folded_away_and_what_must_be_mended_is_not() {
    let site = Site::new().await;
    let name = site.waiting().await;
    let finding =
        |severity: &str, message: &str| json!({ "rule": "r", "severity": severity, "path": "components[vm]", "message": message });
    let items = [finding("error", "one is broken"), finding("info", "two is noted"), finding("warning", "three is odd")];
    site.kit.server.set_status("designs", &name, json!({ "findings": { "errors": 1, "warnings": 1, "infos": 1, "items": items } })).await;
    let page = site.get(&site.sign_in(EDITOR).await, &format!("/designs/{name}")).await.text;
    let (open, folded) = page.split_once("<details id=\"notes\">").unwrap();
    assert!(open.contains("one is broken") && open.contains("three is odd") && !open.contains("two is noted"), "{open}");
    assert!(folded.contains("1 note") && folded.contains("two is noted"), "{folded}");
}

#[tokio::test]
async fn the_button_says_how_much_is_lost_and_an_old_answer_is_not_said_for_ever() {
    let site = Site::new().await;
    let name = site.waiting().await;
    let browser = site.sign_in(APPROVER).await;
    let page = site.get(&browser, &format!("/designs/{name}?done=approved")).await.text;
    assert!(page.contains("Approve: 2 are lost") && page.contains("with its data"), "{page}");
    let reload = "<noscript><meta http-equiv=\"refresh\"";
    assert!(page.contains("is being applied") && page.contains(reload), "what was approved begins in a moment: {page}");
    site.kit.server.set_status("designs", &name, json!({ "conditions": [condition("True", "Synced")] })).await;
    let page = site.get(&browser, &format!("/designs/{name}?done=approved")).await.text;
    assert!(!page.contains("is being applied") && !page.contains(reload), "{page}");
}

#[test]
fn data_is_what_a_person_put_into_a_resource() {
    for (address, holds, why) in [
        ("oci_database_autonomous_database.orders", true, "a database"),
        ("oci_objectstorage_bucket.lake[0]", true, "a bucket, one of several"),
        ("oci_core_instance.vm", true, "its boot volume goes with it"),
        ("oci_core_volume_attachment.disk", false, "the volume stays"),
        ("oci_core_instance_configuration.pool", false, "a description of machines"),
        ("oci_core_network_security_group_security_rule.vm_to_db", false, "made again in a second"),
        ("oci_core_vcn.vcn", false, "a network"),
    ] {
        assert_eq!(plan::holds_data(address), holds, "{why}: {address}");
    }
}

#[tokio::test]
async fn a_page_that_moves_reloads_itself_without_a_script_and_a_resting_one_does_not() {
    let site = Site::new().await;
    let name = site.waiting().await;
    let browser = site.sign_in(EDITOR).await;
    let reload = "<noscript><meta http-equiv=\"refresh\"";
    assert!(!site.get(&browser, &format!("/designs/{name}")).await.text.contains(reload));
    let progress = json!({ "step": "apply", "total": 8, "done": 3, "current": ["oci_core_vcn.vcn"] });
    site.kit.job(&name, "apply-1", "Apply", json!({ "phase": "Running", "progress": progress })).await;
    site.kit.server.set_status("designs", &name, json!({ "activeJob": "apply-1" })).await;
    for uri in [format!("/designs/{name}"), format!("/designs/{name}/jobs/apply-1")] {
        let page = site.get(&browser, &uri).await;
        assert!(page.text.contains(reload) && page.text.contains("3 of 8 resources"), "{uri}: {}", page.text);
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_said_in_words() {
    let site = Site::new().await;
    let browser = site.sign_in(EDITOR).await;
    site.kit.server.fail_next(http::Method::GET, "designs", 503);
    let page = site.get(&browser, "/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text.contains("The store does not answer") && page.text.contains("<main"), "{}", page.text);
}

#[test]
fn only_the_pages_own_routes_take_forms() {
    for (path, takes) in [
        ("/login", true),
        ("/logout", true),
        ("/designs/s-1/approve", true),
        ("/designs/s-1/refuse", true),
        ("/designs/s-1/replan", true),
        ("/designs/s-1", false),
        ("/designs/s-1/jobs/approve", false),
        ("/mcp", false),
        ("/k8s/designs/x/approve", false),
        ("/admin/sandbox/u/set", false),
    ] {
        assert_eq!(takes_form(path), takes, "{path}");
    }
}

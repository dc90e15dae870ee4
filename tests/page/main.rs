//! The page in a real browser over a real server: a plan is read, approved as approver, watched until it is built, and
//! refused to an editor. Named `real_browser_…`; runs when asked for by name (`make test-real`), because a browser, a
//! server and Terraform together take half a minute.
//!
//! With `GALLEY_TEST_PICTURES` it writes the pictures of docs/page.md there as it goes.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests say what they expect")]

mod browser;
#[path = "../acceptance/world.rs"]
#[allow(dead_code, reason = "the world has more than this test needs")]
mod world;

use std::path::PathBuf;

use browser::Browser;
use serde_json::json;
use world::{APPROVER, EDITOR, World};

const SMALL: &str = include_str!("../designs/compute-adb-verify.json");
const LARGE: &str = include_str!("../designs/iot-platform-19.json");

/// Whether this run asks for the browser, and the machine has one.
fn wanted() -> bool {
    if !std::env::args().any(|argument| argument.contains("real")) {
        println!("SKIPPED: runs by name, as `make test-real` does");
        return false;
    }
    if browser::installed().is_none() {
        println!("SKIPPED: there is no Chromium on this machine");
        return false;
    }
    true
}

/// A picture for the documentation, when pictures are asked for.
fn picture(browser: &mut Browser, name: &str) {
    if let Some(folder) = std::env::var_os("GALLEY_TEST_PICTURES") {
        browser.picture(&PathBuf::from(folder).join(format!("page-{name}.png")), 2400);
    }
}

async fn titled(world: &World, name: &str, title: &str) {
    let sessions: kube::Api<galley::api::Session> = kube::Api::default_namespaced(world.kube(EDITOR));
    let patch = kube::api::Patch::Merge(json!({ "spec": { "title": title } }));
    sessions.patch(name, &kube::api::PatchParams::default(), &patch).await.expect("title");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_browser_an_approver_reads_a_plan_approves_it_and_watches_it_until_it_is_built() {
    if !wanted() {
        return;
    }
    let world = World::start_with(&[("GALLEY_MIN_APPROVAL", "human")]).await;
    let draft = world.create(world::spec_of(LARGE)).await;
    titled(&world, &draft, "IoT プラットフォーム(株式会社サンプル様)").await;
    let name = world.create(world::spec_of(SMALL)).await;
    titled(&world, &name, "Verification environment: VM + ATP").await;
    world.edit(&name, json!({ "desiredState": "Applied" })).await;
    let sha = world.until_plan(&name).await;
    let base = world.base().to_owned();
    let design = format!("{base}/designs/{name}");

    let mut browser = Browser::start();
    browser.look(1280, 900, false, "en");
    // an editor reads and may not decide
    browser.sign_in(&base, EDITOR);
    browser.until("what waits is said", "document.body.innerText.includes('1 waiting for a decision')");
    picture(&mut browser, "list-light-en");
    browser.open(&design);
    assert_eq!(browser.evaluate("document.querySelector('#approve').disabled"), json!(true));
    assert!(browser.text().contains("need the approver token"), "{}", browser.text());
    let forged = browser.evaluate(&format!(
        "fetch('/designs/{name}/approve', {{ method: 'POST', body: new URLSearchParams({{ csrf: document.querySelector('[name=csrf]').value, plan_sha256: '{sha}', confirm: '1' }}) }}).then((answer) => answer.status)"
    ));
    assert_eq!(forged, json!(403), "a forged decision of an editor");
    assert_eq!(world.approvals(EDITOR).list(&Default::default()).await.expect("approvals").items.len(), 0);
    browser.sign_out();

    // the approver reads the same plan
    browser.sign_in(&base, APPROVER);
    browser.open(&design);
    let shown = browser.text();
    assert!(shown.contains("This plan waits for your decision") && shown.contains("Nothing is destroyed or replaced"), "{shown}");
    assert_eq!(browser.evaluate("document.querySelector('[name=plan_sha256]').value"), json!(sha), "exactly this plan");
    assert_eq!(
        browser.evaluate("document.images[0].complete && document.images[0].naturalWidth > 200"),
        json!(true),
        "the picture is drawn"
    );
    assert_eq!(browser.evaluate("document.documentElement.outerHTML.includes('token-')"), json!(false), "no token in the page");
    picture(&mut browser, "plan-light-en");
    pictures_in_other_clothes(&mut browser, &base, &name, &draft);

    browser.look(1280, 900, false, "en");
    browser.open(&format!("{design}?lang=en"));
    browser.fill("#reason", "seen together with the customer");
    browser.click("#approve");
    browser.until("the approval is taken", "location.search.includes('done=approved')");
    browser
        .until("the job is shown", "document.querySelector('#running progress') || document.body.innerText.includes('Built as designed')");
    if browser.evaluate("Boolean(document.querySelector('#running a'))") == json!(true) {
        picture(&mut browser, "running-light-en");
        browser.evaluate("document.querySelector('#running a')?.click(), 1");
        browser.until("the log is there", "document.querySelector('pre.log') && document.querySelector('pre.log').innerText.length > 40");
        browser.look(1280, 900, true, "ja");
        picture(&mut browser, "job-dark-en");
        browser.look(1280, 900, false, "en");
        browser.until("the job ends before the eyes of the reader", "document.querySelector('.chips').innerText.includes('succeeded')");
        browser.open(&design);
    }
    browser.until("it is built", "document.body.innerText.includes('Built as designed')");
    browser.until("sync", "document.querySelector('.hero .chip.good')?.innerText === 'Synced'");
    let shown = browser.text();
    assert!(shown.contains("seen together with the customer") && shown.contains("on this page"), "{shown}");
    picture(&mut browser, "built-light-en");
    let approvals = world.approvals(EDITOR).list(&Default::default()).await.expect("approvals");
    let status = serde_json::to_value(&approvals.items[0].status).expect("status");
    assert_eq!((&status["channel"], &status["role"]), (&json!("page"), &json!("approver")), "stamped by the server");
    assert_eq!(world.apply_runs(), 1);
    a_destructive_plan_is_read(&world, &mut browser, &name).await;
    let log = world.server_log();
    assert!(!log.contains(EDITOR) && !log.contains(APPROVER), "no token in the log");
}

/// The database is taken out: what is lost stands first, and approving takes a tick.
async fn a_destructive_plan_is_read(world: &World, browser: &mut Browser, name: &str) {
    let mut spec = world::spec_of(SMALL);
    let components = spec["components"].as_array_mut().expect("components");
    components.retain(|component| component["id"] != "adb");
    let connections: Vec<_> =
        spec["connections"].as_array().expect("connections").iter().filter(|one| one["targetId"] != "adb").cloned().collect();
    world.edit(name, json!({ "components": spec["components"], "connections": connections })).await;
    world.until_plan(name).await;
    browser.open(&format!("{}/designs/{name}", world.base()));
    let shown = browser.text();
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text} is not shown:\n{shown}"));
    assert!(
        at("What is lost") < at("oci_database_autonomous_database.adb")
            && at("oci_database_autonomous_database.adb") < at("Approve and build")
    );
    assert!(shown.contains("no longer in the design"), "{shown}");
    picture(browser, "destructive-light-en");
    browser.click("#approve");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(browser.evaluate("document.querySelector('#confirm').matches(':invalid')"), json!(true), "the tick is asked for");
    assert_eq!(world.approvals(EDITOR).list(&Default::default()).await.expect("approvals").items.len(), 1, "nothing was approved");
    browser.look(1280, 900, true, "ja");
    browser.open(&format!("{}/designs/{name}?lang=ja", world.base()));
    picture(browser, "destructive-dark-ja");
}

/// The same pages dark, in Japanese, narrow: looked at by people, checked for what a machine can see.
fn pictures_in_other_clothes(browser: &mut Browser, base: &str, name: &str, draft: &str) {
    browser.look(1280, 900, true, "ja");
    browser.open(&format!("{base}/designs/{name}?lang=ja"));
    browser
        .until("Japanese", "document.documentElement.lang === 'ja' && document.body.innerText.includes('このプランは判断を待っています')");
    picture(browser, "plan-dark-ja");
    browser.open(&format!("{base}/"));
    picture(browser, "list-dark-ja");
    browser.open(&format!("{base}/designs/{draft}"));
    picture(browser, "draft-dark-ja");
    browser.look(390, 844, false, "ja");
    browser.open(&format!("{base}/designs/{name}"));
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), json!(true), "a telephone scrolls in one direction");
    picture(browser, "plan-narrow-ja");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_browser_a_refused_plan_is_never_applied_and_is_read_without_a_script() {
    if !wanted() {
        return;
    }
    let world = World::start().await;
    let name = world.create(world::spec_of(SMALL)).await;
    world.edit(&name, json!({ "desiredState": "Applied" })).await;
    let sha = world.until_plan(&name).await;
    let design = format!("{}/designs/{name}", world.base());
    let mut browser = Browser::start();
    browser.look(1280, 900, false, "en");
    browser.sign_in(world.base(), APPROVER);
    browser.open(&design);
    browser.fill("#reason", "too expensive");
    browser.click("#refuse");
    browser
        .until("refused", "document.body.innerText.includes('This plan was refused') && document.body.innerText.includes('too expensive')");
    world.until_reason(&name, "PlanReady").await;

    // the model tries again: the same plan, wanted again, approved with the editor token
    world.edit(&name, json!({ "desiredState": "Applied" })).await;
    world.until_reason(&name, "AwaitingApproval").await;
    let approval = world.approve(&name, EDITOR).await;
    assert_eq!(approval.spec.plan_sha256, sha, "the very plan that was refused");
    let approvals = world.approvals(EDITOR);
    let deadline = std::time::Instant::now() + world::PATIENCE;
    while approvals
        .get(approval.metadata.name.as_deref().expect("name"))
        .await
        .expect("approval")
        .status
        .and_then(|status| status.refused)
        .is_none()
    {
        assert!(std::time::Instant::now() < deadline, "an editor's approval after a refusal is refused");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(world.apply_runs(), 0, "nothing was applied");

    browser.scripts(false);
    browser.open(&design);
    browser.scripts(true);
    let shown = browser.text();
    assert!(shown.contains("This plan was refused") && shown.contains("History"), "{shown}");
    assert_eq!(browser.evaluate("Boolean(document.querySelector('#approve'))"), json!(false), "a refused plan has no button");
}

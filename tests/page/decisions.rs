//! Decisions: approved and watched, refused, read without a script, and what a failure says.

use kube::api::ListParams;
use serde_json::json;

use super::browser::Browser;
use super::world::{self, APPROVER, EDITOR, World};
use super::{LARGE, SMALL, make, picture};

/// How many approvals there are.
async fn approvals(world: &World) -> usize {
    world.approvals(EDITOR).list(&ListParams::default()).await.expect("approvals").items.len()
}

pub async fn an_approver_reads_a_plan_approves_it_and_watches_it_until_it_is_built() {
    let world = World::start_with(&[("GALLEY_MIN_APPROVAL", "human")]).await;
    make(&world, "IoT プラットフォーム(株式会社サンプル様)", "ja", Some(world::spec_of(LARGE))).await;
    make(&world, "Data warehouse on Exadata", "en", None).await;
    let name = make(&world, "Verification environment: VM + ATP", "en", Some(world::spec_of(SMALL))).await;
    world.edit(&name, json!({ "desiredState": "Applied" })).await;
    let sha = world.until_plan(&name).await;
    let design = format!("{}/designs/{name}", world.base());
    let mut browser = Browser::start();
    browser.look(1280, 900, false, "en");
    an_editor_reads_and_may_not_decide(&world, &mut browser, &name, &sha).await;

    browser.sign_in(world.base(), APPROVER);
    browser.open(&design);
    let shown = browser.text();
    assert!(shown.contains("This plan waits for your decision") && shown.contains("Nothing is destroyed or replaced"), "{shown}");
    browser.still("exactly this plan", &format!("document.querySelector('[name=plan_sha256]').value === '{sha}'"));
    browser.until("the picture is drawn", "document.images[0].complete && document.images[0].naturalWidth > 200");
    browser.still("no token in the page", "!document.documentElement.outerHTML.includes('token-')");
    picture(&mut browser, "plan", 2000);

    world.hold_applies();
    browser.fill("#reason", "seen together with the customer");
    browser.click("#approve");
    browser.until("the approval is taken", "location.search.includes('done=approved')");
    browser.until("the job is shown as running", "document.querySelector('#running .chip')?.innerText === 'running'");
    browser.still("what was approved is said", "document.body.innerText.includes('Approved. The plan is being applied.')");
    picture(&mut browser, "running", 900);
    it_is_watched_in_the_log(&world, &mut browser);

    browser.open(&design);
    browser.until("it is built", "document.body.innerText.includes('Built as designed')");
    browser.until("it is in sync", "document.querySelector('.hero .chip.good')?.innerText === 'Synced'");
    let shown = browser.text();
    assert!(shown.contains("seen together with the customer") && shown.contains("on this page"), "{shown}");
    browser.open(&format!("{design}?done=approved"));
    browser.still("an old answer is not said for ever", "!document.body.innerText.includes('is being applied')");
    picture(&mut browser, "built", 2400);
    let list = world.approvals(EDITOR).list(&ListParams::default()).await.expect("approvals");
    let status = serde_json::to_value(&list.items[0].status).expect("status");
    assert_eq!((&status["channel"], &status["role"]), (&json!("page"), &json!("approver")), "stamped by the server");
    assert_eq!(world.apply_runs(), 1);
    what_is_lost_is_read_first(&world, &mut browser, &name).await;
    let log = world.server_log();
    assert!(!log.contains(EDITOR) && !log.contains(APPROVER), "no token in the log");
}

async fn an_editor_reads_and_may_not_decide(world: &World, browser: &mut Browser, name: &str, sha: &str) {
    let base = world.base();
    browser.sign_in(base, EDITOR);
    browser.until("what waits is said", "document.body.innerText.includes('1 waiting for a decision')");
    picture(browser, "list", 900);
    browser.open(&format!("{base}/designs/{name}"));
    browser.still("the button is dead", "document.querySelector('#approve').disabled && document.querySelector('#refuse').disabled");
    assert!(browser.text().contains("need the approver token"), "{}", browser.text());
    let forged = browser.evaluate(&format!(
        "fetch('/designs/{name}/approve', {{ method: 'POST', body: new URLSearchParams({{ csrf: document.querySelector('[name=csrf]').value, plan_sha256: '{sha}', confirm: '1' }}) }}).then((answer) => answer.status)"
    ));
    assert_eq!(forged, json!(403), "a forged decision of an editor");
    assert_eq!(approvals(world).await, 0);
    browser.sign_out();
}

/// From the running job to its log, which follows by itself until the job ends: the page is never loaded again.
fn it_is_watched_in_the_log(world: &World, browser: &mut Browser) {
    browser.click("#running a");
    browser.until("the log is there", "document.querySelector('pre.log')");
    browser.until("it runs", "document.querySelector('.chips').innerText === 'running'");
    browser.evaluate("window.watched = true");
    world.release_applies();
    browser.until("lines follow by themselves", "document.querySelector('pre.log').innerText.includes('Creation complete')");
    browser.until("the job ends before the eyes of the reader", "document.querySelector('.chips').innerText === 'succeeded'");
    browser.until("every resource is counted", "/14 of 14 resources/.test(document.body.innerText)");
    browser.still("the page was not loaded again", "window.watched === true");
    picture(browser, "job", 1000);
}

/// The database is taken out and the machine moves to a public subnet: what is lost stands first, data before rules, and
/// approving takes a tick.
async fn what_is_lost_is_read_first(world: &World, browser: &mut Browser, name: &str) {
    let mut spec = world::spec_of(SMALL);
    let components = spec["components"].as_array_mut().expect("components");
    components.retain(|component| component["id"] != "adb");
    components.iter_mut().filter(|one| one["id"] == "vm").for_each(|one| one["config"]["assign_public_ip"] = json!(true));
    let connections: Vec<_> =
        spec["connections"].as_array().expect("connections").iter().filter(|one| one["targetId"] != "adb").cloned().collect();
    world.edit(name, json!({ "components": spec["components"], "connections": connections })).await;
    world.until_plan(name).await;
    browser.open(&format!("{}/designs/{name}", world.base()));
    let shown = browser.text();
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text} is not shown:\n{shown}"));
    for (first, then) in [
        ("What is lost", "oci_core_instance.vm"),
        ("oci_core_instance.vm", "oci_core_network_security_group"),
        ("oci_database_autonomous_database.adb", "oci_core_network_security_group"),
        ("with its data", "Approve: "),
    ] {
        assert!(at(first) < at(then), "{first} before {then}:\n{shown}");
    }
    assert!(shown.contains("no longer in the design") && shown.contains("cannot be changed in place: create_vnic_details"), "{shown}");
    picture(browser, "losses", 1400);
    browser.evaluate("document.querySelector('#confirm').addEventListener('invalid', () => { window.asked = true; })");
    browser.click("#approve");
    browser.until("the tick is asked for", "window.asked === true");
    assert_eq!(approvals(world).await, 1, "nothing was approved");
    browser.look(1280, 900, true, "ja");
    browser.open(&format!("{}/designs/{name}?lang=ja", world.base()));
    picture(browser, "losses-dark-ja", 1400);
}

pub async fn a_refused_plan_is_never_applied_and_everything_is_read_without_a_script() {
    let world = World::start().await;
    let name = make(&world, "Verification environment: VM + ATP", "en", Some(world::spec_of(SMALL))).await;
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
    let (approvals, name_of) = (world.approvals(EDITOR), approval.metadata.name.expect("name"));
    let deadline = std::time::Instant::now() + world::PATIENCE;
    while approvals.get(&name_of).await.expect("approval").status.and_then(|status| status.refused).is_none() {
        assert!(std::time::Instant::now() < deadline, "an editor's approval after a refusal is refused");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(world.apply_runs(), 0, "nothing was applied");
    everything_is_read_without_a_script(&world, &mut browser, &name);
}

/// List, design, one resource of the plan, the log of a job, each reached by its link. The protocol still looks into the
/// page; the page itself runs nothing.
fn everything_is_read_without_a_script(world: &World, browser: &mut Browser, name: &str) {
    browser.scripts(false);
    browser.open(&format!("{}/", world.base()));
    browser.still("the list", &format!("document.querySelector('main a[href=\"/designs/{name}\"]')"));
    browser.open(&format!("{}/designs/{name}", world.base()));
    let shown = browser.text();
    assert!(shown.contains("This plan was refused") && shown.contains("History") && shown.contains("too expensive"), "{shown}");
    browser.still("a refused plan has no button", "!document.querySelector('#approve')");
    browser.still("what is folded away is there", "document.querySelectorAll('#changes tbody tr').length === 14");
    browser.still(
        "the diagram is a picture with its words beside it",
        "document.images[0].alt.length > 40 && document.querySelector('#components')",
    );
    let link = |selector: &str| {
        format!("new URL(document.querySelector({}).href).pathname + new URL(document.querySelector({0}).href).search", json!(selector))
    };
    let resource = browser.evaluate(&link("#changes a[href*='oci_core_vcn']"));
    let log = browser.evaluate(&link("#history a[href*='/jobs/']"));
    browser.open(&format!("{}{}", world.base(), resource.as_str().expect("link")));
    assert!(browser.text().contains("10.0.0.0/16"), "{}", browser.text());
    browser.open(&format!("{}{}", world.base(), log.as_str().expect("link")));
    assert!(browser.text().contains("succeeded") && browser.text().contains("Plan: 14 to add"), "{}", browser.text());
    browser.scripts(true);
}

pub async fn a_failed_build_says_what_to_do() {
    let world = World::start().await;
    let name = make(&world, "検証環境", "ja", Some(world::spec_of(SMALL))).await;
    let cloud = world.cloud(&name).await;
    cloud.fail(world::fault("limit-exceeded", "create", "oci_core_instance", None)).expect("fault");
    world.edit(&name, json!({ "desiredState": "Applied" })).await;
    world.until_plan(&name).await;
    world.approve(&name, EDITOR).await;
    world.until_reason(&name, "JobFailed").await;
    let mut browser = Browser::start();
    browser.look(1280, 900, false, "ja");
    browser.sign_in(world.base(), APPROVER);
    browser.until("it is listed among what needs somebody", "document.body.innerText.includes('1 件が要対応')");
    picture(&mut browser, "list-trouble-ja", 900);
    browser.open(&format!("{}/designs/{name}", world.base()));
    let shown = browser.text();
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text} is not shown:\n{shown}"));
    assert!(
        at("失敗しました。対応が必要です") < at("LimitExceeded") && at("LimitExceeded") < at("対処") && at("対処") < at("アーキテクチャ")
    );
    picture(&mut browser, "failed-ja", 1600);
    browser.click("#failure a");
    browser.until("the log", "document.querySelector('pre.log')");
    browser.still("what went wrong stands out", "document.querySelector('pre.log .loud')");
    picture(&mut browser, "failed-log-ja", 1200);
}

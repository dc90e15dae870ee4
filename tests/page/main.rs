//! The page in a real browser over a real server: a plan is read, approved as approver, watched until it is built, and
//! refused to an editor; read without a script; readable in both languages, light and dark, on a telephone.
//!
//! Where there is no Chromium these tests are ignored and counted as that, never as passed. With `GALLEY_TEST_PICTURES` they
//! write what they see there as they go (`make pictures`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests say what they expect")]

mod browser;
mod decisions;
mod looks;
#[path = "../acceptance/world.rs"]
#[allow(dead_code, reason = "the world has more than this test needs")]
mod world;

use std::path::PathBuf;
use std::pin::Pin;

use kube::api::PostParams;
use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json};

use browser::Browser;
use world::{EDITOR, World};

const SMALL: &str = include_str!("../designs/compute-adb-verify.json");
const LARGE: &str = include_str!("../designs/iot-platform-19.json");
const LARGEST: &str = include_str!("../fixtures/designs/retail-60.json");

/// A test and its name.
type Case = (&'static str, fn() -> Pin<Box<dyn Future<Output = ()>>>);

const CASES: [Case; 5] = [
    ("real_browser_an_approver_reads_a_plan_approves_it_and_watches_it_until_it_is_built", || {
        Box::pin(decisions::an_approver_reads_a_plan_approves_it_and_watches_it_until_it_is_built())
    }),
    ("real_browser_a_refused_plan_is_never_applied_and_everything_is_read_without_a_script", || {
        Box::pin(decisions::a_refused_plan_is_never_applied_and_everything_is_read_without_a_script())
    }),
    ("real_browser_a_failed_build_says_what_to_do", || Box::pin(decisions::a_failed_build_says_what_to_do())),
    ("real_browser_every_page_is_readable_in_both_languages_light_dark_and_narrow", || {
        Box::pin(looks::every_page_is_readable_in_both_languages_light_dark_and_narrow())
    }),
    ("real_browser_the_letters_of_a_diagram_stay_where_the_layout_put_them", || {
        Box::pin(async { looks::the_letters_of_a_diagram_stay_where_the_layout_put_them() })
    }),
];

fn main() {
    let arguments = Arguments::from_args();
    let missing = browser::installed().is_none();
    if missing {
        println!("SKIPPED: {} tests of the page: there is no Chromium on this machine (tools/fetch.sh chromium)", CASES.len());
    }
    let trial = |(name, run): Case| {
        let test = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
            runtime.block_on(run());
            Ok(())
        };
        Trial::test(name, test).with_ignored_flag(missing)
    };
    libtest_mimic::run(&arguments, CASES.into_iter().map(trial).collect()).exit();
}

/// A picture, when pictures are asked for: the whole page, at most so many points of it.
fn picture(browser: &mut Browser, name: &str, height: u32) {
    if let Some(folder) = std::env::var_os("GALLEY_TEST_PICTURES") {
        browser.picture(&PathBuf::from(folder).join(format!("page-{name}.png")), height);
    }
}

/// A session with a title in a language, and its design when there is one.
async fn make(world: &World, title: &str, language: &str, spec: Option<Value>) -> String {
    let name = galley::api::names::session_name(ulid::Ulid::generate());
    let document =
        |kind: &str, spec: Value| json!({ "apiVersion": "galley.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    let sessions: kube::Api<galley::api::Session> = kube::Api::default_namespaced(world.kube(EDITOR));
    let session = serde_json::from_value(document("Session", json!({ "title": title, "language": language }))).expect("session");
    sessions.create(&PostParams::default(), &session).await.expect("session is created");
    if let Some(mut spec) = spec {
        spec["sessionRef"] = json!(name);
        let design = serde_json::from_value(document("Design", spec)).expect("design");
        world.designs().create(&PostParams::default(), &design).await.expect("design is created");
    }
    name
}

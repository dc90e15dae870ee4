//! Applies and plans that fail: what was made, what failed and what was not tried is what the plan's graph says, somebody
//! is told what to do, and doing it leads to the end.

use std::collections::{BTreeMap, BTreeSet};

use galley::api::WhoActs;
use galley::api::design::LastFailure;
use serde_json::json;

use crate::world::{EDITOR, World, ready_reason};

/// Addresses and what each depends on, as `terraform graph` prints them: a source that is not Galley's.
fn graph(work: &std::path::Path, env: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let output = std::process::Command::new("terraform")
        .arg("graph")
        .current_dir(work)
        .env_remove("TF_CLI_CONFIG_FILE")
        .envs(env.iter().cloned())
        .output()
        .expect("terraform graph");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "terraform graph: {}", String::from_utf8_lossy(&output.stderr));
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        let parts: Vec<&str> = line.split('"').collect();
        match parts.as_slice() {
            [_, from, arrow, to, ..] if arrow.trim() == "->" => {
                edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            }
            [_, node, rest] if rest.contains("[label=") || rest.trim().starts_with('[') => {
                edges.entry((*node).to_owned()).or_default();
            }
            [_, node, ..] => {
                edges.entry((*node).to_owned()).or_default();
            }
            _ => {}
        }
    }
    edges.retain(|node, _| node.starts_with("oci_") || node.starts_with("data.oci_"));
    edges
}

/// Everything that depends on one of `roots`, directly or not.
fn dependents(graph: &BTreeMap<String, BTreeSet<String>>, roots: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = roots.clone();
    loop {
        let more: Vec<String> = graph
            .iter()
            .filter(|(node, needs)| !found.contains(*node) && needs.iter().any(|need| found.contains(need)))
            .map(|(node, _)| node.clone())
            .collect();
        if more.is_empty() {
            return found.difference(roots).cloned().collect();
        }
        found.extend(more);
    }
}

fn set(list: &[String]) -> BTreeSet<String> {
    list.iter().cloned().collect()
}

async fn failure(world: &World, name: &str, class: WhoActs) -> LastFailure {
    let design = world
        .until(name, &format!("a failure that is {class:?}"), |design| {
            design.status.as_ref().and_then(|status| status.last_failure.as_ref()).is_some_and(|failure| failure.class == class)
        })
        .await;
    design.status.and_then(|status| status.last_failure).expect("failure")
}

#[tokio::test]
async fn a_quota_error_leaves_exactly_what_does_not_depend_on_it_and_a_retry_finishes() {
    let world = World::start().await;
    let mut spec = crate::world::large();
    spec["desiredState"] = json!("Applied");
    let name = world.create(spec).await;
    world.until_plan(&name).await;
    let uid = world.uid(&name).await;
    world.cloud(&name).await.fail(crate::world::fault("limit-exceeded", "create", "oci_core_nat_gateway", None)).expect("fault");
    world.approve(&name, EDITOR).await;
    let failed = failure(&world, &name, WhoActs::Stalled).await;

    let graph = graph(&world.work_dir(&uid), &world.by_hand(&uid).await);
    let managed: BTreeSet<String> = graph.keys().filter(|node| node.starts_with("oci_")).cloned().collect();
    let roots: BTreeSet<String> = managed.iter().filter(|node| node.starts_with("oci_core_nat_gateway.")).cloned().collect();
    assert!(!roots.is_empty(), "the design has a NAT gateway: {managed:?}");
    let not_attempted: BTreeSet<String> = dependents(&graph, &roots).into_iter().filter(|node| node.starts_with("oci_")).collect();
    assert!(not_attempted.len() > 3, "the fault matters: {not_attempted:?}");
    let created: BTreeSet<String> = managed.difference(&roots).filter(|node| !not_attempted.contains(*node)).cloned().collect();
    assert_eq!(set(&failed.failed), roots, "failed");
    assert_eq!(set(&failed.not_attempted), not_attempted, "notAttempted");
    assert_eq!(set(&failed.created), created, "created");
    assert_eq!(world.cloud(&name).await.list().expect("cloud").len(), created.len(), "the cloud holds what was created");
    let diagnostic = failed.diagnostics.iter().find(|diagnostic| diagnostic.code.as_deref() == Some("400-LimitExceeded")).expect("code");
    assert_eq!(diagnostic.address.as_ref(), roots.iter().next(), "the diagnostic names the resource");
    assert!(!failed.next_actions.is_empty(), "what to do is said: {failed:?}");
    assert_eq!(ready_reason(&world.design(&name).await), "JobFailed");

    world.cloud(&name).await.clear_faults().expect("clear");
    world.edit(&name, json!({"request": {"id": "retry-1", "action": "Retry"}})).await;
    world.until_plan(&name).await;
    world.approve(&name, EDITOR).await;
    world.until_reason(&name, "Synced").await;
    let status = world.status(&name).await;
    assert!(status.last_failure.is_none(), "{:?}", status.last_failure);
    assert_eq!(world.cloud(&name).await.list().expect("cloud").len(), managed.len(), "everything is there once");
}

#[tokio::test]
async fn throttling_is_retried_after_a_back_off_that_survives_a_restart() {
    let mut world = World::start().await;
    let mut spec = crate::world::large();
    spec["desiredState"] = json!("Applied");
    let name = world.create(spec).await;
    world.until_plan(&name).await;
    world.cloud(&name).await.fail(crate::world::fault("throttled", "create", "oci_objectstorage_bucket", None)).expect("fault");
    world.approve(&name, EDITOR).await;
    let failed = failure(&world, &name, WhoActs::Retry).await;
    let retry_at = failed.retry_at.clone().expect("retryAt");
    assert!(failed.diagnostics.iter().any(|diagnostic| diagnostic.code.as_deref() == Some("429-TooManyRequests")), "{failed:?}");
    world.cloud(&name).await.clear_faults().expect("clear");
    let runs = world.runs().len();
    world.kill_galley();
    world.launch().await;
    let design = world.design(&name).await;
    let after = design.status.and_then(|status| status.last_failure).expect("still there");
    assert_eq!((after.attempts, after.retry_at), (failed.attempts, Some(retry_at.clone())), "the back-off is in the document");
    assert_eq!(world.runs().len(), runs, "nothing runs before retryAt");
    world
        .until(&name, "a new plan after retryAt", |design| {
            design.status.as_ref().and_then(|status| status.plan.as_ref()).is_some_and(|plan| plan.created_at.0 >= retry_at.0)
        })
        .await;
    world.until_plan(&name).await;
    world.approve(&name, EDITOR).await;
    world.until_reason(&name, "Synced").await;
}

#[tokio::test]
async fn an_error_at_plan_time_stalls_and_a_retry_plans_again() {
    let world = World::start().await;
    let name = world.create(crate::world::small()).await;
    world.cloud(&name).await.fail(crate::world::fault("not-authorized", "read", "oci_core_images", None)).expect("fault");
    world.edit(&name, json!({"desiredState": "Applied"})).await;
    let failed = failure(&world, &name, WhoActs::Stalled).await;
    assert_eq!(failed.action, galley::api::terraformjob::Action::Plan);
    assert!(!failed.next_actions.is_empty() && !failed.diagnostics.is_empty(), "{failed:?}");
    assert_eq!(world.apply_runs(), 0);
    world.cloud(&name).await.clear_faults().expect("clear");
    world.edit(&name, json!({"request": {"id": "retry-1", "action": "Retry"}})).await;
    world.until_plan(&name).await;
}

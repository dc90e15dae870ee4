//! Approvals: eight ways that must not lead to an apply. Each is refused with its reason in status, the cloud is
//! unchanged, and terraform apply was never started.

use galley::api::Approval;
use galley::api::approval::RefusedReason;
use galley::api::condition::condition;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::world::{APPROVER, EDITOR, PATIENCE, World, small};

/// Waits until an approval has been refused, and says why.
async fn refused(world: &World, name: &str) -> RefusedReason {
    let approvals: Api<Approval> = world.approvals(EDITOR);
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let approval = approvals.get(name).await.expect("approval");
        let status = approval.status.clone().unwrap_or_default();
        assert!(status.consumed_by.is_none(), "the approval was used: {status:?}");
        if let Some(refused) = status.refused {
            assert!(refused.message.len() > 20, "the message says what to do: {}", refused.message);
            return refused.reason;
        }
        assert!(std::time::Instant::now() < deadline, "not refused: {status:?}\n{}", world.server_log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn planned(world: &World, spec: serde_json::Value) -> String {
    let mut spec = spec;
    spec["desiredState"] = json!("Applied");
    let name = world.create(spec).await;
    world.until_plan(&name).await;
    name
}

async fn create(world: &World, token: &str, approval: &Approval) -> String {
    let created = world.approvals(token).create(&PostParams::default(), approval).await.expect("stored");
    created.metadata.name.expect("name")
}

async fn nothing_happened(world: &World, name: &str, resources: usize) {
    assert_eq!(world.cloud(name).await.list().expect("cloud").len(), resources, "the cloud is unchanged");
    let applies = world.apply_runs();
    assert_eq!(applies, usize::from(resources > 0), "terraform apply runs: {:?}", world.runs());
}

#[tokio::test]
async fn an_edit_after_the_approval_voids_it() {
    let world = World::start().await;
    let name = planned(&world, small()).await;
    let approval = world.approval_for(&name).await;
    // the edit comes first, the approval names the plan before it
    let mut components = small()["components"].clone();
    components[1]["config"]["memory_in_gbs"] = json!(16);
    world.edit(&name, json!({"components": components})).await;
    let approval = create(&world, EDITOR, &approval).await;
    assert_eq!(refused(&world, &approval).await, RefusedReason::GenerationChanged);
    world.until_plan(&name).await;
    nothing_happened(&world, &name, 0).await;
}

#[tokio::test]
async fn an_approval_for_another_hash_is_refused() {
    let world = World::start().await;
    let name = planned(&world, small()).await;
    let mut approval = world.approval_for(&name).await;
    approval.spec.plan_sha256 = "0".repeat(64);
    let approval = create(&world, EDITOR, &approval).await;
    assert_eq!(refused(&world, &approval).await, RefusedReason::WrongPlan);
    nothing_happened(&world, &name, 0).await;
}

#[tokio::test]
async fn an_expired_approval_is_refused() {
    let world = World::start().await;
    let name = planned(&world, small()).await;
    let mut approval = world.approval_for(&name).await;
    approval.spec.expires_at = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
    let approval = create(&world, EDITOR, &approval).await;
    assert_eq!(refused(&world, &approval).await, RefusedReason::Expired);
    nothing_happened(&world, &name, 0).await;
}

#[tokio::test]
async fn an_approval_cannot_be_used_twice() {
    let world = World::start().await;
    let name = planned(&world, small()).await;
    let again = world.approval_for(&name).await;
    world.approve(&name, EDITOR).await;
    world.until_reason(&name, "Synced").await;
    let resources = world.cloud(&name).await.list().expect("cloud").len();
    assert!(resources > 5, "something was built");
    // the same words again: the plan they name has been applied, its state serial is gone
    let approval = create(&world, EDITOR, &again).await;
    let reason = refused(&world, &approval).await;
    assert!(matches!(reason, RefusedReason::StateChanged | RefusedReason::AlreadyConsumed | RefusedReason::NoPlan), "{reason:?}");
    nothing_happened(&world, &name, resources).await;
}

#[tokio::test]
async fn a_new_state_serial_voids_the_approval() {
    let world = World::start().await;
    let name = planned(&world, small()).await;
    world.approve(&name, EDITOR).await;
    world.until_reason(&name, "Synced").await;
    let resources = world.cloud(&name).await.list().expect("cloud").len();
    // a plan on serial N, then somebody moves the state to N+1 behind Galley's back
    let mut components = small()["components"].clone();
    components[1]["config"]["memory_in_gbs"] = json!(16);
    world.edit(&name, json!({"components": components})).await;
    world.until_plan(&name).await;
    let uid = world.uid(&name).await;
    let path = world.work_dir(&uid).join("terraform.tfstate");
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("state")).expect("json");
    state["serial"] = json!(state["serial"].as_u64().expect("serial") + 1);
    std::fs::write(&path, serde_json::to_vec_pretty(&state).expect("json")).expect("write");
    let approval = world.approval_for(&name).await;
    let approval = create(&world, EDITOR, &approval).await;
    assert_eq!(refused(&world, &approval).await, RefusedReason::StateChanged);
    nothing_happened(&world, &name, resources).await;
}

#[tokio::test]
async fn a_plan_file_swapped_on_disk_is_never_applied() {
    let world = World::start().await;
    let name = planned(&world, small()).await;
    let uid = world.uid(&name).await;
    let swapped = swap_plans(&world.data_dir(), b"not the plan that was read");
    assert!(swapped > 0, "a plan file was found under blobs for {uid}");
    let approval = world.approve(&name, EDITOR).await;
    let approvals: Api<Approval> = world.approvals(EDITOR);
    let approval_name = approval.metadata.name.expect("name");
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let status = approvals.get(&approval_name).await.expect("approval").status.unwrap_or_default();
        if status.refused.as_ref().is_some_and(|refused| refused.reason == RefusedReason::PlanTampered) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "not refused as tampered: {status:?}\n{}", world.server_log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    nothing_happened(&world, &name, 0).await;
}

#[tokio::test]
async fn in_human_mode_the_editor_token_is_not_enough() {
    let world = World::start().await;
    let mut spec = small();
    spec["policy"] = json!({"approval": "human"});
    let name = planned(&world, spec).await;
    // the tool, too, says so at once
    let mcp = world.mcp().await;
    let sha = world.status(&name).await.plan.expect("plan").plan_sha256;
    let error = mcp.call("approve_plan", json!({"session_id": name, "plan_sha256": sha})).await.expect_err("refused");
    assert_eq!(error["code"], "approval_refused", "{error}");
    let approval = world.approval_for(&name).await;
    let approval = create(&world, EDITOR, &approval).await;
    assert_eq!(refused(&world, &approval).await, RefusedReason::ApproverRequired);
    nothing_happened(&world, &name, 0).await;
    // lowering the policy needs the other credential as well
    let error = world
        .designs()
        .patch(&name, &PatchParams::default(), &Patch::Merge(json!({"spec": {"policy": {"approval": "agent"}}})))
        .await
        .expect_err("the editor may not lower the policy");
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 403), "{error}");
    // and a person can
    world.approve(&name, APPROVER).await;
    world.until_reason(&name, "Synced").await;
}

#[tokio::test]
async fn an_approver_that_a_client_sends_is_not_believed() {
    let world = World::start().await;
    let mut spec = small();
    spec["policy"] = json!({"approval": "human"});
    let name = planned(&world, spec).await;
    let mut approval = world.approval_for(&name).await;
    approval.status = Some(serde_json::from_value(json!({"approver": "approver", "channel": "page", "role": "approver"})).expect("status"));
    let created = world.approvals(EDITOR).create(&PostParams::default(), &approval).await.expect("stored");
    let status = created.status.clone().unwrap_or_default();
    assert_ne!(status.approver.as_deref(), Some("approver"), "stamped by the server: {status:?}");
    let approval = created.metadata.name.expect("name");
    assert_eq!(refused(&world, &approval).await, RefusedReason::ApproverRequired);
    // nor through the status subresource
    let error = world
        .approvals(EDITOR)
        .patch_status(&approval, &PatchParams::default(), &Patch::Merge(json!({"status": {"role": "approver", "refused": null}})))
        .await
        .expect_err("status is the server's");
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 403), "{error}");
    nothing_happened(&world, &name, 0).await;
    let design = world.design(&name).await;
    let ready = design.status.as_ref().and_then(|status| condition(&status.conditions, "Ready").cloned()).expect("Ready");
    assert_eq!(ready.reason, "AwaitingApproval");
}

/// Overwrites every stored plan file under `dir`; gives how many.
fn swap_plans(dir: &std::path::Path, bytes: &[u8]) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            count += swap_plans(&path, bytes);
        } else if path.file_name().is_some_and(|name| name == "plan.bin" || name.to_string_lossy().ends_with(".tfplan")) {
            std::fs::write(&path, bytes).expect("swap");
            count += 1;
        }
    }
    count
}

//! Absence: a broken design never blocks its own destruction, and resources that vanish are never made again unasked.

use galley::api::Design;
use kube::api::{Api, DeleteParams};
use serde_json::json;

use crate::world::{APPROVER, EDITOR, PATIENCE, World, message, ready_reason, small};

/// Asks for the destruction, approves it, and waits for an empty cloud.
async fn destroy(world: &World, name: &str) {
    world.edit(name, json!({"desiredState": "Destroyed"})).await;
    let design = world
        .until(name, "a destroy plan", |design| {
            let plan = design.status.as_ref().and_then(|status| status.plan.clone());
            ready_reason(design) == "AwaitingApproval" && plan.is_some_and(|plan| plan.destroy && Some(plan.generation) == design.metadata.generation)
        })
        .await;
    let plan = design.status.and_then(|status| status.plan).expect("plan");
    assert_eq!(plan.counts.delete, world.cloud(name).await.list().expect("cloud").len(), "the plan deletes everything there is");
    world.approve(name, EDITOR).await;
    world.until_reason(name, "Destroyed").await;
    assert_eq!(world.cloud(name).await.list().expect("cloud").len(), 0, "the cloud is empty");
}

#[tokio::test]
async fn a_design_whose_spec_is_broken_is_destroyed() {
    let world = World::start().await;
    let name = world.create(small()).await;
    world.apply(&name).await;
    world.edit(&name, json!({"components": [{"id": "x", "serviceType": "no-such-service", "config": {}}], "connections": []})).await;
    world.until_reason(&name, "InvalidDesign").await;
    destroy(&world, &name).await;
}

#[tokio::test]
async fn a_design_whose_secrets_are_gone_is_destroyed() {
    let world = World::start().await;
    let name = world.create(small()).await;
    world.apply(&name).await;
    let uid = world.uid(&name).await;
    let secrets = world.data_dir().join("blobs").join("designs").join(&uid).join("secrets.json");
    std::fs::remove_file(&secrets).expect("the secrets blob is there");
    destroy(&world, &name).await;
}

#[tokio::test]
async fn a_design_whose_state_file_is_torn_is_destroyed_from_the_mirror() {
    let world = World::start().await;
    let name = world.create(small()).await;
    world.apply(&name).await;
    let path = world.work_dir(&world.uid(&name).await).join("terraform.tfstate");
    let bytes = std::fs::read(&path).expect("state");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("tear");
    destroy(&world, &name).await;
}

#[tokio::test]
async fn a_design_that_was_never_applied_is_destroyed_without_terraform() {
    let world = World::start().await;
    let name = world.create(small()).await;
    world.until_reason(&name, "Draft").await;
    let before = world.runs().len();
    world.edit(&name, json!({"desiredState": "Destroyed"})).await;
    world.until_reason(&name, "Destroyed").await;
    assert_eq!(world.runs().len(), before, "{:?}", world.runs());
    let designs = world.designs();
    designs.delete(&name, &DeleteParams::default()).await.expect("delete");
    gone(&designs, &name).await;
}

#[tokio::test]
async fn deleting_the_document_waits_for_the_destroy_and_the_destroy_for_its_approval() {
    let world = World::start().await;
    let name = world.create(small()).await;
    world.apply(&name).await;
    let uid = world.uid(&name).await;
    world.designs().delete(&name, &DeleteParams::default()).await.expect("delete");
    world
        .until(&name, "a destroy plan that waits", |design| {
            ready_reason(design) == "AwaitingApproval" && design.status.as_ref().and_then(|status| status.plan.as_ref()).is_some_and(|plan| plan.destroy)
        })
        .await;
    assert!(!world.cloud_of(&uid).list().expect("cloud").is_empty(), "nothing is destroyed before the approval");
    world.approve(&name, EDITOR).await;
    gone(&world.designs(), &name).await;
    assert!(world.cloud_of(&uid).list().expect("cloud").is_empty());
}

#[tokio::test]
async fn a_cloud_that_answers_404_for_everything_stalls_and_nothing_is_made_again() {
    let world = World::start().await;
    let name = world.create(small()).await;
    world.apply(&name).await;
    let resources = world.cloud(&name).await.list().expect("cloud").len();
    let applies = world.apply_runs();
    world.cloud(&name).await.fail(crate::world::fault("lost-permission", "read", "*", None)).expect("fault");
    world.edit(&name, json!({"request": {"id": "look-1", "action": "Refresh"}})).await;
    let design = world.until_reason(&name, "ResourcesVanished").await;
    assert!(message(&design, "Stalled").len() > 30, "says what to do: {}", message(&design, "Stalled"));
    assert_eq!(world.cloud(&name).await.list().expect("cloud").len(), resources);
    assert_eq!(world.apply_runs(), applies, "{:?}", world.runs());
    // permission is back: looking again is enough
    world.cloud(&name).await.clear_faults().expect("clear");
    world.edit(&name, json!({"request": {"id": "look-2", "action": "Refresh"}})).await;
    world.until_reason(&name, "Synced").await;
    assert_eq!(world.cloud(&name).await.list().expect("cloud").len(), resources, "nothing was made twice");
    let _ = APPROVER;
}

async fn gone(designs: &Api<Design>, name: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while designs.get_opt(name).await.expect("get").is_some() {
        assert!(std::time::Instant::now() < deadline, "the document is still there");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

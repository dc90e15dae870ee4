//! An applied design: three views of the same truth agree, nothing is to do, and ringing starts no process.

use std::collections::BTreeSet;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{World, small};

#[tokio::test]
async fn state_cloud_and_status_name_the_same_resources_and_nothing_is_left_to_do() {
    let world = World::start().await;
    let name = world.create(small()).await;
    let design = world.apply(&name).await;
    let uid = world.uid(&name).await;
    let work = world.work_dir(&uid);

    let listed: BTreeSet<String> = terraform(&work, &["state", "list"], &[]).1.lines().map(str::to_owned).filter(|line| !line.starts_with("data.")).collect();
    let status: BTreeSet<String> =
        design.status.as_ref().and_then(|status| status.resources.as_ref()).expect("resources").items.iter().map(|item| item.address.clone()).collect();
    let tagged_or_like = world.cloud(&name).await.list().expect("cloud").len();
    assert_eq!(listed, status, "terraform state list = status.resources");
    assert_eq!(listed.len(), tagged_or_like, "terraform state list = the cloud");
    assert!(listed.len() > 5, "{listed:?}");

    let (code, output) = terraform(&work, &["fmt", "-check", "-diff"], &[]);
    assert_eq!(code, 0, "terraform fmt -check:\n{output}");
    let (code, output) = terraform(&work, &["plan", "-detailed-exitcode", "-input=false", "-no-color"], &world.by_hand(&uid).await);
    assert_eq!(code, 0, "a bare terraform plan has nothing to do:\n{output}");

    let status = design.status.expect("status");
    assert_eq!((status.sync, status.health), (Some(galley::api::design::Sync::Synced), Some(galley::api::design::Health::Healthy)));
}

#[tokio::test]
async fn an_applied_design_starts_no_terraform_however_often_it_is_rung() {
    let mut world = World::start().await;
    let name = world.create(small()).await;
    world.apply(&name).await;
    let before = world.runs().len();
    for round in 0..100 {
        // rung: labels and annotations change the object and not what is wanted
        let patch = json!({"metadata": {"labels": {"round": round.to_string()}, "annotations": {"galley.dev/rung": round.to_string()}}});
        world.designs().patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("label");
    }
    // a write that goes through the loop after the bells: suspended and back
    world.edit(&name, json!({"suspend": true})).await;
    world.until_reason(&name, "Suspended").await;
    world.edit(&name, json!({"suspend": false})).await;
    world.until_reason(&name, "Synced").await;
    assert_eq!(world.runs().len(), before, "{:?}", world.runs());

    world.stop().await;
    world.launch().await;
    world.edit(&name, json!({"suspend": true})).await;
    world.until_reason(&name, "Suspended").await;
    world.edit(&name, json!({"suspend": false})).await;
    world.until_reason(&name, "Synced").await;
    assert_eq!(world.runs().len(), before, "after a restart: {:?}", world.runs());
}

/// Runs terraform itself, as a person would, in a working directory. Gives exit code and output.
fn terraform(dir: &std::path::Path, arguments: &[&str], env: &[(String, String)]) -> (i32, String) {
    let output = std::process::Command::new("terraform")
        .args(arguments)
        .current_dir(dir)
        .env_remove("TF_CLI_CONFIG_FILE")
        .env("CHECKPOINT_DISABLE", "1")
        .envs(env.iter().cloned())
        .output()
        .expect("terraform");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text)
}

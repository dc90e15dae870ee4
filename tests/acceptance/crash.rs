//! `kill -9` in the middle of an apply. Nothing recorded is lost, nothing is guessed, nothing is made twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use galley::api::terraformjob::{Action, JobPhase};
use serde_json::{Value, json};

use crate::world::{APPROVER, EDITOR, PATIENCE, World, large};

enum Blow {
    /// Galley and terraform
    Both,
    GalleyAlone,
    BothAndTornState,
}

/// Address of each resource of the cloud, from the tag that Galley gives it; resources without tags by id.
fn by_address(world: &World, uid: &str) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for resource in world.cloud_of(uid).list().expect("cloud") {
        let tag = resource.attributes["freeform_tags"]["galley-address"].as_str().map(str::to_owned);
        *count.entry(tag.unwrap_or_else(|| format!("{}:{}", resource.resource_type, fingerprint(&resource.attributes)))).or_default() += 1;
    }
    count
}

/// What makes an untagged resource the same as another: everything but its id and times.
fn fingerprint(attributes: &Value) -> String {
    let mut attributes = attributes.clone();
    if let Some(map) = attributes.as_object_mut() {
        map.retain(|key, _| key != "id" && !key.starts_with("time_"));
    }
    galley::api::names::sha256_hex(attributes.to_string())
}

fn addresses_in_state(bytes: &[u8]) -> Option<BTreeSet<String>> {
    let state: Value = serde_json::from_slice(bytes).ok()?;
    Some(
        state["resources"]
            .as_array()?
            .iter()
            .filter(|resource| resource["mode"] == "managed" && resource["instances"].as_array().is_some_and(|list| !list.is_empty()))
            .filter_map(|resource| Some(format!("{}.{}", resource["type"].as_str()?, resource["name"].as_str()?)))
            .collect(),
    )
}

/// Address sets of the newest mirrored state that parses.
fn mirrored(world: &World, uid: &str) -> BTreeSet<String> {
    let dir = world.data_dir().join("blobs").join("designs").join(uid).join("state");
    let mut files: Vec<_> = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().rev().find_map(|path| addresses_in_state(&std::fs::read(path).ok()?)).unwrap_or_default()
}

async fn survives(blow: Blow) {
    let mut world = World::start().await;
    let mut spec = large();
    spec["desiredState"] = json!("Applied");
    let name = world.create(spec).await;
    world.until_plan(&name).await;
    let uid = world.uid(&name).await;
    let planned = world.status(&name).await.plan.expect("plan").counts.create;
    assert!(planned >= 15, "at least 15 resources: {planned}");
    world.cloud(&name).await.delay(crate::world::on("create"), "*", Duration::from_millis(250)).expect("slow");
    world.approve(&name, EDITOR).await;
    // in the middle: a third is made, the rest is not
    let deadline = Instant::now() + PATIENCE;
    while world.cloud_of(&uid).list().expect("cloud").len() < planned / 3 {
        assert!(Instant::now() < deadline, "the apply does not get on:\n{}", world.server_log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let path = world.work_dir(&uid).join("terraform.tfstate");
    match blow {
        Blow::GalleyAlone => {
            world.kill_galley();
            // terraform is told by the kernel and ends by itself
            let deadline = Instant::now() + Duration::from_secs(30);
            while !world.terraform_pids().is_empty() {
                assert!(Instant::now() < deadline, "terraform goes on without Galley");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Blow::Both => world.kill_galley_and_terraform(),
        Blow::BothAndTornState => {
            world.kill_galley_and_terraform();
            let bytes = std::fs::read(&path).expect("state");
            std::fs::write(&path, &bytes[..bytes.len() / 3]).expect("tear");
        }
    }
    let recorded = std::fs::read(&path).ok().and_then(|bytes| addresses_in_state(&bytes)).unwrap_or_default();
    let mirrored_before = mirrored(&world, &uid);
    world.cloud_of(&uid).clear_faults().expect("fast again");
    let made_before = by_address(&world, &uid);
    assert!(made_before.len() < planned, "it was in the middle: {} of {planned}", made_before.len());

    world.launch().await;
    let jobs = world.jobs();
    let deadline = Instant::now() + PATIENCE;
    let interrupted = loop {
        let list = jobs.list(&Default::default()).await.expect("jobs");
        if let Some(job) = list.items.iter().find(|job| job.spec.action == Action::Apply && job.phase().is_terminal()) {
            break job.clone();
        }
        assert!(Instant::now() < deadline, "the apply is not classified:\n{}", world.server_log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(interrupted.phase(), JobPhase::Interrupted, "{:?}", interrupted.status);
    let now = mirrored(&world, &uid);
    assert!(recorded.is_subset(&now), "recorded and not mirrored: {:?}", recorded.difference(&now));
    assert!(mirrored_before.is_subset(&now), "lost from the mirror: {:?}", mirrored_before.difference(&now));
    // whatever is in the cloud and in no state is named
    let named: BTreeSet<String> = interrupted.status.clone().unwrap_or_default().in_flight.into_iter().map(|item| item.address).collect();
    for (address, _) in made_before.iter().filter(|(address, _)| !address.contains(':')) {
        assert!(now.contains(address) || named.contains(address), "{address} is in the cloud, in no state and not named: {named:?}");
    }

    // it is looked at first, then planned, and waits for a person
    let design = world
        .until(&name, "a new plan after the look", |design| {
            let status = design.status.clone().unwrap_or_default();
            crate::world::ready_reason(design) == "AwaitingApproval" && status.outcome.as_ref().is_none_or(|outcome| !outcome.unknown)
        })
        .await;
    assert_eq!(world.apply_runs(), 1, "nothing is applied until looked at and approved: {:?}", world.runs());
    let outcome = design.status.clone().and_then(|status| status.outcome).unwrap_or_default();
    let plan = design.status.and_then(|status| status.plan).expect("plan");
    for item in outcome.in_flight.iter().filter(|item| item.found_id.is_some()) {
        assert!(plan.imports.contains_key(&item.address), "{} was found and is not imported: {:?}", item.address, plan.imports);
    }
    world.approve(&name, APPROVER).await;
    world.until_reason(&name, "Synced").await;
    let end = by_address(&world, &uid);
    let twice: Vec<_> = end.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "made twice: {twice:?}");
    assert_eq!(end.len(), planned, "all of it and nothing else");
    let state = addresses_in_state(&std::fs::read(&path).expect("state")).expect("state parses");
    assert_eq!(state.len(), planned, "the state holds all of it");
}

#[tokio::test]
async fn killing_galley_and_terraform_in_the_middle_of_an_apply_loses_and_doubles_nothing() {
    survives(Blow::Both).await;
}

#[tokio::test]
async fn killing_galley_alone_in_the_middle_of_an_apply_loses_and_doubles_nothing() {
    survives(Blow::GalleyAlone).await;
}

#[tokio::test]
async fn a_torn_state_after_the_kill_is_restored_and_nothing_is_lost_or_doubled() {
    survives(Blow::BothAndTornState).await;
}

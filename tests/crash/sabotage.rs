//! The checks themselves: each is shown a world in which exactly its promise is broken, and must say so. A check that
//! cannot speak here would be silent in a thousand kills.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::checks::Kept;
use crate::kills::{Base, guarded};
use crate::person::Person;
use crate::scenarios::NAME;
use crate::storms::Stage;
use crate::world::{Start, World};
use crate::{block, went_wrong};

/// What is done to the data of an applied design while Galley is down, and to what the person remembers.
#[derive(Default)]
struct Broken {
    name: &'static str,
    /// what the check must say
    says: &'static str,
    files: Option<fn(&World, &str)>,
    memory: Option<fn(&mut Person<'_>)>,
    /// the cloud that is expected lacks nothing but this
    expects_also: Option<&'static str>,
    /// fault at the start
    fault: Option<&'static str>,
}

fn rows() -> Vec<Broken> {
    let row = |name, says| Broken { name, says, ..Broken::default() };
    vec![
        Broken { files: Some(a_twin), ..row("a resource is there twice", "is there 2 times") },
        Broken { files: Some(a_ghost), ..row("a resource that nobody knows", "in no state and not named") },
        Broken { files: Some(a_gap), ..row("a state that lost an address", "is in the cloud and not in the state") },
        Broken { expects_also: Some("oci_core_vcn.lost"), ..row("a cloud that lost a resource", "and lacks [\"oci_core_vcn.lost\"]") },
        Broken { files: Some(|world, uid| note_applies(world, uid, 2)), ..row("an apply that ran twice", "ran twice on one plan") },
        Broken { files: Some(an_unused_approval), ..row("an apply on no approval", "ran with 0 approvals") },
        Broken { files: Some(another_plan), ..row("an apply on the approval of another plan", "on an approval of another plan") },
        Broken { files: Some(a_shared_approval), ..row("two applies on one approval", "that another job used up") },
        Broken { files: Some(an_unexplained_end), ..row("a job that does not say why", "does not say why") },
        Broken { files: Some(a_held_gate), ..row("a gate that is held for ever", "at the end the gate is Some(\"ghost\")") },
        Broken { files: Some(a_claim), ..row("a status that claims more than is mirrored", "the status claims serial") },
        Broken {
            memory: Some(|person| person.believe_title(9_999_999)),
            ..row("an acknowledged title that is gone", "acknowledged title 9999999 was lost")
        },
        Broken {
            memory: Some(|person| person.believe_edit(99, json!({}))),
            ..row("an acknowledged generation that is gone", "edit of generation 99")
        },
        Broken { memory: Some(an_undone_edit), ..row("an acknowledged edit that was undone", "was lost") },
        Broken { memory: Some(an_older_state), ..row("a state that went back", "the state was at") },
        Broken {
            files: Some(a_gap),
            memory: Some(a_lost_record),
            ..row("a recorded resource that is lost", "neither in the state nor named")
        },
        Broken { fault: Some("config.server.put.before:1:delay-6000"), ..row("a slow recovery", "recovery took") },
    ]
}

/// Shows every check what it is for; gives how many there were and how many were silent.
pub fn all(stage: &Stage<'_>) -> (usize, usize) {
    let began = Instant::now();
    println!("\nworlds in which one promise is broken, and what the checks say:");
    let rows: Vec<Broken> = rows().into_iter().filter(|row| stage.only.is_none_or(|only| row.name.contains(only))).collect();
    let expected = stage.known.first().map(|known| known.cloud.clone()).unwrap_or_default();
    let silent = stage.at_once(&rows, |row| {
        let said = guarded(|| block(shown(row, stage.base, &expected)));
        let heard = said.as_ref().is_ok_and(|said| said.iter().any(|line| line.contains(row.says)));
        let result = if heard { "heard".to_owned() } else { format!("NOT HEARD: {said:?}") };
        println!("  {:44} {result}", row.name);
        if !heard {
            went_wrong(row.name, &result);
        }
        !heard
    });
    let silent = silent.into_iter().filter(|silent| *silent).count();
    println!("{} broken worlds, {silent} not noticed, {:?}", rows.len(), began.elapsed());
    (rows.len(), silent)
}

async fn shown(row: &Broken, base: &Base, cloud: &BTreeSet<String>) -> std::io::Result<Vec<String>> {
    let (data, uid) = base;
    let mut world = World::new(Some(data))?;
    if let Some(files) = row.files {
        files(&world, uid);
    }
    let mut person = Person::new(&mut world, NAME, Some(uid.clone()));
    person.patience = Duration::from_secs(20);
    match row.fault {
        // as after a death: the start itself is measured
        Some(fault) => {
            person.recover(Some(fault.to_owned())).await?;
        }
        None if person.world.start(None).await? == Start::Died => return Err(std::io::Error::other("it does not start")),
        None => {}
    }
    if let Some(memory) = row.memory {
        memory(&mut person);
    }
    person.check_acknowledged().await;
    if let Ok(design) = person.designs().get(NAME).await {
        person.check_kept(&design);
        let _ = person.check_named(&design).await;
    }
    let expected: BTreeSet<String> = cloud.iter().cloned().chain(row.expects_also.map(str::to_owned)).collect();
    person.check_end(Some(&expected)).await;
    Ok(std::mem::take(&mut person.violations))
}

// ------------------------------------------------------------------------------------------------- what is broken

fn documents(world: &World, plural: &str) -> Vec<PathBuf> {
    let dir = world.data().join("documents/registry").join(plural).join("default");
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir).expect("documents").flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn change(path: &PathBuf, with: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).expect("a document")).expect("json");
    with(&mut value);
    std::fs::write(path, value.to_string()).expect("write");
}

fn read(path: &PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a document")).expect("json")
}

/// The apply that made the base.
fn apply_job(world: &World) -> PathBuf {
    let mut jobs = documents(world, "terraformjobs").into_iter();
    jobs.find(|path| read(path)["spec"]["action"] == "Apply").expect("an apply")
}

/// The approval that the apply used up.
fn approval(world: &World) -> PathBuf {
    let mut approvals = documents(world, "approvals").into_iter();
    approvals.find(|path| read(path)["status"]["consumedBy"].is_string()).expect("a used approval")
}

fn note_applies(world: &World, _uid: &str, times: usize) {
    let name = read(&apply_job(world))["metadata"]["name"].as_str().expect("a name").to_owned();
    std::fs::write(world.file("runs.log"), format!("apply -json {name}\n").repeat(times)).expect("runs");
}

/// Gives one bucket the address of the other.
fn a_twin(world: &World, uid: &str) {
    let other = bucket(world, uid, 0).1;
    retag(world, uid, &bucket(world, uid, 1).0, &other);
}

fn a_ghost(world: &World, uid: &str) {
    retag(world, uid, &bucket(world, uid, 0).0, "oci_objectstorage_bucket.ghost");
}

/// (id, address) of a bucket.
fn bucket(world: &World, uid: &str, number: usize) -> (String, String) {
    let all = world.cloud(uid).list().expect("cloud");
    let buckets = all.into_iter().filter(|resource| resource.resource_type == "oci_objectstorage_bucket");
    let bucket = buckets.filter_map(|resource| Some((resource.id.clone(), resource.address()?.to_owned()))).nth(number);
    bucket.expect("a bucket")
}

fn retag(world: &World, uid: &str, id: &str, address: &str) {
    let cloud = world.cloud(uid);
    let mut tags = cloud.get(id).expect("cloud").expect("there").attributes["freeform_tags"].clone();
    tags["galley-address"] = json!(address);
    cloud.set(id, "freeform_tags", tags).expect("tags");
}

/// Takes a bucket out of the state, of the file and of every snapshot.
fn a_gap(world: &World, uid: &str) {
    let name = bucket(world, uid, 0).1.rsplit('.').next().unwrap_or_default().to_owned();
    let mirrors = world.data().join("blobs/designs").join(uid).join("state");
    let snapshots = std::fs::read_dir(mirrors).expect("mirror").flatten().map(|entry| entry.path());
    for path in snapshots.chain([world.state_file(uid)]) {
        change(&path, |state| {
            if let Some(resources) = state["resources"].as_array_mut() {
                resources.retain(|resource| resource["name"] != json!(name));
            }
        });
    }
}

fn an_unused_approval(world: &World, uid: &str) {
    note_applies(world, uid, 1);
    change(&approval(world), |approval| {
        approval["status"].as_object_mut().expect("status").remove("consumedBy");
    });
}

fn another_plan(world: &World, uid: &str) {
    note_applies(world, uid, 1);
    change(&approval(world), |approval| approval["spec"]["planSha256"] = json!("1".repeat(64)));
}

/// A second apply that says that it ran on the approval of the first.
fn a_shared_approval(world: &World, uid: &str) {
    note_applies(world, uid, 1);
    let first = apply_job(world);
    let mut twin = read(&first);
    let name = format!("{}0", twin["metadata"]["name"].as_str().expect("a name"));
    (twin["metadata"]["name"], twin["metadata"]["uid"]) = (json!(name), json!("00000000-0000-4000-8000-000000000000"));
    std::fs::write(first.with_file_name(format!("{name}.json")), twin.to_string()).expect("a job");
    let mut second = read(&approval(world));
    (second["metadata"]["name"], second["metadata"]["uid"]) = (json!("twin"), json!("00000000-0000-4000-8000-000000000001"));
    second["status"]["consumedBy"] = json!(name);
    std::fs::write(approval(world).with_file_name("twin.json"), second.to_string()).expect("an approval");
    // both ran: each line names the second one, whose name begins as that of the first
    std::fs::write(world.file("runs.log"), format!("apply -json {name}\n")).expect("runs");
}

fn an_unexplained_end(world: &World, _uid: &str) {
    change(&apply_job(world), |job| job["status"] = json!({"phase": "Failed"}));
}

fn a_held_gate(world: &World, _uid: &str) {
    let session = documents(world, "sessions").remove(0);
    let holder = json!({"kind": "OciCommand", "name": "ghost", "action": "", "requested": true, "since": "2026-01-01T00:00:00Z"});
    change(&session, |session| session["status"]["activeOperation"] = holder);
}

fn a_claim(world: &World, _uid: &str) {
    let design = documents(world, "designs").remove(0);
    change(&design, |design| {
        let serial = design["status"]["state"]["serial"].as_u64().expect("a serial");
        design["status"]["state"]["serial"] = json!(serial + 5);
    });
}

fn an_undone_edit(person: &mut Person<'_>) {
    let generation = generation_on_disk(person);
    person.believe_edit(generation, json!({"desiredState": "Planned"}));
}

/// The generation that is on disk.
fn generation_on_disk(person: &Person<'_>) -> i64 {
    read(&documents(person.world, "designs").remove(0))["metadata"]["generation"].as_i64().expect("a generation")
}

fn an_older_state(person: &mut Person<'_>) {
    let uid = person.uid.clone().expect("uid");
    let (lineage, serial) = person.world.file_version(&uid).expect("a state");
    person.kept = Some(Kept::remembered((lineage, serial + 3), BTreeSet::new()));
}

fn a_lost_record(person: &mut Person<'_>) {
    let uid = person.uid.clone().expect("uid");
    let version = person.world.file_version(&uid).expect("a state");
    person.kept = Some(Kept::remembered(version, BTreeSet::from([bucket(person.world, &uid, 0).1])));
}

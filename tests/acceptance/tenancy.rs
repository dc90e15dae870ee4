//! Target `oci` against a fake tenancy that checks every signature: what carries the tags of a design is found and adopted,
//! terraform gets the credentials of the person, and whoever has none is told what to write.

use galley::api::Design;
use galley::api::condition::{STALLED, condition};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fake::{COMPARTMENT, Fake, hit, write_profile};
use crate::world::{APPROVER, World, ready_reason};

/// A server beside a fake tenancy; the person's profile lies in `home`.
async fn world(home: &std::path::Path, fake: &Fake, more: &[(&str, &str)]) -> World {
    let endpoints = format!("search={0},objectstorage={0}", fake.url);
    let settings = [
        ("HOME", home.to_str().expect("text")),
        ("GALLEY_WORK_COMPARTMENT_ID", COMPARTMENT),
        ("GALLEY_REGION", "ap-osaka-1"),
        ("GALLEY_OCI_ENDPOINTS", &endpoints),
    ];
    World::start_with(&[&settings, more].concat()).await
}

fn spec() -> Value {
    json!({"target": "oci", "components": [
        {"id": "net", "serviceType": "vcn", "displayName": "Net", "config": {"cidr_block": "10.20.0.0/16"}},
        {"id": "lake", "serviceType": "objectstorage", "displayName": "lake", "config": {}},
    ]})
}

async fn adopt(world: &World, name: &str, id: &str) {
    let designs: Api<Design> = Api::default_namespaced(world.kube(APPROVER));
    let body = json!({"spec": {"rescue": {"id": id, "action": "Adopt"}}});
    designs.patch(name, &PatchParams::default(), &Patch::Merge(body)).await.expect("the approver may");
}

fn stalled(design: &Design) -> String {
    let conditions = design.status.clone().map(|status| status.conditions).unwrap_or_default();
    condition(&conditions, STALLED).map(|stalled| stalled.message.clone()).unwrap_or_default()
}

#[tokio::test]
async fn what_carries_the_tags_of_a_design_is_found_in_the_tenancy_and_adopted_by_its_import_id() {
    let home = tempfile::tempdir().expect("home");
    let fake = Fake::start(&write_profile(home.path())).await;
    let world = world(home.path(), &fake, &[]).await;
    let name = world.create(spec()).await;
    let uid = world.uid(&name).await;
    let addresses: Vec<String> = {
        let preview = world.until(&name, "a preview", |design| design.status.as_ref().is_some_and(|status| status.preview.is_some())).await;
        preview.status.and_then(|status| status.preview).map(|preview| preview.changes).unwrap_or_default()
    }
    .into_iter()
    .map(|change| change.address)
    .collect();
    let of = |kind: &str| addresses.iter().find(|address| address.starts_with(kind)).expect("designed").clone();
    let (vcn, bucket) = (of("oci_core_vcn."), of("oci_objectstorage_bucket."));
    let mut lake = hit("Bucket", "ocid1.bucket.oc1..lake", &uid, &bucket);
    lake["displayName"] = json!("lake-1a2b3c");
    let foreign = hit("Vcn", "ocid1.vcn.oc1..foreign", "another-design", &vcn);
    fake.with(|tenancy| tenancy.pages = vec![vec![hit("Vcn", "ocid1.vcn.oc1..net", &uid, &vcn), foreign], vec![lake]]);
    adopt(&world, &name, "1").await;
    let handled = |design: &Design| design.status.as_ref().and_then(|status| status.rescue.as_ref()).is_some_and(|record| record.id == "1");
    let design = world.until(&name, "the search is answered", handled).await;
    let status = design.status.unwrap_or_default();
    let record = status.rescue.expect("a record");
    assert!(record.done && record.message.contains("the next plan imports"), "{record:?}");
    let found: Vec<(String, Option<String>)> =
        status.outcome.unwrap_or_default().in_flight.into_iter().map(|entry| (entry.address, entry.found_id)).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.contains(&(vcn, Some("ocid1.vcn.oc1..net".to_owned()))), "{found:?}");
    assert!(found.contains(&(bucket, Some("n/mytenancyns/b/lake-1a2b3c".to_owned()))), "terraform imports a bucket by name: {found:?}");
    fake.with(|tenancy| {
        assert_eq!(tenancy.doubts, Vec::<String>::new(), "every request was signed as the person");
        assert!(tenancy.queries.iter().all(|query| query.contains(&uid) && query.contains(COMPARTMENT)), "{:?}", tenancy.queries);
    });
    assert!(world.runs().iter().all(|run| run.starts_with("version")), "a draft starts nothing: {:?}", world.runs());
}

#[tokio::test]
async fn two_resources_of_one_address_are_for_a_person_to_choose_from() {
    let home = tempfile::tempdir().expect("home");
    let fake = Fake::start(&write_profile(home.path())).await;
    let world = world(home.path(), &fake, &[]).await;
    let name = world.create(spec()).await;
    let uid = world.uid(&name).await;
    let twin = |id: &str| hit("Vcn", id, &uid, "oci_core_vcn.net");
    fake.with(|tenancy| tenancy.pages = vec![vec![twin("ocid1.vcn.oc1..one"), twin("ocid1.vcn.oc1..two")]]);
    adopt(&world, &name, "1").await;
    let design = world.until(&name, "a person is asked", |design| ready_reason(design) == "TenancyUnavailable").await;
    let said = stalled(&design);
    for part in ["ocid1.vcn.oc1..one, ocid1.vcn.oc1..two", "delete all but one", &format!("galley adopt {name} oci_core_vcn.net=OCID")] {
        assert!(said.contains(part), "{said}");
    }
    // the console is used, and somebody asks again
    fake.with(|tenancy| tenancy.pages = vec![vec![twin("ocid1.vcn.oc1..two")]]);
    world.edit(&name, json!({"policy": {"driftIntervalSeconds": 7200}})).await;
    let handled = |design: &Design| design.status.as_ref().and_then(|status| status.rescue.as_ref()).is_some_and(|record| record.done);
    world.until(&name, "the one that is left is adopted", handled).await;
}

#[tokio::test]
async fn without_credentials_nothing_is_started_and_the_message_names_the_file() {
    let home = tempfile::tempdir().expect("home");
    let fake = Fake::start("nobody").await;
    let world = world(home.path(), &fake, &[]).await;
    let mut wanted = spec();
    wanted["desiredState"] = json!("Planned");
    let name = world.create(wanted).await;
    let design = world.until(&name, "a person is asked", |design| ready_reason(design) == "TenancyUnavailable").await;
    let said = stalled(&design);
    assert!(said.contains(".oci/config") && said.contains("oci setup config"), "{said}");
    assert!(world.runs().iter().all(|run| run.starts_with("version")), "{:?}", world.runs());
    assert!(fake.with(|tenancy| tenancy.seen.is_empty()));
}

#[tokio::test]
async fn terraform_signs_as_the_person_whose_profile_it_is_and_sees_nothing_of_galley() {
    let home = tempfile::tempdir().expect("home");
    let fake = Fake::start(&write_profile(home.path())).await;
    let seen = home.path().join("environment");
    let script = home.path().join("terraform");
    // says its version, notes its environment, and is of no further use
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = version ]; then echo '{{\"terraform_version\": \"1.11.4\"}}'; exit 0; fi\nenv > '{}'\nexit 1\n",
        seen.display()
    );
    std::fs::write(&script, text).expect("script");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let binary = script.to_str().expect("text");
    let world = world(home.path(), &fake, &[("GALLEY_TERRAFORM_BIN", binary), ("AWS_SECRET_ACCESS_KEY", "x"), ("TF_LOG", "trace")]).await;
    let mut wanted = spec();
    wanted["desiredState"] = json!("Planned");
    let name = world.create(wanted).await;
    world.until(&name, "terraform was tried", |_| seen.exists()).await;
    world.until(&name, "and failed", |design| matches!(ready_reason(design).as_str(), "JobFailed" | "RetryScheduled")).await;
    let environment = std::fs::read_to_string(&seen).expect("an environment");
    let key = format!("OCI_PRIVATE_KEY_PATH={}", home.path().join(".oci/key.pem").display());
    for line in ["OCI_AUTH=ApiKey", "OCI_TENANCY_OCID=ocid1.tenancy.oc1..aaaagalley", "OCI_USER_OCID=ocid1.user.oc1..aaaagalley", &key] {
        assert!(environment.lines().any(|found| found == line), "{line}:\n{environment}");
    }
    let own = environment.lines().filter(|line| line.starts_with("GALLEY_")).collect::<Vec<_>>();
    assert_eq!(own, ["GALLEY_TERRAFORM=1"], "the mark by which a leftover is known, and nothing else");
    for name in ["AWS_", "TF_LOG=", crate::world::EDITOR, APPROVER] {
        assert!(!environment.contains(name), "{name} reached terraform:\n{environment}");
    }
}

//! Hostile input: a table of inputs and what exactly becomes of each.

use serde_json::{Value, json};

use crate::world::{EDITOR, World};

/// (reason, arguments of save_architecture beside session_id, code, text that the error must contain)
fn table() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let vcn = json!({"id": "net", "service_type": "vcn", "config": {"cidr_block": "10.0.0.0/16"}});
    let many: Vec<Value> = (0..201).map(|number| json!({"id": format!("b{number}"), "service_type": "objectstorage", "config": {}})).collect();
    vec![
        ("an unknown service type", json!({"components": [{"id": "x", "service_type": "mainframe", "config": {}}]}), "invalid_design", "mainframe"),
        ("an unknown key", json!({"components": [{"id": "net", "service_type": "vcn", "config": {"cidr_block": "10.0.0.0/16", "shade": "green"}}]}), "invalid_design", "shade"),
        (
            "a value outside the choices",
            json!({"components": [{"id": "lake", "service_type": "objectstorage", "config": {"storage_tier": "Lukewarm"}}]}),
            "invalid_design",
            "Lukewarm",
        ),
        (
            "a dangling connection",
            json!({"components": [vcn], "connections": [{"source_id": "net", "target_id": "nowhere", "connection_type": "deployed_in"}]}),
            "invalid_design",
            "nowhere",
        ),
        ("a duplicate id", json!({"components": [vcn, vcn]}), "invalid_design", "net"),
        ("201 components", json!({"components": many}), "invalid_", "200"),
        ("components that are no list", json!({"components": "all of them"}), "invalid_argument", "components"),
        ("an argument that does not exist", json!({"components": [vcn], "colour": "red"}), "invalid_argument", "colour"),
        ("deep JSON", json!({"components": [{"id": "net", "service_type": "vcn", "config": {"cidr_block": deep(60)}}]}), "invalid_", ""),
    ]
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

#[tokio::test]
async fn what_no_design_may_say_is_refused_with_its_place_and_nothing_is_written() {
    let world = World::start().await;
    let mcp = world.mcp().await;
    for (reason, arguments, code, text) in table() {
        let session = mcp.call("create_session", json!({"title": reason})).await.expect("session");
        let id = session["session_id"].as_str().expect("session_id").to_owned();
        let mut arguments = arguments;
        arguments["session_id"] = json!(id);
        let error = mcp.call("save_architecture", arguments).await.expect_err(reason);
        let said = error.to_string();
        assert!(error["code"].as_str().is_some_and(|found| found.starts_with(code)), "{reason}: {said}");
        assert!(said.contains(text), "{reason}: names the value: {said}");
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{reason}: says what to do: {said}");
        assert!(world.designs().get_opt(&id).await.expect("get").is_none(), "{reason}: nothing was written");
    }
}

#[tokio::test]
async fn subnets_outside_their_vcn_or_over_each_other_are_saved_and_stalled_with_their_place() {
    let world = World::start().await;
    for (reason, first, second, at) in [
        ("outside the VCN", "10.9.0.0/24", "10.0.2.0/24", "components[a]"),
        ("one inside the other", "10.0.1.0/24", "10.0.1.128/25", "components["),
    ] {
        let name = world
            .create(json!({
                "target": "sandbox", "desiredState": "Planned",
                "components": [
                    {"id": "net", "serviceType": "vcn", "config": {"cidr_block": "10.0.0.0/16"}},
                    {"id": "a", "serviceType": "subnet", "config": {"cidr_block": first}},
                    {"id": "b", "serviceType": "subnet", "config": {"cidr_block": second}}
                ],
                "connections": [
                    {"sourceId": "a", "targetId": "net", "connectionType": "deployed_in"},
                    {"sourceId": "b", "targetId": "net", "connectionType": "deployed_in"}
                ]
            }))
            .await;
        let design = world.until_reason(&name, "InvalidDesign").await;
        let findings = design.status.and_then(|status| status.findings).expect("findings");
        assert!(findings.items.iter().any(|finding| finding.path.starts_with(at)), "{reason}: {findings:?}");
    }
    assert!(world.runs().iter().all(|line| !line.starts_with("plan")), "terraform was not started: {:?}", world.runs());
}

#[tokio::test]
async fn a_body_of_ten_megabytes_and_bottomless_json_are_refused_at_the_door() {
    let world = World::start().await;
    let http = reqwest::Client::new();
    let url = format!("{}/k8s/{EDITOR}/apis/galley.dev/v1alpha1/namespaces/default/sessions", world.base());
    let big = format!("{{\"title\": \"{}\"}}", "x".repeat(10 * 1024 * 1024));
    let answer = http.post(&url).header("content-type", "application/json").body(big.clone()).send().await;
    // the server may answer before it has read everything, which the client sees as a closed connection
    if let Ok(answer) = answer {
        assert_eq!(answer.status().as_u16(), 413);
    }
    let answer = http
        .post(format!("{}/mcp", world.base()))
        .bearer_auth(EDITOR)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(big)
        .send()
        .await;
    if let Ok(answer) = answer {
        assert_eq!(answer.status().as_u16(), 413);
    }
    let bottomless = "[".repeat(100_000) + &"]".repeat(100_000);
    let answer = http.post(&url).header("content-type", "application/json").body(bottomless).send().await.expect("answer");
    assert_eq!(answer.status().as_u16(), 400);
    assert_eq!(http.get(format!("{}/readyz", world.base())).send().await.expect("ready").status().as_u16(), 200, "the server lives on");
}

#[tokio::test]
async fn display_names_of_any_language_and_any_syntax_reach_the_cloud_unchanged() {
    let world = World::start().await;
    let names = [
        "受注データ基盤 (本番)",
        "say \"hello\" and 'bye'",
        "${file(\"/etc/hostname\")} and $${x}",
        "%{ if true }yes%{ endif }",
        "two\nlines",
        "} resource \"oci_core_vcn\" \"evil\" { cidr_blocks = [\"10.0.0.0/8\"] }",
        "back\\slash \\n \\u0041",
    ];
    let components: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(number, name)| json!({"id": format!("net{number}"), "serviceType": "vcn", "displayName": name, "config": {"cidr_block": format!("10.{number}.0.0/16")}}))
        .collect();
    let name = world.create(json!({"target": "sandbox", "components": components, "connections": []})).await;
    world.apply(&name).await;
    let cloud = world.cloud(&name).await.list().expect("cloud");
    let found: Vec<&str> =
        cloud.iter().filter(|resource| resource.resource_type == "oci_core_vcn").filter_map(|resource| resource.attributes["display_name"].as_str()).collect();
    assert_eq!(found.len(), names.len(), "one VCN each and no other: {found:?}");
    for name in names {
        assert!(found.contains(&name), "{name:?} is not in the cloud as it was given: {found:?}");
    }
}

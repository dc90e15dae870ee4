//! A generated password is in the cloud and in the 0600 secrets blob, and nowhere else that anyone reads.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::world::{APPROVER, EDITOR, World, large};

fn files(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, into) } else if path.is_file() { into.push(path) }
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn a_generated_password_is_in_the_cloud_and_the_secrets_blob_and_nowhere_else() {
    let world = World::start().await;
    let name = world.create(large()).await;
    world.apply(&name).await;
    let uid = world.uid(&name).await;

    let blob = world.data_dir().join("blobs").join("designs").join(&uid).join("secrets.json");
    let book: serde_json::Value = serde_json::from_slice(&std::fs::read(&blob).expect("secrets blob")).expect("json");
    let password = book.as_object().and_then(|map| map.values().next()).and_then(|entry| entry["value"].as_str()).expect("a password").to_owned();
    assert!(password.len() >= 12, "long enough for OCI");
    let cloud = world.cloud(&name).await.list().expect("cloud");
    assert!(cloud.iter().any(|resource| resource.attributes["admin_password"] == json!(password)), "the cloud has it");

    // documents, MCP answers and logs
    let mcp = world.mcp().await;
    let jobs = world.jobs().list(&Default::default()).await.expect("jobs").items;
    let job = jobs.iter().find_map(|job| job.metadata.name.clone().filter(|name| name.contains("-apply-"))).expect("an apply");
    let mut said = String::new();
    for (tool, arguments) in [
        ("get_session", json!({"session_id": name})),
        ("get_status", json!({"session_id": name})),
        ("get_plan", json!({"session_id": name, "detail": "changes"})),
        ("get_plan", json!({"session_id": name, "detail": "resource", "address": "oci_database_autonomous_database.db"})),
        ("get_job_log", json!({"session_id": name, "job": job})),
        ("list_sessions", json!({})),
    ] {
        let answer = mcp.call(tool, arguments).await;
        said.push_str(&format!("{tool}: {answer:?}\n"));
    }
    let designs = serde_json::to_string(&world.designs().list(&Default::default()).await.expect("list").items).expect("json");
    let jobs = serde_json::to_string(&world.jobs().list(&Default::default()).await.expect("list").items).expect("json");
    let metrics = reqwest::get(format!("{}/metrics", world.base())).await.expect("metrics").text().await.expect("text");
    for (what, text) in [("MCP answers", &said), ("designs", &designs), ("jobs", &jobs), ("metrics", &metrics), ("server log", &world.server_log())] {
        assert!(!text.contains(&password), "the password is in {what}");
        for token in [EDITOR, APPROVER] {
            assert!(!text.contains(token), "a token is in {what}");
        }
    }
    assert!(said.contains("autonomous"), "the answers were about the database: {said}");

    // files
    let mut all = Vec::new();
    files(&world.data_dir(), &mut all);
    assert!(all.len() > 20, "there is something to search: {}", all.len());
    for path in &all {
        let mode = std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        let bytes = std::fs::read(path).unwrap_or_default();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let may = path == &blob || path.components().any(|part| part.as_os_str() == "sandbox") || name.contains("tfstate");
        assert!(may || !contains(&bytes, password.as_bytes()), "the password is in {}", path.display());
    }
}

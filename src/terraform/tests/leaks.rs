//! Ten thousand strings that look like secrets, through every path on which a run speaks: log, diagnostics, plan, events,
//! answers, Debug. None may come out. Prints how many were searched for.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::super::log::JobLog;
use super::super::*;
use super::fakes::*;
use crate::plan::diagnostics;
use crate::plan::mask::{Redactor, masked, redacted_plan};

/// As the issue asks.
const STRINGS: usize = 10_000;
/// Secrets of one design; a real one has a handful.
const BATCH: usize = 50;

/// Passwords, tokens, keys of several lines, URLs, JSON, HCL templates: what people put into secret variables.
fn secret(number: usize) -> String {
    let noise = crate::plan::canonical::sha256_hex(format!("leak {number}").as_bytes());
    let part = |from: usize, to: usize| &noise[from..to];
    match number % 8 {
        0 => format!("Aa1#{}_{}", part(0, 10), part(20, 24)),
        1 => format!("ghp_{}", part(0, 36)),
        2 => format!("-----BEGIN PRIVATE KEY-----\n{}\n{}\n-----END PRIVATE KEY-----", part(0, 32), part(32, 64)),
        3 => format!("https://user:{}@db.example.com/x?a=1&b=<{}>", part(0, 12), part(12, 20)),
        4 => format!("{{\"key\": \"{}\", \"n\": {number}}}", part(0, 24)),
        5 => format!("${{{}}}\"\\{}", part(0, 16), part(16, 24)),
        6 => format!("パスワード{}", part(0, 14)),
        _ => format!("eyJhbGciOi.{}.{}", part(0, 30), part(30, 60)),
    }
}

/// What of a secret may not be found: its lines, and the value as it is and as JSON writes it.
fn needles(secret: &str) -> Vec<String> {
    let quoted = Value::from(secret).to_string();
    let mut found = vec![secret.to_owned(), quoted[1..quoted.len() - 1].to_owned()];
    // as a vault takes it, and as a URL carries that
    found.extend([STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret)]);
    found.extend(secret.lines().filter(|line| line.len() >= 8 && !line.starts_with("-----")).map(str::to_owned));
    found
}

fn leaks<'a>(secrets: &'a [String], spoken: &str) -> Vec<&'a String> {
    secrets.iter().filter(|secret| needles(secret).iter().any(|needle| spoken.contains(needle.as_str()))).collect()
}

/// A plan that holds a value wherever Terraform puts one: marked, named like a secret, and in plain sight.
fn plan(names: &[String], secrets: &[String]) -> Value {
    let variables: serde_json::Map<String, Value> =
        names.iter().zip(secrets).map(|(name, secret)| (name.clone(), json!({ "value": secret }))).collect();
    let changes: Vec<Value> = secrets
        .iter()
        .map(|secret| {
            json!({"address": "oci_x.y", "change": {"actions": ["update"],
                "before": {"admin_password": secret, "text": format!("was {secret}")},
                "after": {"hidden": secret, "text": format!("is {secret}")},
                "before_sensitive": false, "after_sensitive": {"hidden": true}}})
        })
        .collect();
    let outputs: Vec<Value> = secrets.iter().map(|secret| json!({"sensitive": true, "value": secret})).collect();
    json!({"variables": variables, "resource_changes": changes, "planned_values": {"outputs": outputs}})
}

#[test]
fn ten_thousand_secrets_come_out_of_no_path_that_speaks() {
    let mut searched = 0;
    for batch in 0..STRINGS / BATCH {
        let secrets: Vec<String> = (batch * BATCH..(batch + 1) * BATCH).map(secret).collect();
        let names: Vec<String> = (0..BATCH).map(|number| format!("secret_{number}")).collect();
        let redactor = Redactor::new(secrets.iter().map(String::as_str));
        let mut log = JobLog::new(1 << 20, redactor.clone());
        let mut spoken = String::new();
        for secret in &secrets {
            let quoted = Value::from(secret.as_str()).to_string();
            let (encoded, safe) = (STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret));
            log.push("t", "info", &format!("plain {secret} quoted {quoted} encoded {encoded} and {safe}"), Some("oci_x.y"));
            let said = json!({"severity": "error", "summary": format!("400-InvalidParameter, {secret} is wrong"), "detail": format!("Suggestion: {quoted}")});
            spoken.push_str(&format!("{:?}\n", diagnostics::parse(&said, &redactor)));
            let value = json!({"admin_password": secret, "hidden": secret, "list": [secret]});
            spoken.push_str(&masked(&value, &json!({"hidden": true, "list": [true]}), &Value::Null).to_string());
        }
        spoken.push_str(std::str::from_utf8(&log.take_changed().unwrap()).unwrap());
        let marked: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        spoken.push_str(&redacted_plan(&plan(&names, &secrets), &marked, &redactor).to_string());
        let values = names.iter().cloned().zip(secrets.iter().cloned().map(Secret)).collect();
        let input = RunInput { secrets: values, ..input("u", "job", Action::Plan, "", None) };
        spoken.push_str(&format!("{input:?}"));
        assert_eq!(leaks(&secrets, &spoken), Vec::<&String>::new(), "batch {batch}");
        searched += secrets.len();
    }
    println!("{searched} secrets searched for in logs, diagnostics, plans, values and Debug: 0 found");
    assert_eq!(searched, STRINGS);
}

#[tokio::test]
async fn secrets_that_terraform_itself_prints_reach_no_log_plan_event_or_record() {
    let bench = Bench::new();
    let secrets: Vec<String> = (0..40).map(secret).filter(|secret| !secret.contains('\n')).collect();
    let names: Vec<String> = (0..secrets.len()).map(|number| format!("secret_{number}")).collect();
    let mut text = String::new();
    for name in &names {
        text.push_str(&format!(
            "variable \"{name}\" {{\n  type = string\n}}\nresource \"terraform_data\" \"r_{name}\" {{\n  input = var.{name}\n  provisioner \"local-exec\" {{\n    command = \"printf '%s\\\\n' \\\"$V\\\"; printf '%s\\\\n' \\\"$V\\\" >&2; {}\"\n    environment = {{ V = var.{name} }}\n  }}\n}}\n",
            if name.ends_with('7') { "exit 3" } else { "true" }
        ));
        text.push_str(&format!("output \"o_{name}\" {{\n  value = \"got ${{var.{name}}}\"\n}}\n"));
    }
    let mut input = bench.input("u1", "plan", Action::Plan, &text).await;
    input.secrets = names.iter().cloned().zip(secrets.iter().cloned().map(Secret)).collect::<BTreeMap<_, _>>();
    let apply = bench.planned_with(input).await;
    let mut started = bench.start(apply);
    let mut spoken = String::new();
    while let Some(event) = started.events.recv().await {
        spoken.push_str(&format!("{event:?}\n"));
    }
    let done = started.task.await.unwrap().unwrap();
    assert_eq!(done.phase, JobPhase::Failed, "{done:?}");
    let log = bench.log("u1", "apply");
    assert!(log.contains("(sensitive)"), "terraform printed them: {log}");
    spoken.push_str(&format!("{done:?}\n{log}\n{}", bench.log("u1", "plan")));
    for job in ["plan", "apply"] {
        let json = bench.blob(&crate::blobs::BlobKey::job("u1", job, crate::blobs::JobBlob::PlanJson)).unwrap();
        spoken.push_str(&String::from_utf8_lossy(&json));
    }
    assert_eq!(leaks(&secrets, &spoken), Vec::<&String>::new());
    println!("{} secrets that terraform printed, in logs, plans, events and the record of the job: 0 found", secrets.len());
}

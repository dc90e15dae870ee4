//! `galley logs`, `galley sandbox`, `galley secret`, `galley kubeconfig`: the routes beside the documents.

use std::io::Read;

use http::Method;
use kube::Api;
use serde_json::{Value, json};

use super::args::{KubeconfigArgs, LogsArgs, SandboxCommand, SecretCommand};
use super::client::{As, Server, chain};
use super::failure::{Exit, Failure};
use super::screen::{Screen, clean, table};
use super::text::Text;
use crate::api::terraformjob::TerraformJob;
use crate::api::{Design, NAMESPACE};
use crate::config::files::{create_private_dir, write_private};
use crate::http::Fault;

/// Largest secret that is read from stdin; the server takes no more either.
const SECRET_LIMIT: u64 = 64 * 1024;

async fn design_uid(server: &Server, name: &str, who: As, screen: Screen) -> Result<String, Failure> {
    let designs: Api<Design> = Api::namespaced(server.kube(who)?, NAMESPACE);
    let design = designs.get_opt(name).await.map_err(|error| server.kube_failure(&error))?;
    design
        .and_then(|design| design.metadata.uid)
        .ok_or_else(|| Failure::new(Exit::NotFound, screen.lang.fill(Text::NotFound, &[("kind", &"design"), ("name", &name)])))
}

async fn json_of(response: reqwest::Response, screen: Screen) -> Result<Value, Failure> {
    response
        .json()
        .await
        .map_err(|error| Failure::new(Exit::Failed, screen.lang.fill(Text::ServerSays, &[("problem", &chain(&error.without_url()))])))
}

/// `galley sandbox …`
pub async fn sandbox(server: &Server, command: SandboxCommand, screen: Screen) -> Result<Exit, Failure> {
    let lang = screen.lang;
    let name = match &command {
        SandboxCommand::List { name, .. }
        | SandboxCommand::Set { name, .. }
        | SandboxCommand::Delete { name, .. }
        | SandboxCommand::Fail { name, .. }
        | SandboxCommand::Clear { name } => name.clone(),
    };
    // arguments are judged before anything is asked of the server
    let (method, verb, body) = sandbox_request(&command, screen)?;
    let uid = design_uid(server, &name, As::Approver, screen).await?;
    let response = server.http(As::Approver, method, &format!("/admin/sandbox/{uid}/{verb}"), body.as_ref()).await?;
    let answer = json_of(response, screen).await?;
    match command {
        SandboxCommand::List { json: true, .. } => println!("{}", serde_json::to_string_pretty(&answer).unwrap_or_default()),
        SandboxCommand::List { .. } => println!("{}", render_cloud(&name, &answer, screen)),
        SandboxCommand::Set { id, .. } => println!("{}", lang.fill(Text::CloudChanged, &[("id", &id)])),
        SandboxCommand::Delete { id, .. } => println!("{}", lang.fill(Text::CloudDeleted, &[("id", &id)])),
        SandboxCommand::Fail { resource_type, error, operation, .. } => {
            println!("{}", lang.fill(Text::CloudFails, &[("operation", &operation), ("kind", &resource_type), ("error", &error)]));
        }
        SandboxCommand::Clear { .. } => println!("{}", lang.text(Text::CloudCleared)),
    }
    Ok(Exit::Done)
}

fn sandbox_request(command: &SandboxCommand, screen: Screen) -> Result<(Method, &'static str, Option<Value>), Failure> {
    Ok(match command {
        SandboxCommand::List { .. } => (Method::GET, "list", None),
        SandboxCommand::Set { id, assignment, .. } => {
            let Some((attribute, value)) = assignment.split_once('=').filter(|(attribute, _)| !attribute.is_empty()) else {
                return Err(Failure::new(Exit::Usage, screen.lang.fill(Text::BadAssignment, &[("text", assignment)])));
            };
            let value: Value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            (Method::POST, "set", Some(json!({ "id": id, "attribute": attribute, "value": value })))
        }
        SandboxCommand::Delete { id, .. } => (Method::POST, "delete", Some(json!({ "id": id }))),
        SandboxCommand::Fail { resource_type, error, operation, times, .. } => {
            let parts = error.split_once('-').and_then(|(status, code)| Some((status.parse::<u16>().ok()?, code)));
            let Some((status, code)) = parts.filter(|(status, code)| (400..=599).contains(status) && !code.is_empty()) else {
                return Err(Failure::new(Exit::Usage, screen.lang.fill(Text::BadFault, &[("text", error)])));
            };
            let fault = Fault {
                resource_type: resource_type.clone(),
                operation: operation.clone(),
                status,
                code: code.to_owned(),
                message: None,
                times: *times,
                delay_ms: None,
            };
            (Method::POST, "fail", Some(serde_json::to_value(fault).unwrap_or_default()))
        }
        SandboxCommand::Clear { .. } => (Method::POST, "clear", Some(json!({}))),
    })
}

/// The cloud as a table: type, name, id.
fn render_cloud(name: &str, answer: &Value, screen: Screen) -> String {
    let resources = answer["resources"].as_array().cloned().unwrap_or_default();
    let mut lines = Vec::new();
    if resources.is_empty() {
        lines.push(screen.lang.fill(Text::CloudEmpty, &[("name", &name)]));
    } else {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut rows: Vec<Vec<String>> = resources
            .iter()
            .map(|resource| {
                let attributes = &resource["attributes"];
                let shown = ["display_name", "name", "db_name"].iter().map(|key| text(&attributes[*key])).find(|found| !found.is_empty());
                vec![text(&resource["type"]), shown.unwrap_or_default(), text(&resource["id"])]
            })
            .collect();
        rows.sort();
        lines.push(table(&[Text::ColumnType, Text::ColumnName, Text::ColumnId].map(|head| screen.lang.text(head)), &rows));
    }
    for fault in answer["faults"].as_array().into_iter().flatten() {
        lines.push(format!("{} {}", screen.lang.text(Text::FaultLabel), clean(&fault.to_string())));
    }
    lines.join("\n")
}

/// `galley secret set`: the value comes from stdin alone, so that it stands in no history and no process list.
pub async fn secret(server: &Server, command: SecretCommand, screen: Screen) -> Result<Exit, Failure> {
    let SecretCommand::Set { name, variable } = command;
    let mut value = String::new();
    let read = std::io::stdin().lock().take(SECRET_LIMIT + 1).read_to_string(&mut value);
    // one newline at the end is the shell's, not the secret's
    let trimmed = value.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&value);
    if read.is_err() || trimmed.is_empty() {
        return Err(Failure::new(Exit::Usage, screen.lang.text(Text::SecretEmpty)));
    }
    if trimmed.len() as u64 > SECRET_LIMIT {
        return Err(Failure::new(Exit::Usage, screen.lang.fill(Text::TooLarge, &[("file", &"stdin"), ("limit", &SECRET_LIMIT)])));
    }
    let uid = design_uid(server, &name, As::Editor, screen).await?;
    let segment: String = url::form_urlencoded::byte_serialize(variable.as_bytes()).collect();
    server.put_bytes(As::Editor, &format!("/admin/secrets/{uid}/{segment}"), trimmed.as_bytes().to_vec()).await?;
    println!("{}", screen.lang.fill(Text::SecretKept, &[("variable", &variable), ("name", &name)]));
    Ok(Exit::Done)
}

/// `galley logs`
pub async fn logs(server: &Server, args: LogsArgs, screen: Screen) -> Result<Exit, Failure> {
    let LogsArgs { name, follow, raw } = args;
    let (uid, job) = find_job(server, &name, screen).await?;
    let path = format!("/logs/{uid}/{job}{}", if follow { "?follow=1" } else { "" });
    let mut response = server.http(As::Editor, Method::GET, &path, None).await?;
    let mut pending = Vec::new();
    loop {
        let chunk = tokio::select! {
            chunk = response.chunk() => chunk,
            _ = tokio::signal::ctrl_c() => return Err(Failure::new(Exit::Interrupted, screen.lang.text(Text::Interrupted))),
        };
        let chunk = chunk.map_err(|error| {
            Failure::new(Exit::Unreachable, screen.lang.fill(Text::ServerSays, &[("problem", &chain(&error.without_url()))]))
        })?;
        let Some(chunk) = chunk else { break };
        pending.extend_from_slice(&chunk);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            println!("{}", log_line(&String::from_utf8_lossy(&line), raw));
        }
    }
    if !pending.is_empty() {
        println!("{}", log_line(&String::from_utf8_lossy(&pending), raw));
    }
    Ok(Exit::Done)
}

/// A kept line for people: its time of day and its message; a line that is no JSON stays as it is.
fn log_line(line: &str, raw: bool) -> String {
    let line = line.trim_end();
    let parsed = if raw { None } else { serde_json::from_str::<Value>(line).ok() };
    let Some(value) = parsed else { return if raw { line.to_owned() } else { clean(line) } };
    let text = |keys: &[&str]| keys.iter().find_map(|key| value[*key].as_str()).map(str::to_owned);
    let message = text(&["@message", "message", "line", "text"]).unwrap_or_else(|| line.to_owned());
    let time = text(&["@timestamp", "time", "timestamp"]).and_then(|time| time.get(11..19).map(str::to_owned));
    let body = message.lines().map(clean).collect::<Vec<_>>().join("\n         ");
    time.map_or_else(|| body.clone(), |time| format!("{time} {body}"))
}

async fn find_job(server: &Server, name: &str, screen: Screen) -> Result<(String, String), Failure> {
    let client = server.kube(As::Editor)?;
    let jobs: Api<TerraformJob> = Api::namespaced(client.clone(), NAMESPACE);
    let fail = |error: kube::Error| server.kube_failure(&error);
    if let Some(job) = jobs.get_opt(name).await.map_err(fail)? {
        return Ok((job.spec.design_uid, name.to_owned()));
    }
    let missing = || Failure::new(Exit::NotFound, screen.lang.fill(Text::NoJob, &[("name", &name)]));
    let designs: Api<Design> = Api::namespaced(client, NAMESPACE);
    let design = designs.get_opt(name).await.map_err(fail)?.ok_or_else(missing)?;
    let uid = design.metadata.uid.clone().unwrap_or_default();
    if let Some(job) = design.status.and_then(|status| status.active_job) {
        return Ok((uid, job));
    }
    let all = jobs.list(&kube::api::ListParams::default()).await.map_err(fail)?;
    let newest = all
        .items
        .into_iter()
        .filter(|job| job.spec.design_uid == uid)
        .max_by_key(|job| job.metadata.creation_timestamp.clone().map(|time| time.0));
    newest.and_then(|job| job.metadata.name).map(|job| (uid, job)).ok_or_else(missing)
}

/// `galley kubeconfig`: the file holds the token, so it is 0600 and its path is all that is printed.
pub fn kubeconfig(server: &Server, data_dir: &std::path::Path, args: KubeconfigArgs) -> Result<Exit, Failure> {
    let who = if args.approver { As::Approver } else { As::Editor };
    let url = server.kubernetes_url(who)?;
    let user = if args.approver { "approver" } else { "editor" };
    let context = json!({ "cluster": "galley", "user": user, "namespace": NAMESPACE });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "galley", "preferences": {},
        "clusters": [{ "name": "galley", "cluster": { "server": url.expose() } }],
        "users": [{ "name": user, "user": {} }],
        "contexts": [{ "name": "galley", "context": context }],
    });
    let refuse = |problem: String| Failure::new(Exit::Failed, problem);
    let text = serde_saphyr::to_string(&config).map_err(|_| refuse("cannot write YAML".to_owned()))?;
    let path = args.output.unwrap_or_else(|| data_dir.join(if args.approver { "kubeconfig.approver" } else { "kubeconfig" }));
    create_private_dir(data_dir).map_err(|error| refuse(chain(&error)))?;
    write_private(&path, text.as_bytes()).map_err(|error| refuse(chain(&error)))?;
    println!("{}", path.display());
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::super::text::Lang;
    use super::*;

    const SCREEN: Screen = Screen { lang: Lang::En, colour: false, live: false };

    #[test]
    fn a_change_in_the_cloud_is_json_or_text() {
        let set = |assignment: &str| {
            sandbox_request(&SandboxCommand::Set { name: "s".into(), id: "o".into(), assignment: assignment.into() }, SCREEN)
                .map(|(_, _, body)| body.unwrap()["value"].clone())
        };
        for (why, assignment, value) in [
            ("text", "display_name=Dev VM", json!("Dev VM")),
            ("a number", "ocpus=2", json!(2)),
            ("a list", "cidr_blocks=[\"10.0.0.0/16\"]", json!(["10.0.0.0/16"])),
            ("text that looks like JSON in quotes", "name=\"2\"", json!("2")),
            ("an equals sign in the value", "a=b=c", json!("b=c")),
        ] {
            assert_eq!(set(assignment).unwrap(), value, "{why}");
        }
        assert_eq!(set("display_name").unwrap_err().exit, Exit::Usage);
        assert_eq!(set("=x").unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn a_fault_is_written_as_oci_says_it() {
        let fail = |error: &str| {
            let command = SandboxCommand::Fail {
                name: "s".into(),
                resource_type: "oci_core_instance".into(),
                error: error.into(),
                operation: "create".into(),
                times: Some(2),
            };
            sandbox_request(&command, SCREEN).map(|(_, _, body)| body.unwrap())
        };
        let body = fail("400-LimitExceeded").unwrap();
        assert_eq!(
            body,
            json!({ "resource_type": "oci_core_instance", "operation": "create", "status": 400, "code": "LimitExceeded", "times": 2 })
        );
        for wrong in ["LimitExceeded", "200-OK", "400-", "abc-X", ""] {
            assert_eq!(fail(wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }

    #[test]
    fn the_cloud_is_shown_as_a_table() {
        let answer = json!({ "resources": [
            { "id": "ocid1.vcn.oc1..b", "type": "oci_core_vcn", "attributes": { "display_name": "Dev VCN" } },
            { "id": "ocid1.instance.oc1..a", "type": "oci_core_instance", "attributes": { "display_name": "Dev Compute Instance" } }],
            "faults": [{ "code": "TooManyRequests" }] });
        assert_eq!(
            render_cloud("s-1", &answer, SCREEN),
            "TYPE               NAME                  ID\n\
             oci_core_instance  Dev Compute Instance  ocid1.instance.oc1..a\n\
             oci_core_vcn       Dev VCN               ocid1.vcn.oc1..b\n\
             fails {\"code\":\"TooManyRequests\"}"
        );
        assert_eq!(render_cloud("s-1", &json!({}), SCREEN), "the simulated cloud of s-1 is empty");
    }

    #[test]
    fn a_log_line_is_time_and_message_and_steers_no_terminal() {
        for (why, line, raw, expected) in [
            ("terraform's own", r#"{"@message":"Apply complete","@timestamp":"2026-01-01T10:11:12.5Z"}"#, false, "10:11:12 Apply complete"),
            ("raw", r#"{"@message":"x"}"#, true, r#"{"@message":"x"}"#),
            ("no JSON", "plain \u{1b}[31mtext", false, "plain �[31mtext"),
            ("no time", r#"{"message":"a\nb"}"#, false, "a\n         b"),
        ] {
            assert_eq!(log_line(line, raw), expected, "{why}");
        }
    }
}

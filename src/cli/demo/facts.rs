//! Every argument the demo sends to a tool and every field it reads from an answer: the one place that knows names.
//!
//! Reading is tolerant: `plan_sha256` and `planSha256` are the same name, and a field is looked for from the top of the
//! answer downwards, because answers embed documents.

use serde_json::{Value, json};

use crate::api::Reason;
use crate::api::design::{Change, ChangeAction};
use crate::api::terraformjob::Progress;

/// How deep a field may stand.
const DEPTH: usize = 5;

// ------------------------------------------------------------------------------------------------------- arguments

/// Arguments of `create_session`.
pub fn create_session(title: &str, language: &str) -> Value {
    json!({ "title": title, "language": language, "target": "sandbox" })
}

/// Arguments of `save_architecture`.
pub fn save_architecture(session: &str, architecture: &Value) -> Value {
    json!({ "session_id": session, "components": architecture["components"], "connections": architecture["connections"] })
}

/// Arguments of `set_desired_state`; `request` asks for a fresh plan.
pub fn set_desired_state(session: &str, state: &str, request: Option<&str>) -> Value {
    let mut arguments = json!({ "session_id": session, "desired_state": state });
    if let Some(request) = request {
        arguments["request"] = json!(request);
    }
    arguments
}

/// Arguments of `get_status`: waits up to `seconds` for something newer than `since`.
pub fn get_status(session: &str, seconds: u64, since: Option<&Value>) -> Value {
    let mut arguments = json!({ "session_id": session, "wait_seconds": seconds });
    if let Some(since) = since {
        arguments["since"] = since.clone();
    }
    arguments
}

/// Arguments of `get_plan`.
pub fn get_plan(session: &str) -> Value {
    json!({ "session_id": session, "detail": "changes" })
}

/// Arguments of `approve_plan`.
pub fn approve_plan(session: &str, sha: &str) -> Value {
    json!({ "session_id": session, "plan_sha256": sha })
}

/// Arguments of `delete_session`; the name is repeated as the confirmation.
pub fn delete_session(session: &str) -> Value {
    json!({ "session_id": session, "confirm": session })
}

/// The edit that forces a replace: the VM of the demo's architecture moves into a subnet of its own. `subnet_id` of an
/// instance's primary VNIC is ForceNew in the provider's schema (oci-provider 8.28.0,
/// `oci_core_instance.create_vnic_details.subnet_id`).
pub fn move_the_vm(architecture: &Value) -> Value {
    let mut edited = architecture.clone();
    if let Some(components) = edited["components"].as_array_mut() {
        components.push(json!({ "id": "app_subnet", "service_type": "subnet", "display_name": "App subnet",
            "config": { "cidr_block": "10.0.200.0/24", "prohibit_public_ip": false } }));
    }
    if let Some(connections) = edited["connections"].as_array_mut() {
        for connection in connections.iter_mut() {
            if connection["source_id"] == "vm" && connection["connection_type"] == "deployed_in" {
                connection["target_id"] = json!("app_subnet");
            }
        }
        connections.push(json!({ "source_id": "app_subnet", "target_id": "vcn", "connection_type": "deployed_in" }));
    }
    edited
}

/// Resource type of the demo's VM.
pub const VM_TYPE: &str = "oci_core_instance";
/// The attribute somebody changes at the console.
pub const CHANGED_ATTRIBUTE: &str = "display_name";
/// What they change it to.
pub const CHANGED_VALUE: &str = "renamed at the console";

// --------------------------------------------------------------------------------------------------------- reading

fn same(left: &str, right: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    letters(left) == letters(right)
}

/// The member of `value` with one of these names, the first name that is there winning; shallow before deep.
pub fn find<'a>(value: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| find_one(value, name))
}

fn find_one<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let mut level = vec![value];
    for _ in 0..DEPTH {
        let mut below = Vec::new();
        for object in level.iter().filter_map(|value| value.as_object()) {
            if let Some((_, found)) = object.iter().find(|(key, found)| same(key, name) && !found.is_null()) {
                return Some(found);
            }
            below.extend(object.values().filter(|value| value.is_object()));
        }
        level = below;
    }
    None
}

fn text(value: &Value, names: &[&str]) -> Option<String> {
    find(value, names).and_then(Value::as_str).map(str::to_owned)
}

fn number(value: &Value, names: &[&str]) -> Option<usize> {
    find(value, names).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok())
}

fn strings(value: &Value, names: &[&str]) -> Vec<String> {
    find(value, names).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The session id in an answer of `create_session`.
pub fn session_id(answer: &Value) -> Option<String> {
    text(answer, &["session_id", "session", "name", "id"])
}

/// Findings: (errors, warnings, infos, rows of severity, rule, path, message).
pub fn findings(answer: &Value) -> (usize, usize, usize, Vec<Vec<String>>) {
    let Some(found) = find(answer, &["findings"]) else { return (0, 0, 0, Vec::new()) };
    let items = found.as_array().or_else(|| found["items"].as_array()).cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| ["severity", "rule", "path", "message"].iter().map(|field| text(item, &[field]).unwrap_or_default()).collect())
        .collect();
    let count = |word: &str, plural: &str| {
        number(found, &[plural])
            .or_else(|| number(answer, &[plural]))
            .unwrap_or_else(|| rows.iter().filter(|row| row[0].eq_ignore_ascii_case(word)).count())
    };
    (count("error", "errors"), count("warning", "warnings"), count("info", "infos"), rows)
}

/// A plan as `get_plan` tells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanSeen {
    /// sha256 of the plan file
    pub sha: String,
    /// is it a destroy plan
    pub destroy: bool,
    /// how many resources it makes, replaces, deletes
    pub create: usize,
    /// changed in place
    pub update: usize,
    /// replaced
    pub replace: usize,
    /// deleted
    pub delete: usize,
    /// the changes
    pub changes: Vec<Change>,
    /// changes that were found in the cloud
    pub drift: Vec<Change>,
}

/// The plan in an answer.
pub fn plan(answer: &Value) -> Option<PlanSeen> {
    let sha = text(answer, &["plan_sha256", "sha256"])?;
    let counts = find(answer, &["counts"]).unwrap_or(answer);
    let count = |name: &str| number(counts, &[name]).unwrap_or(0);
    Some(PlanSeen {
        sha,
        destroy: find(answer, &["destroy"]).and_then(Value::as_bool).unwrap_or(false),
        create: count("create"),
        update: count("update"),
        replace: count("replace"),
        delete: count("delete"),
        changes: changes(find(answer, &["changes"])),
        drift: drift(answer),
    })
}

fn changes(list: Option<&Value>) -> Vec<Change> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(change).collect()
}

fn change(item: &Value) -> Option<Change> {
    let action = match text(item, &["action"]).unwrap_or_else(|| "update".to_owned()).to_lowercase().as_str() {
        "create" => ChangeAction::Create,
        "delete" => ChangeAction::Delete,
        "replace" => ChangeAction::Replace,
        "import" => ChangeAction::Import,
        _ => ChangeAction::Update,
    };
    Some(Change {
        address: text(item, &["address"])?,
        action,
        replace_paths: strings(item, &["forced_by", "replace_paths"]),
        changed_paths: strings(item, &["changed", "changed_paths"]),
    })
}

fn drift(answer: &Value) -> Vec<Change> {
    let found = find(answer, &["drift"]);
    let mut all = changes(found.filter(|found| found.is_array()).or_else(|| found.and_then(|found| find(found, &["items", "changes"]))));
    all.extend(changes(find(answer, &["drift_updates"])));
    all.extend(strings(answer, &["drift_deletes"]).into_iter().map(|address| Change {
        address,
        action: ChangeAction::Delete,
        replace_paths: Vec::new(),
        changed_paths: Vec::new(),
    }));
    all.sort_by(|left, right| left.address.cmp(&right.address));
    all.dedup_by(|left, right| left.address == right.address);
    all
}

/// What `get_status` tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Synced, OutOfSync, Unknown
    pub sync: String,
    /// Healthy, Progressing, …
    pub health: String,
    /// reason of the Ready condition
    pub reason: String,
    /// its message
    pub message: String,
    /// what it waits for
    pub wait_reason: String,
    /// sha256 of the newest plan
    pub plan_sha: Option<String>,
    /// the running job
    pub progress: Option<Progress>,
    /// what changed outside
    pub drift: Vec<Change>,
    /// how many resources
    pub resources: Option<usize>,
    /// to be given as `since`
    pub cursor: Option<Value>,
}

impl Seen {
    /// Is it as wanted?
    pub fn settled(&self) -> bool {
        self.sync == "Synced" && self.health == "Healthy"
    }
    /// A reason that does not go away by itself and is no approval.
    pub fn failed(&self) -> bool {
        serde_json::from_value::<Reason>(json!(self.reason)).is_ok_and(|reason| {
            matches!(
                reason,
                Reason::InvalidDesign
                    | Reason::InvalidDocument
                    | Reason::JobFailed
                    | Reason::StateUnavailable
                    | Reason::ResourcesVanished
                    | Reason::InFlightUnconfirmed
                    | Reason::OwnerUnknown
                    | Reason::SecretMissing
                    | Reason::Suspended
                    | Reason::Cancelled
                    | Reason::Internal
            )
        })
    }
    /// One line.
    pub fn line(&self) -> String {
        [self.sync.as_str(), self.health.as_str(), self.reason.as_str(), self.message.as_str(), self.wait_reason.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" / ")
    }
}

/// The status in an answer.
pub fn status(answer: &Value) -> Seen {
    let conditions = find(answer, &["conditions"]).and_then(Value::as_array).cloned().unwrap_or_default();
    let of = |kind: &str| conditions.iter().find(|condition| condition["type"] == kind).cloned();
    let stalled = of("Stalled").filter(|condition| condition["status"] == "True");
    let ready = stalled.or_else(|| of("Ready")).or_else(|| find(answer, &["ready"]).filter(|ready| ready.is_object()).cloned());
    let spoken =
        |fields: &[&str]| ready.as_ref().and_then(|ready| text(ready, fields)).or_else(|| text(answer, fields)).unwrap_or_default();
    let resources = find(answer, &["resources", "resource_count"]);
    Seen {
        sync: text(answer, &["sync"]).unwrap_or_default(),
        health: text(answer, &["health"]).unwrap_or_default(),
        reason: spoken(&["reason", "ready_reason"]),
        message: spoken(&["message"]),
        wait_reason: text(answer, &["wait_reason"]).unwrap_or_default(),
        plan_sha: text(answer, &["plan_sha256"]),
        progress: find(answer, &["progress"]).map(|progress| Progress {
            step: text(progress, &["step"]).unwrap_or_default(),
            total: number(progress, &["total"]).unwrap_or(0),
            done: number(progress, &["done"]).unwrap_or(0),
            current: strings(progress, &["current"]),
        }),
        drift: drift(answer),
        resources: resources
            .and_then(|found| found.as_u64().and_then(|count| usize::try_from(count).ok()).or_else(|| number(found, &["total"]))),
        cursor: find(answer, &["since", "cursor", "version", "resource_version"]).cloned(),
    }
}

/// (code, message with hint) of a tool error.
pub fn error(answer: &Value) -> (String, String) {
    let message = text(answer, &["message"]).unwrap_or_else(|| answer.to_string());
    let hint = text(answer, &["hint"]).map(|hint| format!(" ({hint})")).unwrap_or_default();
    (text(answer, &["code"]).unwrap_or_else(|| "error".to_owned()), format!("{message}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_from_a_flat_answer_and_from_an_embedded_document_alike() {
        let flat = json!({ "session_id": "s-1", "sync": "OutOfSync", "health": "Progressing", "ready": { "status": "False", "reason": "AwaitingApproval", "message": "approve" },
            "wait_reason": "approval", "plan": { "plan_sha256": "abc", "counts": { "create": 2 } }, "job": { "progress": { "step": "apply", "total": 5, "done": 2, "current": ["a.b"] } },
            "drift": [{ "address": "x.y", "action": "update", "changed_paths": ["display_name"] }], "resources": { "total": 4 }, "cursor": "7" });
        let embedded = json!({ "design": { "metadata": { "resourceVersion": "7" }, "status": { "sync": "OutOfSync", "health": "Progressing", "waitReason": "approval",
            "conditions": [{ "type": "Ready", "status": "False", "reason": "AwaitingApproval", "message": "approve" }], "plan": { "planSha256": "abc", "counts": { "create": 2 } },
            "drift": { "items": [{ "address": "x.y", "action": "update", "changedPaths": ["display_name"] }] }, "resources": { "total": 4 } } },
            "job": { "status": { "progress": { "step": "apply", "total": 5, "done": 2, "current": ["a.b"] } } } });
        let seen = status(&flat);
        assert_eq!(seen, status(&embedded));
        assert_eq!((seen.reason.as_str(), seen.plan_sha.as_deref(), seen.resources), ("AwaitingApproval", Some("abc"), Some(4)));
        assert_eq!(seen.progress.unwrap().current, ["a.b"]);
        assert_eq!(seen.drift[0].changed_paths, ["display_name"]);
    }

    #[test]
    fn a_plan_is_read_with_what_forces_a_replace() {
        let answer = json!({ "plan": { "planSha256": "abc", "destroy": false, "counts": { "create": 1, "update": 0, "replace": 1, "delete": 0 },
            "changes": [{ "address": "oci_core_instance.vm", "action": "replace", "replacePaths": ["create_vnic_details.subnet_id"] }],
            "driftUpdates": [{ "address": "a.b", "action": "update", "changedPaths": ["c"] }], "driftDeletes": ["d.e"] } });
        let plan = plan(&answer).unwrap();
        assert_eq!((plan.create, plan.replace, plan.changes[0].action), (1, 1, ChangeAction::Replace));
        assert_eq!(plan.changes[0].replace_paths, ["create_vnic_details.subnet_id"]);
        assert_eq!(plan.drift.iter().map(|change| change.address.as_str()).collect::<Vec<_>>(), ["a.b", "d.e"]);
    }

    #[test]
    fn findings_are_counted_from_counts_or_from_the_list() {
        let items = json!([{ "severity": "warning", "rule": "r", "path": "p", "message": "m" }]);
        for (why, answer) in [
            ("a list", json!({ "findings": items })),
            ("counts", json!({ "findings": { "errors": 0, "warnings": 1, "infos": 0, "items": items } })),
        ] {
            let (errors, warnings, infos, rows) = findings(&answer);
            assert_eq!((errors, warnings, infos, rows.len()), (0, 1, 0, 1), "{why}");
        }
    }

    #[test]
    fn the_edit_moves_the_vm_and_nothing_else() {
        let before: Value = serde_json::from_str(super::super::ARCHITECTURE).unwrap();
        let after = move_the_vm(&before);
        assert_eq!(after["components"].as_array().unwrap().len(), 4);
        assert_eq!(after["connections"][0]["target_id"], "app_subnet");
        assert_eq!(after["connections"][1], before["connections"][1]);
    }

    #[test]
    fn reasons_that_never_pass_end_the_wait() {
        for (reason, failed) in [
            ("JobFailed", true),
            ("InvalidDesign", true),
            ("AwaitingApproval", false),
            ("JobRunning", false),
            ("RetryScheduled", false),
            ("", false),
        ] {
            assert_eq!(Seen { reason: reason.into(), ..Seen::default() }.failed(), failed, "{reason}");
        }
    }
}

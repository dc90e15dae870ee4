//! Every argument the demo sends to a tool and every field it reads from an answer: the one place that knows names.
//!
//! Answers are read by the names that the tools' outputSchemas give them; an answer without a field that the demo needs is
//! an error that says which. Fields the demo does not need may come and go.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::Reason;
use crate::api::design::{Change, ChangeAction, Counts, Finding};
use crate::api::terraformjob::Progress;

// ------------------------------------------------------------------------------------------------------- arguments

/// Arguments of `create_session`.
pub fn create_session(title: &str, language: &str) -> Value {
    json!({ "title": title, "language": language, "target": "sandbox" })
}

/// Arguments of `save_architecture`.
pub fn save_architecture(session: &str, architecture: &Value) -> Value {
    let mut arguments = json!({ "session_id": session });
    for member in ["components", "connections", "region", "compartment_id", "variables"] {
        if !architecture[member].is_null() {
            arguments[member] = architecture[member].clone();
        }
    }
    arguments
}

/// Arguments of `save_answers`: the answers of a design file, a list or by question; None when it has none.
pub fn save_answers(session: &str, architecture: &Value) -> Option<Value> {
    let answers: serde_json::Map<String, Value> = match &architecture["answers"] {
        Value::Array(list) => {
            list.iter().filter_map(|answer| Some((answer["question_id"].as_str()?.to_owned(), answer["value"].clone()))).collect()
        }
        Value::Object(by_question) => by_question.clone(),
        _ => return None,
    };
    (!answers.is_empty()).then(|| json!({ "session_id": session, "answers": answers }))
}

/// Arguments of `complete_hearing`.
pub fn complete_hearing(session: &str) -> Value {
    json!({ "session_id": session })
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
pub fn get_status(session: &str, seconds: u64, since: Option<&str>) -> Value {
    let mut arguments = json!({ "session_id": session, "wait_seconds": seconds });
    if let Some(since) = since {
        arguments["since"] = json!(since);
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

/// Reads an answer. Err: what is missing or of another type, in serde's words.
fn read<T: DeserializeOwned>(answer: &Value) -> Result<T, String> {
    T::deserialize(answer).map_err(|error| error.to_string())
}

/// The session id in an answer of `create_session`.
pub fn session_id(answer: &Value) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Created {
        session_id: String,
    }
    read::<Created>(answer).map(|created| created.session_id)
}

/// Every problem of a refusal, one sentence each.
pub fn problems(details: &Value) -> Vec<String> {
    let text = |problem: &Value, name: &str| problem[name].as_str().map(str::to_owned);
    let one = |problem: &Value| {
        let hint = text(problem, "hint").map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}: {}{hint}", text(problem, "path").unwrap_or_default(), text(problem, "message").unwrap_or_default())
    };
    details["problems"].as_array().into_iter().flatten().map(one).collect()
}

/// Findings with their counts; the list may be shorter than the counts say.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct FindingsSeen {
    /// how many errors
    pub errors: usize,
    /// how many warnings
    pub warnings: usize,
    /// how many notes
    pub infos: usize,
    /// the first ones
    pub items: Vec<Finding>,
}

/// The findings in an answer of `save_architecture`.
pub fn findings(answer: &Value) -> Result<FindingsSeen, String> {
    #[derive(Deserialize)]
    struct Saved {
        findings: FindingsSeen,
    }
    read::<Saved>(answer).map(|saved| saved.findings)
}

/// What a completed hearing gave: how many requirements and constraints.
pub fn heard(answer: &Value) -> Result<(usize, usize), String> {
    #[derive(Deserialize)]
    struct Heard {
        completed: bool,
        #[serde(default)]
        requirements: Vec<Value>,
        #[serde(default)]
        constraints: Vec<Value>,
    }
    let heard: Heard = read(answer)?;
    if heard.completed { Ok((heard.requirements.len(), heard.constraints.len())) } else { Err("completed is false".to_owned()) }
}

/// A change as `get_plan` and `get_status` tell it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ChangeSeen {
    address: String,
    action: ChangeAction,
    #[serde(default)]
    forced_by: Vec<String>,
    #[serde(default)]
    changed: Vec<String>,
}

impl From<ChangeSeen> for Change {
    fn from(seen: ChangeSeen) -> Change {
        let ChangeSeen { address, action, forced_by, changed } = seen;
        Change { address, action, replace_paths: forced_by, changed_paths: changed }
    }
}

/// A plan as `get_plan` tells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanSeen {
    /// sha256 of the plan file
    pub sha: String,
    /// is it a destroy plan
    pub destroy: bool,
    /// how many resources it makes, changes, replaces, deletes
    pub counts: Counts,
    /// the changes, as many as fit an answer
    pub changes: Vec<Change>,
    /// how many more there are
    pub omitted: usize,
    /// changes that were found in the cloud
    pub drift: Vec<Change>,
}

/// The plan in an answer of `get_plan`.
pub fn plan(answer: &Value) -> Result<PlanSeen, String> {
    #[derive(Deserialize)]
    struct Page {
        plan_sha256: String,
        destroy: bool,
        counts: Counts,
        #[serde(default)]
        changes: Vec<ChangeSeen>,
        omitted: usize,
        #[serde(default)]
        drift_updates: Vec<ChangeSeen>,
        #[serde(default)]
        drift_deletes: Vec<String>,
    }
    let page: Page = read(answer)?;
    let gone = page.drift_deletes.into_iter().map(|address| Change {
        address,
        action: ChangeAction::Delete,
        replace_paths: Vec::new(),
        changed_paths: Vec::new(),
    });
    Ok(PlanSeen {
        sha: page.plan_sha256,
        destroy: page.destroy,
        counts: page.counts,
        changes: page.changes.into_iter().map(Change::from).collect(),
        omitted: page.omitted,
        drift: page.drift_updates.into_iter().map(Change::from).chain(gone).collect(),
    })
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
    /// the last failure: job, and what it failed at
    pub failure: Option<FailureSeen>,
    /// how many resources
    pub resources: usize,
    /// to be given as `since`
    pub cursor: String,
}

/// The last failure in a status.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct FailureSeen {
    /// the job
    pub job: String,
    /// addresses that were made before it failed
    #[serde(default)]
    pub created: Vec<String>,
    /// addresses that failed
    #[serde(default)]
    pub failed: Vec<String>,
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

/// The status in an answer of `get_status`.
pub fn status(answer: &Value) -> Result<Seen, String> {
    #[derive(Deserialize)]
    struct Plan {
        plan_sha256: String,
    }
    #[derive(Deserialize)]
    struct Job {
        #[serde(default)]
        step: String,
        done: usize,
        total: usize,
        #[serde(default)]
        current: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Status {
        #[serde(default)]
        sync: String,
        #[serde(default)]
        health: String,
        #[serde(default)]
        ready_reason: String,
        #[serde(default)]
        ready_message: String,
        #[serde(default)]
        wait_reason: String,
        plan: Option<Plan>,
        active_job: Option<Job>,
        last_failure: Option<FailureSeen>,
        resources: usize,
        since: String,
    }
    let status: Status = read(answer)?;
    Ok(Seen {
        sync: status.sync,
        health: status.health,
        reason: status.ready_reason,
        message: status.ready_message,
        wait_reason: status.wait_reason,
        plan_sha: status.plan.map(|plan| plan.plan_sha256),
        progress: status.active_job.map(|Job { step, done, total, current }| Progress { step, total, done, current }),
        failure: status.last_failure,
        resources: status.resources,
        cursor: status.since,
    })
}

/// (code, message with hint) of a tool error.
pub fn error(answer: &Value) -> (String, String) {
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    let message = text("message").unwrap_or_else(|| answer.to_string());
    let hint = text("hint").map(|hint| format!(" ({hint})")).unwrap_or_default();
    (text("code").unwrap_or_else(|| "error".to_owned()), format!("{message}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_by_the_names_of_its_schema() {
        let answer = json!({ "session_id": "s-1", "sync": "OutOfSync", "health": "Progressing", "ready": false, "ready_reason": "AwaitingApproval",
            "ready_message": "approve", "wait_reason": "approval", "plan": { "plan_sha256": "abc", "counts": { "create": 2 } },
            "active_job": { "job": "j", "kind": "apply", "step": "apply", "total": 5, "done": 2, "current": ["a.b"], "cancelling": false },
            "last_failure": { "job": "j", "created": ["a.b"], "failed": ["c.d"] }, "resources": 4, "next_actions": [], "changed": true, "since": "7" });
        let seen = status(&answer).unwrap();
        assert_eq!((seen.reason.as_str(), seen.plan_sha.as_deref(), seen.resources), ("AwaitingApproval", Some("abc"), 4));
        assert_eq!((seen.progress.unwrap().current, seen.cursor.as_str()), (vec!["a.b".to_owned()], "7"));
        assert_eq!(seen.failure.unwrap().failed, ["c.d"]);
        assert!(status(&json!({ "resources": 1 })).unwrap_err().contains("since"), "what is missing is named");
    }

    #[test]
    fn a_plan_is_read_with_what_forces_a_replace() {
        let answer = json!({ "plan_sha256": "abc", "destroy": false, "counts": { "create": 1, "update": 0, "replace": 1, "delete": 0 }, "omitted": 0,
            "changes": [{ "address": "oci_core_instance.vm", "action": "replace", "forced_by": ["create_vnic_details.subnet_id"] }],
            "drift_updates": [{ "address": "a.b", "action": "update", "changed": ["c"] }], "drift_deletes": ["d.e"] });
        let plan = plan(&answer).unwrap();
        assert_eq!((plan.counts.create, plan.counts.replace, plan.changes[0].action), (1, 1, ChangeAction::Replace));
        assert_eq!(plan.changes[0].replace_paths, ["create_vnic_details.subnet_id"]);
        assert_eq!(plan.drift.iter().map(|change| change.address.as_str()).collect::<Vec<_>>(), ["a.b", "d.e"]);
        assert!(super::plan(&json!({ "planSha256": "abc" })).unwrap_err().contains("plan_sha256"), "another spelling is another field");
    }

    #[test]
    fn findings_come_with_their_counts() {
        let items = json!([{ "severity": "warning", "rule": "r", "path": "p", "message": "m" }]);
        let seen = findings(&json!({ "findings": { "errors": 0, "warnings": 1, "infos": 0, "items": items } })).unwrap();
        assert_eq!((seen.errors, seen.warnings, seen.infos, seen.items.len()), (0, 1, 0, 1));
        assert!(findings(&json!({ "findings": items })).is_err());
    }

    #[test]
    fn the_answers_of_a_file_become_one_call() {
        let file = json!({ "answers": [{ "question_id": "purpose", "value": "x" }, { "question_id": "users", "value": "y" }] });
        assert_eq!(save_answers("s", &file).unwrap()["answers"], json!({ "purpose": "x", "users": "y" }));
        assert_eq!(save_answers("s", &json!({})), None);
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

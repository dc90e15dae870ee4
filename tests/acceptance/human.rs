//! Approval policy `human`: whoever holds the editor token, and with it every door (MCP, the Kubernetes API, the routes
//! beside it), cannot get a plan applied. Every way that was thought of is a row with its reason and the exact refusal;
//! afterwards the cloud is as it was and terraform apply was not started.
//!
//! What `human` on one design does not mean: an editor may still make *another* design with the server's own minimum. A
//! server whose every design needs a person says so with `GALLEY_MIN_APPROVAL=human`, the last test here.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{APPROVER, EDITOR, PATIENCE, World, ready_reason, small};

pub const JSON: &str = "application/json";
pub const MERGE: &str = "application/merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";

/// What a door answered.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub body: Value,
}

impl Answer {
    pub fn text(&self) -> String {
        self.body["message"].as_str().map_or_else(|| self.body.to_string(), str::to_owned)
    }

    /// The refusal, exactly: status code and a part of the message that says why.
    #[track_caller]
    pub fn refused(&self, reason: &str, code: u16, why: &str) {
        assert_eq!(self.code, code, "{reason}: {}", self.text());
        assert!(self.text().contains(why), "{reason}: the refusal says {:?}, not {why:?}", self.text());
    }
}

/// A client with the editor token and plain HTTP: nothing that a library would not let it say.
pub struct Editor<'a> {
    world: &'a World,
    pub http: reqwest::Client,
}

impl Editor<'_> {
    pub fn new(world: &World) -> Editor<'_> {
        Editor { world, http: reqwest::Client::new() }
    }

    pub async fn send(&self, method: &str, path: &str, kind: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = self.http.request(method.parse().expect("method"), format!("{}{path}", self.world.base()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.header("content-type", kind).body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let code = answer.status().as_u16();
        let text = answer.text().await.expect("text");
        Answer { code, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// A request to the Kubernetes API; `rest` is what follows the namespace.
    pub async fn k8s(&self, method: &str, rest: &str, kind: &str, body: &Value) -> Answer {
        self.k8s_with(method, rest, kind, &[], body).await
    }

    pub async fn k8s_with(&self, method: &str, rest: &str, kind: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send(method, &format!("/k8s/{EDITOR}/apis/galley.dev/v1alpha1/namespaces/default/{rest}"), kind, headers, body).await
    }

    pub async fn read(&self, rest: &str) -> Value {
        let answer = self.k8s("GET", rest, JSON, &Value::Null).await;
        assert_eq!(answer.code, 200, "{rest}: {}", answer.text());
        answer.body
    }

    /// Creates an approval and waits until Galley has said why it does not count.
    async fn approval_is_refused(&self, reason: &str, headers: &[(&str, &str)], approval: &Value) -> Value {
        let created = self.k8s_with("POST", "approvals", JSON, headers, approval).await;
        assert_eq!(created.code, 201, "{reason}: an approval may be stored, it only does not count: {}", created.text());
        let name = created.body["metadata"]["name"].as_str().expect("name").to_owned();
        self.until_refused(reason, &name).await
    }

    pub async fn until_refused(&self, reason: &str, name: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.read(&format!("approvals/{name}")).await["status"].clone();
            assert!(status["consumedBy"].is_null(), "{reason}: the approval was used: {status}");
            assert_eq!(status["role"], json!("editor"), "{reason}: stamped from the credential: {status}");
            if !status["refused"].is_null() {
                return status;
            }
            assert!(Instant::now() < deadline, "{reason}: not refused: {status}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

/// An approval of the newest plan as a document.
pub async fn approval(world: &World, name: &str) -> Value {
    serde_json::to_value(world.approval_for(name).await).expect("JSON")
}

/// A design that only a person may apply, with a plan that waits.
pub async fn guarded(world: &World) -> String {
    let mut spec = small();
    spec["policy"] = json!({"approval": "human"});
    spec["desiredState"] = json!("Applied");
    let name = world.create(spec).await;
    world.until_plan(&name).await;
    name
}

pub async fn unchanged(world: &World, name: &str, resources: usize, applies: usize) {
    assert_eq!(world.cloud(name).await.list().expect("cloud").len(), resources, "the cloud is unchanged");
    assert_eq!(world.apply_runs(), applies, "terraform apply runs: {:?}", world.runs());
    let design = world.design(name).await;
    assert_eq!(design.spec.policy.approval, galley::api::design::ApprovalPolicy::Human, "the policy is what a person set");
}

#[tokio::test]
async fn no_approval_that_an_editor_makes_counts() {
    let world = World::start().await;
    let name = guarded(&world).await;
    let editor = Editor::new(&world);
    let plain = approval(&world, &name).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = plain.clone();
        change(&mut changed);
        changed
    };
    // (reason, headers, document): each is stored, stamped as the editor's, and refused
    let rows: Vec<(&str, Vec<(&str, &str)>, Value)> = vec![
        ("an approval of the exact plan", vec![], plain.clone()),
        (
            "one that brings its own status",
            vec![],
            with(&|document| document["status"] = json!({"approver": "approver", "role": "approver", "channel": "page"})),
        ),
        ("one that says it came from the CLI", vec![("x-galley-channel", "cli")], plain.clone()),
        ("one that says it came from the page", vec![("x-galley-channel", "page")], plain.clone()),
        ("one that says it is Galley's own", vec![("x-galley-channel", "policy")], plain.clone()),
        (
            "one that impersonates a person, as kubectl --as does",
            vec![("impersonate-user", "approver"), ("impersonate-group", "system:masters")],
            plain.clone(),
        ),
        (
            "one that brings the headers of an authenticating proxy",
            vec![("x-remote-user", "approver"), ("x-forwarded-user", "approver"), ("x-galley-role", "approver")],
            plain.clone(),
        ),
        ("one with a Bearer header beside the token of the path", vec![("authorization", "Bearer approver")], plain.clone()),
        (
            "one under the name that Galley gives its own",
            vec![],
            with(&|document| {
                let plan = document["spec"]["planSha256"].as_str().expect("sha")[..8].to_owned();
                let generation = document["spec"]["generation"].clone();
                document["metadata"] = json!({"name": format!("{name}-policy-{plan}-{generation}")});
            }),
        ),
        (
            "one that the design owns and that carries Galley's finalizer",
            vec![],
            with(&|document| {
                let uid = document["spec"]["designUid"].clone();
                document["metadata"]["finalizers"] = json!(["galley.dev/approved"]);
                document["metadata"]["ownerReferences"] =
                    json!([{"apiVersion": "galley.dev/v1alpha1", "kind": "Design", "name": name, "uid": uid, "controller": true}]);
                document["metadata"]["annotations"] = json!({"galley.dev/role": "approver"});
            }),
        ),
    ];
    for (reason, headers, document) in rows {
        let status = editor.approval_is_refused(reason, &headers, &document).await;
        assert_eq!(status["refused"]["reason"], json!("ApproverRequired"), "{reason}: {status}");
        let message = status["refused"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("policy.approval is human") && message.contains("galley approve"), "{reason}: says who can: {message}");
        assert_eq!(status["approver"], json!("editor"), "{reason}: {status}");
    }

    // the tool says so at once, writes nothing and tells the model whom to ask
    let mcp = world.mcp().await;
    let before = editor.read("approvals").await["items"].as_array().map_or(0, Vec::len);
    let sha = plain["spec"]["planSha256"].clone();
    let error = mcp.call("approve_plan", json!({"session_id": name, "plan_sha256": sha})).await.expect_err("the tool refuses");
    assert_eq!(error["code"], json!("approval_refused"), "{error}");
    assert_eq!(error["details"]["reason"], json!("ApproverRequired"), "{error}");
    assert_eq!(error["details"]["approve_with"][0], json!(format!("galley approve {name}")), "{error}");
    let after = editor.read("approvals").await["items"].as_array().map_or(0, Vec::len);
    assert_eq!(before, after, "the tool stored no approval");
    unchanged(&world, &name, 0, 0).await;
}

#[tokio::test]
async fn no_edit_of_a_document_makes_a_guarded_plan_applied() {
    let world = World::start().await;
    let name = guarded(&world).await;
    let editor = Editor::new(&world);
    let design = format!("designs/{name}");
    let whole = editor.read(&design).await;
    let lower = "spec.policy.approval may not be lowered from \"human\" to";
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        changed
    };
    // (reason, method, kind of body, body): the policy is a person's
    let lowering: Vec<(&str, &str, &str, Value)> = vec![
        ("a merge patch to auto", "PATCH", MERGE, json!({"spec": {"policy": {"approval": "auto"}}})),
        ("a merge patch to agent", "PATCH", MERGE, json!({"spec": {"policy": {"approval": "agent"}}})),
        (
            "a merge patch that removes the word, so that the default would hold",
            "PATCH",
            MERGE,
            json!({"spec": {"policy": {"approval": null}}}),
        ),
        ("a merge patch that removes the whole policy", "PATCH", MERGE, json!({"spec": {"policy": null}})),
        ("a word that is no policy", "PATCH", MERGE, json!({"spec": {"policy": {"approval": "nobody"}}})),
        ("a JSON patch", "PATCH", JSON_PATCH, json!([{"op": "replace", "path": "/spec/policy/approval", "value": "auto"}])),
        ("a JSON patch that removes the policy", "PATCH", JSON_PATCH, json!([{"op": "remove", "path": "/spec/policy"}])),
        ("a replacement with another policy", "PUT", JSON, with(&|document| document["spec"]["policy"]["approval"] = json!("auto"))),
        (
            "a replacement without a policy",
            "PUT",
            JSON,
            with(&|document| {
                document["spec"].as_object_mut().expect("spec").remove("policy");
            }),
        ),
    ];
    for (reason, method, kind, body) in lowering {
        editor.k8s(method, &design, kind, &body).await.refused(reason, 403, lower);
    }
    let orphan = editor.k8s("PATCH", &design, MERGE, &json!({"spec": {"policy": {"onDelete": "Orphan"}}})).await;
    orphan.refused("letting go of the resources, to begin again without them", 403, "spec.policy.onDelete may not be set to \"Orphan\"");
    let mcp = world.mcp().await;
    let error = mcp.call("set_desired_state", json!({"session_id": name, "approval_policy": "auto"})).await.expect_err("the tool refuses");
    assert_eq!(error["code"], json!("not_permitted"), "the policy by tool: {error}");

    // status is Galley's: whatever an editor writes there is refused, by patch and by replacement
    let status_only = "status is written by Galley's controllers alone; credential \"editor\" (role editor) edits spec";
    let stored = editor.k8s("POST", "approvals", JSON, &approval(&world, &name).await).await.body;
    let approval_name = stored["metadata"]["name"].as_str().expect("name").to_owned();
    editor.until_refused("the approval of the rows below", &approval_name).await;
    let approved = format!("approvals/{approval_name}");
    let forged = json!({"status": {"role": "approver", "approver": "approver", "refused": null}});
    let mut whole_approval = editor.read(&approved).await;
    whole_approval["status"] = forged["status"].clone();
    let plan_job = editor.read("terraformjobs").await["items"][0]["metadata"]["name"].as_str().expect("the plan's job").to_owned();
    let job = format!("terraformjobs/{plan_job}");
    let statuses: Vec<(&str, &str, String, &str, Value)> = vec![
        ("the role of an approval, by patch", "PATCH", format!("{approved}/status"), MERGE, forged),
        ("the role of an approval, by replacement", "PUT", format!("{approved}/status"), JSON, whole_approval.clone()),
        ("the state a plan was made on", "PATCH", format!("{design}/status"), MERGE, json!({"status": {"applied": {"serial": 9}}})),
        ("the plan of a design", "PATCH", format!("{design}/status"), JSON_PATCH, json!([{"op": "remove", "path": "/status/plan"}])),
        (
            "the session gate",
            "PATCH",
            format!("sessions/{name}/status"),
            MERGE,
            json!({"status": {"phase": "Deployed", "activeOperation": null}}),
        ),
        ("the outcome of a job", "PATCH", format!("{job}/status"), MERGE, json!({"status": {"phase": "Pending"}})),
    ];
    for (reason, method, path, kind, body) in statuses {
        editor.k8s(method, &path, kind, &body).await.refused(reason, 403, status_only);
    }
    // through the main resource a status is not an error, as in any API server: it is not taken
    let taken = editor.k8s("PUT", &approved, JSON, &whole_approval).await;
    assert_eq!(
        (taken.code, &taken.body["status"]["role"]),
        (200, &json!("editor")),
        "a status in a replacement is ignored: {}",
        taken.text()
    );
    let edited = editor.k8s("PATCH", &approved, MERGE, &json!({"spec": {"planSha256": "0".repeat(64)}})).await;
    edited.refused("another plan in an approval that is there", 422, "an approval is immutable: make a new one");

    // jobs are made by the design controller alone
    let mut apply = editor.read(&job).await;
    let plan = world.status(&name).await.plan.expect("plan");
    apply["metadata"] = json!({"name": format!("{name}-apply-00000000")});
    apply["spec"]["action"] = json!("Apply");
    apply["spec"]["plan"] =
        json!({"job": plan_job, "planSha256": plan.plan_sha256, "approval": approval_name, "approvalUid": stored["metadata"]["uid"]});
    editor.k8s("POST", "terraformjobs", JSON, &apply).await.refused("an apply job", 403, "jobs are made by the design controller alone");
    for (reason, body) in [
        ("an apply out of the plan's job", json!({"spec": {"action": "Apply"}})),
        ("a plan reference in a job", json!({"spec": {"plan": apply["spec"]["plan"]}})),
        ("another design for a job", json!({"spec": {"designRef": "s-other"}})),
    ] {
        editor.k8s("PATCH", &job, MERGE, &body).await.refused(reason, 403, "the only edit of a job is spec.cancel from false to true");
    }
    let events = format!("/k8s/{EDITOR}/apis/events.k8s.io/v1/namespaces/default/events");
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "approved"}, "eventTime": "2030-01-01T00:00:00.000000Z", "reason": "Approved", "note": "a person said yes", "type": "Normal", "action": "Approve", "reportingController": "galley", "reportingInstance": "galley", "regarding": {"kind": "Design", "name": name}});
    editor.send("POST", &events, JSON, &[], &event).await.refused(
        "an Event that says that somebody approved",
        403,
        "events are written by Galley alone",
    );

    // the marks that keep a design and its cloud together
    let marks = [
        ("the finalizer away", json!({"metadata": {"finalizers": null}}), "is removed by Galley when its work is done"),
        ("the owner away", json!({"metadata": {"ownerReferences": null}}), "is kept by Galley"),
    ];
    for (reason, body, why) in marks {
        editor.k8s("PATCH", &design, MERGE, &body).await.refused(reason, 403, why);
    }
    unchanged(&world, &name, 0, 0).await;
    assert_eq!(ready_reason(&world.design(&name).await), "AwaitingApproval");
}

#[tokio::test]
async fn the_routes_of_people_are_closed_to_the_editor_token() {
    let world = World::start().await;
    let name = guarded(&world).await;
    let uid = world.uid(&name).await;
    let editor = Editor::new(&world);
    let bearer = format!("Bearer {EDITOR}");
    let auth: Vec<(&str, &str)> = vec![("authorization", &bearer)];
    for (reason, method, path, body) in [
        ("looks into the cloud", "GET", format!("/admin/sandbox/{uid}/list"), Value::Null),
        ("changes the cloud", "POST", format!("/admin/sandbox/{uid}/set"), json!({"id": "x", "attribute": "y", "value": 1})),
        ("deletes in the cloud", "POST", format!("/admin/sandbox/{uid}/delete"), json!({"id": "x"})),
        ("makes the cloud fail", "POST", format!("/admin/sandbox/{uid}/fail"), json!({"resource_type": "*", "status": 500, "code": "x"})),
        ("mends the cloud", "POST", format!("/admin/sandbox/{uid}/clear"), json!({})),
    ] {
        editor.send(method, &path, JSON, &auth, &body).await.refused(reason, 403, "the approver token is needed");
    }
    // a credential counts only where its door takes it, and only one
    let approvals = "apis/galley.dev/v1alpha1/namespaces/default/approvals";
    let document = approval(&world, &name).await;
    for (reason, path, headers) in [
        ("the API without a token", format!("/k8s/{approvals}"), auth.clone()),
        ("a path that climbs", format!("/k8s/{EDITOR}/../{approvals}"), auth.clone()),
        ("an empty token", format!("/k8s//{approvals}"), auth.clone()),
        ("the editor token with something behind", format!("/k8s/{EDITOR}%00/{approvals}"), auth.clone()),
        ("the API outside its prefix", format!("/{approvals}"), auth.clone()),
    ] {
        let answer = editor.send("POST", &path, JSON, &headers, &document).await;
        assert!(matches!(answer.code, 401 | 404), "{reason}: {} {}", answer.code, answer.text());
    }
    // an approval by command line with the editor token in the place of the approver's
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_galley"))
        .args(["approve", &name, "--yes"])
        .env("GALLEY_DATA_DIR", world.data_dir())
        .env("GALLEY_TOKEN", EDITOR)
        .env("GALLEY_APPROVER_TOKEN", EDITOR)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("galley approve");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "galley approve with the editor token: {said}");
    unchanged(&world, &name, 0, 0).await;
}

#[tokio::test]
async fn a_yes_that_a_person_gave_is_not_carried_over_to_anything_else() {
    let world = World::start().await;
    let name = guarded(&world).await;
    let editor = Editor::new(&world);
    let design = format!("designs/{name}");
    // suspended, so that the person's yes lies in the store and is not used at once
    world.edit(&name, json!({"suspend": true})).await;
    world.until_reason(&name, "Suspended").await;
    let given = approval(&world, &name).await;
    let stored = world.approve(&name, APPROVER).await;
    let approved = format!("approvals/{}", stored.metadata.name.expect("name"));

    let read = editor.read(&approved).await;
    assert_eq!(read["status"]["role"], json!("approver"), "{read}");
    let edited = editor.k8s("PATCH", &approved, MERGE, &json!({"spec": {"expiresAt": "2099-01-01T00:00:00Z"}})).await;
    edited.refused("the end of a person's yes", 422, "an approval is immutable");

    // unsuspend: the document is another generation than the one the person said yes to
    world.edit(&name, json!({"suspend": false})).await;
    // and so it is when a request asks for a retry
    world.edit(&name, json!({"request": {"id": "again", "action": "Retry"}})).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = editor.read(&approved).await["status"].clone();
        assert!(status["consumedBy"].is_null(), "the yes to another generation was used: {status}");
        if !status["refused"].is_null() {
            assert_eq!(status["refused"]["reason"], json!("GenerationChanged"), "{status}");
            break;
        }
        assert!(Instant::now() < deadline, "not refused: {status}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    world.until_plan(&name).await;
    // setting the generation back does not bring it back: the server counts
    let mut whole = editor.read(&design).await;
    whole["metadata"]["generation"] = given["spec"]["generation"].clone();
    let generation = world.design(&name).await.metadata.generation;
    editor.k8s("PUT", &design, JSON, &whole).await;
    assert_eq!(world.design(&name).await.metadata.generation, generation, "the generation is the server's");
    // the same words again, now as the editor's
    let status = editor.approval_is_refused("a copy of a person's yes", &[], &given).await;
    assert!(["GenerationChanged", "ApproverRequired"].contains(&status["refused"]["reason"].as_str().unwrap_or_default()), "{status}");
    unchanged(&world, &name, 0, 0).await;
}

#[tokio::test]
async fn what_a_person_built_is_neither_changed_nor_let_go_without_a_person() {
    let world = World::start().await;
    let name = guarded(&world).await;
    let editor = Editor::new(&world);
    let design = format!("designs/{name}");
    let used = approval(&world, &name).await;
    world.approve(&name, APPROVER).await;
    world.until_reason(&name, "Synced").await;
    let resources = world.cloud(&name).await.list().expect("cloud").len();
    assert!(resources > 5, "a person built something");
    let uid = world.uid(&name).await;

    let status = editor.approval_is_refused("the person's yes once more", &[], &used).await;
    let reason = status["refused"]["reason"].as_str().unwrap_or_default();
    assert!(["StateChanged", "NoPlan", "GenerationChanged", "ApproverRequired", "WrongPlan"].contains(&reason), "{status}");

    // begin again under the same name with a looser policy: the name is taken as long as its cloud is there
    let orphan = editor.k8s("PATCH", &design, MERGE, &json!({"spec": {"policy": {"onDelete": "Orphan"}}})).await;
    orphan.refused("let go of the cloud", 403, "spec.policy.onDelete may not be set to \"Orphan\"");
    let mut looser = small();
    looser["sessionRef"] = json!(name);
    looser["desiredState"] = json!("Applied");
    looser["policy"] = json!({"approval": "auto"});
    let looser = json!({"apiVersion": "galley.dev/v1alpha1", "kind": "Design", "metadata": {"name": name, "uid": uid}, "spec": looser});
    for (reason, rest, body, code, why) in [
        (
            "delete the design without waiting",
            design.clone(),
            json!({"gracePeriodSeconds": 0, "propagationPolicy": "Background"}),
            409,
            "already exists",
        ),
        (
            "delete the session and leave the design behind",
            format!("sessions/{name}"),
            json!({"propagationPolicy": "Orphan"}),
            422,
            "is being deleted: create another one",
        ),
    ] {
        let answer = editor.k8s("DELETE", &rest, JSON, &body).await;
        assert_eq!(answer.code, 200, "{reason}: {}", answer.text());
        assert!(!answer.body["metadata"]["deletionTimestamp"].is_null(), "{reason}: it waits for its cloud: {}", answer.body);
        editor.k8s("POST", "designs", JSON, &looser).await.refused(reason, code, why);
    }
    // the destruction that follows from it waits for a person, too
    world
        .until(&name, "a destroy plan that waits", |design| {
            ready_reason(design) == "AwaitingApproval"
                && design.status.as_ref().and_then(|status| status.plan.as_ref()).is_some_and(|plan| plan.destroy)
        })
        .await;
    let status = editor.approval_is_refused("the destroy plan", &[], &approval(&world, &name).await).await;
    assert_eq!(status["refused"]["reason"], json!("ApproverRequired"), "{status}");
    editor.k8s("PATCH", &design, MERGE, &json!({"metadata": {"finalizers": []}})).await.refused(
        "the finalizer of a design that is being deleted",
        403,
        "is removed by Galley when its work is done",
    );
    unchanged(&world, &name, resources, 1).await;

    // and a person can
    world.approve(&name, APPROVER).await;
    let deadline = Instant::now() + PATIENCE;
    while world.designs().get_opt(&name).await.expect("get").is_some() {
        assert!(Instant::now() < deadline, "the design does not go away:\n{}", world.server_log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // what is made now under the name has another uid, so it knows nothing of what was
    let session = json!({"apiVersion": "galley.dev/v1alpha1", "kind": "Session", "metadata": {"name": name}, "spec": {"title": "again"}});
    let deadline = Instant::now() + PATIENCE;
    while editor.k8s("POST", "sessions", JSON, &session).await.code != 201 {
        assert!(Instant::now() < deadline, "the session does not go away");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut again = looser;
    again["spec"]["desiredState"] = json!("Draft");
    let created = editor.k8s("POST", "designs", JSON, &again).await;
    assert_eq!(created.code, 201, "{}", created.text());
    assert_ne!(created.body["metadata"]["uid"], json!(uid), "a uid is the server's: state hangs on it");
    assert!(created.body["status"].is_null() || created.body["status"]["plan"].is_null(), "{}", created.body);
}

#[tokio::test]
async fn a_server_that_asks_for_a_person_asks_for_one_in_every_design() {
    let world = World::start_with(&[("GALLEY_MIN_APPROVAL", "human")]).await;
    let editor = Editor::new(&world);
    let session = galley::api::names::session_name(ulid::Ulid::generate());
    let document = json!({"apiVersion": "galley.dev/v1alpha1", "kind": "Session", "metadata": {"name": session}, "spec": {"title": "x"}});
    assert_eq!(editor.k8s("POST", "sessions", JSON, &document).await.code, 201);
    let mut spec = small();
    spec["sessionRef"] = json!(session);
    spec["desiredState"] = json!("Applied");
    spec["policy"] = json!({"approval": "auto"});
    let document = json!({"apiVersion": "galley.dev/v1alpha1", "kind": "Design", "metadata": {"name": session}, "spec": spec});
    let made = |answer: Answer| {
        assert_eq!(answer.code, 201, "{}", answer.text());
        assert_eq!(answer.body["spec"]["policy"]["approval"], json!("human"), "raised on the way in: {}", answer.body);
    };
    made(editor.k8s("POST", "designs", JSON, &document).await);
    world.until_plan(&session).await;
    // begin again: nothing was built, so the document goes at once, and what comes after it is no looser
    assert_eq!(editor.k8s("DELETE", &format!("designs/{session}"), JSON, &Value::Null).await.code, 200);
    let deadline = Instant::now() + PATIENCE;
    while world.designs().get_opt(&session).await.expect("get").is_some() {
        assert!(Instant::now() < deadline, "the design does not go away");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    made(editor.k8s("POST", "designs", JSON, &document).await);
    let lowered = editor.k8s("PATCH", &format!("designs/{session}"), MERGE, &json!({"spec": {"policy": {"approval": "agent"}}})).await;
    lowered.refused("lower than the server's minimum", 403, "may not be lowered");
    world.until_plan(&session).await;
    let status = editor.approval_is_refused("an approval of the exact plan", &[], &approval(&world, &session).await).await;
    assert_eq!(status["refused"]["reason"], json!("ApproverRequired"), "{status}");
    let mcp = world.mcp().await;
    let error =
        mcp.call("set_desired_state", json!({"session_id": session, "approval_policy": "auto"})).await.expect_err("below the minimum");
    assert_eq!(error["code"], json!("not_permitted"), "{error}");
    unchanged(&world, &session, 0, 0).await;
}

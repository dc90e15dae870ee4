//! The demo against a made-up server: an honest one is believed, and each lie is found at its step.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::{FutureExt, StreamExt};
use rmcp::ServerHandler;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::cli::text::Lang;
use crate::config::{Environment, Secret, Tokens};
use crate::http::{Access, AdminError, Fault, HttpParts, LogSource, LogStream, SandboxAdmin, SecretStore};

/// What the made-up server does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    None,
    BuildsBeforeApproval,
    ApprovesAnything,
    LeavesOneOut,
    ForgetsAnAddress,
    IsNotFormatted,
    HasWorkLeft,
    NamesNoDrift,
    RepairsNothing,
    ForcesByNothing,
    KeepsTheOldOne,
    DestroysAllButOne,
    KeepsTheSession,
    FailsTheJob,
    LacksATool,
    RendersAnotherType,
    HidesWhatFailed,
    MakesNothingOnFailure,
}

const SESSION: &str = "s-01demo";

struct World {
    lie: Lie,
    components: Value,
    connections: Value,
    session: bool,
    design: bool,
    desired: String,
    cloud: Vec<CloudResource>,
    plan: Option<Value>,
    plans: usize,
    made: usize,
    settled: bool,
    /// type whose creation fails
    fault: Option<String>,
    /// (made, failed) of the job that failed
    failure: Option<(Vec<String>, Vec<String>)>,
}

impl World {
    fn vm_home(&self) -> String {
        let found = self
            .connections
            .as_array()
            .into_iter()
            .flatten()
            .find(|item| item["source_id"] == "vm" && item["connection_type"] == "deployed_in");
        found.map(|item| item["target_id"].as_str().unwrap().to_owned()).unwrap_or_default()
    }
    fn wanted(&self) -> Vec<(String, String)> {
        let kind = |service: &str| match service {
            "vcn" => "oci_core_vcn",
            "subnet" => "oci_core_subnet",
            "compute" => "oci_core_instance",
            _ => "oci_database_autonomous_database",
        };
        let items = self.components.as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|item| (kind(item["service_type"].as_str().unwrap()).to_owned(), item["id"].as_str().unwrap().to_owned()))
            .collect()
    }
    fn make(&mut self, kind: &str, label: &str) {
        self.made += 1;
        let attributes = json!({ "label": label, "freeform_tags": { "galley-address": format!("{kind}.{label}") }, "display_name": format!("the {label}"), "home": self.vm_home() });
        self.cloud.push(CloudResource { id: format!("ocid1.{label}.{}", self.made), kind: kind.to_owned(), attributes });
    }
    fn address(resource: &CloudResource) -> String {
        format!("{}.{}", resource.kind, resource.attributes["label"].as_str().unwrap())
    }
    /// Plans against the cloud as Terraform would.
    fn replan(&mut self) {
        let destroy = self.desired == "Destroyed";
        let (mut changes, mut drift) = (Vec::new(), Vec::new());
        for (kind, label) in if destroy { Vec::new() } else { self.wanted() } {
            let address = format!("{kind}.{label}");
            match self.cloud.iter().find(|resource| World::address(resource) == address) {
                None => changes.push(json!({ "address": address, "action": "create" })),
                Some(found) if label == "vm" && found.attributes["home"] != self.vm_home().as_str() => {
                    let paths = if self.lie == Lie::ForcesByNothing { json!([]) } else { json!(["create_vnic_details.subnet_id"]) };
                    changes.push(json!({ "address": address, "action": "replace", "forced_by": paths }));
                }
                Some(found) if found.attributes["display_name"] != format!("the {label}").as_str() => {
                    changes.push(json!({ "address": address, "action": "update", "changed": ["display_name"] }));
                    if self.lie != Lie::NamesNoDrift {
                        drift.push(json!({ "address": address, "action": "update", "changed": ["display_name"] }));
                    }
                }
                Some(_) => {}
            }
        }
        if destroy {
            changes.extend(self.cloud.iter().map(|resource| json!({ "address": World::address(resource), "action": "delete" })));
        }
        let count = |action: &str| changes.iter().filter(|change| change["action"] == action).count();
        self.plans += 1;
        (self.settled, self.failure) = (false, None);
        self.plan = Some(json!({ "plan_sha256": format!("{:064x}", self.plans + 100), "destroy": destroy, "omitted": 0,
            "counts": { "create": count("create"), "update": count("update"), "replace": count("replace"), "delete": count("delete") },
            "drift_updates": drift, "changes": changes }));
        if self.lie == Lie::BuildsBeforeApproval && self.plans == 1 {
            self.make("oci_core_vcn", "early");
        }
    }
    fn apply(&mut self) {
        let changes = self.plan.clone().map(|plan| plan["changes"].as_array().cloned().unwrap_or_default()).unwrap_or_default();
        let (mut made, mut failed) = (Vec::new(), Vec::new());
        for change in changes {
            let address = change["address"].as_str().unwrap().to_owned();
            let (kind, label) = address.split_once('.').unwrap();
            let lie = self.lie;
            let fails = self.fault.as_deref() == Some(kind);
            if fails || (self.fault.is_some() && lie == Lie::MakesNothingOnFailure) {
                failed.push(address);
                continue;
            }
            made.push(address.clone());
            match change["action"].as_str().unwrap() {
                "create" if lie == Lie::LeavesOneOut && label == "adb" => {}
                "update" if lie == Lie::RepairsNothing => {}
                "replace" if lie == Lie::KeepsTheOldOne => {}
                "delete" if lie == Lie::DestroysAllButOne && label == "vcn" => {}
                "create" => self.make(kind, label),
                "update" => self
                    .cloud
                    .iter_mut()
                    .filter(|found| World::address(found) == address)
                    .for_each(|found| found.attributes["display_name"] = json!(format!("the {label}"))),
                action => {
                    self.cloud.retain(|found| World::address(found) != address);
                    if action == "replace" {
                        self.make(kind, label);
                    }
                }
            }
        }
        self.settled = failed.is_empty();
        if !failed.is_empty() {
            self.failure = Some((made, if self.lie == Lie::HidesWhatFailed { Vec::new() } else { failed }));
        }
    }
    fn document(&self) -> Value {
        let camel = |list: &Value, pairs: &[(&str, &str)]| -> Value {
            let items = list.as_array().cloned().unwrap_or_default();
            items
                .iter()
                .map(|item| pairs.iter().map(|(from, to)| ((*to).to_owned(), item[*from].clone())).collect::<serde_json::Map<_, _>>())
                .map(Value::Object)
                .collect()
        };
        json!({ "apiVersion": "galley.dev/v1alpha1", "kind": "Design", "metadata": { "name": SESSION, "uid": "u-1", "generation": 1 },
            "spec": { "sessionRef": SESSION, "components": camel(&self.components, &[("id", "id"), ("service_type", "serviceType")]),
                "connections": camel(&self.connections, &[("source_id", "sourceId"), ("target_id", "targetId"), ("connection_type", "connectionType")]) },
            "status": self.status() })
    }
    /// (is it destroyed, reason of Ready)
    fn ready(&self) -> (bool, &'static str) {
        let destroyed = self.settled && self.desired == "Destroyed";
        let reason = match (self.plan.is_some(), self.settled) {
            (false, _) => "Draft",
            (true, false) if self.failure.is_some() || self.lie == Lie::FailsTheJob => "JobFailed",
            (true, false) => "AwaitingApproval",
            (true, true) if destroyed => "Destroyed",
            (true, true) => "Synced",
        };
        (destroyed, reason)
    }
    fn sync(&self) -> (&'static str, &'static str) {
        let health = if self.ready().0 { "Missing" } else { "Progressing" };
        if self.settled { ("Synced", if self.ready().0 { health } else { "Healthy" }) } else { ("OutOfSync", health) }
    }
    /// The status of the document.
    fn status(&self) -> Value {
        let (_, reason) = self.ready();
        let skip = usize::from(self.lie == Lie::ForgetsAnAddress);
        let items: Vec<Value> =
            self.cloud.iter().skip(skip).map(|found| json!({ "address": World::address(found), "id": found.id })).collect();
        let plan = self.plan.as_ref().map(|plan| {
            json!({ "job": "j", "destroy": plan["destroy"], "digest": "d", "generation": 1, "planSha256": plan["plan_sha256"], "semanticSha256": "e",
                "counts": plan["counts"], "createdAt": "2026-01-01T00:00:00Z", "expiresAt": "2126-01-01T00:00:00Z" })
        });
        json!({ "plan": plan, "resources": { "total": self.cloud.len(), "items": items }, "sync": self.sync().0, "health": self.sync().1,
            "conditions": [{ "type": "Ready", "status": "False", "reason": reason, "message": "why", "lastTransitionTime": "2026-01-01T00:00:00Z" }] })
    }
    /// The answer of `get_status`.
    fn told(&self) -> Value {
        let failure = self.failure.as_ref().map(|(made, failed)| json!({ "job": "j", "created": made, "failed": failed }));
        let plan = self.plan.as_ref().map(|plan| json!({ "plan_sha256": plan["plan_sha256"] }));
        json!({ "session_id": SESSION, "sync": self.sync().0, "health": self.sync().1, "ready_reason": self.ready().1, "ready_message": "why",
            "plan": plan, "last_failure": failure, "resources": self.cloud.len(), "since": format!("{}", self.plans),
            "active_job": { "job": "j", "step": "apply", "total": 3, "done": 1, "current": ["a.b"] } })
    }
    /// The files Terraform would read: blocks without arguments.
    fn files(&self) -> String {
        let extra = if self.lie == Lie::RendersAnotherType { "resource \"oci_core_vcn\" \"second\" {}\n" } else { "" };
        let block = |(kind, label): (String, String)| format!("resource \"{kind}\" \"{label}\" {{}}\n");
        self.wanted().into_iter().map(block).collect::<String>() + extra
    }
    fn call(&mut self, tool: &str, arguments: &Value) -> Result<Value, Value> {
        match tool {
            "create_session" => {
                self.session = true;
                Ok(json!({ "session_id": SESSION }))
            }
            "save_architecture" => {
                (self.components, self.connections, self.design) =
                    (arguments["components"].clone(), arguments["connections"].clone(), true);
                if self.settled {
                    self.replan();
                }
                let items = json!([{ "severity": "info", "rule": "r", "path": "p", "message": "m" }]);
                Ok(json!({ "findings": { "errors": 0, "warnings": 0, "infos": 1, "items": items } }))
            }
            "set_desired_state" => {
                self.desired = arguments["desired_state"].as_str().unwrap().to_owned();
                self.replan();
                Ok(json!({ "generation": 1 }))
            }
            "save_answers" => Ok(json!({})),
            "complete_hearing" => Ok(json!({ "completed": true, "requirements": [{}], "constraints": [] })),
            "get_status" => Ok(self.told()),
            "get_plan" => Ok(self.plan.clone().unwrap_or_default()),
            "approve_plan" => {
                let wanted = self.plan.as_ref().map(|plan| plan["plan_sha256"].clone()).unwrap_or_default();
                if arguments["plan_sha256"] != wanted && self.lie != Lie::ApprovesAnything {
                    return Err(json!({ "code": "approval_refused", "message": "WrongPlan", "hint": "read the newest", "details": {} }));
                }
                self.apply();
                Ok(json!({ "approved": true }))
            }
            "delete_session" => {
                let keep = self.lie == Lie::KeepsTheSession;
                (self.session, self.design) = (keep, keep);
                if keep { Err(json!({ "code": "conflict", "message": "no", "hint": "no" })) } else { Ok(json!({ "deleted": true })) }
            }
            _ => Err(json!({ "code": "internal", "message": "no such tool" })),
        }
    }
}

#[derive(Clone)]
struct Server(Arc<Mutex<World>>);

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_server_info(Implementation::new("galley", "0"))
    }
    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, rmcp::ErrorData> {
        let names = [
            "create_session",
            "save_answers",
            "complete_hearing",
            "save_architecture",
            "set_desired_state",
            "get_status",
            "get_plan",
            "approve_plan",
            "get_job_log",
            "delete_session",
        ];
        let skip = usize::from(self.0.lock().unwrap().lie == Lie::LacksATool);
        let schema = Arc::new(json!({ "type": "object" }).as_object().unwrap().clone());
        Ok(ListToolsResult::with_all_items(names.iter().skip(skip).map(|name| Tool::new(*name, "a tool", schema.clone())).collect()))
    }
    async fn call_tool(&self, request: CallToolRequestParams, _: RequestContext<RoleServer>) -> Result<CallToolResponse, rmcp::ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let result = self.0.lock().unwrap().call(&request.name, &arguments);
        Ok(match result {
            Ok(value) => CallToolResult::structured(value),
            Err(value) => CallToolResult::structured_error(value),
        }
        .into())
    }
}

#[async_trait]
impl SandboxAdmin for Server {
    async fn list(&self, _: &str) -> Result<Value, AdminError> {
        Ok(json!({}))
    }
    async fn set(&self, _: &str, id: &str, attribute: &str, value: Value) -> Result<Value, AdminError> {
        let mut world = self.0.lock().unwrap();
        let found = world.cloud.iter_mut().find(|found| found.id == id).ok_or_else(|| AdminError::NotFound(id.to_owned()))?;
        found.attributes[attribute] = value;
        Ok(json!({}))
    }
    async fn delete(&self, _: &str, _: &str) -> Result<Value, AdminError> {
        Ok(json!({}))
    }
    async fn fail(&self, _: &str, fault: Fault) -> Result<Value, AdminError> {
        self.0.lock().unwrap().fault = Some(fault.resource_type);
        Ok(json!({}))
    }
    async fn clear(&self, _: &str) -> Result<Value, AdminError> {
        self.0.lock().unwrap().fault = None;
        Ok(json!({}))
    }
}

#[async_trait]
impl SecretStore for Server {
    async fn put(&self, _: &str, _: &str, _: Secret) -> Result<(), AdminError> {
        Ok(())
    }
}

#[async_trait]
impl LogSource for Server {
    async fn open(&self, _: &str, _: &str, _: bool) -> Result<LogStream, AdminError> {
        Ok(futures::stream::empty().boxed())
    }
}

fn kubernetes(world: &Mutex<World>, request: &Request) -> Response {
    let world = world.lock().unwrap();
    let path = request.uri().path();
    if path.ends_with(&format!("/designs/{SESSION}")) && world.design {
        return axum::Json(world.document()).into_response();
    }
    if path.ends_with(&format!("/sessions/{SESSION}")) && world.session {
        return axum::Json(
            json!({ "apiVersion": "galley.dev/v1alpha1", "kind": "Session", "metadata": { "name": SESSION }, "spec": { "title": "t" } }),
        )
        .into_response();
    }
    let body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "not found", "reason": "NotFound", "code": 404 });
    (http::StatusCode::NOT_FOUND, axum::Json(body)).into_response()
}

struct Process(CancellationToken);

#[async_trait]
impl ServerProcess for Process {
    fn pid(&self) -> u32 {
        std::process::id()
    }
    fn ended(&mut self) -> Option<String> {
        None
    }
    async fn stop(&mut self) -> anyhow::Result<()> {
        self.0.cancel();
        Ok(())
    }
}

#[async_trait]
impl Backstage for Server {
    async fn start(&self, launch: Launch) -> anyhow::Result<Box<dyn ServerProcess>> {
        let at = launch.arguments.iter().position(|argument| argument == "--data-dir").unwrap();
        let data_dir = PathBuf::from(&launch.arguments[at + 1]);
        let tokens = Tokens { editor: Secret::new("editor-token-0123456789"), approver: Secret::new("approver-token-0123456789") };
        std::fs::write(data_dir.join("editor.token"), tokens.editor.expose())?;
        std::fs::write(data_dir.join("approver.token"), tokens.approver.expose())?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        ServerFile::of(listener.local_addr()?).write(&data_dir)?;
        let handler = self.clone();
        let mut config = StreamableHttpServerConfig::default();
        config.legacy_session_mode = false;
        config.json_response = true;
        let mcp = StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(LocalSessionManager::default()), config);
        let (fake, world) = (Arc::new(self.clone()), self.0.clone());
        let parts = HttpParts {
            mcp: Router::new().nest_service("/mcp", mcp),
            kubernetes: Router::new().fallback(move |request: Request| std::future::ready(kubernetes(&world, &request))),
            tokens,
            access: Access::default(),
            ready: Arc::new(|| async { Vec::new() }.boxed()),
            metrics: Arc::new(String::new),
            sandbox: fake.clone(),
            secrets: fake.clone(),
            logs: fake,
            page: crate::http::page::tests::unanswered(),
        };
        let stop = CancellationToken::new();
        tokio::spawn(crate::http::serve(listener, crate::http::router(parts), stop.clone()));
        Ok(Box::new(Process(stop)))
    }
    async fn cloud(&self, _: &Path, _: &str) -> anyhow::Result<Vec<CloudResource>> {
        Ok(self.0.lock().unwrap().cloud.clone())
    }
    async fn rendered(&self, _: &Path, _: &str) -> anyhow::Result<BTreeMap<String, String>> {
        Ok(BTreeMap::from([("main.tf".to_owned(), self.0.lock().unwrap().files())]))
    }
    async fn state_list(&self, _: &Path, _: &str) -> anyhow::Result<Vec<String>> {
        let world = self.0.lock().unwrap();
        let mut all = vec!["data.oci_identity_availability_domains.all".to_owned()];
        all.extend(world.cloud.iter().map(World::address));
        Ok(all)
    }
    async fn unformatted(&self, _: &Path, _: &str) -> anyhow::Result<Vec<String>> {
        Ok(if self.0.lock().unwrap().lie == Lie::IsNotFormatted { vec!["main.tf".to_owned()] } else { Vec::new() })
    }
    async fn bare_plan(&self, _: &Path, _: &str) -> anyhow::Result<i32> {
        Ok(if self.0.lock().unwrap().lie == Lie::HasWorkLeft { 2 } else { 0 })
    }
    async fn terraform_version(&self) -> anyhow::Result<String> {
        Ok("1.11.4".to_owned())
    }
}

/// The small design with an `expect` that a server without arguments can meet.
fn file() -> Value {
    let mut file: Value = serde_json::from_str(ARCHITECTURE).unwrap();
    let fails = file["expect"]["known_failure_to_survive"].clone();
    file["expect"] =
        json!({ "terraform_resource_counts": { "oci_core_vcn": 1, "oci_core_instance": 1 }, "known_failure_to_survive": fails });
    file
}

async fn tell(lie: Lie, lang: Lang) -> Result<Exit, Failure> {
    let world = World {
        lie,
        components: Value::Null,
        connections: Value::Null,
        session: false,
        design: false,
        desired: "Draft".into(),
        cloud: Vec::new(),
        plan: None,
        plans: 0,
        made: 0,
        settled: false,
        fault: None,
        failure: None,
    };
    let directory = tempfile::tempdir().unwrap();
    let flags = SettingsArgs { data_dir: Some(directory.path().to_owned()), ..SettingsArgs::default() };
    let settings = Settings::load(&Environment::of([("HOME", "/h"), ("GALLEY_TERRAFORM_BIN", "/bin/sh")]), &flags).unwrap();
    let acts = [Act::Life(file()), Act::Expected(file())];
    perform(&acts, false, &flags, &settings, Arc::new(Server(Arc::new(Mutex::new(world)))), Screen::plain(lang)).await
}

#[tokio::test]
async fn an_honest_server_is_believed_to_the_end() {
    for lang in [Lang::En, Lang::Ja] {
        match tell(Lie::None, lang).await {
            Ok(exit) => assert_eq!(exit, Exit::Done),
            Err(failure) => panic!("{}", failure.message),
        }
    }
}

#[tokio::test]
async fn every_lie_is_found_at_its_step_and_told_in_one_line() {
    for (lie, step, part) in [
        (Lie::LacksATool, 1, "create_session"),
        (Lie::BuildsBeforeApproval, 3, "resources before the approval"),
        (Lie::FailsTheJob, 3, "JobFailed: why"),
        (Lie::ApprovesAnything, 4, "approve_plan: refused and accepted"),
        (Lie::LeavesOneOut, 4, "oci_database_autonomous_database.adb"),
        (Lie::ForgetsAnAddress, 5, "addresses"),
        (Lie::IsNotFormatted, 5, "terraform fmt -check"),
        (Lie::HasWorkLeft, 5, "exit code of a bare terraform plan"),
        (Lie::NamesNoDrift, 7, "drift"),
        (Lie::RepairsNothing, 7, "display_name"),
        (Lie::ForcesByNothing, 8, "replace_paths"),
        (Lie::KeepsTheOldOne, 8, "OCID"),
        (Lie::DestroysAllButOne, 9, "resources after the destroy"),
        (Lie::KeepsTheSession, 10, "conflict"),
        (Lie::RendersAnotherType, 3, "2 oci_core_vcn, expected 1"),
        (Lie::MakesNothingOnFailure, 13, "oci_core_instance: false and true"),
        (Lie::HidesWhatFailed, 13, "the failure names what failed"),
    ] {
        let failure = tell(lie, Lang::En).await.expect_err("a lie is found");
        assert_eq!(failure.exit, Exit::Failed, "{lie:?}");
        let line = &failure.message;
        assert!(line.starts_with(&format!("step {step} (")) && line.contains(part) && !line.contains('\n'), "{lie:?}: {line}");
    }
}

#[test]
fn both_designs_are_played_or_the_one_that_is_named() {
    let all = acts(None, Screen::plain(Lang::En)).unwrap();
    assert_eq!(all.iter().map(Act::steps).collect::<Vec<_>>(), [9, 4], "the second file speaks of no failure to survive");
    assert!(matches!(all.as_slice(), [Act::Life(_), Act::Expected(_)]));
    let folder = tempfile::tempdir().unwrap();
    for (why, text, told) in [
        ("it is no design", r#"{"expect": {}}"#.to_owned(), "no list `components`"),
        ("what it expects is no object", r#"{"components": [], "expect": "blue"}"#.to_owned(), "not an object"),
        ("it is no JSON", "{".to_owned(), "design.json"),
    ] {
        let path = folder.path().join("design.json");
        std::fs::write(&path, text).unwrap();
        let failure = acts(Some(&path), Screen::plain(Lang::En)).expect_err(why);
        assert!(failure.exit == Exit::Usage && failure.message.contains(told), "{why}: {}", failure.message);
    }
    let path = folder.path().join("mine.json");
    std::fs::write(&path, ARCHITECTURE).unwrap();
    let mine = acts(Some(&path), Screen::plain(Lang::En)).unwrap();
    assert_eq!(mine.iter().map(Act::steps).sum::<usize>(), 5, "with the failure its file speaks of");
}

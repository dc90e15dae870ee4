//! `galley apply`: documents from YAML or JSON, and architecture files as people exchange them.
//!
//! Client-side: a document that is not there is created; of one that is there, the spec is replaced and labels and
//! annotations are laid over. Reading is strict: duplicate keys, oversized files and unknown kinds are refused.

use std::io::Read;
use std::path::Path;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::args::{ApplyArgs, Data, DesiredStateArg, TargetArg, Written};
use super::client::{As, Server};
use super::documents::print_data;
use super::failure::{Exit, Failure};
use super::kinds;
use super::screen::{Screen, say};
use super::text::Text;
use crate::api::names::session_name;
use crate::api::{API_VERSION, NAMESPACE};
use crate::clock::{Clock, SystemClock};

/// Largest file: a design with 200 components and 256 KiB of files stays far below 1 MiB; more is a mistake or an attack
/// on the YAML reader.
const FILE_LIMIT: u64 = 1024 * 1024;
/// Attempts against other writers.
const ATTEMPTS: usize = 5;

/// What a file holds.
#[derive(Debug, PartialEq)]
pub enum Content {
    /// documents with kind and metadata
    Documents(Vec<Value>),
    /// `{components, connections, …}`
    Architecture(Value),
}

/// Reads a file or stdin, at most [`FILE_LIMIT`] bytes.
pub fn read(path: &Path, screen: Screen) -> Result<String, Failure> {
    let shown = path.display();
    let refuse =
        |error: std::io::Error| Failure::new(Exit::Usage, screen.lang.fill(Text::CannotRead, &[("file", &shown), ("problem", &error)]));
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(FILE_LIMIT + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).map_err(refuse)?.take(FILE_LIMIT + 1).read_to_string(&mut text)
    };
    if read.map_err(refuse)? as u64 > FILE_LIMIT {
        return Err(Failure::new(Exit::Usage, screen.lang.fill(Text::TooLarge, &[("file", &shown), ("limit", &FILE_LIMIT)])));
    }
    Ok(text)
}

/// Takes the text apart. YAML is read into its own value first, which refuses duplicate keys.
pub fn parse(text: &str, file: &str, screen: Screen) -> Result<Content, Failure> {
    let wrong = |number: usize, problem: String| {
        Failure::new(Exit::Usage, screen.lang.fill(Text::WrongDocument, &[("number", &number), ("problem", &problem)]))
    };
    let mut documents = Vec::new();
    for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let value = serde_yaml::Value::deserialize(document).map_err(|error| wrong(index + 1, error.to_string()))?;
        let value: Value = serde_json::to_value(value).map_err(|error| wrong(index + 1, error.to_string()))?;
        match value {
            Value::Null => {}
            // `kubectl get -o yaml` and `galley get -o yaml` write lists
            Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
                documents.extend(list.remove("items").and_then(|items| items.as_array().cloned()).unwrap_or_default());
            }
            other => documents.push(other),
        }
    }
    match documents.as_slice() {
        [] => Err(Failure::new(Exit::Usage, screen.lang.fill(Text::NoDocument, &[("file", &file)]))),
        [only] if only.get("kind").is_none() && only.get("components").is_some_and(Value::is_array) => {
            Ok(Content::Architecture(only.clone()))
        }
        many => {
            for (index, document) in many.iter().enumerate() {
                let has = |path: &str| document.pointer(path).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
                if !has("/kind") || !(has("/metadata/name") || has("/metadata/generateName")) {
                    return Err(wrong(index + 1, "kind and metadata.name are needed".to_owned()));
                }
            }
            Ok(Content::Documents(documents))
        }
    }
}

fn camel(key: &str) -> String {
    let mut parts = key.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut text, part| {
        let mut letters = part.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.push_str(letters.as_str());
        text
    })
}

/// Keys of the object in camelCase; what is below `config` stays as the catalogue spells it.
fn camel_keys(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(members.iter().map(|(key, value)| (camel(key), value.clone())).collect()),
        other => other.clone(),
    }
}

/// The spec fields of an architecture file, and the session it speaks of.
pub fn architecture(file: &Value, now: &Value) -> (Map<String, Value>, Map<String, Value>) {
    let list = |name: &str| Value::Array(file[name].as_array().map(|items| items.iter().map(camel_keys).collect()).unwrap_or_default());
    let design = Map::from_iter([("components".to_owned(), list("components")), ("connections".to_owned(), list("connections"))]);
    let title = ["title", "name"].iter().find_map(|key| file[*key].as_str()).unwrap_or("galley apply");
    let mut session = Map::from_iter([("title".to_owned(), json!(title))]);
    let answers: Map<String, Value> = file["answers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|answer| Some((answer["question_id"].as_str()?.to_owned(), json!({ "value": answer["value"].as_str()?, "time": now }))))
        .collect();
    if !answers.is_empty() {
        session.insert("answers".to_owned(), Value::Object(answers));
    }
    (design, session)
}

/// `galley apply`
pub async fn run(server: &Server, args: ApplyArgs, screen: Screen) -> Result<Exit, Failure> {
    let Some(path) = args.file.clone() else { return change_wish(server, args, screen).await };
    let text = read(&path, screen)?;
    match parse(&text, &path.display().to_string(), screen)? {
        Content::Documents(_) if args.session.is_some() || args.target.is_some() || args.desired_state.is_some() => {
            Err(Failure::new(Exit::Usage, screen.lang.text(Text::OnlyArchitecture)))
        }
        Content::Documents(documents) => {
            let mut told = Told::new(args.output, screen);
            for (index, document) in documents.into_iter().enumerate() {
                apply_one(server, index + 1, document, &mut told).await?;
            }
            told.end()
        }
        Content::Architecture(file) => apply_architecture(server, &file, args, screen).await,
    }
}

/// Without a file: the design of a session is wanted in another state or place; the rest stays.
async fn change_wish(server: &Server, args: ApplyArgs, screen: Screen) -> Result<Exit, Failure> {
    let spec = wishes(&args);
    let name = match &args.session {
        Some(name) if name != "new" && !spec.is_empty() => name.clone(),
        Some(_) | None => return Err(Failure::new(Exit::Usage, screen.lang.text(Text::NeedWhat))),
    };
    let kind = kinds::find("design", screen)?;
    let api: Api<DynamicObject> = Api::namespaced_with(server.kube(As::Editor)?, NAMESPACE, &kind.resource);
    let parameters = PatchParams { field_manager: Some("galley-cli".to_owned()), ..PatchParams::default() };
    match api.patch(&name, &parameters, &Patch::Merge(json!({ "spec": spec }))).await {
        Ok(design) => {
            let mut told = Told::new(args.output, screen);
            told.tell(Text::DocConfigured, &kind.singular, &design);
            told.end()
        }
        Err(kube::Error::Api(status)) if status.code == 404 => {
            Err(Failure::new(Exit::NotFound, screen.lang.fill(Text::NotFound, &[("kind", &"design"), ("name", &name)])))
        }
        Err(error) => Err(server.kube_failure(&error)),
    }
}

/// What `--target` and `--desired-state` ask of a design.
fn wishes(args: &ApplyArgs) -> Map<String, Value> {
    let target = args.target.map(|target| match target {
        TargetArg::Sandbox => "sandbox",
        TargetArg::Oci => "oci",
    });
    let state = args.desired_state.map(|state| match state {
        DesiredStateArg::Draft => "Draft",
        DesiredStateArg::Planned => "Planned",
        DesiredStateArg::Applied => "Applied",
        DesiredStateArg::Destroyed => "Destroyed",
    });
    let named = [("target", target), ("desiredState", state)];
    named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))).collect()
}

async fn apply_architecture(server: &Server, file: &Value, args: ApplyArgs, screen: Screen) -> Result<Exit, Failure> {
    let wished = wishes(&args);
    let Some(session) = args.session else { return Err(Failure::new(Exit::Usage, screen.lang.text(Text::NeedSession))) };
    let mut told = Told::new(args.output, screen);
    let now = serde_json::to_value(SystemClock.now()).unwrap_or_default();
    let (mut design, session_spec) = architecture(file, &now);
    let name = if session == "new" { session_name(ulid::Ulid::generate()) } else { session.clone() };
    let uid = if session == "new" {
        let document = json!({ "apiVersion": API_VERSION, "kind": "Session", "metadata": { "name": name }, "spec": session_spec });
        apply_one(server, 1, document, &mut told).await?.metadata.uid
    } else {
        let kind = kinds::find("session", screen)?;
        let api: Api<DynamicObject> = Api::namespaced_with(server.kube(As::Editor)?, NAMESPACE, &kind.resource);
        let found = api.get_opt(&name).await.map_err(|error| server.kube_failure(&error))?;
        let missing = || Failure::new(Exit::NotFound, screen.lang.fill(Text::NotFound, &[("kind", &"session"), ("name", &name)]));
        found.ok_or_else(missing)?.metadata.uid
    };
    // an existing design keeps what the file does not speak of: policy, variables, files, target
    let kind = kinds::find("design", screen)?;
    let api: Api<DynamicObject> = Api::namespaced_with(server.kube(As::Editor)?, NAMESPACE, &kind.resource);
    let existing = api.get_opt(&name).await.map_err(|error| server.kube_failure(&error))?;
    let mut spec = existing.as_ref().and_then(|object| object.data["spec"].as_object().cloned()).unwrap_or_default();
    design.insert("sessionRef".to_owned(), json!(name));
    design.extend(wished);
    spec.extend(design);
    let owner = json!([{ "apiVersion": API_VERSION, "kind": "Session", "name": name, "uid": uid.unwrap_or_default() }]);
    let document =
        json!({ "apiVersion": API_VERSION, "kind": "Design", "metadata": { "name": name, "ownerReferences": owner }, "spec": spec });
    apply_one(server, 1, document, &mut told).await?;
    told.end()
}

/// What is said of each document that was written: a sentence at once, or data at the end.
struct Told {
    form: Option<Written>,
    screen: Screen,
    objects: Vec<DynamicObject>,
}

impl Told {
    fn new(form: Option<Written>, screen: Screen) -> Self {
        Told { form, screen, objects: Vec::new() }
    }

    fn tell(&mut self, text: Text, kind: &str, object: &DynamicObject) {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        match self.form {
            None => say!("{}", self.screen.lang.fill(text, &[("kind", &kind), ("name", &name)])),
            Some(Written::Name) => say!("{kind}/{name}"),
            Some(Written::Json | Written::Yaml) => self.objects.push(object.clone()),
        }
    }

    /// One document as itself, several as a list: what `apply -f` reads again.
    fn end(self) -> Result<Exit, Failure> {
        let form = match self.form {
            None | Some(Written::Name) => return Ok(Exit::Done),
            Some(Written::Json) => Data::Json,
            Some(Written::Yaml) => Data::Yaml,
        };
        match self.objects.as_slice() {
            [only] => print_data(only, form)?,
            many => print_data(&json!({ "apiVersion": "v1", "kind": "List", "items": many }), form)?,
        }
        Ok(Exit::Done)
    }
}

async fn apply_one(server: &Server, number: usize, document: Value, told: &mut Told) -> Result<DynamicObject, Failure> {
    let screen = told.screen;
    let kind = kinds::find(document["kind"].as_str().unwrap_or_default(), screen)?;
    if document["apiVersion"] != kind.resource.api_version {
        let problem = format!("apiVersion is {}, allowed is {}", document["apiVersion"], kind.resource.api_version);
        return Err(Failure::new(Exit::Usage, screen.lang.fill(Text::WrongDocument, &[("number", &number), ("problem", &problem)])));
    }
    let mut wanted: DynamicObject = serde_json::from_value(document)
        .map_err(|error| Failure::new(Exit::Usage, screen.lang.fill(Text::WrongDocument, &[("number", &number), ("problem", &error)])))?;
    // the server's own; a file written by `get -o yaml` carries them
    if let Some(data) = wanted.data.as_object_mut() {
        data.remove("status");
    }
    wanted.metadata.resource_version = None;
    wanted.metadata.uid = None;
    wanted.metadata.managed_fields = None;
    let api: Api<DynamicObject> = Api::namespaced_with(server.kube(As::Editor)?, NAMESPACE, &kind.resource);
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let existing = match wanted.metadata.name.as_deref() {
            Some(name) => api.get_opt(name).await.map_err(|error| server.kube_failure(&error))?,
            None => None,
        };
        let written = match existing {
            None => api.create(&PostParams::default(), &wanted).await.map(|object| (Text::DocCreated, object)),
            Some(found) => {
                let merged = merge(&found, &wanted);
                if merged == found {
                    told.tell(Text::DocUnchanged, &kind.singular, &found);
                    return Ok(found);
                }
                let name = found.metadata.name.clone().unwrap_or_default();
                let written = api.replace(&name, &PostParams::default(), &merged).await;
                // what the server fills in (defaults) makes the file differ from the document without changing it
                let same = |object: &DynamicObject| object.metadata.resource_version == found.metadata.resource_version;
                written.map(|object| (if same(&object) { Text::DocUnchanged } else { Text::DocConfigured }, object))
            }
        };
        match written {
            Ok((text, object)) => {
                told.tell(text, &kind.singular, &object);
                return Ok(object);
            }
            // somebody wrote in between: look again
            Err(kube::Error::Api(status)) if status.code == 409 => last = Some(kube::Error::Api(status)),
            Err(error) => return Err(server.kube_failure(&error)),
        }
    }
    Err(last.map_or_else(|| Failure::new(Exit::Failed, screen.lang.text(Text::InProgress)), |error| server.kube_failure(&error)))
}

/// What is there, with the wanted spec, labels and annotations.
fn merge(found: &DynamicObject, wanted: &DynamicObject) -> DynamicObject {
    let mut merged = found.clone();
    if let (Some(into), Some(from)) = (merged.data.as_object_mut(), wanted.data.as_object()) {
        into.extend(from.clone());
    }
    if let Some(labels) = &wanted.metadata.labels {
        merged.metadata.labels.get_or_insert_default().extend(labels.clone());
    }
    if let Some(annotations) = &wanted.metadata.annotations {
        merged.metadata.annotations.get_or_insert_default().extend(annotations.clone());
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::super::text::Lang;
    use super::*;

    const SCREEN: Screen = Screen { lang: Lang::En, colour: false, live: false };

    #[test]
    fn a_file_is_documents_or_one_architecture_or_refused() {
        let session = "apiVersion: galley.dev/v1alpha1\nkind: Session\nmetadata: {name: s-1}\nspec: {title: a}\n";
        for (why, text, expected) in [
            ("two documents", format!("{session}---\n{session}"), Ok(2)),
            ("an empty one between", format!("{session}---\n---\n{session}"), Ok(2)),
            ("a list", r#"{"kind":"List","items":[{"kind":"Session","metadata":{"name":"a"}}]}"#.to_owned(), Ok(1)),
            ("an architecture", r#"{"components":[]}"#.to_owned(), Ok(0)),
            ("nothing", "---\n".to_owned(), Err("there is no document in f")),
            ("no name", "kind: Session\n".to_owned(), Err("document 1: kind and metadata.name are needed")),
            ("a duplicate key", "kind: Session\nkind: Design\nmetadata: {name: a}\n".to_owned(), Err("document 1: ")),
            ("no YAML", "{".to_owned(), Err("document 1: ")),
        ] {
            match (parse(&text, "f", SCREEN), expected) {
                (Ok(Content::Documents(found)), Ok(count)) => assert_eq!(found.len(), count, "{why}"),
                (Ok(Content::Architecture(_)), Ok(count)) => assert_eq!(count, 0, "{why}"),
                (Err(failure), Err(start)) => {
                    assert_eq!(failure.exit, Exit::Usage, "{why}");
                    assert!(failure.message.starts_with(start), "{why}: {}", failure.message);
                }
                (found, expected) => panic!("{why}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn an_architecture_file_becomes_a_spec_that_decodes() {
        let file: Value = serde_json::from_str(include_str!("../../demo/compute-adb-verify.json")).unwrap();
        let (mut design, session) = architecture(&file, &json!("2026-01-01T00:00:00Z"));
        design.insert("sessionRef".into(), json!("s-1"));
        let design: crate::api::DesignSpec = serde_json::from_value(Value::Object(design)).unwrap();
        assert_eq!(design.components[1].service_type, "compute");
        assert_eq!(design.components[1].config["memory_in_gbs"], 8, "keys of config stay as the catalogue spells them");
        assert_eq!(design.connections[0].source_id, "vm");
        let session: crate::api::SessionSpec = serde_json::from_value(Value::Object(session)).unwrap();
        assert_eq!((session.title.as_str(), session.answers.len()), ("compute-adb-verify", 7));
    }

    #[test]
    fn applying_replaces_the_spec_and_keeps_what_the_server_owns() {
        let object = |value: Value| serde_json::from_value::<DynamicObject>(value).unwrap();
        let found = object(
            json!({ "apiVersion": "v", "kind": "K", "metadata": { "name": "a", "resourceVersion": "7", "finalizers": ["f"], "labels": { "old": "1" } },
            "spec": { "a": 1, "b": 2 }, "status": { "x": 1 } }),
        );
        let wanted =
            object(json!({ "apiVersion": "v", "kind": "K", "metadata": { "name": "a", "labels": { "new": "2" } }, "spec": { "a": 3 } }));
        let merged = serde_json::to_value(merge(&found, &wanted)).unwrap();
        assert_eq!(merged["spec"], json!({ "a": 3 }), "a member that is gone from the file is gone");
        assert_eq!(merged["status"], json!({ "x": 1 }));
        assert_eq!(
            merged["metadata"],
            json!({ "name": "a", "resourceVersion": "7", "finalizers": ["f"], "labels": { "old": "1", "new": "2" } })
        );
    }
}

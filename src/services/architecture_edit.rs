//! `edit_architecture`: a list of small edits that all happen or none. `edit_files`: the design's own Terraform files.
//!
//! [`apply`] is pure: it takes a spec and gives the edited one or every problem, each with the index of its edit. What the
//! judge says about the structure afterwards is led back to the edit that touched it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::architecture::SavedArchitecture;
use super::architecture_check::{is_structural, problem};
use super::error::{Code, Error, Problem};
use super::text::{Text, say};
use super::{Services, arguments};
use crate::api::Session;
use crate::api::condition::clip;
use crate::api::design::{Component, Connection, DesignSpec, Finding, MAX_COMPONENTS, MAX_CONNECTIONS, MAX_FILES_BYTES, Severity};
use crate::api::session::Language;

/// Most edits of one call: a whole design of 19 components and its connections fits several times.
const MAX_EDITS: usize = 200;
/// Most files of a design: they are read as a whole, and a person has to.
const MAX_FILES: usize = 50;

/// What an edit does.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// a component
    #[default]
    Add,
    /// a component and its connections
    Remove,
    /// sets config keys; null unsets one
    Configure,
    /// a connection
    Connect,
    /// connections between two components
    Disconnect,
    /// another display name or id
    Rename,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Operation::Add => "add",
            Operation::Remove => "remove",
            Operation::Configure => "configure",
            Operation::Connect => "connect",
            Operation::Disconnect => "disconnect",
            Operation::Rename => "rename",
        }
    }

    /// Fields it must have and fields it may have.
    fn fields(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Operation::Add => (&["id", "service_type"], &["display_name", "config"]),
            Operation::Remove => (&["id"], &[]),
            Operation::Configure => (&["id", "config"], &[]),
            Operation::Connect => (&["source_id", "target_id", "connection_type"], &["description"]),
            Operation::Disconnect => (&["source_id", "target_id"], &["connection_type"]),
            Operation::Rename => (&["id"], &["display_name", "new_id"]),
        }
    }
}

/// One edit.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// add: id, service_type. configure: id, config (null unsets). connect: source_id, target_id, connection_type. rename: id, display_name or new_id (rebuilds).
    pub op: Operation,
    /// Component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,63}$"))]
    pub id: Option<String>,
    /// Type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub service_type: Option<String>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub display_name: Option<String>,
    /// Settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<BTreeMap<String, Value>>,
    /// From.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub source_id: Option<String>,
    /// To.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub target_id: Option<String>,
    /// Type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub connection_type: Option<String>,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// New id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,63}$"))]
    pub new_id: Option<String>,
}

impl Edit {
    fn has(&self, field: &str) -> bool {
        match field {
            "id" => self.id.is_some(),
            "service_type" => self.service_type.is_some(),
            "display_name" => self.display_name.is_some(),
            "config" => self.config.is_some(),
            "source_id" => self.source_id.is_some(),
            "target_id" => self.target_id.is_some(),
            "connection_type" => self.connection_type.is_some(),
            "description" => self.description.is_some(),
            "new_id" => self.new_id.is_some(),
            _ => false,
        }
    }
}

const FIELDS: [&str; 9] =
    ["id", "service_type", "display_name", "config", "source_id", "target_id", "connection_type", "description", "new_id"];

/// Arguments of edit_architecture.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct EditArchitecture {
    /// Session id.
    pub session_id: String,
    /// In order, all or none.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub edits: Vec<Edit>,
    /// Take over a suggestion of save_architecture.
    #[schemars(length(max = 130))]
    pub suggestion_id: Option<String>,
    /// Refuse at another generation.
    pub expected_generation: Option<i64>,
}

/// Arguments of edit_files.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct EditFiles {
    /// Session id.
    pub session_id: String,
    /// Name (x.tf) → text: oci resources and data, variable, locals, output.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Names to delete.
    #[serde(default)]
    pub delete: Vec<String>,
    /// Refuse at another generation.
    pub expected_generation: Option<i64>,
}

impl Services {
    /// Edits the architecture, all or nothing. The first edit may be of a session that has none yet.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument` (nothing asked, missing fields, an unknown suggestion), `invalid_design` (an
    /// edit does not fit; each problem's path begins with `edits[index]`), `conflict` (expected_generation).
    pub async fn edit_architecture(&self, input: EditArchitecture) -> Result<SavedArchitecture, Error> {
        let session = self.living_session(&input.session_id).await?;
        let language = session.spec.language;
        if input.edits.is_empty() && input.suggestion_id.is_none() {
            let message = say(language, Text::NoEdits, &[]);
            return Err(Error::argument(language, Problem { path: "edits".into(), message, ..Problem::default() }));
        }
        if input.edits.len() > MAX_EDITS {
            let values = [("count", input.edits.len().to_string()), ("limit", MAX_EDITS.to_string())];
            let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let message = say(language, Text::TooMany, &values);
            return Err(Error::argument(language, Problem { path: "edits".into(), message, ..Problem::default() }));
        }
        check_fields(&input.edits, language)?;
        let change = |spec: &mut DesignSpec| {
            let mut edits = input.edits.clone();
            if let Some(id) = &input.suggestion_id {
                edits.extend(self.suggested_edits(&session, spec, id)?);
            }
            let before = self.judge(spec, language);
            let touched = apply(spec, &edits, language)?;
            let findings = self.judge(spec, language);
            refuse_new(&before, &findings, &touched, spec, language)?;
            Ok(findings)
        };
        let written = self.put_spec(&session, None, input.expected_generation, change).await?;
        self.saved(&session, written).await
    }

    fn suggested_edits(&self, session: &Session, spec: &DesignSpec, id: &str) -> Result<Vec<Edit>, Error> {
        let language = session.spec.language;
        let (_, suggestions) = self.suggestions(session, spec);
        let allowed: Vec<String> = suggestions.iter().map(|one| one.id.clone()).collect();
        suggestions.into_iter().find(|one| one.id == id).map(|one| one.edits).ok_or_else(|| {
            Error::argument(
                language,
                Problem {
                    path: "suggestion_id".into(),
                    message: say(language, Text::NoSuggestion, &[]),
                    value: Some(Value::from(clip(id, 130))),
                    hint: Some(say(language, Text::HintSuggestions, &[])),
                    allowed,
                },
            )
        })
    }

    /// Sets and deletes the design's own Terraform files. What the validator refuses about them is refused here and
    /// nothing is written: nobody may find out only when Terraform starts.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument` (names, sizes, nothing asked), `invalid_design` (a file is refused, or there
    /// is no architecture yet), `conflict`.
    pub async fn edit_files(&self, input: EditFiles) -> Result<SavedArchitecture, Error> {
        let session = self.living_session(&input.session_id).await?;
        let language = session.spec.language;
        check_files(&input, language)?;
        self.design(&session).await?;
        let change = |spec: &mut DesignSpec| {
            let unknown: Vec<&String> = input.delete.iter().filter(|name| !spec.files.contains_key(*name)).collect();
            if let Some(name) = unknown.first() {
                let allowed = spec.files.keys().take(MAX_FILES).cloned().collect();
                let message = say(language, Text::NoFile, &[("file", &clip(name, 80))]);
                return Err(Error::argument(language, Problem { path: "delete".into(), message, allowed, ..Problem::default() }));
            }
            spec.files.retain(|name, _| !input.delete.contains(name));
            spec.files.extend(input.set.clone());
            check_total(&spec.files, language)?;
            let findings = self.judge(spec, language);
            let about = |finding: &&Finding| finding.severity == Severity::Error && finding.path.starts_with("files");
            let problems: Vec<Problem> = findings.iter().filter(about).map(|finding| problem(finding, spec)).collect();
            if problems.is_empty() { Ok(findings) } else { Err(Error::problems(Code::InvalidDesign, language, problems)) }
        };
        let written = self.put_spec(&session, None, input.expected_generation, change).await?;
        self.saved(&session, written).await
    }
}

/// Every edit has what its operation needs and nothing that would be ignored.
fn check_fields(edits: &[Edit], language: Language) -> Result<(), Error> {
    let mut problems = Vec::new();
    for (index, edit) in edits.iter().enumerate() {
        let (needed, optional) = edit.op.fields();
        let add = |problems: &mut Vec<Problem>, field: &str, text: Text| {
            let allowed: Vec<String> = needed.iter().chain(optional).map(|field| (*field).to_owned()).collect();
            let values = [("op", edit.op.as_str()), ("allowed", &allowed.join(", "))];
            let hint = Some(say(language, Text::HintEditFields, &values));
            problems.push(Problem {
                path: format!("edits[{index}].{field}"),
                message: say(language, text, &[]),
                value: None,
                allowed,
                hint,
            });
        };
        for field in needed.iter().filter(|field| !edit.has(field)) {
            add(&mut problems, field, Text::MissingField);
        }
        for field in FIELDS.iter().filter(|field| edit.has(field) && !needed.contains(field) && !optional.contains(field)) {
            add(&mut problems, field, Text::UnknownField);
        }
        if edit.op == Operation::Rename && edit.display_name.is_none() && edit.new_id.is_none() {
            add(&mut problems, "display_name", Text::MissingField);
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::problems(Code::InvalidArgument, language, problems)) }
}

/// Which edit touched what: component id → index, and the connections an edit made.
#[derive(Debug, Default)]
struct Touched {
    components: BTreeMap<String, usize>,
    connections: Vec<(Connection, usize)>,
}

/// Does the edits in order. On an error `spec` is half done and thrown away by the caller.
fn apply(spec: &mut DesignSpec, edits: &[Edit], language: Language) -> Result<Touched, Error> {
    let mut touched = Touched::default();
    let mut problems = Vec::new();
    for (index, edit) in edits.iter().enumerate() {
        if let Err(mut problem) = one(spec, edit, index, &mut touched, language) {
            problem.path = format!("edits[{index}].{}", problem.path);
            problems.push(*problem);
        }
    }
    for (path, text, count, limit) in [
        ("components", Text::TooManyComponents, spec.components.len(), MAX_COMPONENTS),
        ("connections", Text::TooManyConnections, spec.connections.len(), MAX_CONNECTIONS),
    ] {
        if count > limit {
            let message = say(language, text, &[("count", &count.to_string()), ("limit", &limit.to_string())]);
            let hint = Some(say(language, Text::HintSplit, &[]));
            problems.push(Problem { path: path.to_owned(), message, hint, ..Problem::default() });
        }
    }
    if problems.is_empty() { Ok(touched) } else { Err(Error::problems(Code::InvalidDesign, language, problems)) }
}

fn one(spec: &mut DesignSpec, edit: &Edit, index: usize, touched: &mut Touched, language: Language) -> Result<(), Box<Problem>> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    match edit.op {
        Operation::Add => {
            let id = text(&edit.id);
            if spec.components.iter().any(|component| component.id == id) {
                return Err(taken("id", &id, language));
            }
            touched.components.insert(id.clone(), index);
            spec.components.push(Component {
                id,
                service_type: text(&edit.service_type),
                display_name: edit.display_name.clone(),
                config: edit.config.clone().unwrap_or_default(),
            });
        }
        Operation::Remove => {
            let at = place(spec, "id", &text(&edit.id), language)?;
            let id = spec.components.remove(at).id;
            spec.connections.retain(|connection| connection.source_id != id && connection.target_id != id);
            touched.components.insert(id, index);
        }
        Operation::Configure => {
            let at = place(spec, "id", &text(&edit.id), language)?;
            for (key, value) in edit.config.iter().flatten() {
                match value {
                    Value::Null => spec.components[at].config.remove(key),
                    value => spec.components[at].config.insert(key.clone(), value.clone()),
                };
            }
            touched.components.insert(text(&edit.id), index);
        }
        Operation::Connect => {
            let (source_id, target_id) = (text(&edit.source_id), text(&edit.target_id));
            place(spec, "source_id", &source_id, language)?;
            place(spec, "target_id", &target_id, language)?;
            let connection =
                Connection { source_id, target_id, connection_type: text(&edit.connection_type), description: edit.description.clone() };
            touched.connections.push((connection.clone(), index));
            // The same again is no second connection: a call that is repeated after a lost answer does no harm.
            match spec.connections.iter_mut().find(|other| same(other, &connection)) {
                Some(other) => *other = connection,
                None => spec.connections.push(connection),
            }
        }
        Operation::Disconnect => disconnect(spec, edit, language)?,
        Operation::Rename => rename(spec, edit, index, touched, language)?,
    }
    Ok(())
}

fn same(a: &Connection, b: &Connection) -> bool {
    (&a.source_id, &a.target_id, &a.connection_type) == (&b.source_id, &b.target_id, &b.connection_type)
}

fn disconnect(spec: &mut DesignSpec, edit: &Edit, language: Language) -> Result<(), Box<Problem>> {
    let (source, target) = (edit.source_id.clone().unwrap_or_default(), edit.target_id.clone().unwrap_or_default());
    let meant = |connection: &Connection| {
        let kind = edit.connection_type.as_ref().is_none_or(|kind| *kind == connection.connection_type);
        connection.source_id == source && connection.target_id == target && kind
    };
    let before = spec.connections.len();
    let near = |connection: &&Connection| connection.source_id == source || connection.target_id == target;
    let shown = |c: &Connection| format!("{} → {} ({})", c.source_id, c.target_id, c.connection_type);
    let allowed: Vec<String> = spec.connections.iter().filter(near).take(20).map(shown).collect();
    spec.connections.retain(|connection| !meant(connection));
    if spec.connections.len() < before {
        return Ok(());
    }
    Err(Box::new(Problem { path: "source_id".into(), message: say(language, Text::NoConnection, &[]), allowed, ..Problem::default() }))
}

fn rename(spec: &mut DesignSpec, edit: &Edit, index: usize, touched: &mut Touched, language: Language) -> Result<(), Box<Problem>> {
    let id = edit.id.clone().unwrap_or_default();
    let at = place(spec, "id", &id, language)?;
    if let Some(name) = &edit.display_name {
        spec.components[at].display_name = Some(name.clone()).filter(|name| !name.is_empty());
    }
    if let Some(new) = edit.new_id.as_ref().filter(|new| **new != id) {
        if spec.components.iter().any(|component| component.id == *new) {
            return Err(taken("new_id", new, language));
        }
        spec.components[at].id.clone_from(new);
        for end in spec.connections.iter_mut().flat_map(|connection| [&mut connection.source_id, &mut connection.target_id]) {
            if *end == id {
                end.clone_from(new);
            }
        }
        touched.components.insert(new.clone(), index);
    }
    touched.components.insert(id, index);
    Ok(())
}

fn taken(field: &str, id: &str, language: Language) -> Box<Problem> {
    Box::new(Problem {
        path: field.to_owned(),
        message: say(language, Text::IdTaken, &[]),
        value: Some(Value::from(id)),
        hint: Some(say(language, Text::HintIdTaken, &[])),
        ..Problem::default()
    })
}

/// Where the component of that id stands, or a problem that names the ids there are.
fn place(spec: &DesignSpec, field: &str, id: &str, language: Language) -> Result<usize, Box<Problem>> {
    spec.components.iter().position(|component| component.id == id).ok_or_else(|| {
        Box::new(Problem {
            path: field.to_owned(),
            message: say(language, Text::NoComponent, &[]),
            value: Some(Value::from(id)),
            allowed: spec.components.iter().take(60).map(|component| component.id.clone()).collect(),
            hint: spec.components.is_empty().then(|| say(language, Text::HintSaveFirst, &[])),
        })
    })
}

/// Refuses structural mistakes that the edits made; ones that were there before (written by something else) do not stand
/// in the way of mending another part.
fn refuse_new(before: &[Finding], after: &[Finding], touched: &Touched, spec: &DesignSpec, language: Language) -> Result<(), Error> {
    let old: BTreeSet<(&str, &str)> = before.iter().map(|finding| (finding.rule.as_str(), finding.message.as_str())).collect();
    let fresh = after.iter().filter(|finding| is_structural(finding)).filter(|finding| {
        let known = old.contains(&(finding.rule.as_str(), finding.message.as_str()));
        !known || edit_of(finding, touched, spec).is_some()
    });
    let problems: Vec<Problem> = fresh
        .map(|finding| {
            let mut problem = problem(finding, spec);
            if let Some((index, rest)) = edit_of(finding, touched, spec) {
                problem.path = format!("edits[{index}]{rest}");
            }
            problem
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(Error::problems(Code::InvalidDesign, language, problems)) }
}

/// The edit a finding is about, with the rest of its path: `components[vm].config.x` → (3, ".config.x").
fn edit_of(finding: &Finding, touched: &Touched, spec: &DesignSpec) -> Option<(usize, String)> {
    let (list, rest) = finding.path.split_once('[')?;
    let (key, rest) = rest.split_once(']')?;
    let index = match list {
        "components" => *touched.components.get(key)?,
        "connections" => {
            let connection = spec.connections.get(key.parse::<usize>().ok()?)?;
            touched.connections.iter().rev().find(|(made, _)| same(made, connection))?.1
        }
        _ => return None,
    };
    Some((index, rest.to_owned()))
}

/// Names and sizes of what is given; what is inside is the validator's business.
fn check_files(input: &EditFiles, language: Language) -> Result<(), Error> {
    let mut problems = Vec::new();
    if input.set.is_empty() && input.delete.is_empty() {
        problems.push(Problem { path: "set".into(), message: say(language, Text::NoFileEdits, &[]), ..Problem::default() });
    }
    for name in input.set.keys() {
        if !is_file_name(name) {
            let values = [("pattern", "^[a-z0-9_-]+\\.tf$, not override.tf or *_override.tf")];
            let message = say(language, Text::BadPattern, &values);
            let hint = Some(say(language, Text::HintFileName, &[]));
            let value = Some(arguments::shown(&Value::from(name.as_str())));
            problems.push(Problem { path: format!("set[`{}`]", clip(name, 63)), message, value, hint, ..Problem::default() });
        } else if input.delete.contains(name) {
            problems.push(Problem {
                path: format!("delete[`{name}`]"),
                message: say(language, Text::SetAndDeleted, &[]),
                ..Problem::default()
            });
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::problems(Code::InvalidArgument, language, problems)) }
}

/// What Terraform would merge into other files by its name alone is no ordinary file.
fn is_file_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    name.len() <= 63
        && name
            .strip_suffix(".tf")
            .is_some_and(|stem| !stem.is_empty() && stem.bytes().all(good) && stem != "override" && !stem.ends_with("_override"))
}

fn check_total(files: &BTreeMap<String, String>, language: Language) -> Result<(), Error> {
    let bytes: usize = files.iter().map(|(name, text)| name.len() + text.len()).sum();
    let mut problems = Vec::new();
    if bytes > MAX_FILES_BYTES {
        let values = [("size", bytes.to_string()), ("limit", MAX_FILES_BYTES.to_string())];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        problems.push(Problem { path: "set".into(), message: say(language, Text::TooBig, &values), ..Problem::default() });
    }
    if files.len() > MAX_FILES {
        let values = [("count", files.len().to_string()), ("limit", MAX_FILES.to_string())];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        problems.push(Problem { path: "set".into(), message: say(language, Text::TooMany, &values), ..Problem::default() });
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::problems(Code::InvalidArgument, language, problems)) }
}

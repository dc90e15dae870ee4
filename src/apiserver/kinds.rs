//! The kinds this server serves, read from the committed CRDs: names, schema, compiled CEL rules, printer columns.
//!
//! A document kind that is added to [`crate::api::crds`] is served without another line here, once `make crds` wrote it down. Two kinds have no CRD: Events
//! (one stored form, served in two groups) and the one Namespace.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::cel::{CompiledSchema, compile_schema};
use serde_json::{Value, json};

use super::Error;

/// One printer column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// heading
    pub name: String,
    /// `string`, `date`, `integer`, …
    pub kind: String,
    /// JSONPath of the CRD
    pub path: String,
}

/// One kind.
pub(super) struct Kind {
    /// position in [`Kinds`]; part of every key in memory
    pub id: u8,
    /// API group; empty for core
    pub group: String,
    /// API version
    pub version: String,
    /// CamelCase name
    pub kind: String,
    /// name in paths
    pub plural: String,
    /// name in discovery
    pub singular: String,
    /// for kubectl
    pub short_names: Vec<String>,
    /// for kubectl
    pub categories: Vec<String>,
    /// for Table output
    pub columns: Vec<Column>,
    /// paths that a field selector may name, such as `spec.designRef`
    pub selectable: Vec<String>,
    /// openAPIV3Schema of the CRD, with `apiVersion`, `kind` and `metadata` filled in; Null for Events
    pub schema: Value,
    /// the CEL rules of that schema
    pub rules: Option<CompiledSchema>,
}

impl Kind {
    /// `apiVersion` as it stands in an object.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
    /// `designs.galley.dev`
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }
    /// Events are kept apart: no schema, no status, no durability per write.
    pub(super) fn is_event(&self) -> bool {
        self.schema.is_null()
    }
    /// The schema of a top-level property.
    pub(super) fn part(&self, name: &str) -> &Value {
        &self.schema["properties"][name]
    }
    /// Key in the store.
    pub(super) fn store_key(&self, name: &str) -> String {
        format!("registry/{}/{}/{name}.json", self.plural, crate::api::NAMESPACE)
    }
}

/// All kinds.
pub(super) struct Kinds {
    all: Vec<Kind>,
}

impl Kinds {
    /// Reads the committed CRDs and compiles their rules.
    pub(super) fn load() -> Result<Self, Error> {
        let mut all = Vec::new();
        let unread = |error: serde_json::Error| Error::Schema { kind: "every kind".to_owned(), detail: error.to_string() };
        for crd in crate::api::committed_crds().map_err(unread)? {
            all.push(document_kind(all.len(), crd)?);
        }
        all.push(event_kind(all.len()));
        Ok(Kinds { all })
    }
    /// Every kind in the order of the documents.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.all.iter()
    }
    /// By number.
    pub(super) fn get(&self, id: u8) -> Option<&Kind> {
        self.all.get(usize::from(id))
    }
    /// By CamelCase name within the documents' group.
    pub(super) fn by_name(&self, api_version: &str, kind: &str) -> Option<&Kind> {
        self.all.iter().find(|candidate| candidate.kind == kind && candidate.api_version() == api_version)
    }
    /// By path name within the documents' group.
    pub(super) fn document(&self, plural: &str) -> Option<&Kind> {
        self.all.iter().find(|candidate| candidate.plural == plural && !candidate.is_event())
    }
    /// The Events.
    pub(super) fn events(&self) -> Option<&Kind> {
        self.all.iter().find(|candidate| candidate.is_event())
    }
}

fn document_kind(id: usize, crd: CustomResourceDefinition) -> Result<Kind, Error> {
    let names = crd.spec.names;
    let incomplete = |what: &str| Error::Schema { kind: names.kind.clone(), detail: what.to_owned() };
    let version = crd.spec.versions.into_iter().next().ok_or_else(|| incomplete("it has no version"))?;
    let schema = version.schema.and_then(|schema| schema.open_api_v3_schema).ok_or_else(|| incomplete("it has no schema"))?;
    let mut schema = serde_json::to_value(schema).map_err(|error| incomplete(&error.to_string()))?;
    let rules = compile_schema(&schema);
    if let Some(problem) = rule_problem(&rules) {
        return Err(incomplete(&problem));
    }
    schema["properties"]["apiVersion"] = json!({ "type": "string", "description": "Version of the schema of this object." });
    schema["properties"]["kind"] = json!({ "type": "string", "description": "Kind of this object." });
    schema["properties"]["metadata"] = json!({ "type": "object", "description": "Standard object's metadata." });
    let columns = version.additional_printer_columns.unwrap_or_default();
    let selectable = version.selectable_fields.unwrap_or_default();
    Ok(Kind {
        id: u8::try_from(id).map_err(|_| incomplete("there are too many kinds"))?,
        group: crd.spec.group,
        version: version.name,
        singular: names.singular.clone().unwrap_or_else(|| names.kind.to_lowercase()),
        plural: names.plural.clone(),
        short_names: names.short_names.clone().unwrap_or_default(),
        categories: names.categories.clone().unwrap_or_default(),
        columns: columns.into_iter().map(|column| Column { name: column.name, kind: column.type_, path: column.json_path }).collect(),
        selectable: selectable.into_iter().map(|field| field.json_path.trim_start_matches('.').to_owned()).collect(),
        kind: names.kind,
        schema,
        rules: Some(rules),
    })
}

/// The first rule that does not compile anywhere in the tree: a rule that cannot be evaluated must stop the start.
fn rule_problem(rules: &CompiledSchema) -> Option<String> {
    if let Some(error) = rules.compilation_errors().first() {
        return Some(error.to_string());
    }
    let children = rules.properties.values().chain(rules.items.as_deref()).chain(rules.additional_properties.as_deref());
    children.into_iter().find_map(rule_problem)
}

fn event_kind(id: usize) -> Kind {
    Kind {
        // The documents before it were numbered with the same conversion.
        id: u8::try_from(id).unwrap_or(u8::MAX),
        group: "events.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "Event".to_owned(),
        plural: "events".to_owned(),
        singular: "event".to_owned(),
        short_names: vec!["ev".to_owned()],
        categories: Vec::new(),
        columns: Vec::new(),
        selectable: Vec::new(),
        schema: Value::Null,
        rules: None,
    }
}

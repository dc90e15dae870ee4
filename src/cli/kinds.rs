//! The kinds a person can name, and their columns: taken from the CRDs, so that `galley get` and `kubectl get` agree.

use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::failure::{Exit, Failure};
use super::screen::{Screen, age};
use super::text::Text;
use crate::api::{self, Time};

/// One kind.
#[derive(Debug, Clone)]
pub struct Kind {
    /// what kube needs
    pub resource: ApiResource,
    /// `design`
    pub singular: String,
    /// short names
    pub short: Vec<String>,
    columns: Vec<Column>,
}

#[derive(Debug, Clone)]
struct Column {
    head: String,
    path: String,
    date: bool,
}

/// Every kind, in the order of the CRDs; Events last.
pub fn all() -> Vec<Kind> {
    let mut kinds: Vec<Kind> = api::crds()
        .into_iter()
        .map(|crd| {
            let names = crd.spec.names;
            let version = crd.spec.versions.into_iter().next();
            let columns = version.and_then(|version| version.additional_printer_columns).unwrap_or_default();
            let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(&crd.spec.group, api::VERSION, &names.kind));
            resource.plural = names.plural;
            Kind {
                resource,
                singular: names.singular.unwrap_or_else(|| names.kind.to_lowercase()),
                short: names.short_names.unwrap_or_default(),
                columns: columns
                    .into_iter()
                    .map(|column| Column { head: column.name.to_uppercase(), path: column.json_path, date: column.type_ == "date" })
                    .collect(),
            }
        })
        .collect();
    let column = |head: &str, path: &str, date| Column { head: head.to_owned(), path: path.to_owned(), date };
    kinds.push(Kind {
        resource: ApiResource::from_gvk(&GroupVersionKind::gvk("events.k8s.io", "v1", "Event")),
        singular: "event".to_owned(),
        short: vec!["ev".to_owned()],
        columns: vec![
            column("TYPE", ".type", false),
            column("REASON", ".reason", false),
            column("KIND", ".regarding.kind", false),
            column("OBJECT", ".regarding.name", false),
            column("NOTE", ".note", false),
            column("AGE", ".metadata.creationTimestamp", true),
        ],
    });
    kinds
}

/// The kind of that name: plural, singular, short name or `Kind`, in any case.
pub fn find(name: &str, screen: Screen) -> Result<Kind, Failure> {
    let wanted = name.to_lowercase();
    let kinds = all();
    let known = kinds.iter().map(|kind| kind.resource.plural.clone()).collect::<Vec<_>>().join(", ");
    kinds
        .into_iter()
        .find(|kind| kind.resource.plural == wanted || kind.singular == wanted || kind.short.contains(&wanted))
        .ok_or_else(|| Failure::new(Exit::Usage, screen.lang.fill(Text::UnknownKind, &[("kind", &name), ("known", &known)])))
}

impl Kind {
    /// Heads of the columns.
    pub fn heads(&self, wide: bool) -> Vec<String> {
        let mut heads = vec!["NAME".to_owned()];
        heads.extend(self.columns.iter().map(|column| column.head.clone()));
        if wide {
            heads.extend(["GENERATION".to_owned(), "UID".to_owned()]);
        }
        heads
    }

    /// Cells of one object; what is absent is empty.
    pub fn row(&self, object: &DynamicObject, wide: bool, now: &Time) -> Vec<String> {
        let value = serde_json::to_value(object).unwrap_or_default();
        let mut row = vec![object.metadata.name.clone().unwrap_or_default()];
        row.extend(self.columns.iter().map(|column| {
            let found = lookup(&value, &column.path);
            match (column.date, found) {
                (true, Some(found)) => serde_json::from_value::<Time>(found.clone()).map(|then| age(&then, now)).unwrap_or_default(),
                (false, Some(Value::String(text))) => text.clone(),
                (false, Some(other)) => other.to_string(),
                (_, None) => String::new(),
            }
        }));
        if wide {
            row.push(object.metadata.generation.map(|generation| generation.to_string()).unwrap_or_default());
            row.push(object.metadata.uid.clone().unwrap_or_default());
        }
        row
    }
}

/// The JSONPath of printer columns, as far as the CRDs use it: `.a.b` and `.list[?(@.key=="value")].c`.
fn lookup<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut found = value;
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(filter) = rest.strip_prefix("[?(@.") {
            let (condition, tail) = filter.split_once(")]")?;
            let (key, wanted) = condition.split_once("==")?;
            found = found.as_array()?.iter().find(|item| item[key.trim()] == wanted.trim().trim_matches('"'))?;
            rest = tail;
        } else {
            let text = rest.strip_prefix('.')?;
            let end = text.find(['.', '[']).unwrap_or(text.len());
            found = found.get(&text[..end])?;
            rest = &text[end..];
        }
    }
    (!found.is_null()).then_some(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::screen::table;
    use super::super::text::Lang;
    use super::*;

    #[test]
    fn a_kind_has_many_names() {
        let screen = Screen::plain(Lang::En);
        for name in ["designs", "design", "Design", "dsg"] {
            assert_eq!(find(name, screen).unwrap().resource.kind, "Design", "{name}");
        }
        assert_eq!(find("tfj", screen).unwrap().resource.plural, "terraformjobs");
        assert_eq!(find("events", screen).unwrap().resource.api_version, "events.k8s.io/v1");
        let failure = find("pods", screen).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.message, "there is no kind pods; the kinds are sessions, designs, terraformjobs, approvals, events");
    }

    #[test]
    fn columns_are_those_of_the_crd() {
        let kind = find("design", Screen::plain(Lang::En)).unwrap();
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "galley.dev/v1alpha1", "kind": "Design",
            "metadata": { "name": "s-1", "uid": "u-1", "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "sessionRef": "s-1", "target": "sandbox", "desiredState": "Applied" },
            "status": { "sync": "Synced", "health": "Healthy", "conditions": [
                { "type": "Stalled", "status": "False", "reason": "Synced" }, { "type": "Ready", "status": "True", "reason": "Synced" }] }
        }))
        .unwrap();
        let now: Time = serde_json::from_value(json!("2026-01-01T00:05:00Z")).unwrap();
        let text = table(&kind.heads(true), &[kind.row(&object, true, &now)]);
        assert_eq!(
            text,
            "NAME  TARGET   DESIRED  SYNC    HEALTH   READY  REASON  AGE  GENERATION  UID\n\
             s-1   sandbox  Applied  Synced  Healthy  True   Synced  5m   3           u-1"
        );
    }
}

//! `get_plan`: what a plan does, bounded, every delete and replace named with what forces it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Services;
use super::documents::name_of;
use super::error::{Code, Error, Problem};
use super::session::bad_cursor;
use super::text::{Text, say};
use crate::api::approval::short;
use crate::api::condition::clip;
use crate::api::design::{Change, ChangeAction, Counts, PlanRecord};
use crate::api::session::Language;
use crate::api::{Design, Session};
use crate::blobs::{BlobKey, JobBlob};
use crate::plan::PlanDetails;

/// Bytes of changes an answer carries when nothing is said. With the head (about 700) and the text (below) the whole stays
/// under 6,000 bytes, about 1,500 tokens.
const DEFAULT_BYTES: usize = 3_200;
/// Bytes of names the text carries, for hosts that show only text.
const TEXT_BYTES: usize = 1_600;
/// Bytes it carries at most, whatever limit was asked: about 7,000 tokens.
const HARD_BYTES: usize = 28_000;
/// Changes an answer lists when nothing is said.
const DEFAULT_LIMIT: usize = 40;

/// How much of a plan is wanted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// counts, and every delete and replace
    #[default]
    Summary,
    /// every change, page by page
    Changes,
    /// one resource, attribute by attribute
    Resource,
}

/// Arguments of get_plan.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct GetPlan {
    /// Session id.
    pub session_id: String,
    /// summary: counts, deletes, replaces. changes: all. resource: one address, before and after.
    pub detail: Option<Detail>,
    /// Terraform address, for detail: resource.
    #[schemars(length(max = 512))]
    pub address: Option<String>,
    /// Page size.
    #[schemars(range(min = 1, max = 200))]
    pub limit: Option<usize>,
    /// next_cursor of the previous page.
    #[schemars(length(max = 80))]
    pub cursor: Option<String>,
}

/// One change, in the words of the tools.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct ChangeView {
    /// Terraform address
    pub address: String,
    /// what is done
    pub action: ChangeAction,
    /// attributes that force a replace
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced_by: Vec<String>,
    /// attributes that differ
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

impl ChangeView {
    pub(super) fn of(change: &Change) -> Self {
        ChangeView {
            address: change.address.clone(),
            action: change.action,
            forced_by: change.replace_paths.clone(),
            changed: match change.action {
                ChangeAction::Update => change.changed_paths.iter().take(20).cloned().collect(),
                ChangeAction::Delete | ChangeAction::Replace | ChangeAction::Create | ChangeAction::Import => Vec::new(),
            },
        }
    }
}

/// One attribute before and after; sensitive values are masked.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct ValueView {
    /// dotted path
    pub path: String,
    /// before
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// after
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
    /// true when this attribute forces the replace
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forces_replace: bool,
}

/// A plan, or a page of it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct PlanPage {
    #[serde(skip)]
    pub(super) summary: String,
    /// session
    pub session_id: String,
    /// what approve_plan takes
    pub plan_sha256: String,
    /// equal for plans that do the same
    pub semantic_sha256: String,
    /// true for a destroy plan
    pub destroy: bool,
    /// generation it was made for
    pub generation: i64,
    /// true when the design is at that generation
    pub current: bool,
    /// counts
    pub counts: Counts,
    /// RFC 3339
    pub created_at: String,
    /// RFC 3339
    pub expires_at: String,
    /// too old to be applied
    pub expired: bool,
    /// found deleted in the cloud
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift_deletes: Vec<String>,
    /// changed behind Terraform's back
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift_updates: Vec<ChangeView>,
    /// taken over after an interrupted apply
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
    /// outputs change
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub output_changes: bool,
    /// changes, deletes and replaces first
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeView>,
    /// attributes of the one resource
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ValueView>,
    /// changes (or attributes) not on this page
    pub omitted: usize,
    /// pass as cursor for the next page
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl Services {
    /// The newest plan of a session.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_design` (nothing saved, or no plan yet), `invalid_argument` (unknown address,
    /// foreign cursor), `storage_unavailable`.
    pub async fn get_plan(&self, input: GetPlan) -> Result<PlanPage, Error> {
        let session = self.session(&input.session_id).await?;
        let language = session.spec.language;
        let design = self.design(&session).await?;
        let plan =
            design.status.as_ref().and_then(|status| status.plan.clone()).ok_or_else(|| {
                Error::new(Code::InvalidDesign, say(language, Text::NoPlan, &[]), say(language, Text::HintWaitForPlan, &[]))
            })?;
        let mut page = self.page_head(&session, &design, &plan);
        let detail = match (input.detail, &input.address) {
            (Some(detail), _) => detail,
            (None, Some(_)) => Detail::Resource,
            (None, None) => Detail::Summary,
        };
        let window = Window {
            offset: offset_of(input.cursor.as_deref(), &plan, language)?,
            limit: input.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, 200),
            bytes: if input.limit.is_some() { HARD_BYTES } else { DEFAULT_BYTES },
        };
        match detail {
            Detail::Resource => {
                let details = self.details(&design, &plan, language).await?.ok_or_else(|| {
                    let message = say(language, Text::NoPlanDetails, &[("plan", short(&plan.plan_sha256))]);
                    Error::new(Code::StorageUnavailable, message, say(language, Text::HintNewPlan, &[]))
                })?;
                fill_resource(&mut page, &details, input.address.as_deref().unwrap_or_default(), window, language)?;
            }
            Detail::Summary | Detail::Changes => {
                let mut changes = self.changes(&design, &plan, language).await?;
                if detail == Detail::Summary {
                    changes.retain(|change| destructive(change.action));
                }
                page.changes = window.fit(&changes, ChangeView::of);
                page.leave(window.offset + page.changes.len(), changes.len());
            }
        }
        page.summary = summary(language, &page);
        Ok(page)
    }

    fn page_head(&self, session: &Session, design: &Design, plan: &PlanRecord) -> PlanPage {
        PlanPage {
            session_id: name_of(session).to_owned(),
            plan_sha256: plan.plan_sha256.clone(),
            semantic_sha256: plan.semantic_sha256.clone(),
            destroy: plan.destroy,
            generation: plan.generation,
            current: Some(plan.generation) == design.metadata.generation,
            counts: plan.counts,
            created_at: plan.created_at.0.to_string(),
            expires_at: plan.expires_at.0.to_string(),
            expired: self.parts().clock.now().0 >= plan.expires_at.0,
            drift_deletes: plan.drift_deletes.iter().take(20).cloned().collect(),
            drift_updates: plan.drift_updates.iter().take(10).map(ChangeView::of).collect(),
            imports: plan.imports.keys().take(20).cloned().collect(),
            output_changes: plan.output_changes,
            ..PlanPage::default()
        }
    }

    /// Every change of the plan: from the stored JSON; from the status (the first 50, deletes and replaces first) when
    /// that holds all of them or the JSON is gone.
    async fn changes(&self, design: &Design, plan: &PlanRecord, language: Language) -> Result<Vec<Change>, Error> {
        if plan.changes.len() >= plan.counts.total() {
            return Ok(plan.changes.clone());
        }
        Ok(self.details(design, plan, language).await?.map_or_else(|| plan.changes.clone(), |details| details.view().changes.clone()))
    }

    async fn details(&self, design: &Design, plan: &PlanRecord, language: Language) -> Result<Option<PlanDetails>, Error> {
        let key = BlobKey::job(design.metadata.uid.as_deref().unwrap_or_default(), &plan.job, JobBlob::PlanJson);
        let bytes = self.parts().blobs.get(&key).await.map_err(|error| Error::blob(language, &error))?;
        let parsed = bytes.map(|bytes| PlanDetails::parse(&bytes)).transpose();
        Ok(parsed.unwrap_or_else(|error| {
            tracing::warn!(job = plan.job, %error, "a stored plan does not read");
            None
        }))
    }
}

fn fill_resource(page: &mut PlanPage, details: &PlanDetails, address: &str, window: Window, language: Language) -> Result<(), Error> {
    let changes = &details.view().changes;
    let found = details.resource(address).zip(changes.iter().find(|change| change.address == address));
    let Some((resource, change)) = found else {
        let message = say(language, Text::NoSuchResource, &[("address", &clip(address, 200))]);
        let allowed = changes.iter().take(40).map(|change| change.address.clone()).collect();
        let hint = Some(say(language, Text::HintGetPlan, &[]));
        return Err(Error::argument(language, Problem { path: "address".into(), message, value: None, allowed, hint }));
    };
    let values = differences(&resource.before, &resource.after);
    page.values = Window { limit: usize::MAX, ..window }.fit(&values, |(path, before, after)| ValueView {
        path: path.clone(),
        before: super::arguments::shown(before),
        after: super::arguments::shown(after),
        forces_replace: resource.replace_paths.iter().any(|force| path == force || path.starts_with(&format!("{force}."))),
    });
    page.leave(window.offset + page.values.len(), values.len());
    page.changes = vec![ChangeView::of(change)];
    Ok(())
}

/// What differs between two masked values, as dotted path, before, after. A secret that changes is equal once masked; the
/// change's `changed` names it.
fn differences(before: &Value, after: &Value) -> Vec<(String, Value, Value)> {
    let (mut left, mut right) = (Map::new(), Map::new());
    flatten(before, "", &mut left);
    flatten(after, "", &mut right);
    let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let differing = keys.into_iter().filter(|key| left.get(*key) != right.get(*key));
    differing.map(|key| (key.clone(), left.get(key).cloned().unwrap_or_default(), right.get(key).cloned().unwrap_or_default())).collect()
}

fn flatten(value: &Value, path: &str, out: &mut Map<String, Value>) {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, inner)| flatten(inner, &join(key), out)),
        Value::Array(list) => list.iter().enumerate().for_each(|(index, inner)| flatten(inner, &join(&index.to_string()), out)),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.insert(path.to_owned(), value.clone());
        }
    }
}

fn destructive(action: ChangeAction) -> bool {
    match action {
        ChangeAction::Delete | ChangeAction::Replace => true,
        ChangeAction::Create | ChangeAction::Update | ChangeAction::Import => false,
    }
}

/// Which part of a list a page shows.
#[derive(Clone, Copy)]
struct Window {
    offset: usize,
    limit: usize,
    bytes: usize,
}

impl Window {
    /// As many of `items` as fit; at least one, so that paging always moves on.
    fn fit<T, V: Serialize>(self, items: &[T], view: impl Fn(&T) -> V) -> Vec<V> {
        let mut used = 0;
        let mut page = Vec::new();
        for item in items.iter().skip(self.offset).take(self.limit) {
            let one = view(item);
            used += serde_json::to_string(&one).map_or(self.bytes, |text| text.len());
            if used > self.bytes && !page.is_empty() {
                break;
            }
            page.push(one);
        }
        page
    }
}

impl PlanPage {
    /// Says what is left after `next` of `total` entries.
    fn leave(&mut self, next: usize, total: usize) {
        self.omitted = total.saturating_sub(next);
        self.next_cursor = (self.omitted > 0).then(|| cursor(next, &self.plan_sha256));
    }
}

/// `<offset>-<plan>`: a cursor of another plan is refused instead of showing a page of something else.
fn cursor(offset: usize, plan_sha256: &str) -> String {
    format!("{offset}-{}", short(plan_sha256))
}

fn offset_of(cursor: Option<&str>, plan: &PlanRecord, language: Language) -> Result<usize, Error> {
    let Some(cursor) = cursor else { return Ok(0) };
    let parsed = cursor.split_once('-').filter(|(_, sha)| *sha == short(&plan.plan_sha256)).and_then(|(offset, _)| offset.parse().ok());
    parsed.ok_or_else(|| bad_cursor(language))
}

/// "3 to create, 1 to change …" in the session's language.
pub(super) fn counts_line(language: Language, counts: &Counts) -> String {
    let values = [
        ("create", (counts.create + counts.import).to_string()),
        ("update", counts.update.to_string()),
        ("replace", counts.replace.to_string()),
        ("delete", counts.delete.to_string()),
    ];
    let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
    say(language, Text::CountsLine, &values)
}

fn summary(language: Language, page: &PlanPage) -> String {
    let kind = if page.destroy { "destroy" } else { "apply" };
    let counts = counts_line(language, &page.counts);
    let values = [
        ("sha", page.plan_sha256.as_str()),
        ("session", &page.session_id),
        ("kind", kind),
        ("counts", &counts),
        ("expires", &page.expires_at),
    ];
    let mut lines = vec![say(language, Text::PlanShown, &values)];
    let mut room = TEXT_BYTES;
    for (text, action) in [(Text::PlanDestroys, ChangeAction::Delete), (Text::PlanReplaces, ChangeAction::Replace)] {
        let list = names_of(page, action, &mut room);
        if !list.is_empty() {
            lines.push(say(language, text, &[("list", &list.join(", "))]));
        }
    }
    if page.values.is_empty() && page.omitted > 0 {
        lines.push(say(language, Text::PlanMore, &[("count", &page.omitted.to_string())]));
    }
    if let (Some(change), false) = (page.changes.first(), page.values.is_empty()) {
        let action = format!("{:?}", change.action).to_lowercase();
        lines.push(say(language, Text::PlanResource, &[("address", &change.address), ("action", &action)]));
    }
    lines.join("\n")
}

/// Names of one action with what forces it, as far as `room` goes; what is left out is counted.
fn names_of(page: &PlanPage, action: ChangeAction, room: &mut usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut left_out = 0_usize;
    for change in page.changes.iter().filter(|change| change.action == action) {
        let name = match change.forced_by.is_empty() {
            true => change.address.clone(),
            false => format!("{} ({})", change.address, clip(&change.forced_by.join(", "), 80)),
        };
        if name.len() + 2 > *room {
            left_out += 1;
            continue;
        }
        *room -= name.len() + 2;
        names.push(name);
    }
    if left_out > 0 {
        names.push(format!("+{left_out}"));
    }
    names
}

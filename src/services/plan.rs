//! `get_plan`: what a plan does, bounded, every delete and replace named with what forces it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Services;
use super::documents::name_of;
use super::error::{Code, Error, Problem};
use super::plan_source::PlanDetails;
use super::session::bad_cursor;
use super::status::short_sha;
use super::text::{Text, say};
use crate::api::condition::clip;
use crate::api::design::{Change, ChangeAction, Counts, PlanRecord};
use crate::api::session::Language;
use crate::api::{Design, Session};
use crate::blobs::{BlobKey, JobBlob};

/// Bytes of changes an answer carries when nothing is said: about 1,500 tokens, so that the whole stays under 2,000.
const DEFAULT_BYTES: usize = 6_000;
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
        let offset = offset_of(input.cursor.as_deref(), &plan, language)?;
        let detail = match (input.detail, &input.address) {
            (Some(detail), _) => detail,
            (None, Some(_)) => Detail::Resource,
            (None, None) => Detail::Summary,
        };
        let budget = if input.limit.is_some() { HARD_BYTES } else { DEFAULT_BYTES };
        let limit = input.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, 200);
        match detail {
            Detail::Resource => {
                let address = input.address.clone().unwrap_or_default();
                self.fill_resource(&mut page, &design, &plan, &address, offset, budget, language).await?;
            }
            Detail::Summary | Detail::Changes => {
                let mut changes = self.changes(&design, &plan, language).await?;
                if detail == Detail::Summary {
                    changes.retain(|change| destructive(change.action));
                }
                let shown = fit(&changes, offset, limit, budget, ChangeView::of);
                let next = offset + shown.len();
                page.omitted = changes.len().saturating_sub(next);
                page.next_cursor = (page.omitted > 0).then(|| cursor(next, &plan));
                page.changes = shown;
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
        Ok(self.details(design, plan, language).await?.map_or_else(|| plan.changes.clone(), |details| details.changes()))
    }

    async fn details(&self, design: &Design, plan: &PlanRecord, language: Language) -> Result<Option<PlanDetails>, Error> {
        let key = BlobKey::job(design.metadata.uid.as_deref().unwrap_or_default(), &plan.job, JobBlob::PlanJson);
        let bytes = self.parts().blobs.get(&key).await.map_err(|error| Error::blob(language, &error))?;
        Ok(bytes.and_then(|bytes| PlanDetails::parse(&bytes)))
    }

    #[allow(clippy::too_many_arguments, reason = "the six facts of one page; a struct would be made here and taken apart here")]
    async fn fill_resource(
        &self,
        page: &mut PlanPage,
        design: &Design,
        plan: &PlanRecord,
        address: &str,
        offset: usize,
        budget: usize,
        language: Language,
    ) -> Result<(), Error> {
        let details = self.details(design, plan, language).await?.ok_or_else(|| {
            let message = say(language, Text::NoPlanDetails, &[("plan", short_sha(&plan.plan_sha256))]);
            Error::new(Code::StorageUnavailable, message, say(language, Text::HintNewPlan, &[]))
        })?;
        let Some(resource) = details.resource(address) else {
            let message = say(language, Text::NoSuchResource, &[("address", &clip(address, 200))]);
            let allowed = details.changes().into_iter().take(40).map(|change| change.address).collect();
            let hint = Some(say(language, Text::HintGetPlan, &[]));
            return Err(Error::argument(language, Problem { path: "address".into(), message, value: None, allowed, hint }));
        };
        let forced = &resource.change.replace_paths;
        let values = fit(&resource.values, offset, usize::MAX, budget, |(path, before, after)| ValueView {
            path: path.clone(),
            before: super::arguments::shown(before),
            after: super::arguments::shown(after),
            forces_replace: forced.iter().any(|force| path == force || path.starts_with(&format!("{force}."))),
        });
        let next = offset + values.len();
        page.omitted = resource.values.len().saturating_sub(next);
        page.next_cursor = (page.omitted > 0).then(|| cursor(next, plan));
        page.values = values;
        page.changes = vec![ChangeView::of(&resource.change)];
        Ok(())
    }
}

fn destructive(action: ChangeAction) -> bool {
    match action {
        ChangeAction::Delete | ChangeAction::Replace => true,
        ChangeAction::Create | ChangeAction::Update | ChangeAction::Import => false,
    }
}

/// As many of `items` from `offset` as fit into `limit` and `budget` bytes; at least one, so that paging always moves on.
fn fit<T, V: Serialize>(items: &[T], offset: usize, limit: usize, budget: usize, view: impl Fn(&T) -> V) -> Vec<V> {
    let mut used = 0;
    let mut page = Vec::new();
    for item in items.iter().skip(offset).take(limit) {
        let one = view(item);
        used += serde_json::to_string(&one).map_or(budget, |text| text.len());
        if used > budget && !page.is_empty() {
            break;
        }
        page.push(one);
    }
    page
}

/// `<offset>-<plan>`: a cursor of another plan is refused instead of showing a page of something else.
fn cursor(offset: usize, plan: &PlanRecord) -> String {
    format!("{offset}-{}", short_sha(&plan.plan_sha256))
}

fn offset_of(cursor: Option<&str>, plan: &PlanRecord, language: Language) -> Result<usize, Error> {
    let Some(cursor) = cursor else { return Ok(0) };
    let parsed = cursor.split_once('-').filter(|(_, sha)| *sha == short_sha(&plan.plan_sha256)).and_then(|(offset, _)| offset.parse().ok());
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
    let named = |action: ChangeAction| -> Vec<String> {
        page.changes
            .iter()
            .filter(|change| change.action == action)
            .take(25)
            .map(|change| match change.forced_by.is_empty() {
                true => change.address.clone(),
                false => format!("{} ({})", change.address, change.forced_by.join(", ")),
            })
            .collect()
    };
    for (text, action) in [(Text::PlanDestroys, ChangeAction::Delete), (Text::PlanReplaces, ChangeAction::Replace)] {
        let list = named(action);
        if !list.is_empty() {
            lines.push(say(language, text, &[("list", &list.join(", "))]));
        }
    }
    if let (Some(change), false) = (page.changes.first(), page.values.is_empty()) {
        let action = format!("{:?}", change.action).to_lowercase();
        lines.push(say(language, Text::PlanResource, &[("address", &change.address), ("action", &action)]));
    }
    lines.join("\n")
}

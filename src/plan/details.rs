//! A plan for people: a bounded summary that names everything it destroys, and lossless paging with values of one
//! resource on request, masked. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::mask::masked;
use super::{Error, PlanView};
use crate::api::condition::clip;
use crate::api::design::{Change, ChangeAction};

/// A plan that can be paged and asked. Its Debug shows no values.
pub struct PlanDetails {
    view: PlanView,
    plan: Value,
}

impl std::fmt::Debug for PlanDetails {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PlanDetails").field("view", &self.view).finish_non_exhaustive()
    }
}

/// Some of the changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// how many there are in all
    pub total: usize,
    /// offset of the first of these
    pub offset: usize,
    /// deletes and replaces first, then by address
    pub changes: Vec<Change>,
    /// offset of the next page, if any
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
}

/// One resource of a plan with its values, masked.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDetail {
    /// address
    pub address: String,
    /// resource type
    pub resource_type: String,
    /// what happens; None = nothing
    pub action: Option<ChangeAction>,
    /// why Terraform does it, such as `replace_because_cannot_update`
    pub reason: Option<String>,
    /// attributes that force a replace
    pub replace_paths: Vec<String>,
    /// attributes that differ
    pub changed_paths: Vec<String>,
    /// values now; sensitive ones masked
    pub before: Value,
    /// values then; sensitive and unknown ones masked
    pub after: Value,
    /// resources it depends on
    pub depends_on: Vec<String>,
}

impl PlanDetails {
    /// Reads `terraform show -json <plan file>`.
    pub fn parse(show_json: &[u8]) -> Result<Self, Error> {
        let plan = super::read(show_json)?;
        Ok(PlanDetails { view: PlanView::of(&plan, &BTreeMap::new()), plan })
    }

    /// What the plan does, without values.
    pub fn view(&self) -> &PlanView {
        &self.view
    }

    /// `limit` changes from `offset` on. Pages joined are all changes.
    pub fn page(&self, offset: usize, limit: usize) -> Page {
        let total = self.view.changes.len();
        let changes: Vec<Change> = self.view.changes.iter().skip(offset).take(limit.max(1)).cloned().collect();
        let end = offset + changes.len();
        Page { total, offset, next: (end < total && !changes.is_empty()).then_some(end), changes }
    }

    /// One resource by its address, values masked; None when the plan does not know it.
    pub fn resource(&self, address: &str) -> Option<ResourceDetail> {
        let entry = super::items(&self.plan["resource_changes"]).find(|entry| entry["address"].as_str() == Some(address))?;
        let change = &entry["change"];
        let found = super::change_of(entry);
        let (replace_paths, changed_paths) = found.as_ref().map(|c| (c.replace_paths.clone(), c.changed_paths.clone())).unwrap_or_default();
        Some(ResourceDetail {
            address: address.to_owned(),
            resource_type: entry["type"].as_str().unwrap_or_default().to_owned(),
            action: found.map(|change| change.action),
            reason: entry["action_reason"].as_str().map(str::to_owned),
            replace_paths,
            changed_paths,
            before: masked(&change["before"], &change["before_sensitive"], &Value::Null),
            after: masked(&change["after"], &change["after_sensitive"], &change["after_unknown"]),
            depends_on: self.view.depends_on.get(address).cloned().unwrap_or_default(),
        })
    }

    /// Planned values of one resource that are known and not sensitive, for looking it up in the cloud; Null when there
    /// are none.
    pub fn planned_values(&self, address: &str) -> Value {
        let entry = super::items(&self.plan["resource_changes"]).find(|entry| entry["address"].as_str() == Some(address));
        entry.map(|entry| masked(&entry["change"]["after"], &entry["change"]["after_sensitive"], &Value::Null)).unwrap_or_default()
    }

    /// A text of about `limit` bytes: counts, then every delete and replace by name whatever the limit says, then as many
    /// of the others as fit.
    pub fn summary(&self, limit: usize) -> String {
        let counts = self.view.counts;
        let mut text =
            format!("{} to create, {} to update, {} to replace, {} to delete", counts.create, counts.update, counts.replace, counts.delete);
        if counts.import > 0 {
            text.push_str(&format!(", {} to import", counts.import));
        }
        text.push('\n');
        for address in &self.view.drift_deletes {
            text.push_str(&format!("! {address}: gone from the cloud, or not permitted\n"));
        }
        for change in &self.view.drift_updates {
            text.push_str(&format!("~ {}: changed behind Terraform's back ({})\n", change.address, list(&change.changed_paths)));
        }
        let mut left_out = 0;
        for change in &self.view.changes {
            let line = line(change);
            let must = matches!(change.action, ChangeAction::Delete | ChangeAction::Replace);
            if must || text.len() + line.len() <= limit {
                text.push_str(&line);
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            text.push_str(&format!("… and {left_out} more that neither delete nor replace\n"));
        }
        if self.view.output_changes {
            text.push_str("outputs change\n");
        }
        text
    }
}

fn line(change: &Change) -> String {
    let Change { address, action, replace_paths, changed_paths } = change;
    match action {
        ChangeAction::Delete => format!("- {address}\n"),
        ChangeAction::Replace => format!("-/+ {address} (forced by {})\n", list(replace_paths)),
        ChangeAction::Create => format!("+ {address}\n"),
        ChangeAction::Update => format!("~ {address} ({})\n", list(changed_paths)),
        ChangeAction::Import => format!("<- {address}\n"),
    }
}

fn list(paths: &[String]) -> String {
    if paths.is_empty() { "no attribute named".to_owned() } else { clip(&paths.join(", "), 200) }
}

//! `Table` output: what `kubectl get` prints. Pure.

use bytes::Bytes;
use serde_json::{Value, json};

use super::kinds::Kind;
use crate::api::Time;

/// What a row carries beside its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Include {
    None,
    Metadata,
    Object,
}

/// A Table of objects in their served form.
pub(super) fn render(kind: &Kind, items: &[Bytes], include: Include, columns: bool, now: &Time, metadata: Value) -> Value {
    let rows: Vec<Value> =
        items.iter().filter_map(|bytes| serde_json::from_slice(bytes).ok()).map(|object| row(kind, object, include, now)).collect();
    let definitions = if columns { definitions(kind) } else { Vec::new() };
    json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": definitions, "rows": rows })
}

fn definitions(kind: &Kind) -> Vec<Value> {
    let column =
        |name: &str, kind: &str, format: &str| json!({ "name": name, "type": kind, "format": format, "description": "", "priority": 0 });
    if kind.is_event() {
        return ["Last Seen", "Type", "Reason", "Object", "Message"].iter().map(|name| column(name, "string", "")).collect();
    }
    let mut columns = vec![column("Name", "string", "name")];
    // A real server says string for dates, because it has formatted them.
    columns.extend(
        kind.columns.iter().map(|printed| column(&printed.name, if printed.kind == "date" { "string" } else { &printed.kind }, "")),
    );
    columns
}

fn row(kind: &Kind, object: Value, include: Include, now: &Time) -> Value {
    let cells = if kind.is_event() { event_cells(&object, now) } else { cells(kind, &object, now) };
    let mut row = json!({ "cells": cells });
    match include {
        Include::None => {}
        Include::Metadata => {
            row["object"] = json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] });
        }
        Include::Object => row["object"] = object,
    }
    row
}

fn cells(kind: &Kind, object: &Value, now: &Time) -> Vec<Value> {
    let mut cells = vec![object["metadata"]["name"].clone()];
    for column in &kind.columns {
        let found = find(object, &column.path).cloned().unwrap_or(Value::Null);
        cells.push(match (column.kind.as_str(), found) {
            ("date", Value::String(time)) => since(&time, now).into(),
            // kubectl prints nothing for an empty string and <none> for null.
            ("string", Value::Null) => "".into(),
            (_, found) => found,
        });
    }
    cells
}

fn event_cells(event: &Value, now: &Time) -> Vec<Value> {
    let text = |names: &[&str]| names.iter().find_map(|name| event.pointer(name)?.as_str()).unwrap_or_default().to_owned();
    let seen =
        text(&["/series/lastObservedTime", "/lastTimestamp", "/deprecatedLastTimestamp", "/eventTime", "/metadata/creationTimestamp"]);
    let kind = text(&["/regarding/kind", "/involvedObject/kind"]).to_lowercase();
    let object = format!("{kind}/{}", text(&["/regarding/name", "/involvedObject/name"]));
    let message = text(&["/note", "/message"]);
    [since(&seen, now), text(&["/type"]), text(&["/reason"]), object, message.trim().to_owned()].into_iter().map(Value::from).collect()
}

/// The JSONPath that printer columns use: `.a.b` and `[?(@.type=="Ready")]`.
fn find<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut rest = path;
    let mut value = object;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix("[?(@.") {
            let (condition, after) = inner.split_once(")]")?;
            let (member, wanted) = condition.split_once("==")?;
            let wanted = wanted.trim().trim_matches(['"', '\'']);
            value = value.as_array()?.iter().find(|item| item[member.trim()] == wanted)?;
            rest = after;
        } else {
            let inner = rest.strip_prefix('.')?;
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            value = value.get(&inner[..end])?;
            rest = &inner[end..];
        }
    }
    Some(value)
}

fn since(time: &str, now: &Time) -> String {
    match time.parse::<k8s_openapi::jiff::Timestamp>() {
        Ok(then) => human_duration(now.0.duration_since(then).as_secs()),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// How kubectl writes ages (`HumanDuration` of apimachinery).
fn human_duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with = |big: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit}{small}{small_unit}"),
    };
    match seconds {
        i64::MIN..=-2 => "<invalid>".to_owned(),
        -1..=0 => "0s".to_owned(),
        1..=119 => format!("{seconds}s"),
        120..=599 => with(minutes, "m", seconds % 60, "s"),
        600..=10_799 => format!("{minutes}m"),
        10_800..=28_799 => with(hours, "h", minutes % 60, "m"),
        28_800..=172_799 => format!("{hours}h"),
        172_800..=691_199 => with(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => with(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

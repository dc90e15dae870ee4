//! Terraform labels and restricted names from ids and display names of any language: ASCII, stable, and two different
//! sources never become one name unnoticed. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::design::Component;
use crate::api::names::sha256_hex;
use crate::catalog::service::{NameRule, Suffix};

/// Longest label: Terraform has no limit, plans that people read have.
const MAX_LABEL: usize = 48;

/// Hex digits of a hash that keep names apart: 24 bits are plenty for at most 200 components.
const HASH: usize = 6;

/// Label of a component id: lower case `[a-z0-9_]`, starting with a letter. An id that had to be changed beyond case and
/// `-` to `_` gets a short hash of the id, so that `データ` and `サーバ` stay two names.
pub fn label(id: &str) -> String {
    let mut text: String = id
        .chars()
        .filter_map(|c| match c {
            'a'..='z' | '0'..='9' | '_' => Some(c),
            'A'..='Z' => Some(c.to_ascii_lowercase()),
            '-' | ' ' | '.' => Some('_'),
            _ => None,
        })
        .collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let lost = !id.chars().all(plain) || id.is_empty();
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        text.insert_str(0, if lost && text.is_empty() { "component" } else { "c_" });
    }
    if lost || text.len() > MAX_LABEL {
        text.truncate(MAX_LABEL - HASH - 1);
        format!("{}_{}", text.trim_end_matches('_'), &sha256_hex(id)[..HASH])
    } else {
        text
    }
}

/// Labels of all components, by position. Two ids with one label are kept apart by the hash of the id; that they collide
/// is a finding of its own.
pub fn labels(components: &[Component]) -> Vec<String> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for component in components {
        *count.entry(label(&component.id)).or_default() += 1;
    }
    let name = |c: &Component| match label(&c.id) {
        label if count.get(&label) == Some(&1) => label,
        label => format!("{label}_{}", &sha256_hex(&c.id)[..HASH]),
    };
    let mut registry = Registry::default();
    components.iter().map(|c| registry.give(&name(c))).collect()
}

/// Gives labels out, each once.
#[derive(Debug, Default)]
pub struct Registry(BTreeSet<String>);

impl Registry {
    /// Marks a label as taken.
    pub fn take(&mut self, label: &str) {
        self.0.insert(label.to_owned());
    }
    /// The wished label, or the wished label with a hash of itself when it is taken; then counted up.
    pub fn give(&mut self, wish: &str) -> String {
        let mut label = wish.to_owned();
        let mut round = 0;
        while !self.0.insert(label.clone()) {
            round += 1;
            label = format!("{wish}_{}", &sha256_hex(format!("{wish}/{round}"))[..HASH]);
        }
        label
    }
}

/// A name by rule. `unique` is what makes two components different (session and component id).
pub fn name(rule: &NameRule, source: &str, unique: &str) -> String {
    let NameRule { from: _, symbols, separator, letter_first, max_length, suffix, lower } = rule;
    let mut text = String::new();
    let mut gap = false;
    for c in source.chars() {
        if c.is_ascii_alphanumeric() || symbols.contains(c) {
            if gap && !text.is_empty() && !text.ends_with(separator.as_str()) {
                text.push_str(separator);
            }
            gap = false;
            text.push(if *lower { c.to_ascii_lowercase() } else { c });
        } else {
            gap = true;
        }
    }
    let text = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let mut text = if *letter_first { text.trim_start_matches(|c: char| !c.is_ascii_alphabetic()) } else { text }.to_owned();
    let hashed = match suffix {
        Suffix::Always => true,
        Suffix::WhenChanged => text != source || text.len() > *max_length,
    };
    if text.is_empty() {
        text.push('n');
    }
    if !hashed {
        return text;
    }
    // A separator before the hash reads better where the rule has one.
    let tail = format!("{separator}{}", &sha256_hex(unique)[..HASH]);
    text.truncate(max_length.saturating_sub(tail.len()).max(1));
    let stem = if separator.is_empty() { text.as_str() } else { text.trim_end_matches(separator.as_str()) };
    format!("{stem}{tail}")
}

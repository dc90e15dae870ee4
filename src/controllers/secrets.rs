//! The secrets blob of a design: `designs/<uid>/secrets.json`, a JSON object variable name → `{value, version}`.
//!
//! A plain string is read as version 1, so that a person can supply a value by hand. Values leave only towards Terraform
//! ([`SecretBook::values`]); a digest sees versions alone.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::api::design::SecretSource;
use crate::blobs::{BlobKey, Blobs};
use crate::render::{PasswordRule, SecretNeed};
use crate::terraform::Secret;

/// All secrets of one design.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretBook(BTreeMap<String, Entry>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Versioned { value: Secret, version: u64 },
    Plain(Secret),
}

impl SecretBook {
    /// Reads the blob; an absent one is an empty book.
    pub async fn load(blobs: &dyn Blobs, design_uid: &str) -> Result<Self, Error> {
        match blobs.get(&BlobKey::secrets(design_uid)).await? {
            // the parser's message could quote what it read, so it is dropped
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| Error::Decode { what: "the secrets blob" }),
            None => Ok(Self::default()),
        }
    }

    /// Writes the blob.
    pub async fn store(&self, blobs: &dyn Blobs, design_uid: &str) -> Result<(), Error> {
        let bytes = serde_json::to_vec(self).map_err(|source| Error::Encode { what: "the secrets blob", source })?;
        Ok(blobs.put(&BlobKey::secrets(design_uid), Bytes::from(bytes)).await?)
    }

    /// Version of a value. One that is still to be generated has the version it will get, so that making it changes no digest.
    pub fn version(&self, name: &str) -> u64 {
        match self.0.get(name) {
            Some(Entry::Versioned { version, .. }) => *version,
            Some(Entry::Plain(_)) | None => 1,
        }
    }

    /// Names that need a value from a person and have none.
    pub fn missing(&self, needs: &[SecretNeed]) -> Vec<String> {
        let lacks = |need: &&SecretNeed| need.source == SecretSource::Supplied && !self.0.contains_key(&need.name);
        needs.iter().filter(lacks).map(|need| need.name.clone()).collect()
    }

    /// Makes the values that Galley makes and that are missing; true when something was made.
    pub fn generate(&mut self, needs: &[SecretNeed]) -> bool {
        let before = self.0.len();
        for need in needs.iter().filter(|need| need.source == SecretSource::Generate) {
            self.0.entry(need.name.clone()).or_insert_with(|| Entry::Versioned { value: Secret(password(&need.rule)), version: 1 });
        }
        self.0.len() != before
    }

    /// Values of the named variables; names without value are left out.
    pub fn values(&self, names: &BTreeSet<String>) -> BTreeMap<String, Secret> {
        let value = |entry: &Entry| match entry {
            Entry::Versioned { value, .. } | Entry::Plain(value) => value.clone(),
        };
        names.iter().filter_map(|name| Some((name.clone(), value(self.0.get(name)?)))).collect()
    }
}

/// A password by the rule: at least `of_each` capitals, small letters, digits and, where the rule has symbols, symbols.
fn password(rule: &PasswordRule) -> String {
    const CAPITALS: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ";
    const SMALL: &str = "abcdefghijkmnopqrstuvwxyz";
    const DIGITS: &str = "23456789";
    let kinds = [CAPITALS, SMALL, DIGITS, rule.symbols.as_str()];
    let mut rng = rand::rng();
    let mut pick = |from: &str| {
        let characters: Vec<char> = from.chars().collect();
        characters[rng.random_range(0..characters.len())]
    };
    let each = kinds.iter().filter(|kind| !kind.is_empty()).flat_map(|kind| std::iter::repeat_n(kind, rule.of_each.max(1)));
    let mut characters: Vec<char> = each.map(|kind| pick(kind)).collect();
    let all: String = kinds.concat();
    while characters.len() < rule.length {
        characters.push(pick(&all));
    }
    // a letter stays in front: some services refuse a leading digit or symbol
    for index in (2..characters.len()).rev() {
        let other = rng.random_range(1..=index);
        characters.swap(index, other);
    }
    characters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(name: &str, source: SecretSource) -> SecretNeed {
        SecretNeed { name: name.into(), source, rule: PasswordRule { length: 20, symbols: "#_".into(), of_each: 1 } }
    }

    #[test]
    fn a_generated_password_obeys_its_rule() {
        for _ in 0..200 {
            let text = password(&PasswordRule { length: 16, symbols: "#_-".into(), of_each: 1 });
            assert_eq!(text.chars().count(), 16);
            assert!(text.starts_with(|c: char| c.is_ascii_uppercase()));
            assert!(text.contains(|c: char| c.is_ascii_lowercase()) && text.contains(|c: char| c.is_ascii_digit()));
            assert!(text.contains(|c: char| "#_-".contains(c)));
        }
    }

    #[test]
    fn a_rule_may_ask_for_two_of_each_kind() {
        for _ in 0..200 {
            let text = password(&PasswordRule { length: 9, symbols: "#_-".into(), of_each: 2 });
            let count = |fits: fn(char) -> bool| text.chars().filter(|c| fits(*c)).count();
            let kinds: [fn(char) -> bool; 4] =
                [|c| c.is_ascii_uppercase(), |c| c.is_ascii_lowercase(), |c| c.is_ascii_digit(), |c| "#_-".contains(c)];
            assert!(kinds.into_iter().all(|kind| count(kind) >= 2) && text.chars().count() == 9, "{text}");
        }
    }

    #[test]
    fn a_value_is_made_once_and_never_printed() {
        let mut book = SecretBook::default();
        let needs = [need("a", SecretSource::Generate), need("b", SecretSource::Supplied)];
        assert!(book.generate(&needs));
        let made = book.clone();
        assert!(!book.generate(&needs));
        assert_eq!(book, made);
        assert_eq!(book.missing(&needs), ["b"]);
        let value = &book.values(&BTreeSet::from(["a".to_owned()]))["a"];
        assert!(!format!("{book:?}").contains(&value.0));
    }

    #[test]
    fn a_value_that_a_person_wrote_as_plain_text_is_version_one() {
        let book: SecretBook = serde_json::from_str(r#"{"b": "hunter2"}"#).unwrap();
        assert_eq!(book.version("b"), 1);
        assert!(book.missing(&[need("b", SecretSource::Supplied)]).is_empty());
    }
}

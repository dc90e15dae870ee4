//! Secret variables of a design: made, kept and numbered here. The values live in one 0600 blob and nowhere else; their
//! versions go into digests, so that a changed secret is a changed input.

use std::collections::BTreeMap;

use rand::seq::{IndexedRandom, SliceRandom};
use serde::{Deserialize, Serialize};

use super::{Error, Secret};
use crate::blobs::{BlobKey, Blobs};

/// One secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// starts at 1, grows with every new value
    pub version: u64,
    /// the value; its Debug shows nothing
    pub value: Secret,
}

/// All secrets of a design by variable name.
pub type Secrets = BTreeMap<String, Stored>;

/// Reads them; none when there is no blob yet.
pub async fn read(blobs: &dyn Blobs, design_uid: &str) -> Result<Secrets, Error> {
    match blobs.get(&BlobKey::secrets(design_uid)).await? {
        // serde_json's message can quote what it read, so only the position is told.
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| Error::Io {
            verb: "read the secrets".into(),
            source: std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("not valid at line {} column {}", error.line(), error.column()),
            ),
        }),
        None => Ok(Secrets::new()),
    }
}

/// Puts a value; the version grows only when the value changes.
pub async fn put(blobs: &dyn Blobs, design_uid: &str, name: &str, value: Secret) -> Result<Stored, Error> {
    let mut secrets = read(blobs, design_uid).await?;
    if let Some(stored) = secrets.get(name).filter(|stored| stored.value == value) {
        return Ok(stored.clone());
    }
    let version = secrets.get(name).map(|stored| stored.version + 1).unwrap_or(1);
    let stored = Stored { version, value };
    secrets.insert(name.to_owned(), stored.clone());
    let bytes = serde_json::to_vec(&secrets).map_err(|error| Error::Io { verb: "write the secrets".into(), source: error.into() })?;
    blobs.put(&BlobKey::secrets(design_uid), bytes.into()).await?;
    Ok(stored)
}

/// The value of a generated secret; made when there is none. `length` and `symbols` as the password rule says.
pub async fn ensure_generated(blobs: &dyn Blobs, design_uid: &str, name: &str, length: usize, symbols: &str) -> Result<Stored, Error> {
    if let Some(stored) = read(blobs, design_uid).await?.remove(name) {
        return Ok(stored);
    }
    put(blobs, design_uid, name, Secret(generate(length, symbols))).await
}

/// Versions by name, for the digest of a design's inputs.
pub fn versions(secrets: &Secrets) -> BTreeMap<String, u64> {
    secrets.iter().map(|(name, stored)| (name.clone(), stored.version)).collect()
}

// Without 0/O and 1/l/I: somebody may have to type it once.
const UPPER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const LOWER: &[u8] = b"abcdefghijkmnopqrstuvwxyz";
const DIGITS: &[u8] = b"23456789";
/// At least this many of each class: OCI database systems want two (facts §2.4).
const PER_CLASS: usize = 2;

/// A password with at least two characters of each class, the first one a letter; never with `"` nor "admin" in any
/// case (Autonomous Database refuses both). Shorter than 12 is made 12.
pub fn generate(length: usize, symbols: &str) -> String {
    let length = length.max(12);
    let symbols: Vec<u8> = symbols.bytes().filter(|byte| byte.is_ascii_graphic() && *byte != b'"').collect();
    let mut classes: Vec<&[u8]> = vec![UPPER, LOWER, DIGITS];
    if !symbols.is_empty() {
        classes.push(&symbols);
    }
    let every: Vec<u8> = classes.concat();
    let letters = [UPPER, LOWER].concat();
    let mut random = rand::rng();
    loop {
        let mut password: Vec<u8> = classes
            .iter()
            .flat_map(|class| std::iter::repeat_n(*class, PER_CLASS))
            .filter_map(|class| class.choose(&mut random).copied())
            .collect();
        while password.len() < length - 1 {
            password.extend(every.choose(&mut random));
        }
        password.shuffle(&mut random);
        password.splice(0..0, letters.choose(&mut random).copied());
        let password: String = password.into_iter().map(char::from).collect();
        if !password.to_ascii_lowercase().contains("admin") {
            return password;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terraform::tests::MemoryBlobs;

    #[test]
    fn generated_passwords_are_what_databases_take() {
        for (length, symbols) in [(16, "_#-"), (30, ""), (4, "_\""), (12, "_#-")] {
            for _ in 0..200 {
                let password = generate(length, symbols);
                assert_eq!(password.len(), length.max(12));
                let count = |test: fn(&char) -> bool| password.chars().filter(test).count();
                assert!(count(char::is_ascii_uppercase) >= 2 && count(char::is_ascii_lowercase) >= 2 && count(char::is_ascii_digit) >= 2);
                assert_eq!(count(char::is_ascii_punctuation) >= 2, !symbols.is_empty());
                assert!(password.starts_with(|first: char| first.is_ascii_alphabetic()));
                assert!(!password.contains('"') && !password.to_lowercase().contains("admin"));
            }
        }
    }

    #[tokio::test]
    async fn a_secret_keeps_its_value_and_its_version_until_it_is_changed() {
        let blobs = MemoryBlobs::default();
        let made = ensure_generated(&blobs, "uid", "adb_password", 16, "_").await.unwrap();
        assert_eq!(made, ensure_generated(&blobs, "uid", "adb_password", 16, "_").await.unwrap());
        assert_eq!(put(&blobs, "uid", "adb_password", made.value.clone()).await.unwrap().version, 1, "the same value");
        assert_eq!(put(&blobs, "uid", "adb_password", Secret("other".into())).await.unwrap().version, 2);
        assert_eq!(versions(&read(&blobs, "uid").await.unwrap()), BTreeMap::from([("adb_password".to_owned(), 2)]));
        assert!(!format!("{made:?}").contains(&made.value.0));
    }
}

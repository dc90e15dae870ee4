//! What ships with a build, overlaid by what whoever runs the server has put beside it: files under a prefix of the blobs.
//! A file of the same name replaces the shipped one, another name adds to them. Reads blobs; what the files mean is not
//! known here, so services and rules are overlaid by the same few lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::blobs::{self, Blobs};

/// Where service files lie.
pub const SERVICES: &str = "services/";
/// Where rule files lie.
pub const RULES: &str = "rules/";

/// How long what was read may be used: the design says ten minutes for services and rules.
pub const TTL: Duration = Duration::from_secs(600);

/// Largest overlay file, and most of them: what is larger is no file of services or rules, and is not read into memory twice.
const MAX_FILE_BYTES: usize = 256 * 1024;
const MAX_FILES: usize = 200;

/// Files of an overlay: (name, text), sorted by name.
pub type Files = Vec<(String, String)>;

/// Why an overlay could not be read at all. What its files say wrong, their own loader says.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the medium failed
    #[error("cannot read the overlay {prefix}")]
    Blobs {
        /// prefix in the blobs
        prefix: String,
        /// why
        #[source]
        source: blobs::Error,
    },
    /// a file that is no text, or too large, or one too many
    #[error("overlay file {key} {message}")]
    File {
        /// key in the blobs
        key: String,
        /// what is wrong
        message: String,
    },
}

/// Reads every `*.yaml` directly under a prefix.
pub async fn read(blobs: &dyn Blobs, prefix: &str) -> Result<Files, Error> {
    let failed = |source| Error::Blobs { prefix: prefix.to_owned(), source };
    let mut files = Files::new();
    for key in blobs.list(prefix).await.map_err(failed)? {
        let wrong = |message: String| Error::File { key: key.as_str().to_owned(), message };
        let Some(name) = key.as_str().strip_prefix(prefix).filter(|name| name.ends_with(".yaml") && !name.contains('/')) else { continue };
        let Some(bytes) = blobs.get(&key).await.map_err(failed)? else { continue };
        if bytes.len() > MAX_FILE_BYTES {
            return Err(wrong(format!("has {} bytes; at most {MAX_FILE_BYTES} are read", bytes.len())));
        }
        if files.len() == MAX_FILES {
            return Err(wrong(format!("is one too many: at most {MAX_FILES} are read")));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| wrong(format!("is not UTF-8: {error}")))?;
        files.push((name.to_owned(), text.to_owned()));
    }
    files.sort();
    Ok(files)
}

/// Shipped files under an overlay, sorted by name.
pub fn layered<'a>(shipped: &[(&'a str, &'a str)], overlay: &'a [(String, String)]) -> Vec<(&'a str, &'a str)> {
    let over = || overlay.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let under = shipped.iter().copied().filter(|(name, _)| !over().any(|(other, _)| other == *name));
    let mut all: Vec<(&str, &str)> = under.chain(over()).collect();
    all.sort_unstable();
    all
}

/// What is in force now. Readers get the whole of it and never wait; a writer replaces it.
#[derive(Debug)]
pub struct Live<T> {
    value: ArcSwap<T>,
    revision: AtomicU64,
}

impl<T> Live<T> {
    /// With this in force.
    pub fn new(value: T) -> Live<T> {
        Live { value: ArcSwap::from_pointee(value), revision: AtomicU64::new(0) }
    }
    /// What is in force.
    pub fn get(&self) -> Arc<T> {
        self.value.load_full()
    }
    /// Puts something else in force.
    pub fn set(&self, value: T) {
        self.value.store(Arc::new(value));
        self.revision.fetch_add(1, Ordering::Release);
    }
    /// Changes with every replacement.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }
}

impl<T: Default> Default for Live<T> {
    fn default() -> Self {
        Live::new(T::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::{BlobKey, MemoryBlobs};

    #[tokio::test]
    async fn a_file_of_the_same_name_replaces_the_shipped_one_and_another_adds() {
        let blobs = MemoryBlobs::default();
        for (key, text) in [("rules/b.yaml", "new b"), ("rules/c.yaml", "c"), ("rules/deep/d.yaml", "d"), ("rules/notes.txt", "x")] {
            blobs.put(&BlobKey::listed(key.to_owned()), text.as_bytes().to_vec().into()).await.unwrap();
        }
        let overlay = read(&blobs, RULES).await.unwrap();
        assert_eq!(layered(&[("a.yaml", "a"), ("b.yaml", "b")], &overlay), [("a.yaml", "a"), ("b.yaml", "new b"), ("c.yaml", "c")]);
        assert!(read(&blobs, SERVICES).await.unwrap().is_empty());
        blobs.put(&BlobKey::listed("rules/e.yaml".to_owned()), vec![0xff, 0xfe].into()).await.unwrap();
        assert!(read(&blobs, RULES).await.unwrap_err().to_string().contains("rules/e.yaml is not UTF-8"));
    }

    #[test]
    fn a_replacement_is_seen_and_counted() {
        let live = Live::new(1);
        let before = live.get();
        live.set(2);
        assert_eq!((*before, *live.get(), live.revision()), (1, 2, 1));
    }
}

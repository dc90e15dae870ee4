//! Blobs as files of mode 0600 under one directory; atomic and durable like the documents.
//!
//! Takes no lock: the store of the same data directory holds it. Plans and states may carry secrets, so nothing here logs
//! bytes, and no mode but 0600 is ever used.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{BlobKey, Blobs, Error, advised, once_more};
use crate::store::{Guard, Tree, off_thread};

/// A temp file this old is a crash's; a younger one may belong to a job process that writes right now.
const LEFTOVER_AGE: Duration = Duration::from_secs(600);

/// Blobs in a directory.
pub struct FsBlobs {
    tree: Arc<Tree>,
}

impl FsBlobs {
    /// Opens `directory`, making it with mode 0700 when absent, and removes what a crash left half-written.
    pub async fn open(directory: &Path) -> Result<Self, Error> {
        let owned = directory.to_owned();
        let opened = off_thread(move || {
            let tree = Tree::open(&owned, "blobs")?;
            tree.sweep(LEFTOVER_AGE)?;
            Ok(tree)
        });
        let failed = |source| Error::Io { verb: "open", key: directory.display().to_string(), source };
        Ok(FsBlobs { tree: Arc::new(opened.await.map_err(failed)?) })
    }

    async fn run<T: Send + 'static>(
        &self,
        verb: &'static str,
        key: &str,
        work: impl FnOnce(&Tree) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let tree = Arc::clone(&self.tree);
        off_thread(move || work(&tree)).await.map_err(|source| Error::Io { verb, key: key.to_owned(), source: advised(source) })
    }
}

#[async_trait]
impl Blobs for FsBlobs {
    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, Error> {
        let owned = key.clone();
        let bytes = self.run("read", key.as_str(), move |tree| tree.read(owned.as_str())).await?;
        Ok(bytes.map(Bytes::from))
    }

    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), Error> {
        let owned = key.clone();
        self.run("write", key.as_str(), move |tree| once_more(|| tree.write(owned.as_str(), &bytes, Guard::Always))).await.map(|_| ())
    }

    async fn create(&self, key: &BlobKey, bytes: Bytes) -> Result<(), Error> {
        let owned = key.clone();
        let made = self.run("create", key.as_str(), move |tree| tree.write(owned.as_str(), &bytes, Guard::Absent)).await?;
        if made { Ok(()) } else { Err(Error::Exists { key: key.as_str().to_owned() }) }
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), Error> {
        let owned = key.clone();
        self.run("delete", key.as_str(), move |tree| once_more(|| tree.remove(owned.as_str(), Guard::Always))).await.map(|_| ())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<BlobKey>, Error> {
        let owned = prefix.to_owned();
        let keys = self.run("list", prefix, move |tree| tree.keys(&owned)).await?;
        Ok(keys.into_iter().map(BlobKey::listed).collect())
    }
}

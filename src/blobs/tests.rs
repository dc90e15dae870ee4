//! One table of promises for both back ends.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use bytes::Bytes;

use super::*;

#[tokio::test]
async fn both_back_ends_keep_the_same_promises() {
    let directory = tempfile::tempdir().unwrap();
    let backs: Vec<(&str, Arc<dyn Blobs>)> =
        vec![("memory", Arc::new(MemoryBlobs::new())), ("fs", Arc::new(FsBlobs::open(directory.path()).await.unwrap()))];
    for (name, blobs) in backs {
        let (old, new) = (BlobKey::state("uid-1", 9), BlobKey::state("uid-1", 10));
        blobs.create(&new, Bytes::from_static(b"ten")).await.unwrap();
        blobs.create(&old, Bytes::from_static(b"nine")).await.unwrap();
        let twice = blobs.create(&old, Bytes::from_static(b"other")).await;
        assert!(matches!(twice, Err(Error::Exists { .. })), "{name}: a state is never overwritten");
        let listed = blobs.list(&BlobKey::state_prefix("uid-1")).await.unwrap();
        assert_eq!(listed.iter().map(|key| key.serial().unwrap()).collect::<Vec<_>>(), [9, 10], "{name}: key order is serial order");
        blobs.put(&old, Bytes::from_static(b"replaced")).await.unwrap();
        assert_eq!(blobs.get(&old).await.unwrap().unwrap().as_ref(), b"replaced", "{name}");
        assert!(blobs.list(&BlobKey::design_prefix("uid-2")).await.unwrap().is_empty(), "{name}: designs do not see each other");
        blobs.delete(&old).await.unwrap();
        blobs.delete(&old).await.unwrap();
        assert!(blobs.get(&old).await.unwrap().is_none(), "{name}");
    }
}

#[tokio::test]
async fn every_blob_is_readable_by_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(directory.path()).await.unwrap();
    let key = BlobKey::secrets("uid-1");
    blobs.put(&key, Bytes::from_static(b"secret")).await.unwrap();
    let mode = std::fs::metadata(directory.path().join(key.as_str())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn hostile_names_stay_inside_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(&directory.path().join("blobs")).await.unwrap();
    let key = BlobKey::job("../../etc", "../x/..", JobBlob::Log);
    blobs.put(&key, Bytes::from_static(b"log")).await.unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was made beside the directory");
    assert_eq!(blobs.list("designs/").await.unwrap(), [key]);
}

#[test]
fn a_step_is_done_once_more_after_eio_and_after_nothing_else() {
    let rows = [
        (libc::EIO, 1, true, 2, "in passing"),
        (libc::EIO, 2, false, 2, "it stays"),
        (libc::ENOSPC, 1, false, 1, "a full disk is not emptied by trying"),
        (libc::EROFS, 1, false, 1, "nor made writable"),
    ];
    for (errno, times, well, tries, reason) in rows {
        let tried = std::cell::Cell::new(0);
        let done = once_more(|| {
            tried.set(tried.get() + 1);
            if tried.get() > times { Ok(()) } else { Err(std::io::Error::from_raw_os_error(errno)) }
        });
        assert_eq!((done.is_ok(), tried.get()), (well, tries), "{reason}");
    }
}

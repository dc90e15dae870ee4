//! One table of promises for both back ends, and what only files can break.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use bytes::Bytes;

use super::*;

const KEY: &str = "registry/designs/default/a.json";

async fn both() -> (tempfile::TempDir, Vec<(&'static str, Arc<dyn Store>)>) {
    let directory = tempfile::tempdir().unwrap();
    let fs = FsStore::open(&directory.path().join("data")).await.unwrap();
    (directory, vec![("memory", Arc::new(MemoryStore::new())), ("fs", Arc::new(fs))])
}

#[tokio::test]
async fn a_write_happens_only_when_its_condition_holds() {
    let (_directory, stores) = both().await;
    for (name, store) in stores {
        let first = store.put(KEY, Bytes::from_static(b"1"), If::Absent).await.unwrap();
        let refused = store.put(KEY, Bytes::from_static(b"2"), If::Absent).await;
        assert!(matches!(refused, Err(Error::Precondition { .. })), "{name}: nothing is created twice");
        let second = store.put(KEY, Bytes::from_static(b"2"), If::Match(first.clone())).await.unwrap();
        assert_ne!(first, second, "{name}: other bytes, other etag");
        let stale = store.put(KEY, Bytes::from_static(b"3"), If::Match(first.clone())).await;
        assert!(matches!(stale, Err(Error::Precondition { .. })), "{name}: a stale writer is refused");
        assert!(matches!(store.delete(KEY, If::Match(first)).await, Err(Error::Precondition { .. })), "{name}: a stale delete is refused");
        let stored = store.get(KEY).await.unwrap().unwrap();
        assert_eq!((stored.bytes.as_ref(), &stored.etag), (b"2".as_ref(), &second), "{name}");
        store.delete(KEY, If::Match(second)).await.unwrap();
        assert!(store.get(KEY).await.unwrap().is_none(), "{name}");
        store.delete(KEY, If::Any).await.unwrap();
        let absent = store.delete(KEY, If::Match(Etag("x".into()))).await;
        assert!(matches!(absent, Err(Error::Precondition { .. })), "{name}: nothing has no etag");
    }
}

#[tokio::test]
async fn a_listing_holds_a_prefix_in_key_order() {
    let (_directory, stores) = both().await;
    for (name, store) in stores {
        for key in ["registry/b/default/2.json", "registry/a/default/1.json", "registry/b/default/1.json"] {
            store.put(key, Bytes::from(key.to_owned()), If::Any).await.unwrap();
        }
        let keys = |found: Vec<Stored>| found.into_iter().map(|stored| stored.key).collect::<Vec<_>>();
        let all = keys(store.list("registry/").await.unwrap());
        assert_eq!(all, ["registry/a/default/1.json", "registry/b/default/1.json", "registry/b/default/2.json"], "{name}");
        assert_eq!(keys(store.list("registry/b/").await.unwrap()).len(), 2, "{name}");
        assert_eq!(keys(store.list("registry/c/").await.unwrap()).len(), 0, "{name}");
    }
}

#[tokio::test]
async fn of_sixteen_racing_writers_exactly_one_wins_each_round() {
    let (_directory, stores) = both().await;
    for (name, store) in stores {
        let mut etag = store.put(KEY, Bytes::from_static(b"start"), If::Any).await.unwrap();
        for round in 0..5 {
            let racers = (0..16).map(|racer| {
                let (store, etag) = (Arc::clone(&store), etag.clone());
                tokio::spawn(async move { store.put(KEY, Bytes::from(format!("{round}-{racer}")), If::Match(etag)).await })
            });
            let outcomes = futures::future::join_all(racers).await;
            let mut winners = outcomes.into_iter().filter_map(|outcome| outcome.unwrap().ok());
            etag = winners.next().unwrap();
            assert!(winners.next().is_none(), "{name}: two writers won round {round}");
            assert_eq!(store.get(KEY).await.unwrap().unwrap().etag, etag, "{name}: the winner's bytes are there");
        }
    }
}

#[tokio::test]
async fn a_key_never_leaves_the_directory() {
    let (_directory, stores) = both().await;
    for (name, store) in stores {
        for key in ["", "/etc/passwd", "registry/../x.json", "registry//x.json", "registry/.hidden", "registry/a b", "registry/\u{65e5}"] {
            assert!(matches!(store.put(key, Bytes::new(), If::Any).await, Err(Error::InvalidKey { .. })), "{name}: {key}");
            assert!(matches!(store.get(key).await, Err(Error::InvalidKey { .. })), "{name}: {key}");
        }
    }
}

#[tokio::test]
async fn the_memory_store_fails_exactly_the_writes_it_is_told_to() {
    let store = MemoryStore::new();
    store.fail_writes(1, 1, std::io::ErrorKind::StorageFull);
    store.put(KEY, Bytes::from_static(b"1"), If::Any).await.unwrap();
    assert!(matches!(store.put(KEY, Bytes::from_static(b"2"), If::Any).await, Err(Error::Io { .. })));
    assert_eq!(store.get(KEY).await.unwrap().unwrap().bytes.as_ref(), b"1");
    store.put(KEY, Bytes::from_static(b"3"), If::Any).await.unwrap();
    assert_eq!(store.writes(), 2);
}

#[tokio::test]
async fn a_second_server_is_refused_and_told_who_holds_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let first = FsStore::open(directory.path()).await.unwrap();
    let Err(Error::Locked { detail }) = FsStore::open(directory.path()).await else { panic!("a second server got in") };
    assert!(detail.contains(&format!("pid {} on host ", std::process::id())), "{detail}");
    drop(first);
    FsStore::open(directory.path()).await.unwrap();
}

#[tokio::test]
async fn files_are_private_and_survive_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("data");
    let etag = FsStore::open(&root).await.unwrap().put(KEY, Bytes::from_static(b"{}"), If::Absent).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&root.join(KEY)), 0o600);
    assert_eq!(mode(root.join(KEY).parent().unwrap()), 0o700);
    assert_eq!(mode(&root), 0o700);
    assert_eq!(mode(&root.join("lock")), 0o600);
    let again = FsStore::open(&root).await.unwrap();
    assert_eq!(again.get(KEY).await.unwrap().unwrap().etag, etag);
}

#[tokio::test]
async fn leftovers_are_removed_and_foreign_files_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("registry/designs/default");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in [(".tmp-store-1-2", "half"), ("notes.txt", "mine"), ("a b.json", "odd"), ("good.json", "{}")] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let store = FsStore::open(directory.path()).await.unwrap();
    assert!(!folder.join(".tmp-store-1-2").exists(), "a half-written file is gone");
    assert!(folder.join("notes.txt").exists(), "a foreign file stays");
    let keys: Vec<_> = store.list("registry/").await.unwrap().into_iter().map(|stored| stored.key).collect();
    assert_eq!(keys, ["registry/designs/default/good.json"]);
}

#[tokio::test]
async fn an_edit_made_by_hand_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let store = FsStore::open(directory.path()).await.unwrap();
    let etag = store.put(KEY, Bytes::from_static(b"1"), If::Any).await.unwrap();
    std::fs::write(directory.path().join(KEY), "by hand").unwrap();
    assert!(matches!(store.put(KEY, Bytes::from_static(b"2"), If::Match(etag)).await, Err(Error::Precondition { .. })));
}

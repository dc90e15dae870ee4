//! How much disk the data directory takes, by part. Blocking: callers move it off the async threads.

use std::io;
use std::path::Path;

use crate::controllers::retention::DiskUse;

/// Parts of the data directory that grow.
const PARTS: [&str; 4] = ["documents", "blobs", "work", "sandbox"];

/// Walks the data directory. What vanishes meanwhile is not counted.
pub fn measure(data_dir: &Path) -> io::Result<DiskUse> {
    let parts = PARTS.into_iter().map(|part| Ok((part, size(&data_dir.join(part))?)));
    Ok(DiskUse { parts: parts.collect::<io::Result<_>>()? })
}

/// Bytes on disk of everything below, each file in whole blocks of 512 bytes as the file system counts them (stat(2)).
/// Links are not followed: the provider in the plugin cache counts once.
fn size(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut total = 0;
    for entry in entries.flatten() {
        let Ok(meta) = entry.path().symlink_metadata() else { continue };
        total += if meta.is_dir() { size(&entry.path()).unwrap_or(0) } else { meta.blocks() * 512 };
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_measured_and_a_link_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work/uid");
        std::fs::create_dir_all(&work).unwrap();
        std::fs::write(work.join("state"), vec![1_u8; 100_000]).unwrap();
        std::os::unix::fs::symlink("state", work.join("link")).unwrap();
        let seen = measure(dir.path()).unwrap();
        let of = |name: &str| seen.parts.iter().find(|(part, _)| *part == name).unwrap().1;
        assert_eq!((of("documents"), of("blobs")), (0, 0));
        assert!((100_000..120_000).contains(&of("work")), "{seen:?}");
    }
}

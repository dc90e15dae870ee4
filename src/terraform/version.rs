//! Version of the terraform binary, cached durably by path, size and mtime: a restart starts no process.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::local::LocalOptions;
use super::workdir::{io_error, write_private};
use super::{Error, args};
use crate::process;

/// Where versions are kept, in the work root.
const FILE: &str = "versions.json";
/// `terraform version` takes 0.1 s; a loaded machine may take much longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks the cache, else the binary.
pub(super) async fn version(options: &LocalOptions, env: BTreeMap<std::ffi::OsString, std::ffi::OsString>) -> Result<String, Error> {
    let program = options.binary.display().to_string();
    let start = |source| Error::Start { program: program.clone(), source };
    let key = key(&options.binary, &options.path).map_err(start)?;
    let path = options.work_root.join(FILE);
    let mut known: BTreeMap<String, String> =
        std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    if let Some(version) = known.get(&key) {
        return Ok(version.clone());
    }
    let command = process::Command { env, ..process::Command::new(&options.binary).args(args::version()).cwd(&options.work_root) };
    let output = process::capture(command, 64 * 1024, PATIENCE).await.map_err(start)?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(version) = answer["terraform_version"].as_str().map(str::to_owned) else {
        return Err(start(std::io::Error::other("`version -json` gives no terraform_version")));
    };
    // Only this binary: old entries are of no use.
    known.clear();
    known.insert(key, version.clone());
    let bytes = serde_json::to_vec(&known).map_err(|error| io_error("write the version")(error.into()))?;
    write_private(&path, &bytes).map_err(io_error("write the version"))?;
    Ok(version)
}

fn key(binary: &Path, search: &str) -> std::io::Result<String> {
    let found = if binary.components().count() > 1 {
        binary.to_owned()
    } else {
        let candidates = search.split(':').map(|directory| PathBuf::from(directory).join(binary));
        candidates.into_iter().find(|path| path.is_file()).ok_or(std::io::ErrorKind::NotFound)?
    };
    let meta = std::fs::metadata(&found)?;
    Ok(format!("{}|{}|{}.{:09}", found.display(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

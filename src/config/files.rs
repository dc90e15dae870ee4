//! Files of the data directory that doors and CLI share: tokens and `server.json`. All 0600, in a directory of 0700.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Error, Secret, Settings, check_token};
use crate::faults;

/// File with the editor token.
pub const EDITOR_TOKEN: &str = "editor.token";
/// File with the approver token.
pub const APPROVER_TOKEN: &str = "approver.token";
/// File that tells clients on this machine where the server is.
pub const SERVER_FILE: &str = "server.json";

/// The two credentials in force.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// edits designs
    pub editor: Secret,
    /// approves
    pub approver: Secret,
}

impl Tokens {
    /// The tokens of a server: as given, else as kept in the data directory, else made now and kept there.
    pub fn prepare(settings: &Settings) -> Result<Self, Error> {
        create_private_dir(&settings.data_dir)?;
        let take = |given: &Option<Secret>, file: &str| match given {
            Some(secret) => Ok(secret.clone()),
            None => read_or_make(&settings.data_dir.join(file)),
        };
        Ok(Tokens { editor: take(&settings.token, EDITOR_TOKEN)?, approver: take(&settings.approver_token, APPROVER_TOKEN)? })
    }
}

/// The token kept in `path`, if there is one.
pub fn read_token(path: &Path) -> Result<Option<Secret>, Error> {
    match fs::read_to_string(path) {
        Ok(text) if check_token(text.trim()).is_ok() => Ok(Some(Secret::new(text.trim()))),
        // a torn or empty file of a crash while writing it: as good as none
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::DataDir { verb: "read", path: path.to_owned(), source }),
    }
}

fn read_or_make(path: &Path) -> Result<Secret, Error> {
    if let Some(token) = read_token(path)? {
        // a copy or an editor may have widened it
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|source| Error::DataDir {
            verb: "protect",
            path: path.to_owned(),
            source,
        })?;
        return Ok(token);
    }
    // 256 bits: cannot be guessed, and base64url needs no escaping in a path
    let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    write_private(path, token.as_bytes())?;
    Ok(Secret::new(token))
}

/// Creates a directory that only its owner can enter.
pub fn create_private_dir(path: &Path) -> Result<(), Error> {
    let refuse = |verb, source| Error::DataDir { verb, path: path.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| refuse("create", source))
}

/// Writes a 0600 file so that a reader sees the old or the new text, never a part.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let refuse = |verb, source| Error::DataDir { verb, path: path.to_owned(), source };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        faults::file("config", &name, "put.before")?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        faults::unsynced(&temporary);
        file.sync_all()?;
        faults::flushed(&temporary);
        faults::file("config", &name, "put.written")?;
        faults::replacing(path);
        fs::rename(&temporary, path)?;
        faults::file("config", &name, "put.renamed")?;
        // A token that was told to somebody must still be the token after a power cut.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(directory)?.sync_all()?;
        faults::synced(directory);
        faults::file("config", &name, "put.synced")
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        refuse("write", source)
    })
}

/// What `server.json` says. The approver token is never in it, and neither is the editor's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFile {
    /// address the server really listens on
    pub address: String,
    /// base URL for clients on this machine
    pub base_url: String,
    /// process id of the server
    pub pid: u32,
    /// version of the server
    pub version: String,
}

impl ServerFile {
    /// Describes this process listening on `address`. An unspecified address is reached by loopback.
    pub fn of(address: std::net::SocketAddr) -> Self {
        let host = match address.ip() {
            std::net::IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
            std::net::IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        ServerFile {
            address: address.to_string(),
            base_url: format!("http://{host}:{}", address.port()),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
    /// Writes it into the data directory.
    pub fn write(&self, data_dir: &Path) -> Result<(), Error> {
        let path = data_dir.join(SERVER_FILE);
        let text =
            serde_json::to_vec_pretty(self).map_err(|error| Error::DataDir { verb: "encode", path: path.clone(), source: error.into() })?;
        write_private(&path, &text)
    }
    /// Reads it; None when no server said where it is.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, Error> {
        let path: PathBuf = data_dir.join(SERVER_FILE);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::DataDir { verb: "read", path, source }),
        }
    }
    /// Removes it at shutdown, unless another server wrote its own since.
    pub fn remove(&self, data_dir: &Path) {
        if Self::read(data_dir).ok().flatten().is_some_and(|found| found == *self) {
            faults::pass("config", "server", "delete.before");
            let _ = fs::remove_file(data_dir.join(SERVER_FILE));
        }
    }
}

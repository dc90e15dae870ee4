//! Names that the server mints or derives: sessions, jobs. Pure functions; no clock, no random source of their own.

use sha2::{Digest, Sha256};

/// Name of a session from a ULID: `s-` and the ULID in lower case, a DNS-1123 label of 28 characters.
pub fn session_name(ulid: ulid::Ulid) -> String {
    format!("s-{}", ulid.to_string().to_lowercase())
}

/// Lower-case hex sha256 of bytes: the form of every digest in documents.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    let hash = Sha256::digest(bytes.as_ref());
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Everything that makes one job different from another. Two jobs with equal keys are the same job: creating it twice is
/// a 409 from the API server, not a second run.
#[derive(Debug, Clone, Copy)]
pub struct JobKey<'a> {
    /// name of the design
    pub design: &'a str,
    /// uid of the design, so that a re-created design never meets its predecessor's jobs
    pub design_uid: &'a str,
    /// lower-case action: `plan`, `apply`, `destroy`, `refresh`
    pub action: &'a str,
    /// digest of the inputs
    pub digest: &'a str,
    /// lineage of the state the job works on; empty when there is no state
    pub lineage: &'a str,
    /// serial of that state
    pub serial: u64,
    /// id of the request that asked for it, or empty
    pub request: &'a str,
    /// uid of the approval that allowed it, or empty
    pub approval: &'a str,
    /// retry attempt, 0 for the first
    pub attempt: u32,
    /// what else asks for a fresh job: the due time of a drift check (seconds), or 0
    pub due: i64,
}

/// `<design>-<action>-<8 hex>`: see [`JobKey`].
pub fn job_name(key: &JobKey<'_>) -> String {
    let JobKey { design, design_uid, action, digest, lineage, serial, request, approval, attempt, due } = key;
    let text = [*design_uid, action, digest, lineage, &serial.to_string(), request, approval, &attempt.to_string(), &due.to_string()]
        .join("\u{1f}");
    format!("{design}-{action}-{}", &sha256_hex(text)[..8])
}

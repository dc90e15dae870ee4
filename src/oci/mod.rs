//! OCI over REST, signed by ourselves: whose request it is (credentials), the signature, the call with its retries, and the
//! search for resources by their tags.
//!
//! Takes settings of the server and nothing from a document: neither an endpoint nor a credential. Knows nothing of designs.

pub mod client;
pub mod credentials;
pub mod profile;
pub mod region;
pub mod search;
pub mod signer;

pub use client::{Client, Options};
pub use credentials::{Credentials, Source};

/// What can go wrong between us and OCI. No variant holds a key, a token or a signature.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// nothing says who signs
    #[error("there are no OCI credentials: {tried}")]
    NoCredentials {
        /// where they were looked for
        tried: String,
    },
    /// they are there and cannot be used
    #[error("the OCI credentials cannot be used: {what}: {detail}")]
    Credentials {
        /// file, key of the file, or variable
        what: String,
        /// why, and what to do
        detail: String,
    },
    /// nobody answered
    #[error("cannot reach {operation}")]
    Unreachable {
        /// `POST /20180409/resources`
        operation: String,
        /// why
        #[source]
        source: reqwest::Error,
    },
    /// OCI refused
    #[error("{operation}: {status}-{code}, {message} (opc-request-id {request_id})")]
    Refused {
        /// what was asked
        operation: String,
        /// HTTP status
        status: u16,
        /// `NotAuthorizedOrNotFound`; empty where the body does not say
        code: String,
        /// words of the service
        message: String,
        /// what Oracle's support asks for
        request_id: String,
    },
    /// an answer that does not read
    #[error("{operation} answered what nobody can read: {detail}")]
    Answer {
        /// what was asked
        operation: String,
        /// why
        detail: String,
    },
}

impl Error {
    /// True when it goes away by itself: nobody answered, too many requests, a failure of the service.
    pub fn is_temporary(&self) -> bool {
        match self {
            Error::Unreachable { .. } => true,
            Error::Refused { status, code, .. } => is_retryable(*status, code),
            Error::NoCredentials { .. } | Error::Credentials { .. } | Error::Answer { .. } => false,
        }
    }
}

/// The default policy of Oracle's Go SDK (common/retry.go): 409 of two kinds, 429, and 500 to 504 but 501.
pub(crate) fn is_retryable(status: u16, code: &str) -> bool {
    match status {
        409 => matches!(code, "IncorrectState" | "LockConflict"),
        429 | 500 | 502..=504 => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_away_by_itself_is_what_oracles_own_sdk_tries_again() {
        let rows = [
            ("too many requests", 429, "TooManyRequests", true),
            ("a state that passes", 409, "IncorrectState", true),
            ("a lock", 409, "LockConflict", true),
            ("another conflict", 409, "BucketAlreadyExists", false),
            ("the service fails", 503, "", true),
            ("not implemented stays so", 501, "", false),
            ("a signature that does not hold", 401, "NotAuthenticated", false),
            ("gone or forbidden: nobody tells which", 404, "NotAuthorizedOrNotFound", false),
        ];
        for (reason, status, code, expected) in rows {
            assert_eq!(is_retryable(status, code), expected, "{reason}");
        }
    }
}

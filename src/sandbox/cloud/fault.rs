//! Things that go wrong on purpose: an error or a delay for an operation on a resource type. Data only; [`super::Cloud`]
//! keeps and consumes them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::api::OciError;

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// made
    Create,
    /// looked at (refresh, import)
    Read,
    /// changed in place
    Update,
    /// removed
    Delete,
}

impl Operation {
    /// Its name, as the command line spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "create",
            Operation::Read => "read",
            Operation::Update => "update",
            Operation::Delete => "delete",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Every operation or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultOperation {
    /// all four
    Any,
    /// one
    #[serde(untagged)]
    One(Operation),
}

impl FaultOperation {
    /// Names that [`FaultOperation::parse`] takes.
    pub const NAMES: [&'static str; 5] = ["any", "create", "read", "update", "delete"];

    /// Reads a name.
    pub fn parse(name: &str) -> Option<FaultOperation> {
        Some(match name {
            "any" => FaultOperation::Any,
            "create" => FaultOperation::One(Operation::Create),
            "read" => FaultOperation::One(Operation::Read),
            "update" => FaultOperation::One(Operation::Update),
            "delete" => FaultOperation::One(Operation::Delete),
            _ => return None,
        })
    }

    fn covers(self, operation: Operation) -> bool {
        match self {
            FaultOperation::Any => true,
            FaultOperation::One(one) => one == operation,
        }
    }
}

/// An error, a delay, or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// which operations
    pub operation: FaultOperation,
    /// which resource type; `*` is every one
    pub resource_type: String,
    /// what the service answers; none = only slow
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<OciError>,
    /// how often; none = until cleared
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// milliseconds before the answer. A slow create exists in the cloud from its start, as a real one does
    #[serde(default)]
    pub delay_ms: u64,
}

impl Fault {
    /// The operation fails with this error, every time.
    pub fn error(operation: FaultOperation, resource_type: &str, error: OciError) -> Fault {
        Fault { operation, resource_type: resource_type.to_owned(), error: Some(error), times: None, delay_ms: 0 }
    }

    /// The operation takes this long, every time.
    pub fn delay(operation: FaultOperation, resource_type: &str, delay: Duration) -> Fault {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        Fault { operation, resource_type: resource_type.to_owned(), error: None, times: None, delay_ms }
    }

    /// Only so often.
    pub fn times(mut self, times: u64) -> Fault {
        self.times = Some(times);
        self
    }

    pub(super) fn covers(&self, operation: Operation, resource_type: &str) -> bool {
        self.operation.covers(operation) && (self.resource_type == "*" || self.resource_type == resource_type) && self.times != Some(0)
    }
}

/// What the faults say to one operation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// the answer instead of the work
    pub error: Option<OciError>,
    /// how long the answer takes
    pub delay: Duration,
}

/// Faults with a name: real errors with the texts seen in the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannedFault {
    /// 400-LimitExceeded on create
    LimitExceeded,
    /// 500-InternalError "Out of host capacity." on create
    OutOfCapacity,
    /// 409-IncorrectState on create: the tenancy does not have the feature
    FeatureNotEnabled,
    /// 429-TooManyRequests on everything
    Throttled,
    /// 404-NotAuthorizedOrNotFound on everything: the policy is gone
    LostPermission,
    /// 409-LockConflict on create
    Conflict,
    /// 409-IncorrectState on update
    IncorrectState,
    /// 503-ServiceUnavailable on everything
    Unavailable,
}

impl CannedFault {
    /// All of them.
    pub const ALL: [CannedFault; 8] = [
        CannedFault::LimitExceeded,
        CannedFault::OutOfCapacity,
        CannedFault::FeatureNotEnabled,
        CannedFault::Throttled,
        CannedFault::LostPermission,
        CannedFault::Conflict,
        CannedFault::IncorrectState,
        CannedFault::Unavailable,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            CannedFault::LimitExceeded => "limit-exceeded",
            CannedFault::OutOfCapacity => "out-of-capacity",
            CannedFault::FeatureNotEnabled => "feature-not-enabled",
            CannedFault::Throttled => "throttled",
            CannedFault::LostPermission => "lost-permission",
            CannedFault::Conflict => "conflict",
            CannedFault::IncorrectState => "incorrect-state",
            CannedFault::Unavailable => "unavailable",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<CannedFault> {
        CannedFault::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// The fault for a resource type (`*` = every one).
    pub fn on(self, resource_type: &str) -> Fault {
        let create = FaultOperation::One(Operation::Create);
        let (operation, status, code, message) = match self {
            CannedFault::LimitExceeded => (create, 400, "LimitExceeded", limit_message(resource_type)),
            CannedFault::OutOfCapacity => (create, 500, "InternalError", "Out of host capacity."),
            CannedFault::FeatureNotEnabled => {
                (create, 409, "IncorrectState", "You are attempting to use a feature that's not currently enabled for this tenancy.")
            }
            CannedFault::Throttled => (FaultOperation::Any, 429, "TooManyRequests", "User-rate limit exceeded."),
            CannedFault::LostPermission => {
                (FaultOperation::Any, 404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")
            }
            CannedFault::Conflict => (create, 409, "LockConflict", "The resource is being changed by another request."),
            CannedFault::IncorrectState => (
                FaultOperation::One(Operation::Update),
                409,
                "IncorrectState",
                "The resource is in a state that does not allow this operation.",
            ),
            CannedFault::Unavailable => (FaultOperation::Any, 503, "ServiceUnavailable", "The service is currently unavailable."),
        };
        Fault::error(operation, resource_type, OciError::new(status, code, message))
    }
}

/// The two texts that were seen in the field, and a neutral one for other types.
fn limit_message(resource_type: &str) -> &'static str {
    match resource_type {
        "oci_streaming_stream" => "You exceeded the number of allowed partitions for your tenancy",
        "oci_functions_application" => "The application-count limit for this tenant has been exceeded",
        _ => "The following service limits were exceeded. Request a service limit increase from the service limits page in the console.",
    }
}

//! The documents: every noun a person, a model, a controller or kubectl can name.
//!
//! Each kind has a `spec` (what is wanted; written by services, CLI, kubectl) and a `status` (what is; written by
//! controllers and, for approvals, stamped by the server). Types derive their CRD schema and their CEL rules, which the
//! embedded API server and a real API server enforce from the same text. No IO and no async here, and nothing above.

pub mod advice;
pub mod approval;
pub mod condition;
pub mod design;
pub mod headline;
pub mod names;
pub mod session;
pub mod terraformjob;
#[cfg(test)]
mod tests;

pub use approval::{Approval, ApprovalSpec, ApprovalStatus};
pub use condition::{Reason, WhoActs};
pub use design::{Design, DesignSpec, DesignStatus};
pub use session::{Session, SessionSpec, SessionStatus};
pub use terraformjob::{TerraformJob, TerraformJobSpec, TerraformJobStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// API group of every Galley document.
pub const GROUP: &str = "galley.dev";
/// API version of every Galley document.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` as it stands in a document.
pub const API_VERSION: &str = "galley.dev/v1alpha1";
/// The only namespace the embedded server serves.
pub const NAMESPACE: &str = "default";
/// Field manager and reporting controller of everything Galley writes.
pub const MANAGER: &str = "galley";

/// Finalizer on Session: removed when its Design is gone.
pub const SESSION_FINALIZER: &str = "galley.dev/session";
/// Finalizer on Design: removed when its Terraform state is known empty (or `onDelete: Orphan`).
pub const DESIGN_FINALIZER: &str = "galley.dev/terraform-state";
/// Finalizer on TerraformJob: removed when the job is terminal.
pub const JOB_FINALIZER: &str = "galley.dev/job";

/// An instant as it stands in documents (RFC 3339, UTC).
pub type Time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The four generated CRDs, in the order `galley crds` prints them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    use kube::CustomResourceExt;
    vec![Session::crd(), Design::crd(), TerraformJob::crd(), Approval::crd()]
}

/// The files of `crds/` as the build has made JSON of them: (file name, text).
const COMMITTED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/crds-compact.rs"));

/// The same, read from what was committed: making them from the types is most of the work of a start. That `crds/` says what
/// the types say is a test; who changes a type runs `make crds`.
///
/// # Errors
/// When a committed file is no CRD, or one is missing: a build that its own tests would have refused.
pub fn committed_crds() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    use kube::Resource;
    let plurals = [Session::plural(&()), Design::plural(&()), TerraformJob::plural(&()), Approval::plural(&())];
    let committed = |plural: &str| COMMITTED.iter().find(|(name, _)| name.strip_suffix(".yaml") == Some(plural));
    plurals.iter().map(|plural| serde_json::from_str(committed(plural).map_or("", |(_, json)| json))).collect()
}

//! Errors of the simulated service, in the exact layout that the real provider prints. The layout and the suggestions are
//! those of provider 8.28.0 (error and error-suggestion sources; fixtures of a failing apply).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::render::schema::PROVIDER_VERSION;

use super::super::cloud::Operation;
use super::Region;

/// Release date of [`PROVIDER_VERSION`]; the provider counts the weeks since.
const RELEASED: &str = "2026-08-19";

/// An error of an OCI service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OciError {
    /// HTTP status
    pub status: u16,
    /// the service's code (`LimitExceeded`)
    pub code: String,
    /// the service's text
    pub message: String,
}

impl fmt::Display for OciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}, {}", self.status, self.code, self.message)
    }
}

impl OciError {
    /// An error.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> OciError {
        OciError { status, code: code.to_owned(), message: message.into() }
    }

    /// 400-InvalidParameter
    pub(crate) fn invalid(message: impl Into<String>) -> OciError {
        OciError::new(400, "InvalidParameter", message)
    }

    /// 404-NotAuthorizedOrNotFound: a service never tells which.
    pub(crate) fn not_found() -> OciError {
        OciError::new(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")
    }

    /// 409-Conflict
    pub(crate) fn conflict(message: impl Into<String>) -> OciError {
        OciError::new(409, "Conflict", message)
    }

    /// `<status>-<code>`
    pub fn outcome(&self) -> String {
        format!("{}-{}", self.status, self.code)
    }

    /// The text that the real provider puts into the summary of its diagnostic.
    pub(crate) fn layout(&self, call: &Call<'_>) -> String {
        let service = service_name(call.resource_type);
        let (method, target) = call.target();
        format!(
            "{self}\nSuggestion: {}\nDocumentation: https://registry.terraform.io/providers/oracle/oci/latest/docs/{}/{} \nAPI Reference: {} \nRequest Target: {method} {target} \n{} \nService: {service} \nOperation Name: {} \nOPC request ID: {} \n",
            self.suggestion(&service),
            if call.data_source { "data-sources" } else { "resources" },
            document_name(call.resource_type),
            call.reference(),
            version_line(call.now),
            call.operation_name(),
            super::identity::request_id(),
        )
    }

    fn suggestion(&self, service: &str) -> String {
        match (self.status, self.code.as_str()) {
            (400, "InvalidParameter") => {
                format!("Please update the parameter(s) in the Terraform config as per error message {}", self.message)
            }
            (400, "LimitExceeded") => format!("Request a service limit increase for this resource {service}"),
            (400, "QuotaExceeded") => {
                format!("Contact your administrator to increase limit for your account or compartment for this service: {service}")
            }
            (404, _) => format!(
                "Either the resource has been deleted or service {service} need policy to access this resource. Policy reference: https://docs.oracle.com/en-us/iaas/Content/Identity/Reference/policyreference.htm"
            ),
            (409, _) => {
                format!("The resource is in a conflicted state. Please retry again or contact support for help with service: {service}")
            }
            (429, _) => "Please re-apply your Terraform config and/or increase the retry timeout using this document: https://docs.oracle.com/en-us/iaas/Content/API/SDKDocs/terraformtroubleshooting.htm#common_issues__automaticretries".to_owned(),
            (500, _) => {
                format!("The service for this resource encountered an error. Please contact support for help with service: {service}")
            }
            _ => format!("Please retry or contact support for help with service: {service}"),
        }
    }
}

/// The call that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) resource_type: &'a str,
    pub(crate) operation: Operation,
    pub(crate) data_source: bool,
    /// id of the resource; empty before it exists
    pub(crate) id: &'a str,
    pub(crate) region: &'a Region,
    pub(crate) now: jiff::Timestamp,
}

#[derive(Deserialize)]
struct Target {
    method: String,
    url: String,
}

fn targets() -> &'static BTreeMap<String, Target> {
    static TARGETS: OnceLock<BTreeMap<String, Target>> = OnceLock::new();
    TARGETS.get_or_init(|| serde_json::from_str(include_str!("../../../rules/provider/operations.json")).unwrap_or_default())
}

impl Call<'_> {
    fn target(&self) -> (&str, String) {
        let known = targets().get(self.resource_type);
        let url = known.map_or_else(
            || format!("https://iaas.{}.oraclecloud.com", self.region.id),
            |target| target.url.replace("{region}", &self.region.id),
        );
        let url = if self.region.domain == "oraclecloud.com" { url } else { url.replace("oraclecloud.com", &self.region.domain) };
        match self.operation {
            Operation::Create => (known.map_or("POST", |target| target.method.as_str()), url),
            Operation::Read => ("GET", format!("{url}/{}", self.id)),
            Operation::Update => ("PUT", format!("{url}/{}", self.id)),
            Operation::Delete => ("DELETE", format!("{url}/{}", self.id)),
        }
    }

    /// `https://docs.oracle.com/iaas/api/#/en/<service>/<version>/<Resource>/<Operation>`; empty when the version is not in
    /// the target, as the real provider prints it for services without a reference link.
    fn reference(&self) -> String {
        let Some(target) = targets().get(self.resource_type) else { return String::new() };
        let version = target.url.split('/').find(|part| part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_digit()));
        let (service, _) = split(self.resource_type);
        let service = match service {
            "core" => "iaas",
            other => other,
        };
        let version = match (version, service) {
            (Some(version), _) => version,
            (None, "objectstorage") => "20160918",
            (None, _) => return String::new(),
        };
        format!(
            "https://docs.oracle.com/iaas/api/#/en/{}/{version}/{}/{}",
            service.replace('_', ""),
            resource_name(self.resource_type),
            self.operation_name()
        )
    }

    fn operation_name(&self) -> String {
        let verb = match self.operation {
            Operation::Create => match self.resource_type {
                "oci_core_instance" => return "LaunchInstance".to_owned(),
                "oci_core_volume_attachment" => return "AttachVolume".to_owned(),
                "oci_core_vnic_attachment" => return "AttachVnic".to_owned(),
                "oci_core_network_security_group_security_rule" => return "AddNetworkSecurityGroupSecurityRules".to_owned(),
                _ => "Create",
            },
            Operation::Read if self.data_source => "List",
            Operation::Read => "Get",
            Operation::Update => "Update",
            Operation::Delete => match self.resource_type {
                "oci_core_instance" => return "TerminateInstance".to_owned(),
                "oci_core_volume_attachment" => return "DetachVolume".to_owned(),
                "oci_core_vnic_attachment" => return "DetachVnic".to_owned(),
                "oci_core_network_security_group_security_rule" => return "RemoveNetworkSecurityGroupSecurityRules".to_owned(),
                _ => "Delete",
            },
        };
        format!("{verb}{}", resource_name(self.resource_type))
    }
}

/// Services whose name has more than one word.
const LONG_SERVICES: [&str; 8] = [
    "network_load_balancer",
    "load_balancer",
    "file_storage",
    "container_instances",
    "network_firewall",
    "certificates_management",
    "generative_ai",
    "golden_gate",
];

/// `oci_core_vcn` → (`core`, `vcn`)
pub(crate) fn split(resource_type: &str) -> (&str, &str) {
    let name = resource_type.strip_prefix("oci_").unwrap_or(resource_type);
    for service in LONG_SERVICES {
        if let Some(resource) = name.strip_prefix(service).and_then(|rest| rest.strip_prefix('_')) {
            return (service, resource);
        }
    }
    name.split_once('_').unwrap_or((name, name))
}

fn words(name: &str) -> impl Iterator<Item = String> {
    name.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    })
}

/// The resource part in the API's spelling: `oci_mysql_mysql_db_system` → `DbSystem`.
fn resource_name(resource_type: &str) -> String {
    let (service, resource) = split(resource_type);
    let repeated = resource.strip_prefix(service).and_then(|rest| rest.strip_prefix('_')).unwrap_or(resource);
    words(repeated).collect()
}

/// The provider's name of the service: the words of the type, each once.
pub(crate) fn service_name(resource_type: &str) -> String {
    let mut seen = Vec::new();
    for word in words(&document_name(resource_type)) {
        if !seen.contains(&word) {
            seen.push(word);
        }
    }
    seen.join(" ")
}

fn document_name(resource_type: &str) -> String {
    resource_type.strip_prefix("oci_").unwrap_or(resource_type).replace("objectstorage", "object_storage")
}

fn version_line(now: jiff::Timestamp) -> String {
    let mut line = format!("Provider version: {PROVIDER_VERSION}, released on {RELEASED}. ");
    let released: Option<jiff::Timestamp> = format!("{RELEASED}T00:00:00Z").parse().ok();
    let days = released.map_or(0, |released| now.duration_since(released).as_hours() / 24);
    if days > 8 {
        line.push_str(&format!("This provider is {} Update(s) behind to current.", days / 7));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(error: &OciError, resource_type: &str) -> String {
        let region = Region::named("ap-osaka-1");
        let now = "2026-11-23T19:38:00Z".parse().unwrap();
        let call = Call { resource_type, operation: Operation::Create, data_source: false, id: "", region: &region, now };
        error.layout(&call)
    }

    #[test]
    fn errors_have_the_layout_of_the_real_provider() {
        let error = OciError::new(400, "LimitExceeded", "You exceeded the number of allowed partitions for your tenancy");
        let text = layout(&error, "oci_streaming_stream");
        let (before, id) = text.split_once("OPC request ID: ").unwrap();
        assert_eq!(
            before,
            "400-LimitExceeded, You exceeded the number of allowed partitions for your tenancy\nSuggestion: Request a service limit increase for this resource Streaming Stream\nDocumentation: https://registry.terraform.io/providers/oracle/oci/latest/docs/resources/streaming_stream \nAPI Reference: https://docs.oracle.com/iaas/api/#/en/streaming/20180418/Stream/CreateStream \nRequest Target: POST https://streaming.ap-osaka-1.oci.oraclecloud.com/20180418/streams \nProvider version: 8.28.0, released on 2026-08-19. This provider is 13 Update(s) behind to current. \nService: Streaming Stream \nOperation Name: CreateStream \n"
        );
        assert!(id.ends_with(" \n"));
        let database = layout(&OciError::new(409, "IncorrectState", "x"), "oci_database_autonomous_database");
        assert!(database.contains("help with service: Database Autonomous\n") && database.contains("\nService: Database Autonomous \n"));
        assert!(database.contains("/en/database/20160918/AutonomousDatabase/CreateAutonomousDatabase \n"), "{database}");
        let bucket = layout(&OciError::new(400, "InvalidBucketName", "x"), "oci_objectstorage_bucket");
        assert!(bucket.contains("contact support for help with service: Object Storage Bucket\nDocumentation: https://registry.terraform.io/providers/oracle/oci/latest/docs/resources/object_storage_bucket \nAPI Reference: https://docs.oracle.com/iaas/api/#/en/objectstorage/20160918/Bucket/CreateBucket \n"), "{bucket}");
    }

    #[test]
    fn every_resource_type_but_the_unknown_has_a_request_target() {
        for resource_type in crate::render::schema::Schema::builtin().resource_types() {
            assert!(targets().contains_key(resource_type), "{resource_type}");
        }
    }
}

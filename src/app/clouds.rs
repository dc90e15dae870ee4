//! The simulated clouds of this server: what a person at a console does to them, looking up what an interrupted apply
//! made, and the provider process itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::cli::args::SandboxProviderArgs;
use crate::http::admin::{AdminError, Fault as WantedFault, SandboxAdmin};
use crate::render::schema::Schema;
use crate::sandbox::admin as console;
use crate::sandbox::{CannedFault, Cloud, CloudResource, Error as SandboxError, Fault, FaultOperation, OciError, provider};
use crate::terraform::{self, Lookup, Whose};

/// `galley sandbox-provider`: serves one design's cloud until it is idle.
pub async fn provide(args: SandboxProviderArgs) -> anyhow::Result<()> {
    let SandboxProviderArgs { socket, cloud, types, idle } = args;
    let options = provider::Options { socket, cloud_dir: cloud, types: types.into_iter().collect(), idle_exit: Duration::from_secs(idle) };
    // it brings its own small runtime, so that it is the same wherever it is called from
    tokio::task::spawn_blocking(move || provider::serve(options)).await??;
    Ok(())
}

/// Every cloud under one directory, one per design uid.
pub struct Clouds {
    root: PathBuf,
}

impl Clouds {
    /// `root` holds one directory per design uid.
    pub fn new(root: PathBuf) -> Self {
        Clouds { root }
    }

    /// Runs `work` on the cloud of a design, off the async threads: it locks and syncs files.
    async fn with<T: Send + 'static>(
        &self,
        design_uid: &str,
        work: impl FnOnce(&Cloud) -> Result<T, SandboxError> + Send + 'static,
    ) -> Result<T, SandboxError> {
        let dir = self.root.join(design_uid);
        let result = tokio::task::spawn_blocking(move || work(&Cloud::open(dir)?)).await;
        match result {
            Ok(result) => result,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

fn admin(error: SandboxError) -> AdminError {
    let text = error.to_string();
    match error {
        SandboxError::NotFound { .. } => AdminError::NotFound(text),
        SandboxError::Io { .. } | SandboxError::Corrupt { .. } | SandboxError::Encode { .. } | SandboxError::Closed => {
            AdminError::Unavailable(text)
        }
        SandboxError::UnknownPath { .. }
        | SandboxError::WrongType { .. }
        | SandboxError::NotEditable { .. }
        | SandboxError::UnknownType { .. }
        | SandboxError::UnknownWord { .. } => AdminError::Invalid(text),
    }
}

/// A resource for people: sensitive attributes are named and not shown.
fn shown(resource: &CloudResource) -> Value {
    let mut attributes = resource.attributes.clone();
    if let (Some(map), Some(block)) = (attributes.as_object_mut(), Schema::builtin().resource(&resource.resource_type)) {
        for (name, value) in map.iter_mut() {
            if block.attributes.get(name).is_some_and(|attribute| attribute.sensitive) && !value.is_null() {
                *value = json!("(sensitive)");
            }
        }
    }
    json!({"id": resource.id, "type": resource.resource_type, "address": resource.address(), "attributes": attributes})
}

#[async_trait]
impl SandboxAdmin for Clouds {
    async fn list(&self, design_uid: &str) -> Result<Value, AdminError> {
        self.with(design_uid, |cloud| {
            let resources: Vec<Value> = cloud.list()?.iter().map(shown).collect();
            let faults = cloud.faults()?;
            Ok(json!({ "resources": resources, "faults": faults }))
        })
        .await
        .map_err(admin)
    }

    async fn set(&self, design_uid: &str, id: &str, attribute: &str, value: Value) -> Result<Value, AdminError> {
        let (id, attribute) = (id.to_owned(), attribute.to_owned());
        self.with(design_uid, move |cloud| {
            console::set(cloud, &id, &attribute, value)?;
            console::get(cloud, &id)
        })
        .await
        .map(|resource| shown(&resource))
        .map_err(admin)
    }

    async fn delete(&self, design_uid: &str, id: &str) -> Result<Value, AdminError> {
        let id = id.to_owned();
        self.with(design_uid, move |cloud| console::delete(cloud, &id)).await.map(|resource| shown(&resource)).map_err(admin)
    }

    async fn fail(&self, design_uid: &str, fault: WantedFault) -> Result<Value, AdminError> {
        let WantedFault { resource_type, operation, status, code, message, times, delay_ms } = fault;
        let name = if operation == "*" { "any" } else { operation.as_str() };
        let Some(operation) = FaultOperation::parse(name) else {
            return Err(AdminError::Invalid(format!(
                "{operation} is no operation; allowed are {} and *",
                FaultOperation::NAMES.join(", ")
            )));
        };
        console::known_type(&resource_type).map_err(admin)?;
        let usual = CannedFault::ALL
            .into_iter()
            .filter_map(|canned| canned.on(&resource_type).error)
            .find(|error| error.status == status && error.code == code)
            .map(|error| error.message);
        let message = message.or(usual).unwrap_or_else(|| code.clone());
        let mut wanted = Fault::error(operation, &resource_type, OciError::new(status, &code, message));
        wanted.times = times.map(u64::from);
        wanted.delay_ms = delay_ms.unwrap_or(0);
        self.with(design_uid, move |cloud| {
            cloud.fail(wanted)?;
            cloud.faults()
        })
        .await
        .map(|faults| json!({ "faults": faults }))
        .map_err(admin)
    }

    async fn clear(&self, design_uid: &str) -> Result<Value, AdminError> {
        self.with(design_uid, Cloud::clear_faults).await.map(|count| json!({ "cleared": count })).map_err(admin)
    }
}

#[async_trait]
impl Lookup for Clouds {
    async fn find(
        &self,
        whose: Whose<'_>,
        address: &str,
        planned: &Value,
        known_ids: &BTreeSet<String>,
    ) -> Result<Option<String>, terraform::Error> {
        let resource_type = address.rsplit('.').nth(1).unwrap_or_default();
        let (uid, address, kind, planned, known) =
            (whose.design_uid.to_owned(), address.to_owned(), resource_type.to_owned(), planned.clone(), known_ids.clone());
        let taggable = Schema::builtin().resource(resource_type).is_some_and(|block| block.attributes.contains_key("freeform_tags"));
        let found = self
            .with(whose.design_uid, move |cloud| {
                if taggable {
                    let tagged = cloud.find_by_tags(&uid, &address)?;
                    return Ok(tagged.into_iter().map(|resource| resource.id).find(|id| !known.contains(id)));
                }
                let excluding: Vec<String> = known.into_iter().collect();
                Ok(cloud.find_like(&kind, &planned, &excluding)?.into_iter().next())
            })
            .await;
        found.map_err(|error| terraform::Error::Provider { detail: error.to_string() })
    }

    async fn tagged(&self, whose: Whose<'_>, known_ids: &BTreeSet<String>) -> Result<BTreeMap<String, String>, terraform::Error> {
        let (uid, known) = (whose.design_uid.to_owned(), known_ids.clone());
        let found = self.with(whose.design_uid, move |cloud| {
            let ours = |resource: &CloudResource| resource.tags.get(crate::sandbox::TAG_DESIGN).is_some_and(|tag| *tag == uid);
            let free = |resource: &CloudResource| !known.contains(&resource.id) && resource.text("id").is_none_or(|id| !known.contains(id));
            let listed = cloud.list()?.into_iter().filter(|resource| ours(resource) && free(resource));
            Ok(listed.filter_map(|resource| Some((resource.address()?.to_owned(), resource.id))).collect())
        });
        found.await.map_err(|error| terraform::Error::Provider { detail: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(resource_type: &str, operation: &str) -> WantedFault {
        serde_json::from_value(json!({ "resource_type": resource_type, "operation": operation, "status": 429, "code": "TooManyRequests" }))
            .unwrap()
    }

    #[tokio::test]
    async fn a_person_at_the_console_is_told_what_cannot_be() {
        let dir = tempfile::tempdir().unwrap();
        let clouds = Clouds::new(dir.path().to_owned());
        let vcn = json!({ "id": "ocid1.vcn.oc1..a", "display_name": "Dev VCN" });
        let made = CloudResource {
            id: "ocid1.vcn.oc1..a".into(),
            resource_type: "oci_core_vcn".into(),
            attributes: vcn,
            created_at: "2026-01-01T00:00:00Z".into(),
            tags: std::collections::BTreeMap::new(),
        };
        Cloud::open(dir.path().join("u")).unwrap().transact(|transaction| transaction.put(made)).unwrap();
        for (why, attribute, value, ok) in [
            ("a name", "display_name", json!("Changed here"), true),
            ("an attribute that no VCN has: nobody would ever see the change", "nosuchattribute", json!(1), false),
            ("a list where a text belongs", "display_name", json!(["a"]), false),
            ("the id is what the state knows it by", "id", json!("other"), false),
        ] {
            let set = clouds.set("u", "ocid1.vcn.oc1..a", attribute, value).await;
            assert_eq!(set.is_ok(), ok, "{why}: {set:?}");
        }
        for (why, resource_type, operation, ok) in [
            ("a type", "oci_core_vcn", "create", true),
            ("every type", "*", "*", true),
            ("a type that does not exist: it would never fail", "oci_core_vcm", "create", false),
            ("an operation that does not exist", "oci_core_vcn", "destroy", false),
        ] {
            let failed = clouds.fail("u", fault(resource_type, operation)).await;
            assert_eq!(failed.is_ok(), ok, "{why}: {failed:?}");
        }
    }
}

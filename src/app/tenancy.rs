//! A real tenancy as the hand meets it: credentials for terraform's provider, and looking up by tag what an interrupted apply
//! may have made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::clouds::Clouds;
use crate::api::WhoActs;
use crate::api::design::Target;
use crate::clock::Clock;
use crate::oci::region::Region;
use crate::oci::search::{self, Hit};
use crate::oci::{Client, Credentials, Error as OciError, Options};
use crate::sandbox::{TAG_ADDRESS, TAG_DESIGN};
use crate::terraform::{Error, Lookup, ProviderHost, Whose};

/// Types whose import takes more than their OCID, and more than a search tells (provider 8.28.0, website/docs/r).
const MORE_THAN_AN_OCID: [(&str, &str); 3] = [
    ("oci_kms_key", "managementEndpoint/ENDPOINT/keys/OCID"),
    ("oci_logging_log", "logGroupId/OCID/logId/OCID"),
    ("oci_identity_tag", "tagNamespaces/OCID/tags/NAME"),
];

/// The tenancy of this server.
pub struct Tenancy {
    credentials: Arc<Credentials>,
    client: Client,
    /// nothing outside of it is ever taken over
    compartment: Option<String>,
}

impl Tenancy {
    /// Reads nothing yet: credentials are looked for when they are needed.
    pub fn new(
        environment: &BTreeMap<String, String>,
        compartment: Option<String>,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OciError> {
        let credentials = Arc::new(Credentials::new(environment));
        let client = Client::new(credentials.clone(), clock, options)?;
        Ok(Tenancy { credentials, client, compartment })
    }

    /// Everything that carries the tags of a design and is not gone: address → what was found.
    async fn hits(&self, whose: Whose<'_>) -> Result<BTreeMap<String, Vec<Hit>>, Error> {
        let Some(compartment) = &self.compartment else {
            return Err(stalled("GALLEY_WORK_COMPARTMENT_ID is not set: nobody knows where to look".to_owned()));
        };
        let region = Region::named(whose.region);
        let found = search::tagged(&self.client, &region, compartment, (TAG_DESIGN, whose.design_uid)).await.map_err(failed)?;
        let mut by_address: BTreeMap<String, Vec<Hit>> = BTreeMap::new();
        for hit in found {
            if let Some(address) = hit.freeform_tags.get(TAG_ADDRESS).cloned() {
                by_address.entry(address).or_default().push(hit);
            }
        }
        Ok(by_address)
    }

    /// What terraform's import takes for a resource that was found. Err(shape): more than we know.
    async fn import_id(&self, region: &str, address: &str, hit: &Hit) -> Result<Result<String, &'static str>, Error> {
        let kind = address.rsplit('.').nth(1).unwrap_or_default();
        if let Some((_, shape)) = MORE_THAN_AN_OCID.iter().find(|(known, _)| *known == kind) {
            return Ok(Err(shape));
        }
        if kind != "oci_objectstorage_bucket" {
            return Ok(Ok(hit.identifier.clone()));
        }
        let namespace = search::namespace(&self.client, &Region::named(region)).await.map_err(failed)?;
        // a bucket is known by its name; the search gives that as the display name, and an OCID beside it
        let name = hit.display_name.as_deref().unwrap_or(&hit.identifier);
        Ok(Ok(format!("n/{namespace}/b/{name}")))
    }

    /// The import id of the one resource that carries an address; None when there is none that is not known already.
    async fn one(&self, whose: Whose<'_>, address: &str, hits: &[Hit], known: &BTreeSet<String>) -> Result<Option<String>, Error> {
        let mut free = Vec::new();
        for hit in hits.iter().filter(|hit| !known.contains(&hit.identifier)) {
            match self.import_id(whose.region, address, hit).await? {
                Ok(id) if known.contains(&id) => {}
                found => free.push((hit, found)),
            }
        }
        match free.as_slice() {
            [] => Ok(None),
            [(_, Ok(id))] => Ok(Some(id.clone())),
            [(hit, Err(shape))] => Err(stalled(format!(
                "{address} was made and is {}; its import takes {shape}: galley adopt {} {address}=…",
                hit.identifier, whose.design
            ))),
            more => {
                let ids: Vec<&str> = more.iter().map(|(hit, _)| hit.identifier.as_str()).collect();
                Err(stalled(format!(
                    "{address} stands in the tags of {} resources ({}): delete all but one in the console, or adopt one: galley adopt {} {address}=OCID",
                    ids.len(),
                    ids.join(", "),
                    whose.design
                )))
            }
        }
    }
}

fn stalled(detail: String) -> Error {
    Error::Tenancy { detail, who: WhoActs::Stalled }
}

fn failed(error: OciError) -> Error {
    let who = if error.is_temporary() { WhoActs::Retry } else { WhoActs::Stalled };
    let mut detail = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        detail.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    if let OciError::Refused { status: 401 | 404, .. } = &error {
        detail.push_str("; check the clock, the API key and the policy (inspect all-resources in the work compartment)");
    }
    Error::Tenancy { detail, who }
}

#[async_trait]
impl ProviderHost for Tenancy {
    async fn prepare(&self, _design_uid: &str, _target: Target, _types: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error> {
        // said here in words that help, and not by the provider in a plan that fails
        self.credentials.source().map_err(failed)?;
        Ok(self.credentials.for_terraform())
    }
}

#[async_trait]
impl Lookup for Tenancy {
    async fn find(&self, whose: Whose<'_>, address: &str, _planned: &Value, known_ids: &BTreeSet<String>) -> Result<Option<String>, Error> {
        let hits = self.hits(whose).await?;
        self.one(whose, address, hits.get(address).map_or(&[], Vec::as_slice), known_ids).await
    }

    async fn tagged(&self, whose: Whose<'_>, known_ids: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error> {
        let mut found = BTreeMap::new();
        for (address, hits) in self.hits(whose).await? {
            if let Some(id) = self.one(whose, &address, &hits, known_ids).await? {
                found.insert(address, id);
            }
        }
        Ok(found)
    }
}

/// One lookup per target.
pub struct Lookups {
    /// the simulated clouds
    pub sandbox: Arc<Clouds>,
    /// the tenancy
    pub oci: Arc<Tenancy>,
}

impl Lookups {
    fn of(&self, target: Target) -> &dyn Lookup {
        match target {
            Target::Sandbox => &*self.sandbox,
            Target::Oci => &*self.oci,
        }
    }
}

#[async_trait]
impl Lookup for Lookups {
    async fn find(&self, whose: Whose<'_>, address: &str, planned: &Value, known_ids: &BTreeSet<String>) -> Result<Option<String>, Error> {
        self.of(whose.target).find(whose, address, planned, known_ids).await
    }
    async fn tagged(&self, whose: Whose<'_>, known_ids: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error> {
        self.of(whose.target).tagged(whose, known_ids).await
    }
}

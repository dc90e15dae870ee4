//! What one Terraform run reads: files, variables, names of secrets, provider types. Kept in blobs under its digest before
//! the job exists, and again as "applied" before an apply starts, so that a destroy needs no design.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hcl::structure::{Attribute, Block, Body};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Error;
use super::secrets::SecretBook;
use crate::api::design::Target;
use crate::blobs::{BlobKey, Blobs};
use crate::render::Rendered;

/// Terraform merges files with this ending over the others: it gives variables that lost their value a default.
const OVERRIDE_FILE: &str = "galley_override.tf";

/// Everything a run reads but the secret values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inputs {
    /// file name → text
    pub files: BTreeMap<String, String>,
    /// values that are not secret
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// names of secret variables; their values stay in the secrets blob
    #[serde(default)]
    pub secrets: BTreeSet<String>,
    /// resource and data source types in the files
    #[serde(default)]
    pub types: BTreeSet<String>,
}

/// What a plan depends on beside its inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// version of terraform
    pub terraform: String,
    /// version of the provider
    pub provider: String,
}

impl Inputs {
    /// Inputs of a rendered design.
    pub fn of(rendered: &Rendered) -> Self {
        Inputs {
            files: rendered.files.clone(),
            variables: rendered.variables.clone(),
            secrets: rendered.secrets.iter().map(|need| need.name.clone()).collect(),
            types: rendered.types.clone(),
        }
    }

    /// Nothing but the provider: what a destroy is planned with when no applied files are left.
    pub fn provider_only(region: &str) -> Result<Self, Error> {
        let oci = hcl::Expression::from_iter([("source", "oracle/oci")]);
        let providers = Block::builder("required_providers").add_attribute(("oci", oci)).build();
        let body = Body::builder()
            .add_block(Block::builder("terraform").add_block(providers).build())
            .add_block(Block::builder("provider").add_label("oci").add_attribute(("region", region)).build())
            .build();
        let text = hcl::to_string(&body).map_err(|_| Error::Decode { what: "the provider configuration" })?;
        Ok(Inputs { files: BTreeMap::from([("main.tf".to_owned(), text)]), ..Inputs::default() })
    }

    /// The same inputs, runnable although some secrets have no value any more: those variables default to null, which a
    /// destroy or a refresh never reads. (Run with terraform 1.11.4: an override file may add a default.)
    pub fn without_values(mut self, book: &SecretBook) -> Result<Self, Error> {
        let known = book.values(&self.secrets);
        let lost: Vec<String> = self.secrets.iter().filter(|name| !known.contains_key(*name)).cloned().collect();
        if lost.is_empty() {
            return Ok(self);
        }
        let blocks = lost.iter().map(|name| {
            Block::builder("variable").add_label(name.as_str()).add_attribute(Attribute::new("default", hcl::Expression::Null)).build()
        });
        let body: Body = blocks.collect();
        let text = hcl::to_string(&body).map_err(|_| Error::Decode { what: "the override file" })?;
        self.files.insert(OVERRIDE_FILE.to_owned(), text);
        self.secrets.retain(|name| known.contains_key(name));
        Ok(self)
    }

    /// sha256 over everything that decides what a plan says; every part is preceded by its length, so that no two inputs
    /// run into each other.
    pub fn digest(&self, book: &SecretBook, target: Target, toolchain: &Toolchain) -> String {
        Content::of(&self.files, &self.variables, self.secrets.clone()).digest(book, target, toolchain)
    }

    /// Reads inputs from a blob.
    pub async fn load(blobs: &dyn Blobs, key: &BlobKey) -> Result<Option<Self>, Error> {
        match blobs.get(key).await? {
            Some(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|_| Error::Decode { what: "the stored inputs" }),
            None => Ok(None),
        }
    }

    /// Writes inputs to a blob.
    pub async fn store(&self, blobs: &dyn Blobs, key: &BlobKey) -> Result<(), Error> {
        let bytes = serde_json::to_vec(self).map_err(|source| Error::Encode { what: "the inputs", source })?;
        Ok(blobs.put(key, Bytes::from(bytes)).await?)
    }
}

/// Inputs as far as a digest needs them: remembered where the files themselves are not, which are hundreds of KiB.
#[derive(Debug, Clone)]
pub struct Content {
    /// over files and variables
    hash: Sha256,
    secrets: BTreeSet<String>,
}

impl Content {
    fn of(files: &BTreeMap<String, String>, variables: &BTreeMap<String, String>, secrets: BTreeSet<String>) -> Self {
        let mut hash = Sha256::new();
        part(&mut hash, "galley inputs 1");
        for (title, map) in [("files", files), ("variables", variables)] {
            part(&mut hash, title);
            part(&mut hash, &map.len().to_string());
            for (name, text) in map {
                part(&mut hash, name);
                part(&mut hash, text);
            }
        }
        Content { hash, secrets }
    }

    /// Of a rendered design.
    pub fn of_design(rendered: &Rendered) -> Self {
        Content::of(&rendered.files, &rendered.variables, rendered.secrets.iter().map(|need| need.name.clone()).collect())
    }

    /// See [`Inputs::digest`].
    pub fn digest(&self, book: &SecretBook, target: Target, toolchain: &Toolchain) -> String {
        let mut hash = self.hash.clone();
        part(&mut hash, "secrets");
        for name in &self.secrets {
            part(&mut hash, name);
            part(&mut hash, &book.version(name).to_string());
        }
        let target = match target {
            Target::Sandbox => "sandbox",
            Target::Oci => "oci",
        };
        [target, &toolchain.provider, &toolchain.terraform].into_iter().for_each(|text| part(&mut hash, text));
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn part(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolchain() -> Toolchain {
        Toolchain { terraform: "1.11.4".into(), provider: "8.28.0".into() }
    }
    fn inputs(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Inputs {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Inputs { files: map(files), variables: map(variables), ..Inputs::default() }
    }

    #[test]
    fn a_digest_changes_with_everything_that_decides_a_plan_and_with_nothing_else() {
        let book = SecretBook::default();
        let base = inputs(&[("a", "bc")], &[("v", "1")]);
        let digest = |inputs: &Inputs| inputs.digest(&book, Target::Sandbox, &toolchain());
        assert_eq!(digest(&base), digest(&base.clone()));
        assert_ne!(digest(&base), digest(&inputs(&[("ab", "c")], &[("v", "1")])), "names and texts do not run together");
        assert_ne!(digest(&base), digest(&inputs(&[("a", "bc"), ("v", "1")], &[])), "a variable is not a file");
        assert_ne!(digest(&base), base.digest(&book, Target::Oci, &toolchain()));
        assert_ne!(digest(&base), base.digest(&book, Target::Sandbox, &Toolchain { terraform: "1.5.7".into(), ..toolchain() }));
    }

    /// Plans, approvals and applied designs of an earlier release are known by their digests.
    #[test]
    fn a_digest_stays_what_it_was() {
        let base = Inputs { secrets: BTreeSet::from(["pw".to_owned()]), ..inputs(&[("a", "bc")], &[("v", "1")]) };
        assert_eq!(
            base.digest(&SecretBook::default(), Target::Sandbox, &toolchain()),
            "d2e139de4dea725397d64679f1c5b80e9f28f21e770ad2ddaad673917810e549"
        );
    }

    #[test]
    fn a_new_version_of_a_secret_changes_the_digest_and_its_value_does_not() {
        let mut base = inputs(&[], &[]);
        base.secrets.insert("pw".into());
        let digest = |json: &str| base.digest(&serde_json::from_str(json).unwrap(), Target::Sandbox, &toolchain());
        assert_eq!(digest(r#"{"pw":{"value":"x","version":1}}"#), digest(r#"{"pw":{"value":"y","version":1}}"#));
        assert_ne!(digest(r#"{"pw":{"value":"x","version":1}}"#), digest(r#"{"pw":{"value":"x","version":2}}"#));
    }

    #[test]
    fn a_variable_that_lost_its_value_gets_a_null_default() {
        let mut base = inputs(&[("main.tf", "")], &[]);
        base.secrets.insert("pw".into());
        let ready = base.without_values(&SecretBook::default()).unwrap();
        assert_eq!(ready.files[OVERRIDE_FILE].replace([' ', '\n'], ""), r#"variable"pw"{default=null}"#);
        assert!(ready.secrets.is_empty());
    }

    #[test]
    fn provider_only_inputs_name_the_provider_and_quote_the_region() {
        let text = &Inputs::provider_only("ap-\"osaka${1}").unwrap().files["main.tf"];
        assert!(text.contains("oracle/oci") && text.contains(r#""ap-\"osaka$${1}""#), "{text}");
    }
}

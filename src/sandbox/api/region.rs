//! Regions: key, realm, domain, availability domains. Pure; data in `rules/provider/regions.json`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

/// The region when the configuration names none.
pub(crate) const DEFAULT_REGION: &str = "ap-osaka-1";

/// A region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Region {
    /// `ap-osaka-1`
    pub(crate) id: String,
    /// `kix`
    pub(crate) key: String,
    /// `oc1`
    pub(crate) realm: String,
    /// `oraclecloud.com`
    pub(crate) domain: String,
}

#[derive(Deserialize)]
struct Row {
    key: String,
    realm: String,
    domain: String,
}

fn table() -> &'static BTreeMap<String, Row> {
    static TABLE: OnceLock<BTreeMap<String, Row>> = OnceLock::new();
    TABLE.get_or_init(|| serde_json::from_str(include_str!("../../../rules/provider/regions.json")).unwrap_or_default())
}

impl Region {
    /// By identifier or by key (`kix`). An unknown name is taken as it is: the sandbox is not the judge of regions.
    pub(crate) fn named(name: &str) -> Region {
        let found = table().iter().find(|(id, row)| id.as_str() == name || row.key == name);
        match found {
            Some((id, row)) => Region { id: id.clone(), key: row.key.clone(), realm: row.realm.clone(), domain: row.domain.clone() },
            None => Region {
                id: name.to_owned(),
                key: name.chars().take(3).collect(),
                realm: "oc1".to_owned(),
                domain: "oraclecloud.com".to_owned(),
            },
        }
    }

    /// Names of its availability domains, as the Identity service spells them.
    pub(crate) fn availability_domains(&self) -> Vec<String> {
        // The four commercial regions with three; all others have one.
        let count = match self.id.as_str() {
            "us-ashburn-1" | "us-phoenix-1" | "eu-frankfurt-1" | "uk-london-1" => 3,
            _ => 1,
        };
        (1..=count).map(|n| format!("vGaL:{}-AD-{n}", self.id.to_ascii_uppercase())).collect()
    }

    /// Identifiers and keys of all regions of a realm.
    pub(crate) fn all(realm: &str) -> Vec<(String, String)> {
        table().iter().filter(|(_, row)| row.realm == realm).map(|(id, row)| (id.clone(), row.key.to_ascii_uppercase())).collect()
    }
}

//! Resource Search: which resources carry a freeform tag. `POST /20180409/resources`, structured query.
//!
//! The index follows the resources by some moments, so that nothing is found does not prove that nothing is there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::Error;
use super::client::{Call, Client, Service};
use super::region::Region;

/// Hits of a page, and most pages: 10,000 resources of one design are no design of ours.
const PAGE: usize = 500;
const PAGES: usize = 20;
/// States of what is gone or going: neither can be imported.
const GONE: [&str; 4] = ["TERMINATED", "TERMINATING", "DELETED", "DELETING"];

/// A resource that was found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    /// `Vcn`, `Bucket`
    pub resource_type: String,
    /// usually its OCID
    pub identifier: String,
    /// OCID of the compartment it lies in
    pub compartment_id: String,
    /// its name
    #[serde(default)]
    pub display_name: Option<String>,
    /// `AVAILABLE`
    #[serde(default)]
    pub lifecycle_state: Option<String>,
    /// its tags
    #[serde(default)]
    pub freeform_tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    items: Vec<Hit>,
}

/// Everything in `compartment` that carries the tag and is not gone.
pub async fn tagged(client: &Client, region: &Region, compartment: &str, tag: (&str, &str)) -> Result<Vec<Hit>, Error> {
    let query = format!(
        "query all resources where (freeformTags.key = '{}' && freeformTags.value = '{}' && compartmentId = '{}')",
        quoted(tag.0),
        quoted(tag.1),
        quoted(compartment)
    );
    let body = json!({"type": "Structured", "query": query, "matchingContextType": "NONE"}).to_string();
    let mut found = Vec::new();
    let mut page: Option<String> = None;
    for _ in 0..PAGES {
        let at = page.as_deref().map(|page| format!("&page={}", encoded(page))).unwrap_or_default();
        let target = format!("/20180409/resources?limit={PAGE}{at}");
        let call = Call { service: Service::Search, method: "POST", target: &target, body: Some(body.as_bytes()) };
        let answer = client.call(region, call).await?;
        let read: Page = serde_json::from_slice(&answer.body)
            .map_err(|error| Error::Answer { operation: "POST /20180409/resources".to_owned(), detail: error.to_string() })?;
        // asked for, and looked at again: what is adopted here is deleted some day
        let ours = |hit: &Hit| hit.compartment_id == compartment && hit.freeform_tags.get(tag.0).is_some_and(|value| value == tag.1);
        let there = |hit: &Hit| hit.lifecycle_state.as_deref().is_none_or(|state| !GONE.contains(&state.to_ascii_uppercase().as_str()));
        found.extend(read.items.into_iter().filter(|hit| ours(hit) && there(hit)));
        page = answer.next.filter(|next| !next.is_empty());
        if page.is_none() {
            return Ok(found);
        }
    }
    Err(Error::Answer { operation: "POST /20180409/resources".to_owned(), detail: format!("more than {} resources", PAGE * PAGES) })
}

/// The Object Storage namespace of the tenancy: a part of the import id of every bucket.
pub async fn namespace(client: &Client, region: &Region) -> Result<String, Error> {
    let call = Call { service: Service::ObjectStorage, method: "GET", target: "/n", body: None };
    let answer = client.call(region, call).await?;
    serde_json::from_slice(&answer.body).map_err(|error| Error::Answer { operation: "GET /n".to_owned(), detail: error.to_string() })
}

/// A text inside single quotes of the query language. What we ask for are uids and OCIDs; anything else is taken out rather
/// than trusted to an escape.
fn quoted(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.:".contains(*c)).collect()
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_the_quotes_of_a_query() {
        let rows = [
            ("a uid", "1d612a67-c5dd-4051-bdac-7b68d566bd68", "1d612a67-c5dd-4051-bdac-7b68d566bd68"),
            ("an OCID", "ocid1.compartment.oc1..aa", "ocid1.compartment.oc1..aa"),
            ("a quote", "a' || displayName = '*", "adisplayName"),
        ];
        for (reason, text, expected) in rows {
            assert_eq!(quoted(text), expected, "{reason}");
        }
        assert_eq!(encoded("a+b/c="), "a%2Bb%2Fc%3D", "signed and sent byte for byte");
    }
}

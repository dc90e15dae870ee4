//! A stand-in for OCI's REST API on loopback: answers the questions of the real provider's data sources with what the
//! simulated cloud answered to the same questions, and writes down whatever else it is asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// A data source: the path of the call it makes, where the answers stand, and what a REST answer has of each.
struct Source {
    data_type: &'static str,
    /// `*` is one segment
    path: &'static str,
    /// attribute of the data source that lists what was found; empty: the answer is the data source itself
    list: &'static str,
    /// members of an answer, by attribute of the data source and by name in REST
    members: &'static [(&'static str, &'static str)],
}

const SOURCES: &[Source] = &[
    Source {
        data_type: "oci_identity_availability_domains",
        path: "/20160918/availabilityDomains",
        list: "availability_domains",
        members: &[("id", "id"), ("name", "name"), ("compartment_id", "compartmentId")],
    },
    Source {
        data_type: "oci_identity_region_subscriptions",
        path: "/20160918/tenancies/*/regionSubscriptions",
        list: "region_subscriptions",
        members: &[("region_key", "regionKey"), ("region_name", "regionName"), ("state", "status"), ("is_home_region", "isHomeRegion")],
    },
    Source {
        data_type: "oci_core_services",
        path: "/20160918/services",
        list: "services",
        members: &[("id", "id"), ("name", "name"), ("description", "description"), ("cidr_block", "cidrBlock")],
    },
    Source {
        data_type: "oci_core_images",
        path: "/20160918/images",
        list: "images",
        members: &[
            ("id", "id"),
            ("display_name", "displayName"),
            ("operating_system", "operatingSystem"),
            ("operating_system_version", "operatingSystemVersion"),
            ("state", "lifecycleState"),
            ("create_image_allowed", "createImageAllowed"),
        ],
    },
    Source {
        data_type: "oci_core_private_ips",
        path: "/20160918/privateIps",
        list: "private_ips",
        members: &[
            ("id", "id"),
            ("ip_address", "ipAddress"),
            ("is_primary", "isPrimary"),
            ("vnic_id", "vnicId"),
            ("subnet_id", "subnetId"),
            ("compartment_id", "compartmentId"),
            ("availability_domain", "availabilityDomain"),
        ],
    },
    Source {
        data_type: "oci_core_volume_backup_policies",
        path: "/20160918/volumeBackupPolicies",
        list: "volume_backup_policies",
        members: &[("id", "id"), ("display_name", "displayName")],
    },
    Source {
        data_type: "oci_containerengine_node_pool_option",
        path: "/20180222/nodePoolOptions/*",
        list: "",
        members: &[("kubernetes_versions", "kubernetesVersions"), ("shapes", "shapes"), ("sources", "sources")],
    },
    Source {
        data_type: "oci_containerengine_node_pool",
        path: "/20180222/nodePools/*",
        list: "",
        members: &[("id", "id"), ("cluster_id", "clusterId"), ("name", "name"), ("compartment_id", "compartmentId"), ("nodes", "nodes")],
    },
];

/// Members of objects inside an answer, where a name is more than its words.
const INSIDE: &[(&str, &str)] = &[("state", "lifecycleState")];

/// What was asked that nobody could answer, and what the simulated cloud answered.
#[derive(Default)]
struct Memory {
    answers: BTreeMap<String, Vec<Value>>,
    unanswered: Vec<String>,
    asked: usize,
}

/// The server; it ends with the process.
pub struct Stub {
    pub address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
}

impl Stub {
    pub fn start() -> Stub {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let memory: Arc<Mutex<Memory>> = Arc::default();
        let shared = Arc::clone(&memory);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                // A fallback and no routes: a CONNECT of a proxied client arrives here, too, and is written down.
                axum::serve(listener, axum::Router::new().fallback(answer).with_state(shared)).await.unwrap();
            });
        });
        Stub { address, memory }
    }

    /// Takes over what the simulated cloud answered in a plan (as `terraform show -json` prints it), and nothing older.
    pub fn learn(&self, plan: &Value) {
        let mut answers: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut modules = vec![&plan["prior_state"]["values"]["root_module"]];
        while let Some(module) = modules.pop() {
            modules.extend(module["child_modules"].as_array().into_iter().flatten());
            for resource in module["resources"].as_array().into_iter().flatten().filter(|r| r["mode"] == "data") {
                answers.entry(resource["type"].as_str().unwrap().to_owned()).or_default().push(resource["values"].clone());
            }
        }
        self.memory.lock().unwrap().answers = answers;
    }

    /// Calls that nobody could answer since the last look.
    pub fn unanswered(&self) -> Vec<String> {
        std::mem::take(&mut self.memory.lock().unwrap().unanswered)
    }

    /// Calls in all.
    pub fn asked(&self) -> usize {
        self.memory.lock().unwrap().asked
    }
}

async fn answer(State(memory): State<Arc<Mutex<Memory>>>, request: Request) -> Response {
    let mut memory = memory.lock().unwrap();
    memory.asked += 1;
    let uri = request.uri().clone();
    let found = (request.method() == "GET").then(|| respond(&memory.answers, uri.path(), uri.query().unwrap_or_default())).flatten();
    match found {
        Some(body) => axum::Json(body).into_response(),
        None => {
            memory.unanswered.push(format!("{} {uri}", request.method()));
            let body = json!({"code": "NotAuthorizedOrNotFound", "message": "nobody asked the simulated cloud"});
            (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
        }
    }
}

fn respond(answers: &BTreeMap<String, Vec<Value>>, path: &str, query: &str) -> Option<Value> {
    if path == "/n" || path == "/n/" {
        return Some(answers.get("oci_objectstorage_namespace")?.first()?["namespace"].clone());
    }
    let source = SOURCES.iter().find(|source| fits(source.path, path))?;
    let asked: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (snake(&k), v.into_owned())).collect();
    let same = |given: &&Value| {
        let differs = |(name, value): &(String, String)| {
            given.get(name).is_some_and(|own| own.as_str().is_none_or(|own| !own.eq_ignore_ascii_case(value)) && !own.is_null())
        };
        // What the path names is one of the arguments, too.
        let mut named = source.path.split('/').zip(path.split('/')).filter(|(pattern, _)| *pattern == "*").map(|(_, segment)| segment);
        let has = |segment: &str| given.as_object().into_iter().flatten().any(|(_, value)| value == segment);
        !asked.iter().any(differs) && named.all(has)
    };
    let mut given = answers.get(source.data_type)?.iter().filter(same).peekable();
    if source.list.is_empty() {
        return Some(rest(given.next()?, source.members));
    }
    given.peek()?;
    // What one question's own filter left out, another's may have found: the service knows all of it.
    let mut found: Vec<Value> = Vec::new();
    for item in given.filter_map(|answer| answer[source.list].as_array()).flatten().map(|item| rest(item, source.members)) {
        if !found.iter().any(|other| other["id"] == item["id"] && other["name"] == item["name"]) {
            found.push(item);
        }
    }
    found.extend(decoy(source.data_type));
    Some(found.into())
}

/// What the provider's own filter has to leave out.
fn decoy(data_type: &str) -> Option<Value> {
    let id = "ocid1.service.oc1.iad.decoy";
    (data_type == "oci_core_services").then(|| json!({"id": id, "name": "OCI IAD Object Storage", "cidrBlock": "oci-iad-objectstorage"}))
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            (Some(_) | None, _) => return false,
        }
    }
}

fn rest(item: &Value, members: &[(&str, &str)]) -> Value {
    let named = members.iter().filter(|(name, _)| !item[*name].is_null());
    Value::Object(named.map(|(name, word)| ((*word).to_owned(), camels(&item[*name]))).collect())
}

fn camels(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(camels).collect(),
        Value::Object(members) => {
            let word = |name: &str| INSIDE.iter().find(|(own, _)| *own == name).map_or_else(|| camel(name), |(_, word)| (*word).to_owned());
            let given = members.iter().filter(|(_, value)| !value.is_null() && **value != json!([]));
            Value::Object(given.map(|(name, value)| (word(name), camels(value))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &word[..1].to_ascii_uppercase() + &word[1..])
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    // Words that the provider spells otherwise.
    text.replace("node_pool_k8_s_version", "node_pool_k8s_version")
}

//! What contradicts itself although each part is allowed: said with who is right, so that nothing is silently ignored.

use serde_json::Value;

use super::ValidatedComponent;
use super::finding::{Both, Findings, both};
use crate::api::design::{Component, Connection, DesignSpec};
use crate::catalog::Catalog;
use crate::catalog::service::{NetworkRole, Service};

struct Looked<'a> {
    given: &'a Component,
    service: &'a Service,
    component: &'a ValidatedComponent,
    /// the subnet it is deployed in, and whether that is public
    subnet: Option<(&'a ValidatedComponent, bool)>,
    /// deployed in a subnet or a VCN
    deployed: bool,
}

impl Looked<'_> {
    fn is(&self, key: &str, value: impl Into<Value>) -> bool {
        self.component.config.get(key) == Some(&value.into())
    }
    fn said(&self, key: &str) -> bool {
        let names = |name: &str| self.service.key(name).is_some_and(|(real, _)| real == key);
        self.given.config.iter().any(|(name, value)| !value.is_null() && names(name))
    }
    fn path(&self, key: &str) -> String {
        format!("components[{}].config.{key}", self.component.id)
    }
}

/// Checks every component.
pub(super) fn check(
    spec: &DesignSpec,
    catalog: &Catalog,
    components: &[ValidatedComponent],
    connections: &[Connection],
    findings: &mut Findings,
) {
    for component in components {
        let Some(given) = spec.components.iter().find(|c| c.id == component.id) else { continue };
        let Some(service) = catalog.service(&component.service_type) else { continue };
        let deployed: Vec<&Connection> =
            connections.iter().filter(|c| c.source_id == component.id && c.connection_type == "deployed_in").collect();
        let subnet = deployed.iter().find_map(|c| components.iter().find(|other| other.id == c.target_id));
        let subnet = subnet.filter(|s| catalog.service(&s.service_type).and_then(|s| s.network) == Some(NetworkRole::Subnet));
        let subnet = subnet.map(|s| (s, s.config.get("prohibit_public_ip") != Some(&Value::Bool(true))));
        let looked = Looked { given, service, component, subnet, deployed: !deployed.is_empty() };
        public_address(&looked, findings);
        public_endpoint(&looked, findings);
        free_tier(&looked, findings);
        memory(&looked, findings);
        open_ssh(&looked, findings);
    }
}

/// `assign_public_ip` against the subnet: OCI refuses it in a private one.
fn public_address(looked: &Looked<'_>, findings: &mut Findings) {
    let Some((subnet, public)) = looked.subnet else { return };
    let name = &subnet.id;
    if looked.is("assign_public_ip", true) && !public {
        let message = both(
            format!("assign_public_ip は true ですが、サブネット {name} は公開 IP を禁じています"),
            format!("assign_public_ip is true, but subnet {name} prohibits public addresses"),
        );
        let advice = both(
            "サブネットが正です。assign_public_ip を false にするか、公開サブネットに置いてください",
            "the subnet is right: set assign_public_ip to false, or deploy it in a public subnet",
        );
        findings.error("contradiction.public-ip", looked.path("assign_public_ip"), message).advise(advice).add();
    }
    if looked.is("assign_public_ip", false) && public {
        let message = both(
            format!("公開サブネット {name} にあって公開 IP がないので、インターネットにも OCI のサービスにも出られません"),
            format!("without a public address in public subnet {name} it reaches neither the internet nor OCI services"),
        );
        let advice =
            both("非公開サブネットに置くか、公開 IP を付けてください", "deploy it in a private subnet, or give it a public address");
        findings.warning("contradiction.no-way-out", looked.path("assign_public_ip"), message).advise(advice).add();
    }
    let opens = looked.component.config.get("public_ports").and_then(Value::as_array).is_some_and(|ports| !ports.is_empty());
    if opens && !public {
        let message = both(
            format!("public_ports は非公開サブネット {name} では開きません"),
            format!("public_ports open nothing in private subnet {name}"),
        );
        findings.warning("contradiction.public-ports", looked.path("public_ports"), message).add();
    }
}

/// A public endpoint that stands in no subnet, as that of a database. One of a gateway or a cluster does.
fn public_endpoint(looked: &Looked<'_>, findings: &mut Findings) {
    let stands = looked.service.placement.as_ref().is_none_or(|placement| placement.when.holds(&looked.component.config, None));
    if stands || !(looked.is("endpoint_type", "public") && looked.deployed) {
        return;
    }
    let said = looked.said("endpoint_type") || looked.is("is_free_tier", true);
    if said {
        let message =
            both("endpoint_type が public なので、deployed_in は使われません", "endpoint_type is public, so deployed_in has no effect");
        let advice = both(
            "設定が正です。サブネットに置くなら endpoint_type を private に、そうでなければ接続を消してください",
            "the config is right: set endpoint_type to private to place it in the subnet, else remove the connection",
        );
        findings.warning("contradiction.endpoint", looked.path("endpoint_type"), message).advise(advice).add();
    }
}

/// Always Free is fixed: no private endpoint, one CPU, 20 GB.
fn free_tier(looked: &Looked<'_>, findings: &mut Findings) {
    if !looked.is("is_free_tier", true) {
        return;
    }
    if looked.is("endpoint_type", "private") {
        let message = both("Always Free に非公開エンドポイントはありません", "Always Free has no private endpoint");
        let advice = both(
            "endpoint_type を public にするか、is_free_tier を false にしてください",
            "set endpoint_type to public, or is_free_tier to false",
        );
        findings.error("contradiction.free-tier-endpoint", looked.path("endpoint_type"), message).advise(advice).add();
    }
    let is_one = |key: &str| looked.is(key, 1) || !looked.said(key);
    let fixed = [
        ("cpu_core_count", is_one("cpu_core_count")),
        ("storage_in_tbs", is_one("storage_in_tbs")),
        ("ecpu_count", !looked.said("ecpu_count")),
    ];
    for (key, _) in fixed.iter().filter(|(_, fits)| !fits) {
        let message = both(
            format!("Always Free では {key} は固定で、この値は使われません"),
            format!("{key} is fixed for Always Free: this value is not used"),
        );
        findings.warning("contradiction.free-tier-size", looked.path(key), message).advise(not_free()).add();
    }
    if looked.is("is_auto_scaling_enabled", true) {
        let message = both("Always Free に自動拡張はありません", "Always Free has no auto scaling");
        findings.warning("contradiction.free-tier-size", looked.path("is_auto_scaling_enabled"), message).advise(not_free()).add();
    }
}

fn not_free() -> Both {
    both("消すか、is_free_tier を false にしてください", "remove it, or set is_free_tier to false")
}

/// Flexible shapes take 1 to 64 GB for each OCPU.
fn memory(looked: &Looked<'_>, findings: &mut Findings) {
    let number = |key: &str| looked.component.config.get(key).and_then(Value::as_f64);
    let pairs = [("ocpus", "memory_in_gbs"), ("node_ocpus", "node_memory")];
    let given = pairs.iter().find_map(|(ocpus, memory)| Some((*memory, number(ocpus)?, number(memory)?)));
    let Some((key, ocpus, memory)) = given else { return };
    if memory < ocpus || memory > ocpus * 64.0 {
        let (least, most) = (ocpus, ocpus * 64.0);
        let message =
            both(format!("メモリー {memory} GB は OCPU {ocpus} 個に合いません"), format!("{memory} GB of memory do not fit {ocpus} OCPUs"));
        findings.error("contradiction.memory", looked.path(key), message).allow([format!("{least}..{most}")]).add();
    }
}

/// SSH open to the world: allowed, never unnoticed.
fn open_ssh(looked: &Looked<'_>, findings: &mut Findings) {
    let anywhere = |key: &str| looked.component.config.get(key).and_then(Value::as_str).is_some_and(|cidr| cidr.ends_with("/0"));
    let list = anywhere("ingress_source") && looked.is("ingress_port", 22);
    if list || anywhere("ssh_source_cidr") {
        let key = if list { "ingress_source" } else { "ssh_source_cidr" };
        let message = both("SSH がインターネット全体に開かれます", "SSH is open to the whole internet");
        let advice = both("送信元を自分のネットワークの CIDR に絞ってください", "narrow the source to the CIDR of your own network");
        findings.warning("security.open-ssh", looked.path(key), message).advise(advice).add();
    }
}

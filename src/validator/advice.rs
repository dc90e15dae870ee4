//! What a component says about its neighbours and its own size that would fail or mislead in OCI: public things in private
//! subnets, endpoints reached the wrong way, gateways without anything behind them, names that OCI does not take.

use serde_json::Value;

use super::ValidatedComponent;
use super::finding::{Findings, both, quoted};
use super::labels;
use crate::api::design::{Connection, DesignSpec, Target};
use crate::catalog::Catalog;
use crate::catalog::mapping::OverConnections;
use crate::catalog::service::{NameSource, NetworkRole, Service};

/// Connection types that become a backend or a route.
const TRAFFIC: [&str; 3] = ["http", "https", "routes_to"];

struct Seen<'a> {
    spec: &'a DesignSpec,
    catalog: &'a Catalog,
    components: &'a [ValidatedComponent],
    connections: &'a [Connection],
}

/// Checks every component.
pub(super) fn check(
    spec: &DesignSpec,
    catalog: &Catalog,
    components: &[ValidatedComponent],
    connections: &[Connection],
    findings: &mut Findings,
) {
    let seen = Seen { spec, catalog, components, connections };
    for component in components {
        let Some(service) = catalog.service(&component.service_type) else { continue };
        seen.public_in_private(component, service, findings);
        seen.endpoints(component, findings);
        seen.front(component, service, findings);
        bandwidth(component, findings);
        open_api(component, findings);
        changed_name(spec, component, service, findings);
    }
    seen.placeholders(findings);
}

impl<'a> Seen<'a> {
    fn component(&self, id: &str) -> Option<&'a ValidatedComponent> {
        self.components.iter().find(|c| c.id == id)
    }

    /// OCI refuses a public load balancer or gateway in a private subnet.
    fn public_in_private(&self, component: &ValidatedComponent, service: &Service, findings: &mut Findings) {
        let wants = service.placement.as_ref().and_then(|p| p.public_when.as_ref());
        let type_of = |id: &str| self.component(id).map(|c| c.service_type.as_str());
        let joined = |over: &OverConnections| self.connections.iter().any(|c| over.joins(c, &component.id, type_of));
        let by_connection = service.placement.as_ref().is_some_and(|p| p.public_with.iter().any(joined));
        // Addresses of instances have a finding of their own.
        let wants_public =
            wants.is_some_and(|when| when.holds(&component.config, None)) && !component.config.contains_key("assign_public_ip");
        let here = self.connections.iter().filter(|c| c.source_id == component.id && c.connection_type == "deployed_in");
        let mut subnets = here.filter_map(|c| self.component(&c.target_id));
        let private = subnets.find(|s| {
            let is_subnet = self.catalog.service(&s.service_type).and_then(|s| s.network) == Some(NetworkRole::Subnet);
            is_subnet && s.config.get("prohibit_public_ip") == Some(&Value::Bool(true))
        });
        let (true, Some(subnet)) = (wants_public || by_connection, private) else { return };
        let (id, name) = (quoted(&component.id), quoted(&subnet.id));
        let message = both(
            format!("{id} は公開ですが、非公開サブネット {name} に置かれています"),
            format!("{id} is public, but is deployed in private subnet {name}"),
        );
        let advice = both(
            "公開サブネットに置くか、非公開 (is_private / endpoint_type) にしてください",
            "deploy it in a public subnet, or make it private (is_private / endpoint_type)",
        );
        findings.error("contradiction.public-in-private", format!("components[{}]", component.id), message).advise(advice).add();
    }

    /// `private_endpoint` to a public endpoint, `public` to a private one.
    fn endpoints(&self, component: &ValidatedComponent, findings: &mut Findings) {
        let Some(endpoint) = component.config.get("endpoint_type").and_then(Value::as_str) else { return };
        let wrong = if endpoint == "public" { "private_endpoint" } else { "public" };
        for (index, connection) in self.connections.iter().enumerate() {
            if connection.target_id != component.id || connection.connection_type != wrong {
                continue;
            }
            let id = quoted(&component.id);
            let message = both(
                format!("接続は {wrong} ですが、{id} の endpoint_type は {endpoint} です"),
                format!("the connection is {wrong}, but endpoint_type of {id} is {endpoint}"),
            );
            let advice = both("設定が正です。接続の種別を合わせてください", "the config is right: use the connection type that fits");
            findings
                .warning("contradiction.endpoint-connection", format!("connections[{index}].connectionType"), message)
                .advise(advice)
                .add();
        }
    }

    /// What shares traffic out needs something to share it out to, and one route per target.
    fn front(&self, component: &ValidatedComponent, service: &Service, findings: &mut Findings) {
        if service.connections.get("routes_to").is_none() || service.network.is_some() {
            return;
        }
        let mut targets: Vec<&str> = Vec::new();
        for connection in self.connections.iter().filter(|c| c.source_id == component.id && TRAFFIC.contains(&c.connection_type.as_str())) {
            let again = targets.contains(&connection.target_id.as_str());
            if again {
                let (id, to) = (quoted(&component.id), quoted(&connection.target_id));
                let message = both(format!("{id} から {to} への経路が 2 つあります"), format!("there are two routes from {id} to {to}"));
                let advice = both("http、https、routes_to のどれか 1 つにしてください", "keep one of http, https and routes_to");
                findings.error("structure.route-twice", format!("components[{}]", component.id), message).advise(advice).add();
            }
            targets.push(&connection.target_id);
        }
        if targets.is_empty() {
            let id = quoted(&component.id);
            let message = both(format!("{id} の後ろに何もありません"), format!("there is nothing behind {id}"));
            let advice = both(
                "http、https、routes_to で先の部品につないでください",
                "connect it to what should answer, with http, https or routes_to",
            );
            findings.warning("structure.no-backend", format!("components[{}]", component.id), message).advise(advice).add();
        }
    }

    /// Variables whose default is only good for the simulated cloud.
    fn placeholders(&self, findings: &mut Findings) {
        for component in self.components {
            let Some(service) = self.catalog.service(&component.service_type) else { continue };
            let used = service.variables.iter().filter(|v| v.placeholder && v.when.holds(&component.config, None));
            for variable in used.filter(|v| !self.spec.variables.contains_key(&v.name)) {
                let (name, id) = (&variable.name, quoted(&component.id));
                let message = both(format!("{id} の変数 {name} に値がありません"), format!("variable {name} of {id} has no value"));
                let advice = both(
                    format!("{}。variables.{name} か、部品の設定で与えてください", variable.description.ja),
                    format!("{}: give it as variables.{name}, or in the config of the component", variable.description.en),
                );
                let path = format!("variables[{name}]");
                let draft = match self.spec.target {
                    Target::Oci => findings.error("structure.variable-missing", path, message),
                    Target::Sandbox => findings.warning("structure.variable-missing", path, message),
                };
                draft.advise(advice).add();
            }
        }
    }
}

/// Bandwidth of a load balancer.
fn bandwidth(component: &ValidatedComponent, findings: &mut Findings) {
    let number = |key: &str| component.config.get(key).and_then(Value::as_i64);
    let (Some(least), Some(most)) = (number("min_bandwidth"), number("max_bandwidth")) else { return };
    if least > most {
        let message = both(
            format!("min_bandwidth {least} が max_bandwidth {most} より大きくなっています"),
            format!("min_bandwidth {least} is greater than max_bandwidth {most}"),
        );
        findings.error("contradiction.bandwidth", format!("components[{}].config.min_bandwidth", component.id), message).add();
    }
}

/// The Kubernetes API open to the world: allowed, never unnoticed.
fn open_api(component: &ValidatedComponent, findings: &mut Findings) {
    let open = component.config.get("api_source_cidr").and_then(Value::as_str).is_some_and(|cidr| cidr.ends_with("/0"));
    if open {
        let message = both("Kubernetes API がインターネット全体に開かれます", "the Kubernetes API is open to the whole internet");
        let advice = both(
            "api_source_cidr を kubectl を使うネットワークの CIDR に絞ってください",
            "narrow api_source_cidr to the network kubectl is used from",
        );
        findings.warning("security.open-api", format!("components[{}].config.api_source_cidr", component.id), message).advise(advice).add();
    }
}

/// A display name that OCI would refuse as a name: what it becomes instead.
fn changed_name(spec: &DesignSpec, component: &ValidatedComponent, service: &Service, findings: &mut Findings) {
    let unique = format!("{}/{}", spec.session_ref, component.id);
    let given = ["bucket_name", "table_name"].iter().any(|key| component.config.contains_key(*key));
    for (_, rule) in service.naming.iter().filter(|(_, rule)| rule.from == NameSource::DisplayName && !given) {
        let name = labels::name(rule, &component.display_name, &unique);
        let fits = |c: char| c.is_ascii_alphanumeric() || rule.symbols.contains(c);
        if component.display_name.chars().all(fits) {
            continue;
        }
        let shown = quoted(&component.display_name);
        let message = both(
            format!("表示名 {shown} は名前に使えない文字を含むので、OCI での名前は {name} になります"),
            format!("display name {shown} has characters the name cannot have: it is named {name} in OCI"),
        );
        findings.info("naming.changed", format!("components[{}].displayName", component.id), message).add();
    }
}

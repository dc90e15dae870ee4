//! Completes a network: what the person brought stays, what is missing is derived inside the VCN's own CIDR. Pure and
//! deterministic. The result names what was added (as further components, rendered by the same service files as the
//! person's own), who stands where, and the rules between them; every addition is reported as a finding.
//!
//! Facts: a subnet without a security list gets the VCN's default list, which opens SSH to the world; the default route
//! table has no routes; the all-services route and the internet-gateway route stay in different tables (OCI networking).

mod allocate;
mod notes;
mod peer;
mod place;
mod routes;
mod security;
mod subnets;
mod transit;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde_json::Value;

use crate::api::design::Finding;
use crate::api::session::Language;
use crate::catalog::Catalog;
use crate::catalog::service::{NetworkRole, Protocol, Service, SubnetTier};
use crate::validator::finding::{Findings, both, quoted};
use crate::validator::labels::Registry;
use crate::validator::{ValidatedComponent, ValidatedDesign};

/// Service type of each derived part. The files carry the same names.
fn service_type(role: NetworkRole) -> &'static str {
    match role {
        NetworkRole::Vcn => "vcn",
        NetworkRole::Subnet => "subnet",
        NetworkRole::InternetGateway => "internet_gateway",
        NetworkRole::NatGateway => "nat_gateway",
        NetworkRole::ServiceGateway => "service_gateway",
        NetworkRole::RouteTable => "route_table",
        NetworkRole::SecurityList => "security_list",
        NetworkRole::SecurityGroup => "nsg",
        NetworkRole::LocalPeering => "local_peering",
        NetworkRole::Drg => "drg",
        NetworkRole::DrgAttachment => "drg_attachment",
        NetworkRole::RemotePeering => "remote_peering",
    }
}

/// CIDR of a VCN that nobody brought: the one every OCI example uses.
const DEFAULT_VCN: &str = "10.0.0.0/16";

/// Anywhere.
pub(crate) const ANYWHERE: &str = "0.0.0.0/0";

/// A completed network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Network {
    /// what was added, in rendering order; ids are labels
    pub derived: Vec<ValidatedComponent>,
    /// label of an added part → id of the component it belongs to (its VCN's)
    pub owner: BTreeMap<String, String>,
    /// label of a VCN → its CIDR
    pub vcns: BTreeMap<String, Ipv4Net>,
    /// label of a network part → label of its VCN
    pub vcn_of: BTreeMap<String, String>,
    /// label of a subnet → what is known about it
    pub subnets: BTreeMap<String, Subnet>,
    /// label of a route table → its routes
    pub routes: BTreeMap<String, Vec<Route>>,
    /// id of a component → where it stands
    pub placements: BTreeMap<String, Placement>,
    /// (id of a component, name of a further place) → where that is
    pub spots: BTreeMap<(String, String), Placement>,
    /// ends of VCN peerings
    pub peerings: Vec<Peering>,
    /// VCNs that reach each other, or the world behind, through a dynamic routing gateway
    pub transits: Vec<Transit>,
    /// security groups, one per place that can carry one
    pub nsgs: Vec<Nsg>,
    /// their rules
    pub rules: Vec<Rule>,
    /// what was completed, and what is impossible
    pub findings: Vec<Finding>,
}

impl Network {
    /// Where a component stands: its main place, or a named one.
    pub fn place(&self, id: &str, at: Option<&str>) -> Option<&Placement> {
        match at {
            None => self.placements.get(id),
            Some(spot) => self.spots.get(&(id.to_owned(), spot.to_owned())),
        }
    }
}

/// One end of a peering of two VCNs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peering {
    /// label
    pub label: String,
    /// display name
    pub display_name: String,
    /// label of its VCN
    pub vcn: String,
    /// label of the other VCN
    pub to: String,
    /// label of the other end, at the end that starts the peering
    pub peer: Option<String>,
    /// component it belongs to
    pub component: String,
    /// whether it is a component of the design; else `vcn_peering` made it
    pub brought: bool,
}

/// One way through a dynamic routing gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transit {
    /// label of the VCN that sends
    pub vcn: String,
    /// label of the attachment that joins it to the gateway
    pub attachment: String,
    /// addresses at the other end
    pub destination: Ipv4Net,
    /// label of the VCN there; None = beyond the region or on premises
    pub to: Option<String>,
}

/// A subnet, brought or derived.
#[derive(Debug, Clone, PartialEq)]
pub struct Subnet {
    /// its addresses
    pub cidr: Ipv4Net,
    /// whether public addresses are allowed in it
    pub public: bool,
    /// tier by name or purpose
    pub tier: Option<SubnetTier>,
    /// label of its VCN
    pub vcn: String,
    /// label of its route table
    pub route_table: String,
    /// labels of its security lists
    pub security_lists: Vec<String>,
}

/// Where traffic goes or comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// an address range
    Cidr(String),
    /// all OCI services of the region
    Services,
    /// a security group, by label
    Nsg(String),
    /// the one address of a component that carries no group, known when it is made
    Host(Host),
}

/// Where the address of a component stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Terraform type of the resource
    pub resource_type: String,
    /// its label
    pub label: String,
    /// attribute with the address
    pub attribute: String,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// where to ([`Peer::Nsg`] and [`Peer::Host`] never occur)
    pub destination: Peer,
    /// kind of gateway
    pub gateway: NetworkRole,
    /// its label
    pub label: String,
}

/// Where a component stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// label of the subnet
    pub subnet: String,
    /// whether that subnet is public
    pub public: bool,
    /// label of the VCN
    pub vcn: String,
    /// label of its security group
    pub nsg: Option<String>,
    /// labels of the security groups that the person attached beside it
    pub further_nsgs: Vec<String>,
}

/// A network security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nsg {
    /// label
    pub label: String,
    /// display name
    pub display_name: String,
    /// label of its VCN
    pub vcn: String,
    /// component it protects
    pub component: String,
}

/// Direction of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// into the group
    Ingress,
    /// out of the group
    Egress,
}

/// One rule of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// label
    pub label: String,
    /// label of the group
    pub nsg: String,
    /// component it was made for
    pub component: String,
    /// direction
    pub flow: Flow,
    /// other end
    pub peer: Peer,
    /// protocol
    pub protocol: Protocol,
    /// destination ports, first and last; None = all (and for ICMP)
    pub ports: Option<(u16, u16)>,
    /// why it exists
    pub description: String,
}

/// Public or private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Public,
    Private,
}

/// The work in progress.
struct Derivation<'a> {
    design: &'a ValidatedDesign,
    catalog: &'a Catalog,
    registry: Registry,
    network: Network,
    findings: Findings,
    /// what was added, per VCN label, for the report
    added: BTreeMap<String, Vec<String>>,
}

/// Completes the network of a design.
pub fn derive(design: &ValidatedDesign, catalog: &Catalog, language: Language) -> Network {
    let mut registry = Registry::default();
    design.components.iter().for_each(|c| registry.take(&c.label));
    let mut work =
        Derivation { design, catalog, registry, network: Network::default(), findings: Findings::new(language), added: BTreeMap::new() };
    work.vcns();
    if !work.network.vcns.is_empty() {
        work.members();
        work.subnets();
        work.peerings();
        work.transits();
        work.tables();
        work.groups();
        work.notes();
        work.report();
    }
    work.network.findings = std::mem::take(&mut work.findings.items);
    work.network
}

impl<'a> Derivation<'a> {
    fn service(&self, component: &ValidatedComponent) -> Option<&'a Service> {
        self.catalog.service(&component.service_type)
    }

    fn role(&self, component: &ValidatedComponent) -> Option<NetworkRole> {
        self.service(component).and_then(|service| service.network)
    }

    /// The person's components of a role, in the order of the design.
    fn of_role(&self, role: NetworkRole) -> impl Iterator<Item = &'a ValidatedComponent> + use<'a> {
        let catalog = self.catalog;
        self.design.components.iter().filter(move |c| catalog.service(&c.service_type).and_then(|s| s.network) == Some(role))
    }

    fn component(&self, id: &str) -> Option<&'a ValidatedComponent> {
        self.design.components.iter().find(|c| c.id == id)
    }

    /// Components of a role at the other end of any connection of this one.
    fn linked(&self, id: &str, role: NetworkRole) -> Vec<&'a ValidatedComponent> {
        let mut found: Vec<&ValidatedComponent> = Vec::new();
        for connection in &self.design.connections {
            let other = match () {
                () if connection.source_id == id => &connection.target_id,
                () if connection.target_id == id => &connection.source_id,
                () => continue,
            };
            if let Some(component) = self.component(other)
                && self.role(component) == Some(role)
                && !found.iter().any(|c| c.id == component.id)
            {
                found.push(component);
            }
        }
        found
    }

    /// Components that need a subnet.
    fn workloads(&self) -> Vec<&'a ValidatedComponent> {
        let needs = |c: &&ValidatedComponent| {
            self.service(c).and_then(|s| s.placement.as_ref()).is_some_and(|placement| placement.when.holds(&c.config, None))
        };
        self.design.components.iter().filter(needs).collect()
    }

    /// Adds a part; returns its label.
    fn add(&mut self, role: NetworkRole, vcn: &str, wish: &str, config: &[(&str, Value)]) -> String {
        let label = self.registry.give(wish);
        let owner = self.owner_of(vcn);
        let what = wish.strip_prefix(vcn).unwrap_or(wish).replace('_', " ");
        let of = self.display_name(vcn);
        // OCI display names end at 255 characters.
        let display_name = format!("{} {}", of.chars().take(200).collect::<String>(), what.trim()).trim().to_owned();
        let config = config.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let service_type = service_type(role).to_owned();
        let component = ValidatedComponent { id: label.clone(), label: label.clone(), service_type, display_name, config };
        self.network.derived.push(component);
        self.network.owner.insert(label.clone(), owner);
        self.network.vcn_of.insert(label.clone(), vcn.to_owned());
        // A VCN that was made is reported with what stands in it.
        let whose = if vcn.is_empty() { &label } else { vcn };
        self.added.entry(whose.to_owned()).or_default().push(format!("{}.{label}", service_type_name(role)));
        label
    }

    fn display_name(&self, label: &str) -> String {
        let all = self.design.components.iter().chain(&self.network.derived);
        all.into_iter().find(|c| c.label == label).map_or_else(String::new, |c| c.display_name.clone())
    }

    /// Id of the component a VCN's parts belong to: the VCN's, or the first workload's when the VCN is derived.
    fn owner_of(&self, vcn: &str) -> String {
        let own = self.design.components.iter().find(|c| c.label == vcn).map(|c| c.id.clone());
        own.or_else(|| self.network.owner.get(vcn).cloned()).or_else(|| self.workloads().first().map(|c| c.id.clone())).unwrap_or_default()
    }

    fn vcns(&mut self) {
        for vcn in self.of_role(NetworkRole::Vcn) {
            if let Some(cidr) = vcn.config.get("cidr_block").and_then(Value::as_str).and_then(|text| text.parse::<Ipv4Net>().ok()) {
                self.network.vcns.insert(vcn.label.clone(), cidr.trunc());
                self.network.vcn_of.insert(vcn.label.clone(), vcn.label.clone());
            }
        }
        let nobody_brought_one = self.of_role(NetworkRole::Vcn).next().is_none();
        let needed = !self.workloads().is_empty() || self.design.components.iter().any(|c| self.role(c).is_some_and(NetworkRole::in_vcn));
        if nobody_brought_one
            && needed
            && let Ok(cidr) = DEFAULT_VCN.parse::<Ipv4Net>()
        {
            let label = self.add(NetworkRole::Vcn, "", "network", &[("cidr_block", DEFAULT_VCN.into())]);
            self.network.vcn_of.insert(label.clone(), label.clone());
            self.network.vcns.insert(label, cidr);
        }
    }

    /// Which VCN each part of the person's network belongs to: by connection, by the subnets it is attached to, by its
    /// CIDR, else the first.
    fn members(&mut self) {
        let Some(first) = self.first_vcn() else { return };
        for role in [
            NetworkRole::Subnet,
            NetworkRole::InternetGateway,
            NetworkRole::NatGateway,
            NetworkRole::ServiceGateway,
            NetworkRole::RouteTable,
            NetworkRole::SecurityList,
            NetworkRole::LocalPeering,
            NetworkRole::DrgAttachment,
        ] {
            for component in self.of_role(role) {
                let vcn = self.vcn_of(component).unwrap_or_else(|| first.clone());
                self.network.vcn_of.insert(component.label.clone(), vcn);
            }
        }
    }

    fn first_vcn(&self) -> Option<String> {
        let own = self.of_role(NetworkRole::Vcn).map(|c| c.label.clone()).find(|label| self.network.vcns.contains_key(label));
        own.or_else(|| self.network.vcns.keys().next().cloned())
    }

    fn vcn_of(&self, component: &ValidatedComponent) -> Option<String> {
        if let Some(vcn) = self.linked(&component.id, NetworkRole::Vcn).first() {
            return Some(vcn.label.clone());
        }
        for subnet in self.linked(&component.id, NetworkRole::Subnet) {
            if let Some(vcn) = self.network.vcn_of.get(&subnet.label) {
                return Some(vcn.clone());
            }
        }
        let cidr: Ipv4Net = component.config.get("cidr_block")?.as_str()?.parse().ok()?;
        let mut holders = self.of_role(NetworkRole::Vcn).filter(|vcn| self.network.vcns.get(&vcn.label).is_some_and(|v| v.contains(&cidr)));
        holders.next().map(|vcn| vcn.label.clone())
    }

    /// One note per VCN: what was added. What the person did not bring is never a surprise in the plan.
    fn report(&mut self) {
        for (vcn, parts) in std::mem::take(&mut self.added) {
            let id = self.owner_of(&vcn);
            let list = parts.join(", ");
            let name = quoted(&id);
            self.findings
                .info(
                    "network.completed",
                    format!("components[{id}]"),
                    both(format!("{name} のネットワークを補いました: {list}"), format!("the network of {name} was completed: {list}")),
                )
                .add();
        }
    }
}

fn service_type_name(role: NetworkRole) -> &'static str {
    service_type(role)
}

/// What a name says about public or private. 非公開 contains 公開, so private is looked for first.
fn kind_of_name(component: &ValidatedComponent) -> Option<Kind> {
    let text = format!("{} {}", component.id, component.display_name).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match () {
        () if says(&["private", "プライベート", "非公開", "内部"]) => Some(Kind::Private),
        () if says(&["public", "パブリック", "公開", "dmz"]) => Some(Kind::Public),
        () => None,
    }
}

/// Words of a component's id and display name, in lower case.
fn words_of(component: &ValidatedComponent) -> Vec<String> {
    let text = format!("{} {}", component.id, component.display_name).to_lowercase();
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// What a name says about the tier of a private subnet.
fn tier_of_name(component: &ValidatedComponent) -> Option<SubnetTier> {
    let text = format!("{} {}", component.id, component.display_name).to_lowercase();
    let words = words_of(component);
    let says = |list: &[&str]| list.iter().any(|word| words.iter().any(|own| own == word));
    match () {
        () if says(&["db", "data", "database"]) || text.contains("データ") => Some(SubnetTier::Db),
        () if says(&["app", "apps", "application", "worker", "workers"]) || text.contains("アプリ") => Some(SubnetTier::App),
        () => None,
    }
}

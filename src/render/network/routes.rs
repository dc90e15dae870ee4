//! Gateways, route tables and security lists: each subnet gets one table and at least one list. An explicit connection
//! decides, then the kind (public or private) that the name or the attached subnets of a brought table tell, then a
//! derived one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ANYWHERE, Derivation, Kind, Peer, Route, tier_of_name};
use crate::catalog::service::NetworkRole;
use crate::validator::ValidatedComponent;
use crate::validator::finding::{both, quoted};

/// Most security lists of a subnet (service limit of OCI).
const MAX_LISTS: usize = 5;

impl<'a> Derivation<'a> {
    /// Tables, lists and gateways of every VCN.
    pub(super) fn tables(&mut self) {
        let vcns: Vec<String> = self.network.vcns.keys().cloned().collect();
        for vcn in vcns {
            self.route_tables(&vcn);
            self.security_lists(&vcn);
        }
    }

    fn own_in(&self, role: NetworkRole, vcn: &str) -> Vec<&'a ValidatedComponent> {
        self.of_role(role).filter(|c| self.network.vcn_of.get(&c.label).is_some_and(|v| v == vcn)).collect()
    }

    /// Subnets of a VCN: brought ones in the order of the design, then derived ones.
    fn subnets_in(&self, vcn: &str) -> Vec<(String, Kind)> {
        let own = self.of_role(NetworkRole::Subnet).map(|c| &c.label);
        let derived = self.network.derived.iter().map(|c| &c.label);
        let known = own.chain(derived).filter_map(|label| self.network.subnets.get(label).map(|subnet| (label, subnet)));
        known.filter(|(_, subnet)| subnet.vcn == vcn).map(|(label, subnet)| (label.clone(), Kind::of(subnet.public))).collect()
    }

    /// Kind of a brought table or list: from its gateways, its subnets, its name.
    fn kind(&self, component: &ValidatedComponent) -> Option<Kind> {
        if !self.linked(&component.id, NetworkRole::InternetGateway).is_empty() {
            return Some(Kind::Public);
        }
        let private = [NetworkRole::NatGateway, NetworkRole::ServiceGateway];
        if private.iter().any(|role| !self.linked(&component.id, *role).is_empty()) {
            return Some(Kind::Private);
        }
        let subnets = self.linked(&component.id, NetworkRole::Subnet);
        let mut kinds = subnets.iter().filter_map(|s| self.network.subnets.get(&s.label)).map(|s| Kind::of(s.public));
        // "DB route table" says private as well as "private route table" does.
        kinds.next().or_else(|| Kind::named(component)).or_else(|| tier_of_name(component).map(|_| Kind::Private))
    }

    fn route_tables(&mut self, vcn: &str) {
        let own = self.own_in(NetworkRole::RouteTable, vcn);
        let mut kinds: BTreeMap<&str, Option<Kind>> = own.iter().map(|t| (t.label.as_str(), self.kind(t))).collect();
        let mut used: BTreeMap<String, Kind> = BTreeMap::new();
        for (subnet, kind) in self.subnets_in(vcn) {
            let id = self.design.components.iter().find(|c| c.label == subnet).map(|c| c.id.clone());
            let linked = id.as_ref().map(|id| self.linked(id, NetworkRole::RouteTable)).unwrap_or_default();
            let table = match linked.first() {
                Some(table) => {
                    self.check_explicit(table, &subnet, kind, kinds.get(table.label.as_str()).copied().flatten());
                    table.label.clone()
                }
                None => match self.matching(&own, &mut kinds, kind, &subnet) {
                    Some(table) => {
                        self.matched("route_table", &table, &subnet);
                        table
                    }
                    None => self.derived_table(vcn, kind, id.as_deref()),
                },
            };
            if let Some(id) = &id {
                self.check_gateways(id, kind);
            }
            used.entry(table.clone()).or_insert(kind);
            if let Some(known) = self.network.subnets.get_mut(&subnet) {
                known.route_table = table;
            }
        }
        let tables: Vec<(String, Option<Kind>, bool)> = own
            .iter()
            .map(|t| (t.label.clone(), used.get(&t.label).copied().or(kinds.get(t.label.as_str()).copied().flatten()), true))
            .chain(used.iter().filter(|(label, _)| !own.iter().any(|t| t.label == **label)).map(|(l, k)| (l.clone(), Some(*k), false)))
            .collect();
        for (label, kind, brought) in tables {
            let in_use = used.contains_key(&label);
            if !in_use {
                self.unused(&label);
            }
            let mut routes = self.routes_of(vcn, &label, kind.unwrap_or(Kind::Public), in_use);
            let further: Vec<Route> = self.peering_routes(vcn).into_iter().chain(self.transit_routes(vcn)).collect();
            for route in further {
                // The API takes one route for a destination.
                if !routes.iter().any(|known| known.destination == route.destination) {
                    routes.push(route);
                }
            }
            if brought && !routes.is_empty() {
                self.completed(&label, &routes);
            }
            self.network.routes.insert(label, routes);
        }
    }

    fn unused(&mut self, label: &str) {
        let Some(table) = self.design.components.iter().find(|c| c.label == label) else { return };
        let name = quoted(&table.id);
        self.findings
            .warning(
                "network.unused-route-table",
                format!("components[{}]", table.id),
                both(format!("ルート表 {name} を使うサブネットがありません"), format!("no subnet uses route table {name}")),
            )
            .advise(both(
                "接続 attached_to でサブネットを示すか、消してください",
                "name a subnet with an attached_to connection, or remove it",
            ))
            .add();
    }

    /// A brought table of the kind, else one whose kind nothing tells: that one becomes this kind. Of several, the one whose
    /// name speaks of the subnet's tier, then one whose name speaks of none.
    fn matching(
        &self,
        own: &[&'a ValidatedComponent],
        kinds: &mut BTreeMap<&str, Option<Kind>>,
        kind: Kind,
        subnet: &str,
    ) -> Option<String> {
        let tier = self.network.subnets.get(subnet).and_then(|subnet| subnet.tier).filter(|_| kind == Kind::Private);
        let distance = |table: &ValidatedComponent| match tier_of_name(table) {
            said if said == tier => 0,
            None => 1,
            Some(_) => 2,
        };
        let of = |wanted: Option<Kind>| {
            let fits = own.iter().filter(|t| kinds.get(t.label.as_str()).copied() == Some(wanted));
            fits.min_by_key(|t| distance(t)).map(|t| t.label.clone())
        };
        let found = of(Some(kind)).or_else(|| of(None))?;
        if let Some(entry) = kinds.get_mut(found.as_str()) {
            *entry = Some(kind);
        }
        Some(found)
    }

    fn matched(&mut self, what: &str, label: &str, subnet: &str) {
        let id = self.design.components.iter().find(|c| c.label == label).map_or(label.to_owned(), |c| c.id.clone());
        let (name, to) = (quoted(&id), quoted(subnet));
        self.findings
            .info(
                "network.matched",
                format!("components[{id}]"),
                both(format!("{what} {name} をサブネット {to} に付けました"), format!("{what} {name} is attached to subnet {to}")),
            )
            .advise(both("別の組にするには接続 attached_to で示してください", "say another pairing with an attached_to connection"))
            .add();
    }

    fn check_explicit(&mut self, table: &ValidatedComponent, subnet: &str, kind: Kind, said: Option<Kind>) {
        if said.is_none_or(|said| said == kind) {
            return;
        }
        let (name, to, kind) = (quoted(&table.id), quoted(subnet), kind.name());
        self.findings
            .error(
                "network.route-table-kind",
                format!("components[{}]", table.id),
                both(
                    format!("ルート表 {name} は {kind} サブネット {to} に合いません。1 つの表は公開か非公開のどちらか一方です"),
                    format!("route table {name} does not fit the {kind} subnet {to}: one table serves either public or private subnets"),
                ),
            )
            .advise(both(
                "サブネットごとに表を分けるか、prohibit_public_ip を見直してください",
                "use one table for each kind, or review prohibit_public_ip of the subnet",
            ))
            .add();
    }

    /// A subnet that says itself where it leads has to be of that kind.
    fn check_gateways(&mut self, subnet: &str, kind: Kind) {
        let wrong: &[NetworkRole] = match kind {
            Kind::Public => &[NetworkRole::NatGateway],
            Kind::Private => &[NetworkRole::InternetGateway],
        };
        let Some(gateway) = wrong.iter().flat_map(|role| self.linked(subnet, *role)).next() else { return };
        let (name, to, word) = (quoted(subnet), quoted(&gateway.id), kind.name());
        let advice = match kind {
            Kind::Public => both(
                "NAT の先に置くなら prohibit_public_ip を true に、公開するならインターネット・ゲートウェイにつないでください",
                "set prohibit_public_ip to true to stand behind NAT, or lead it to the internet gateway to be public",
            ),
            Kind::Private => both(
                "公開するなら prohibit_public_ip を false に、非公開なら NAT ゲートウェイにつないでください",
                "set prohibit_public_ip to false to be public, or lead it to a NAT gateway to stay private",
            ),
        };
        self.findings
            .error(
                "network.subnet-gateway",
                format!("components[{subnet}]"),
                both(format!("{word} サブネット {name} は {to} に向けられません"), format!("the {word} subnet {name} cannot lead to {to}")),
            )
            .advise(advice)
            .add();
    }

    /// The table that was made for a kind. A subnet that leads to the service gateway alone has one without NAT.
    fn derived_table(&mut self, vcn: &str, kind: Kind, subnet: Option<&str>) -> String {
        let leads = |role| subnet.is_some_and(|id| !self.linked(id, role).is_empty());
        if kind == Kind::Private && leads(NetworkRole::ServiceGateway) && !leads(NetworkRole::NatGateway) {
            let wish = format!("{vcn}_services_routes");
            let made = self.network.derived.iter().find(|c| c.label == wish).map(|c| c.label.clone());
            return made.unwrap_or_else(|| self.add(NetworkRole::RouteTable, vcn, &wish, &[("destination", ANYWHERE.into())]));
        }
        let wish = format!("{vcn}_{}_routes", kind.name());
        let made = self.network.derived.iter().find(|c| c.label == wish || c.display_name.ends_with(&format!("{} routes", kind.name())));
        let made = made.filter(|c| self.network.vcn_of.get(&c.label).is_some_and(|v| v == vcn)).map(|c| c.label.clone());
        made.unwrap_or_else(|| self.add(NetworkRole::RouteTable, vcn, &wish, &[("destination", ANYWHERE.into())]))
    }

    /// The brought gateway of a VCN, else a derived one when it may be made.
    fn gateway(&mut self, role: NetworkRole, vcn: &str, make: bool) -> Option<String> {
        if let Some(own) = self.own_in(role, vcn).first() {
            return Some(own.label.clone());
        }
        let derived = self
            .network
            .derived
            .iter()
            .find(|c| c.service_type == super::service_type(role) && self.network.vcn_of.get(&c.label).is_some_and(|v| v == vcn));
        if let Some(derived) = derived {
            return Some(derived.label.clone());
        }
        let wish = match role {
            NetworkRole::InternetGateway => "igw",
            NetworkRole::NatGateway => "nat",
            NetworkRole::ServiceGateway => "sgw",
            NetworkRole::Vcn
            | NetworkRole::Subnet
            | NetworkRole::RouteTable
            | NetworkRole::SecurityList
            | NetworkRole::SecurityGroup
            | NetworkRole::LocalPeering
            | NetworkRole::Drg
            | NetworkRole::DrgAttachment
            | NetworkRole::RemotePeering => return None,
        };
        make.then(|| self.add(role, vcn, &format!("{vcn}_{wish}"), &[]))
    }

    /// Routes of a table. A table that no subnet uses gets routes only to gateways that exist anyway.
    fn routes_of(&mut self, vcn: &str, label: &str, kind: Kind, in_use: bool) -> Vec<Route> {
        let component = self.design.components.iter().find(|c| c.label == label);
        let destination = component.and_then(|c| c.config.get("destination")).and_then(Value::as_str).unwrap_or(ANYWHERE).to_owned();
        // What a subnet leads to, its table does.
        let here = |c: &&ValidatedComponent| self.network.subnets.get(&c.label).is_some_and(|subnet| subnet.route_table == label);
        let subnets = self.of_role(NetworkRole::Subnet).filter(here).map(|c| c.id.as_str());
        let leading: Vec<&str> = component.map(|c| c.id.as_str()).into_iter().chain(subnets).collect();
        let said = |role| leading.iter().flat_map(|id| self.linked(id, role)).next().map(|gateway| gateway.label.clone());
        let (igw, nat, sgw) = (said(NetworkRole::InternetGateway), said(NetworkRole::NatGateway), said(NetworkRole::ServiceGateway));
        let explicit = igw.is_some() || nat.is_some() || sgw.is_some();
        let mut routes = Vec::new();
        match kind {
            Kind::Public => {
                let gateway = igw.or_else(|| self.gateway(NetworkRole::InternetGateway, vcn, in_use));
                let to = Peer::Cidr(destination);
                routes.extend(gateway.map(|label| Route { destination: to, gateway: NetworkRole::InternetGateway, label }));
            }
            Kind::Private => {
                // A table that says "service gateway only" means: no internet.
                let wants_nat = !explicit || nat.is_some();
                let gateway = nat.or_else(|| wants_nat.then(|| self.gateway(NetworkRole::NatGateway, vcn, in_use)).flatten());
                let to = Peer::Cidr(destination);
                routes.extend(gateway.map(|label| Route { destination: to, gateway: NetworkRole::NatGateway, label }));
                let services = sgw.or_else(|| self.gateway(NetworkRole::ServiceGateway, vcn, in_use));
                routes.extend(services.map(|label| Route { destination: Peer::Services, gateway: NetworkRole::ServiceGateway, label }));
            }
        }
        routes
    }

    fn completed(&mut self, label: &str, routes: &[Route]) {
        let Some(table) = self.design.components.iter().find(|c| c.label == label) else { return };
        let to = |route: &Route| match &route.destination {
            Peer::Cidr(cidr) => format!("{cidr} → {}", route.label),
            Peer::Services => format!("OCI services → {}", route.label),
            Peer::Nsg(label) => label.clone(),
            Peer::Host(host) => host.label.clone(),
        };
        let list = routes.iter().map(to).collect::<Vec<_>>().join(", ");
        let name = quoted(&table.id);
        self.findings
            .info(
                "network.routes-completed",
                format!("components[{}]", table.id),
                both(format!("ルート表 {name} の経路: {list}"), format!("routes of route table {name}: {list}")),
            )
            .add();
    }

    fn security_lists(&mut self, vcn: &str) {
        let own = self.own_in(NetworkRole::SecurityList, vcn);
        let mut kinds: BTreeMap<&str, Option<Kind>> = own.iter().map(|t| (t.label.as_str(), self.kind(t))).collect();
        let mut empty: Option<String> = None;
        for (subnet, kind) in self.subnets_in(vcn) {
            let id = self.design.components.iter().find(|c| c.label == subnet).map(|c| c.id.clone());
            let linked = id.as_ref().map(|id| self.linked(id, NetworkRole::SecurityList)).unwrap_or_default();
            let mut lists: Vec<String> = linked.iter().map(|list| list.label.clone()).collect();
            if lists.len() > MAX_LISTS {
                let path = format!("components[{}]", id.unwrap_or_default());
                let text = both(
                    format!("サブネットに付けられるセキュリティ・リストは {MAX_LISTS} 個までです"),
                    format!("a subnet takes at most {MAX_LISTS} security lists"),
                );
                self.findings.error("network.security-lists", path, text).add();
            }
            if lists.is_empty()
                && let Some(list) = self.matching(&own, &mut kinds, kind, &subnet)
            {
                self.matched("security_list", &list, &subnet);
                lists.push(list);
            }
            if lists.is_empty() {
                let list = empty.get_or_insert_with(|| self.add_empty(vcn)).clone();
                lists.push(list);
            }
            if let Some(known) = self.network.subnets.get_mut(&subnet) {
                known.security_lists = lists;
            }
        }
    }

    /// The empty list: it keeps a subnet from getting the VCN's default list, and leaves the rules to security groups.
    fn add_empty(&mut self, vcn: &str) -> String {
        self.add(NetworkRole::SecurityList, vcn, &format!("{vcn}_empty_list"), &[])
    }
}

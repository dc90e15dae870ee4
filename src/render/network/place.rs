//! Subnets and who stands in them. `deployed_in` decides; without it a component goes to the brought subnet of its tier,
//! and to a derived one when there is none.

use ipnet::Ipv4Net;
use serde_json::Value;

use super::{Derivation, Kind, Placement, Subnet, allocate, kind_of_name, tier_of_name};
use crate::catalog::service::{NetworkRole, Spot, SubnetTier};
use crate::validator::ValidatedComponent;
use crate::validator::finding::{both, quoted};

/// Slot of each tier in the VCN, and the first slot of brought subnets without a CIDR.
fn slot(tier: SubnetTier) -> usize {
    match tier {
        SubnetTier::Public => 0,
        SubnetTier::App => 1,
        SubnetTier::Db => 2,
    }
}
const OWN_SLOTS: usize = 3;

fn tier_name(tier: SubnetTier) -> &'static str {
    match tier {
        SubnetTier::Public => "public",
        SubnetTier::App => "private_app",
        SubnetTier::Db => "private_db",
    }
}

impl<'a> Derivation<'a> {
    /// Finds every subnet its CIDR, then every workload its subnet.
    pub(super) fn subnets(&mut self) {
        let own: Vec<&ValidatedComponent> = self.of_role(NetworkRole::Subnet).collect();
        let cidr = |c: &ValidatedComponent| c.config.get("cidr_block").and_then(Value::as_str).and_then(|t| t.parse::<Ipv4Net>().ok());
        for subnet in &own {
            if let Some(net) = cidr(subnet) {
                self.own_subnet(subnet, net.trunc());
            }
        }
        for subnet in own.iter().filter(|subnet| cidr(subnet).is_none()) {
            let Some(vcn) = self.network.vcn_of.get(&subnet.label).cloned() else { continue };
            match self.room(&vcn, OWN_SLOTS) {
                Some(net) => {
                    self.own_subnet(subnet, net);
                    let id = quoted(&subnet.id);
                    self.findings
                        .info(
                            "network.subnet-cidr",
                            format!("components[{}].config.cidr_block", subnet.id),
                            both(format!("サブネット {id} に {net} を割り当てました"), format!("subnet {id} gets {net}")),
                        )
                        .add();
                }
                None => self.no_room(&vcn, &format!("components[{}].config.cidr_block", subnet.id)),
            }
        }
        for workload in self.workloads() {
            self.place(workload);
        }
        self.crowded();
    }

    fn own_subnet(&mut self, subnet: &ValidatedComponent, cidr: Ipv4Net) {
        let vcn = self.network.vcn_of.get(&subnet.label).cloned().unwrap_or_default();
        let public = subnet.config.get("prohibit_public_ip") != Some(&Value::Bool(true));
        let tier = if public { Some(SubnetTier::Public) } else { tier_of_name(subnet) };
        let known = Subnet { cidr, public, tier, vcn, route_table: String::new(), security_lists: Vec::new() };
        self.network.subnets.insert(subnet.label.clone(), known);
    }

    fn room(&self, vcn: &str, slot: usize) -> Option<Ipv4Net> {
        let taken: Vec<Ipv4Net> = self.network.subnets.values().filter(|s| s.vcn == vcn).map(|s| s.cidr).collect();
        allocate::free(*self.network.vcns.get(vcn)?, &taken, slot)
    }

    fn no_room(&mut self, vcn: &str, path: &str) {
        let net = self.network.vcns.get(vcn).map(ToString::to_string).unwrap_or_default();
        self.findings
            .error(
                "network.no-room",
                path,
                both(
                    format!("VCN の CIDR {net} に、もう 1 つサブネットを作る空きがありません"),
                    format!("the VCN's CIDR {net} has no room for another subnet"),
                ),
            )
            .advise(both("VCN の CIDR を広げるか、サブネットを小さくしてください", "widen the VCN's CIDR or make the subnets smaller"))
            .add();
    }

    fn place(&mut self, workload: &'a ValidatedComponent) {
        let Some(service) = self.service(workload) else { return };
        let Some(rule) = &service.placement else { return };
        let wants_public = rule.public_when.as_ref().is_some_and(|when| when.holds(&workload.config, None))
            || rule.public_with.iter().any(|wanted| self.has(workload, wanted));
        let tier = if wants_public { SubnetTier::Public } else { rule.tier };
        let subnet = match self.deployed_in(workload, NetworkRole::Subnet) {
            Some(subnet) => Some(subnet.label.clone()),
            None => {
                let vcn = self.deployed_in(workload, NetworkRole::Vcn).map(|vcn| vcn.label.clone()).or_else(|| self.first_vcn());
                vcn.and_then(|vcn| self.subnet_of_tier(&vcn, tier, workload))
            }
        };
        let Some(label) = subnet else { return };
        let Some(known) = self.network.subnets.get(&label) else { return };
        let placement = Placement { subnet: label, public: known.public, vcn: known.vcn.clone(), nsg: None, further_nsgs: Vec::new() };
        let main = placement.clone();
        self.network.placements.insert(workload.id.clone(), placement);
        for (name, spot) in rule.others.iter().filter(|(_, spot)| spot.when.holds(&workload.config, None)) {
            self.spot(workload, name, spot, &main);
        }
    }

    /// A further place: the main subnet when it is of the wanted kind, else the one of the tier.
    fn spot(&mut self, workload: &'a ValidatedComponent, name: &str, spot: &Spot, main: &Placement) {
        let public = spot.public_when.as_ref().is_some_and(|when| when.holds(&workload.config, None));
        let tier = if public { SubnetTier::Public } else { spot.tier };
        let label = if main.public == public { Some(main.subnet.clone()) } else { self.subnet_of_tier(&main.vcn, tier, workload) };
        let Some(label) = label else { return };
        let Some(known) = self.network.subnets.get(&label) else { return };
        let placement = Placement { subnet: label, public: known.public, vcn: known.vcn.clone(), nsg: None, further_nsgs: Vec::new() };
        self.network.spots.insert((workload.id.clone(), name.to_owned()), placement);
    }

    fn deployed_in(&self, workload: &ValidatedComponent, role: NetworkRole) -> Option<&'a ValidatedComponent> {
        let mut connections = self.design.connections.iter().filter(|c| c.source_id == workload.id && c.connection_type == "deployed_in");
        connections.find_map(|c| self.component(&c.target_id).filter(|target| self.role(target) == Some(role)))
    }

    /// The brought subnet of a tier, else the derived one. A brought private subnet whose name speaks of another tier is
    /// left to that tier.
    fn subnet_of_tier(&mut self, vcn: &str, tier: SubnetTier, workload: &ValidatedComponent) -> Option<String> {
        let wanted_public = tier == SubnetTier::Public;
        let own: Vec<&String> = self
            .of_role(NetworkRole::Subnet)
            .map(|c| &c.label)
            .filter(|label| self.network.subnets.get(*label).is_some_and(|s| s.vcn == vcn && s.public == wanted_public))
            .collect();
        let of = |wanted: Option<SubnetTier>| own.iter().find(|l| self.network.subnets.get(**l).is_some_and(|s| s.tier == wanted));
        if let Some(label) = of(Some(tier)).or_else(|| of(None)) {
            let label = (*label).clone();
            let (id, subnet) = (quoted(&workload.id), quoted(&label));
            self.findings
                .info(
                    "network.placed",
                    format!("components[{}]", workload.id),
                    both(format!("{id} をサブネット {subnet} に置きます"), format!("{id} is placed in subnet {subnet}")),
                )
                .add();
            return Some(label);
        }
        let wish = format!("{vcn}_{}", tier_name(tier));
        let made = self.network.derived.iter().find(|c| {
            self.network.vcn_of.get(&c.label).is_some_and(|v| v == vcn)
                && self.network.subnets.get(&c.label).is_some_and(|s| s.tier == Some(tier))
        });
        if let Some(made) = made {
            return Some(made.label.clone());
        }
        let Some(cidr) = self.room(vcn, slot(tier)) else {
            self.no_room(vcn, &format!("components[{}]", workload.id));
            return None;
        };
        let config = [("cidr_block", cidr.to_string().into()), ("prohibit_public_ip", (!wanted_public).into())];
        let label = self.add(NetworkRole::Subnet, vcn, &wish, &config);
        let known = Subnet {
            cidr,
            public: wanted_public,
            tier: Some(tier),
            vcn: vcn.to_owned(),
            route_table: String::new(),
            security_lists: Vec::new(),
        };
        self.network.subnets.insert(label.clone(), known);
        Some(label)
    }

    /// How many addresses a component takes at its main place.
    fn addresses(&self, id: &str) -> usize {
        let component = self.component(id);
        let count = component.and_then(|c| self.service(c)).and_then(|s| s.hosts.as_ref()).and_then(|hosts| hosts.count.as_ref());
        let number = count.zip(component).and_then(|(key, c)| c.config.get(key)).and_then(Value::as_u64);
        number.map_or(1, |number| usize::try_from(number).unwrap_or(1))
    }

    /// More components than addresses.
    fn crowded(&mut self) {
        let subnets: Vec<(String, Ipv4Net)> = self.network.subnets.iter().map(|(label, s)| (label.clone(), s.cidr)).collect();
        for (label, cidr) in subnets {
            let here = self.network.placements.iter().filter(|(_, p)| p.subnet == label).map(|(id, _)| self.addresses(id)).sum::<usize>()
                + self.network.spots.values().filter(|p| p.subnet == label).count();
            let room = allocate::usable(cidr);
            if u32::try_from(here).unwrap_or(u32::MAX) > room {
                let id = self
                    .design
                    .components
                    .iter()
                    .find(|c| c.label == label)
                    .map_or_else(|| self.network.owner.get(&label).cloned().unwrap_or_default(), |c| c.id.clone());
                self.findings
                    .error(
                        "network.crowded",
                        format!("components[{id}]"),
                        both(
                            format!("サブネット {label} ({cidr}) で使えるアドレスは {room} 個ですが、{here} 個の部品が置かれます"),
                            format!("subnet {label} ({cidr}) has {room} usable addresses for {here} components"),
                        ),
                    )
                    .advise(both("VCN かサブネットの CIDR を広げてください", "widen the CIDR of the VCN or of the subnet"))
                    .add();
            }
        }
    }
}

impl Kind {
    pub(super) fn of(public: bool) -> Kind {
        if public { Kind::Public } else { Kind::Private }
    }
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Public => "public",
            Kind::Private => "private",
        }
    }
    /// Kind a table or list names, when its name names one.
    pub(super) fn named(component: &ValidatedComponent) -> Option<Kind> {
        kind_of_name(component)
    }
}

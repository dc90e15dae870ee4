//! Subnets: the brought ones, those made for a tier, and the addresses of all whose CIDR nobody said. Addresses are given out
//! once it is known who stands where, so that each subnet is large enough for what is in it.

use ipnet::Ipv4Net;
use serde_json::Value;

use super::{Derivation, Kind, Subnet, allocate, kind_of_name, tier_of_name};
use crate::catalog::service::{NetworkRole, SubnetTier};
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

/// A subnet that still needs its addresses.
struct Wish {
    label: String,
    vcn: String,
    slot: usize,
    /// addresses that its components take
    need: u32,
    /// where it is said that there is no room
    path: String,
    /// whether a person brought it
    brought: bool,
}

impl<'a> Derivation<'a> {
    /// Finds every workload its subnet, then every subnet its addresses.
    pub(super) fn subnets(&mut self) {
        for subnet in self.of_role(NetworkRole::Subnet) {
            self.own_subnet(subnet);
        }
        for workload in self.workloads() {
            self.place(workload);
        }
        self.addresses_for_all();
        self.crowded();
    }

    fn own_subnet(&mut self, subnet: &ValidatedComponent) {
        let cidr = said_cidr(subnet);
        let vcn = self.network.vcn_of.get(&subnet.label).cloned().unwrap_or_default();
        let public = subnet.config.get("prohibit_public_ip") != Some(&Value::Bool(true));
        let tier = if public { Some(SubnetTier::Public) } else { tier_of_name(subnet) };
        // Without a CIDR: the VCN's addresses until its own are known.
        let Some(cidr) = cidr.or_else(|| self.network.vcns.get(&vcn).copied()) else { return };
        let known = Subnet { cidr: cidr.trunc(), public, tier, vcn, route_table: String::new(), security_lists: Vec::new() };
        self.network.subnets.insert(subnet.label.clone(), known);
    }

    /// The subnet that was made for a tier, else a new one.
    pub(super) fn made_for(&mut self, vcn: &str, tier: SubnetTier) -> Option<String> {
        let here = |label: &String| self.network.vcn_of.get(label).is_some_and(|v| v == vcn);
        let of_tier = |label: &String| self.network.subnets.get(label).is_some_and(|s| s.tier == Some(tier));
        if let Some(made) = self.network.derived.iter().find(|c| here(&c.label) && of_tier(&c.label)) {
            return Some(made.label.clone());
        }
        let cidr = *self.network.vcns.get(vcn)?;
        let public = tier == SubnetTier::Public;
        let label = self.add(NetworkRole::Subnet, vcn, &format!("{vcn}_{}", tier_name(tier)), &[("prohibit_public_ip", (!public).into())]);
        let known = Subnet { cidr, public, tier: Some(tier), vcn: vcn.to_owned(), route_table: String::new(), security_lists: Vec::new() };
        self.network.subnets.insert(label.clone(), known);
        Some(label)
    }

    /// Gives every subnet without a CIDR its addresses: the largest first, because a small one fits into what they leave.
    fn addresses_for_all(&mut self) {
        let mut wishes = self.wishes();
        let waiting: Vec<String> = wishes.iter().map(|wish| wish.label.clone()).collect();
        wishes.sort_by_key(|wish| allocate::wanted(self.network.vcns.get(&wish.vcn).copied(), wish.need));
        let mut given: Vec<String> = Vec::new();
        for wish in wishes {
            let settled = |label: &String| !waiting.contains(label) || given.contains(label);
            let taken: Vec<Ipv4Net> =
                self.network.subnets.iter().filter(|(label, s)| s.vcn == wish.vcn && settled(label)).map(|(_, s)| s.cidr).collect();
            let vcn = self.network.vcns.get(&wish.vcn).copied();
            match vcn.and_then(|vcn| allocate::free(vcn, &taken, wish.slot, wish.need)) {
                Some(cidr) => self.settle(&wish, cidr),
                None => self.no_room(&wish),
            }
            given.push(wish.label);
        }
    }

    fn wishes(&self) -> Vec<Wish> {
        let own: Vec<&ValidatedComponent> = self.of_role(NetworkRole::Subnet).filter(|subnet| said_cidr(subnet).is_none()).collect();
        let brought = own.iter().enumerate().map(|(at, subnet)| Wish {
            label: subnet.label.clone(),
            vcn: self.network.vcn_of.get(&subnet.label).cloned().unwrap_or_default(),
            slot: OWN_SLOTS + at,
            need: self.need(&subnet.label),
            path: format!("components[{}].config.cidr_block", subnet.id),
            brought: true,
        });
        let made = self.network.derived.iter().filter(|c| c.service_type == super::service_type(NetworkRole::Subnet)).map(|c| Wish {
            label: c.label.clone(),
            vcn: self.network.vcn_of.get(&c.label).cloned().unwrap_or_default(),
            slot: self.network.subnets.get(&c.label).and_then(|s| s.tier).map_or(OWN_SLOTS, slot),
            need: self.need(&c.label),
            path: format!("components[{}]", self.first_in(&c.label)),
            brought: false,
        });
        brought.chain(made).collect()
    }

    fn settle(&mut self, wish: &Wish, cidr: Ipv4Net) {
        if let Some(subnet) = self.network.subnets.get_mut(&wish.label) {
            subnet.cidr = cidr;
        }
        if let Some(made) = self.network.derived.iter_mut().find(|c| c.label == wish.label) {
            made.config.insert("cidr_block".to_owned(), cidr.to_string().into());
        }
        if wish.brought {
            let id = quoted(&wish.label);
            let text = both(format!("サブネット {id} に {cidr} を割り当てました"), format!("subnet {id} gets {cidr}"));
            self.findings.info("network.subnet-cidr", wish.path.clone(), text).add();
        }
    }

    fn no_room(&mut self, wish: &Wish) {
        let net = self.network.vcns.get(&wish.vcn).map(ToString::to_string).unwrap_or_default();
        let need = wish.need;
        self.findings
            .error(
                "network.no-room",
                wish.path.clone(),
                both(
                    format!("VCN の CIDR {net} に、アドレス {need} 個のサブネットをもう 1 つ作る空きがありません"),
                    format!("the VCN's CIDR {net} has no room for another subnet of {need} address(es)"),
                ),
            )
            .advise(both("VCN の CIDR を広げるか、サブネットを小さくしてください", "widen the VCN's CIDR or make the subnets smaller"))
            .add();
    }

    /// The first component that stands in a subnet.
    fn first_in(&self, label: &str) -> String {
        let here = |id: &String| {
            let spots = self.network.spots.iter().any(|((spot, _), place)| spot == id && place.subnet == label);
            spots || self.network.placements.get(id).is_some_and(|place| place.subnet == label)
        };
        self.design.components.iter().map(|c| &c.id).find(|id| here(id)).cloned().unwrap_or_default()
    }

    /// Addresses that a subnet must have: what stands in it takes them.
    fn need(&self, label: &str) -> u32 {
        let main = self.network.placements.iter().filter(|(_, place)| place.subnet == label);
        let main: usize = main.map(|(id, _)| self.addresses(id).max(self.least(id))).sum();
        let spots = self.network.spots.values().filter(|place| place.subnet == label).count();
        u32::try_from(main + spots).unwrap_or(u32::MAX).max(1)
    }

    /// Addresses that one component takes even when there is one of it.
    fn least(&self, id: &str) -> usize {
        let placement = self.component(id).and_then(|c| self.service(c)).and_then(|s| s.placement.as_ref());
        placement.map_or(1, |placement| usize::from(placement.addresses))
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

/// The CIDR a person gave a subnet.
fn said_cidr(subnet: &ValidatedComponent) -> Option<Ipv4Net> {
    subnet.config.get("cidr_block").and_then(Value::as_str).and_then(|text| text.parse::<Ipv4Net>().ok())
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

//! Who stands in which subnet. `deployed_in` decides; a component with further places may name a subnet for each. What nobody
//! said goes to the brought subnet of its tier whose name speaks of it, and to a made one when there is none.

use super::{Derivation, Placement, words_of};
use crate::catalog::service::{NetworkRole, Spot, SubnetTier};
use crate::validator::ValidatedComponent;
use crate::validator::finding::{both, quoted};

/// What a place wants of its subnet.
struct Wanted<'w> {
    public: bool,
    /// words in the names of subnets that are meant for it
    words: &'w [String],
    /// words of the other places of the same component
    others: Vec<&'w String>,
}

impl<'a> Derivation<'a> {
    pub(super) fn place(&mut self, workload: &'a ValidatedComponent) {
        let Some(rule) = self.service(workload).and_then(|service| service.placement.as_ref()) else { return };
        let public = rule.public_when.as_ref().is_some_and(|when| when.holds(&workload.config, None))
            || rule.public_with.iter().any(|wanted| self.has(workload, wanted));
        let tier = if public { SubnetTier::Public } else { rule.tier };
        let others = rule.others.iter().flat_map(|(_, spot)| &spot.words).collect();
        let wanted = Wanted { public, words: &rule.words, others };
        let listed = self.deployed_in(workload, NetworkRole::Subnet);
        let subnet = match self.best(&listed, &wanted) {
            Some(label) => Some(label),
            None => {
                let vcn = self.deployed_in(workload, NetworkRole::Vcn).into_iter().next().or_else(|| self.first_vcn());
                vcn.and_then(|vcn| self.subnet_of_tier(&vcn, tier, &wanted, workload, None))
            }
        };
        let Some(main) = subnet.and_then(|label| self.stands_in(label)) else { return };
        self.network.placements.insert(workload.id.clone(), main.clone());
        for (name, spot) in rule.others.iter().filter(|(_, spot)| spot.when.holds(&workload.config, None)) {
            let others = rule.others.iter().filter(|(other, _)| *other != name).flat_map(|(_, spot)| &spot.words);
            let others = others.chain(&rule.words).collect();
            self.spot(workload, (name, spot), &main, &listed, others);
        }
    }

    fn stands_in(&self, label: String) -> Option<Placement> {
        let known = self.network.subnets.get(&label)?;
        let (public, vcn) = (known.public, known.vcn.clone());
        Some(Placement { subnet: label, public, vcn, nsg: None, further_nsgs: Vec::new() })
    }

    /// A further place: of the subnets that were named for the component the one that fits, else a brought one whose name
    /// speaks of it, else the main subnet when that is of the wanted kind, else the one of the tier.
    fn spot(
        &mut self,
        workload: &'a ValidatedComponent,
        (name, spot): (&str, &Spot),
        main: &Placement,
        listed: &[String],
        others: Vec<&String>,
    ) {
        let public = spot.public_when.as_ref().is_some_and(|when| when.holds(&workload.config, None));
        let tier = if public { SubnetTier::Public } else { spot.tier };
        let wanted = Wanted { public, words: &spot.words, others };
        let beside: Vec<String> =
            listed.iter().filter(|label| **label != main.subnet && self.is_public(label) == public).cloned().collect();
        let named: Vec<String> =
            self.brought_in(&main.vcn, public).into_iter().filter(|label| self.speaks_of(label, wanted.words)).collect();
        let label = match (self.best(&beside, &wanted), self.best(&named, &wanted)) {
            (Some(label), _) => Some(label),
            (None, Some(label)) => {
                self.placed(workload, Some(name), &label);
                Some(label)
            }
            (None, None) if main.public == public => Some(main.subnet.clone()),
            (None, None) => self.subnet_of_tier(&main.vcn, tier, &wanted, workload, Some(name)),
        };
        if let Some(place) = label.and_then(|label| self.stands_in(label)) {
            self.network.spots.insert((workload.id.clone(), name.to_owned()), place);
        }
    }

    /// Labels of what a component is deployed in, in the order of the design.
    fn deployed_in(&self, workload: &ValidatedComponent, role: NetworkRole) -> Vec<String> {
        let own = self.design.connections.iter().filter(|c| c.source_id == workload.id && c.connection_type == "deployed_in");
        let targets = own.filter_map(|c| self.component(&c.target_id)).filter(|target| self.role(target) == Some(role));
        targets.map(|target| target.label.clone()).collect()
    }

    fn is_public(&self, label: &str) -> bool {
        self.network.subnets.get(label).is_some_and(|subnet| subnet.public)
    }

    /// Brought subnets of a kind, in the order of the design.
    fn brought_in(&self, vcn: &str, public: bool) -> Vec<String> {
        let here = |label: &&String| self.network.subnets.get(*label).is_some_and(|s| s.vcn == vcn && s.public == public);
        self.of_role(NetworkRole::Subnet).map(|c| &c.label).filter(here).cloned().collect()
    }

    /// Whether a subnet's name has one of these words.
    fn speaks_of(&self, label: &str, words: &[String]) -> bool {
        let subnet = self.design.components.iter().find(|c| c.label == label);
        subnet.map(words_of).is_some_and(|own| words.iter().any(|word| own.contains(word)))
    }

    /// The subnet that fits best: of the wanted kind before the other, named for this place before unnamed, unnamed before
    /// named for another place; the first of equals.
    fn best(&self, among: &[String], wanted: &Wanted<'_>) -> Option<String> {
        let others: Vec<String> = wanted.others.iter().map(|word| (*word).clone()).collect();
        let score =
            |label: &String| (self.is_public(label) != wanted.public, !self.speaks_of(label, wanted.words), self.speaks_of(label, &others));
        among.iter().min_by_key(|label| score(label)).cloned()
    }

    /// The brought subnet of a tier, else the made one. A brought private subnet whose name speaks of another tier is left
    /// to that tier.
    fn subnet_of_tier(
        &mut self,
        vcn: &str,
        tier: SubnetTier,
        wanted: &Wanted<'_>,
        workload: &ValidatedComponent,
        spot: Option<&str>,
    ) -> Option<String> {
        let own = self.brought_in(vcn, tier == SubnetTier::Public);
        let of = |wanted: Option<SubnetTier>| -> Vec<String> {
            own.iter().filter(|label| self.network.subnets.get(*label).is_some_and(|s| s.tier == wanted)).cloned().collect()
        };
        let found = self.best(&of(Some(tier)), wanted).or_else(|| self.best(&of(None), wanted));
        match found {
            Some(label) => {
                self.placed(workload, spot, &label);
                Some(label)
            }
            None => self.made_for(vcn, tier),
        }
    }

    /// Said, because nobody asked for this very subnet.
    fn placed(&mut self, workload: &ValidatedComponent, spot: Option<&str>, subnet: &str) {
        let (id, subnet) = (quoted(&workload.id), quoted(subnet));
        let part = spot.map(|name| format!(" ({name})")).unwrap_or_default();
        let text = both(format!("{id}{part} をサブネット {subnet} に置きます"), format!("{id}{part} is placed in subnet {subnet}"));
        self.findings.info("network.placed", format!("components[{}]", workload.id), text).add();
    }
}

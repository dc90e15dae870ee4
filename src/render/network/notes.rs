//! What a person should know about the finished network: rules that their own security lists lack and Galley's groups
//! carry, private databases nobody reaches, pod addresses that overlap.

use ipnet::Ipv4Net;
use serde_json::Value;

use super::{Derivation, Flow};
use crate::catalog::service::NetworkRole;
use crate::validator::ValidatedComponent;
use crate::validator::finding::{both, quoted};

impl Derivation<'_> {
    /// Adds the findings.
    pub(super) fn notes(&mut self) {
        self.lists();
        for component in &self.design.components {
            self.cluster_addresses(component);
            if self.network.spots.contains_key(&(component.id.clone(), "endpoint".to_owned())) {
                self.cluster_lists(component);
            }
            let private_database = component.config.get("endpoint_type") == Some(&Value::String("private".into()))
                && self.service(component).is_some_and(|s| s.ports.iter().any(|p| p.via.iter().any(|via| via == "private_endpoint")));
            if private_database {
                self.database_port(component);
            }
        }
    }

    /// Brought security lists say what a whole subnet lets in. What the components there need beside that, their groups
    /// carry: said for each list, because nobody should look for it there.
    fn lists(&mut self) {
        for list in self.of_role(NetworkRole::SecurityList) {
            let has_list = |subnet: &String| self.network.subnets.get(subnet).is_some_and(|s| s.security_lists.contains(&list.label));
            let places = self.network.placements.values().chain(self.network.spots.values()).filter(|p| has_list(&p.subnet));
            let groups: Vec<&String> = places.filter_map(|place| place.nsg.as_ref()).collect();
            let own = list.config.get("ingress_port").and_then(Value::as_u64);
            let lets_in = |(first, last): (u16, u16)| first == last && own == Some(u64::from(first));
            let carried = self.network.rules.iter().filter(|r| r.flow == Flow::Ingress && groups.contains(&&r.nsg));
            let mut added: Vec<String> = carried
                .filter_map(|rule| rule.ports.filter(|ports| !lets_in(*ports)).map(|(first, last)| (&rule.nsg, first, last)))
                .map(|(nsg, first, last)| if first == last { format!("{nsg}: {first}") } else { format!("{nsg}: {first}-{last}") })
                .collect();
            added.sort();
            added.dedup();
            if added.is_empty() {
                continue;
            }
            let (name, rules) = (quoted(&list.id), added.join(", "));
            self.findings
                .info(
                    "network.rules-completed",
                    format!("components[{}]", list.id),
                    both(
                        format!("{name} にない規則を、部品のセキュリティ・グループで補いました: {rules}"),
                        format!("rules that {name} lacks were added in the groups of the components: {rules}"),
                    ),
                )
                .add();
        }
    }

    /// Brought security lists of the subnets a cluster uses: they have one port, a cluster needs more.
    fn cluster_lists(&mut self, cluster: &ValidatedComponent) {
        let places = self.network.placements.iter().filter(|(id, _)| **id == cluster.id).map(|(_, p)| p);
        let places = places.chain(self.network.spots.iter().filter(|((id, _), _)| *id == cluster.id).map(|(_, p)| p));
        let subnets: Vec<String> = places.map(|p| p.subnet.clone()).collect();
        let lists = subnets.iter().filter_map(|label| self.network.subnets.get(label)).flat_map(|s| s.security_lists.clone());
        let lists: std::collections::BTreeSet<String> = lists.collect();
        let own: Vec<&ValidatedComponent> = self.of_role(NetworkRole::SecurityList).filter(|c| lists.contains(&c.label)).collect();
        for list in own {
            let (name, of) = (quoted(&list.id), quoted(&cluster.id));
            self.findings
                .warning(
                    "network.oke-security-list",
                    format!("components[{}]", list.id),
                    both(
                        format!("{name} には、{of} に要る規則 (VCN 内の TCP、ICMP 3/4、6443、12250、10250) がありません"),
                        format!("{name} lacks the rules {of} needs (TCP inside the VCN, ICMP 3/4, 6443, 12250, 10250)"),
                    ),
                )
                .advise(both(
                    format!("Galley が {of} のセキュリティ・グループで補います。リストはそのままで動きます"),
                    format!("the security groups of {of} carry them: the list can stay as it is"),
                ))
                .add();
        }
    }

    /// Pods and services have addresses of their own, which the VCN may not use.
    fn cluster_addresses(&mut self, cluster: &ValidatedComponent) {
        let Some(vcn) = self.network.placements.get(&cluster.id).and_then(|p| self.network.vcns.get(&p.vcn)).copied() else { return };
        for key in ["pods_cidr", "services_cidr"] {
            let Some(net) = cluster.config.get(key).and_then(Value::as_str).and_then(|text| text.parse::<Ipv4Net>().ok()) else { continue };
            if vcn.contains(&net) || net.contains(&vcn) {
                self.findings
                    .error(
                        "network.cluster-overlap",
                        format!("components[{}].config.{key}", cluster.id),
                        both(format!("{key} {net} が VCN の {vcn} と重なります"), format!("{key} {net} overlaps {vcn} of the VCN")),
                    )
                    .advise(both("重ならない CIDR にしてください", "choose a CIDR outside the VCN"))
                    .add();
            }
        }
    }

    /// Who may reach a private database: said, because without a rule nobody can.
    fn database_port(&mut self, database: &ValidatedComponent) {
        let Some(nsg) = self.network.placements.get(&database.id).and_then(|p| p.nsg.clone()) else { return };
        let reached = self.network.rules.iter().any(|r| r.nsg == nsg && r.flow == Flow::Ingress);
        let (id, group) = (quoted(&database.id), quoted(&nsg));
        let path = format!("components[{}]", database.id);
        if reached {
            self.findings
                .info(
                    "network.database-port",
                    path,
                    both(
                        format!("{id} の非公開エンドポイントには NSG も DB ポートの規則もないので、{group} (1521、1522、443) を補いました"),
                        format!("the private endpoint of {id} has no security group and no rule for the database port: {group} was added (1521, 1522, 443)"),
                    ),
                )
                .add();
        } else {
            self.findings
                .warning("network.database-port", path, both(format!("{id} に届く部品がありません"), format!("nothing may reach {id}")))
                .advise(both("使う部品から private_endpoint でつないでください", "connect what uses it with private_endpoint"))
                .add();
        }
    }
}

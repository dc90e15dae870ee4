//! The derived network in words: VCNs, subnets with their tables, routes, and who may reach whom.

use super::super::text::{code, markdown};
use super::{Page, name_of};
use crate::catalog::service::{NetworkRole, Protocol};
use crate::render::network::{ANYWHERE, Flow, Network, Peer, Rule};
use crate::validator::ValidatedDesign;

impl<'a> Page<'a> {
    pub(super) fn network(&mut self, design: &ValidatedDesign, network: &Network) {
        if network.vcns.is_empty() {
            return;
        }
        self.heading(2, self.say("ネットワーク", "Network"));
        if self.subject.verdict.design.is_none() {
            let text = self.say(
                "エラーがあるため、読み取れた範囲の案です。直すと変わることがあります。\n",
                "There are errors: this is what could be derived so far, and it may change once they are mended.\n",
            );
            self.paragraph(text);
        }
        let names = Names { design, network, added: self.say("自動", "added") };
        self.vcns(&names);
        self.subnets(&names);
        self.routes(&names);
        self.flows(&names);
    }

    fn vcns(&mut self, names: &Names<'_>) {
        for (label, cidr) in &names.network.vcns {
            let roles = [NetworkRole::InternetGateway, NetworkRole::NatGateway, NetworkRole::ServiceGateway];
            let gateways: Vec<String> = names
                .all()
                .filter(|c| names.network.vcn_of.get(&c.label) == Some(label))
                .filter(|c| self.subject.catalog.service(&c.service_type).and_then(|s| s.network).is_some_and(|r| roles.contains(&r)))
                .map(|c| names.of(&c.label))
                .collect();
            let gateways = if gateways.is_empty() { self.say("なし", "none").to_owned() } else { gateways.join(", ") };
            let text = format!("{} ({}). {}: {gateways}", names.of(label), code(&cidr.to_string()), self.say("ゲートウェイ", "Gateways"));
            self.bullet(&text);
        }
    }

    fn subnets(&mut self, names: &Names<'_>) {
        if names.network.subnets.is_empty() {
            return;
        }
        self.heading(3, self.say("サブネット", "Subnets"));
        let rows: Vec<Vec<String>> = names
            .network
            .subnets
            .iter()
            .map(|(label, subnet)| {
                let kind = if subnet.public { self.say("パブリック", "public") } else { self.say("プライベート", "private") };
                let lists: Vec<String> = subnet.security_lists.iter().map(|list| names.of(list)).collect();
                let placed = names.network.placements.iter().filter(|(_, placement)| placement.subnet == *label);
                let placed: Vec<String> = placed.map(|(id, _)| self.called(id)).collect();
                let table = names.of(&subnet.route_table);
                vec![names.of(label), code(&subnet.cidr.to_string()), kind.to_owned(), table, lists.join(", "), placed.join(", ")]
            })
            .collect();
        let head = [
            self.say("サブネット", "Subnet"),
            "CIDR",
            self.say("種別", "Kind"),
            self.say("ルート表", "Route table"),
            self.say("セキュリティ・リスト", "Security lists"),
            self.say("配置", "Holds"),
        ];
        self.table(&head, &rows);
    }

    /// What a component is called.
    fn called(&self, id: &str) -> String {
        let component = self.subject.spec.components.iter().find(|component| component.id == id);
        component.map_or_else(|| code(id), |component| markdown(name_of(component)))
    }

    fn peer(&self, peer: &Peer, names: &Names<'_>) -> String {
        match peer {
            Peer::Cidr(cidr) if cidr == ANYWHERE => format!("{} ({})", code(cidr), self.say("すべて", "anywhere")),
            Peer::Cidr(cidr) => code(cidr),
            Peer::Services => self.say("リージョンの OCI サービス", "OCI services of the region").to_owned(),
            Peer::Nsg(label) => names.group(label),
            Peer::Host(host) => code(&format!("{}.{}", host.label, host.attribute)),
        }
    }

    fn routes(&mut self, names: &Names<'_>) {
        let routes = names.network.routes.iter().flat_map(|(table, routes)| routes.iter().map(move |route| (table, route)));
        let rows: Vec<Vec<String>> =
            routes.map(|(table, route)| vec![names.of(table), self.peer(&route.destination, names), names.of(&route.label)]).collect();
        if !rows.is_empty() {
            self.heading(3, self.say("ルート", "Routes"));
            let head = [self.say("ルート表", "Route table"), self.say("宛先", "Destination"), self.say("経由", "Via")];
            self.table(&head, &rows);
        }
    }

    /// Who may reach whom, one row for each pair: what one group lets out and the other lets in is one sentence.
    fn flows(&mut self, names: &Names<'_>) {
        let mut flows: Vec<(String, String, Vec<String>)> = Vec::new();
        for rule in &names.network.rules {
            let (own, peer) = (names.group(&rule.nsg), self.peer(&rule.peer, names));
            let (from, to) = match rule.flow {
                Flow::Ingress => (peer, own),
                Flow::Egress => (own, peer),
            };
            let port = self.port(rule);
            match flows.iter_mut().find(|(f, t, _)| *f == from && *t == to) {
                Some((_, _, ports)) if ports.contains(&port) => {}
                Some((_, _, ports)) => ports.push(port),
                None => flows.push((from, to, vec![port])),
            }
        }
        if flows.is_empty() {
            return;
        }
        self.heading(3, self.say("許可する通信", "Traffic that is let through"));
        let all = self.say("すべて", "all");
        let rows: Vec<Vec<String>> = flows
            .into_iter()
            // "all" says what the others say
            .map(|(from, to, ports)| vec![from, to, if ports.iter().any(|port| port == all) { all.to_owned() } else { ports.join(", ") }])
            .collect();
        self.table(&[self.say("から", "From"), self.say("へ", "To"), self.say("ポート", "Ports")], &rows);
    }

    fn port(&self, rule: &Rule) -> String {
        let protocol = match rule.protocol {
            Protocol::All => return self.say("すべて", "all").to_owned(),
            Protocol::Icmp => "ICMP",
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        };
        match rule.ports {
            None => protocol.to_owned(),
            Some((first, last)) if first == last => format!("{protocol} {first}"),
            Some((first, last)) => format!("{protocol} {first}-{last}"),
        }
    }
}

/// Labels to names.
struct Names<'a> {
    design: &'a ValidatedDesign,
    network: &'a Network,
    added: &'static str,
}

impl<'a> Names<'a> {
    fn all(&self) -> impl Iterator<Item = &'a crate::validator::ValidatedComponent> + use<'a> {
        self.design.components.iter().chain(&self.network.derived)
    }

    fn of(&self, label: &str) -> String {
        let added = if self.network.derived.iter().any(|c| c.label == label) { format!(" ({})", self.added) } else { String::new() };
        let name = self.all().find(|c| c.label == label).map_or_else(|| code(label), |c| markdown(&c.display_name));
        format!("{name}{added}")
    }

    fn group(&self, label: &str) -> String {
        self.network.nsgs.iter().find(|nsg| nsg.label == label).map_or_else(|| code(label), |nsg| markdown(&nsg.display_name))
    }
}

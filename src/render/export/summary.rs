//! The design in words, as Markdown in Japanese or English: what was asked, what is there, the network that was derived,
//! findings, where it stands, outputs. Values of variables and secrets are not in it, and of configuration only what the
//! catalogue knows: a key it does not know could hold anything.

use super::Subject;
use super::model::understood;
use super::text::{code, cut, markdown};
use crate::api::design::{Component, Counts, DesiredState, Health, SecretSource, Severity, Sync, Target};
use crate::catalog::service::NetworkRole;
use crate::render::network::{ANYWHERE, Flow, Network, Peer};
use crate::validator::ValidatedDesign;

/// The summary of a design.
pub fn summary(subject: &Subject<'_>) -> String {
    let (design, network) = understood(subject);
    let mut page = Page { subject, out: String::new() };
    page.head();
    page.requirements();
    page.components();
    page.connections();
    page.network(&design, &network);
    page.findings();
    page.status();
    page.outputs();
    page.variables();
    page.out
}

/// The page being written.
struct Page<'a> {
    subject: &'a Subject<'a>,
    out: String,
}

/// A display name, or the id when there is none.
fn name_of(component: &Component) -> &str {
    component.display_name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&component.id)
}

impl<'a> Page<'a> {
    fn say(&self, ja: &'static str, en: &'static str) -> &'static str {
        self.subject.say(ja, en)
    }

    fn heading(&mut self, level: usize, text: &str) {
        self.out.push_str(&format!("\n{} {text}\n\n", "#".repeat(level)));
    }

    fn paragraph(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn bullet(&mut self, text: &str) {
        self.out.push_str(&format!("- {text}\n"));
    }

    /// A table; cells are Markdown already.
    fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        self.out.push_str(&format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len())));
        for row in rows {
            self.out.push_str(&format!("| {} |\n", row.join(" | ")));
        }
    }

    fn head(&mut self) {
        let Subject { title, spec, .. } = *self.subject;
        self.out.push_str(&format!("# {}\n\n", markdown(title)));
        let target = match spec.target {
            Target::Sandbox => self.say("シミュレーション (sandbox)", "simulated cloud (sandbox)"),
            Target::Oci => self.say("OCI テナンシ", "OCI tenancy"),
        };
        let region = self.subject.region();
        let facts = [
            (self.say("セッション", "Session"), code(&spec.session_ref)),
            (self.say("リージョン", "Region"), code(region)),
            (self.say("構築先", "Target"), target.to_owned()),
        ];
        for (what, value) in facts {
            self.bullet(&format!("{what}: {value}"));
        }
    }

    fn requirements(&mut self) {
        let Some(hearing) = self.subject.hearing else { return };
        for (title, items) in
            [(self.say("要件", "Requirements"), &hearing.requirements), (self.say("制約", "Constraints"), &hearing.constraints)]
        {
            if !items.is_empty() {
                self.heading(2, title);
                items.iter().for_each(|item| self.bullet(&markdown(item)));
            }
        }
    }

    fn components(&mut self) {
        let components = &self.subject.spec.components;
        self.heading(2, self.say("コンポーネント", "Components"));
        if components.is_empty() {
            return self.paragraph(self.say("まだありません。", "None yet."));
        }
        let rows: Vec<Vec<String>> = components
            .iter()
            .map(|component| {
                let service = self.subject.catalog.service(&component.service_type);
                let unknown = format!("{} ({})", code(&component.service_type), self.say("不明な種類", "unknown type"));
                let service = service.map_or(unknown, |service| markdown(service.names.get(self.subject.language)));
                vec![markdown(name_of(component)), code(&component.id), service, self.settings(component)]
            })
            .collect();
        let head = [self.say("名前", "Name"), "ID", self.say("サービス", "Service"), self.say("設定", "Settings")];
        self.table(&head, &rows);
    }

    fn settings(&self, component: &Component) -> String {
        let service = self.subject.catalog.service(&component.service_type);
        let shown = component.config.iter().map(|(key, value)| match service.and_then(|service| service.key(key)) {
            Some((real, _)) => {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                // 480 pixels of the summary's imagined font: about 60 letters
                code(&format!("{real}={}", cut(&value, 13, 480)))
            }
            None => format!("{}=…", code(key)),
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    fn connections(&mut self) {
        let spec = self.subject.spec;
        if spec.connections.is_empty() {
            return;
        }
        self.heading(2, self.say("接続", "Connections"));
        let name = |id: &str| {
            let component = spec.components.iter().find(|component| component.id == id);
            component.map_or_else(|| code(id), |component| markdown(name_of(component)))
        };
        let rows: Vec<Vec<String>> = spec
            .connections
            .iter()
            .map(|c| {
                let description = c.description.as_deref().map(markdown).unwrap_or_default();
                vec![name(&c.source_id), code(&c.connection_type), name(&c.target_id), description]
            })
            .collect();
        let head = [self.say("から", "From"), self.say("種類", "Type"), self.say("へ", "To"), self.say("説明", "Description")];
        self.table(&head, &rows);
    }

    fn findings(&mut self) {
        let findings = &self.subject.verdict.findings;
        self.heading(2, self.say("指摘", "Findings"));
        if findings.is_empty() {
            return self.paragraph(self.say("ありません。", "None."));
        }
        for finding in findings {
            let severity = match finding.severity {
                Severity::Error => self.say("エラー", "Error"),
                Severity::Warning => self.say("警告", "Warning"),
                Severity::Info => self.say("情報", "Note"),
            };
            let mut text = format!("**{severity}** {}: {}", code(&finding.path), markdown(&finding.message));
            if let Some(recommendation) = &finding.recommendation {
                text.push_str(&format!(" → {}", markdown(recommendation)));
            }
            if !finding.allowed.is_empty() {
                let allowed: Vec<String> = finding.allowed.iter().map(|value| code(value)).collect();
                text.push_str(&format!(" ({}: {})", self.say("使える値", "allowed"), allowed.join(", ")));
            }
            self.bullet(&text);
        }
    }

    fn counts(&self, counts: &Counts) -> String {
        let Counts { create, update, replace, delete, import } = counts;
        let mut text = match self.say("ja", "en") {
            "ja" => format!("作成 {create}、更新 {update}、再作成 {replace}、削除 {delete}"),
            _ => format!("{create} to create, {update} to update, {replace} to replace, {delete} to delete"),
        };
        if *import > 0 {
            text.push_str(&format!(", {import} {}", self.say("取り込み", "to import")));
        }
        text
    }

    fn status(&mut self) {
        self.heading(2, self.say("状況", "Status"));
        let wanted = match self.subject.spec.desired_state {
            DesiredState::Draft => self.say("下書き", "draft"),
            DesiredState::Planned => self.say("プランまで", "planned"),
            DesiredState::Applied => self.say("構築済み", "applied"),
            DesiredState::Destroyed => self.say("破棄", "destroyed"),
        };
        self.bullet(&format!("{}: {wanted}", self.say("望ましい状態", "Desired state")));
        let Some(status) = self.subject.status else {
            return self.bullet(self.say("まだ何も構築されていません", "Nothing has been built yet"));
        };
        let sync = match status.sync {
            Some(Sync::Synced) => self.say("一致", "synced"),
            Some(Sync::OutOfSync) => self.say("差分あり", "out of sync"),
            Some(Sync::Unknown) | None => self.say("不明", "unknown"),
        };
        let health = match status.health {
            Some(Health::Healthy) => self.say("正常", "healthy"),
            Some(Health::Progressing) => self.say("処理中", "progressing"),
            Some(Health::Degraded) => self.say("問題あり", "degraded"),
            Some(Health::Suspended) => self.say("停止中", "suspended"),
            Some(Health::Missing) => self.say("未構築", "nothing built"),
            None => self.say("不明", "unknown"),
        };
        self.bullet(&format!("{}: {sync} / {health}", self.say("同期 / 健全性", "Sync / health")));
        match (&status.plan, &status.preview) {
            (Some(plan), _) => {
                let what = if plan.destroy { self.say("破棄プラン", "Destroy plan") } else { self.say("プラン", "Plan") };
                let text = format!("{what} {}: {}", code(&plan.job), self.counts(&plan.counts));
                self.bullet(&text);
            }
            (None, Some(preview)) => {
                let text = format!("{}: {}", self.say("見込み", "Expected"), self.counts(&preview.counts));
                self.bullet(&text);
            }
            (None, None) => {}
        }
        if let Some(resources) = &status.resources {
            self.bullet(&format!("{}: {}", self.say("構築済みリソース", "Resources built"), resources.total));
        }
        if let Some(drift) = status.drift.as_ref().filter(|drift| !drift.items.is_empty()) {
            self.bullet(&format!("{}: {}", self.say("外部での変更", "Changed outside"), drift.items.len()));
        }
        if let Some(failure) = &status.last_failure {
            let first = failure.diagnostics.first().map(|d| markdown(&d.summary)).unwrap_or_default();
            self.bullet(&format!("{} {}: {first}", self.say("直近の失敗", "Last failure"), code(&failure.job)));
            failure.next_actions.iter().for_each(|action| self.bullet(&markdown(action)));
        }
        if let Some(reason) = &status.wait_reason {
            self.bullet(&format!("{}: {}", self.say("待機中", "Waiting"), markdown(reason)));
        }
    }

    fn outputs(&mut self) {
        let Some(status) = self.subject.status.filter(|status| !status.outputs.is_empty()) else { return };
        self.heading(2, self.say("出力", "Outputs"));
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let rows: Vec<Vec<String>> = status.outputs.iter().map(|(name, value)| vec![code(name), code(&text(value))]).collect();
        self.table(&[self.say("名前", "Name"), self.say("値", "Value")], &rows);
    }

    fn variables(&mut self) {
        let spec = self.subject.spec;
        if spec.variables.is_empty() && spec.secret_variables.is_empty() && spec.files.is_empty() {
            return;
        }
        self.heading(2, self.say("変数とファイル", "Variables and files"));
        for name in spec.variables.keys() {
            self.bullet(&format!("{}: {}", self.say("変数", "Variable"), code(name)));
        }
        for secret in &spec.secret_variables {
            let source = match secret.source {
                SecretSource::Generate => self.say("自動生成", "generated"),
                SecretSource::Supplied => self.say("人が与える", "supplied by a person"),
            };
            self.bullet(&format!("{}: {} ({source})", self.say("秘密の変数", "Secret variable"), code(&secret.name)));
        }
        for name in spec.files.keys() {
            self.bullet(&format!("{}: {}", self.say("追加ファイル", "Override file"), code(name)));
        }
    }

    // ------------------------------------------------------------------------------------------------------ network

    fn network(&mut self, design: &ValidatedDesign, network: &Network) {
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
        self.rules(&names);
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
                let placed: Vec<String> = placed.map(|(id, _)| code(id)).collect();
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

    fn rules(&mut self, names: &Names<'_>) {
        if names.network.rules.is_empty() {
            return;
        }
        self.heading(3, self.say("セキュリティ・グループのルール", "Security group rules"));
        let rows: Vec<Vec<String>> = names
            .network
            .rules
            .iter()
            .map(|rule| {
                let flow = match rule.flow {
                    Flow::Ingress => self.say("受信", "in"),
                    Flow::Egress => self.say("送信", "out"),
                };
                let protocol = format!("{:?}", rule.protocol).to_uppercase();
                let port = match rule.ports {
                    None => protocol,
                    Some((first, last)) if first == last => format!("{protocol} {first}"),
                    Some((first, last)) => format!("{protocol} {first}-{last}"),
                };
                vec![names.group(&rule.nsg), flow.to_owned(), self.peer(&rule.peer, names), port]
            })
            .collect();
        let head = [self.say("グループ", "Group"), self.say("方向", "Direction"), self.say("相手", "Peer"), self.say("ポート", "Port")];
        self.table(&head, &rows);
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

//! Where a design stands, in words: what is wanted, planned and built, what it gave, what it takes, what comes next.

use super::super::text::{code, markdown};
use super::{Page, name_of};
use crate::api::design::{Counts, DesiredState, Health, SecretSource, Severity, Sync};
use crate::validator::labels::labels;

impl Page<'_> {
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

    pub(super) fn status(&mut self) {
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

    /// Outputs by component, in the words of the catalogue.
    pub(super) fn outputs(&mut self) {
        let Some(status) = self.subject.status.filter(|status| !status.outputs.is_empty()) else { return };
        self.heading(2, self.say("出力", "Outputs"));
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let labels = labels(&self.subject.spec.components);
        let rows: Vec<Vec<String>> = status
            .outputs
            .iter()
            .map(|(name, value)| {
                let known = self.subject.spec.components.iter().zip(&labels).find_map(|(component, label)| {
                    let rest = name.strip_prefix(label.as_str())?.strip_prefix('_')?;
                    let service = self.subject.catalog.service(&component.service_type)?;
                    let output = service.outputs.iter().find(|output| output.name == rest)?;
                    Some((markdown(name_of(component)), markdown(output.description.get(self.subject.language))))
                });
                let (component, what) = known.unwrap_or_default();
                vec![component, what, code(name), code(&text(value))]
            })
            .collect();
        let head = [self.say("コンポーネント", "Component"), self.say("内容", "What"), self.say("名前", "Name"), self.say("値", "Value")];
        self.table(&head, &rows);
    }

    pub(super) fn variables(&mut self) {
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

    /// What somebody does now.
    pub(super) fn next(&mut self) {
        self.heading(2, self.say("次のステップ", "Next steps"));
        let steps = self.steps();
        for (at, step) in steps.iter().enumerate() {
            self.paragraph(&format!("{}. {step}", at + 1));
        }
    }

    fn steps(&self) -> Vec<&'static str> {
        // the order of severities begins with the worst
        let worst = self.subject.verdict.findings.iter().map(|finding| finding.severity).min();
        let status = self.subject.status;
        let (spec, mut steps) = (self.subject.spec, Vec::new());
        if spec.components.is_empty() {
            return vec![self.say("要件から最初の設計を作ります", "Make a first design from the requirements")];
        }
        if status.is_some_and(|status| status.last_failure.is_some()) {
            steps.push(self.say("「状況」に示した失敗に対処し、もう一度プランを作ります", "Deal with the failure above, then plan again"));
        }
        match worst {
            Some(Severity::Error) => {
                return vec![
                    self.say("エラーを直します。直るまでプランは作れません", "Mend the errors: nothing can be planned before that"),
                ];
            }
            Some(Severity::Warning) => {
                steps.push(
                    self.say(
                        "警告を確認し、直すか、そのままにする理由を決めます",
                        "Look at the warnings: mend each, or decide why it stays",
                    ),
                );
            }
            Some(Severity::Info) | None => {}
        }
        if spec.secret_variables.iter().any(|secret| secret.source == SecretSource::Supplied) {
            steps.push(self.say("秘密の値を入力します (galley secret set)", "Give the secret values (galley secret set)"));
        }
        let synced = status.is_some_and(|status| status.sync == Some(Sync::Synced) && status.applied.is_some());
        let planned = status.is_some_and(|status| status.plan.as_ref().is_some_and(|plan| !plan.is_empty()));
        match (spec.desired_state, synced, planned) {
            (DesiredState::Destroyed, ..) => {
                steps.push(self.say("破棄のプランを確認し、承認します", "Read the plan that destroys, and approve it"));
            }
            (_, true, _) => {
                steps.push(self.say(
                    "「出力」の値で接続を確認し、お客様に引き渡します",
                    "Try the addresses under Outputs, and hand over to the customer",
                ));
                steps.push(self.say("使い終えたら破棄を依頼します", "Ask for it to be destroyed when it is no longer needed"));
            }
            (DesiredState::Draft, ..) => {
                steps.push(self.say("お客様とこの内容を確認します", "Go through this with the customer"));
                steps.push(self.say("プランを依頼し、作成される内容を確認します", "Ask for a plan, and read what would be made"));
            }
            (DesiredState::Planned, _, true) => {
                steps.push(self.say("プランを確認し、よければ構築を依頼します", "Read the plan, and ask for it to be built"));
            }
            (DesiredState::Applied, _, true) => steps.push(self.say("プランを確認し、承認します", "Read the plan, and approve it")),
            (DesiredState::Planned | DesiredState::Applied, _, false) => {
                steps.push(self.say("プランができるのを待ちます", "Wait for the plan"));
            }
        }
        steps
    }
}

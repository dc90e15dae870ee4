//! Every sentence of the page, English and Japanese side by side. Pure. `{name}` stands for a value.

use crate::api::Reason;
use crate::api::approval::Channel;
use crate::api::design::{ApprovalPolicy, ChangeAction, DesiredState, Health, Severity, Sync, Target};
use crate::api::session::Language;
use crate::api::terraformjob::{Action, JobPhase};

macro_rules! words {
    ($($name:ident: $en:literal, $ja:literal;)+) => {
        /// A word or a sentence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Word { $($name),+ }
        impl Word {
            /// As it stands in a language, with its placeholders.
            fn pattern(self, language: Language) -> &'static str {
                match (self, language) { $((Word::$name, Language::En) => $en, (Word::$name, Language::Ja) => $ja),+ }
            }
            /// Every one, for the test that compares placeholders.
            #[cfg(test)]
            const ALL: &'static [Word] = &[$(Word::$name),+];
        }
    };
}

words! {
    Skip: "Skip to the content", "本文へ移動";
    Designs: "Designs", "設計一覧";
    SignIn: "Sign in", "サインイン";
    SignOut: "Sign out", "サインアウト";
    Reader: "Reading", "閲覧のみ";
    Approver: "Approver", "承認者";
    Tagline: "Cloud architectures that are designed in conversation, read before they are built, and watched afterwards.", "会話で設計し、構築前に確認し、構築後も見守るクラウドアーキテクチャ。";
    Token: "Token", "トークン";
    TokenHelp: "The editor token reads. The approver token also approves and refuses. Both are files in the server's data directory: editor.token and approver.token.", "エディタートークンで閲覧、承認者トークンで承認と却下もできます。どちらもサーバーのデータディレクトリにあるファイルです(editor.token、approver.token)。";
    WrongToken: "This token is not known here. Nothing was changed.", "このトークンは認識されません。何も変更していません。";
    TooMany: "Too many wrong tokens. Wait a minute and try again.", "誤ったトークンが続きました。1分待ってから再度お試しください。";
    FormTooOld: "This form is too old or came from elsewhere. Try again.", "このフォームは古いか、別の場所から送信されました。もう一度お試しください。";
    SignInFirst: "Sign in first: the session has ended.", "セッションが終了しました。先にサインインしてください。";
    OtherDoors: "Other doors: MCP at /mcp for an assistant, the Kubernetes API at /k8s for kubectl, and galley --help on this machine.", "その他の入口: アシスタント用の MCP(/mcp)、kubectl 用の Kubernetes API(/k8s)、このマシンの galley --help。";
    Waiting: "{n} waiting for a decision", "{n} 件が判断待ち";
    OneWaiting: "1 waiting for a decision", "1 件が判断待ち";
    NoneWaiting: "Nothing waits for a decision", "判断待ちはありません";
    OneTrouble: "1 needs attention", "1 件が要対応";
    Trouble: "{n} need attention", "{n} 件が要対応";
    Count: "{n} in all", "全 {n} 件";
    NoDesigns: "No designs yet", "まだ設計がありません";
    NoDesignsHelp: "Connect an assistant and tell it what the customer needs. The design appears here while you talk.", "アシスタントを接続し、お客様の要件を伝えてください。会話を進めると、ここに設計が現れます。";
    NoDesignsFile: "Or make a design from an architecture file:", "または、構成ファイルから設計を作成します:";
    Design: "Design", "設計";
    State: "State", "状態";
    SyncHead: "Sync", "同期";
    HealthHead: "Health", "健全性";
    Where: "Where", "構築先";
    Built: "Built", "構築済み";
    Since: "Created", "作成";
    Resources: "{n} resources", "リソース {n} 個";
    OneResource: "1 resource", "リソース 1 個";
    NothingBuilt: "nothing yet", "なし";
    Conversation: "In conversation, no design yet", "ヒアリング中(設計はまだありません)";
    Unreadable: "This document cannot be read: {why}", "この文書は読み取れません: {why}";
    Downloads: "Download:", "ダウンロード:";
    ExportSummary: "summary", "要約";
    ExportMermaid: "Mermaid", "Mermaid";
    ExportSvg: "SVG", "SVG";
    ExportTerraform: "Terraform (zip)", "Terraform(zip)";
    ExportAll: "everything (tar.gz)", "すべて(tar.gz)";
    Earlier: "Earlier", "前へ";
    Later: "More", "次へ";
    Diagram: "Architecture", "アーキテクチャ";
    DiagramAlt: "Diagram of {title}: {components} components, {connections} connections. The list below says the same in words.", "{title} の構成図: コンポーネント {components} 個、接続 {connections} 本。同じ内容を下の一覧で確認できます。";
    DiagramOpen: "Open the diagram alone", "図だけを開く";
    AsList: "As a list", "一覧で見る";
    Component: "Component", "コンポーネント";
    Service: "Service", "サービス";
    ConnectsTo: "Connects to", "接続先";
    NoComponents: "Nothing is drawn yet.", "まだ何も描かれていません。";
    Decision: "This plan waits for your decision", "このプランは判断を待っています";
    DecisionDestroy: "This plan destroys what was built. It waits for your decision", "このプランは構築済みのものを破棄します。判断を待っています";
    PlanHead: "Plan", "プラン";
    PlanRefused: "This plan was refused", "このプランは却下されました";
    PlanRefusedWhy: "{who} refused it {when}. It can no longer be approved here; only a new plan can.", "{when}に{who}が却下しました。このプランはここでは承認できません。新しいプランが必要です。";
    PlanOld: "This plan is too old to be applied", "このプランは古くなり、適用できません";
    PlanOther: "The design changed after this plan. A new one is being made or is asked for in the conversation.", "このプランの後に設計が変更されました。新しいプランの作成中か、会話での依頼が必要です。";
    PlanReading: "To read only: nobody has asked for it to be built. Ask for that in the conversation; the decision is then made here.", "閲覧用です。構築はまだ依頼されていません。会話で構築を依頼すると、ここで判断できます。";
    PlanMade: "Made {when} · valid until {until}", "{when}に作成 · {until}まで有効";
    Fingerprint: "Fingerprint", "フィンガープリント";
    FingerprintHelp: "Your approval counts for exactly this plan. If anything changes first, nothing is built.", "承認はこのプランだけに有効です。先に何かが変わった場合、何も構築されません。";
    ToCreate: "create", "作成";
    ToUpdate: "change", "変更";
    ToReplace: "replace", "置換";
    ToDelete: "destroy", "破棄";
    ToImport: "take over", "取り込み";
    Destructive: "What is lost", "失われるもの";
    DestructiveHelp: "Each of these resources is destroyed; a replaced one is made again without its data.", "次のリソースはすべて破棄されます。置換の場合は作り直されますが、データは引き継がれません。";
    NothingLost: "Nothing is destroyed or replaced.", "破棄・置換されるものはありません。";
    Resource: "Resource", "リソース";
    Happens: "What happens", "操作";
    Why: "Why", "理由";
    ForcedBy: "cannot be changed in place: {paths}", "その場では変更できません: {paths}";
    NotWanted: "no longer in the design", "設計に含まれなくなりました";
    AllDestroyed: "the whole design is to be destroyed", "設計全体を破棄します";
    Others: "The other {n} changes", "その他の変更 {n} 件";
    AllChanges: "All {n} changes", "変更 {n} 件すべて";
    OneOther: "The other change", "その他の変更 1 件";
    Changes: "changes: {paths}", "変更箇所: {paths}";
    MoreChanges: "{n} more changes are not shown; the assistant shows them with get_plan.", "ほか {n} 件は表示していません。アシスタントの get_plan で確認できます。";
    DriftDeleted: "Vanished in the cloud, not by Galley", "Galley 以外の操作でクラウドから消えたもの";
    DriftChanged: "Changed in the cloud, not by Galley", "Galley 以外の操作でクラウド上で変更されたもの";
    OutputsChange: "Output values change, too.", "出力値も変わります。";
    HoldsData: "with its data", "データも失われます";
    ApproveLosing: "Approve: {n} are lost", "承認する(失われるもの {n} 件)";
    ApproveLosingOne: "Approve: 1 is lost", "承認する(失われるもの 1 件)";
    Notes: "{n} notes", "参考 {n} 件";
    OneNote: "1 note", "参考 1 件";
    NothingWrong: "No errors and no warnings.", "エラーも警告もありません。";
    Details: "Details", "詳細";
    OnTheCommandLine: "On the command line:", "コマンドライン:";
    Unplanned: "not planned", "プランなし";
    Confirm: "I have read what is destroyed or replaced.", "破棄・置換されるものを確認しました。";
    ConfirmMissing: "Confirm first that you have read what is destroyed or replaced.", "先に、破棄・置換されるものを確認したことにチェックしてください。";
    ReasonLabel: "Reason (optional, kept in the history)", "理由(任意。履歴に残ります)";
    Approve: "Approve and build", "承認して構築";
    ApproveDestroy: "Approve and destroy", "承認して破棄";
    Refuse: "Refuse", "却下";
    RefuseHelp: "Refusing takes back the wish to build or destroy. From then on only an approver can approve a plan of this design.", "却下すると、構築・破棄の依頼が取り下げられます。以後、この設計のプランを承認できるのは承認者だけです。";
    RefuseHelpDeleting: "Refusing suspends this design: it stays deleted in the conversation, and its resources stay in the cloud until it is resumed.", "却下すると、この設計は一時停止します。会話上は削除済みのままで、再開するまでリソースはクラウドに残ります。";
    ReadersOnly: "You are signed in to read. Approving and refusing need the approver token: sign out and in again with it.", "閲覧用にサインインしています。承認と却下には承認者トークンが必要です。いったんサインアウトし、承認者トークンでサインインしてください。";
    Replan: "Make a fresh plan", "新しいプランを作成";
    DidApprove: "Approved. The plan is being applied.", "承認しました。プランを適用しています。";
    DidRefuse: "Refused. Nothing will be applied.", "却下しました。何も適用されません。";
    DidReplan: "A fresh plan is being made.", "新しいプランを作成しています。";
    NotPermitted: "This needs the approver token. Nothing was changed.", "承認者トークンが必要です。何も変更していません。";
    PlanChanged: "The plan changed since this page was shown. Read the new one; nothing was done.", "この画面を表示した後にプランが変わりました。新しいプランを確認してください。何も行っていません。";
    TooLate: "The plan is being applied already. To stop it, cancel the job in the conversation or with the CLI.", "プランの適用はすでに始まっています。止めるには、会話または CLI でジョブを取り消してください。";
    Unavailable: "The store does not answer. Try again.", "保存先が応答しません。もう一度お試しください。";
    NotFound: "There is nothing here.", "ここには何もありません。";
    Back: "Back to the designs", "設計一覧へ戻る";
    BackToDesign: "Back to the design", "設計へ戻る";
    Findings: "Findings", "指摘事項";
    NoFindings: "Nothing to complain about.", "指摘はありません。";
    MoreFindings: "{n} more are not shown.", "ほか {n} 件は表示していません。";
    Allowed: "Allowed: {list}", "使用できる値: {list}";
    Job: "Working on it", "実行中";
    JobDone: "{done} of {total} resources", "リソース {done} / {total}";
    JobLog: "Live log", "実行ログ";
    Log: "Log", "ログ";
    LogEmpty: "No line yet.", "まだ出力はありません。";
    LogCut: "The end of the log; earlier lines are left out.", "ログの末尾です。これより前は省略しています。";
    LiveNote: "Follows by itself.", "自動で更新されます。";
    Took: "took {time}", "所要 {time}";
    Made: "made or changed: {n}", "作成・変更 {n}";
    FailedCount: "failed: {n}", "失敗 {n}";
    Untried: "not tried: {n}", "未実行 {n}";
    Failure: "What went wrong", "問題";
    NextSteps: "What to do", "対処";
    RetryAt: "Tried again by itself {when}.", "{when}に自動で再試行します。";
    Outputs: "Outputs", "出力値";
    Output: "Name", "名前";
    Value: "Value", "値";
    ByType: "By type", "種類別";
    HowMany: "How many", "個数";
    History: "History", "履歴";
    NoHistory: "Nothing has happened yet.", "まだ何も行われていません。";
    When: "When", "日時";
    What: "What", "内容";
    Who: "Who", "担当";
    Outcome: "Outcome", "結果";
    Approval: "Approval of plan {plan}", "プラン {plan} の承認";
    Refusal: "Refusal of plan {plan}", "プラン {plan} の却下";
    Used: "used by {job}", "{job} が使用";
    Accepted: "accepted", "受理";
    Starting: "Terraform is starting.", "Terraform を開始しています。";
    NotUsed: "not used", "未使用";
    Galley: "Galley", "Galley";
    Before: "Before", "変更前";
    After: "After", "変更後";
    Attribute: "Attribute", "属性";
    ForcesReplace: "forces the replacement", "置換の原因";
    NoValues: "No attribute differs.", "変わる属性はありません。";
    SandboxTarget: "Sandbox", "サンドボックス";
    OciTarget: "OCI", "OCI";
    SandboxHelp: "simulated cloud, nothing is billed", "シミュレートされたクラウド・課金なし";
    JustNow: "just now", "たった今";
    MinutesAgo: "{n} min ago", "{n}分前";
    HoursAgo: "{n} h ago", "{n}時間前";
    DaysAgo: "{n} days ago", "{n}日前";
    InMinutes: "in {n} min", "{n}分後";
    InHours: "in {n} h", "{n}時間後";
    Seconds: "{n} s", "{n}秒";
    Minutes: "{n} min", "{n}分";
    Deleting: "being deleted", "削除中";
    Asked: "Wanted: {state}", "望ましい状態: {state}";
    Policy: "Approved: {policy}", "承認: {policy}";
    Footer: "Galley plans with Terraform, builds only what was approved, and keeps watching.", "Galley は Terraform で計画し、承認されたものだけを構築し、その後も見守ります。";
}

/// Speaks one language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Say(pub(super) Language);

impl Say {
    /// A sentence without values.
    pub(super) fn word(self, word: Word) -> &'static str {
        word.pattern(self.0)
    }
    /// A sentence with its values put in. A value is never read as a pattern again.
    pub(super) fn fill(self, word: Word, values: &[(&str, &str)]) -> String {
        let mut rest = word.pattern(self.0);
        let mut out = String::with_capacity(rest.len() + 32);
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            out.push_str(values.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value));
            rest = after;
        }
        out.push_str(rest);
        out
    }
    /// A sentence with a number.
    pub(super) fn number(self, word: Word, n: usize) -> String {
        self.fill(word, &[("n", &n.to_string())])
    }
    fn pick(self, en: &'static str, ja: &'static str) -> &'static str {
        match self.0 {
            Language::En => en,
            Language::Ja => ja,
        }
    }

    pub(super) fn sync(self, sync: Sync) -> &'static str {
        match sync {
            Sync::Synced => self.pick("Synced", "同期済み"),
            Sync::OutOfSync => self.pick("Out of sync", "差分あり"),
            Sync::Unknown => self.pick("Unknown", "不明"),
        }
    }
    pub(super) fn health(self, health: Health) -> &'static str {
        match health {
            Health::Healthy => self.pick("Healthy", "正常"),
            Health::Progressing => self.pick("Progressing", "進行中"),
            Health::Degraded => self.pick("Degraded", "異常あり"),
            Health::Suspended => self.pick("Suspended", "一時停止"),
            Health::Missing => self.pick("Not built", "未構築"),
        }
    }
    pub(super) fn desired(self, state: DesiredState) -> &'static str {
        match state {
            DesiredState::Draft => self.pick("draft", "下書き"),
            DesiredState::Planned => self.pick("a plan to read", "プランの確認"),
            DesiredState::Applied => self.pick("built", "構築"),
            DesiredState::Destroyed => self.pick("destroyed", "破棄"),
        }
    }
    pub(super) fn target(self, target: Target) -> &'static str {
        match target {
            Target::Sandbox => self.word(Word::SandboxTarget),
            Target::Oci => self.word(Word::OciTarget),
        }
    }
    pub(super) fn policy(self, policy: ApprovalPolicy) -> &'static str {
        match policy {
            ApprovalPolicy::Auto => self.pick("by itself when nothing is lost", "失われるものがなければ自動"),
            ApprovalPolicy::Agent => self.pick("in the conversation or here", "会話またはこの画面"),
            ApprovalPolicy::Human => self.pick("only by an approver", "承認者のみ"),
        }
    }
    pub(super) fn severity(self, severity: Severity) -> &'static str {
        match severity {
            Severity::Error => self.pick("Error", "エラー"),
            Severity::Warning => self.pick("Warning", "警告"),
            Severity::Info => self.pick("Note", "参考"),
        }
    }
    pub(super) fn change(self, action: ChangeAction) -> &'static str {
        match action {
            ChangeAction::Delete => self.word(Word::ToDelete),
            ChangeAction::Replace => self.word(Word::ToReplace),
            ChangeAction::Create => self.word(Word::ToCreate),
            ChangeAction::Update => self.word(Word::ToUpdate),
            ChangeAction::Import => self.word(Word::ToImport),
        }
    }
    pub(super) fn action(self, action: Action) -> &'static str {
        match action {
            Action::Plan => self.pick("Plan", "プラン作成"),
            Action::Apply => self.pick("Build", "構築"),
            Action::Destroy => self.pick("Destroy", "破棄"),
            Action::Refresh => self.pick("Look for drift", "ドリフト確認"),
        }
    }
    pub(super) fn phase(self, phase: JobPhase) -> &'static str {
        match phase {
            JobPhase::Pending => self.pick("queued", "待機中"),
            JobPhase::Running => self.pick("running", "実行中"),
            JobPhase::Succeeded => self.pick("succeeded", "成功"),
            JobPhase::Failed => self.pick("failed", "失敗"),
            JobPhase::Interrupted => self.pick("interrupted", "中断"),
            JobPhase::Cancelled => self.pick("cancelled", "取消"),
        }
    }
    pub(super) fn channel(self, channel: Channel) -> &'static str {
        match channel {
            Channel::Mcp => self.pick("in the conversation", "会話"),
            Channel::Kubernetes => self.pick("through the Kubernetes API", "Kubernetes API"),
            Channel::Cli => self.pick("with the CLI", "CLI"),
            Channel::Page => self.pick("on this page", "この画面"),
            Channel::Policy => self.pick("by policy", "ポリシー"),
        }
    }
    /// What a person does about it, where the page itself does not offer it, and what is typed for it (the name of the
    /// design comes behind).
    pub(super) fn advice(self, reason: Reason) -> Option<(&'static str, Option<&'static str>)> {
        let say = |en, ja, command| Some((self.pick(en, ja), command));
        match reason {
            Reason::Draft => {
                say("When it is time, ask for a plan in the conversation.", "準備ができたら、会話でプランを依頼してください。", None)
            }
            Reason::InvalidDesign => {
                say("The findings below say what; mend it in the conversation.", "下の指摘事項を、会話で修正してください。", None)
            }
            Reason::InvalidDocument => say("Mend the document with kubectl edit.", "kubectl edit で文書を修正してください。", None),
            Reason::SecretMissing => say(
                "Give the variable that is named here its value; the next plan uses it.",
                "ここに示す変数の値を与えてください。次のプランで使われます。",
                Some("galley secret set"),
            ),
            Reason::InFlightUnconfirmed => say(
                "Look in the console whether these resources are there. Take over those that are; approving the plan confirms that the others are not.",
                "これらのリソースがあるかコンソールで確認してください。あるものは引き取り、ないことはプランの承認で確認します。",
                Some("galley adopt"),
            ),
            Reason::ResourcesVanished => say(
                "Check the permissions of the credential first: forbidden and gone look the same. If they are gone, the plan below makes them again.",
                "先に認証情報の権限を確認してください(権限の不足と消失は区別できません)。本当に消えた場合は、下のプランで作り直します。",
                None,
            ),
            Reason::OwnerUnknown => say(
                "Make sure that the named host runs no Terraform for this design, then give the job up.",
                "示されたホストでこの設計の Terraform が動いていないことを確認し、ジョブのロックを解除してください。",
                Some("galley force-unlock"),
            ),
            Reason::StateUnavailable => say(
                "Put an earlier state back. Do not delete the design before: its resources would be forgotten.",
                "以前の状態を復元してください。それまで設計を削除しないでください(リソースが管理から外れます)。",
                Some("galley state restore"),
            ),
            Reason::StorageUnavailable => say(
                "Check the disk and the permissions of the data directory.",
                "ディスクとデータディレクトリの権限を確認してください。",
                None,
            ),
            Reason::TenancyUnavailable => say(
                "The message names the file, the permission or the resources; mend that, then request a retry.",
                "メッセージにあるファイル、権限、リソースを確認・修正してから、再試行を依頼してください。",
                None,
            ),
            Reason::Suspended => say("Resume it in the conversation.", "会話で再開できます。", None),
            Reason::Cancelled => {
                say("Ask for it again in the conversation to go on.", "続けるには、会話でもう一度依頼してください。", None)
            }
            Reason::Synced
            | Reason::PlanReady
            | Reason::AwaitingApproval
            | Reason::PlanExpired
            | Reason::JobRunning
            | Reason::SessionBusy
            | Reason::JobFailed
            | Reason::RetryScheduled
            | Reason::OutcomeUnknown
            | Reason::Destroyed
            | Reason::ApprovalRefused
            | Reason::Internal => None,
        }
    }
    /// Whether the message of the condition has facts that the page has nowhere else.
    pub(super) fn tells_more(reason: Reason) -> bool {
        !matches!(
            reason,
            Reason::Draft
                | Reason::Synced
                | Reason::PlanReady
                | Reason::AwaitingApproval
                | Reason::PlanExpired
                | Reason::JobRunning
                | Reason::InvalidDesign
                | Reason::JobFailed
                | Reason::RetryScheduled
                | Reason::Suspended
                | Reason::Destroyed
        )
    }
    /// Where a design stands, in one line for people.
    pub(super) fn headline(self, reason: Reason) -> &'static str {
        crate::api::headline::headline(reason, self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
    }

    #[test]
    fn every_sentence_has_the_same_values_in_both_languages() {
        for word in Word::ALL {
            let (en, ja) = (word.pattern(Language::En), word.pattern(Language::Ja));
            assert_eq!(placeholders(en), placeholders(ja), "{word:?}");
            assert!(!en.is_empty() && !ja.is_empty(), "{word:?}");
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_pattern() {
        assert_eq!(Say(Language::En).fill(Word::Used, &[("job", "{job}{x}")]), "used by {job}{x}");
    }
}

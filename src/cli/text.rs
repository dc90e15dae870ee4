//! Every text of the CLI in English and Japanese. One row, both languages; a test finds a missing one.

use super::args::Cli;

/// Language of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// English
    En,
    /// Japanese
    Ja,
}

impl From<Lang> for crate::api::session::Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::En,
            Lang::Ja => Self::Ja,
        }
    }
}

macro_rules! texts {
    ($table:ident: $($name:ident: $en:literal, $ja:literal;)+) => {
        /// One text. Placeholders are `{name}`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $table { $(#[doc = $en] $name),+ }
        impl $table {
            /// Every text in both languages: for the test that keeps them together.
            #[cfg(test)]
            pub const ALL: &'static [(&'static str, &'static str)] = &[$(($en, $ja)),+];
            /// The text in a language, placeholders unfilled.
            pub fn of(self, lang: $crate::cli::text::Lang) -> &'static str {
                match (self, lang) { $(($table::$name, $crate::cli::text::Lang::En) => $en, ($table::$name, $crate::cli::text::Lang::Ja) => $ja),+ }
            }
        }
    };
}
pub(crate) use texts;

texts! { Text:
    // labels of `status`, `plan`
    Session: "Session", "セッション";
    TargetLabel: "Target", "ターゲット";
    Desired: "Desired", "目標";
    Sync: "Sync", "同期";
    HealthLabel: "Health", "健全性";
    Ready: "Ready", "準備";
    WaitsFor: "Waits for", "待ち";
    Findings: "Findings", "指摘";
    PlanLabel: "Plan", "プラン";
    Job: "Job", "ジョブ";
    Drift: "Drift", "ドリフト";
    Resources: "Resources", "リソース";
    Failure: "Failure", "失敗";
    NextStep: "Next", "次の操作";
    Outputs: "Outputs", "出力";
    FindingCounts: "{errors} errors, {warnings} warnings, {infos} notes", "エラー {errors}、警告 {warnings}、情報 {infos}";
    PlanCounts: "{create} to create, {update} to change, {replace} to replace, {delete} to destroy", "作成 {create}、変更 {update}、置換 {replace}、削除 {delete}";
    PlanImports: ", {import} to import", "、取込 {import}";
    PlanEmpty: "nothing would change", "変更はありません";
    PreviewNote: "expected by comparing the rendered resources with the state; the plan decides", "描画したリソースと状態の比較による見込みです。確定はプランで行われます";
    NoPreview: "there is no preview of {name}: findings of severity error come first; see `galley status {name}`", "{name} の見込みはありません。先にエラーの指摘を直してください。`galley status {name}` を見てください";
    PlanDestroys: "this plan destroys everything", "このプランはすべてを削除します";
    PlanAges: "made {age} ago, to be applied within {left}", "{age}前に作成、適用期限まで {left}";
    PlanExpired: "made {age} ago, too old to be applied", "{age}前に作成、期限切れのため適用できません";
    ForcedBy: "replaced because of {paths}", "{paths} の変更により置換";
    ChangedPaths: "changes {paths}", "{paths} を変更";
    Gone: "gone from the cloud", "クラウドから消失";
    ChangedOutside: "changed behind Terraform's back: {paths}", "Terraform の外で変更: {paths}";
    MoreItems: "… and {count} more", "… 他 {count} 件";
    DriftNone: "none (checked {age} ago)", "なし({age}前に確認)";
    Created: "{count} done", "完了 {count}";
    FailedCount: "{count} failed", "失敗 {count}";
    NotAttempted: "{count} not tried", "未実行 {count}";
    RetryAt: "tried again by itself at {time}", "{time} に自動で再試行";
    Attempts: "attempt {count}", "{count} 回目";
    // column heads
    ColumnChange: "CHANGE", "変更";
    ColumnAddress: "ADDRESS", "アドレス";
    ColumnWhy: "WHY", "理由";
    ColumnType: "TYPE", "種類";
    ColumnId: "ID", "ID";
    ColumnName: "NAME", "名前";
    ColumnSeverity: "SEVERITY", "重要度";
    ColumnRule: "RULE", "ルール";
    ColumnWhere: "WHERE", "場所";
    ColumnMessage: "MESSAGE", "内容";
    // actions of a plan
    ActionCreate: "create", "作成";
    ActionUpdate: "change", "変更";
    ActionReplace: "replace", "置換";
    ActionDelete: "destroy", "削除";
    ActionImport: "import", "取込";
    // verdicts
    VerdictDone: "✓ {what}", "✓ {what}";
    VerdictWaits: "⏸ waits for a person: {what}", "⏸ 人の操作待ち: {what}";
    VerdictFailed: "✗ {what}", "✗ {what}";
    VerdictProgress: "… {what}", "… {what}";
    InProgress: "in progress", "進行中";
    ResourcesOf: "{total} of {kinds} types", "{total}({kinds} 種類)";
    NothingKnown: "nothing is known yet", "まだ情報がありません";
    DesignGone: "the design is gone", "設計は削除されました";
    // approve
    AskApprove: "Approve plan {sha} of {name}? [y/N] ", "{name} のプラン {sha} を承認しますか? [y/N] ";
    Approved: "approved: plan {sha} of {name}", "承認しました: {name} のプラン {sha}";
    NotApproved: "not approved", "承認しませんでした";
    NeedYes: "there is no terminal to ask on; say --yes to approve plan {sha}", "端末がないため確認できません。プラン {sha} を承認するには --yes を付けてください";
    NoPlan: "design {name} has no plan; set desiredState to Planned or Applied and wait: galley status {name} --watch --until plan", "設計 {name} にはプランがありません。desiredState を Planned か Applied にして待ってください: galley status {name} --watch --until plan";
    NothingToPlan: "there is no plan: what is wanted of {name} is what is there", "プランはありません。{name} は目標どおりの状態です";
    OtherPlan: "the newest plan is {found}, not {asked}; read it with `galley plan {name}`", "最新のプランは {asked} ではなく {found} です。`galley plan {name}` で確認してください";
    OldPlan: "the plan is for generation {plan}, the design is at {now}; wait for the new plan", "プランは世代 {plan} のもので、設計は世代 {now} です。新しいプランを待ってください";
    OnlyPlanned: "desiredState of {name} is {state}: nothing would apply this plan; ask for it first: galley apply --session {name} --desired-state applied", "{name} の desiredState は {state} のため、このプランは適用されません。先に指定してください: galley apply --session {name} --desired-state applied";
    BeingDeleted: "Destroyed (being deleted)", "Destroyed(削除中)";
    Refused: "refused ({reason}): {message}", "拒否されました({reason}): {message}";
    AlreadyApproved: "plan {sha} was approved already", "プラン {sha} は承認済みです";
    // adopt, state restore, force-unlock
    AskRescue: "{what} for {name}? Approvals given before become void. [y/N] ", "{name} に対して「{what}」を実行しますか? 以前の承認は無効になります。[y/N] ";
    NeedYesRescue: "there is no terminal to ask on; say --yes", "端末がないため確認できません。--yes を付けてください";
    NotRescued: "nothing was done", "何もしませんでした";
    RescueSlow: "asked for; the server has not done it yet (an open job must end first): galley status {name}", "受け付けました。まだ実行されていません(実行中のジョブの終了待ち): galley status {name}";
    NothingInFlight: "nothing of {name} is unaccounted for; --search looks in the cloud for resources with its tags", "{name} に未確認のリソースはありません。--search でタグからクラウドを探せます";
    InFlightFound: "found: {id}; the next plan imports it", "発見: {id}。次のプランで取り込みます";
    InFlightMissing: "not found; approve the next plan if it is really not there", "見つかりません。本当に存在しなければ次のプランを承認してください";
    InFlightUnseen: "not looked for yet", "未探索";
    NotAddress: "{text} is not ADDRESS=ID, such as oci_core_vcn.main=ocid1.vcn.oc1..aaaa", "{text} は ADDRESS=ID の形ではありません。例: oci_core_vcn.main=ocid1.vcn.oc1..aaaa";
    // documents
    DocCreated: "{kind}/{name} created", "{kind}/{name} を作成しました";
    DocConfigured: "{kind}/{name} configured", "{kind}/{name} を更新しました";
    DocUnchanged: "{kind}/{name} unchanged", "{kind}/{name} は変更なし";
    DocDeleting: "{kind}/{name} is being deleted; its resources are destroyed after approval: galley status {name} --watch", "{kind}/{name} を削除中です。リソースは承認後に削除されます: galley status {name} --watch";
    DocDeleted: "{kind}/{name} deleted", "{kind}/{name} を削除しました";
    NotFound: "there is no {kind} {name}; `galley get {kind}s` lists what there is", "{kind} {name} はありません。`galley get {kind}s` で一覧できます";
    NoneFound: "no {kind} found", "{kind} はありません";
    NoneYet: "no {kind} found; make one in the conversation, or with `galley apply -f FILE --session new`", "{kind} はありません。会話で作るか、`galley apply -f FILE --session new` で作れます";
    UnknownKind: "there is no kind {kind}; the kinds are {known}", "種類 {kind} はありません。使える種類: {known}";
    NeedWhat: "say -f FILE, or --session NAME with --desired-state or --target", "-f FILE を指定するか、--session NAME と --desired-state または --target を指定してください";
    NeedSession: "this is an architecture file; say --session NAME or --session new", "これは構成ファイルです。--session NAME または --session new を指定してください";
    OnlyArchitecture: "--session, --target and --desired-state are for architecture files; this one holds documents", "--session、--target、--desired-state は構成ファイル用です。このファイルはドキュメントです";
    WrongDocument: "document {number}: {problem}", "{number} 番目のドキュメント: {problem}";
    NoDocument: "there is no document in {file}", "{file} にドキュメントがありません";
    CannotRead: "cannot read {file}: {problem}", "{file} を読めません: {problem}";
    TooLarge: "{file} is larger than {limit} bytes", "{file} は {limit} バイトを超えています";
    Exported: "wrote {file} ({bytes} bytes)", "{file} に書きました({bytes} バイト)";
    CannotWrite: "cannot write {file}: {problem}", "{file} に書けません: {problem}";
    NeedFile: "{what} is an archive: say -o FILE, or -o - for a pipe", "{what} はアーカイブです。-o FILE、またはパイプなら -o - を指定してください";
    // connection
    NoServer: "no server is running on this machine (no server.json in {dir}); start one with `galley serve`, or set GALLEY_URL", "このマシンでサーバーが動いていません({dir} に server.json がありません)。`galley serve` で起動するか GALLEY_URL を設定してください";
    Unreachable: "the server at {url} does not answer: {problem}; is `galley serve` running?", "{url} のサーバーが応答しません: {problem}。`galley serve` は動いていますか?";
    NoEditorToken: "no editor token: set GALLEY_TOKEN, or use the data directory of the server ({dir})", "編集用トークンがありません。GALLEY_TOKEN を設定するか、サーバーのデータディレクトリ({dir})を使ってください";
    NoApproverToken: "no approver token: set GALLEY_APPROVER_TOKEN, or use the data directory of the server ({dir})", "承認用トークンがありません。GALLEY_APPROVER_TOKEN を設定するか、サーバーのデータディレクトリ({dir})を使ってください";
    NotPermitted: "refused by the server: {problem}", "サーバーに拒否されました: {problem}";
    ServerSays: "the server says: {problem}", "サーバーの応答: {problem}";
    // logs, sandbox, secret
    NoJob: "there is neither a job nor a design {name}, or the design has no job yet", "ジョブまたは設計 {name} がないか、まだジョブがありません";
    CloudEmpty: "the simulated cloud of {name} is empty", "{name} のシミュレーションクラウドは空です";
    CloudChanged: "changed in the simulated cloud: {id}", "シミュレーションクラウドで変更しました: {id}";
    CloudDeleted: "deleted from the simulated cloud: {id}", "シミュレーションクラウドから削除しました: {id}";
    CloudFails: "{operation} of {kind} now fails with {error}", "{kind} の {operation} は {error} で失敗するようになりました";
    CloudCleared: "all faults are taken back", "すべての障害を解除しました";
    FaultLabel: "fails", "障害";
    BadAssignment: "{text} is not ATTRIBUTE=VALUE", "{text} は ATTRIBUTE=VALUE の形式ではありません";
    BadFault: "{text} is not STATUS-CODE such as 400-LimitExceeded", "{text} は 400-LimitExceeded のような STATUS-CODE の形式ではありません";
    SecretEmpty: "stdin is empty: pipe the value in, such as `printf %s \"$VALUE\" | galley secret set NAME VAR`", "標準入力が空です。`printf %s \"$VALUE\" | galley secret set NAME VAR` のように渡してください";
    SecretKept: "kept for variable {variable} of {name}", "{name} の変数 {variable} に保存しました";
    Interrupted: "interrupted", "中断しました";
}

impl Lang {
    /// The text.
    pub fn text(self, text: Text) -> &'static str {
        text.of(self)
    }
    /// The text with its placeholders filled.
    pub fn fill(self, text: Text, values: &[(&str, &dyn std::fmt::Display)]) -> String {
        fill(text.of(self), values)
    }
}

/// `template` with `{name}` replaced; one pass, so that a value with braces stays as it is.
pub fn fill(template: &str, values: &[(&str, &dyn std::fmt::Display)]) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        out.push_str(&rest[..start]);
        let tail = &rest[start + 1..];
        let Some(end) = tail.find('}') else { break };
        match values.iter().find(|(name, _)| *name == &tail[..end]) {
            Some((_, value)) => out.push_str(&value.to_string()),
            None => out.push_str(&rest[start..start + end + 2]),
        }
        rest = &tail[end + 1..];
    }
    out.push_str(rest);
    out
}

/// Japanese help by path in the tree of commands: `command`, `command.argument`.
const HELP_JA: &[(&str, &str)] = &[
    ("galley", "Oracle Cloud の構成を設計し、プランを作り、構築し、見守ります"),
    ("config", "設定の TOML ファイル [環境変数: GALLEY_CONFIG]"),
    ("data_dir", "ドキュメント、状態、トークンを置くディレクトリ [環境変数: GALLEY_DATA_DIR]"),
    ("listen", "サーバーが待ち受けるアドレス [環境変数: GALLEY_LISTEN]"),
    ("terraform_bin", "Terraform の実行ファイル [環境変数: GALLEY_TERRAFORM_BIN]"),
    ("max_terraform", "同時に動かす Terraform の最大数 [環境変数: GALLEY_MAX_TERRAFORM]"),
    ("log_format", "text または json [環境変数: GALLEY_LOG_FORMAT]"),
    ("log", "`info` や `galley=debug,warn` などのログフィルタ [環境変数: GALLEY_LOG]"),
    ("serve", "サーバー(MCP、Kubernetes API、コントローラー)を起動します"),
    ("mcp", "標準入出力で MCP を提供します(ホストが Galley を起動する場合)"),
    ("kubeconfig", "動作中のサーバー用の kubeconfig を書き、そのパスを表示します"),
    ("kubeconfig.output", "書き込み先。既定はデータディレクトリの `kubeconfig`"),
    ("kubeconfig.approver", "編集用ではなく承認用の資格情報を使う"),
    ("apply", "ドキュメントを作成・置換するか、構成ファイルからセッションを作ります"),
    ("apply.file", "YAML または JSON のドキュメント、または構成ファイル。`-` は標準入力。省略時は他のオプションの内容だけを変更"),
    ("apply.session", "構成ファイルを入れるセッション、または `new`。ファイルがない場合は対象のセッション"),
    ("apply.target", "構築先"),
    ("apply.output", "書いたものを KIND/NAME またはデータとして表示する"),
    ("apply.desired_state", "どこまで進めるか"),
    ("get", "ドキュメントを一覧します"),
    ("get.kind", "sessions、designs、terraformjobs、approvals、events、または短縮名"),
    ("get.name", "1 つのドキュメントの名前"),
    ("get.output", "出力の形式"),
    ("get.watch", "続けて変更を表示する"),
    ("status", "設計の現状を表示します。--watch で到達するまで見守ります"),
    ("status.name", "設計(およびセッション)の名前"),
    ("status.watch", "到達、失敗、または人の操作待ちになるまで見守る"),
    ("status.until", "「到達」の意味。既定は desiredState のとおり"),
    ("status.timeout", "--watch の場合: この秒数であきらめる(終了コード 3)"),
    ("plan", "最新のプランを表示します"),
    ("plan.name", "設計の名前"),
    ("plan.output", "代わりにプランの記録をデータとして表示する"),
    ("diff", "現在の設計で何が変わるかを、Terraform を動かさずに表示します"),
    ("diff.name", "設計の名前"),
    ("diff.output", "代わりに見込みをデータとして表示する"),
    ("status.output", "代わりに設計の status をデータとして表示する。終了コードは同じ"),
    ("export", "設計を要約、図、Terraform ファイルとして書き出します"),
    ("export.name", "設計(およびセッション)の名前"),
    ("export.what", "書き出すもの"),
    ("export.output", "書き込むファイル。`-` は標準出力。既定ではテキストは標準出力、アーカイブは設計名のファイル"),
    ("approve", "承認用の資格情報で、ただ 1 つのプランを承認します"),
    ("approve.name", "設計の名前"),
    ("approve.plan", "プランの sha256(8 桁以上)。最新のプランと違えば拒否"),
    ("approve.yes", "確認しない"),
    ("approve.reason", "記録に残す理由"),
    ("delete", "セッションか設計を削除します。リソースは承認後に削除されます"),
    ("delete.name", "セッションの名前。他のドキュメントは `KIND/NAME`"),
    ("delete.wait", "なくなるまで待つ"),
    ("logs", "ジョブ、または設計の最新ジョブのログを表示します"),
    ("logs.name", "ジョブまたは設計の名前"),
    ("logs.follow", "ジョブの終わりまで続ける"),
    ("logs.raw", "保存されている JSON 行のまま表示する"),
    ("adopt", "クラウドにあってどの状態にもないリソースを引き取ります。アドレスなしでは未確認のものを表示します"),
    ("adopt.name", "設計の名前"),
    ("adopt.resources", "ADDRESS=ID: 設計にある Terraform アドレスと、クラウドでの ID"),
    ("adopt.search", "この設計のタグを持つリソースをすべて引き取る"),
    ("adopt.yes", "確認しない"),
    ("state", "設計の以前の Terraform 状態を元に戻します"),
    ("state.restore", "保存された状態を最新にします。次にクラウドを確認します"),
    ("state.restore.name", "設計の名前"),
    ("state.restore.serial", "保存された状態のシリアル。違えば、保存されているものを答えます"),
    ("state.restore.yes", "確認しない"),
    ("force-unlock", "所有者の終了を証明できないジョブを打ち切ります"),
    ("force-unlock.name", "設計の名前"),
    ("force-unlock.yes", "確認しない"),
    ("secret", "秘密の変数の値を渡します"),
    ("secret.set", "標準入力から値を読み、変数に保存します"),
    ("secret.set.name", "設計の名前"),
    ("secret.set.variable", "Terraform 変数の名前"),
    ("sandbox", "シミュレーションクラウドを見て、Terraform の外から変更します"),
    ("sandbox.list", "シミュレーションクラウドの中身を一覧します"),
    ("sandbox.list.name", "設計の名前"),
    ("sandbox.list.json", "すべての属性を JSON で表示する"),
    ("sandbox.set", "コンソールで人がするように、リソースの属性を変更します"),
    ("sandbox.set.name", "設計の名前"),
    ("sandbox.set.id", "リソースの OCID"),
    ("sandbox.set.assignment", "ATTRIBUTE=VALUE。VALUE は JSON、それ以外は文字列"),
    ("sandbox.delete", "コンソールで人がするように、リソースを削除します"),
    ("sandbox.delete.name", "設計の名前"),
    ("sandbox.delete.id", "リソースの OCID"),
    ("sandbox.fail", "リソースの種類への要求を失敗させます"),
    ("sandbox.fail.name", "設計の名前"),
    ("sandbox.fail.resource_type", "oci_core_instance などのリソースの種類、または *"),
    ("sandbox.fail.error", "400-LimitExceeded や 429-TooManyRequests などの STATUS-CODE"),
    ("sandbox.fail.operation", "create、read、update、delete、plan、または *"),
    ("sandbox.fail.times", "失敗させる回数。既定は解除するまで毎回"),
    ("sandbox.clear", "すべての障害を解除します"),
    ("sandbox.clear.name", "設計の名前"),
    ("demo", "シミュレーションクラウドで全行程を見せます: プラン、承認、適用、ドリフト、修復、置換、削除"),
    ("demo.design", "この設計ファイルだけを実演し、その `expect` を構築結果と照合する"),
    ("demo.keep", "デモのデータディレクトリを残す"),
    ("crds", "カスタムリソース定義を表示します"),
    ("completion", "シェルでコマンドとオプションを補完するスクリプトを表示します"),
    ("completion.shell", "シェル"),
    ("version", "バージョンとビルド情報を表示します"),
];

const EXIT_CODES_JA: &str = "終了コード:
   0  完了: 求めた状態になっている
   1  失敗
   2  人の操作待ち(承認、秘密の値、判断)
   3  進行中
   4  見つからない
  64  使い方または設定の誤り
  69  サーバーに接続できない
  77  拒否: 資格情報、または現在の状態では許されない
 130  中断";

/// The command line with its help in a language.
pub fn localise(lang: Lang) -> clap::Command {
    let command = <Cli as clap::CommandFactory>::command();
    match lang {
        Lang::En => command,
        Lang::Ja => translate(command.after_help(EXIT_CODES_JA), "").about(help_ja("galley").unwrap_or_default()),
    }
}

fn help_ja(path: &str) -> Option<&'static str> {
    HELP_JA.iter().find(|(known, _)| *known == path).map(|(_, help)| *help)
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn translate(command: clap::Command, prefix: &str) -> clap::Command {
    let command = command.mut_args(|argument| match help_ja(&join(prefix, argument.get_id().as_str())) {
        Some(help) => {
            // what each value means stands in English beside it; the words themselves need no translation
            let values = argument.get_possible_values();
            let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
            let flag = !argument.get_action().takes_values();
            match names.is_empty() || flag {
                true => argument.help(help),
                false => argument.help(format!("{help} [値: {}]", names.join(", "))).hide_possible_values(true),
            }
        }
        None => argument,
    });
    command.mut_subcommands(|subcommand| {
        let path = join(prefix, subcommand.get_name());
        let about = help_ja(&path);
        let subcommand = translate(subcommand, &path);
        match about {
            Some(about) => subcommand.about(about),
            None => subcommand,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the placeholders, sorted.
    fn placeholders(text: &str) -> Vec<&str> {
        let mut found: Vec<&str> = text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn every_text_exists_in_both_languages_with_the_same_placeholders() {
        for (en, ja) in Text::ALL.iter().chain(super::super::demo::Line::ALL) {
            assert!(!en.is_empty() && !ja.is_empty(), "{en} {ja}");
            assert_eq!(placeholders(en), placeholders(ja), "{en}");
        }
    }

    #[test]
    fn every_command_and_argument_has_help_in_both_languages() {
        fn walk(command: &clap::Command, prefix: &str, missing: &mut Vec<String>, seen: &mut Vec<String>) {
            for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
                let path = join(prefix, argument.get_id().as_str());
                if argument.get_help().is_none() || help_ja(&path).is_none() {
                    missing.push(path.clone());
                }
                seen.push(path);
            }
            for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
                let path = join(prefix, subcommand.get_name());
                if subcommand.get_about().is_none() || help_ja(&path).is_none() {
                    missing.push(path.clone());
                }
                seen.push(path.clone());
                walk(subcommand, &path, missing, seen);
            }
        }
        let (mut missing, mut seen) = (Vec::new(), vec!["galley".to_owned()]);
        walk(&<Cli as clap::CommandFactory>::command(), "", &mut missing, &mut seen);
        assert_eq!(missing, Vec::<String>::new());
        let stale: Vec<_> = HELP_JA.iter().map(|(path, _)| *path).filter(|path| !seen.iter().any(|known| known == path)).collect();
        assert_eq!(stale, Vec::<&str>::new(), "help for commands that are gone");
    }

    #[test]
    fn a_value_with_braces_is_not_filled_again() {
        assert_eq!(fill("a {x} b {y} {z}", &[("x", &"{y}"), ("y", &1)]), "a {y} b 1 {z}");
    }

    #[test]
    fn help_speaks_japanese() {
        let help = localise(Lang::Ja).render_long_help().to_string();
        assert!(help.contains("終了コード") && help.contains("承認") && !help.contains("Approve exactly"), "{help}");
    }
}

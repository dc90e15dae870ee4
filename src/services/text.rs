//! Every sentence the services say, in Japanese and English side by side. Pure; one line per sentence and language.
//!
//! `{name}` stands for a value. A sentence that lacks a language does not compile, and a test compares the placeholders.

use crate::api::session::Language;

macro_rules! texts {
    ($($name:ident { en: $en:literal, ja: $ja:literal })+) => {
        /// A sentence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Text { $(#[doc = $en] $name),+ }
        impl Text {
            /// Every sentence.
            pub const ALL: &'static [Text] = &[$(Text::$name),+];
            /// The sentence with its placeholders.
            pub fn pattern(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Text::$name, Language::En) => $en, (Text::$name, Language::Ja) => $ja),+
                }
            }
        }
    };
}

/// A sentence with its values put in. A value is never read as a pattern again.
pub fn say(language: Language, text: Text, values: &[(&str, &str)]) -> String {
    let mut rest = text.pattern(language);
    let mut out = String::with_capacity(rest.len() + 32);
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let Some(close) = rest.find('}') else { break };
        let name = &rest[1..close];
        match values.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => out.push_str(value),
            None => out.push_str(&rest[..=close]),
        }
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    out
}

texts! {
    SessionCreated { en: "Session {session} \"{title}\" was created. Show the person this session id.", ja: "セッション {session}「{title}」を作成しました。このセッションIDを利用者に示してください。" }
    SessionsListed { en: "{shown} of {total} sessions, newest first.", ja: "{total} 件中 {shown} 件のセッション(新しい順)。" }
    SessionShown { en: "Session {session} \"{title}\": {phase}.", ja: "セッション {session}「{title}」: {phase}。" }
    SessionDesign { en: "Design: generation {generation}, {components} components, {connections} connections, {state}; {sync} / {health}, {resources} resources.", ja: "設計: 世代 {generation}、コンポーネント {components}、接続 {connections}、{state}、{sync} / {health}、リソース {resources}。" }
    SessionsMore { en: "More: call list_sessions with cursor: \"{cursor}\".", ja: "続きは cursor: \"{cursor}\" を付けて list_sessions を呼んでください。" }
    SessionDeleted { en: "Session {session} is deleted.", ja: "セッション {session} を削除しました。" }
    SessionDeleting { en: "Session {session} is being deleted. {resources} resources are destroyed first; that needs the approval of a destroy plan.", ja: "セッション {session} を削除中です。先に {resources} 個のリソースを破棄します。破棄プランの承認が必要です。" }
    ArchitectureSaved { en: "Saved as generation {generation}: {components} components, {connections} connections; {errors} errors, {warnings} warnings.", ja: "世代 {generation} として保存しました: コンポーネント {components}、接続 {connections}、エラー {errors}、警告 {warnings}。" }
    ArchitectureUnchanged { en: "Nothing changed; generation {generation} stands. {errors} errors, {warnings} warnings.", ja: "変更はありません。世代 {generation} のままです。エラー {errors}、警告 {warnings}。" }
    ArchitectureChecked { en: "{components} components, {connections} connections: {errors} errors, {warnings} warnings. Nothing was written.", ja: "コンポーネント {components}、接続 {connections}: エラー {errors}、警告 {warnings}。何も書き込んでいません。" }
    AnswersSaved { en: "Saved. {answered} questions are answered; {missing} required ones are missing.", ja: "保存しました。回答済み {answered} 問、未回答の必須質問 {missing} 問。" }
    AnswersUnchanged { en: "Nothing changed. {answered} questions are answered; {missing} required ones are missing.", ja: "変更はありません。回答済み {answered} 問、未回答の必須質問 {missing} 問。" }
    HearingReopened { en: "The hearing is open again; its requirements are gone until it is completed.", ja: "ヒアリングを再開しました。完了するまで要件は空になります。" }
    HearingCompleted { en: "The hearing is completed: {requirements} requirements, {constraints} constraints.", ja: "ヒアリングを完了しました。要件 {requirements} 件、制約 {constraints} 件。" }
    Required { en: " (required)", ja: "(必須)" }
    TakeOver { en: "edit_architecture with suggestion_id: \"{suggestion}\" takes it over", ja: "edit_architecture に suggestion_id: \"{suggestion}\" を指定すると反映します" }
    CatalogListed { en: "{shown} of {total} {kind}.", ja: "{kind}: {total} 件中 {shown} 件。" }
    CatalogShown { en: "{name}: {title}. {description}", ja: "{name}: {title}。{description}" }
    NoTemplates { en: "There are no application templates on this server.", ja: "このサーバーにアプリケーションのテンプレートはありません。" }
    Exported { en: "{what} of {session}, generation {generation}: {bytes} bytes, {media}. Whole: {uri}", ja: "{session} の {what}(世代 {generation}): {bytes} バイト、{media}。全体: {uri}" }
    ExportMore { en: "More: call export with cursor: \"{cursor}\".", ja: "続きは cursor: \"{cursor}\" を付けて export を呼んでください。" }
    AskApproval { en: "Plan {sha} of \"{title}\" ({session}, {target}) will {kind}: {counts}.", ja: "「{title}」({session}、{target})のプラン {sha} を{kind}: {counts}。" }
    KindApply { en: "be applied", ja: "適用します" }
    KindDestroy { en: "DESTROY what was built", ja: "実行し、構築したものを破棄します" }
    AskYes { en: "Approve this plan", ja: "このプランを承認する" }
    DesiredStateSet { en: "Desired state of {session} is {state} (generation {generation}).", ja: "{session} の望ましい状態は {state} です(世代 {generation})。" }
    ErrorsBlock { en: "{errors} errors of the design stand in the way: nothing is planned before they are mended.", ja: "設計にエラーが {errors} 件あり、直すまでプランは作られません。" }
    DesiredStateUnchanged { en: "Desired state of {session} was {state} already; nothing changed (generation {generation}).", ja: "{session} の望ましい状態はすでに {state} でした。変更はありません(世代 {generation})。" }
    ApprovalConsumed { en: "The approval of plan {plan} is accepted; job {job} uses it.", ja: "プラン {plan} の承認を受け付けました。ジョブ {job} が使用します。" }
    ApprovalRecorded { en: "The approval of plan {plan} is recorded; it is used as soon as the session's turn comes.", ja: "プラン {plan} の承認を記録しました。順番が来しだい使用されます。" }
    JobCancelling { en: "Job {job} is asked to stop; Terraform gets time to write its state.", ja: "ジョブ {job} に停止を要求しました。Terraform が状態を書き終えるまで待ちます。" }
    JobEnded { en: "Job {job} has ended already ({phase}); nothing to cancel.", ja: "ジョブ {job} はすでに終了しています({phase})。取り消すものはありません。" }
    StatusNoDesign { en: "Session {session} has no architecture yet.", ja: "セッション {session} にはまだアーキテクチャがありません。" }
    StatusLine { en: "{session}: {sync} / {health}, {reason}.", ja: "{session}: {sync} / {health}、{reason}。" }
    StatusWaits { en: "Waits for: {wait}.", ja: "待機中: {wait}。" }
    WaitsForApproval { en: "approval of plan {plan}", ja: "プラン {plan} の承認" }
    WaitsForJob { en: "job {job}", ja: "ジョブ {job}" }
    StatusJob { en: "{action} {done}/{total} ({phase}).", ja: "{action} {done}/{total}({phase})。" }
    StatusFailed { en: "Last failure ({action}): {summary}", ja: "直近の失敗({action}): {summary}" }
    StatusPlan { en: "Plan {sha}: {counts}.", ja: "プラン {sha}: {counts}。" }
    StatusDrift { en: "{count} resources differ from what was applied.", ja: "{count} 個のリソースが適用時と異なります。" }
    CountsLine { en: "{create} to create, {update} to change, {replace} to replace, {delete} to destroy", ja: "作成 {create}、変更 {update}、置換 {replace}、削除 {delete}" }
    PlanShown { en: "Plan {sha} of {session} ({kind}): {counts}. Valid until {expires}.", ja: "{session} のプラン {sha}({kind}): {counts}。有効期限 {expires}。" }
    PlanDestroys { en: "DESTROYS: {list}", ja: "削除: {list}" }
    PlanReplaces { en: "REPLACES: {list}", ja: "置換(削除して再作成): {list}" }
    PlanMore { en: "{count} more: call get_plan with next_cursor.", ja: "残り {count} 件は next_cursor を付けて get_plan で確認してください。" }
    PlanResource { en: "{address}: {action}.", ja: "{address}: {action}。" }
    LogShown { en: "Job {job}: lines from byte {from} to {to} of {total}.", ja: "ジョブ {job}: {total} バイト中 {from}〜{to}。" }
    LogEmpty { en: "Job {job} has written nothing yet.", ja: "ジョブ {job} はまだ何も出力していません。" }

    SessionNotFound { en: "there is no session {session}", ja: "セッション {session} はありません" }
    SessionDeletingError { en: "session {session} is being deleted; it takes no further edits", ja: "セッション {session} は削除中のため、編集できません" }
    SessionBusy { en: "session {session} is busy: {kind} {job} for {age} s; nothing was written", ja: "セッション {session} は使用中です: {kind} {job}({age} 秒)。何も書き込んでいません" }
    NoDesign { en: "session {session} has no architecture yet", ja: "セッション {session} にはまだアーキテクチャがありません" }
    NoPlan { en: "there is no plan yet", ja: "プランはまだありません" }
    NoJob { en: "session {session} has no such job", ja: "セッション {session} に該当するジョブはありません" }
    NoActiveJob { en: "no job of session {session} is running", ja: "セッション {session} で実行中のジョブはありません" }
    NoLog { en: "job {job} has no log", ja: "ジョブ {job} のログはありません" }
    NoPlanDetails { en: "the details of plan {plan} are not stored any more", ja: "プラン {plan} の詳細はもう保存されていません" }
    NoSuchResource { en: "the plan does not change {address}", ja: "プランは {address} を変更しません" }
    GenerationMoved { en: "expected generation {expected}, the design is at {actual}; nothing was written", ja: "想定した世代は {expected} ですが、現在は {actual} です。何も書き込んでいません" }
    KeepsChanging { en: "the document kept changing while it was edited; nothing was written", ja: "編集中に文書が変わり続けたため、何も書き込んでいません" }
    PolicyLowered { en: "the approval policy may not be lowered from {from} to {to} with this credential", ja: "この資格情報では承認ポリシーを {from} から {to} へ緩めることはできません" }
    PolicyBelowMinimum { en: "the server asks for at least approval policy {minimum}", ja: "このサーバーの承認ポリシーの下限は {minimum} です" }
    TargetFixed { en: "the target of a design cannot change from {from} to {to}", ja: "設計のターゲットは {from} から {to} に変更できません" }
    ConfirmMismatch { en: "confirm must be the session's id or its exact title", ja: "confirm にはセッションIDまたは正確なタイトルを指定してください" }
    NothingAsked { en: "nothing was asked: give desired_state, suspend, request, approval_policy or drift_interval_seconds", ja: "指定がありません。desired_state、suspend、request、approval_policy、drift_interval_seconds のいずれかを指定してください" }
    NotApplied { en: "desired_state is {state}: nothing would use the approval", ja: "desired_state が {state} のため、承認しても使われません" }
    ShaPrefix { en: "plan_sha256 must be all 64 hex digits", ja: "plan_sha256 は64桁の16進数すべてが必要です" }
    TooManyComponents { en: "{count} components; the limit is {limit}", ja: "コンポーネントが {count} 個あります。上限は {limit} 個です" }
    TooManyConnections { en: "{count} connections; the limit is {limit}", ja: "接続が {count} 個あります。上限は {limit} 個です" }
    TooDeep { en: "nested deeper than {limit} levels", ja: "入れ子が {limit} 段を超えています" }
    TooBig { en: "{size} bytes; the limit is {limit}", ja: "{size} バイトあります。上限は {limit} です" }
    TooMany { en: "{count} entries; the limit is {limit}", ja: "{count} 件あります。上限は {limit} 件です" }
    UnknownField { en: "unknown field", ja: "不明な項目です" }
    MissingField { en: "required field is missing", ja: "必須の項目がありません" }
    WrongType { en: "must be {wanted}, got {got}", ja: "{wanted} が必要ですが、{got} です" }
    NotAllowed { en: "is not one of the allowed values", ja: "許可された値ではありません" }
    LengthOutside { en: "must have {min} to {max} characters, has {got}", ja: "文字数は {min}〜{max} ですが、{got} 文字あります" }
    NumberOutside { en: "must be between {min} and {max}", ja: "{min} から {max} の範囲で指定してください" }
    BadPattern { en: "does not match {pattern}", ja: "{pattern} に一致しません" }
    ControlCharacter { en: "contains a control character", ja: "制御文字が含まれています" }
    BadCursor { en: "this cursor does not belong to this answer any more", ja: "このカーソルは無効です" }
    SecretVariable { en: "a secret does not belong into a variable: documents are readable", ja: "秘密の値は変数に書けません。文書は読み取り可能です" }
    Undecodable { en: "a stored document does not decode; it was written by something else", ja: "保存された文書を読み取れません。別のものが書き込んだ可能性があります" }
    Unavailable { en: "the document store does not answer", ja: "文書ストアが応答しません" }
    Internal { en: "something unexpected happened", ja: "予期しないことが起きました" }

    NoAnswers { en: "there is no answer in answers", ja: "answers に回答がありません" }
    UnknownQuestion { en: "there is no such question", ja: "この質問はありません" }
    BlankAnswer { en: "a required question may not be left blank", ja: "必須の質問は空欄にできません" }
    MissingAnswer { en: "this required question is not answered: {question}", ja: "必須の質問に回答がありません: {question}" }
    NoEdits { en: "there is nothing to do: give edits or suggestion_id", ja: "編集がありません。edits か suggestion_id を指定してください" }
    NoSuggestion { en: "there is no such suggestion for the design as it is", ja: "現在の設計にこの提案はありません" }
    IdTaken { en: "a component has this id already", ja: "このIDのコンポーネントはすでにあります" }
    NoComponent { en: "there is no component with this id", ja: "このIDのコンポーネントはありません" }
    NoConnection { en: "there is no such connection", ja: "この接続はありません" }
    NoFile { en: "there is no file {file}", ja: "ファイル {file} はありません" }
    NoFileEdits { en: "there is nothing to do: give set or delete", ja: "編集がありません。set か delete を指定してください" }
    SetAndDeleted { en: "the file is set and deleted in one call", ja: "同じファイルに set と delete の両方が指定されています" }
    NoCatalogEntry { en: "there is no such entry", ja: "この項目はありません" }
    NotExportable { en: "the design has {errors} errors, so it has no Terraform files", ja: "設計に {errors} 件のエラーがあるため、Terraform ファイルはありません" }
    NoResource { en: "there is no resource {uri}", ja: "リソース {uri} はありません" }
    PersonDeclined { en: "the person did not approve the plan; nothing was written", ja: "利用者がプランを承認しませんでした。何も書き込んでいません" }
    QuestionGone { en: "this question was answered already, is too old, or belongs to another plan; nothing was written", ja: "この確認は回答済みか期限切れ、または別のプランのものです。何も書き込んでいません" }

    HintQuestions { en: "list_catalog with kind: questions lists the questions.", ja: "質問は list_catalog の kind: questions で確認できます。" }
    HintAskQuestion { en: "Ask the person, then save_answers.", ja: "利用者に尋ねてから save_answers で保存してください。" }
    HintSuggestions { en: "validate_architecture lists the suggestions.", ja: "提案は validate_architecture で確認できます。" }
    HintEditFields { en: "{op} takes: {allowed}.", ja: "{op} で使える項目: {allowed}。" }
    HintIdTaken { en: "Use configure for the component that is there, or another id.", ja: "既存のコンポーネントには configure を使うか、別のIDにしてください。" }
    HintFileName { en: "Terraform treats other names specially; use lower-case letters, digits, - and _.", ja: "他の名前は Terraform が特別に扱います。英小文字、数字、-、_ を使ってください。" }
    HintExport { en: "Mend the errors of validate_architecture first.", ja: "先に validate_architecture のエラーを直してください。" }
    HintAskAgain { en: "Call approve_plan again when the person agrees.", ja: "利用者が同意したらもう一度 approve_plan を呼んでください。" }
    HintListSessions { en: "Call list_sessions for the ids, or create_session.", ja: "list_sessions でIDを確認するか、create_session を呼んでください。" }
    HintReadAgain { en: "Call get_status, look at what changed, and try again.", ja: "get_status で変更を確認し、もう一度試してください。" }
    HintMend { en: "Mend it and call the tool again.", ja: "修正してもう一度呼んでください。" }
    HintAskPerson { en: "Ask a person who has the needed credential.", ja: "必要な資格情報を持つ人に依頼してください。" }
    HintReport { en: "Try once more; if it stays, the server's log has the reason.", ja: "もう一度試し、直らなければサーバーのログを確認してください。" }
    HintTryLater { en: "Nothing was written. Try again in a moment.", ja: "何も書き込んでいません。少し待って再試行してください。" }
    HintNewPlan { en: "Call set_desired_state with request: Plan, read the new plan with get_plan, and approve that.", ja: "set_desired_state に request: Plan を指定し、get_plan で新しいプランを確認してから承認してください。" }
    HintPersonApproves { en: "A person approves it on Galley's page or with `galley approve {session}` and the approver token; this connection cannot.", ja: "承認者トークンを持つ人が Galley の画面または `galley approve {session}` で承認します。この接続からは承認できません。" }
    HintWaitForPlan { en: "Call set_desired_state with Applied, then get_status with wait_seconds until a plan is there.", ja: "set_desired_state で Applied を指定し、プランができるまで get_status を wait_seconds 付きで呼んでください。" }
    HintReadPlanAgain { en: "Read the newest plan with get_plan, show it to the person, and approve that one.", ja: "get_plan で最新のプランを確認し、利用者に示してから、それを承認してください。" }
    HintSaveFirst { en: "Call save_architecture first.", ja: "先に save_architecture を呼んでください。" }
    HintBusy { en: "Wait with get_status, or stop it with cancel_job.", ja: "get_status で待つか、cancel_job で止めてください。" }
    HintGeneration { en: "Call get_status for the present generation, look at what changed, and try again.", ja: "get_status で現在の世代と変更内容を確認し、もう一度試してください。" }
    HintPolicy { en: "A person with the approver credential can lower it.", ja: "緩めるには承認者の資格情報が必要です。" }
    HintTarget { en: "Create another session for the other target.", ja: "別のターゲットには新しいセッションを作成してください。" }
    HintConfirm { en: "Ask the person, then pass confirm: \"{session}\".", ja: "利用者に確認してから confirm: \"{session}\" を指定してください。" }
    HintCopySha { en: "Copy plan.plan_sha256 of get_plan or get_status, all 64 digits.", ja: "get_plan または get_status の plan_sha256 を64桁すべてコピーしてください。" }
    HintUseAllowed { en: "Use one of: {allowed}.", ja: "次のいずれかを使ってください: {allowed}。" }
    HintId { en: "An id is ASCII letters, digits, _ and -; text in any language belongs into display_name.", ja: "id は ASCII の英数字と _ と - です。ほかの文字は display_name に書いてください。" }
    HintFields { en: "Known fields: {allowed}.", ja: "使える項目: {allowed}。" }
    HintSplit { en: "Split the design over several sessions.", ja: "設計を複数のセッションに分けてください。" }
    HintDropCursor { en: "Call the tool again without cursor.", ja: "cursor を付けずにもう一度呼んでください。" }
    HintGetPlan { en: "Call get_plan for the addresses of the plan.", ja: "get_plan でプランのアドレスを確認してください。" }
    HintJobs { en: "get_status names the active job and the job of the last failure.", ja: "実行中のジョブと直近に失敗したジョブは get_status でわかります。" }
    HintSecretVariable { en: "Leave it out: Galley generates passwords, and a person puts in other secrets.", ja: "指定しないでください。パスワードは Galley が生成し、その他の秘密は人が登録します。" }
    HintRequired { en: "Give {field}.", ja: "{field} を指定してください。" }

    NextAnswer { en: "Ask the person the next questions, then save_answers.", ja: "利用者に次の質問を尋ね、save_answers で保存します。" }
    NextComplete { en: "complete_hearing, or save_answers for the optional questions.", ja: "complete_hearing で完了するか、任意の質問を save_answers で保存します。" }
    NextDesign { en: "save_architecture: design from the requirements and constraints.", ja: "save_architecture: 要件と制約から設計を保存します。" }
    NextHear { en: "list_catalog with kind: questions, ask the person, then save_answers. Without a hearing: save_architecture.", ja: "list_catalog の kind: questions で質問を確認し、利用者に尋ねて save_answers で保存します。ヒアリングをしない場合は save_architecture。" }
    NextSave { en: "save_architecture: save the components and connections.", ja: "save_architecture: コンポーネントと接続を保存します。" }
    NextMend { en: "edit_architecture (or save_architecture): mend the errors listed in findings.", ja: "edit_architecture(または save_architecture)で findings のエラーを直します。" }
    NextPlan { en: "set_desired_state Planned for a plan to read, or Applied to have it built after approval.", ja: "set_desired_state: 確認用のプランは Planned、承認後に構築するなら Applied。" }
    NextWait { en: "get_status with wait_seconds: 50 and since: what it waits for will change by itself.", ja: "get_status を wait_seconds: 50 と since 付きで呼びます。待っている状態は自動で進みます。" }
    NextApprove { en: "get_plan, show the person what it does (every delete and replace), ask for a yes, then approve_plan with plan_sha256.", ja: "get_plan で内容(削除・置換を含む)を利用者に示し、同意を得てから plan_sha256 を付けて approve_plan を呼びます。" }
    NextApplied { en: "get_plan shows what would change; set_desired_state Applied to have it built after approval.", ja: "get_plan で変更内容を確認し、構築するなら set_desired_state Applied(承認後に実行)。" }
    NextReplan { en: "set_desired_state with request: Plan: the plan is too old.", ja: "set_desired_state に request: Plan: プランが古くなっています。" }
    NextRetry { en: "Do what last_failure.next_actions says, then set_desired_state with request: Retry. get_job_log {job} has the log.", ja: "last_failure.next_actions の対処をしてから set_desired_state に request: Retry。ログは get_job_log {job}。" }
    NextDrift { en: "get_plan shows how the difference is put right.", ja: "差分の直し方は get_plan で確認できます。" }
    NextPerson { en: "A person looks at it: see ready_message.", ja: "人による確認が必要です。ready_message を見てください。" }
    NextSuspended { en: "set_desired_state with suspend: false lets it go on.", ja: "set_desired_state に suspend: false で再開します。" }
    NextDone { en: "Nothing to do. Edit with save_architecture; tear down with set_desired_state Destroyed.", ja: "必要な操作はありません。変更は save_architecture、破棄は set_desired_state Destroyed。" }
    NextDestroyed { en: "Everything is destroyed. delete_session removes the session.", ja: "すべて破棄されました。delete_session でセッションを削除できます。" }
    NextSecret { en: "A person puts in the value of the secret variable named in ready_message.", ja: "ready_message にある秘密変数の値を人が登録します。" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn placeholders(pattern: &str) -> BTreeSet<&str> {
        pattern.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect()
    }

    #[test]
    fn every_sentence_exists_in_both_languages_with_the_same_placeholders() {
        for text in Text::ALL {
            let (en, ja) = (text.pattern(Language::En), text.pattern(Language::Ja));
            assert!(!en.is_empty() && !ja.is_empty(), "{text:?}");
            assert_eq!(placeholders(en), placeholders(ja), "{text:?}");
            assert!(!ja.is_ascii(), "{text:?} is not Japanese");
            assert!(en.is_ascii(), "{text:?} is not plain English");
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_pattern() {
        let said = say(Language::En, Text::SessionShown, &[("session", "{title}"), ("title", "{phase}"), ("phase", "ok")]);
        assert_eq!(said, "Session {title} \"{phase}\": ok.");
    }
}

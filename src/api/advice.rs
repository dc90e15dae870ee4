//! What a person does about a failure, in words. Documents carry the English text; whoever shows it to a reader of Japanese
//! asks [`spoken`] for the other one. Pure.

use super::session::Language;

macro_rules! advice {
    ($($(#[$doc:meta])* $name:ident: $en:literal, $ja:literal;)+) => {
        /// One thing to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Advice { $($(#[$doc])* $name),+ }
        impl Advice {
            /// Every one.
            pub const ALL: &'static [Advice] = &[$(Advice::$name),+];
            /// As documents carry it.
            pub const fn english(self) -> &'static str {
                match self { $(Advice::$name => $en),+ }
            }
            /// As a reader of Japanese is told.
            pub const fn japanese(self) -> &'static str {
                match self { $(Advice::$name => $ja),+ }
            }
        }
    };
}

advice! {
    /// it passes
    Again: "Nothing to do: it goes away by itself and Galley tries again after a back-off.", "対処は不要です。自然に解消するので、Galley が間隔をあけて再試行します。";
    /// no hardware
    Capacity: "There is no free hardware for this shape here now: choose another availability domain or shape, or request Retry later.", "このシェイプの空きが今ここにありません。別の可用性ドメインかシェイプを選ぶか、後で再試行 (Retry) してください。";
    /// not bought
    Feature: "The feature is not enabled for this tenancy: ask the tenancy's administrator to enable it, or use another service (for Autonomous Database: MySQL).", "この機能はテナンシで有効になっていません。テナンシの管理者に有効化を依頼するか、別のサービスを使ってください (Autonomous Database なら MySQL など)。";
    /// too much of it
    Limit: "A service limit or compartment quota is used up: ask for an increase, free some, or choose a smaller size; then request Retry.", "サービス制限かコンパートメントの割当てを使い切っています。引き上げを申請する、不要なものを減らす、小さいサイズにする、のいずれかの後で再試行 (Retry) してください。";
    /// who are you
    Credentials: "The credentials were refused: check the key, the user or the resource principal of this server and its clock.", "認証が拒否されました。このサーバーの鍵、ユーザー、リソース・プリンシパル、時計を確認してください。";
    /// it exists
    NameTaken: "The name is taken, or the policy does not allow it: choose another name or check the policy of the work compartment.", "名前が使用中か、ポリシーで許可されていません。別の名前にするか、作業コンパートメントのポリシーを確認してください。";
    /// what it points at
    Related: "A resource it refers to is gone or not permitted: check the ids in the design and the policy of the work compartment.", "参照先のリソースがないか、許可されていません。設計の ID と作業コンパートメントのポリシーを確認してください。";
    /// 404
    GoneOrForbidden: "It is gone or not permitted (OCI does not tell which): check the policy of the work compartment, then request Refresh.", "リソースがないか、許可されていません (OCI はどちらかを示しません)。作業コンパートメントのポリシーを確認し、状態の更新 (Refresh) を依頼してください。";
    /// 429
    Slower: "OCI asks for fewer requests. Nothing to do: Galley tries again after a back-off.", "OCI がリクエストを抑えるよう求めています。対処は不要です。Galley が間隔をあけて再試行します。";
    /// 501
    NotOffered: "The service does not offer this: change the design.", "サービスが対応していません。設計を変えてください。";
    /// 409
    Conflict: "It conflicts with what is there: read the message, change the design or remove the other resource, then request Retry.", "既存のものと競合しています。メッセージを読み、設計を変えるか相手のリソースを除いてから、再試行 (Retry) してください。";
    /// 400
    BadValue: "OCI refuses a value of the design: correct it as the message says; a new plan is made by itself.", "OCI が設計の値を受け付けません。メッセージのとおりに直してください。新しいプランは自動で作られます。";
    /// somebody was faster
    StalePlan: "The state changed after the plan: a new plan is made by itself and needs a new approval.", "プランの後に状態が変わりました。新しいプランが自動で作られ、改めて承認が必要です。";
    /// no value
    Variable: "A variable has no value: set it in spec.variables, or supply the secret.", "値のない変数があります。spec.variables で与えるか、秘密の値を入力してください。";
    /// OKE
    Workers: "The workers cannot reach the API endpoint: check the rules for 6443, 12250, 10250 and ICMP, and the NAT and service gateway routes.", "ワーカーが API エンドポイントに届きません。6443、12250、10250、ICMP の規則と、NAT・サービス・ゲートウェイへの経路を確認してください。";
    /// init
    Registry: "The provider registry did not answer. Nothing to do: Galley tries again; offline, configure a provider mirror.", "プロバイダーのレジストリが応答しません。対処は不要です (Galley が再試行します)。オフラインならミラーを設定してください。";
    /// somebody stopped it
    Stopped: "It was stopped. Ask again to go on from what is there.", "中断されました。もう一度依頼すると、今ある所から続けます。";
    /// a disk or a store
    StateIsHere: "The state is in the working directory and is stored as soon as the blobs answer; keep the disk.", "状態は作業ディレクトリにあり、保存先が応答し次第保存されます。ディスクを保持してください。";
    /// anything else
    AsTheMessageSays: "Correct the design as the message says; a new plan is made by itself.", "メッセージのとおりに設計を直してください。新しいプランは自動で作られます。";
    /// what was there is not
    CheckPermissions: "check that the credentials may still read the compartment; if the resources are really gone, set request {action: Retry} and approve the new plan", "認証情報でコンパートメントをまだ読めるか確認してください。本当に消えている場合は再試行 (Retry) を依頼し、新しいプランを承認してください";
    /// the approval did not hold
    ApproveAgain: "read the new plan and approve it", "新しいプランを確認し、承認してください";
    /// cancelled
    RetryOrEdit: "set request {action: Retry} to go on with a fresh plan, or edit the design", "新しいプランで続けるには再試行 (Retry) を依頼するか、設計を編集してください";
    /// secrets
    Secrets: "supply the missing secret values", "足りない秘密の値を入力してください";
    /// state
    RestoreState: "restore the Terraform state of this design, then set request {action: Retry}", "この設計の Terraform の状態を復元し、再試行 (Retry) を依頼してください";
    /// the rule
    MendAndRetry: "mend the cause, then set request {action: Retry} (or edit the design) and approve the new plan", "原因を取り除いて再試行 (Retry) を依頼し (または設計を編集し)、新しいプランを承認してください";
    /// by itself, then a person
    PlannedAgain: "nothing: a new plan is made by itself and then waits for approval", "対処は不要です。新しいプランが自動で作られ、承認を待ちます";
    /// by itself
    TriedAgain: "nothing: it is tried again by itself", "対処は不要です。自動で再試行します";
}

/// A text of a document in the reader's language; a text that is no advice stays as it is.
pub fn spoken(text: &str, language: Language) -> &str {
    match language {
        Language::En => text,
        Language::Ja => Advice::ALL.iter().find(|advice| advice.english() == text).map_or(text, |advice| advice.japanese()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_advice_is_told_in_both_languages_and_what_is_none_stays_as_it_is() {
        for advice in Advice::ALL {
            assert_eq!(spoken(advice.english(), Language::En), advice.english());
            assert_eq!(spoken(advice.english(), Language::Ja), advice.japanese());
            assert_ne!(advice.english(), advice.japanese(), "{advice:?}");
            let twice = Advice::ALL.iter().filter(|other| other.english() == advice.english()).count();
            assert_eq!(twice, 1, "{advice:?} is there twice");
        }
        assert_eq!(spoken("something else", Language::Ja), "something else");
    }
}

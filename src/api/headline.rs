//! Where a design stands, in one line for people: what the page and the command line say of a reason. Pure.

use super::Reason;
use super::session::Language;

fn pick(language: Language, en: &'static str, ja: &'static str) -> &'static str {
    match language {
        Language::En => en,
        Language::Ja => ja,
    }
}

/// A reason in one line.
pub fn headline(reason: Reason, language: Language) -> &'static str {
    match reason {
        Reason::Draft => pick(language, "A draft: checked, not planned", "下書き: 検証のみ、プランなし"),
        Reason::Synced => pick(language, "Built as designed", "設計どおりに構築されています"),
        Reason::PlanReady => pick(language, "A plan is ready to be read", "プランを確認できます"),
        Reason::AwaitingApproval => pick(language, "Waiting for a decision", "判断を待っています"),
        Reason::PlanExpired => pick(language, "The plan is too old; a fresh one is needed", "プランが古くなりました。作り直しが必要です"),
        Reason::JobRunning => pick(language, "Working", "実行中です"),
        Reason::SessionBusy => pick(language, "Waiting for its turn", "順番を待っています"),
        Reason::InvalidDesign => pick(language, "The design needs mending first", "設計の修正が必要です"),
        Reason::InvalidDocument => pick(language, "The document cannot be understood", "文書を解釈できません"),
        Reason::JobFailed => pick(language, "Something failed; a person has to act", "失敗しました。対応が必要です"),
        Reason::RetryScheduled => pick(language, "Failed; tried again by itself", "失敗しました。自動で再試行します"),
        Reason::OutcomeUnknown => {
            pick(language, "Interrupted; Galley looks at the cloud first", "中断されました。先にクラウドを確認します")
        }
        Reason::InFlightUnconfirmed => {
            pick(language, "Interrupted; a person confirms what was being made", "中断されました。作成中だったものの確認が必要です")
        }
        Reason::ResourcesVanished => pick(language, "Resources have vanished in the cloud", "クラウド上のリソースが見つかりません"),
        Reason::OwnerUnknown => pick(language, "It is not known whether a job still runs", "ジョブが実行中か確認できません"),
        Reason::StateUnavailable => pick(language, "The Terraform state is not available", "Terraform の状態ファイルを利用できません"),
        Reason::SecretMissing => pick(language, "A secret value is missing", "秘密の値が設定されていません"),
        Reason::Suspended => pick(language, "Suspended: nothing is started", "一時停止中: 何も開始しません"),
        Reason::Destroyed => pick(language, "Everything is destroyed", "すべて破棄されました"),
        Reason::StorageUnavailable => pick(language, "The store does not answer", "保存先が応答しません"),
        Reason::TenancyUnavailable => pick(language, "The tenancy cannot be asked", "テナンシーに接続できません"),
        Reason::ApprovalRefused => pick(language, "An approval did not hold; nothing was run", "承認が無効でした。何も実行していません"),
        Reason::Cancelled => pick(language, "Cancelled", "取り消されました"),
        Reason::Internal => pick(language, "An internal error", "内部エラー"),
    }
}

//! Prompts: what a person starts a piece of work with. Words only; the tools do the work.

use rmcp::ErrorData;
use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};
use serde_json::{Value, json};

use crate::api::session::Language;
use crate::services::Services;

struct Words {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: &'static [(&'static str, &'static str, bool)],
    en: &'static str,
    ja: &'static str,
}

const SESSION: (&str, &str, bool) = ("session_id", "Session id", true);

const PROMPTS: &[Words] = &[
    Words {
        name: "design_from_hearing",
        title: "Design from the hearing",
        description: "Ask the customer, then design from what was heard.",
        arguments: &[("session_id", "Session id; a new session when absent", false), ("title", "What the system is for", false)],
        en: "Design an OCI architecture with Galley. Session: {session_id}. Purpose: {title}.\n\
             1. Without a session, call create_session and show me its id.\n\
             2. list_catalog kind questions. Ask me the questions of one phase at a time, in my words, and save_answers after each phase. Do not invent answers.\n\
             3. complete_hearing. Show me requirements and constraints and let me correct them.\n\
             4. list_catalog kind services; save_architecture with target sandbox. Mend every error, tell me the warnings, and ask me about each suggestion before edit_architecture takes it over.\n\
             5. export mermaid and show it. Then set_desired_state Planned, get_status with wait_seconds 50, get_plan; tell me counts and every delete and replace. Apply nothing.",
        ja: "Galley で OCI のアーキテクチャを設計してください。セッション: {session_id}。目的: {title}。\n\
             1. セッションがなければ create_session を呼び、ID を私に示してください。\n\
             2. list_catalog の kind questions で質問を確認し、フェーズごとに私に尋ね、その都度 save_answers で保存してください。回答を作らないでください。\n\
             3. complete_hearing を呼び、要件と制約を示して私に確認してください。\n\
             4. list_catalog の kind services を見て、target sandbox で save_architecture を呼びます。エラーはすべて直し、警告を伝え、提案は私に確認してから edit_architecture で反映してください。\n\
             5. export の mermaid を示してください。次に set_desired_state Planned、get_status(wait_seconds 50)、get_plan で件数とすべての削除・置換を伝えてください。適用はしないでください。",
    },
    Words {
        name: "fix_failed_job",
        title: "Fix a failed job",
        description: "Find out why a job failed, mend it, try again.",
        arguments: &[SESSION, ("job", "Job name; the last failure when absent", false)],
        en: "Something failed in Galley session {session_id} (job: {job}).\n\
             1. get_status: read last_failure (diagnostics, next_actions, created, not_attempted). get_job_log for the lines before the error.\n\
             2. Tell me in two sentences what happened, what exists now, and what it costs to leave it.\n\
             3. If the design is at fault, propose the smallest edit_architecture and ask me. If quota, permission or capacity is, tell me what a person has to do and stop.\n\
             4. After my yes: edit, set_desired_state request Retry, get_status, get_plan. Ask me again before approve_plan.",
        ja: "Galley のセッション {session_id} で失敗が起きました(ジョブ: {job})。\n\
             1. get_status で last_failure(diagnostics、next_actions、created、not_attempted)を読み、get_job_log でエラーの前後を確認してください。\n\
             2. 何が起き、今何が残っているか、放置した場合の影響を 2 文で伝えてください。\n\
             3. 設計が原因なら最小の edit_architecture を提案して私に確認してください。クォータ・権限・容量が原因なら、人がすべきことを伝えて止まってください。\n\
             4. 同意の後: 編集し、set_desired_state の request Retry、get_status、get_plan。approve_plan の前にもう一度確認してください。",
    },
    Words {
        name: "deploy_app",
        title: "Build it and deploy",
        description: "From a finished design to something that runs.",
        arguments: &[SESSION],
        en: "Build what Galley session {session_id} describes.\n\
             1. validate_architecture: no errors, and I know the warnings. get_session: tell me the target; oci is real and costs money.\n\
             2. set_desired_state Applied, get_status with wait_seconds 50 until a plan waits, get_plan. Show me counts and every delete and replace.\n\
             3. Ask me. Only after my yes: approve_plan with plan_sha256 of the plan I read.\n\
             4. get_status with since until it rests; tell me progress. On failure stop and tell me last_failure.\n\
             5. Tell me the outputs (addresses, endpoints, connection strings) and how to use them. list_catalog kind templates for applications that can be put on it.",
        ja: "Galley のセッション {session_id} の設計を構築してください。\n\
             1. validate_architecture でエラーがないことを確認し、警告を伝えてください。get_session で target を確認してください。oci は実環境で費用がかかります。\n\
             2. set_desired_state Applied、プランができるまで get_status(wait_seconds 50)、get_plan。件数とすべての削除・置換を示してください。\n\
             3. 私に確認してください。同意の後にだけ、私が読んだプランの plan_sha256 で approve_plan を呼びます。\n\
             4. 落ち着くまで since 付きの get_status で進捗を伝えてください。失敗したら止まり、last_failure を伝えてください。\n\
             5. 出力(アドレス、エンドポイント、接続文字列)と使い方を伝えてください。載せられるアプリケーションは list_catalog の kind templates で確認できます。",
    },
    Words {
        name: "clean_up",
        title: "Tear down",
        description: "Destroy what a session built, and nothing else.",
        arguments: &[SESSION],
        en: "Tear down Galley session {session_id}.\n\
             1. get_status: tell me what exists and where (target).\n\
             2. set_desired_state Destroyed, get_status with wait_seconds 50, get_plan. Name everything that will be destroyed, databases and buckets first: their data is gone for ever.\n\
             3. Ask me. Only after my yes: approve_plan. Follow with get_status until Destroyed.\n\
             4. Ask me whether delete_session may remove the session, too.",
        ja: "Galley のセッション {session_id} を片付けてください。\n\
             1. get_status で何がどこ(target)にあるかを伝えてください。\n\
             2. set_desired_state Destroyed、get_status(wait_seconds 50)、get_plan。破棄されるものをすべて、データベースとバケットから順に挙げてください。データは戻りません。\n\
             3. 私に確認してください。同意の後にだけ approve_plan を呼び、Destroyed になるまで get_status で見届けてください。\n\
             4. delete_session でセッションも削除してよいか確認してください。",
    },
];

/// Every prompt.
pub(super) fn list() -> Vec<Prompt> {
    PROMPTS
        .iter()
        .map(|words| {
            let language = PromptArgument::new("language").with_description("ja or en; the session's when absent").with_required(false);
            let arguments = words
                .arguments
                .iter()
                .map(|(name, text, required)| PromptArgument::new(*name).with_description(*text).with_required(*required))
                .chain([language])
                .collect();
            Prompt::new(words.name, Some(words.description), Some(arguments)).with_title(words.title)
        })
        .collect()
}

/// One prompt with its arguments put in, in the session's language.
pub(super) async fn get(services: &Services, name: &str, arguments: Option<JsonObject>) -> Result<GetPromptResult, ErrorData> {
    let Some(words) = PROMPTS.iter().find(|words| words.name == name) else {
        let known: Vec<&str> = PROMPTS.iter().map(|words| words.name).collect();
        let name = crate::api::condition::clip(name, 80);
        return Err(ErrorData::invalid_params(format!("unknown prompt {name}"), Some(json!({ "prompts": known }))));
    };
    let arguments = arguments.unwrap_or_default();
    let given = |name: &str| arguments.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    for (argument, _, required) in words.arguments {
        if *required && given(argument).is_none() {
            return Err(ErrorData::invalid_params(format!("prompt {name} needs argument {argument}"), None));
        }
    }
    let language = match given("language") {
        Some("ja") => Language::Ja,
        Some("en") => Language::En,
        Some(other) => {
            let other = crate::api::condition::clip(other, 20);
            return Err(ErrorData::invalid_params(format!("language is ja or en, not {other}"), None));
        }
        None => services.language_of(given("session_id")).await,
    };
    let mut text = match language {
        Language::En => words.en,
        Language::Ja => words.ja,
    }
    .to_owned();
    // Each place once, in order: what a person typed is never read as a place again.
    let mut out = String::new();
    while let Some((before, rest)) = text.split_once('{') {
        let Some((place, after)) = rest.split_once('}') else { break };
        out.push_str(before);
        out.push_str(&given(place).map_or_else(|| "-".to_owned(), |value| crate::api::condition::clip(value, 200)));
        text = after.to_owned();
    }
    out.push_str(&text);
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, out)]).with_description(words.description))
}

#[cfg(test)]
pub(super) fn texts() -> Vec<(&'static str, &'static str, &'static str)> {
    PROMPTS.iter().map(|words| (words.name, words.en, words.ja)).collect()
}

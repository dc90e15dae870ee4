//! Sessions: create, list, show, delete.

use kube::api::{DeleteParams, PostParams};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::documents::name_of;
use super::error::{Code, Error, Problem};
use super::text::{Text, say};
use super::{Services, status};
use crate::api::design::{DesiredState, Health, OnDelete, Sync, Target};
use crate::api::session::{Language, SessionPhase, SessionSpec};
use crate::api::{Design, Session, names};

/// Longest title, in characters, as in the document's schema.
const TITLE_LIMIT: usize = 200;
/// How many sessions a page has when nothing is said.
const PAGE: usize = 20;

/// Arguments of create_session.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    /// Purpose in a few words, any language.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// Language of findings and hints.
    pub language: Option<Language>,
    /// Where designs of this session are built: sandbox (simulated, free) or oci (real).
    pub target: Option<Target>,
}

/// Arguments of list_sessions.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct ListSessions {
    /// Only titles that contain this text.
    #[schemars(length(max = 200))]
    pub title_contains: Option<String>,
    /// Page size, default 20.
    #[schemars(range(min = 1, max = 100))]
    pub limit: Option<usize>,
    /// next_cursor of the previous page.
    #[schemars(length(max = 80))]
    pub cursor: Option<String>,
}

/// Arguments that name a session.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct GetSession {
    /// Session id.
    pub session_id: String,
}

/// Arguments of delete_session.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct DeleteSession {
    /// Session id.
    pub session_id: String,
    /// The session's id or exact title, as the person confirmed it.
    #[schemars(length(max = 200))]
    pub confirm: String,
}

/// A session, with its design in a few words.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct SessionView {
    #[serde(skip)]
    pub(super) summary: String,
    /// id, to be shown to the person
    pub session_id: String,
    /// title
    pub title: String,
    /// language
    pub language: Language,
    /// phase of the conversation
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<SessionPhase>,
    /// when it was created (RFC 3339)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// true while it is being deleted
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleting: bool,
    /// target of its design (or asked for at creation)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// the design, in a few words
    #[serde(skip_serializing_if = "Option::is_none")]
    pub design: Option<DesignBrief>,
    /// the heavy operation under way
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_operation: Option<OperationView>,
    /// what to call next
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next_actions: Vec<String>,
}

/// A design in a few words.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
pub struct DesignBrief {
    /// generation of the spec
    pub generation: i64,
    /// how many components
    pub components: usize,
    /// how many connections
    pub connections: usize,
    /// how far Galley goes
    pub desired_state: DesiredState,
    /// is the world as wanted?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<Sync>,
    /// how is it?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// resources built
    pub resources: usize,
}

/// What holds the session.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
pub struct OperationView {
    /// name of the job
    pub job: String,
    /// what it does: Plan, Apply, Destroy, Refresh, Command
    pub kind: String,
    /// since how many seconds
    pub age_seconds: i64,
    /// false for a background drift check
    pub requested: bool,
}

/// A page of sessions.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct SessionList {
    #[serde(skip)]
    pub(super) summary: String,
    /// newest first
    pub sessions: Vec<SessionLine>,
    /// how many match in all
    pub total: usize,
    /// pass as cursor for the next page
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One line of the list.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
pub struct SessionLine {
    /// id
    pub session_id: String,
    /// title
    pub title: String,
    /// phase
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<SessionPhase>,
    /// when it was created
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// What became of a deletion.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct SessionDeleted {
    #[serde(skip)]
    pub(super) summary: String,
    /// id
    pub session_id: String,
    /// true: gone; false: resources are destroyed first
    pub deleted: bool,
    /// resources that are destroyed first
    pub resources: usize,
    /// what to call next
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next_actions: Vec<String>,
}

/// Annotation on a Session: target asked for at creation, taken over by the first design.
pub(super) const TARGET_ANNOTATION: &str = "galley.dev/target";

impl Services {
    /// Creates a session; the server mints its id.
    ///
    /// # Errors
    /// `invalid_argument` (empty or too long title), `storage_unavailable`.
    pub async fn create_session(&self, input: CreateSession) -> Result<SessionView, Error> {
        let parts = self.parts();
        let language = input.language.unwrap_or(parts.settings.language);
        let length = input.title.trim().chars().count();
        if length == 0 || input.title.chars().count() > TITLE_LIMIT {
            let values = [("min", "1"), ("max", "200"), ("got", &length.to_string())];
            return Err(Error::argument(
                language,
                Problem { path: "title".into(), message: say(language, Text::LengthOutside, &values), ..Problem::default() },
            ));
        }
        let name = names::session_name(ulid::Ulid::generate());
        let mut session = Session::new(&name, SessionSpec { title: input.title, language, ..SessionSpec::default() });
        let target = input.target.unwrap_or(parts.settings.default_target);
        session.metadata.annotations = Some([(TARGET_ANNOTATION.to_owned(), target_word(target).to_owned())].into());
        let created =
            self.sessions().create(&PostParams::default(), &session).await.map_err(|error| Error::kube(language, &error, &name))?;
        self.index().written(&created);
        let mut view = self.session_view(&created, None);
        let said = say(language, Text::SessionCreated, &[("session", &view.session_id), ("title", &view.title)]);
        view.summary = lines(said, &view.next_actions);
        Ok(view)
    }

    /// Sessions, newest first.
    ///
    /// # Errors
    /// `invalid_argument` (foreign cursor), `storage_unavailable`.
    pub async fn list_sessions(&self, input: ListSessions) -> Result<SessionList, Error> {
        let language = self.parts().settings.language;
        let needle = input.title_contains.unwrap_or_default().to_lowercase();
        if input.cursor.as_ref().is_some_and(|cursor| !super::documents::is_name(cursor)) {
            return Err(bad_cursor(language));
        }
        let limit = input.limit.unwrap_or(PAGE).clamp(1, 100);
        // Names carry ULIDs: name order is age order. A cursor is the last name shown, so a page is right even when
        // sessions came or went in between.
        let cursor = input.cursor.as_deref();
        let read = self.read_sessions(|sessions| {
            let fits = |line: &&SessionLine| needle.is_empty() || line.title.to_lowercase().contains(&needle);
            let total = if needle.is_empty() { sessions.len() } else { sessions.values().filter(fits).count() };
            let after = |line: &&SessionLine| cursor.is_none_or(|cursor| line.session_id.as_str() < cursor);
            let lines: Vec<SessionLine> = sessions.values().rev().filter(after).filter(fits).take(limit + 1).cloned().collect();
            (total, lines)
        });
        let (total, mut lines) = read.await?;
        let more = lines.len() > limit;
        lines.truncate(limit);
        let next_cursor = if more { lines.last().map(|line| line.session_id.clone()) } else { None };
        let mut summary = say(language, Text::SessionsListed, &[("shown", &lines.len().to_string()), ("total", &total.to_string())]);
        for line in lines.iter().take(PAGE) {
            summary.push_str(&format!("\n{} {}", line.session_id, crate::api::condition::clip(&line.title, 80)));
        }
        if let Some(cursor) = &next_cursor {
            summary.push('\n');
            summary.push_str(&say(language, Text::SessionsMore, &[("cursor", cursor)]));
        }
        Ok(SessionList { summary, sessions: lines, total, next_cursor })
    }

    /// One session.
    ///
    /// # Errors
    /// `session_not_found`, `storage_unavailable`.
    pub async fn get_session(&self, input: GetSession) -> Result<SessionView, Error> {
        let session = self.session(&input.session_id).await?;
        let design = self.design_opt(&session).await?;
        Ok(self.session_view(&session, design.as_ref()))
    }

    /// Deletes a session. What it built is destroyed first, under the same approval as any destroy.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument` (wrong confirm), `session_busy`, `storage_unavailable`.
    pub async fn delete_session(&self, input: DeleteSession) -> Result<SessionDeleted, Error> {
        let session = self.session(&input.session_id).await?;
        let language = session.spec.language;
        let name = name_of(&session).to_owned();
        if input.confirm != name && input.confirm != session.spec.title {
            return Err(Error::argument(
                language,
                Problem {
                    path: "confirm".into(),
                    message: say(language, Text::ConfirmMismatch, &[]),
                    hint: Some(say(language, Text::HintConfirm, &[("session", &name)])),
                    ..Problem::default()
                },
            ));
        }
        let design = self.design_opt(&session).await?;
        let resources = design.as_ref().map_or(0, built_resources);
        if session.metadata.deletion_timestamp.is_none() {
            self.refuse_if_busy(&session)?;
            self.sessions().delete(&name, &DeleteParams::default()).await.map_err(|error| Error::kube(language, &error, &name))?;
        }
        let deleted = self.sessions().get_opt(&name).await.map_err(|error| Error::kube(language, &error, &name))?.is_none();
        if deleted {
            self.index().gone(&name);
        }
        let destroys = design.is_some_and(|design| design.spec.policy.on_delete == OnDelete::Destroy);
        let summary = if deleted {
            say(language, Text::SessionDeleted, &[("session", &name)])
        } else {
            say(language, Text::SessionDeleting, &[("session", &name), ("resources", &resources.to_string())])
        };
        let next_actions = match (deleted, destroys && resources > 0) {
            (true, _) => Vec::new(),
            (false, true) => vec![say(language, Text::NextWait, &[]), say(language, Text::NextApprove, &[])],
            (false, false) => vec![say(language, Text::NextWait, &[])],
        };
        Ok(SessionDeleted { summary, session_id: name, deleted, resources, next_actions })
    }

    pub(super) fn session_view(&self, session: &Session, design: Option<&Design>) -> SessionView {
        let language = session.spec.language;
        let name = name_of(session).to_owned();
        let phase = session.status.as_ref().and_then(|status| status.phase);
        let annotated = session.metadata.annotations.as_ref().and_then(|map| map.get(TARGET_ANNOTATION));
        let word = phase.map_or_else(|| "Created".to_owned(), |phase| format!("{phase:?}"));
        let next_actions = status::next_actions(language, session, design);
        let design = design.map(|design| (design.spec.target, brief(design)));
        let mut said = say(language, Text::SessionShown, &[("session", &name), ("title", &session.spec.title), ("phase", &word)]);
        if let Some((_, design)) = &design {
            said.push('\n');
            said.push_str(&design_line(language, design));
        }
        SessionView {
            summary: lines(said, &next_actions),
            session_id: name,
            title: session.spec.title.clone(),
            language,
            phase,
            created_at: session.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string()),
            deleting: session.metadata.deletion_timestamp.is_some(),
            target: design.as_ref().map(|(target, _)| *target).or_else(|| annotated.and_then(|word| target_of(word))),
            design: design.map(|(_, brief)| brief),
            active_operation: self.operation(session),
            next_actions,
        }
    }

    /// The operation that holds the session, with its age by the server's clock.
    pub(super) fn operation(&self, session: &Session) -> Option<OperationView> {
        let operation = session.status.as_ref()?.active_operation.as_ref()?;
        let age = self.parts().clock.now().0.as_second() - operation.since.0.as_second();
        Some(OperationView {
            job: operation.name.clone(),
            kind: operation.action.clone(),
            age_seconds: age.max(0),
            requested: operation.requested,
        })
    }

    /// `session_busy` while the session's operation was itself asked for, or changes the cloud. A background drift check
    /// never makes a session busy.
    pub(super) fn refuse_if_busy(&self, session: &Session) -> Result<(), Error> {
        let Some(operation) = self.operation(session) else { return Ok(()) };
        let changes = ["apply", "destroy", "command"].iter().any(|kind| operation.kind.eq_ignore_ascii_case(kind));
        if !operation.requested && !changes {
            return Ok(());
        }
        let language = session.spec.language;
        let values = [
            ("session", name_of(session).to_owned()),
            ("kind", operation.kind.clone()),
            ("job", operation.job.clone()),
            ("age", operation.age_seconds.to_string()),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        Err(Error::new(Code::SessionBusy, say(language, Text::SessionBusy, &values), say(language, Text::HintBusy, &[])).with(
            json!({ "job": operation.job, "kind": operation.kind, "age_seconds": operation.age_seconds, "requested": operation.requested }),
        ))
    }
}

/// A sentence and what to call next, a line each.
fn lines(said: String, next: &[String]) -> String {
    next.iter().fold(said, |text, action| format!("{text}\n{action}"))
}

fn design_line(language: Language, design: &DesignBrief) -> String {
    let DesignBrief { generation, components, connections, desired_state, sync, health, resources } = design;
    let values = [
        ("generation", generation.to_string()),
        ("components", components.to_string()),
        ("connections", connections.to_string()),
        ("state", format!("{desired_state:?}")),
        ("sync", sync.map_or_else(|| "-".to_owned(), |sync| format!("{sync:?}"))),
        ("health", health.map_or_else(|| "-".to_owned(), |health| format!("{health:?}"))),
        ("resources", resources.to_string()),
    ];
    let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
    say(language, Text::SessionDesign, &values)
}

/// How many resources the newest known state holds.
pub(super) fn built_resources(design: &Design) -> usize {
    let status = design.status.as_ref();
    let listed = status.and_then(|status| status.resources.as_ref()).map_or(0, |resources| resources.total);
    let stored = status.and_then(|status| status.state.as_ref()).map_or(0, |state| state.resources);
    listed.max(stored)
}

pub(super) fn brief(design: &Design) -> DesignBrief {
    let status = design.status.as_ref();
    DesignBrief {
        generation: design.metadata.generation.unwrap_or_default(),
        components: design.spec.components.len(),
        connections: design.spec.connections.len(),
        desired_state: design.spec.desired_state,
        sync: status.and_then(|status| status.sync),
        health: status.and_then(|status| status.health),
        resources: built_resources(design),
    }
}

pub(super) fn target_word(target: Target) -> &'static str {
    match target {
        Target::Sandbox => "sandbox",
        Target::Oci => "oci",
    }
}

pub(super) fn target_of(word: &str) -> Option<Target> {
    match word {
        "sandbox" => Some(Target::Sandbox),
        "oci" => Some(Target::Oci),
        _ => None,
    }
}

pub(super) fn bad_cursor(language: Language) -> Error {
    Error::argument(
        language,
        Problem {
            path: "cursor".into(),
            message: say(language, Text::BadCursor, &[]),
            hint: Some(say(language, Text::HintDropCursor, &[])),
            ..Problem::default()
        },
    )
}

//! Reading and editing documents: the only place of the services that names `kube::Api`.
//!
//! Edits are merge patches of exactly the fields that change, with the resourceVersion that was read: somebody else's
//! write in between is a 409, which is read again and retried a bounded number of times.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::error::{Code, Error};
use super::index::SessionIndex;
use super::session::SessionLine;
use super::text::{Text, say};
use super::{Parts, Services};
use crate::api::session::Language;
use crate::api::{Approval, Design, MANAGER, NAMESPACE, Session, TerraformJob};
use crate::catalog::questions::Questions;

/// How often an edit is tried against concurrent writers. Controllers write a status a few times a second at most; a
/// sixth conflict in a row is a fault worth reporting.
const EDIT_ATTEMPTS: u32 = 6;

impl Services {
    pub(super) fn parts(&self) -> &Parts {
        &self.0.parts
    }
    /// The questions of the hearing.
    pub(super) fn questions(&self) -> &Questions {
        &self.0.questions
    }
    pub(super) fn sessions(&self) -> Api<Session> {
        Api::namespaced(self.0.parts.client.clone(), NAMESPACE)
    }
    pub(super) fn designs(&self) -> Api<Design> {
        Api::namespaced(self.0.parts.client.clone(), NAMESPACE)
    }
    pub(super) fn jobs(&self) -> Api<TerraformJob> {
        Api::namespaced(self.0.parts.client.clone(), NAMESPACE)
    }
    pub(super) fn approvals(&self) -> Api<Approval> {
        Api::namespaced(self.0.parts.client.clone(), NAMESPACE)
    }

    /// The session, or `session_not_found`. An id that cannot be a name is not looked up: it would become part of a URL.
    pub(super) async fn session(&self, name: &str) -> Result<Session, Error> {
        let language = self.0.parts.settings.language;
        if !is_name(name) {
            return Err(Error::session_not_found(language, &crate::api::condition::clip(name, 80)));
        }
        match self.sessions().get_opt(name).await {
            Ok(Some(session)) => Ok(session),
            Ok(None) => Err(Error::session_not_found(language, name)),
            Err(error) => Err(Error::kube(language, &error, name)),
        }
    }

    /// The session, unless it is being deleted.
    pub(super) async fn living_session(&self, name: &str) -> Result<Session, Error> {
        let session = self.session(name).await?;
        if session.metadata.deletion_timestamp.is_some() {
            let language = session.spec.language;
            return Err(Error::new(
                Code::Conflict,
                say(language, Text::SessionDeletingError, &[("session", name)]),
                say(language, Text::HintReadAgain, &[]),
            ));
        }
        Ok(session)
    }

    /// The design of a session, if one was saved.
    pub(super) async fn design_opt(&self, session: &Session) -> Result<Option<Design>, Error> {
        let name = name_of(session);
        self.designs().get_opt(name).await.map_err(|error| Error::kube(session.spec.language, &error, name))
    }

    /// The design of a session, or `invalid_design` with the hint to save one.
    pub(super) async fn design(&self, session: &Session) -> Result<Design, Error> {
        self.design_opt(session).await?.ok_or_else(|| no_design(session))
    }

    /// One job of a session, if it is there.
    pub(super) async fn job_opt(&self, session: &Session, name: &str) -> Result<Option<TerraformJob>, Error> {
        if !is_name(name) {
            return Ok(None);
        }
        let job = self.jobs().get_opt(name).await.map_err(|error| Error::kube(session.spec.language, &error, name_of(session)))?;
        Ok(job.filter(|job| Some(&job.spec.session_ref) == session.metadata.name.as_ref()))
    }

    /// Calls `read` with every session by name; names carry ULIDs, so name order is age order.
    pub(super) async fn read_sessions<T>(&self, read: impl FnOnce(&BTreeMap<String, SessionLine>) -> T + Send) -> Result<T, Error> {
        let api = Api::namespaced(self.0.parts.client.clone(), NAMESPACE);
        self.index().read(&api, read).await.map_err(|error| Error::kube(self.0.parts.settings.language, &error, ""))
    }
    /// The sessions that were listed, and what came since.
    pub(super) fn index(&self) -> &SessionIndex {
        &self.0.sessions
    }

    /// Edits the spec of a design: `edit` looks at the newest version and says which fields become what (a merge patch
    /// of `spec`), or nothing. Gives the design after it and whether anything was written.
    pub(super) async fn edit_design(
        &self,
        session: &Session,
        edit: impl Fn(&Design) -> Result<Option<Value>, Error> + Send + Sync,
    ) -> Result<(Design, bool), Error> {
        let language = session.spec.language;
        let name = name_of(session);
        for _ in 0..EDIT_ATTEMPTS {
            let design = self.design(session).await?;
            let Some(spec) = edit(&design)? else { return Ok((design, false)) };
            let patch = json!({ "metadata": { "resourceVersion": design.metadata.resource_version }, "spec": spec });
            match self.designs().patch(name, &patch_params(), &Patch::Merge(&patch)).await {
                Ok(design) => return Ok((design, true)),
                Err(kube::Error::Api(status)) if status.code == 409 => tracing::debug!(design = name, "edited meanwhile; reading again"),
                Err(error) => return Err(Error::kube(language, &error, name)),
            }
        }
        Err(keeps_changing(language))
    }

    /// Edits the spec of a session, as [`Services::edit_design`] does that of a design.
    pub(super) async fn edit_session(
        &self,
        session: &Session,
        edit: impl Fn(&Session) -> Result<Option<Value>, Error> + Send + Sync,
    ) -> Result<(Session, bool), Error> {
        let language = session.spec.language;
        let name = name_of(session);
        let mut session = session.clone();
        for _ in 0..EDIT_ATTEMPTS {
            let Some(spec) = edit(&session)? else { return Ok((session, false)) };
            let patch = json!({ "metadata": { "resourceVersion": session.metadata.resource_version }, "spec": spec });
            match self.sessions().patch(name, &patch_params(), &Patch::Merge(&patch)).await {
                Ok(session) => return Ok((session, true)),
                Err(kube::Error::Api(status)) if status.code == 409 => tracing::debug!(session = name, "edited meanwhile; reading again"),
                Err(error) => return Err(Error::kube(language, &error, name)),
            }
            session = self.living_session(name).await?;
        }
        Err(keeps_changing(language))
    }

    /// Asks a job to stop. Idempotent.
    pub(super) async fn ask_to_cancel(&self, session: &Session, job: &str) -> Result<(), Error> {
        let patch = json!({ "spec": { "cancel": true } });
        match self.jobs().patch(job, &patch_params(), &Patch::Merge(&patch)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::kube(session.spec.language, &error, name_of(session))),
        }
    }
}

pub(super) fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

pub(super) fn keeps_changing(language: Language) -> Error {
    Error::new(Code::Conflict, say(language, Text::KeepsChanging, &[]), say(language, Text::HintReadAgain, &[]))
}

pub(super) fn no_design(session: &Session) -> Error {
    let language = session.spec.language;
    Error::new(
        Code::InvalidDesign,
        say(language, Text::NoDesign, &[("session", name_of(session))]),
        say(language, Text::HintSaveFirst, &[]),
    )
}

/// The name of a document that came from the API server; it always has one.
pub(super) fn name_of<K: kube::Resource>(document: &K) -> &str {
    document.meta().name.as_deref().unwrap_or_default()
}

/// A DNS-1123 subdomain: what a document's name may be, and nothing that means something in a path.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

//! Step 1, IO: the design as it is now, its session's language; secret versions and the toolchain.
//! Takes a name, because a bell carries no message. A document that does not decode is reported on itself.

use kube::ResourceExt;

use super::super::documents::{get, set_finalizer};
use super::super::inputs::Toolchain;
use super::super::secrets::SecretBook;
use super::super::{Ctx, Error};
use super::report::report_undecodable;
use crate::api::design::DesiredState;
use crate::api::session::Language;
use crate::api::{DESIGN_FINALIZER, Design, DesignStatus, Session};

/// Everything a turn starts from.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// the design
    pub design: Design,
    /// its uid
    pub uid: String,
    /// its generation
    pub generation: i64,
    /// its status; the default when it has none
    pub status: DesignStatus,
    /// language of findings
    pub language: Language,
}

impl Fetched {
    /// Nothing shall be there: the rest of the design is of no interest.
    pub fn wants_absence(&self) -> bool {
        self.design.metadata.deletion_timestamp.is_some() || self.design.spec.desired_state == DesiredState::Destroyed
    }
}

/// What a digest needs beside the design.
#[derive(Debug, Clone)]
pub struct Tools {
    /// secrets of the design
    pub secrets: SecretBook,
    /// what plans are made with
    pub toolchain: Toolchain,
}

/// Reads the design; None when it is gone or does not decode (which is then written on it).
pub async fn fetch(ctx: &Ctx, name: &str) -> Result<Option<Fetched>, Error> {
    let design = match get::<Design>(&ctx.client, name).await {
        Ok(Some(design)) => design,
        Ok(None) => return Ok(None),
        Err(error) if error.is_undecodable() => {
            report_undecodable(ctx, name, &error).await?;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let design = match design.metadata.deletion_timestamp {
        // the finalizer comes first: from the first plan on, nothing may be forgotten
        None => set_finalizer(&ctx.client, &design, DESIGN_FINALIZER, true).await?,
        Some(_) => design,
    };
    let uid = design.uid().ok_or_else(|| Error::NoUid { kind: "Design", name: name.to_owned() })?;
    let language = match get::<Session>(&ctx.client, &design.spec.session_ref).await {
        Ok(session) => session.map(|session| session.spec.language).unwrap_or_default(),
        Err(error) if error.is_undecodable() => Language::default(),
        Err(error) => return Err(error),
    };
    let status = design.status.clone().unwrap_or_default();
    let generation = design.metadata.generation.unwrap_or_default();
    Ok(Some(Fetched { design, uid, generation, status, language }))
}

/// Reads secret versions and tool versions. Apart from [`fetch`], so that a failure here is reported on the design.
pub async fn tools(ctx: &Ctx, fetched: &Fetched) -> Result<Tools, Error> {
    let secrets = SecretBook::load(&*ctx.blobs, &fetched.uid).await?;
    let toolchain = Toolchain { terraform: ctx.runner.version().await?, provider: ctx.knowledge.provider_version() };
    Ok(Tools { secrets, toolchain })
}

//! Exports of the current design: Markdown summary, Mermaid, SVG, a Terraform zip, everything as tar.gz.
//!
//! All take one [`Subject`], borrowed from the documents, and return text or bytes. Pure: no IO, no clock; the same
//! subject gives the same bytes. A design with errors still has a summary and diagrams, drawn from what was written;
//! it has no Terraform. Values of variables and of secrets are in no export.

pub mod archive;
#[cfg(test)]
mod archive_tests;
mod chart;
mod mermaid;
mod model;
mod stack;
#[cfg(test)]
mod stack_tests;
mod summary;
mod svg;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use crate::api::design::{DesignSpec, DesignStatus};
use crate::api::session::{Hearing, Language};
use crate::catalog::Catalog;
use crate::validator::Verdict;

pub use archive::{Caps, Error};
pub use mermaid::mermaid;
pub use stack::stack;
pub use summary::summary;
pub use svg::svg;

/// What is exported: one design as the documents and the judge have it now.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// title of the session, any language
    pub title: &'a str,
    /// language of headings; display names stay as they are
    pub language: Language,
    /// what the hearing found, if it was held
    pub hearing: Option<&'a Hearing>,
    /// the design as written
    pub spec: &'a DesignSpec,
    /// what is known of the real one
    pub status: Option<&'a DesignStatus>,
    /// region identifier when the spec names none
    pub region: &'a str,
    /// what the judge said of `spec`, in `language`
    pub verdict: &'a Verdict,
    /// the catalogue it was judged with
    pub catalog: &'a Catalog,
}

impl<'a> Subject<'a> {
    /// The region in force.
    pub fn region(&self) -> &'a str {
        self.spec.region.as_deref().unwrap_or(self.region)
    }

    /// One of two texts.
    fn say<'t>(&self, ja: &'t str, en: &'t str) -> &'t str {
        match self.language {
            Language::Ja => ja,
            Language::En => en,
        }
    }
}

/// The Terraform files of a design as a zip that stands alone: `terraform init && terraform validate` outside Galley, or
/// a stack of OCI Resource Manager (Terraform 1.5.7). `files` are [`super::Rendered::files`], by name. State and secrets are
/// not in it.
pub fn terraform_zip(subject: &Subject<'_>, files: &BTreeMap<String, String>) -> Result<Vec<u8>, Error> {
    archive::zip(&stack(subject, files))
}

/// Everything: `summary.md`, `diagram.mmd`, `diagram.svg`, and `terraform/…` when the design renders (`files`).
pub fn all_tar_gz(subject: &Subject<'_>, files: Option<&BTreeMap<String, String>>) -> Result<Vec<u8>, Error> {
    let mut entries = BTreeMap::from([
        ("summary.md".to_owned(), summary::beside_its_picture(subject, "diagram.svg")),
        ("diagram.mmd".to_owned(), mermaid(subject)),
        ("diagram.svg".to_owned(), svg(subject)),
    ]);
    for (name, text) in files.map(|files| stack(subject, files)).unwrap_or_default() {
        archive::check_name(&name)?;
        entries.insert(format!("terraform/{name}"), text);
    }
    archive::tar_gz(&entries)
}

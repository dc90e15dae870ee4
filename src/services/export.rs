//! `export`: the current design as text, diagram or Terraform, bounded; the whole is a resource.
//!
//! Always of the design as it is saved, never of a plan. Pure but for reading the document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Services;
use super::architecture_check::problem;
use super::documents::name_of;
use super::error::{Code, Error, Problem};
use super::session::bad_cursor;
use super::text::{Text, say};
use crate::api::condition::clip;
use crate::api::design::Severity;
use crate::api::names::sha256_hex;
use crate::api::session::Language;
use crate::api::{Design, Session};
use crate::render::{RenderContext, Rendered, render};
use crate::validator::ValidatedDesign;

/// Bytes of text an answer carries: about 1,500 tokens.
const PAGE_BYTES: usize = 6_000;

/// What is exported.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Markdown
    #[default]
    Summary,
    /// Mermaid flowchart
    Mermaid,
    /// SVG diagram
    Svg,
    /// Terraform files (zip)
    Terraform,
    /// everything (tar.gz)
    All,
}

impl What {
    /// Every kind.
    pub const ALL: &'static [What] = &[What::Summary, What::Mermaid, What::Svg, What::Terraform, What::All];

    /// Word in arguments.
    pub fn as_str(self) -> &'static str {
        match self {
            What::Summary => "summary",
            What::Mermaid => "mermaid",
            What::Svg => "svg",
            What::Terraform => "terraform",
            What::All => "all",
        }
    }
    /// File name of the whole, also the end of its resource.
    pub fn file(self) -> &'static str {
        match self {
            What::Summary => "summary.md",
            What::Mermaid => "diagram.mmd",
            What::Svg => "diagram.svg",
            What::Terraform => "terraform.zip",
            What::All => "design.tar.gz",
        }
    }
    /// Media type of the whole.
    pub fn media_type(self) -> &'static str {
        match self {
            What::Summary => "text/markdown",
            What::Mermaid => "text/vnd.mermaid",
            What::Svg => "image/svg+xml",
            What::Terraform => "application/zip",
            What::All => "application/gzip",
        }
    }
}

/// Arguments of export.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct ExportDesign {
    /// Session id.
    pub session_id: String,
    /// What to export.
    pub what: What,
    /// One Terraform file to show, with what: terraform.
    #[schemars(length(max = 80))]
    pub file: Option<String>,
    /// next_cursor to read on.
    #[schemars(length(max = 80))]
    pub cursor: Option<String>,
}

/// An export, or a page of it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct Export {
    #[serde(skip)]
    pub(super) summary: String,
    /// session
    pub session_id: String,
    /// what it is
    pub what: What,
    /// generation of the design
    pub generation: i64,
    /// media type
    pub media_type: String,
    /// bytes of the whole
    pub bytes: usize,
    /// resource with the whole
    pub uri: String,
    /// Terraform files with their sizes
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, usize>,
    /// text, from the start or the cursor
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// pass as cursor to read on
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The whole of something.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// text
    Text(String),
    /// bytes
    Bytes(Vec<u8>),
}

impl Body {
    /// How many bytes.
    pub fn len(&self) -> usize {
        match self {
            Body::Text(text) => text.len(),
            Body::Bytes(bytes) => bytes.len(),
        }
    }
    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Services {
    /// Exports the design of a session.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_design` (nothing saved, or errors that must be mended first), `invalid_argument`
    /// (unknown file, foreign cursor).
    pub async fn export(&self, input: ExportDesign) -> Result<Export, Error> {
        let session = self.session(&input.session_id).await?;
        let language = session.spec.language;
        let design = self.design(&session).await?;
        if let Some(file) = input.file.as_ref().filter(|_| input.what != What::Terraform) {
            let message = say(language, Text::UnknownField, &[]);
            return Err(Error::argument(
                language,
                Problem { path: "file".into(), message, value: Some(clip(file, 80).into()), ..Problem::default() },
            ));
        }
        let body = self.whole(&session, &design, input.what).await?;
        let name = name_of(&design).to_owned();
        let mut export = Export {
            session_id: name.clone(),
            what: input.what,
            generation: design.metadata.generation.unwrap_or_default(),
            media_type: input.what.media_type().to_owned(),
            bytes: body.len(),
            uri: format!("galley://designs/{name}/{}", input.what.file()),
            ..Export::default()
        };
        let shown = match (input.what, &input.file) {
            (What::Summary | What::Mermaid, _) => Some(body),
            // A model reads no drawing: its source comes when it is asked for.
            (What::Svg, _) => input.cursor.is_some().then_some(body),
            (What::Terraform, file) => {
                let files = super::exporters::terraform_files(self, &session, &design)?;
                export.files = files.iter().map(|(name, text)| (name.clone(), text.len())).collect();
                file.as_ref().map(|file| terraform_file(files, file, language)).transpose()?
            }
            (What::All, _) => None,
        };
        if let Some(Body::Text(text)) = shown {
            let (page, next) = page(&text, input.cursor.as_deref()).ok_or_else(|| bad_cursor(language))?;
            export.text = Some(page);
            export.next_cursor = next;
        }
        export.summary = summary(language, &export);
        Ok(export)
    }

    /// The whole of an export, made beside the threads that answer people: the picture of a large design takes a while.
    pub(super) async fn whole(&self, session: &Session, design: &Design, what: What) -> Result<Body, Error> {
        let (services, session, design, language) = (self.clone(), session.clone(), design.clone(), session.spec.language);
        let made = tokio::task::spawn_blocking(move || super::exporters::exported(&services, &session, &design, what)).await;
        made.unwrap_or_else(|error| {
            tracing::error!(%error, what = what.as_str(), "an export could not be made");
            Err(Error::new(Code::Internal, say(language, Text::Internal, &[]), say(language, Text::HintReport, &[])))
        })
    }

    /// The design past the judge, or what stands in the way.
    pub(super) fn validated(&self, session: &Session, design: &Design) -> Result<ValidatedDesign, Error> {
        let language = session.spec.language;
        let verdict = self.verdict(&design.spec, language);
        verdict.design.ok_or_else(|| {
            let errors = verdict.findings.iter().filter(|finding| finding.severity == Severity::Error);
            let mut problems: Vec<Problem> = errors.map(|finding| problem(finding, &design.spec)).collect();
            let count = problems.len().to_string();
            problems.insert(
                0,
                Problem {
                    message: say(language, Text::NotExportable, &[("errors", &count)]),
                    hint: Some(say(language, Text::HintExport, &[])),
                    ..Problem::default()
                },
            );
            Error::problems(Code::InvalidDesign, language, problems)
        })
    }

    /// The Terraform files of a design, exactly as they are planned.
    pub(super) fn rendered(&self, session: &Session, design: &Design) -> Result<Rendered, Error> {
        let validated = self.validated(session, design)?;
        let context = RenderContext { session: name_of(session).to_owned(), design_uid: design.metadata.uid.clone().unwrap_or_default() };
        render(&validated, &self.parts().catalog.get(), &context).map_err(|findings| {
            let problems = findings.iter().map(|finding| problem(finding, &design.spec)).collect();
            Error::problems(Code::InvalidDesign, session.spec.language, problems)
        })
    }
}

fn terraform_file(files: BTreeMap<String, String>, name: &str, language: Language) -> Result<Body, Error> {
    let allowed = files.keys().cloned().collect();
    let mut files = files;
    files.remove(name).map(Body::Text).ok_or_else(|| {
        let message = say(language, Text::NoFile, &[("file", &clip(name, 80))]);
        Error::argument(language, Problem { path: "file".into(), message, value: Some(Value::from(clip(name, 80))), allowed, hint: None })
    })
}

/// A page of a text from a cursor (`<offset>-<digest>`; `0` is the start), and the cursor of the next one. None when the
/// cursor is of another text.
fn page(text: &str, cursor: Option<&str>) -> Option<(String, Option<String>)> {
    let digest = &sha256_hex(text)[..8];
    let from = match cursor {
        None | Some("0") => 0,
        Some(cursor) => cursor.split_once('-').filter(|(_, of)| *of == digest)?.0.parse::<usize>().ok()?,
    };
    let rest = text.get(from..)?;
    if rest.len() <= PAGE_BYTES {
        return Some((rest.to_owned(), None));
    }
    let mut end = PAGE_BYTES;
    while !rest.is_char_boundary(end) {
        end -= 1;
    }
    // Whole lines where there are any.
    let end = rest[..end].rfind('\n').map_or(end, |at| at + 1);
    Some((rest[..end].to_owned(), Some(format!("{}-{digest}", from + end))))
}

fn summary(language: Language, export: &Export) -> String {
    let values = [
        ("what", export.what.as_str().to_owned()),
        ("session", export.session_id.clone()),
        ("generation", export.generation.to_string()),
        ("bytes", export.bytes.to_string()),
        ("media", export.media_type.clone()),
        ("uri", export.uri.clone()),
    ];
    let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let mut text = say(language, Text::Exported, &values);
    if !export.files.is_empty() {
        text.push('\n');
        text.push_str(&export.files.keys().take(30).cloned().collect::<Vec<_>>().join(", "));
    }
    // A host that shows only text gets the beginning; the rest is in structured content and in the resource.
    if let Some(shown) = &export.text {
        text.push('\n');
        text.push_str(&clip(shown, 2_500));
    }
    if let Some(cursor) = &export.next_cursor {
        text.push('\n');
        text.push_str(&say(language, Text::ExportMore, &[("cursor", cursor)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_an_export_joined_are_the_whole_and_a_cursor_belongs_to_one_text() {
        let lines: String = (0..2_000).map(|n| format!("行 {n}\n")).collect();
        let one_line = "日本".repeat(4_000);
        for text in [lines.as_str(), one_line.as_str(), "", "short"] {
            let (mut joined, mut cursor) = (String::new(), None::<String>);
            loop {
                let (shown, next) = page(text, cursor.as_deref()).unwrap();
                assert!(shown.len() <= PAGE_BYTES);
                joined.push_str(&shown);
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(joined, text);
        }
        let (_, next) = page(&lines, None).unwrap();
        assert!(page(&one_line, next.as_deref()).is_none());
        for foreign in ["x", "1", "999999-00000000", "-1-0"] {
            assert!(page(&lines, Some(foreign)).is_none(), "{foreign}");
        }
    }
}

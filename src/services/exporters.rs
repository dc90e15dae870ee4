//! Which exporter makes what: hands the pure exporters of `render::export` the design, the judge's word and the files.

use std::collections::BTreeMap;

use super::Services;
use super::error::{Code, Error};
use super::export::{Body, What};
use super::text::{Text, say};
use crate::api::{Design, Session};
use crate::render::export::{self, Subject};
use crate::validator::reading::read;

/// Makes something of a design as the documents and the judge have it now.
fn with_subject<T>(services: &Services, session: &Session, design: &Design, make: impl FnOnce(&Subject<'_>) -> T) -> T {
    let language = session.spec.language;
    let verdict = services.verdict(&design.spec, language);
    let parts = services.parts();
    let catalog = parts.catalog.get();
    let (spec, _) = read(&design.spec, &catalog);
    make(&Subject {
        title: &session.spec.title,
        language,
        hearing: session.spec.hearing.as_ref(),
        spec: &spec,
        status: design.status.as_ref(),
        region: &parts.settings.region,
        verdict: &verdict,
        catalog: &catalog,
    })
}

/// The whole of an export. A design with errors still has a summary and diagrams; it has no Terraform.
pub(super) fn exported(services: &Services, session: &Session, design: &Design, what: What) -> Result<Body, Error> {
    let language = session.spec.language;
    let packed = |bytes: Result<Vec<u8>, export::Error>| {
        bytes.map(Body::Bytes).map_err(|error| {
            tracing::error!(%error, what = what.as_str(), "an archive could not be made");
            Error::new(Code::Internal, say(language, Text::Internal, &[]), say(language, Text::HintReport, &[]))
        })
    };
    with_subject(services, session, design, |subject| match what {
        What::Summary => Ok(Body::Text(export::summary(subject))),
        What::Mermaid => Ok(Body::Text(export::mermaid(subject))),
        What::Svg => Ok(Body::Text(export::svg(subject))),
        What::Terraform => packed(export::terraform_zip(subject, &services.rendered(session, design)?.files)),
        What::All => {
            // What does not render is left out; the summary in the archive says why.
            let files = services.rendered(session, design).ok().map(|rendered| rendered.files);
            packed(export::all_tar_gz(subject, files.as_ref()))
        }
    })
}

/// The files of the Terraform export, by name.
pub(super) fn terraform_files(services: &Services, session: &Session, design: &Design) -> Result<BTreeMap<String, String>, Error> {
    let files = services.rendered(session, design)?.files;
    Ok(with_subject(services, session, design, |subject| export::stack(subject, &files)))
}

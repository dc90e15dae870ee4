//! Which exporter makes what. The exporters are pure functions; this only hands them what they need.

use super::Services;
use super::documents::name_of;
use super::error::{Code, Error};
use super::export::{Body, What};
use super::text::{Text, say};
use crate::api::{Design, Session};

/// The whole of an export.
pub(super) fn exported(services: &Services, session: &Session, design: &Design, what: What) -> Result<Body, Error> {
    let language = session.spec.language;
    match what {
        What::Summary => Ok(Body::Text(summary(services, session, design))),
        What::Terraform => {
            let files = services.rendered(session, design)?.files;
            Ok(Body::Text(files.iter().map(|(name, text)| format!("# {name}\n{text}\n")).collect()))
        }
        What::Mermaid | What::Svg | What::All => {
            let message = say(language, Text::NoExporter, &[("what", what.as_str())]);
            Err(Error::new(Code::InvalidArgument, message, say(language, Text::HintExportSummary, &[])))
        }
    }
}

fn summary(services: &Services, session: &Session, design: &Design) -> String {
    let _ = services;
    let mut text = format!("# {}\n", session.spec.title.replace('\n', " "));
    for component in &design.spec.components {
        let name = component.display_name.as_deref().unwrap_or(&component.id);
        text.push_str(&format!("\n- {} ({}): {}", component.id, component.service_type, name.replace('\n', " ")));
    }
    for connection in &design.spec.connections {
        text.push_str(&format!("\n- {} → {}: {}", connection.source_id, connection.target_id, connection.connection_type));
    }
    text.push_str(&format!("\n\n{}\n", name_of(design)));
    text
}

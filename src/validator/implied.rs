//! Components that a connection implies: a VCN that is attached to a dynamic routing gateway is so by an attachment. Takes
//! what has been checked; adds the component, its connections and a note. Pure.

use super::ValidatedComponent;
use super::finding::{Findings, both, quoted};
use super::labels::Registry;
use crate::api::design::Connection;
use crate::catalog::Catalog;
use crate::catalog::service::{Config, NetworkRole};

const ATTACHED_TO: &str = "attached_to";
const DEPLOYED_IN: &str = "deployed_in";

/// Adds the attachments that nobody brought.
pub(super) fn attachments(
    catalog: &Catalog,
    components: &mut Vec<ValidatedComponent>,
    connections: &mut Vec<Connection>,
    findings: &mut Findings,
) {
    let role = |c: &ValidatedComponent| catalog.service(&c.service_type).and_then(|s| s.network);
    let Some(service) = catalog.services().find(|s| s.network == Some(NetworkRole::DrgAttachment)) else { return };
    let of = |id: &str, wanted| components.iter().find(|c| c.id == id && role(c) == Some(wanted)).cloned();
    let pairs: Vec<(ValidatedComponent, ValidatedComponent)> = connections
        .iter()
        .filter(|c| c.connection_type == ATTACHED_TO)
        .filter_map(|c| Some((of(&c.source_id, NetworkRole::Vcn)?, of(&c.target_id, NetworkRole::Drg)?)))
        .collect();
    let mut registry = Registry::default();
    components.iter().for_each(|c| registry.take(&c.label));
    for (vcn, drg) in pairs {
        let says = |from: &str, to: &str, name: &str| {
            connections.iter().any(|c| c.source_id == from && c.target_id == to && c.connection_type == name)
        };
        let brought = components.iter().filter(|c| role(c) == Some(NetworkRole::DrgAttachment));
        let joined = |c: &ValidatedComponent| says(&c.id, &drg.id, ATTACHED_TO) && says(&c.id, &vcn.id, DEPLOYED_IN);
        if brought.into_iter().any(joined) {
            continue;
        }
        let label = registry.give(&format!("{}_to_{}", vcn.label, drg.label));
        let short = |text: &str| text.chars().take(100).collect::<String>();
        let config: Config = service.config.iter().filter_map(|(key, schema)| Some((key.to_owned(), schema.default.clone()?))).collect();
        components.push(ValidatedComponent {
            id: label.clone(),
            label: label.clone(),
            service_type: service.service_type.clone(),
            display_name: format!("{} to {}", short(&vcn.display_name), short(&drg.display_name)),
            config,
        });
        for (target, name) in [(&vcn.id, DEPLOYED_IN), (&drg.id, ATTACHED_TO)] {
            let connection =
                Connection { source_id: label.clone(), target_id: target.clone(), connection_type: name.to_owned(), description: None };
            connections.push(connection);
        }
        let (one, two) = (quoted(&vcn.id), quoted(&drg.id));
        findings
            .info(
                "network.attachment",
                format!("components[{}]", vcn.id),
                both(
                    format!("{one} を {two} につなぐ drg_attachment ({label}) を補いました"),
                    format!("a drg_attachment ({label}) was added, which joins {one} to {two}"),
                ),
            )
            .add();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::render::tests::{judge, rendered, spec};

    #[test]
    fn vcns_attached_to_one_gateway_reach_each_other_without_attachments_of_their_own() {
        let document = json!({
            "components": [
                {"id": "hub", "service_type": "vcn"},
                {"id": "spoke", "service_type": "vcn", "config": {"cidr_block": "10.1.0.0/16"}},
                {"id": "drg", "service_type": "drg"},
                {"id": "own", "service_type": "drg_attachment"},
                {"id": "a", "service_type": "compute"},
                {"id": "b", "service_type": "compute"},
            ],
            "connections": [
                {"source_id": "hub", "target_id": "drg", "connection_type": "attached_to"},
                {"source_id": "drg", "target_id": "spoke", "connection_type": "attached_to"},
                {"source_id": "own", "target_id": "hub", "connection_type": "deployed_in"},
                {"source_id": "own", "target_id": "drg", "connection_type": "attached_to"},
                {"source_id": "a", "target_id": "hub", "connection_type": "deployed_in"},
                {"source_id": "b", "target_id": "spoke", "connection_type": "deployed_in"},
                {"source_id": "a", "target_id": "b", "connection_type": "http"},
            ],
        });
        let notes: Vec<String> =
            judge(&spec(&document)).findings.into_iter().filter(|f| f.rule == "network.attachment").map(|f| f.path).collect();
        assert_eq!(notes, ["components[spoke]"], "the hub brought its own");
        let files = rendered(&spec(&document)).files;
        let text = files["network.tf"].split_whitespace().collect::<String>();
        for expected in [
            "resource\"oci_core_drg_attachment\"\"own\"",
            "resource\"oci_core_drg_attachment\"\"spoke_to_drg\"",
            "\"a_to_b_80\"",
            "\"b_from_a_80\"",
            "destination=\"10.1.0.0/16\"destination_type=\"CIDR_BLOCK\"network_entity_id=oci_core_drg_attachment.own.drg_id",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}

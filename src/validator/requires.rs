//! Connections that a service file requires: how many there must be, and what stands at their other ends. Pure.

use serde_json::Value;

use super::ValidatedComponent;
use super::finding::{Both, Findings, both, quoted};
use crate::api::design::Connection;
use crate::catalog::Catalog;
use crate::catalog::mapping::Direction;
use crate::catalog::service::{Requirement, has_values};

/// Checks every component.
pub(super) fn check(catalog: &Catalog, components: &[ValidatedComponent], connections: &[Connection], findings: &mut Findings) {
    for component in components {
        let Some(service) = catalog.service(&component.service_type) else { continue };
        for required in service.requires.iter().filter(|required| required.when.holds(&component.config, None)) {
            let ends = ends(required, component, components, connections);
            count(required, component, ends.len(), findings);
            ends.iter().for_each(|end| config(required, component, end, findings));
        }
    }
}

/// Components at the other ends.
fn ends<'a>(
    required: &Requirement,
    component: &ValidatedComponent,
    components: &'a [ValidatedComponent],
    connections: &[Connection],
) -> Vec<&'a ValidatedComponent> {
    let other = |connection: &Connection| {
        let (own, other) = match required.direction {
            Direction::Out => (&connection.source_id, &connection.target_id),
            Direction::In => (&connection.target_id, &connection.source_id),
        };
        let counts = *own == component.id && required.types.contains(&connection.connection_type);
        components.iter().find(|c| counts && c.id == *other && required.with.contains(&c.service_type))
    };
    connections.iter().filter_map(other).collect()
}

fn count(required: &Requirement, component: &ValidatedComponent, there: usize, findings: &mut Findings) {
    let least = required.least.unwrap_or(1);
    let (id, names, ends) = (quoted(&component.id), required.types.join(" / "), required.with.join(" / "));
    let path = format!("components[{}]", component.id);
    let (ja, en) = match required.direction {
        Direction::Out => ("へ", "to"),
        Direction::In => ("から", "from"),
    };
    if there < least {
        let message =
            both(format!("{id} には {ends} {ja}の接続 {names} が要ります"), format!("{id} needs a connection {names} {en} {ends}"));
        let advice = both(
            format!("{ends} の部品を加え、接続 {names} でつないでください"),
            format!("add a component of type {ends} and connect the two with {names}"),
        );
        let draft = findings.error("structure.missing-connection", path, message).advise(advised(required, advice));
        draft.allow(required.types.clone()).add();
    } else if let Some(most) = required.most.filter(|most| there > *most) {
        let message = both(
            format!("{id} の {ends} {ja}の接続 {names} は {most} 本までです ({there} 本あります)"),
            format!("{id} takes at most {most} connections {names} {en} {ends}, not {there}"),
        );
        let advice = both(format!("接続 {names} を減らしてください"), format!("remove connections {names}"));
        findings.error("structure.too-many-connections", path, message).advise(advised(required, advice)).add();
    }
}

/// What the service file advises, else what is said of every requirement.
fn advised(required: &Requirement, otherwise: Both) -> Both {
    required.advice.as_ref().map_or(otherwise, |text| both(text.ja.clone(), text.en.clone()))
}

fn config(required: &Requirement, component: &ValidatedComponent, end: &ValidatedComponent, findings: &mut Findings) {
    for (key, wanted) in &required.config {
        let one = std::iter::once((key.clone(), wanted.clone())).collect();
        if has_values(&end.config, &one) {
            continue;
        }
        let allowed: Vec<String> = match wanted {
            Value::Array(items) => items.iter().map(shown).collect(),
            value => vec![shown(value)],
        };
        let (id, other) = (quoted(&component.id), quoted(&end.id));
        let list = allowed.join(" / ");
        let message = both(
            format!("{id} がつながる {other} の {key} は {list} でなければなりません"),
            format!("{key} of {other} must be {list}, because {id} is connected with it"),
        );
        let advice = both(format!("{other} の {key} を {list} にしてください"), format!("set {key} of {other} to {list}"));
        let path = format!("components[{}].config.{key}", end.id);
        findings.error("structure.required-config", path, message).advise(advised(required, advice)).allow(allowed).add();
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::api::design::Severity;
    use crate::render::tests::{judge, spec};

    #[test]
    fn what_a_type_requires_of_its_neighbours_is_said_with_what_to_do() {
        let cluster = |extra: serde_json::Value| json!({"id": "k", "service_type": "oke", "config": extra});
        let nodes = json!({"id": "n", "service_type": "oke_virtual_nodes", "config": {}});
        let heatwave = |id: &str| json!({"id": id, "service_type": "heatwave", "config": {}});
        let mysql = |shape: &str| json!({"id": "m", "service_type": "mysql", "config": {"shape": shape}});
        let attached = |from: &str, to: &str| json!({"source_id": from, "target_id": to, "connection_type": "attached_to"});
        let native = json!({"cluster_type": "ENHANCED", "cni_type": "OCI_VCN_IP_NATIVE"});
        let rows = [
            (vec![cluster(native.clone()), nodes.clone()], vec![attached("n", "k")], None, "all it needs"),
            (vec![nodes.clone()], vec![], Some(("structure.missing-connection", "components[n]")), "nothing to be attached to"),
            (
                vec![cluster(json!({"cluster_type": "ENHANCED"})), nodes.clone()],
                vec![attached("n", "k")],
                Some(("structure.required-config", "components[k].config.cni_type")),
                "a cluster with another network",
            ),
            (vec![mysql("MySQL.4"), heatwave("h")], vec![attached("h", "m")], None, "one of the shapes"),
            (
                vec![mysql("MySQL.Free"), heatwave("h")],
                vec![attached("h", "m")],
                Some(("structure.required-config", "components[m].config.shape")),
                "a shape that takes no cluster",
            ),
            (
                vec![mysql("MySQL.4"), heatwave("h"), heatwave("i")],
                vec![attached("h", "m"), attached("i", "m")],
                Some(("structure.too-many-connections", "components[m]")),
                "one too many at the end that is attached to",
            ),
        ];
        for (components, connections, expected, reason) in rows {
            let verdict = judge(&spec(&json!({"components": components, "connections": connections})));
            let errors: Vec<_> = verdict.findings.iter().filter(|f| f.severity == Severity::Error).collect();
            let found: Vec<(&str, &str)> = errors.iter().map(|f| (&*f.rule, &*f.path)).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{reason}");
            assert!(errors.iter().all(|f| f.recommendation.is_some()), "{reason}: what to do");
        }
    }
}

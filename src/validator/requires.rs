//! Connections that a service file requires: how many there must be, and what stands at their other ends. Pure.

use serde_json::Value;

use super::ValidatedComponent;
use super::finding::{Both, Findings, both, quoted};
use crate::api::design::Connection;
use crate::catalog::Catalog;
use crate::catalog::mapping::{Direction, OverConnections};
use crate::catalog::service::{Requirement, has_values};

/// Checks every component.
pub(super) fn check(catalog: &Catalog, components: &[ValidatedComponent], connections: &[Connection], findings: &mut Findings) {
    for component in components {
        let Some(service) = catalog.service(&component.service_type) else { continue };
        let required = || service.requires.iter().filter(|required| required.when.holds(&component.config, None));
        for required in required() {
            let ends = ends(&required.over(), component, components, connections);
            count(required, component, ends.len(), findings);
            ends.iter().for_each(|end| config(required, component, end, findings));
        }
        // A value that names the other end of a connection can name one.
        for over in service.single_peers() {
            let said = required().any(|required| required.direction == over.direction && required.types == over.types);
            let there = ends(over, component, components, connections).len();
            if !said && there > 1 {
                too_many(over, component, 1, there, None, findings);
            }
        }
    }
}

/// Components at the other ends.
fn ends<'a>(
    over: &OverConnections,
    component: &ValidatedComponent,
    components: &'a [ValidatedComponent],
    connections: &[Connection],
) -> Vec<&'a ValidatedComponent> {
    let of = |id: &str| components.iter().find(|c| c.id == id);
    let mine = connections.iter().filter(|c| over.joins(c, &component.id, |id| of(id).map(|c| c.service_type.as_str())));
    let other = |connection: &Connection| match over.direction {
        Direction::Out => of(&connection.target_id),
        Direction::In => of(&connection.source_id),
    };
    mine.filter_map(other).collect()
}

/// The connections in words.
fn described(over: &OverConnections) -> (String, String) {
    let (names, ends) = (over.types.join(" / "), over.with.join(" / "));
    match over.direction {
        _ if ends.is_empty() => (format!("接続 {names}"), format!("connection {names}")),
        Direction::Out => (format!("{ends} への接続 {names}"), format!("connection {names} to {ends}")),
        Direction::In => (format!("{ends} からの接続 {names}"), format!("connection {names} from {ends}")),
    }
}

fn count(required: &Requirement, component: &ValidatedComponent, there: usize, findings: &mut Findings) {
    if there > 0 {
        if there > required.most {
            too_many(&required.over(), component, required.most, there, Some(required), findings);
        }
        return;
    }
    let (id, (ja, en)) = (quoted(&component.id), described(&required.over()));
    let (names, ends) = (required.types.join(" / "), required.with.join(" / "));
    let message = both(format!("{id} には{ja}が要ります"), format!("{id} needs a {en}"));
    let advice = both(
        format!("{ends} の部品を加え、接続 {names} でつないでください"),
        format!("add a component of type {ends} and connect the two with {names}"),
    );
    let path = format!("components[{}]", component.id);
    let draft = findings.error("structure.missing-connection", path, message).advise(advised(Some(required), advice));
    draft.allow(required.types.clone()).add();
}

fn too_many(
    over: &OverConnections,
    component: &ValidatedComponent,
    most: usize,
    there: usize,
    required: Option<&Requirement>,
    findings: &mut Findings,
) {
    let (id, (ja, en)) = (quoted(&component.id), described(over));
    let message = both(format!("{id} の{ja}は {most} つまでです ({there})"), format!("{id} takes {most} {en}, not {there}"));
    let advice = both(format!("{most} つまで残して消してください"), format!("keep {most} of them"));
    let path = format!("components[{}]", component.id);
    findings.error("structure.one-connection", path, message).advise(advised(required, advice)).add();
}

/// What the service file advises, else what is said of every requirement.
fn advised(required: Option<&Requirement>, otherwise: Both) -> Both {
    required.and_then(|required| required.advice.as_ref()).map_or(otherwise, |text| both(text.ja.clone(), text.en.clone()))
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
        findings.error("structure.required-config", path, message).advise(advised(Some(required), advice)).allow(allowed).add();
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
                Some(("structure.one-connection", "components[m]")),
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

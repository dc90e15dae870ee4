//! The shipped catalogue loads, and a faulty file is refused with file and line.

use super::*;

const GOOD: &str = "type: thing
names: { ja: 物, en: Thing }
description: { ja: 物です, en: A thing }
tier: storage
config:
  size:
    type: integer
    default: 1
    choices: [1, 2]
    description: { ja: 大きさ, en: Size }
resources:
  - key: thing
    type: oci_objectstorage_bucket
    arguments:
      name: { config: size, as: string }
";

#[test]
fn the_shipped_catalogue_loads_and_every_connection_ends_at_a_type() {
    let catalog = Catalog::embedded().unwrap();
    let expected = [
        "adb",
        "apigateway",
        "bastion",
        "compartment",
        "compute",
        "dns_zone",
        "drg",
        "drg_attachment",
        "dynamic_group",
        "functions",
        "internet_gateway",
        "key",
        "loadbalancer",
        "local_peering",
        "nat_gateway",
        "network_loadbalancer",
        "nosql",
        "nsg",
        "objectstorage",
        "oke",
        "policy",
        "remote_peering",
        "reserved_ip",
        "route_table",
        "secret",
        "security_list",
        "service_gateway",
        "streaming",
        "subnet",
        "vault",
        "vcn",
        "waf",
    ];
    let types = catalog.service_types();
    assert!(expected.iter().all(|name| types.contains(name)), "{types:?}");
    for service in catalog.services() {
        for (connection, targets) in service.connections.iter() {
            for target in targets {
                assert!(catalog.service(target).is_some(), "{} {connection} {target}", service.service_type);
            }
        }
        for over in &service.requires {
            let (source, target) = (&service.service_type, &over.with[0]);
            let allowed = crate::validator::allowed_connections(&catalog, source, target);
            assert!(over.types.iter().all(|name| allowed.contains(name)), "{source} requires {:?} to {target}", over.types);
        }
    }
}

#[test]
fn a_faulty_file_is_refused_with_file_and_line() {
    Catalog::from_files([("thing.yaml", GOOD)]).unwrap();
    let rows = [
        ("default: 1", "default: 3", "line 6", "a default outside the choices"),
        ("default: 1", "default: big", "line 6", "a default of the wrong type"),
        ("default: 1", "defualt: 1", "defualt", "a misspelt key"),
        ("config: size, as", "config: sise, as", "line 15", "a config key that does not exist"),
        ("{ config: size, as: string }", "fixed", "line 6", "a config key that nothing uses"),
        ("{ config: size, as: string }", "{ config: size, secret: x }", "exactly one source", "two sources"),
        ("{ config: size, as: string }", "{ name: rule, or: { config: size } }", "no naming rule", "a rule that does not exist"),
        ("    default: 1\n", "    default: 1\n    default: 2\n", "duplicate", "a key twice"),
        ("default: 1", "examples: [7]", "line 6", "an example outside the choices"),
        ("type: integer\n    default: 1\n", "type: strings\n", "line 6", "choices of a list that are no texts"),
        ("    arguments:", "    after: [later]\n    arguments:", "stands before", "an order that nothing can keep"),
        ("    arguments:", "    in_turn: true\n    arguments:", "`for_each`", "one resource alone takes no turns"),
        ("    arguments:", "    home_region: true\n    arguments:", "`tenancy_ocid`", "a home region of no tenancy"),
        ("{ config: size, as: string }", "{ config: size, item: host }", "`peer`", "an item of no connection"),
        ("resources:", "limits: [{ service: vcn, limit: vcn-count, amount: one }]\nresources:", "a number", "an amount that is none"),
        ("resources:", "limits: [{ service: vcn, limit: VCN count, amount: 1 }]\nresources:", "lower-case", "a name no limit has"),
    ];
    for (old, new, expected, reason) in rows {
        let text = GOOD.replace(old, new);
        let error = Catalog::from_files([("thing.yaml", text.as_str())]).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("thing.yaml"), "{reason}: {error}");
    }
}

#[test]
fn one_type_in_two_files_is_refused() {
    let error = Catalog::from_files([("a.yaml", GOOD), ("b.yaml", GOOD)]).unwrap_err();
    assert_eq!(error.to_string(), "service type thing is defined by a.yaml and by b.yaml");
}

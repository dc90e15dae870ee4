//! The shipped catalogue loads, and a faulty file is refused with file and line.

use super::*;

const GOOD: &str = "type: thing
names: { ja: 物, en: Thing }
description: { ja: 物です, en: A thing }
tier: storage
connections: { on: [thing] }
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
fn the_shipped_catalogue_loads_and_every_file_is_one_type() {
    let catalog = Catalog::embedded().unwrap();
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/services")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = names.filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned)).collect();
    files.sort();
    assert_eq!(catalog.service_types(), files, "a file is named after its type");
    for service in catalog.services() {
        let name = &service.service_type;
        let ends = service.connections.iter().chain(service.accepts.iter());
        for (connection, others) in ends {
            assert!(others.iter().all(|other| catalog.service(other).is_some()), "{name} {connection} {others:?}");
        }
        for over in &service.requires {
            let (source, target) = (&service.service_type, &over.with[0]);
            let allowed = crate::validator::allowed_connections(&catalog, source, target);
            let fits = |name: &String| match over.direction {
                mapping::Direction::Out => allowed.contains(name),
                mapping::Direction::In => crate::validator::allowed_connections(&catalog, target, source).contains(name),
            };
            assert!(over.types.iter().all(fits), "{source} requires {:?} to {target}", over.types);
        }
    }
}

/// What a start reads is not checked by it: this is where it is checked.
#[test]
fn what_ships_loads_strictly_and_the_json_of_the_build_says_what_the_files_say() {
    let strict = Catalog::from_files(EMBEDDED.iter().copied()).unwrap();
    let shipped = Catalog::embedded().unwrap();
    for ((file, text), (_, json)) in EMBEDDED.iter().zip(COMPACT) {
        let compact = read_compact(file, json).unwrap_or_else(|error| panic!("{error}; is a text there that wants quotes?"));
        assert_eq!(read(file, text).unwrap(), compact, "{file}");
        assert_eq!(shipped.source(&compact.service_type), Some((*file, *text)));
    }
    assert_eq!(strict.services, shipped.services);
    let patterns = |catalog: &Catalog| catalog.patterns.keys().cloned().collect::<Vec<_>>();
    assert_eq!(patterns(&strict), patterns(&shipped));
}

#[test]
fn a_shipped_pattern_is_compiled_when_something_is_compared_with_it() {
    let catalog = Catalog::embedded().unwrap();
    let pattern = catalog.services().flat_map(|service| service.config.iter()).find_map(|(_, key)| key.pattern.clone()).unwrap();
    let is_compiled = || catalog.patterns[&pattern].get().is_some();
    assert!(!is_compiled());
    assert!(!catalog.matches(&pattern, "\u{0}"));
    assert!(is_compiled() && !catalog.matches("no pattern of the catalogue", ""));
}

#[test]
fn what_a_type_accepts_is_a_connection_of_the_other() {
    let catalog = Catalog::embedded().unwrap();
    let compute = catalog.service("compute").unwrap();
    for target in ["adb", "mysql", "postgresql", "cache"] {
        assert!(compute.targets("private_endpoint").iter().any(|t| t == target), "{target}");
    }
    assert_eq!(compute.targets("mounts"), ["file_storage"]);
}

#[test]
fn a_faulty_file_is_refused_with_file_and_line() {
    Catalog::from_files([("thing.yaml", GOOD)]).unwrap();
    let deep = format!("{{ expression: '{}1{}' }}", "(".repeat(5_000), ")".repeat(5_000));
    let rows = [
        ("default: 1", "default: 3", "line 7", "a default outside the choices"),
        ("default: 1", "default: big", "line 7", "a default of the wrong type"),
        ("default: 1", "defualt: 1", "defualt", "a misspelt key"),
        ("tier: storage", "tier: ../../storage", "line 4: tier", "a file somewhere else"),
        ("tier: storage", "tier: \"a\\0b\"", "line 4: tier", "a file that no disk takes"),
        ("type: thing", "type: \"a.b\"", "line 1: type", "a type that is no part of an address"),
        ("config: size, as", "config: sise, as", "line 16", "a config key that does not exist"),
        ("{ config: size, as: string }", "fixed", "line 7", "a config key that nothing uses"),
        ("{ config: size, as: string }", "{ config: size, secret: x }", "exactly one source", "two sources"),
        ("{ config: size, as: string }", "{ name: rule, or: { config: size } }", "no naming rule", "a rule that does not exist"),
        ("    default: 1\n", "    default: 1\n    default: 2\n", "duplicate", "a key twice"),
        ("type: integer\n    default: 1\n", "type: strings\n", "line 7", "choices of a list that are no texts"),
        ("    arguments:", "    after: [later]\n    arguments:", "stands before", "an order that nothing can keep"),
        ("    arguments:", "    in_turn: true\n    arguments:", "`for_each`", "one resource alone takes no turns"),
        ("    arguments:", "    home_region: true\n    arguments:", "`tenancy_ocid`", "a home region of no tenancy"),
        ("{ config: size, as: string }", "{ config: size, item: host }", "`peer`", "an item of no connection"),
        (
            "type: integer\n    default: 1\n    choices: [1, 2]\n",
            "type: string\n    pattern: \"[^x]{3,4096}\"\n",
            "line 7: config key `size`: compiled, the pattern takes more than",
            "a length written as a repetition costs megabytes at every start",
        ),
        ("resources:", "limits: [{ service: vcn, limit: vcn-count, amount: one }]\nresources:", "a number", "an amount that is none"),
        ("resources:", "limits: [{ service: vcn, limit: VCN count, amount: 1 }]\nresources:", "lower-case", "a name no limit has"),
        ("    default: 1\n", "    default: 1\n    examples: [3]\n", "line 7", "an example outside the choices"),
        ("{ config: size, as: string }", "{ item: label, or: { config: size } }", "belongs to `peer`", "an item of nothing"),
        (
            "{ config: size, as: string }",
            "{ peer: { direction: out, types: [on] }, item: config.depth, or: { config: size } }",
            "line 16: thing has no config key `depth`",
            "a key that the other end does not have",
        ),
        (
            "{ config: size, as: string }",
            "{ peer: { direction: in, types: [on] }, item: resource.lid.id, or: { config: size } }",
            "line 16: thing has no resource with key `lid`",
            "a resource that the other end does not have",
        ),
        (
            "{ config: size, as: string }",
            "{ peer: { direction: out, types: [on] }, item: ref.moon, or: { config: size } }",
            "line 16: thing is asked for `moon`, which is no role",
            "a role that does not exist",
        ),
        (
            "resources:\n",
            "requires:\n  - direction: out\n    types: [on]\n    with: [thing]\n    config: { depth: 1 }\n    advice: { ja: 付ける, en: Attach it }\nresources:\n",
            "thing has no config key `depth`",
            "a requirement on a key that does not exist",
        ),
        (
            "resources:\n",
            "requires:\n  - direction: out\n    types: [on]\n    with: [thing]\n    most: 0\n    advice: { ja: 付ける, en: Attach it }\nresources:\n",
            "`most` is 0",
            "a requirement that nothing can meet",
        ),
        (
            "{ config: size, as: string }",
            "{ expression: 'file(size)', with: { size: { config: size } } }",
            "line 16: `expression` calls `file`",
            "a function that reads the server's disk",
        ),
        (
            "{ config: size, as: string }",
            "{ expression: '{ (size) = 1 }', with: { size: { config: size } } }",
            "line 16: `expression` computes the key",
            "a name where nothing looks for one",
        ),
        ("{ config: size, as: string }", deep.as_str(), "line 16: `expression` is nested too deeply", "text made to exhaust the parser"),
        (
            "resources:\n",
            "secrets: [{ name: word, length: 7, of_each: 2, description: { ja: 語, en: Word } }]\nresources:\n",
            "7 characters cannot hold 2 of each kind",
            "a password that cannot be made",
        ),
    ];
    for (old, new, expected, reason) in rows {
        let text = GOOD.replace(old, new);
        let error = Catalog::from_files([("thing.yaml", text.as_str())]).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("thing.yaml"), "{reason}: {error}");
    }
}

#[test]
fn patterns_without_end_are_refused_before_they_fill_the_memory() {
    let key = |n: usize| format!("  key{n}:\n    type: string\n    pattern: \"a{n}\"\n    description: {{ ja: 鍵, en: Key }}\n");
    let keys: String = (0..500).map(key).collect();
    let text = GOOD.replace("resources:\n", &format!("{keys}resources:\n"));
    let error = Catalog::from_files([("thing.yaml", text.as_str())]).unwrap_err().to_string();
    assert!(error.contains("at most 400 different patterns"), "{error}");
}

#[test]
fn one_type_in_two_files_is_refused() {
    let error = Catalog::from_files([("a.yaml", GOOD), ("b.yaml", GOOD)]).unwrap_err();
    assert_eq!(error.to_string(), "check service file b.yaml, line 1: service type thing is defined by a.yaml already");
}

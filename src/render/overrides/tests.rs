//! Files that must be refused and files that must work, each with its reason.

use std::collections::BTreeMap;

use serde_json::json;

use crate::catalog::Catalog;
use crate::render::overrides::GENERATED;
use crate::render::tests::{judge, rendered, spec};

fn design(name: &str, text: &str) -> crate::api::design::DesignSpec {
    let mut design = spec(&json!({"components": [
        {"id": "vcn", "service_type": "vcn", "config": {}},
        {"id": "db", "service_type": "adb", "config": {}},
        {"id": "lake", "service_type": "objectstorage", "config": {}},
    ], "connections": []}));
    design.files = BTreeMap::from([(name.to_owned(), text.to_owned())]);
    design
}

const REFUSED: &[(&str, &str, &str, &str)] = &[
    (
        "a.tf",
        "resource \"oci_core_vcn\" \"v\" {\n  provisioner \"local-exec\" {\n    command = \"id\"\n  }\n}",
        "files.block",
        "runs a command on the server",
    ),
    (
        "a.tf",
        "resource \"oci_core_vcn\" \"v\" {\n  provisioner \"remote-exec\" {\n    inline = [\"id\"]\n  }\n}",
        "files.block",
        "runs a command elsewhere",
    ),
    ("a.tf", "resource \"oci_core_vcn\" \"v\" {\n  connection {\n    host = \"h\"\n  }\n}", "files.block", "connects somewhere"),
    (
        "a.tf",
        "resource \"oci_core_vcn\" \"v\" {\n  dynamic \"provisioner\" {\n    for_each = [1]\n    content {}\n  }\n}",
        "files.block",
        "a provisioner in disguise",
    ),
    ("a.tf", "data \"external\" \"x\" {\n  program = [\"id\"]\n}", "files.type", "starts a program"),
    ("a.tf", "data \"http\" \"x\" {\n  url = \"http://169.254.169.254/\"\n}", "files.type", "reads the metadata service"),
    ("a.tf", "data \"terraform_remote_state\" \"x\" {\n  backend = \"local\"\n}", "files.type", "reads another state"),
    ("a.tf", "resource \"null_resource\" \"x\" {}", "files.type", "another provider"),
    (
        "a.tf",
        "resource \"local_file\" \"x\" {\n  filename = \"/etc/cron.d/x\"\n  content = \"\"\n}",
        "files.type",
        "writes the server's disk",
    ),
    ("a.tf", "resource \"terraform_data\" \"x\" {}", "files.type", "carries provisioners"),
    ("a.tf", "resource \"oci_no_such_thing\" \"x\" {}", "files.type", "not in the schema"),
    ("a.tf", "module \"m\" {\n  source = \"git::https://example.com/m\"\n}", "files.block", "code from the network"),
    ("a.tf", "provider \"oci\" {\n  alias = \"other\"\n}", "files.block", "other credentials"),
    ("a.tf", "terraform {\n  backend \"http\" {}\n}", "files.block", "sends state elsewhere"),
    ("a.tf", "import {\n  to = oci_core_vcn.v\n  id = \"x\"\n}", "files.block", "takes over resources"),
    ("a.tf", "moved {\n  from = oci_core_vcn.vcn\n  to = oci_core_vcn.other\n}", "files.block", "renames Galley's resources"),
    ("a.tf", "removed {\n  from = oci_core_vcn.vcn\n}", "files.block", "lets resources go unseen"),
    ("a.tf", "check \"c\" {\n  assert {\n    condition = true\n    error_message = \"x\"\n  }\n}", "files.block", "not on the list"),
    ("a.tf", "ephemeral \"oci_x\" \"y\" {}", "files.block", "not in Terraform 1.5"),
    ("a.tf", "variable \"v\" {\n  ephemeral = true\n}", "files.block", "not in Terraform 1.5"),
    ("a.tf", "data \"oci_core_vcn\" \"v\" {\n  ephemeral = 0\n}", "files.block", "nor an argument of any type"),
    ("a.tf", "output \"o\" {\n  value = file(\"/etc/hostname\")\n}", "files.function", "reads the server's disk"),
    ("a.tf", "output \"o\" {\n  value = \"x ${file(\"/etc/passwd\")} y\"\n}", "files.function", "the same in a template"),
    (
        "a.tf",
        "output \"o\" {\n  value = \"%{ if fileexists(\"/etc/passwd\") }y%{ endif }\"\n}",
        "files.function",
        "the same in a directive",
    ),
    (
        "a.tf",
        "output \"o\" {\n  value = <<EOT\n%{ for l in fileset(\"/\", \"*\") }${l}%{ endfor }\nEOT\n}",
        "files.function",
        "the same in a heredoc",
    ),
    ("a.tf", "output \"o\" {\n  value = \"${\"${filebase64(\"/etc/passwd\")}\"}\"\n}", "files.function", "a template in a template"),
    (
        "a.tf",
        "output \"o\" {\n  value = \"\\u0024${file(\"/etc/passwd\")}\"\n}",
        "files.function",
        "an escaped dollar and then a template, which is no escaped template",
    ),
    ("a.tf", "output \"o\" {\n  value = \"\\U00000024${file(\"/etc/passwd\")}\"\n}", "files.function", "the same in the long form"),
    (
        "a.tf",
        "output \"o\" {\n  value = \"\\u0025%{ if fileexists(\"/etc/passwd\") }y%{ endif }\"\n}",
        "files.function",
        "the same with a directive",
    ),
    ("a.tf", "locals {\n  a = { \"\\u0024${file(\"/x\")}\" = 1 }\n}", "files.function", "the same as the key of an object"),
    ("a.tf", "output \"o\" {\n  value = \"${~ file(\"/x\") ~}\"\n}", "files.function", "a template that strips"),
    ("a.tf", "output \"o\" {\n  value = core::file(\"/x\")\n}", "files.function", "the same function by its other name"),
    ("a.tf", "output \"o\" {\n  value = concat([\"a\"], [file(\"/x\")]...)\n}", "files.function", "as an expanded argument"),
    (
        "a.tf",
        "resource \"oci_core_vcn\" \"v\" {\n  compartment_id = var.compartment_ocid\n  lifecycle {\n    prevent_destroy = true\n  }\n}",
        "files.argument",
        "stands in the way of the design's own end",
    ),
    (
        "a.tf",
        "locals {\n  a = <<EOT\nEOT\n  b = file(\"/etc/passwd\")\n  c = <<EOT\nx\nEOT\n}",
        "files.syntax",
        "an empty heredoc: Terraform ends it at once, our reader at the next marker",
    ),
    (
        "a.tf",
        "locals {\n  a = <<EOT\nx\n\u{a0}EOT\n  b = file(\"/etc/passwd\")\n  c = <<EOT\nx\nEOT\n}",
        "files.syntax",
        "white space that only Terraform takes for such before the marker",
    ),
    (
        "a.tf",
        "locals {\n  a = [<<EOT\nx\nEOT]\n# ${file(\"/etc/passwd\")}\n  b = [<<EOT\ny\nEOT\n]\n}",
        "files.syntax",
        "a bracket behind the marker: to Terraform the comment is part of the text",
    ),
    (
        "a.tf",
        "locals {\n  a = <<EOT\nx\nEOT # ${file(\"/etc/passwd\")}\n  b = <<EOT\ny\nEOT\n}",
        "files.syntax",
        "a comment behind the marker",
    ),
    ("a.tf", "locals {\n  a = <<EOT\n${<<EOU\nx\nEOU\n}\nEOT\n}", "files.syntax", "a heredoc in a heredoc"),
    ("a.tf", "locals {\n  a = 1 # x\rb = file(\"/etc/passwd\")\n}", "files.syntax", "a line that ends for some readers only"),
    ("a.tf", "output \"o\" {\n  value = { (filemd5(\"/x\")) = 1 }\n}", "files.function", "as the key of an object"),
    ("a.tf", "output \"o\" {\n  value = [1][filesha1(\"/x\")]\n}", "files.function", "as an index"),
    ("a.tf", "output \"o\" {\n  value = [for k in [1] : k if fileexists(\"/x\")]\n}", "files.function", "as a condition"),
    ("a.tf", "locals {\n  a = templatefile(\"/etc/passwd\", {})\n}", "files.function", "reads and evaluates a file"),
    ("a.tf", "locals {\n  a = templatestring(\"x\", {})\n}", "files.function", "evaluates text that was not checked"),
    ("a.tf", "locals {\n  a = pathexpand(\"~\")\n}", "files.function", "tells the server's paths"),
    ("a.tf", "locals {\n  a = abspath(\".\")\n}", "files.function", "tells the server's paths"),
    ("a.tf", "locals {\n  a = path.cwd\n}", "files.expression", "tells the server's paths"),
    ("a.tf", "locals {\n  a = provider::oci::anything()\n}", "files.function", "a function of a provider"),
    ("a.tf", "output \"o\" {\n  value = nonsensitive(var.db_admin_password)\n}", "files.function", "uncovers a password"),
    (
        "a.tf",
        "resource \"oci_objectstorage_object\" \"o\" {\n  source = \"/etc/passwd\"\n}",
        "files.argument",
        "the provider itself reads the disk",
    ),
    ("a.tf", "resource \"oci_core_vcn\" \"v\" {\n  provider = oci.other\n}", "files.argument", "other credentials"),
    ("a.tf", "variable \"v\" {\n  provider = 0\n}", "files.argument", "nor anywhere else"),
    ("a.tf", "x = 1", "files.block", "outside any block"),
    ("a.tf", "resource \"oci_core_vcn\" {", "files.syntax", "not HCL"),
    ("a.tf", "variable \"compartment_ocid\" {}", "files.collision", "declared by the design"),
    ("a.tf", "resource \"oci_core_vcn\" \"vcn\" {}", "files.collision", "declared by the design"),
    ("a.tf", "variable \"v\" {}\nvariable \"v\" {}", "files.twice", "declared twice"),
    ("main.tf", "", "files.name", "Galley's own file"),
    ("network.tf", "", "files.name", "Galley's own file"),
    ("a.tf.json", "{}", "structure.file-name", "JSON would skip this check"),
    ("main_override.tf", "", "structure.file-name", "changes Galley's own blocks"),
    ("override.tf", "", "structure.file-name", "changes Galley's own blocks"),
    ("x.auto.tfvars", "", "structure.file-name", "sets variables unseen"),
    ("terraform.tfvars", "", "structure.file-name", "sets variables unseen"),
    ("../a.tf", "", "structure.file-name", "leaves the folder"),
    ("/etc/a.tf", "", "structure.file-name", "leaves the folder"),
    ("sub/a.tf", "", "structure.file-name", "a folder is a module"),
    ("A.tf", "", "structure.file-name", "one file with a.tf on some disks"),
    (".terraform.lock.hcl", "", "structure.file-name", "pins other providers"),
    ("a\u{0}.tf", "", "structure.file-name", "not a name"),
    (".tf", "", "structure.file-name", "no name"),
];

#[test]
fn every_file_that_reaches_further_than_oci_is_refused_before_terraform_starts() {
    let catalog = crate::catalog::Catalog::embedded().unwrap();
    for (name, text, rule, reason) in REFUSED {
        let verdict = judge(&design(name, text));
        let mut found: Vec<_> = verdict.findings;
        if let Some(design) = &verdict.design {
            found.extend(crate::render::render(design, &catalog, &crate::render::tests::context()).err().unwrap_or_default());
        }
        let hit =
            found.iter().any(|f| f.rule == *rule && f.severity == crate::api::design::Severity::Error && f.path.starts_with("files["));
        assert!(hit, "{name}: {reason}: {text}\n{found:#?}");
    }
    assert!(REFUSED.len() >= 30);
}

const WORKING: &[(&str, &str, &str)] = &[
    (
        "logging.tf",
        "resource \"oci_logging_log_group\" \"g\" {\n  compartment_id = var.compartment_ocid\n  display_name   = \"galley\"\n}",
        "a service the catalogue lacks",
    ),
    (
        "topic.tf",
        "resource \"oci_ons_notification_topic\" \"t\" {\n  compartment_id = var.compartment_ocid\n  name           = \"t-${substr(sha256(var.region), 0, 6)}\"\n}",
        "pure functions in a template",
    ),
    ("lookup.tf", "data \"oci_identity_availability_domains\" \"mine\" {\n  compartment_id = var.compartment_ocid\n}", "a data source"),
    (
        "vars.tf",
        "variable \"owner\" {\n  type    = string\n  default = \"ops\"\n  validation {\n    condition     = length(var.owner) > 1\n    error_message = \"too short\"\n  }\n}",
        "a variable with a rule",
    ),
    ("locals.tf", "locals {\n  tags = merge({ a = \"b\" }, { for k, v in { c = 1 } : k => tostring(v) })\n}", "locals with for"),
    ("out.tf", "output \"vcn\" {\n  value = oci_core_vcn.vcn.id\n}", "an output of Galley's resource"),
    ("secret.tf", "output \"password\" {\n  value     = var.db_admin_password\n  sensitive = true\n}", "Terraform itself keeps it covered"),
    (
        "many.tf",
        "resource \"oci_core_network_security_group\" \"n\" {\n  for_each       = toset([\"a\", \"b\"])\n  compartment_id = var.compartment_ocid\n  vcn_id         = oci_core_vcn.vcn.id\n  lifecycle {\n    create_before_destroy = true\n  }\n}",
        "for_each and lifecycle",
    ),
    (
        "dyn.tf",
        "resource \"oci_core_security_list\" \"s\" {\n  compartment_id = var.compartment_ocid\n  vcn_id         = oci_core_vcn.vcn.id\n  dynamic \"ingress_security_rules\" {\n    for_each = [80]\n    content {\n      protocol = \"6\"\n      source   = \"10.0.0.0/8\"\n    }\n  }\n}",
        "dynamic blocks",
    ),
    (
        "object.tf",
        "resource \"oci_objectstorage_object\" \"o\" {\n  bucket    = oci_objectstorage_bucket.lake.name\n  namespace = oci_objectstorage_bucket.lake.namespace\n  object    = \"readme\"\n  content   = \"hello\"\n}",
        "content that stands in the file",
    ),
    ("here-doc_1.tf", "locals {\n  text = <<-EOT\n    %{if true}a%{else}b%{endif}\n  EOT\n}", "a heredoc with directives"),
    (
        "cloud-init.tf",
        "locals {\n  run = base64encode(<<-SH\n    #!/bin/sh\n    cat <<EOF > /etc/motd\n    ${var.region}\n    EOF\n  SH\n  )\n}\n",
        "a script with a heredoc of its own",
    ),
    ("windows.tf", "locals {\r\n  a = <<EOT\r\nx\r\nEOT\r\n}\r\n", "lines that end with CRLF"),
    ("empty.tf", "# nothing yet\n", "a comment"),
];

#[test]
fn files_that_stay_within_oci_work_and_reach_terraform() {
    for (name, text, reason) in WORKING {
        let verdict = judge(&design(name, text));
        let errors: Vec<_> = verdict.findings.iter().filter(|f| f.severity == crate::api::design::Severity::Error).collect();
        assert!(errors.is_empty(), "{name}: {reason}: {errors:#?}");
        let out = rendered(&design(name, text));
        assert_eq!(out.files[*name], *text, "{reason}");
    }
    let out = rendered(&design(WORKING[0].0, WORKING[0].1));
    let group = out.resources.iter().find(|r| r.address == "oci_logging_log_group.g").unwrap();
    assert_eq!(group.arguments["display_name"], json!("galley"));
    assert!(group.unknown.contains("compartment_id") && out.types.contains("oci_logging_log_group"));
}

#[test]
fn a_declared_variable_takes_its_value_from_the_design() {
    let mut one = design("vars.tf", "variable \"owner\" {\n  type = string\n}");
    one.variables.insert("owner".to_owned(), "ops".to_owned());
    assert_eq!(rendered(&one).variables["owner"], "ops");
    one.variables.insert("nobody".to_owned(), "x".to_owned());
    let finding = judge(&one).findings.remove(0);
    assert_eq!((finding.rule.as_str(), finding.allowed.as_slice()), ("structure.variable", ["owner".to_owned()].as_slice()));
}

#[test]
fn text_made_to_exhaust_the_parser_is_refused() {
    let deep = |open: &str, close: &str| format!("locals {{\n  a = {}1{}\n}}", open.repeat(5000), close.repeat(5000));
    for text in [deep("(", ")"), deep("[", "]"), deep("!", ""), deep("-", ""), deep("true ? 1 : ", ""), "${".repeat(9000)] {
        assert!(judge(&design("a.tf", &text)).design.is_none());
    }
}

#[test]
fn a_mistake_far_along_a_line_is_told_with_its_place() {
    let text = format!("locals {{\n  a = [{}", "1 + 2, ".repeat(16_000));
    let findings = judge(&design("a.tf", &text)).findings;
    let finding = findings.iter().find(|finding| finding.rule == "files.syntax").unwrap();
    assert!(finding.message.contains("in line 2, column 1120"), "the parser's own text panics there: {finding:?}");
}

#[test]
fn a_file_of_a_person_never_has_the_name_of_one_that_a_service_of_the_catalogue_goes_to() {
    let catalog = Catalog::embedded().unwrap();
    for service in catalog.services() {
        assert!(GENERATED.contains(&service.tier.as_str()), "{}: {}", service.service_type, service.tier);
    }
}

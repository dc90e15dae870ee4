//! Override files of strangers: refused, or within the allowlist when another reader reads them again.

use galley::api::design::DesignSpec;
use galley::render::schema::Schema;
use hcl_edit::expr::{FuncCall, Traversal};
use hcl_edit::structure::{Attribute, Block, Body};
use hcl_edit::template::ForTemplateExpr;
use hcl_edit::visit::{Visit, visit_attr, visit_block, visit_for_template_expr, visit_func_call, visit_traversal};
use serde_json::json;

use super::{CATALOG, RULES, Target, judged, terraform_reader};

pub const TARGET: Target = Target { name: "overrides", check, seeds: Vec::new, memory: (256 << 20, 2_000) };

/// Functions that reach the server, the clock or a secret; not taken from the list that Galley keeps.
const FORBIDDEN: [&str; 20] = [
    "file",
    "fileexists",
    "fileset",
    "filebase64",
    "filebase64sha256",
    "filebase64sha512",
    "filemd5",
    "filesha1",
    "filesha256",
    "filesha512",
    "templatefile",
    "templatestring",
    "abspath",
    "pathexpand",
    "nonsensitive",
    "timestamp",
    "plantimestamp",
    "uuid",
    "bcrypt",
    "rsadecrypt",
];

fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    taken(text);
}

/// Whether a file beside a bucket is taken; panics when it should not have been.
pub fn taken(text: &str) -> bool {
    let bucket = json!({"id": "data", "serviceType": "objectstorage", "config": {}});
    let document = json!({"sessionRef": "s-1", "components": [bucket], "connections": [], "files": {"own.tf": text}});
    let spec: DesignSpec = serde_json::from_value(document).unwrap();
    let Some((_, Ok(rendered))) = judged(&spec, &CATALOG, &RULES) else { return false };
    assert_eq!(rendered.files["own.tf"], text, "a file that is taken reaches Terraform as it is");
    let body: Body = text.parse().unwrap_or_else(|error| panic!("taken, but no HCL: {error}\n{text}"));
    assert!(body.attributes().next().is_none(), "an argument outside any block:\n{text}");
    for block in body.blocks() {
        let labels: Vec<&str> = block.labels.iter().map(|label| label.as_str()).collect();
        let (keyword, fits) = match (block.ident.as_str(), labels.as_slice()) {
            ("resource", [kind, _]) => (true, Schema::builtin().knows(false, kind)),
            ("data", [kind, _]) => (true, Schema::builtin().knows(true, kind)),
            ("variable" | "output", [_]) | ("locals", []) => (true, true),
            _ => (false, false),
        };
        assert!(keyword && fits, "block {} {labels:?} was taken:\n{text}", block.ident.as_str());
        for argument in ["provider", "ephemeral", "source"] {
            let local = argument != "source" || labels.first() == Some(&"oci_objectstorage_object");
            assert!(!local || keyword_is_locals(block) || block.body.get_attribute(argument).is_none(), "{argument} was taken:\n{text}");
        }
        assert!(labels.first().is_none_or(|kind| block.labels.len() < 2 || kind.starts_with("oci_")), "{labels:?}:\n{text}");
    }
    Reach(text).visit_body(&body);
    if let Some(seen) = terraform_reader::reading(text).filter(|seen| seen.readable) {
        let function = seen.functions.iter().find(|name| name.contains("::") || FORBIDDEN.contains(&name.as_str()));
        assert!(function.is_none(), "Terraform sees a call of {function:?}:\n{text}");
        assert!(!seen.roots.iter().any(|root| root == "path"), "Terraform sees path.…:\n{text}");
        assert!(!seen.blocks.iter().any(|name| ["provisioner", "connection"].contains(&name.as_str())), "{seen:?}:\n{text}");
        let mut ours = Counts::default();
        ours.visit_body(&body);
        let terraform = (seen.blocks.len(), seen.attributes.len(), seen.functions.len());
        assert_eq!((ours.blocks, ours.attributes, ours.functions), terraform, "the two readers see different files: {seen:?}\n{text}");
    }
    true
}

/// How much there is of everything.
#[derive(Default)]
struct Counts {
    /// keywords and labels
    blocks: usize,
    attributes: usize,
    functions: usize,
}

impl Visit for Counts {
    fn visit_block(&mut self, block: &Block) {
        self.blocks += 1 + block.labels.len();
        visit_block(self, block);
    }
    fn visit_attr(&mut self, attribute: &Attribute) {
        self.attributes += 1;
        visit_attr(self, attribute);
    }
    fn visit_func_call(&mut self, call: &FuncCall) {
        self.functions += 1;
        visit_func_call(self, call);
    }
    fn visit_for_template_expr(&mut self, each: &ForTemplateExpr) {
        self.visit_expr(&each.collection_expr);
        visit_for_template_expr(self, each);
    }
}

/// Locals may be called anything.
fn keyword_is_locals(block: &Block) -> bool {
    block.ident.as_str() == "locals"
}

/// Everything that would reach further than oracle/oci, at any depth and in every template.
struct Reach<'t>(&'t str);

impl Visit for Reach<'_> {
    fn visit_func_call(&mut self, call: &FuncCall) {
        let name = call.name.name.as_str();
        assert!(call.name.namespace.is_empty() && !FORBIDDEN.contains(&name), "function {name} was taken:\n{}", self.0);
        visit_func_call(self, call);
    }
    /// The library's own visitor leaves the collection of a `for` directive out.
    fn visit_for_template_expr(&mut self, each: &ForTemplateExpr) {
        self.visit_expr(&each.collection_expr);
        visit_for_template_expr(self, each);
    }
    fn visit_traversal(&mut self, traversal: &Traversal) {
        let root = traversal.expr.as_variable().map(|ident| ident.as_str());
        assert!(root != Some("path"), "path.… was taken:\n{}", self.0);
        visit_traversal(self, traversal);
    }
    fn visit_block(&mut self, block: &Block) {
        let labels = block.labels.iter().map(|label| label.as_str());
        let names: Vec<&str> = std::iter::once(block.ident.as_str()).chain(labels).collect();
        assert!(!names.iter().any(|name| ["provisioner", "connection"].contains(name)), "{names:?} was taken:\n{}", self.0);
        visit_block(self, block);
    }
}

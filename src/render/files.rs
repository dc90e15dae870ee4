//! Which blocks a design has and which file each stands in: terraform and provider, variables, network, one file per
//! tier, outputs, an example of the variables. No backend block: where state lives is the business of whoever runs it.

use std::collections::{BTreeMap, BTreeSet};

use hcl::expr::Expression;
use hcl::structure::{Attribute, Block, Body};

use super::hcl_text;
use super::mapping::{ALL_SERVICES, AVAILABILITY_DOMAINS, NAMESPACE, Scope, peer, peer_type};
use super::network::{Flow, Network, Nsg, Peering, Rule};
use super::schema::Schema;
use super::tree::{Arg, HOME, Mode, PROVIDER, Reference, Resource, Step, Tree, text_expression};
use super::{PasswordRule, RenderContext, SecretNeed};
use crate::api::design::SecretSource;
use crate::catalog::service::Protocol;
use crate::catalog::{Catalog, TENANCY};
use crate::validator::ValidatedDesign;

/// Oldest Terraform the files are for: the newest one OCI Resource Manager has.
const REQUIRED_VERSION: &str = ">= 1.5.0";
/// Oldest provider the files are for.
const PROVIDER_VERSION: &str = ">= 6.0";

/// Data source that says which region is the tenancy's home.
const SUBSCRIPTIONS: &str = "oci_identity_region_subscriptions";

/// Everything a design becomes.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// blocks of resources and data sources, in writing order
    pub resources: Vec<Resource>,
    /// locals
    pub locals: Vec<LocalValue>,
    /// variables that are not secret, by name
    pub variables: BTreeMap<String, PlainVariable>,
    /// secret variables
    pub secrets: Vec<SecretVariable>,
    /// outputs
    pub outputs: Vec<OutputBlock>,
}

/// One of Terraform's `locals`.
#[derive(Debug, Clone)]
pub struct LocalValue {
    name: String,
    value: Arg,
    file: String,
}

/// A variable that is not secret.
#[derive(Debug, Clone)]
pub struct PlainVariable {
    default: Option<String>,
    description: String,
}

/// A secret variable with its description.
#[derive(Debug, Clone)]
pub struct SecretVariable {
    /// what the design needs
    pub need: SecretNeed,
    /// what it is
    pub description: String,
}

/// An output.
#[derive(Debug, Clone)]
pub struct OutputBlock {
    name: String,
    value: Arg,
    sensitive: bool,
    description: String,
}

/// Evaluates every component, brought and derived.
pub fn content(design: &ValidatedDesign, catalog: &Catalog, network: &Network) -> Content {
    let mut content = Content::default();
    let mut data: Vec<Resource> = Vec::new();
    let own = design.components.iter().map(|c| (c, true));
    for (component, brought) in own.chain(network.derived.iter().map(|c| (c, false))) {
        let Some(service) = catalog.service(&component.service_type) else { continue };
        let scope = Scope { design, catalog, network, component, service };
        data.extend(scope.data());
        content.resources.extend(scope.resources());
        for (name, value) in service.locals.iter() {
            let name = format!("{}_{name}", component.label);
            let file = format!("{}.tf", service.tier);
            content.locals.extend(scope.evaluate(value).map(|value| LocalValue { name, value, file }));
        }
        for variable in service.variables.iter().filter(|v| v.when.holds(&component.config, None)) {
            let plain = PlainVariable { default: variable.default.clone(), description: variable.description.en.clone() };
            content.variables.entry(variable.name.clone()).or_insert(plain);
        }
        for secret in &service.secrets {
            let rule = PasswordRule { length: secret.length, symbols: secret.symbols.clone(), of_each: secret.of_each };
            let name = format!("{}_{}", component.label, secret.name);
            let source = design.secrets.get(&name).copied().unwrap_or(SecretSource::Generate);
            let need = SecretNeed { name, source, rule };
            content.secrets.push(SecretVariable { need, description: secret.description.en.clone() });
        }
        for output in service.outputs.iter().filter(|_| brought) {
            content.outputs.extend(scope.output(output).map(|value| OutputBlock {
                name: format!("{}_{}", component.label, output.name),
                value,
                sensitive: output.sensitive,
                description: output.description.en.clone(),
            }));
        }
    }
    content.resources.extend(network.peerings.iter().filter(|end| !end.brought).map(peering));
    content.resources.extend(network.nsgs.iter().map(group));
    content.resources.extend(network.rules.iter().map(rule));
    share_images(&mut data, &mut content.resources, &mut content.locals);
    let mut all = shared_data(&content.resources);
    all.append(&mut data);
    all.append(&mut content.resources);
    content.resources = all;
    content
}

fn network_block(component: &str, resource_type: &str, label: &str, tree: Tree) -> Resource {
    Resource {
        mode: Mode::Managed,
        resource_type: resource_type.to_owned(),
        label: label.to_owned(),
        tree,
        file: "network.tf".to_owned(),
        component: component.to_owned(),
    }
}

/// One end of a peering; the end that started it names the other one.
fn peering(peering: &Peering) -> Resource {
    let mut tree = Tree::default()
        .with("compartment_id", Reference::variable("compartment_ocid"))
        .with("vcn_id", Reference::new("oci_core_vcn", &[&peering.vcn, "id"]))
        .with("display_name", peering.display_name.as_str());
    if let Some(peer) = &peering.peer {
        tree = tree.with("peer_id", Reference::new("oci_core_local_peering_gateway", &[peer, "id"]));
    }
    network_block(&peering.component, "oci_core_local_peering_gateway", &peering.label, tree)
}

fn group(nsg: &Nsg) -> Resource {
    let tree = Tree::default()
        .with("compartment_id", Reference::variable("compartment_ocid"))
        .with("vcn_id", Reference::new("oci_core_vcn", &[&nsg.vcn, "id"]))
        .with("display_name", nsg.display_name.as_str());
    network_block(&nsg.component, "oci_core_network_security_group", &nsg.label, tree)
}

/// Protocol numbers of IANA, as strings: what the API wants.
fn rule(rule: &Rule) -> Resource {
    let (number, options) = match rule.protocol {
        Protocol::Tcp => ("6", "tcp_options"),
        Protocol::Udp => ("17", "udp_options"),
        Protocol::Icmp => ("1", "icmp_options"),
        Protocol::All => ("all", ""),
    };
    let (direction, end, end_type) = match rule.flow {
        Flow::Ingress => ("INGRESS", "source", "source_type"),
        Flow::Egress => ("EGRESS", "destination", "destination_type"),
    };
    let number_of = |port: u16| Arg::Literal(port.into());
    let mut tree = Tree::default()
        .with("network_security_group_id", Reference::new("oci_core_network_security_group", &[&rule.nsg, "id"]))
        .with("description", rule.description.as_str())
        .with("direction", direction)
        .with("protocol", number)
        .with(end, peer(&rule.peer))
        .with(end_type, peer_type(&rule.peer));
    if let Some((first, last)) = rule.ports {
        let range = Tree::default().with("min", number_of(first)).with("max", number_of(last));
        tree = tree.block(options, Tree::default().block("destination_port_range", range));
    }
    if rule.protocol == Protocol::Icmp {
        // Type 3 code 4, "fragmentation needed": what path MTU discovery lives on.
        tree = tree.block(options, Tree::default().with("type", number_of(3)).with("code", number_of(4)));
    }
    network_block(&rule.component, "oci_core_network_security_group_security_rule", &rule.label, tree)
}

/// Data sources with one content are asked once; references go to the first.
fn share_images(data: &mut Vec<Resource>, resources: &mut [Resource], locals: &mut [LocalValue]) {
    let mut kept: Vec<Resource> = Vec::new();
    let mut moved: BTreeMap<(String, String), String> = BTreeMap::new();
    for source in data.drain(..) {
        match kept.iter().find(|k| k.resource_type == source.resource_type && k.tree == source.tree) {
            Some(first) => {
                moved.insert((source.resource_type, source.label), first.label.clone());
            }
            None => kept.push(source),
        }
    }
    *data = kept;
    let mut move_to_first = |reference: &mut Reference| {
        if reference.root == "data"
            && let [Step::Attribute(data_type), Step::Attribute(label), ..] = reference.steps.as_mut_slice()
            && let Some(first) = moved.get(&(data_type.clone(), label.clone()))
        {
            label.clone_from(first);
        }
    };
    resources.iter_mut().for_each(|resource| visit(&mut resource.tree, &mut move_to_first));
    locals.iter_mut().for_each(|local| arg(&mut local.value, &mut move_to_first));
}

fn arg(value: &mut Arg, look: &mut dyn FnMut(&mut Reference)) {
    match value {
        Arg::Literal(_) => {}
        Arg::Reference(reference) => look(reference),
        Arg::List(items) => items.iter_mut().for_each(|item| arg(item, look)),
        Arg::Map(members) | Arg::Expression(_, members) => members.iter_mut().for_each(|(_, member)| arg(member, look)),
    }
}

fn visit(tree: &mut Tree, look: &mut dyn FnMut(&mut Reference)) {
    tree.arguments.iter_mut().for_each(|(_, value)| arg(value, look));
    tree.blocks.iter_mut().for_each(|(_, inner)| visit(inner, look));
}

/// Data sources that the design shares, as far as anything refers to them.
fn shared_data(resources: &[Resource]) -> Vec<Resource> {
    let mut used: BTreeSet<String> = BTreeSet::new();
    if at_home(resources) {
        used.insert(SUBSCRIPTIONS.to_owned());
    }
    for resource in resources {
        visit(&mut resource.tree.clone(), &mut |reference| {
            if let ("data", [Step::Attribute(data_type), ..]) = (reference.root.as_str(), reference.steps.as_slice()) {
                used.insert(data_type.clone());
            }
        });
    }
    let compartment = || Tree::default().with("compartment_id", Reference::variable("compartment_ocid"));
    let filter = Tree::default()
        .with("name", "name")
        .with("values", Arg::Literal(vec!["All .* Services In Oracle Services Network"].into()))
        .with("regex", Arg::Literal(true.into()));
    let known = [
        ("oci_identity_availability_domains", AVAILABILITY_DOMAINS, "main.tf", compartment()),
        ("oci_core_services", ALL_SERVICES, "network.tf", Tree::default().block("filter", filter)),
        ("oci_objectstorage_namespace", NAMESPACE, "main.tf", compartment()),
        (SUBSCRIPTIONS, HOME, "main.tf", Tree::default().with("tenancy_id", Reference::variable(TENANCY))),
    ];
    let block = |(resource_type, label, file, tree): (&str, &str, &str, Tree)| Resource {
        mode: Mode::Data,
        resource_type: resource_type.to_owned(),
        label: label.to_owned(),
        tree,
        file: file.to_owned(),
        component: String::new(),
    };
    known.into_iter().filter(|(data_type, ..)| used.contains(*data_type)).map(block).collect()
}

/// Freeform tags on every managed resource that takes them, so that leftovers can be found in the tenancy.
pub fn tag(resources: &mut [Resource], context: &RenderContext, schema: &Schema) {
    for resource in resources.iter_mut().filter(|r| r.mode == Mode::Managed) {
        let takes = schema.resource(&resource.resource_type).is_some_and(|b| b.attributes.contains_key("freeform_tags"));
        if takes {
            let tags = serde_json::json!({
                "galley-session": context.session,
                "galley-design": context.design_uid,
                "galley-address": resource.address(),
            });
            resource.tree.arguments.push(("freeform_tags".to_owned(), Arg::Literal(tags)));
        }
    }
}

/// Writes all files.
pub fn write(design: &ValidatedDesign, content: &Content) -> Result<BTreeMap<String, String>, hcl::Error> {
    let mut blocks: BTreeMap<String, Vec<Block>> = BTreeMap::new();
    blocks.insert("main.tf".to_owned(), main_blocks(at_home(&content.resources)));
    blocks.insert("variables.tf".to_owned(), variable_blocks(content));
    for local in &content.locals {
        let of_file = blocks.entry(local.file.clone()).or_default();
        let attribute = Attribute::new(hcl::Identifier::sanitized(local.name.as_str()), local.value.expression());
        match of_file.iter_mut().find(|block| block.identifier() == "locals") {
            Some(block) => block.body.0.push(attribute.into()),
            None => of_file.push(Block::builder("locals").add_attribute(attribute).build()),
        }
    }
    for resource in &content.resources {
        blocks.entry(resource.file.clone()).or_default().push(resource.hcl());
    }
    blocks.insert("outputs.tf".to_owned(), content.outputs.iter().map(output_block).collect());
    let mut files = BTreeMap::new();
    for (name, blocks) in blocks {
        files.insert(name, hcl_text::text(&blocks)?);
    }
    files.insert("terraform.tfvars.example".to_owned(), example(design, content)?);
    Ok(files)
}

fn literal(text: &str) -> Expression {
    text_expression(text)
}

/// Whether anything is written in the home region of the tenancy.
fn at_home(resources: &[Resource]) -> bool {
    resources.iter().any(|resource| resource.tree.arguments.iter().any(|(name, _)| name == PROVIDER))
}

/// The provider for the home region: which region that is, the tenancy's subscriptions say.
fn home_provider() -> Block {
    let subscriptions = Reference::new("data", &[SUBSCRIPTIONS, HOME, "region_subscriptions"]);
    let region = Arg::Expression(
        "one([for s in subscriptions : s.region_name if s.is_home_region])".to_owned(),
        vec![("subscriptions".to_owned(), subscriptions.into())],
    );
    let block = Block::builder("provider").add_label("oci").add_attribute(("alias", literal(HOME)));
    block.add_attribute(("region", region.expression())).build()
}

fn main_blocks(at_home: bool) -> Vec<Block> {
    let provider: Expression = Expression::Object(
        [("source", "oracle/oci"), ("version", PROVIDER_VERSION)]
            .into_iter()
            .map(|(key, value)| (hcl::expr::ObjectKey::from(hcl::Identifier::sanitized(key)), literal(value)))
            .collect(),
    );
    let required = Block::builder("required_providers").add_attribute(("oci", provider)).build();
    let terraform = Block::builder("terraform").add_attribute(("required_version", literal(REQUIRED_VERSION))).add_block(required).build();
    let region = Arg::from(Reference::variable("region")).expression();
    let here = Block::builder("provider").add_label("oci").add_attribute(("region", region)).build();
    [terraform, here].into_iter().chain(at_home.then(home_provider)).collect()
}

fn variable_blocks(content: &Content) -> Vec<Block> {
    let kind = || Expression::Variable(hcl::expr::Variable::sanitized("string"));
    let variable = |name: &str, description: &str, sensitive: bool| {
        let mut block = Block::builder("variable").add_label(name);
        block = block.add_attribute(("description", literal(description))).add_attribute(("type", kind()));
        if sensitive {
            block = block.add_attribute(("sensitive", true));
        }
        block.build()
    };
    let plain = [("region", "OCI region identifier"), ("compartment_ocid", "OCID of the compartment everything is created in")];
    let plain = plain.into_iter().map(|(name, description)| variable(name, description, false));
    let others = content.variables.iter().map(|(name, plain)| {
        let mut block = variable(name, &plain.description, false);
        if let Some(default) = &plain.default {
            block.body.0.push(Attribute::new(hcl::Identifier::sanitized("default"), literal(default)).into());
        }
        block
    });
    plain.chain(others).chain(content.secrets.iter().map(|s| variable(&s.need.name, &s.description, true))).collect()
}

fn output_block(output: &OutputBlock) -> Block {
    let mut block = Block::builder("output").add_label(output.name.as_str()).add_attribute(("description", literal(&output.description)));
    block = block.add_attribute(("value", output.value.expression()));
    if output.sensitive {
        block = block.add_attribute(("sensitive", true));
    }
    block.build()
}

/// Values to copy. Secrets have no line: an example value would be used.
fn example(design: &ValidatedDesign, content: &Content) -> Result<String, hcl::Error> {
    let mut text = String::from("# Copy to terraform.tfvars and fill in.\n");
    for secret in &content.secrets {
        text.push_str(&format!("# Set TF_VAR_{} in the environment.\n", secret.need.name));
    }
    let body: Body = [("compartment_ocid", "ocid1.compartment.oc1..replace-me"), ("region", design.region.as_str())]
        .into_iter()
        .map(|(name, value)| Attribute::new(hcl::Identifier::sanitized(name), literal(value)))
        .collect();
    text.push_str(&hcl_text::align(hcl::format::to_string(&body)?.trim_end()));
    text.push('\n');
    Ok(text)
}

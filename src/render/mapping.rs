//! Evaluates the mapping of a service file for one component: config keys, roles and connections become arguments.
//! Pure. A mapping that cannot be evaluated (a role where none is) leaves the argument out; the schema check then names
//! it with file and line.

use serde_json::Value;

use super::network::{Network, Peer, Route};
use super::tree::{Arg, LIFECYCLE, Mode, Reference, Resource, Tree};
use crate::catalog::Catalog;
use crate::catalog::mapping::{
    BlockMapping, Cast, DataMapping, Direction, Expr, ForEach, Ordered, OverConnections, PlacementFact, ResourceMapping, Role, Source,
};
use crate::catalog::service::{NameSource, NetworkRole, Service};
use crate::validator::labels;
use crate::validator::{ValidatedComponent, ValidatedDesign};

/// Labels of data sources that the design shares.
pub const ALL_SERVICES: &str = "all_services";
/// See [`ALL_SERVICES`].
pub const AVAILABILITY_DOMAINS: &str = "availability_domains";
/// See [`ALL_SERVICES`].
pub const NAMESPACE: &str = "namespace";

/// The evaluation of one component.
pub struct Scope<'a> {
    /// the design
    pub design: &'a ValidatedDesign,
    /// its services
    pub catalog: &'a Catalog,
    /// its network
    pub network: &'a Network,
    /// the component
    pub component: &'a ValidatedComponent,
    /// its service
    pub service: &'a Service,
}

/// One round of a repetition.
#[derive(Clone, Copy)]
enum Item<'a> {
    None,
    Route(&'a Route),
    Peer { component: &'a ValidatedComponent, connection_type: &'a str, index: usize },
    Value(&'a Value, usize),
}

impl<'a> Scope<'a> {
    fn public(&self) -> Option<bool> {
        self.network.placements.get(&self.component.id).map(|placement| placement.public)
    }

    fn holds(&self, when: &crate::catalog::mapping::When) -> bool {
        when.holds(&self.component.config, self.public())
    }

    /// Managed resources of the component, the primary one first.
    pub fn resources(&self) -> Vec<Resource> {
        let mut made = Vec::new();
        for mapping in self.service.resources.iter().filter(|mapping| self.holds(&mapping.when)) {
            for item in self.items(mapping.for_each.as_ref()) {
                made.push(self.resource(mapping, item));
            }
        }
        made
    }

    fn resource(&self, mapping: &ResourceMapping, item: Item<'_>) -> Resource {
        let mut tree = self.tree(&mapping.arguments, &mapping.blocks, item);
        if !mapping.lifecycle.ignore_changes.is_empty() {
            let paths = mapping.lifecycle.ignore_changes.iter().map(|path| {
                let (root, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
                Arg::Reference(Reference::new(root, &[rest]))
            });
            tree = tree.block(LIFECYCLE, Tree::default().with("ignore_changes", Arg::List(paths.collect())));
        }
        let round = match item {
            Item::None | Item::Route(_) => String::new(),
            Item::Peer { component, .. } => format!("_{}", component.label),
            Item::Value(_, index) => format!("_{}", index + 1),
        };
        self.block(Mode::Managed, &mapping.resource_type, format!("{}{}{round}", self.component.label, mapping.suffix), tree)
    }

    /// Data sources of the component.
    pub fn data(&self) -> Vec<Resource> {
        let of = |mapping: &DataMapping| {
            let tree = self.tree(&mapping.arguments, &mapping.blocks, Item::None);
            self.block(Mode::Data, &mapping.data_type, self.component.label.clone(), tree)
        };
        self.service.data.iter().filter(|mapping| self.holds(&mapping.when)).map(of).collect()
    }

    fn block(&self, mode: Mode, resource_type: &str, label: String, tree: Tree) -> Resource {
        let component = self.network.owner.get(&self.component.label).unwrap_or(&self.component.id).clone();
        let file = format!("{}.tf", self.service.tier);
        Resource { mode, resource_type: resource_type.to_owned(), label, tree, file, component }
    }

    fn tree(&self, arguments: &Ordered<Expr>, blocks: &[BlockMapping], item: Item<'_>) -> Tree {
        let mut tree = Tree::default();
        for (name, expr) in arguments.iter() {
            tree.arguments.extend(self.value(expr, item).map(|arg| (name.to_owned(), arg)));
        }
        for block in blocks.iter().filter(|block| self.holds(&block.when)) {
            let rounds = if block.for_each.is_some() { self.items(block.for_each.as_ref()) } else { vec![item] };
            for round in rounds {
                tree.blocks.push((block.name.clone(), self.tree(&block.arguments, &block.blocks, round)));
            }
        }
        tree
    }

    fn items(&self, for_each: Option<&ForEach>) -> Vec<Item<'_>> {
        match for_each {
            None => vec![Item::None],
            Some(ForEach::Routes) => {
                let routes = self.network.routes.get(&self.component.label).map(Vec::as_slice).unwrap_or_default();
                routes.iter().map(Item::Route).collect()
            }
            Some(ForEach::Connections(over)) => self.peers(over),
            Some(ForEach::Config(key)) => {
                let list = self.component.config.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                list.iter().enumerate().map(|(index, value)| Item::Value(value, index)).collect()
            }
        }
    }

    fn peers(&self, over: &OverConnections) -> Vec<Item<'_>> {
        let mut items = Vec::new();
        for connection in &self.design.connections {
            let (own, other) = match over.direction {
                Direction::Out => (&connection.source_id, &connection.target_id),
                Direction::In => (&connection.target_id, &connection.source_id),
            };
            let wanted = over.types.is_empty() || over.types.contains(&connection.connection_type);
            if *own == self.component.id
                && wanted
                && let Some(component) = self.design.components.iter().find(|c| c.id == *other)
            {
                items.push(Item::Peer { component, connection_type: &connection.connection_type, index: items.len() });
            }
        }
        items
    }

    /// The value of an expression; None = it has none and the argument is left out.
    pub fn evaluate(&self, expr: &Expr) -> Option<Arg> {
        self.value(expr, Item::None)
    }

    /// Whether an output exists and its value.
    pub fn output(&self, output: &crate::catalog::service::Output) -> Option<Arg> {
        self.holds(&output.when).then(|| self.evaluate(&output.value)).flatten()
    }

    fn value(&self, expr: &Expr, item: Item<'_>) -> Option<Arg> {
        let own = self.holds(&expr.when).then(|| self.source(&expr.source, item)).flatten();
        let converted = own.and_then(|arg| match arg {
            Arg::Literal(value) => convert(expr, value).map(Arg::Literal),
            other @ (Arg::Reference(_) | Arg::List(_) | Arg::Map(_)) => Some(other),
        });
        match (converted, &expr.or) {
            (Some(arg), _) => Some(arg),
            (None, Some(or)) => {
                let arg = self.value(or, item)?;
                // What the fallback gives is cast like the value it stands for.
                Some(match arg {
                    Arg::Literal(value) => Arg::Literal(cast(expr.cast, value)),
                    other @ (Arg::Reference(_) | Arg::List(_) | Arg::Map(_)) => other,
                })
            }
            (None, None) => None,
        }
    }

    fn source(&self, source: &Source, item: Item<'_>) -> Option<Arg> {
        let component = self.component;
        match source {
            Source::Literal(value) => Some(Arg::Literal(value.clone())),
            Source::List(items) => Some(Arg::list(items.iter().filter_map(|expr| self.value(expr, item)).collect())),
            Source::Map(members) => {
                let members: Vec<_> = members.iter().filter_map(|(k, e)| self.value(e, item).map(|arg| (k.to_owned(), arg))).collect();
                (!members.is_empty()).then(|| Arg::map(members))
            }
            Source::Config(key) => component.config.get(key).cloned().map(Arg::Literal),
            Source::DisplayName => Some(Arg::Literal(component.display_name.clone().into())),
            Source::Name(rule) => {
                let rule = self.service.naming.get(rule)?;
                let from = match rule.from {
                    NameSource::Label => &component.label,
                    NameSource::DisplayName => &component.display_name,
                };
                let unique = format!("{}/{}", self.design.session, component.id);
                Some(Arg::Literal(labels::name(rule, from, &unique).into()))
            }
            Source::Template(text, with) => self.template(text, with, item),
            Source::Ref(role) => self.role(*role),
            Source::Resource(key, attribute) => {
                let mapping = self.service.resources.iter().find(|r| r.key == *key)?;
                let label = format!("{}{}", component.label, mapping.suffix);
                Some(Reference::new(&mapping.resource_type, &[&label, attribute]).into())
            }
            Source::Data(key, attribute) => {
                let mapping = self.service.data.iter().find(|d| d.key == *key)?;
                Some(Reference::new("data", &[&mapping.data_type, &component.label, attribute]).into())
            }
            Source::Secret(name) => Some(Reference::variable(&format!("{}_{name}", component.label)).into()),
            Source::Each(what) => self.each(what, item),
            Source::Placement(PlacementFact::Public) => Some(Arg::Literal(self.public()?.into())),
        }
    }

    /// `{placeholder}`s are replaced once; the result is a literal of Terraform whatever the values hold.
    fn template(&self, text: &str, with: &Ordered<Expr>, item: Item<'_>) -> Option<Arg> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (name, after) = after.split_once('}')?;
            match self.value(with.get(name)?, item)? {
                Arg::Literal(Value::String(text)) => out.push_str(&text),
                Arg::Literal(value) => out.push_str(&value.to_string()),
                Arg::Reference(_) | Arg::List(_) | Arg::Map(_) => return None,
            }
            rest = after;
        }
        out.push_str(rest);
        Some(Arg::Literal(out.into()))
    }

    fn role(&self, role: Role) -> Option<Arg> {
        let placement = self.network.placements.get(&self.component.id);
        let subnet = || self.network.subnets.get(&self.component.label);
        let id = |resource_type: &str, label: &str| Arg::from(Reference::new(resource_type, &[label, "id"]));
        Some(match role {
            Role::Compartment => Reference::variable("compartment_ocid").into(),
            Role::Region => Reference::variable("region").into(),
            Role::AvailabilityDomain => {
                let number = self.component.config.get("availability_domain").and_then(Value::as_u64).unwrap_or(1);
                let path = format!("availability_domains[{}]", number.saturating_sub(1));
                Reference::new("data", &["oci_identity_availability_domains", AVAILABILITY_DOMAINS, &path, "name"]).into()
            }
            Role::Vcn => {
                let own = placement.map(|p| &p.vcn).or_else(|| self.network.vcn_of.get(&self.component.label))?;
                id("oci_core_vcn", own)
            }
            Role::Subnet => id("oci_core_subnet", &placement?.subnet),
            Role::Nsgs => {
                let nsg = placement?.nsg.as_ref()?;
                Arg::List(vec![id("oci_core_network_security_group", nsg)])
            }
            Role::RouteTable => id("oci_core_route_table", &subnet()?.route_table),
            Role::SecurityLists => Arg::List(subnet()?.security_lists.iter().map(|label| id("oci_core_security_list", label)).collect()),
            Role::SubnetCidr => Arg::Literal(subnet()?.cidr.to_string().into()),
            Role::AllServices => Reference::new("data", &["oci_core_services", ALL_SERVICES, "services[0]", "id"]).into(),
            Role::ObjectStorageNamespace => Reference::new("data", &["oci_objectstorage_namespace", NAMESPACE, "namespace"]).into(),
        })
    }

    fn each(&self, what: &str, item: Item<'_>) -> Option<Arg> {
        match item {
            Item::None => None,
            Item::Value(value, index) => match what {
                "value" => Some(Arg::Literal(value.clone())),
                "index" => Some(Arg::Literal(index.into())),
                _ => None,
            },
            Item::Route(route) => match what {
                "destination" => Some(peer(&route.destination)),
                "destination_type" => Some(peer_type(&route.destination).into()),
                "gateway" => Some(Reference::new(gateway_type(route.gateway)?, &[&route.label, "id"]).into()),
                _ => None,
            },
            Item::Peer { component, connection_type, index } => match what.split_once('.') {
                None if what == "index" => Some(Arg::Literal(index.into())),
                None if what == "label" => Some(component.label.as_str().into()),
                None if what == "connection_type" => Some(connection_type.into()),
                Some(("config", key)) => component.config.get(key).cloned().map(Arg::Literal),
                Some(("attribute", attribute)) => {
                    let primary = self.catalog.service(&component.service_type)?.resources.first()?;
                    let label = format!("{}{}", component.label, primary.suffix);
                    Some(Reference::new(&primary.resource_type, &[&label, attribute]).into())
                }
                None | Some(_) => None,
            },
        }
    }
}

/// The value of a peer as an argument.
pub fn peer(peer: &Peer) -> Arg {
    match peer {
        Peer::Cidr(cidr) => cidr.as_str().into(),
        Peer::Services => Reference::new("data", &["oci_core_services", ALL_SERVICES, "services[0]", "cidr_block"]).into(),
        Peer::Nsg(label) => Reference::new("oci_core_network_security_group", &[label, "id"]).into(),
    }
}

/// Its type, as routes and rules spell it.
pub fn peer_type(peer: &Peer) -> &'static str {
    match peer {
        Peer::Cidr(_) => "CIDR_BLOCK",
        Peer::Services => "SERVICE_CIDR_BLOCK",
        Peer::Nsg(_) => "NETWORK_SECURITY_GROUP",
    }
}

fn gateway_type(role: NetworkRole) -> Option<&'static str> {
    match role {
        NetworkRole::InternetGateway => Some("oci_core_internet_gateway"),
        NetworkRole::NatGateway => Some("oci_core_nat_gateway"),
        NetworkRole::ServiceGateway => Some("oci_core_service_gateway"),
        NetworkRole::Vcn | NetworkRole::Subnet | NetworkRole::RouteTable | NetworkRole::SecurityList => None,
    }
}

/// Table, arithmetic, type: in this order.
fn convert(expr: &Expr, value: Value) -> Option<Value> {
    let value = if expr.convert.is_empty() { value } else { expr.convert.get(value.as_str()?)?.clone() };
    let value = match (value.as_i64(), expr.multiply, expr.minimum) {
        (_, None, None) | (None, _, _) => value,
        (Some(number), times, least) => number.saturating_mul(times.unwrap_or(1)).max(least.unwrap_or(i64::MIN)).into(),
    };
    Some(cast(expr.cast, value))
}

fn cast(cast: Option<Cast>, value: Value) -> Value {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match cast {
        None => value,
        Some(Cast::String) => text(&value).into(),
        Some(Cast::Upper) => text(&value).to_uppercase().into(),
        Some(Cast::Lower) => text(&value).to_lowercase().into(),
    }
}

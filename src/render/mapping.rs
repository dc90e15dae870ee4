//! Evaluates the mapping of a service file for one component: config keys, roles and connections become arguments.
//! Pure. A mapping that cannot be evaluated (a role where none is) leaves the argument out; the schema check then names
//! it with file and line.

use serde_json::Value;

use super::network::{Host, Network, Peer, Route};
use super::tree::{Arg, DEPENDS_ON, HOME, LIFECYCLE, Mode, PROVIDER, Reference, Resource, Tree};
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
    Peer { component: &'a ValidatedComponent, connection_type: &'a str, index: usize, host: Option<usize> },
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
        let mut made: Vec<(&str, Resource)> = Vec::new();
        for mapping in self.service.resources.iter().filter(|mapping| self.exists(mapping)) {
            for item in self.items(mapping.for_each.as_ref()) {
                let before = made.iter().filter(|(key, _)| mapping.after.iter().any(|after| after == key));
                let previous = made.last().filter(|(key, _)| mapping.in_turn && *key == mapping.key);
                let waits = before.chain(previous).map(|(_, r)| Reference::new(&r.resource_type, &[&r.label]).into()).collect();
                made.push((&mapping.key, self.resource(mapping, item, waits)));
            }
        }
        made.into_iter().map(|(_, resource)| resource).collect()
    }

    fn exists(&self, mapping: &ResourceMapping) -> bool {
        self.holds(&mapping.when) && mapping.needs.as_ref().is_none_or(|needs| !self.peers(needs).is_empty())
    }

    /// Targets of `depends_on` connections, and the security rules where the file asks to wait for them.
    fn waits(&self, mapping: &ResourceMapping) -> Vec<Arg> {
        let mut waits = Vec::new();
        for connection in self.design.connections.iter().filter(|c| c.connection_type == DEPENDS_ON && c.source_id == self.component.id) {
            let Some(target) = self.design.components.iter().find(|c| c.id == connection.target_id) else { continue };
            let Some(primary) = self.catalog.service(&target.service_type).and_then(|s| s.resources.first()) else { continue };
            let label = format!("{}{}", target.label, primary.suffix);
            waits.push(Reference::new(&primary.resource_type, &[&label]).into());
        }
        if mapping.after_rules {
            let own = self.network.rules.iter().filter(|rule| rule.component == self.component.id);
            let rule = |label: &str| Reference::new("oci_core_network_security_group_security_rule", &[label]).into();
            waits.extend(own.map(|r| rule(&r.label)));
        }
        waits
    }

    fn resource(&self, mapping: &ResourceMapping, item: Item<'_>, mut waits: Vec<Arg>) -> Resource {
        let mut tree = self.tree(&mapping.arguments, &mapping.blocks, item);
        if mapping.home_region {
            tree.arguments.insert(0, (PROVIDER.to_owned(), Reference::new("oci", &[HOME]).into()));
        }
        waits.extend(self.waits(mapping));
        if !waits.is_empty() {
            tree = tree.with(DEPENDS_ON, Arg::List(waits));
        }
        let mut lifecycle = Tree::default();
        let ignored = mapping.lifecycle.connected.as_ref().is_none_or(|over| !self.peers(over).is_empty());
        if ignored && !mapping.lifecycle.ignore_changes.is_empty() {
            let paths = mapping.lifecycle.ignore_changes.iter().map(|path| {
                let (root, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
                Arg::Reference(Reference::new(root, &[rest]))
            });
            lifecycle = lifecycle.with("ignore_changes", Arg::List(paths.collect()));
        }
        if mapping.lifecycle.create_before_destroy {
            lifecycle = lifecycle.with("create_before_destroy", Arg::Literal(true.into()));
        }
        if lifecycle != Tree::default() {
            tree = tree.block(LIFECYCLE, lifecycle);
        }
        let round = match item {
            Item::None | Item::Route(_) => String::new(),
            Item::Peer { component, host: Some(number), .. } => format!("_{}_{}", component.label, number + 1),
            Item::Peer { component, host: None, .. } => format!("_{}", component.label),
            Item::Value(_, index) => format!("_{}", index + 1),
        };
        self.block(Mode::Managed, &mapping.resource_type, format!("{}{}{round}", self.component.label, mapping.suffix), tree)
    }

    /// Data sources of the component.
    pub fn data(&self) -> Vec<Resource> {
        let of = |mapping: &DataMapping| {
            let mut tree = self.tree(&mapping.arguments, &mapping.blocks, Item::None);
            let waits = mapping.depends_on.iter().filter_map(|key| self.service.resources.iter().find(|r| r.key == *key));
            let waits: Vec<Arg> =
                waits.map(|r| Reference::new(&r.resource_type, &[&format!("{}{}", self.component.label, r.suffix)]).into()).collect();
            if !waits.is_empty() {
                tree = tree.with(DEPENDS_ON, Arg::List(waits));
            }
            self.block(Mode::Data, &mapping.data_type, self.component.label.clone(), tree)
        };
        let asked =
            |mapping: &&DataMapping| self.holds(&mapping.when) && mapping.needs.as_ref().is_none_or(|needs| !self.peers(needs).is_empty());
        self.service.data.iter().filter(asked).map(of).collect()
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
        let mut items: Vec<Item<'_>> = Vec::new();
        for connection in &self.design.connections {
            let (own, other) = match over.direction {
                Direction::Out => (&connection.source_id, &connection.target_id),
                Direction::In => (&connection.target_id, &connection.source_id),
            };
            let wanted = over.types.is_empty() || over.types.contains(&connection.connection_type);
            if *own == self.component.id
                && wanted
                && let Some(component) = self.design.components.iter().find(|c| c.id == *other)
                && (over.with.is_empty() || over.with.contains(&component.service_type))
                && over.made.as_ref().is_none_or(|key| self.has_made(component, key))
            {
                let connection_type = &connection.connection_type;
                let hosts = if over.hosts { (0..self.copies(component)).map(Some).collect() } else { vec![None] };
                for host in hosts {
                    items.push(Item::Peer { component, connection_type, index: items.len(), host });
                }
            }
        }
        items
    }

    /// The evaluation of another component.
    fn of<'b>(&self, component: &'b ValidatedComponent) -> Option<Scope<'b>>
    where
        'a: 'b,
    {
        let service = self.catalog.service(&component.service_type)?;
        Some(Scope { design: self.design, catalog: self.catalog, network: self.network, component, service })
    }

    /// Whether another component has made its resource of that key.
    fn has_made(&self, component: &ValidatedComponent, key: &str) -> bool {
        let Some(other) = self.of(component) else { return false };
        other.service.resources.iter().any(|mapping| mapping.key == key && other.exists(mapping))
    }

    /// How many addresses a component is reached under.
    fn copies(&self, component: &ValidatedComponent) -> usize {
        let Some(hosts) = self.catalog.service(&component.service_type).and_then(|s| s.hosts.as_ref()) else { return 0 };
        let count = hosts.count.as_ref().and_then(|key| component.config.get(key)).and_then(Value::as_u64);
        count.map_or(1, |count| usize::try_from(count).unwrap_or(1))
    }

    /// The address of one copy of another component.
    fn host(&self, component: &ValidatedComponent, number: usize) -> Option<Arg> {
        let scope = self.of(component)?;
        let mut value = scope.service.hosts.as_ref()?.value.clone();
        if let Source::Resource(_, attribute) | Source::Data(_, attribute) = &mut value.source {
            *attribute = attribute.replace("[*]", &format!("[{number}]"));
        }
        scope.evaluate(&value)
    }

    /// The port of another component that a connection type uses.
    fn port(&self, component: &ValidatedComponent, connection_type: &str) -> Option<Arg> {
        let scope = self.of(component)?;
        let port = scope.service.ports.iter().find(|port| port.via.iter().any(|via| via == connection_type))?;
        scope.evaluate(&port.port)
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
        let connected = expr.connected.as_ref().is_none_or(|over| !self.peers(over).is_empty());
        let own = (connected && self.holds(&expr.when)).then(|| self.source(&expr.source, item)).flatten();
        let converted = own.and_then(|arg| match arg {
            Arg::Literal(value) => convert(expr, value).map(Arg::Literal),
            other @ (Arg::Reference(_) | Arg::List(_) | Arg::Map(_) | Arg::Expression(..)) => Some(other),
        });
        match (converted, &expr.or) {
            (Some(arg), _) => Some(arg),
            (None, Some(or)) => {
                let arg = self.value(or, item)?;
                // What the fallback gives is cast like the value it stands for.
                Some(match arg {
                    Arg::Literal(value) => Arg::Literal(cast(expr.cast, value)),
                    other @ (Arg::Reference(_) | Arg::List(_) | Arg::Map(_) | Arg::Expression(..)) => other,
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
            Source::Expression(text, with) => {
                let values: Option<Vec<_>> = with.iter().map(|(name, e)| Some((name.to_owned(), self.value(e, item)?))).collect();
                Some(Arg::Expression(text.clone(), values?))
            }
            Source::Ref(role, at) => self.role(*role, at.as_deref()),
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
            Source::Variable(name) => Some(Reference::variable(name).into()),
            Source::Local(name) => Some(Reference::new("local", &[&format!("{}_{name}", component.label)]).into()),
            Source::Each(what) => self.each(what, item),
            Source::Peer(over, what) => self.peers(over).into_iter().find_map(|peer| self.each(what, peer)),
            Source::Peers(over, what) => {
                let items: Vec<Arg> = self.peers(over).into_iter().filter_map(|peer| self.each(what, peer)).collect();
                (!items.is_empty()).then(|| Arg::list(items))
            }
            Source::Placement(PlacementFact::Public, at) => {
                Some(Arg::Literal(self.network.place(&component.id, at.as_deref())?.public.into()))
            }
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
                Arg::Reference(_) | Arg::List(_) | Arg::Map(_) | Arg::Expression(..) => return None,
            }
            rest = after;
        }
        out.push_str(rest);
        Some(Arg::Literal(out.into()))
    }

    fn role(&self, role: Role, at: Option<&str>) -> Option<Arg> {
        let placement = self.network.place(&self.component.id, at);
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
                let groups = placement?.nsg.iter().chain(&placement?.further_nsgs);
                let groups: Vec<Arg> = groups.map(|nsg| id("oci_core_network_security_group", nsg)).collect();
                return (!groups.is_empty()).then_some(Arg::List(groups));
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
                "gateway" => {
                    let (kind, attribute) = gateway(route.gateway)?;
                    Some(Reference::new(kind, &[&route.label, attribute]).into())
                }
                _ => None,
            },
            Item::Peer { component, connection_type, index, host } => match what.split_once('.') {
                None if what == "host" => self.host(component, host.unwrap_or_default()),
                None if what == "port" => self.port(component, connection_type),
                None if what == "number" => Some(Arg::Literal(host.unwrap_or_default().into())),
                None if what == "index" => Some(Arg::Literal(index.into())),
                None if what == "label" => Some(component.label.as_str().into()),
                None if what == "connection_type" => Some(connection_type.into()),
                Some(("config", key)) => component.config.get(key).cloned().map(Arg::Literal),
                Some(("resource", rest)) => {
                    let (key, attribute) = rest.split_once('.')?;
                    let made = self.catalog.service(&component.service_type)?.resources.iter().find(|r| r.key == key)?;
                    let label = format!("{}{}", component.label, made.suffix);
                    Some(Reference::new(&made.resource_type, &[&label, attribute]).into())
                }
                Some(("ref", role)) => {
                    let (role, at) = role.split_once('@').map_or((role, None), |(role, at)| (role, Some(at)));
                    self.of(component)?.role(serde_json::from_value(role.into()).ok()?, at)
                }
                Some(("output", name)) => {
                    let other = self.of(component)?;
                    other.output(other.service.outputs.iter().find(|output| output.name == name)?)
                }
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
        Peer::Host(Host { resource_type, label, attribute }) => {
            let address = Reference::new(resource_type, &[label, attribute]).into();
            Arg::Expression(r#"format("%s/32", address)"#.to_owned(), vec![("address".to_owned(), address)])
        }
    }
}

/// Its type, as routes and rules spell it.
pub fn peer_type(peer: &Peer) -> &'static str {
    match peer {
        Peer::Cidr(_) | Peer::Host(_) => "CIDR_BLOCK",
        Peer::Services => "SERVICE_CIDR_BLOCK",
        Peer::Nsg(_) => "NETWORK_SECURITY_GROUP",
    }
}

/// Type and attribute by which a route names its gateway. A dynamic routing gateway is named through its attachment: the
/// API refuses a route to one that the VCN is not attached to yet.
fn gateway(role: NetworkRole) -> Option<(&'static str, &'static str)> {
    match role {
        NetworkRole::InternetGateway => Some(("oci_core_internet_gateway", "id")),
        NetworkRole::NatGateway => Some(("oci_core_nat_gateway", "id")),
        NetworkRole::ServiceGateway => Some(("oci_core_service_gateway", "id")),
        NetworkRole::LocalPeering => Some(("oci_core_local_peering_gateway", "id")),
        NetworkRole::DrgAttachment => Some(("oci_core_drg_attachment", "drg_id")),
        NetworkRole::Vcn
        | NetworkRole::Subnet
        | NetworkRole::RouteTable
        | NetworkRole::SecurityList
        | NetworkRole::SecurityGroup
        | NetworkRole::Drg
        | NetworkRole::RemotePeering => None,
    }
}

/// Table, arithmetic, type: in this order.
fn convert(expr: &Expr, value: Value) -> Option<Value> {
    let value = match &expr.part {
        Some(name) => {
            let part =
                value.as_str()?.split(',').find_map(|part| part.trim().strip_prefix(name.as_str())?.strip_prefix('=')?.parse::<i64>().ok());
            part?.into()
        }
        None => value,
    };
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
        Some(Cast::Map) => {
            let pair = |text: &str| text.split_once('=').map(|(key, value)| (key.to_owned(), value.into()));
            Value::Object(value.as_array().into_iter().flatten().filter_map(Value::as_str).filter_map(pair).collect())
        }
    }
}

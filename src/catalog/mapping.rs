//! The mapping language: how one component of a service becomes Terraform blocks. Only data types and their reading;
//! `render::mapping` evaluates them. The words are explained in `rules/services/README.md`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::design::Connection;

/// A mapping that keeps the order of the file (arguments are rendered in it) and refuses a key twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Ordered(Vec::new())
    }
}

impl<T> Ordered<T> {
    /// The entries in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
    /// The entry of that key.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
            type Value = Ordered<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a mapping")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs: Vec<(String, T)> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if pairs.iter().any(|(k, _)| *k == key) {
                        return Err(de::Error::custom(format!("key `{key}` stands twice")));
                    }
                    pairs.push((key, map.next_value()?));
                }
                Ok(Ordered(pairs))
            }
        }
        deserializer.deserialize_map(Pairs(std::marker::PhantomData))
    }
}

/// When a thing is rendered; every given member must hold. Empty = always.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// config key → value, or list of values one of which it must have
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
    /// config keys that have a value
    #[serde(default)]
    pub set: Vec<String>,
    /// config keys that have none
    #[serde(default)]
    pub unset: Vec<String>,
    /// whether the component stands in a subnet
    pub placed: Option<bool>,
    /// whether that subnet is public
    pub public: Option<bool>,
}

/// One managed resource.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceMapping {
    /// how the rest of the file names it; the first resource is the component's primary one
    pub key: String,
    /// Terraform type
    #[serde(rename = "type")]
    pub resource_type: String,
    /// appended to the component's label; needed from the second resource of one type on
    #[serde(default)]
    pub suffix: String,
    /// when it exists
    #[serde(default)]
    pub when: When,
    /// one resource for each of these instead of one
    pub for_each: Option<ForEach>,
    /// rendered only while the component has such a connection
    pub needs: Option<OverConnections>,
    /// waits for the component's security rules
    #[serde(default)]
    pub after_rules: bool,
    /// keys of earlier resources of this file that are made first although nothing refers to them
    #[serde(default)]
    pub after: Vec<String>,
    /// repeated resources are made one after the other: the service takes one change at a time
    #[serde(default)]
    pub in_turn: bool,
    /// made through the home region of the tenancy, as everything of IAM is; the service declares variable `tenancy_ocid`
    #[serde(default)]
    pub home_region: bool,
    /// arguments in order
    #[serde(default)]
    pub arguments: Ordered<Expr>,
    /// nested blocks in order
    #[serde(default)]
    pub blocks: Vec<BlockMapping>,
    /// Terraform's `lifecycle`
    #[serde(default)]
    pub lifecycle: Lifecycle,
}

/// One data source.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataMapping {
    /// how the rest of the file names it
    pub key: String,
    /// Terraform type
    #[serde(rename = "type")]
    pub data_type: String,
    /// when it exists
    #[serde(default)]
    pub when: When,
    /// arguments in order
    #[serde(default)]
    pub arguments: Ordered<Expr>,
    /// nested blocks in order
    #[serde(default)]
    pub blocks: Vec<BlockMapping>,
    /// keys of resources of this file it is read after
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// asked only while the component has such a connection
    pub needs: Option<OverConnections>,
}

/// One nested block.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockMapping {
    /// name of the block
    pub name: String,
    /// when it exists
    #[serde(default)]
    pub when: When,
    /// one block for each of these instead of one
    pub for_each: Option<ForEach>,
    /// arguments in order
    #[serde(default)]
    pub arguments: Ordered<Expr>,
    /// nested blocks in order
    #[serde(default)]
    pub blocks: Vec<BlockMapping>,
}

/// What a resource or block is repeated over.
#[derive(Debug, Clone, PartialEq)]
pub enum ForEach {
    /// the routes of this route table: items `destination`, `destination_type`, `gateway`
    Routes,
    /// connections that end (`in`) or start (`out`) here: items `index`, `label`, `connection_type`, `host`, `port`,
    /// `config.<key>`, `attribute.<name>`, `resource.<key>.<name>` and `output.<name>` of the component at the other end
    Connections(OverConnections),
    /// the members of a list-valued config key: item `value`
    Config(String),
}

impl<'de> Deserialize<'de> for ForEach {
    /// `routes`, `{connections: …}` or `{config: key}`: YAML's own enums would want `!tags`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Over {
            connections: Option<OverConnections>,
            config: Option<String>,
        }
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = ForEach;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("`routes`, `{connections: …}` or `{config: key}`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ForEach, E> {
                if text == "routes" { Ok(ForEach::Routes) } else { Err(E::invalid_value(de::Unexpected::Str(text), &self)) }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ForEach, A::Error> {
                match Over::deserialize(de::value::MapAccessDeserializer::new(map))? {
                    Over { connections: Some(over), config: None } => Ok(ForEach::Connections(over)),
                    Over { connections: None, config: Some(key) } => Ok(ForEach::Config(key)),
                    Over { connections: Some(_), config: Some(_) } | Over { connections: None, config: None } => {
                        Err(de::Error::custom("for_each has exactly one of `connections` and `config`"))
                    }
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Connections to repeat over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverConnections {
    /// which end this component is
    pub direction: Direction,
    /// connection types; empty = every type
    #[serde(default)]
    pub types: Vec<String>,
    /// service types at the other end; empty = every type
    #[serde(default)]
    pub with: Vec<String>,
    /// true: once for each address of the other end, not once for each connection
    #[serde(default)]
    pub hosts: bool,
    /// only where the other end has made the resource of that key (its own `when` and `needs` hold)
    pub made: Option<String>,
}

impl OverConnections {
    /// Whether a connection is one of these, seen from a component. `type_of` gives the service type of an id.
    pub fn joins<'t>(&self, connection: &Connection, id: &str, type_of: impl Fn(&str) -> Option<&'t str>) -> bool {
        let (own, other) = match self.direction {
            Direction::Out => (&connection.source_id, &connection.target_id),
            Direction::In => (&connection.target_id, &connection.source_id),
        };
        own == id
            && (self.types.is_empty() || self.types.contains(&connection.connection_type))
            && (self.with.is_empty() || type_of(other).is_some_and(|kind| self.with.iter().any(|with| with == kind)))
    }
}

/// Which end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// this component is the target
    In,
    /// this component is the source
    Out,
}

/// Terraform's `lifecycle` as far as a service may use it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// attribute paths whose later changes are not Terraform's business, such as `source_details[0].source_id`
    #[serde(default)]
    pub ignore_changes: Vec<String>,
    /// a replacement is made before the old one goes: what others still use cannot be deleted first
    #[serde(default)]
    pub create_before_destroy: bool,
    /// they are ignored only while the component has such a connection
    pub connected: Option<OverConnections>,
}

/// A value: where it comes from and how it is converted on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// where it comes from
    pub source: Source,
    /// when it has a value at all
    pub when: When,
    /// it has a value only while the component has such a connection
    pub connected: Option<OverConnections>,
    /// table from config value to argument value; a value that is not in it is an error at load
    pub convert: BTreeMap<String, Value>,
    /// `part` of a text `part=number,…`: that number
    pub part: Option<String>,
    /// arithmetic on a number: times this
    pub multiply: Option<i64>,
    /// arithmetic on a number: at least this
    pub minimum: Option<i64>,
    /// type it is given as
    pub cast: Option<Cast>,
    /// used when the source has no value
    pub or: Option<Box<Expr>>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// it stands in the file
    Literal(Value),
    /// members; those without a value are left out
    List(Vec<Expr>),
    /// an object
    Map(Ordered<Expr>),
    /// a config key of the component
    Config(String),
    /// the display name, literally
    DisplayName,
    /// a name made by a rule of `naming`
    Name(String),
    /// text with `{placeholder}`s; always a literal in Terraform, never a template
    Template(String, Ordered<Expr>),
    /// a Terraform expression whose free names are the values beside it
    Expression(String, Ordered<Expr>),
    /// a thing that the design provides, at the main place or at a named one
    Ref(Role, Option<String>),
    /// attribute of another resource of this component: (key, path)
    Resource(String, String),
    /// attribute of a data source of this component: (key, path)
    Data(String, String),
    /// a secret variable of this component
    Secret(String),
    /// a variable of the design that this file declares
    Variable(String),
    /// a local of this component
    Local(String),
    /// what is being repeated over
    Each(String),
    /// item of the first such connection: what `for_each` over it would give as [`Source::Each`]
    Peer(OverConnections, String),
    /// items of all such connections, as a list; none when there is no connection
    Peers(OverConnections, String),
    /// `public`: whether the subnet is public, of the main place or of a named one
    Placement(PlacementFact, Option<String>),
}

/// Things that the design provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// OCID of the compartment
    Compartment,
    /// region identifier
    Region,
    /// name of the availability domain that config key `availability_domain` counts (1 when absent)
    AvailabilityDomain,
    /// id of the component's VCN
    Vcn,
    /// id of the component's subnet
    Subnet,
    /// ids of the component's network security groups (a list)
    Nsgs,
    /// subnet components: id of the route table
    RouteTable,
    /// subnet components: ids of the security lists (a list)
    SecurityLists,
    /// subnet components: the CIDR, given or derived
    SubnetCidr,
    /// id of "all services in the Oracle services network" of the region
    AllServices,
    /// Object Storage namespace of the tenancy
    ObjectStorageNamespace,
}

/// Facts about where a component stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlacementFact {
    /// true when the subnet is public
    Public,
}

/// Type a value is given as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cast {
    /// text: what the provider keeps as a string although it is a number or a bool
    String,
    /// upper case
    Upper,
    /// lower case
    Lower,
    /// an object: a list of texts `key=value` becomes it
    Map,
}

/// The written form of an [`Expr`] with a source.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    literal: Option<Value>,
    list: Option<Vec<Expr>>,
    map: Option<Ordered<Expr>>,
    config: Option<String>,
    display_name: Option<bool>,
    name: Option<String>,
    template: Option<String>,
    expression: Option<String>,
    with: Option<Ordered<Expr>>,
    at: Option<String>,
    variable: Option<String>,
    local: Option<String>,
    #[serde(rename = "ref")]
    role: Option<Role>,
    resource: Option<String>,
    data: Option<String>,
    attribute: Option<String>,
    secret: Option<String>,
    each: Option<String>,
    peer: Option<OverConnections>,
    peers: Option<OverConnections>,
    item: Option<String>,
    placement: Option<PlacementFact>,
    #[serde(default)]
    when: When,
    connected: Option<OverConnections>,
    #[serde(default)]
    convert: BTreeMap<String, Value>,
    part: Option<String>,
    multiply: Option<i64>,
    minimum: Option<i64>,
    #[serde(rename = "as")]
    cast: Option<Cast>,
    or: Option<Box<Expr>>,
}

impl Form {
    fn into_expr(self) -> Result<Expr, String> {
        let mut sources = Vec::new();
        sources.extend(self.literal.map(Source::Literal));
        sources.extend(self.list.map(Source::List));
        sources.extend(self.map.map(Source::Map));
        sources.extend(self.config.map(Source::Config));
        sources.extend(self.display_name.map(|_| Source::DisplayName));
        sources.extend(self.name.map(Source::Name));
        let with = self.with.unwrap_or_default();
        sources.extend(self.template.map(|text| Source::Template(text, with.clone())));
        sources.extend(self.expression.map(|text| Source::Expression(text, with)));
        if self.role.is_none() && self.placement.is_none() && self.at.is_some() {
            return Err("`at` belongs to `ref` or `placement`".to_owned());
        }
        let at = self.at;
        sources.extend(self.role.map(|role| Source::Ref(role, at.clone())));
        sources.extend(self.variable.map(Source::Variable));
        sources.extend(self.local.map(Source::Local));
        let attribute = self.attribute.unwrap_or_else(|| "id".to_owned());
        sources.extend(self.resource.map(|key| Source::Resource(key, attribute.clone())));
        sources.extend(self.data.map(|key| Source::Data(key, attribute.clone())));
        sources.extend(self.secret.map(Source::Secret));
        sources.extend(self.each.map(Source::Each));
        if self.item.is_some() && self.peer.is_none() && self.peers.is_none() {
            return Err("`item` belongs to `peer` or `peers`".to_owned());
        }
        let item = self.item.unwrap_or_else(|| "attribute.id".to_owned());
        sources.extend(self.peer.map(|over| Source::Peer(over, item.clone())));
        sources.extend(self.peers.map(|over| Source::Peers(over, item)));
        sources.extend(self.placement.map(|fact| Source::Placement(fact, at)));
        let found = sources.len();
        match (sources.pop(), found) {
            (Some(source), 1) => Ok(Expr {
                source,
                when: self.when,
                connected: self.connected,
                convert: self.convert,
                part: self.part,
                multiply: self.multiply,
                minimum: self.minimum,
                cast: self.cast,
                or: self.or,
            }),
            (_, found) => Err(format!(
                "a value has exactly one source (literal, list, map, config, display_name, name, template, expression, ref, resource, data, secret, variable, local, each, peer, peers, placement); this one has {found}"
            )),
        }
    }
}

impl Expr {
    /// A value that stands in the file.
    pub fn literal(value: Value) -> Expr {
        Expr::of(Source::Literal(value))
    }
    /// A value from a source, unconverted.
    pub fn of(source: Source) -> Expr {
        Expr {
            source,
            when: When::default(),
            connected: None,
            convert: BTreeMap::new(),
            part: None,
            multiply: None,
            minimum: None,
            cast: None,
            or: None,
        }
    }
    /// Calls `look` for this expression and every one inside it.
    pub fn walk<'a>(&'a self, look: &mut dyn FnMut(&'a Expr)) {
        look(self);
        match &self.source {
            Source::List(items) => items.iter().for_each(|item| item.walk(look)),
            Source::Map(members) | Source::Template(_, members) | Source::Expression(_, members) => {
                members.iter().for_each(|(_, member)| member.walk(look));
            }
            Source::Literal(_)
            | Source::Config(_)
            | Source::DisplayName
            | Source::Name(_)
            | Source::Ref(..)
            | Source::Resource(..)
            | Source::Data(..)
            | Source::Secret(_)
            | Source::Variable(_)
            | Source::Local(_)
            | Source::Each(_)
            | Source::Peer(..)
            | Source::Peers(..)
            | Source::Placement(..) => {}
        }
        if let Some(or) = &self.or {
            or.walk(look);
        }
    }
}

impl<'de> Deserialize<'de> for Expr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Expr;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a literal, a list, or a mapping with one source")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Expr, E> {
                Ok(Expr::literal(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Expr, E> {
                Ok(Expr::literal(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Expr, E> {
                Ok(Expr::literal(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Expr, E> {
                Ok(Expr::literal(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Expr, E> {
                Ok(Expr::literal(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Expr, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Expr::of(Source::List(items)))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expr, A::Error> {
                Form::deserialize(de::value::MapAccessDeserializer::new(map))?.into_expr().map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

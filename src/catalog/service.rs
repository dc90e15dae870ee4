//! One service type: what a person may say about it (config, connections, placement, ports) and what it becomes.
//! Only data types; `deny_unknown_fields` everywhere, because a misspelt key in a service file must not be silence.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub use super::keys::{ConfigKey, DefaultWhen, Format, ValueType};
use super::mapping::{BlockMapping, DataMapping, Direction, Expr, Ordered, OverConnections, ResourceMapping, Source, When};
use super::spelling::bare;
use crate::api::session::Language;

/// A text in both languages.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Japanese
    pub ja: String,
    /// English
    pub en: String,
}

impl Text {
    /// The text in a language.
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::Ja => &self.ja,
            Language::En => &self.en,
        }
    }
}

/// A service type: one file of `rules/services/`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// name in designs, such as `adb`
    #[serde(rename = "type")]
    pub service_type: String,
    /// other words people write for the type; letter case and separators never matter
    #[serde(default)]
    pub aliases: Vec<String>,
    /// short name
    pub names: Text,
    /// what it is and when to take it
    pub description: Text,
    /// file its resources go to: `network.tf`, `compute.tf`, `database.tf`, `storage.tf`, …
    pub tier: String,
    /// part it plays in the network, if it is network
    pub network: Option<NetworkRole>,
    /// how it stands in a subnet; absent = it never does
    pub placement: Option<Placement>,
    /// ports it listens on
    #[serde(default)]
    pub ports: Vec<Port>,
    /// what its own NSG lets out
    #[serde(default)]
    pub egress: Vec<Egress>,
    /// fixed rules between its own security groups and the world
    #[serde(default)]
    pub rules: Vec<RuleMapping>,
    /// the address under which others reach it
    pub hosts: Option<Hosts>,
    /// config keys in the order people read them
    #[serde(default)]
    pub config: Ordered<ConfigKey>,
    /// config keys that people write and that are refused → what to write instead
    #[serde(default)]
    pub instead: Ordered<Text>,
    /// connection type → service types it may end at
    #[serde(default)]
    pub connections: Ordered<Vec<String>>,
    /// connection type → service types it may start at: what `connections` of those files would say, said here, so that a
    /// new service is one new file
    #[serde(default)]
    pub accepts: Ordered<Vec<String>>,
    /// connection type that people write and that no file allows here → the types it is read as, of which the first that
    /// the pair allows counts
    #[serde(default)]
    pub read_as: Ordered<Vec<String>>,
    /// connections without which it cannot be made
    #[serde(default)]
    pub requires: Vec<Requirement>,
    /// connections of which it takes one at most
    #[serde(default)]
    pub single: Vec<OverConnections>,
    /// names made by rule
    #[serde(default)]
    pub naming: Ordered<NameRule>,
    /// secret variables
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// variables that are not secret
    #[serde(default)]
    pub variables: Vec<Variable>,
    /// Terraform `locals`: `<label>_<name>`
    #[serde(default)]
    pub locals: Ordered<Expr>,
    /// data sources
    #[serde(default)]
    pub data: Vec<DataMapping>,
    /// managed resources, the primary one first
    pub resources: Vec<ResourceMapping>,
    /// Terraform outputs
    #[serde(default)]
    pub outputs: Vec<Output>,
    /// quota limits of the tenancy that it counts against
    #[serde(default)]
    pub limits: Vec<Limit>,
}

impl Service {
    /// The config key of that name or alias, with its real name. Letter case and separators do not matter: `nodeCount` is
    /// `node_count`.
    pub fn key(&self, name: &str) -> Option<(&str, &ConfigKey)> {
        let exact = self.config.iter().find(|(key, schema)| *key == name || schema.aliases.iter().any(|alias| alias == name));
        exact.or_else(|| {
            let wanted = bare(name);
            let names = |key: &str, schema: &ConfigKey| bare(key) == wanted || schema.aliases.iter().any(|alias| bare(alias) == wanted);
            self.config.iter().find(|(key, schema)| names(key, schema))
        })
    }
    /// Whether a place of that name exists: absent is the main one.
    pub fn has_spot(&self, at: Option<&str>) -> bool {
        let named = |name: &str| self.placement.as_ref().is_some_and(|p| p.others.get(name).is_some());
        at.is_none_or(named)
    }
    /// Connections of which a component takes one: those its file says so of, and those that a value names the other end of.
    pub fn single_peers(&self) -> Vec<&OverConnections> {
        let mut found: Vec<&OverConnections> = self.single.iter().collect();
        for expr in self.expressions() {
            if let Source::Peer(over, _) = &expr.source
                && !found.contains(&over)
            {
                found.push(over);
            }
        }
        found
    }
    /// Every expression of locals, data sources and resources.
    fn expressions(&self) -> Vec<&Expr> {
        fn nested<'b>(blocks: &'b [BlockMapping], into: &mut Vec<&'b Expr>) {
            for block in blocks {
                into.extend(block.arguments.iter().map(|(_, expr)| expr));
                nested(&block.blocks, into);
            }
        }
        let mut outer: Vec<&Expr> = self.locals.iter().map(|(_, expr)| expr).collect();
        let resources = self.resources.iter().map(|r| (&r.arguments, &r.blocks));
        for (arguments, blocks) in resources.chain(self.data.iter().map(|d| (&d.arguments, &d.blocks))) {
            outer.extend(arguments.iter().map(|(_, expr)| expr));
            nested(blocks, &mut outer);
        }
        let mut all = Vec::new();
        outer.into_iter().for_each(|expr| expr.walk(&mut |e| all.push(e)));
        all
    }
    /// Service types a connection of that type may end at.
    pub fn targets(&self, connection_type: &str) -> &[String] {
        self.connections.get(connection_type).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A connection a component cannot be without, how many it may have, and what stands at their other ends.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// which end this component is
    pub direction: Direction,
    /// connection types, at least one
    pub types: Vec<String>,
    /// service types at the other end, at least one
    pub with: Vec<String>,
    /// when it is required
    #[serde(default)]
    pub when: When,
    /// how many there may be
    #[serde(default = "one")]
    pub most: usize,
    /// config the component at the other end must have: key → value, or list of values
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
    /// what to do when it is not so, when the message does not say it all
    pub advice: Option<Text>,
}

impl Requirement {
    /// The connections that count.
    pub fn over(&self) -> OverConnections {
        let Requirement { direction, types, with, .. } = self;
        OverConnections { direction: *direction, types: types.clone(), with: with.clone(), hosts: false, made: None }
    }
}

/// Parts of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkRole {
    /// virtual cloud network
    Vcn,
    /// subnet
    Subnet,
    /// internet gateway
    InternetGateway,
    /// NAT gateway
    NatGateway,
    /// service gateway
    ServiceGateway,
    /// route table
    RouteTable,
    /// security list
    SecurityList,
    /// network security group of the person's own
    SecurityGroup,
    /// end of a connection between two VCNs of one region; `vcn_peering` between VCNs makes both ends
    LocalPeering,
    /// dynamic routing gateway: stands in no VCN
    Drg,
    /// what joins a VCN to a dynamic routing gateway
    DrgAttachment,
    /// end of a connection between two dynamic routing gateways: stands in no VCN
    RemotePeering,
}

impl NetworkRole {
    /// Whether the part belongs to a VCN.
    pub fn in_vcn(self) -> bool {
        match self {
            NetworkRole::Drg | NetworkRole::RemotePeering => false,
            NetworkRole::Vcn
            | NetworkRole::Subnet
            | NetworkRole::InternetGateway
            | NetworkRole::NatGateway
            | NetworkRole::ServiceGateway
            | NetworkRole::RouteTable
            | NetworkRole::SecurityList
            | NetworkRole::SecurityGroup
            | NetworkRole::LocalPeering
            | NetworkRole::DrgAttachment => true,
        }
    }
}

/// How a service stands in a subnet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// when it needs a subnet at all
    #[serde(default)]
    pub when: When,
    /// tier of the derived subnet
    pub tier: SubnetTier,
    /// when it belongs into a public subnet
    pub public_when: Option<When>,
    /// connections any of which puts it into a public subnet
    #[serde(default)]
    pub public_with: Vec<OverConnections>,
    /// addresses it takes of its subnet even when there is one of it
    #[serde(default = "one_address")]
    pub addresses: u8,
    /// words in the names of subnets that are meant for it
    #[serde(default)]
    pub words: Vec<String>,
    /// whether it carries a network security group
    #[serde(default)]
    pub nsg: bool,
    /// further places of one component, such as the API endpoint of a cluster
    #[serde(default)]
    pub others: Ordered<Spot>,
}

fn one_address() -> u8 {
    1
}

/// A further place of a component: the main subnet when that is of the wanted kind, else the one of the tier.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// when it exists
    #[serde(default)]
    pub when: When,
    /// tier of the subnet while it is private
    pub tier: SubnetTier,
    /// when it belongs into a public subnet
    pub public_when: Option<When>,
    /// words in the names of subnets that are meant for it
    #[serde(default)]
    pub words: Vec<String>,
    /// whether it carries a security group of its own
    #[serde(default)]
    pub nsg: bool,
}

/// A fixed rule of one of the component's security groups.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleMapping {
    /// short name, part of the Terraform label
    pub name: String,
    /// place whose group has it; absent = the main one
    pub at: Option<String>,
    /// when it exists
    #[serde(default)]
    pub when: When,
    /// direction
    pub flow: FlowWord,
    /// other end
    pub peer: RulePeer,
    /// transport
    #[serde(default)]
    pub protocol: Protocol,
    /// one port or `[first, last]`; absent = all
    pub port: Option<PortSpan>,
    /// why it exists; becomes the rule's description
    pub why: String,
}

/// Direction of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowWord {
    /// into the group
    Ingress,
    /// out of the group
    Egress,
}

/// Other end of a fixed rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum RulePeer {
    /// a word: see [`PeerWord`]
    Word(PeerWord),
    /// the group of another place of this component
    Spot(SpotPeer),
    /// a config key with a CIDR; no rule when it has no value
    Config(ConfigPeer),
}

/// `{ spot: name }`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpotPeer {
    /// name of the place
    pub spot: String,
}

/// `{ config: key }`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigPeer {
    /// config key
    pub config: String,
}

/// Ends of fixed rules that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerWord {
    /// the component's main group
    Main,
    /// the whole VCN
    Vcn,
    /// OCI services of the region
    Services,
    /// anywhere
    Anywhere,
}

/// One port or a span of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum PortSpan {
    /// one
    One(u16),
    /// first and last
    Span([u16; 2]),
}

/// The address under which others reach a component.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hosts {
    /// the address; `[*]` in an attribute stands for the number of the copy
    pub value: Expr,
    /// config key that counts the copies; absent = one
    pub count: Option<String>,
}

/// A variable that is not secret: one for the whole design, whoever uses it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// its name
    pub name: String,
    /// when the component uses it
    #[serde(default)]
    pub when: When,
    /// value when the design gives none
    pub default: Option<String>,
    /// true: the default is only good for the simulated cloud
    #[serde(default)]
    pub placeholder: bool,
    /// what it is
    pub description: Text,
}

/// Purposes of subnets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubnetTier {
    /// reachable from the internet
    Public,
    /// private, applications
    App,
    /// private, databases
    Db,
}

/// A port a service listens on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// short name, part of Terraform labels
    pub name: String,
    /// tcp or udp
    #[serde(default)]
    pub protocol: Protocol,
    /// the port: literal or config key (a list-valued key opens each)
    pub port: Expr,
    /// connection types that use it
    #[serde(default)]
    pub via: Vec<String>,
    /// connections that start here and whose other end fetches from it
    pub pulled: Option<OverConnections>,
    /// place of the component it listens at; absent = the main one
    pub at: Option<String>,
    /// true: reached at an endpoint of OCI in the region, not where the component stands
    #[serde(default)]
    pub outside: bool,
    /// true: open to the internet when the component stands in a public subnet
    #[serde(default)]
    pub public: bool,
    /// config key with a CIDR that may reach it beside the connections
    pub from: Option<String>,
    /// it listens there only while the component has such a connection
    pub needs: Option<OverConnections>,
}

/// Transport protocols.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
    /// ICMP type 3 code 4: path MTU discovery
    Icmp,
    /// everything
    All,
}

/// What an NSG lets out beside connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Egress {
    /// HTTP and HTTPS to anywhere (packages, images, APIs)
    Web,
    /// HTTPS to OCI services
    Services,
}

/// How a name is made that OCI restricts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameRule {
    /// what it is made from
    pub from: NameSource,
    /// characters it may have beside letters and digits
    #[serde(default)]
    pub symbols: String,
    /// what stands for a run of other characters; empty = they are dropped
    #[serde(default)]
    pub separator: String,
    /// whether it must start with a letter
    #[serde(default)]
    pub letter_first: bool,
    /// most characters, suffix included
    pub max_length: usize,
    /// when a short hash of session and component id is appended
    #[serde(default)]
    pub suffix: Suffix,
    /// whether it is made lower case
    #[serde(default)]
    pub lower: bool,
}

/// What a name is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameSource {
    /// the component's label
    Label,
    /// the display name
    DisplayName,
}

/// When a hash is appended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suffix {
    /// always: the name is unique in more than the design
    Always,
    /// when the source had to be changed: two sources never become one name
    #[default]
    WhenChanged,
}

/// A secret variable of a component: `<label>_<name>`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// last part of the variable's name
    pub name: String,
    /// characters of a generated value
    pub length: usize,
    /// symbols it may use; at least one is used when not empty
    #[serde(default)]
    pub symbols: String,
    /// fewest capitals, small letters, digits and (when it has any) symbols, each
    #[serde(default = "one")]
    pub of_each: usize,
    /// what it is
    pub description: Text,
}

fn one() -> usize {
    1
}

/// A Terraform output: `<label>_<name>`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// last part of the output's name
    pub name: String,
    /// when it exists
    #[serde(default)]
    pub when: When,
    /// its value
    pub value: Expr,
    /// whether Terraform hides it
    #[serde(default)]
    pub sensitive: bool,
    /// what it is
    pub description: Text,
}

/// A limit of the tenancy that one component counts against. The names are those of the Limits service; which of them a
/// region has is asked there when a plan is checked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// name of the service, such as `compute`
    pub service: String,
    /// name of the limit, such as `standard-e4-core-count`
    pub limit: String,
    /// how much one component takes: a number or a config key
    pub amount: Expr,
    /// when it counts
    #[serde(default)]
    pub when: When,
}

/// Every key a mapping names, for the check that none is ignored.
pub(super) fn keys_of_when(when: &When) -> impl Iterator<Item = &String> {
    when.config.keys().chain(&when.set).chain(&when.unset)
}

/// Values of config keys by name.
pub type Config = BTreeMap<String, Value>;

/// Whether a config has all these values; a list of values means one of them.
pub fn has_values(config: &Config, wanted: &BTreeMap<String, Value>) -> bool {
    wanted.iter().all(|(key, value)| match (config.get(key), value) {
        (Some(actual), Value::Array(any)) => any.contains(actual),
        (Some(actual), value) => actual == value,
        (None, _) => false,
    })
}

impl When {
    /// Whether it holds. `public`: None when the component stands in no subnet.
    pub fn holds(&self, config: &Config, public: Option<bool>) -> bool {
        let When { config: wanted, set, unset, placed, public: wanted_public } = self;
        has_values(config, wanted)
            && set.iter().all(|key| config.contains_key(key))
            && unset.iter().all(|key| !config.contains_key(key))
            && placed.is_none_or(|wanted| wanted == public.is_some())
            && wanted_public.is_none_or(|wanted| public == Some(wanted))
    }
}

/// Config keys that the network derivation reads by name from components of a network role.
pub(super) fn keys_of_role(role: NetworkRole) -> &'static [&'static str] {
    match role {
        NetworkRole::Vcn => &["cidr_block"],
        NetworkRole::Subnet => &["cidr_block", "prohibit_public_ip"],
        NetworkRole::RouteTable => &["destination"],
        NetworkRole::DrgAttachment | NetworkRole::RemotePeering | NetworkRole::LocalPeering => &["remote_cidrs"],
        NetworkRole::InternetGateway
        | NetworkRole::NatGateway
        | NetworkRole::ServiceGateway
        | NetworkRole::SecurityList
        | NetworkRole::SecurityGroup
        | NetworkRole::Drg => &[],
    }
}

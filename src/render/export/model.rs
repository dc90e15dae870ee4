//! What the diagrams show: region → VCN → subnet → component, regional services beside it, and the lines between them.
//! Values only; `chart` makes them.

use crate::catalog::service::SubnetTier;

/// What a component is, for its pictogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// gateways and other network parts
    Network,
    /// route tables
    Routes,
    /// security lists
    Security,
    /// virtual machines
    Compute,
    /// Kubernetes
    Containers,
    /// functions
    Functions,
    /// databases
    Database,
    /// buckets, files, volumes
    Storage,
    /// API gateways and load balancers
    Edge,
    /// streams, queues, events
    Messaging,
    /// logs and alarms
    Monitoring,
    /// everything else
    Other,
}

/// One component.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// position in the design; derived parts count on after it
    pub key: usize,
    /// display name in one line
    pub name: String,
    /// name of the service in the reader's language; the type as written when the catalogue has no such service
    pub service: String,
    /// for the pictogram
    pub category: Category,
    /// added by Galley, not by the person
    pub derived: bool,
    /// whether the catalogue knows the type
    pub known: bool,
}

/// A VCN and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Vcn {
    /// itself
    pub node: Node,
    /// its CIDR, as far as it is known
    pub cidr: String,
    /// gateways
    pub gateways: Vec<Node>,
    /// public first, databases last
    pub subnets: Vec<Subnet>,
    /// in the VCN and in no subnet
    pub loose: Vec<Node>,
    /// route tables and security lists the person brought
    pub tables: Vec<Node>,
}

/// A subnet and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Subnet {
    /// itself
    pub node: Node,
    /// its CIDR, as far as it is known
    pub cidr: String,
    /// purpose
    pub tier: SubnetTier,
    /// names of its route table and security lists, as far as the person brought them
    pub attached: Vec<String>,
    /// components in it
    pub cards: Vec<Node>,
}

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// key it starts at
    pub from: usize,
    /// key it ends at
    pub to: usize,
    /// connection types as written, in order, each once
    pub kinds: Vec<String>,
}

/// The whole picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// title
    pub title: String,
    /// region identifier
    pub region: String,
    /// VCNs in the order of the design
    pub vcns: Vec<Vcn>,
    /// outside every VCN
    pub regional: Vec<Node>,
    /// connections that nesting does not show
    pub links: Vec<Link>,
}

//! Blocks and attributes: the published schema joined with the extras. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Type;

/// A block: the body of a resource, a data source, the provider, or a nested block.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    /// attributes by name
    pub attributes: BTreeMap<String, Attribute>,
    /// nested blocks by name, `timeouts` included
    pub blocks: BTreeMap<String, NestedBlock>,
    /// the whole type is deprecated
    pub deprecated: bool,
}

/// An attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// its type
    pub ty: Type,
    /// must be in the configuration (what the API wants beyond that: `required_when`, and the catalogue)
    pub required: bool,
    /// may be in the configuration
    pub optional: bool,
    /// the provider may set it when the configuration does not; with `optional` the old value stays when it is removed
    pub computed: bool,
    /// never shown
    pub sensitive: bool,
    /// a change destroys and recreates the resource
    pub force_new: bool,
    /// what the provider puts in when the configuration leaves it out (attributes that are not computed)
    pub default: Option<Value>,
    /// allowed values; for a list or set of strings of each element. Empty = free
    pub enum_values: Vec<String>,
    /// who enforces `enum_values`
    pub enum_source: Option<EnumSource>,
    /// absolute dotted paths (list elements as `.0`) that may not be set beside this one
    pub conflicts_with: Vec<String>,
    /// a range in words ("at least (1)")
    pub range: Option<String>,
    /// a whole number that configuration, plan and state carry as a string
    pub int64_as_string: bool,
    /// the string holds a JSON document
    pub json_string: bool,
    /// from the provider's documents: required when a sibling has one of these values ("type=iscsi | emulated")
    pub required_when: Option<String>,
    /// from the provider's documents: means something only then
    pub applicable_when: Option<String>,
    /// the provider's notice, or "" when only the schema says so
    pub deprecated: Option<String>,
}

impl Attribute {
    /// In the configuration or not, the provider decides: computed and not optional.
    pub fn is_read_only(&self) -> bool {
        self.computed && !self.optional && !self.required
    }
}

/// Who enforces an enumeration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnumSource {
    /// the provider, when it validates (letter case is ignored there)
    ProviderValidate,
    /// the service, when it is called (letter case matters)
    Sdk,
}

/// How a nested block may repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    /// at most once, an object (only `timeouts`)
    Single,
    /// ordered
    List,
    /// unordered
    Set,
}

/// A nested block.
#[derive(Debug, Clone, PartialEq)]
pub struct NestedBlock {
    /// how it may repeat
    pub nesting: Nesting,
    /// fewest; 0 = optional
    pub min_items: u64,
    /// most; 0 = no bound
    pub max_items: u64,
    /// a change in the number of blocks (or in a set: any change) destroys and recreates the resource
    pub force_new: bool,
    /// every value inside is sensitive
    pub sensitive: bool,
    /// the service fills it when the configuration has no such block; the published schema has no word for that
    pub computed: bool,
    /// as [`Attribute::conflicts_with`]
    pub conflicts_with: Vec<String>,
    /// as [`Attribute::required_when`]
    pub required_when: Option<String>,
    /// its body
    pub block: Block,
}

/// What stands at a dotted path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node<'a> {
    /// an attribute
    Attribute(&'a Attribute),
    /// a nested block
    Block(&'a NestedBlock),
}

#[derive(Deserialize)]
struct RawSchema {
    block: RawBlock,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawBlock {
    attributes: BTreeMap<String, RawAttribute>,
    block_types: BTreeMap<String, RawNested>,
    deprecated: bool,
}

#[derive(Deserialize)]
struct RawAttribute {
    #[serde(rename = "type", default)]
    ty: Value,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    computed: bool,
    #[serde(default)]
    sensitive: bool,
    #[serde(default)]
    deprecated: bool,
}

#[derive(Deserialize)]
struct RawNested {
    nesting_mode: String,
    #[serde(default)]
    min_items: u64,
    #[serde(default)]
    max_items: u64,
    block: RawBlock,
}

#[derive(Deserialize, Default)]
struct RawExtras {
    #[serde(default)]
    attributes: BTreeMap<String, RawExtra>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawExtra {
    force_new: bool,
    default: Option<Value>,
    sensitive: bool,
    conflicts_with: Vec<String>,
    range: Option<String>,
    int64_as_string: bool,
    json_string: bool,
    #[serde(rename = "enum")]
    enum_values: Vec<String>,
    enum_src: Option<EnumSource>,
    required_when: Option<String>,
    applicable_when: Option<String>,
    deprecated: Option<String>,
}

impl Block {
    /// Joins a schema text with its extras text. A text that does not parse gives an empty block (a test parses them all).
    /// `computed` are the dotted paths of the blocks that the service fills.
    pub(super) fn parse(schema: &str, extras: Option<&str>, computed: &[&str]) -> Block {
        let raw = serde_json::from_str::<RawSchema>(schema).map(|s| s.block).unwrap_or_default();
        let extras = extras.and_then(|text| serde_json::from_str::<RawExtras>(text).ok()).unwrap_or_default();
        build(raw, &extras.attributes, computed, "")
    }

    /// What stands at a dotted path of names; numeric segments (list indexes) are skipped: `source_details.0.source_id`.
    pub fn find(&self, path: &str) -> Option<Node<'_>> {
        let mut names = path.split('.').filter(|name| name.parse::<usize>().is_err()).peekable();
        let mut block = self;
        loop {
            let name = names.next()?;
            if let Some(attribute) = block.attributes.get(name) {
                return Some(Node::Attribute(attribute));
            }
            let nested = block.blocks.get(name)?;
            if names.peek().is_none() {
                return Some(Node::Block(nested));
            }
            block = &nested.block;
        }
    }

    /// Names of all attributes and blocks that a configuration may hold, sorted; `timeouts` left out.
    pub fn configurable(&self) -> Vec<&str> {
        let attributes = self.attributes.iter().filter(|(_, a)| !a.is_read_only()).map(|(name, _)| name.as_str());
        let mut names: Vec<&str> = attributes.chain(self.blocks.keys().map(String::as_str).filter(|name| *name != "timeouts")).collect();
        names.sort_unstable();
        names
    }

    /// Whether anything inside carries ForceNew.
    pub fn has_force_new(&self) -> bool {
        self.attributes.values().any(|a| a.force_new) || self.blocks.values().any(|b| b.force_new || b.block.has_force_new())
    }
}

fn build(raw: RawBlock, extras: &BTreeMap<String, RawExtra>, computed: &[&str], prefix: &str) -> Block {
    let none = RawExtra::default();
    let at = |name: &str| extras.get(&format!("{prefix}{name}")).unwrap_or(&none);
    let attributes = raw.attributes.into_iter().map(|(name, a)| {
        let extra = at(&name);
        let attribute = Attribute {
            ty: Type::parse(&a.ty),
            required: a.required,
            optional: a.optional,
            computed: a.computed,
            sensitive: a.sensitive || extra.sensitive,
            force_new: extra.force_new,
            default: extra.default.clone(),
            enum_values: extra.enum_values.clone(),
            enum_source: extra.enum_src,
            conflicts_with: extra.conflicts_with.clone(),
            range: extra.range.clone(),
            int64_as_string: extra.int64_as_string,
            json_string: extra.json_string,
            required_when: extra.required_when.clone(),
            applicable_when: extra.applicable_when.clone(),
            deprecated: extra.deprecated.clone().or_else(|| a.deprecated.then(String::new)),
        };
        (name, attribute)
    });
    let attributes = attributes.collect();
    let blocks = raw.block_types.into_iter().map(|(name, nested)| {
        let extra = at(&name);
        let block = NestedBlock {
            nesting: match nested.nesting_mode.as_str() {
                "single" => Nesting::Single,
                "set" => Nesting::Set,
                _ => Nesting::List,
            },
            min_items: nested.min_items,
            max_items: nested.max_items,
            force_new: extra.force_new,
            sensitive: extra.sensitive,
            computed: computed.contains(&format!("{prefix}{name}").as_str()),
            conflicts_with: extra.conflicts_with.clone(),
            required_when: extra.required_when.clone(),
            block: build(nested.block, extras, computed, &format!("{prefix}{name}.")),
        };
        (name, block)
    });
    Block { attributes, blocks: blocks.collect(), deprecated: raw.deprecated }
}

//! Index of the schema of the provider oracle/oci 8.28.0 (163 resource types, 168 data sources), with what the published
//! schema format leaves out: ForceNew, defaults, enumerations, conflicts.
//!
//! Takes nothing: the data is embedded (`rules/provider/`, see the README there). Two gzip texts are unpacked once; a type
//! is parsed when it is first asked for and kept, so a process that needs ten types holds ten. Pure: no IO, no clock.
//!
//! ```
//! use galley::render::schema::Schema;
//! let schema = Schema::builtin();
//! let subnet = schema.resource("oci_core_subnet").expect("a core type");
//! assert!(subnet.attributes["vcn_id"].force_new);
//! assert!(subnet.attributes["compartment_id"].required);
//! ```

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use serde::Deserialize;
use serde_json::value::RawValue;

mod block;
mod ty;

pub use block::{Attribute, Block, EnumSource, NestedBlock, Nesting, Node};
pub use ty::Type;

/// Version of the provider that the embedded files describe.
pub const PROVIDER_VERSION: &str = "8.28.0";
/// Source address of the provider, as Terraform spells it.
pub const PROVIDER_SOURCE: &str = "registry.terraform.io/oracle/oci";

static SCHEMA_GZ: &[u8] = include_bytes!("../../../rules/provider/schema-8.28.0-core.json.gz");
static EXTRAS_GZ: &[u8] = include_bytes!("../../../rules/provider/extras-8.28.0-core.json.gz");

/// What the API requires although the schema calls it optional: resource type → attributes or blocks.
static REQUIRED: &str = include_str!("../../../rules/provider/required.json");

/// Nested blocks that the service fills when the configuration leaves them out: resource type → dotted paths.
static COMPUTED_BLOCKS: &str = include_str!("../../../rules/provider/computed-blocks.json");

type RawMap = BTreeMap<&'static str, &'static RawValue>;

/// The schema. There is one: [`Schema::builtin`].
pub struct Schema {
    provider: Option<&'static RawValue>,
    resources: RawMap,
    data_sources: RawMap,
    extras: RawMap,
    required: BTreeMap<&'static str, Vec<&'static str>>,
    computed_blocks: BTreeMap<&'static str, Vec<&'static str>>,
    parsed: RwLock<HashMap<(Kind, &'static str), Arc<Block>>>,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schema")
            .field("resources", &self.resources.len())
            .field("data_sources", &self.data_sources.len())
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Resource,
    DataSource,
}

/// What the schema knows about a resource type beside its block.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ResourceFacts {
    /// whether `terraform import` (and an import block) works
    #[serde(default)]
    pub importable: bool,
    /// default timeouts as the provider writes them ("20m0s"), keys create, read, update, delete
    #[serde(default)]
    pub timeouts: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    provider: Option<&'a RawValue>,
    #[serde(borrow)]
    resource_schemas: BTreeMap<&'a str, &'a RawValue>,
    #[serde(borrow)]
    data_source_schemas: BTreeMap<&'a str, &'a RawValue>,
}

#[derive(Deserialize)]
struct ExtrasText<'a> {
    #[serde(borrow)]
    resources: BTreeMap<&'a str, &'a RawValue>,
}

impl Schema {
    /// The embedded schema of provider [`PROVIDER_VERSION`]. The first call unpacks it (a few milliseconds, about 1.2 MB kept).
    pub fn builtin() -> &'static Schema {
        static BUILTIN: OnceLock<Schema> = OnceLock::new();
        BUILTIN.get_or_init(|| Schema::parse(unpack(SCHEMA_GZ), unpack(EXTRAS_GZ)))
    }

    /// A text that does not parse gives an empty index; a test holds that the embedded ones do parse.
    fn parse(schema: String, extras: String) -> Schema {
        let schema: &'static str = Box::leak(schema.into_boxed_str());
        let extras: &'static str = Box::leak(extras.into_boxed_str());
        let text = serde_json::from_str::<Text>(schema).unwrap_or(Text {
            provider: None,
            resource_schemas: RawMap::new(),
            data_source_schemas: RawMap::new(),
        });
        let extras = serde_json::from_str::<ExtrasText>(extras).map(|e| e.resources).unwrap_or_default();
        Schema {
            provider: text.provider,
            resources: text.resource_schemas,
            data_sources: text.data_source_schemas,
            extras,
            required: serde_json::from_str(REQUIRED).unwrap_or_default(),
            computed_blocks: serde_json::from_str(COMPUTED_BLOCKS).unwrap_or_default(),
            parsed: RwLock::new(HashMap::new()),
        }
    }

    /// The block of a resource type, or `None` when the core set does not hold it.
    pub fn resource(&self, resource_type: &str) -> Option<Arc<Block>> {
        self.block(Kind::Resource, resource_type)
    }

    /// The block of a data source, or `None` when the core set does not hold it.
    pub fn data_source(&self, data_source: &str) -> Option<Arc<Block>> {
        self.block(Kind::DataSource, data_source)
    }

    /// The provider's own configuration block.
    pub fn provider(&self) -> Block {
        self.provider.map(|raw| Block::parse(raw.get(), None, &[])).unwrap_or_default()
    }

    /// Importable and timeouts of a resource type.
    pub fn facts(&self, resource_type: &str) -> Option<ResourceFacts> {
        self.extras.get(resource_type).map(|raw| serde_json::from_str(raw.get()).unwrap_or_default())
    }

    /// Attributes and blocks without which the API refuses a resource although the schema calls them optional.
    pub fn required_by_api(&self, resource_type: &str) -> impl Iterator<Item = &'static str> + '_ {
        self.required.get(resource_type).into_iter().flatten().copied()
    }

    /// Whether the core set holds that resource type, or that data source; nothing is parsed.
    pub fn knows(&self, data_source: bool, name: &str) -> bool {
        if data_source { self.data_sources.contains_key(name) } else { self.resources.contains_key(name) }
    }

    /// Names of all resource types, sorted.
    pub fn resource_types(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.resources.keys().copied()
    }

    /// Names of all data sources, sorted.
    pub fn data_sources(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.data_sources.keys().copied()
    }

    /// `{"version": n, "block": …}` of a resource type as the published format has it.
    pub fn raw_resource(&self, resource_type: &str) -> Option<&'static RawValue> {
        self.resources.get(resource_type).copied()
    }

    /// `{"version": n, "block": …}` of a data source.
    pub fn raw_data_source(&self, data_source: &str) -> Option<&'static RawValue> {
        self.data_sources.get(data_source).copied()
    }

    /// `{"version": n, "block": …}` of the provider's configuration.
    pub fn raw_provider(&self) -> Option<&'static RawValue> {
        self.provider
    }

    fn block(&self, kind: Kind, name: &str) -> Option<Arc<Block>> {
        let map = match kind {
            Kind::Resource => &self.resources,
            Kind::DataSource => &self.data_sources,
        };
        let (&name, raw) = map.get_key_value(name)?;
        let key = (kind, name);
        if let Some(found) = self.parsed.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Some(Arc::clone(found));
        }
        let extras = match kind {
            Kind::Resource => self.extras.get(name).map(|raw| raw.get()),
            Kind::DataSource => None,
        };
        let computed = match kind {
            Kind::Resource => self.computed_blocks.get(name).map(Vec::as_slice).unwrap_or_default(),
            Kind::DataSource => &[],
        };
        let block = Arc::new(Block::parse(raw.get(), extras, computed));
        let mut parsed = self.parsed.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(parsed.entry(key).or_insert(block)))
    }
}

fn unpack(gz: &[u8]) -> String {
    let mut text = String::new();
    match flate2::read::GzDecoder::new(gz).read_to_string(&mut text) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;

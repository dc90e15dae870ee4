//! What only the running provider tells: which nested blocks it computes when the configuration leaves them out. The
//! published schema has no word for that. Asked as Terraform asks, by planning a create of every type of the core set:
//! with no block, then with one element in each block and in those around it. Written to `rules/provider/computed-blocks.json`
//! (`UPDATE_GOLDEN=1`), and compared with it otherwise.

use std::collections::BTreeMap;
use std::path::Path;

use galley::render::schema::{Attribute, Block, Nesting, Schema, Type};
use rmpv::Value as Pack;

use crate::stage::Real;

#[allow(
    dead_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated from proto/tfplugin5.proto, which has more messages than this question needs"
)]
mod tf {
    include!(concat!(env!("OUT_DIR"), "/tfplugin5.rs"));
}

/// Resource type → dotted paths of its computed blocks.
pub type Found = BTreeMap<String, Vec<String>>;

/// Asks a provider. One that ends over a question is started again: its own code takes five blocks apart without looking,
/// in scheduled operations of a database for one. Nothing is said about what is inside those.
pub fn computed_blocks(start: impl Fn() -> Real) -> Found {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut real = start();
        let mut client = connect(real.socket()).await;
        let mut found = Found::new();
        for name in Schema::builtin().resource_types() {
            let block = Schema::builtin().resource(name).unwrap();
            let mut paths = Vec::new();
            for chain in chains(&block) {
                let Some(planned) = plan(&mut client, name, least(&block, &chain)).await else {
                    drop(real);
                    real = start();
                    client = connect(real.socket()).await;
                    continue;
                };
                collect(&block, &planned, "", &mut paths);
            }
            paths.sort();
            paths.dedup();
            if !paths.is_empty() {
                found.insert(name.to_owned(), paths);
            }
        }
        found
    })
}

type Client = tonic::client::Grpc<tonic::transport::Channel>;

async fn connect(socket: &Path) -> Client {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap();
    tonic::client::Grpc::new(endpoint.connect().await.unwrap())
}

async fn plan(client: &mut Client, name: &str, config: Pack) -> Option<Pack> {
    let value = |value: &Pack| {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, value).unwrap();
        Some(tf::DynamicValue { msgpack: bytes, json: Vec::new() })
    };
    let request = tf::plan_resource_change::Request {
        type_name: name.to_owned(),
        prior_state: value(&Pack::Nil),
        proposed_new_state: value(&config),
        config: value(&config),
        ..Default::default()
    };
    client.ready().await.ok()?;
    let codec = tonic_prost::ProstCodec::<_, tf::plan_resource_change::Response>::default();
    let path = "/tfplugin5.Provider/PlanResourceChange".parse().unwrap();
    let response = client.unary(tonic::Request::new(request), path, codec).await.ok()?.into_inner();
    let bytes = response.planned_state.map(|state| state.msgpack).unwrap_or_default();
    if bytes.is_empty() {
        return Some(Pack::Nil);
    }
    Some(rmpv::decode::read_value(&mut &bytes[..]).unwrap())
}

/// Every block of a type by the names that lead to it, the type itself first.
fn chains(block: &Block) -> Vec<Vec<String>> {
    let inner = block.blocks.iter().filter(|(_, nested)| nested.nesting != Nesting::Single);
    let below = inner.flat_map(|(name, nested)| {
        chains(&nested.block).into_iter().map(|chain| [name.clone()].into_iter().chain(chain).collect::<Vec<_>>()).collect::<Vec<_>>()
    });
    [Vec::new()].into_iter().chain(below).collect()
}

/// A configuration that says as little as it may: required attributes, and one element in each block of the chain.
fn least(block: &Block, chain: &[String]) -> Pack {
    let value = |attribute: &Attribute| match &attribute.ty {
        // The provider takes apart what must be there, and ends when it is not.
        Type::String if attribute.required => Pack::from("1"),
        Type::Number if attribute.required => Pack::from(1),
        Type::Bool if attribute.required => Pack::from(true),
        Type::List(_) | Type::Set(_) if attribute.required => Pack::Array(vec![Pack::from("1")]),
        Type::Map(_) if attribute.required => Pack::Map(Vec::new()),
        _ => Pack::Nil,
    };
    let attributes = block.attributes.iter().map(|(name, attribute)| (Pack::from(name.as_str()), value(attribute)));
    let blocks = block.blocks.iter().map(|(name, nested)| {
        let value = match nested.nesting {
            Nesting::Single => Pack::Nil,
            Nesting::List | Nesting::Set if chain.first() == Some(name) => Pack::Array(vec![least(&nested.block, &chain[1..])]),
            Nesting::List | Nesting::Set => Pack::Array(Vec::new()),
        };
        (Pack::from(name.as_str()), value)
    });
    Pack::Map(attributes.chain(blocks).collect())
}

fn collect(block: &Block, planned: &Pack, prefix: &str, paths: &mut Vec<String>) {
    for (name, nested) in &block.blocks {
        let path = format!("{prefix}{name}");
        let members = planned.as_map().into_iter().flatten();
        match members.into_iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value) {
            // How Terraform writes what is not known: an extension of msgpack.
            Some(Pack::Ext(..)) => paths.push(path),
            Some(Pack::Array(elements)) => elements.iter().for_each(|element| collect(&nested.block, element, &format!("{path}."), paths)),
            _ => {}
        }
    }
}

/// The committed text: a line for each type.
pub fn text(found: &Found) -> String {
    let line = |(name, paths): (&String, &Vec<String>)| {
        format!("  {}: {}", serde_json::json!(name), serde_json::json!(paths).to_string().replace("\",\"", "\", \""))
    };
    format!("{{\n{}\n}}\n", found.iter().map(line).collect::<Vec<_>>().join(",\n"))
}

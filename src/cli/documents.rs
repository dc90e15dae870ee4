//! `galley get` and `galley delete`: documents as they are, through `kube::Client`.

use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::runtime::watcher;
use serde_json::Value;

use super::args::{Data, DeleteArgs, GetArgs, Output};
use super::client::{As, Server, chain};
use super::failure::{Exit, Failure};
use super::kinds::{self, Kind};
use super::screen::{Screen, say, table};
use super::text::Text;
use crate::api::NAMESPACE;
use crate::clock::{Clock, SystemClock};

/// Objects per page; the server decides what a list weighs, this only bounds one answer.
const PAGE: u32 = 500;

/// `galley get`
pub async fn get(server: &Server, args: GetArgs, screen: Screen) -> Result<Exit, Failure> {
    let GetArgs { kind, name, output, watch } = args;
    let kind = kinds::find(&kind, screen)?;
    let api: Api<DynamicObject> = Api::namespaced_with(server.kube(As::Editor)?, NAMESPACE, &kind.resource);
    if !watch {
        let found = read(server, &api, &kind, name.as_deref(), screen).await?;
        print_found(&kind, &found, name.is_some(), output, screen)?;
        return Ok(Exit::Done);
    }
    let config = match &name {
        Some(name) => watcher::Config::default().fields(&format!("metadata.name={name}")),
        None => watcher::Config::default(),
    };
    let mut events = watcher(api, config).boxed();
    let mut head = true;
    loop {
        // both arms are cancel safe: the watcher keeps its place, the signal is remembered
        let event = tokio::select! {
            event = events.next() => event,
            _ = tokio::signal::ctrl_c() => return Err(Failure::new(Exit::Interrupted, screen.lang.text(Text::Interrupted))),
        };
        match event {
            Some(Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object) | watcher::Event::Delete(object))) => {
                print_watched(&kind, &object, output, head)?;
                head = false;
            }
            Some(Ok(watcher::Event::Init | watcher::Event::InitDone)) => {}
            Some(Err(error)) => match &error {
                watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
                    return Err(server.kube_failure(error));
                }
                other => return Err(Failure::new(Exit::Failed, screen.lang.fill(Text::ServerSays, &[("problem", &chain(other))]))),
            },
            None => return Ok(Exit::Done),
        }
    }
}

async fn read(
    server: &Server,
    api: &Api<DynamicObject>,
    kind: &Kind,
    name: Option<&str>,
    screen: Screen,
) -> Result<Vec<DynamicObject>, Failure> {
    if let Some(name) = name {
        return match api.get_opt(name).await.map_err(|error| server.kube_failure(&error))? {
            Some(object) => Ok(vec![object]),
            None => Err(not_found(&kind.singular, name, screen)),
        };
    }
    let mut found = Vec::new();
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&parameters).await.map_err(|error| server.kube_failure(&error))?;
        let more = page.metadata.continue_.clone().filter(|token| !token.is_empty());
        found.extend(page.items.into_iter().map(|mut object| {
            // items of a list come without their type
            object.types.get_or_insert_with(|| kube::core::TypeMeta {
                api_version: kind.resource.api_version.clone(),
                kind: kind.resource.kind.clone(),
            });
            object
        }));
        match more {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(found),
        }
    }
}

fn not_found(kind: &str, name: &str, screen: Screen) -> Failure {
    Failure::new(Exit::NotFound, screen.lang.fill(Text::NotFound, &[("kind", &kind), ("name", &name)]))
}

fn encode(value: &Value, output: Output) -> Result<String, Failure> {
    let text = match output {
        Output::Yaml => serde_saphyr::to_string(value).map_err(|error| error.to_string()),
        Output::Table | Output::Wide | Output::Name | Output::Json => {
            serde_json::to_string_pretty(value).map_err(|error| error.to_string())
        }
    };
    text.map(|text| text.trim_end().to_owned()).map_err(|problem| Failure::new(Exit::Failed, problem))
}

/// Anything of a document as data for programs.
pub fn print_data(value: &impl serde::Serialize, form: Data) -> Result<(), Failure> {
    let value = serde_json::to_value(value).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let output = match form {
        Data::Json => Output::Json,
        Data::Yaml => Output::Yaml,
    };
    say!("{}", encode(&value, output)?);
    Ok(())
}

fn value_of(object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    value
}

fn print_found(kind: &Kind, found: &[DynamicObject], single: bool, output: Output, screen: Screen) -> Result<(), Failure> {
    match output {
        Output::Json | Output::Yaml => {
            let value = match found {
                [object] if single => value_of(object),
                objects => {
                    serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects.iter().map(value_of).collect::<Vec<_>>() })
                }
            };
            say!("{}", encode(&value, output)?);
        }
        Output::Name => found.iter().for_each(|object| say!("{}/{}", kind.singular, object.metadata.name.as_deref().unwrap_or_default())),
        Output::Table | Output::Wide if found.is_empty() => {
            let text = if matches!(kind.singular.as_str(), "session" | "design") { Text::NoneYet } else { Text::NoneFound };
            eprintln!("{}", screen.lang.fill(text, &[("kind", &kind.resource.plural)]));
        }
        Output::Table | Output::Wide => {
            let (wide, now) = (output == Output::Wide, SystemClock.now());
            let rows: Vec<_> = found.iter().map(|object| kind.row(object, wide, &now)).collect();
            say!("{}", table(&kind.heads(wide), &rows));
        }
    }
    Ok(())
}

fn print_watched(kind: &Kind, object: &DynamicObject, output: Output, head: bool) -> Result<(), Failure> {
    match output {
        Output::Json => say!("{}", encode(&value_of(object), output)?),
        Output::Yaml => say!("---\n{}", encode(&value_of(object), output)?),
        Output::Name => say!("{}/{}", kind.singular, object.metadata.name.as_deref().unwrap_or_default()),
        Output::Table | Output::Wide => {
            let wide = output == Output::Wide;
            let heads = if head { kind.heads(wide) } else { Vec::new() };
            say!("{}", table(&heads, &[kind.row(object, wide, &SystemClock.now())]));
        }
    }
    Ok(())
}

/// `galley delete`
pub async fn delete(server: &Server, args: DeleteArgs, screen: Screen) -> Result<Exit, Failure> {
    let (kind, name) = match args.name.split_once('/') {
        Some((kind, name)) => (kinds::find(kind, screen)?, name.to_owned()),
        None => (kinds::find("session", screen)?, args.name.clone()),
    };
    let api: Api<DynamicObject> = Api::namespaced_with(server.kube(As::Editor)?, NAMESPACE, &kind.resource);
    match api.delete(&name, &DeleteParams::default()).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => return Err(not_found(&kind.singular, &name, screen)),
        Err(error) => return Err(server.kube_failure(&error)),
    }
    let values: [(&str, &dyn std::fmt::Display); 2] = [("kind", &kind.singular), ("name", &name)];
    let mut said = false;
    loop {
        if api.get_opt(&name).await.map_err(|error| server.kube_failure(&error))?.is_none() {
            say!("{}", screen.lang.fill(Text::DocDeleted, &values));
            return Ok(Exit::Done);
        }
        if !said {
            say!("{}", screen.lang.fill(Text::DocDeleting, &values));
            said = true;
        }
        if !args.wait {
            return Ok(Exit::InProgress);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
            _ = tokio::signal::ctrl_c() => return Err(Failure::new(Exit::Interrupted, screen.lang.text(Text::Interrupted))),
        }
    }
}

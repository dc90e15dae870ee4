//! The provider protocol: each call decodes, asks the pure parts or the cloud, and encodes. Whatever goes wrong becomes a
//! diagnostic; a gRPC status only says that a message was no message.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::render::schema::{Block, Schema};

use super::super::api::{self, Answer, Call, OciError, Region, Seen, Subject};
use super::super::cloud::{self, Cloud, Operation};
use super::super::conform::conform;
use super::super::data;
use super::super::plan;
use super::super::validate;
use super::super::value::{Value, ValueError};
use super::listener::{Counted, Session};
use super::wire::{decode, diagnostic, encode, failure, json, path, schema, tf};

type Reply<T> = Result<Response<T>, Status>;

/// The service.
pub(super) struct Provider {
    cloud: Arc<Cloud>,
    types: BTreeSet<String>,
    /// calls that change the cloud and are not answered yet
    running: watch::Sender<usize>,
}

/// What can go wrong in a call.
enum Trouble {
    /// the simulated service refuses
    Refused(OciError),
    /// the sandbox itself fails
    Failed(tf::Diagnostic),
}

impl From<cloud::Error> for Trouble {
    fn from(error: cloud::Error) -> Trouble {
        Trouble::Failed(failure(&error))
    }
}

impl Provider {
    pub(super) fn new(cloud: Arc<Cloud>, types: BTreeSet<String>) -> Provider {
        Provider { cloud, types, running: watch::channel(0).0 }
    }

    /// Runs blocking work on the cloud, then lets the answer take its time.
    async fn ask<T: Send + 'static>(
        &self,
        subject: &Owned,
        work: impl FnOnce(&Cloud, Subject<'_>) -> Result<Answer<T>, cloud::Error> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (cloud, owned) = (Arc::clone(&self.cloud), subject.clone());
        let done = tokio::task::spawn_blocking(move || work(&cloud, owned.subject())).await;
        let answer = done.map_err(|error| Trouble::Failed(failure(&error)))??;
        tokio::time::sleep(answer.delay).await;
        answer.result.map_err(Trouble::Refused)
    }
}

/// A subject that can be moved to another thread.
#[derive(Clone)]
struct Owned {
    resource_type: String,
    block: Arc<Block>,
    region: Region,
}

impl Owned {
    fn new<T>(request: &Request<T>, resource_type: &str) -> Result<Owned, Status> {
        Ok(Owned { resource_type: resource_type.to_owned(), block: resource(resource_type)?, region: region(request) })
    }

    fn subject(&self) -> Subject<'_> {
        Subject { resource_type: &self.resource_type, block: &self.block, region: &self.region }
    }

    fn diagnostic(&self, operation: Operation, id: &Value, trouble: Trouble) -> tf::Diagnostic {
        match trouble {
            Trouble::Failed(diagnostic) => diagnostic,
            Trouble::Refused(error) => {
                let id = id.as_str().unwrap_or_default();
                let call = Call {
                    resource_type: &self.resource_type,
                    operation,
                    data_source: false,
                    id,
                    region: &self.region,
                    now: jiff::Timestamp::now(),
                };
                // The real provider puts everything into the summary.
                diagnostic(error.layout(&call), "", None)
            }
        }
    }
}

fn resource(name: &str) -> Result<Arc<Block>, Status> {
    Schema::builtin().resource(name).ok_or_else(|| Status::invalid_argument(format!("no resource type {name}")))
}

fn region<T>(request: &Request<T>) -> Region {
    request.extensions().get::<Session>().cloned().unwrap_or_default().region()
}

fn bad(error: ValueError) -> Status {
    Status::invalid_argument(error.to_string())
}

fn refusals(block: &Block, config: &Value) -> Vec<tf::Diagnostic> {
    let found = validate::validate(block, config);
    found.into_iter().map(|refusal| diagnostic(refusal.summary, refusal.detail, Some(&refusal.path))).collect()
}

/// Secret values come from Terraform's own state: the service never returns them, so they never drift. Timeouts are
/// Terraform's too.
fn carry(block: &Block, current: &Value, read: &mut Value) {
    for (name, attribute) in &block.attributes {
        if attribute.sensitive {
            read.set(name, current.get(name).clone());
        }
    }
    for (name, nested) in &block.blocks {
        if nested.sensitive || name == "timeouts" {
            read.set(name, current.get(name).clone());
            continue;
        }
        if let Some(Value::List(elements)) = read.at_mut(name) {
            let before = current.get(name).elements();
            elements.iter_mut().zip(before).for_each(|(element, before)| carry(&nested.block, before, element));
            // Elements that the state does not know carry no secret either.
            elements.iter_mut().skip(before.len()).for_each(|element| carry(&nested.block, &Value::Null, element));
        }
    }
}

#[tonic::async_trait]
impl tf::provider_server::Provider for Provider {
    async fn get_schema(&self, _: Request<tf::get_provider_schema::Request>) -> Reply<tf::get_provider_schema::Response> {
        let cloud = Arc::clone(&self.cloud);
        let held = move || cloud.look(|state| state.resources().map(|r| r.resource_type.clone()).collect::<BTreeSet<String>>());
        let mut response = tf::get_provider_schema::Response {
            server_capabilities: Some(tf::ServerCapabilities {
                plan_destroy: false,
                get_provider_schema_optional: true,
                move_resource_state: false,
            }),
            ..Default::default()
        };
        let held = match tokio::task::spawn_blocking(held).await {
            Ok(Ok(held)) => held,
            Ok(Err(error)) => {
                response.diagnostics.push(failure(&error));
                return Ok(Response::new(response));
            }
            Err(error) => return Err(Status::internal(error.to_string())),
        };
        let index = Schema::builtin();
        let wanted = |name: &str| self.types.is_empty() || self.types.contains(name) || held.contains(name);
        response.provider = index.raw_provider().map(schema).transpose().map_err(bad)?;
        for name in index.resource_types().filter(|name| wanted(name)) {
            if let Some(raw) = index.raw_resource(name) {
                response.resource_schemas.insert(name.to_owned(), schema(raw).map_err(bad)?);
            }
        }
        for name in index.data_sources().filter(|name| self.types.is_empty() || self.types.contains(*name)) {
            if let Some(raw) = index.raw_data_source(name) {
                response.data_source_schemas.insert(name.to_owned(), schema(raw).map_err(bad)?);
            }
        }
        Ok(Response::new(response))
    }

    async fn prepare_provider_config(
        &self,
        request: Request<tf::prepare_provider_config::Request>,
    ) -> Reply<tf::prepare_provider_config::Response> {
        let config = request.into_inner().config;
        Ok(Response::new(tf::prepare_provider_config::Response { prepared_config: config, diagnostics: Vec::new() }))
    }

    async fn validate_resource_type_config(
        &self,
        request: Request<tf::validate_resource_type_config::Request>,
    ) -> Reply<tf::validate_resource_type_config::Response> {
        let request = request.into_inner();
        let config = decode(request.config.as_ref()).map_err(bad)?;
        let diagnostics = refusals(&*resource(&request.type_name)?, &config);
        Ok(Response::new(tf::validate_resource_type_config::Response { diagnostics }))
    }

    async fn validate_data_source_config(
        &self,
        request: Request<tf::validate_data_source_config::Request>,
    ) -> Reply<tf::validate_data_source_config::Response> {
        let request = request.into_inner();
        let config = decode(request.config.as_ref()).map_err(bad)?;
        let block = Schema::builtin().data_source(&request.type_name);
        let diagnostics = block.map(|block| refusals(&block, &config)).unwrap_or_default();
        Ok(Response::new(tf::validate_data_source_config::Response { diagnostics }))
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<tf::upgrade_resource_state::Request>,
    ) -> Reply<tf::upgrade_resource_state::Response> {
        let request = request.into_inner();
        let raw = request.raw_state.map(|state| json(&state.json)).transpose().map_err(bad)?.unwrap_or(Value::Null);
        let value = conform(&*resource(&request.type_name)?, &raw);
        let upgraded_state = Some(encode(&value).map_err(bad)?);
        Ok(Response::new(tf::upgrade_resource_state::Response { upgraded_state, diagnostics: Vec::new() }))
    }

    async fn configure(&self, request: Request<tf::configure::Request>) -> Reply<tf::configure::Response> {
        let config = decode(request.get_ref().config.as_ref()).map_err(bad)?;
        if let (Some(session), Some(region)) = (request.extensions().get::<Session>(), config.get("region").as_str()) {
            session.configure(region);
        }
        Ok(Response::new(tf::configure::Response::default()))
    }

    async fn read_resource(&self, request: Request<tf::read_resource::Request>) -> Reply<tf::read_resource::Response> {
        let subject = Owned::new(&request, &request.get_ref().type_name)?;
        let request = request.into_inner();
        let current = decode(request.current_state.as_ref()).map_err(bad)?;
        let asked = current.clone();
        let seen = self.ask(&subject, move |cloud, subject| api::read(cloud, subject, &asked)).await;
        let mut response = tf::read_resource::Response { private: request.private, ..Default::default() };
        let value = match seen {
            Ok(Seen::Gone) => Value::Null,
            Ok(Seen::There(mut value)) => {
                carry(&subject.block, &current, &mut value);
                value
            }
            Err(trouble) => {
                response.diagnostics.push(subject.diagnostic(Operation::Read, current.get("id"), trouble));
                current
            }
        };
        response.new_state = Some(encode(&value).map_err(bad)?);
        Ok(Response::new(response))
    }

    async fn plan_resource_change(&self, request: Request<tf::plan_resource_change::Request>) -> Reply<tf::plan_resource_change::Response> {
        let request = request.into_inner();
        let block = resource(&request.type_name)?;
        let [prior, proposed, config] = [&request.prior_state, &request.proposed_new_state, &request.config].map(|v| decode(v.as_ref()));
        let (prior, proposed, config) = (prior.map_err(bad)?, proposed.map_err(bad)?, config.map_err(bad)?);
        let mut response = tf::plan_resource_change::Response { planned_private: request.prior_private, ..Default::default() };
        if proposed.is_null() {
            response.planned_state = request.proposed_new_state;
            return Ok(Response::new(response));
        }
        let planned = plan::plan(&request.type_name, &block, &prior, &config, &proposed);
        response.planned_state = Some(encode(&planned.value).map_err(bad)?);
        response.requires_replace = planned.replace.iter().map(|steps| path(steps)).collect();
        response.legacy_type_system = planned.legacy;
        Ok(Response::new(response))
    }

    async fn apply_resource_change(
        &self,
        request: Request<tf::apply_resource_change::Request>,
    ) -> Reply<tf::apply_resource_change::Response> {
        let _counted = Counted::new(&self.running);
        let subject = Owned::new(&request, &request.get_ref().type_name)?;
        let request = request.into_inner();
        let prior = decode(request.prior_state.as_ref()).map_err(bad)?;
        let planned = decode(request.planned_state.as_ref()).map_err(bad)?;
        let (before, wanted, promised) = (prior.clone(), planned.clone(), planned.clone());
        let (operation, done) = match (prior.is_null(), planned.is_null()) {
            (_, true) => {
                let done = self.ask(&subject, move |cloud, subject| api::delete(cloud, subject, &before)).await;
                (Operation::Delete, done.map(|()| Value::Null))
            }
            (true, false) => (Operation::Create, self.ask(&subject, move |cloud, subject| api::create(cloud, subject, &wanted)).await),
            (false, false) => {
                (Operation::Update, self.ask(&subject, move |cloud, subject| api::update(cloud, subject, &before, &wanted)).await)
            }
        };
        let mut response = tf::apply_resource_change::Response { private: request.planned_private, ..Default::default() };
        response.legacy_type_system = done.as_ref().is_ok_and(|made| plan::only_zeros(&promised, made));
        let value = done.unwrap_or_else(|trouble| {
            response.diagnostics.push(subject.diagnostic(operation, prior.get("id"), trouble));
            // Nothing was changed: the prior value, or null after a failed create.
            prior
        });
        response.new_state = Some(encode(&value).map_err(bad)?);
        Ok(Response::new(response))
    }

    async fn import_resource_state(
        &self,
        request: Request<tf::import_resource_state::Request>,
    ) -> Reply<tf::import_resource_state::Response> {
        let request = request.into_inner();
        let block = resource(&request.type_name)?;
        let mut response = tf::import_resource_state::Response::default();
        if !Schema::builtin().facts(&request.type_name).is_some_and(|facts| facts.importable) {
            response.diagnostics.push(diagnostic(format!("resource {} doesn't support import", request.type_name), "", None));
            return Ok(Response::new(response));
        }
        let value = conform(&block, &Value::Object(api::imported(&request.type_name, &request.id)));
        let state = Some(encode(&value).map_err(bad)?);
        response.imported_resources.push(tf::import_resource_state::ImportedResource {
            type_name: request.type_name,
            state,
            private: Vec::new(),
        });
        Ok(Response::new(response))
    }

    async fn read_data_source(&self, request: Request<tf::read_data_source::Request>) -> Reply<tf::read_data_source::Response> {
        let region = region(&request);
        let request = request.into_inner();
        let name = request.type_name;
        let block = Schema::builtin().data_source(&name).ok_or_else(|| Status::invalid_argument(format!("no data source {name}")))?;
        let config = decode(request.config.as_ref()).map_err(bad)?;
        let cloud = Arc::clone(&self.cloud);
        let (asked, at) = (name.clone(), region.clone());
        let read = move || {
            cloud.transact(|transaction| {
                let verdict = transaction.judge_data_source(&asked);
                let result = match verdict.error {
                    Some(error) => Err(error),
                    None => {
                        data::read(&data::Question { name: &asked, block: &block, config: &config, region: &at, state: transaction.state })
                    }
                };
                Answer { result, delay: verdict.delay }
            })
        };
        let mut response = tf::read_data_source::Response::default();
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(answer)) => {
                tokio::time::sleep(answer.delay).await;
                match answer.result {
                    Ok(value) => response.state = Some(encode(&value).map_err(bad)?),
                    Err(error) => {
                        let now = jiff::Timestamp::now();
                        let call =
                            Call { resource_type: &name, operation: Operation::Read, data_source: true, id: "", region: &region, now };
                        response.diagnostics.push(diagnostic(error.layout(&call), "", None));
                    }
                }
            }
            Ok(Err(error)) => response.diagnostics.push(failure(&error)),
            Err(error) => return Err(Status::internal(error.to_string())),
        }
        Ok(Response::new(response))
    }

    async fn stop(&self, _: Request<tf::stop::Request>) -> Reply<tf::stop::Response> {
        // Terraform was interrupted and waits for what runs; so do we.
        let mut running = self.running.subscribe();
        let _ = running.wait_for(|running| *running == 0).await;
        Ok(Response::new(tf::stop::Response { error: String::new() }))
    }
}

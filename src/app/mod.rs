//! The composition root: the only place that builds everything, and the only module that may name every other.
//!
//! Takes checked [`Settings`]; builds store, API server, hands, controllers, services and doors, and runs them until a
//! signal. Decides nothing about designs.

mod clouds;
mod desk;
mod disk;
mod knowledge;
mod library;
mod mcp;
mod stage;
mod tenancy;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::api::approval::{Channel, Identity};
use crate::api::design::Target;
use crate::api::session::Language;
use crate::apiserver::{self, ApiServer};
use crate::blobs::{Blobs, FsBlobs};
use crate::cli::args::SandboxProviderArgs;
use crate::cli::{Composition, demo::Backstage};
use crate::clock::{Clock, SystemClock};
use crate::config::{Environment, ServerFile, Settings, Tokens};
use crate::controllers::retention::Disk;
use crate::controllers::{self, Ctx, Host, Shutdown};
use crate::http::access::Access;
use crate::http::page::{Diagram, Door};
use crate::http::{HttpParts, PageParts, Part, Readiness};
use crate::services::{self, Services};
use crate::store::{FsStore, Measured};
use crate::telemetry::Metrics;
use crate::terraform::{LocalOptions, LocalRunner, ReattachHost, ReattachOptions, TargetHosts};
use crate::validator::Defaults;
use crate::{faults, http, oci, process, render};

pub use knowledge::Expertise;
pub use library::Library;

/// Longest path that still leaves room for a socket name below the limit of sun_path (107 bytes, unix(7)).
const RUN_DIR_LIMIT: usize = 80;

/// Before anything else: how much memory may lie about unused.
pub fn bound_memory() {
    process::bound_arenas();
}

/// The application behind the commands that are not clients.
pub struct App {
    environment: Environment,
}

impl App {
    /// With the environment the process was started in.
    pub fn new(environment: Environment) -> Self {
        App { environment }
    }
}

#[async_trait]
impl Composition for App {
    async fn serve(&self, settings: Settings) -> anyhow::Result<()> {
        let shutdown = until_signal()?;
        faults::arm(|name| self.environment.get(name), &settings.data_dir)?;
        let tokens = Tokens::prepare(&settings)?;
        let metrics = Metrics::install().context("metrics")?;
        let core = Core::open(&settings, &self.environment).await?;
        let listener =
            tokio::net::TcpListener::bind(settings.listen).await.with_context(|| format!("cannot listen on {}", settings.listen))?;
        let address = listener.local_addr()?;
        let router = core.door(&settings, address, tokens, metrics, &shutdown);
        let file = ServerFile::of(address);
        file.write(&settings.data_dir)?;
        tracing::info!(address = %address, "listening");

        let serving = http::serve(listener, router, shutdown.clone());
        let controlling = core.control(shutdown.clone());
        // Either one's end is the end of both: a server whose loops stopped must not look alive.
        let (served, controlled) = tokio::join!(
            async {
                let result = serving.await;
                shutdown.cancel();
                result
            },
            async {
                let result = Box::pin(controlling).await;
                shutdown.cancel();
                result
            }
        );
        file.remove(&settings.data_dir);
        core.close().await;
        tracing::info!("stopped");
        served?;
        controlled?;
        Ok(())
    }

    async fn mcp(&self, settings: Settings) -> anyhow::Result<()> {
        Box::pin(mcp::serve(settings, &self.environment)).await
    }

    async fn sandbox_provider(&self, args: SandboxProviderArgs) -> anyhow::Result<()> {
        clouds::provide(args).await
    }

    fn backstage(&self, settings: &Settings) -> anyhow::Result<Arc<dyn Backstage>> {
        Ok(Arc::new(stage::Stage::new(settings.terraform_bin.clone())))
    }
}

/// Everything between the doors and the disk.
pub(crate) struct Core {
    pub(crate) api: ApiServer,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) library: Arc<Library>,
    ctx: Arc<Ctx>,
    clouds: Arc<clouds::Clouds>,
    controlling: Arc<AtomicBool>,
}

impl Core {
    /// Opens the data directory and builds what works on it. Starts no process.
    pub(crate) async fn open(settings: &Settings, environment: &Environment) -> anyhow::Result<Self> {
        crate::config::files::create_private_dir(&settings.data_dir)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(Measured::new(FsStore::open(&settings.data_dir.join("documents")).await?));
        let blobs: Arc<dyn Blobs> = Arc::new(FsBlobs::open(&settings.data_dir.join("blobs")).await?);
        let options = apiserver::Options { min_approval: settings.min_approval, ..apiserver::Options::default() };
        let api = ApiServer::open(store, clock.clone(), options).await?;
        let library = Arc::new(Library::shipped()?);
        library.refresh(&*blobs).await;
        let clouds = Arc::new(clouds::Clouds::new(settings.data_dir.join("sandbox")));

        let options = oci::Options { endpoints: settings.oci_endpoints.clone(), ..oci::Options::default() };
        let tenancy = tenancy::Tenancy::new(&environment.all(), settings.work_compartment_id.clone(), options, clock.clone())?;
        let tenancy = Arc::new(tenancy);
        let provider = TargetHosts { sandbox: Arc::new(ReattachHost::new(reattach_options(settings)?)), oci: tenancy.clone() };
        let mut runner = LocalOptions::new(
            &settings.terraform_bin,
            settings.data_dir.join("work"),
            blobs.clone(),
            Arc::new(provider),
            clock.clone(),
            api.epoch(),
        );
        runner.memory = settings.memory;
        let knowledge = Expertise::new(library.clone(), settings);
        let ctx = Ctx::new(controllers::Parts {
            client: api.client(Identity::system()),
            blobs: blobs.clone(),
            runner: Arc::new(LocalRunner::new(runner)?),
            lookup: Arc::new(tenancy::Lookups { sandbox: clouds.clone(), oci: tenancy }),
            knowledge: Arc::new(knowledge),
            clock,
            settings: controller_settings(settings)?,
            host: Host { name: process::host_name(), boot_id: process::boot_id(), epoch: api.epoch() },
        });
        let data_dir = settings.data_dir.clone();
        let ctx = ctx.with_disk(Disk::bounded(settings.disk, Arc::new(move || disk::measure(&data_dir))));
        Ok(Core { api, blobs, library, ctx: Arc::new(ctx), clouds, controlling: Arc::default() })
    }

    /// Services for a caller.
    pub(crate) fn services(&self, settings: &Settings, identity: Identity) -> Services {
        services_with(self.api.client(identity.clone()), identity, self.blobs.clone(), &self.library, settings)
    }

    fn door(
        &self,
        settings: &Settings,
        address: SocketAddr,
        tokens: Tokens,
        metrics: Metrics,
        shutdown: &CancellationToken,
    ) -> axum::Router {
        let services = self.services(settings, Identity::editor(Channel::Mcp));
        // The door in front has checked Host and Origin already, with names that may carry any port.
        let options =
            crate::mcp::HttpOptions { allowed_hosts: settings.allowed_hosts.clone(), allowed_origins: origins(settings, address) };
        let desk = Arc::new(desk::Desk::new(self.api.client(Identity::system()), self.blobs.clone()));
        http::router(HttpParts {
            mcp: crate::mcp::router(services, options, shutdown.child_token()),
            kubernetes: self.api.router(),
            tokens,
            access: Access { allowed_hosts: settings.allowed_hosts.clone(), allowed_origins: settings.allowed_origins.clone() },
            ready: self.readiness(),
            metrics: Arc::new(move || metrics.render()),
            sandbox: self.clouds.clone(),
            secrets: desk.clone(),
            logs: desk,
            page: PageParts {
                reader: self.page_door(settings, Identity::editor(Channel::Page)),
                approver: self.page_door(settings, Identity::approver(Channel::Page)),
                diagram: self.diagram(settings),
                clock: Arc::new(SystemClock),
            },
        })
    }

    fn page_door(&self, settings: &Settings, identity: Identity) -> Door {
        Door { client: self.api.client(identity.clone()), services: self.services(settings, identity) }
    }

    /// Draws a design as the exports do, with what the judge says of it now.
    fn diagram(&self, settings: &Settings) -> Diagram {
        let (knowledge, catalog, region) =
            (Expertise::new(self.library.clone(), settings), self.library.catalog(), settings.region.clone());
        Arc::new(move |design, title, language| {
            let verdict = controllers::Knowledge::validate(&knowledge, &design.spec, language);
            let catalog = catalog.get();
            let (spec, _) = crate::validator::reading::read(&design.spec, &catalog);
            Some(render::export::svg(&render::export::Subject {
                title,
                language,
                hearing: None,
                spec: &spec,
                status: design.status.as_ref(),
                region: &region,
                verdict: &verdict,
                catalog: &catalog,
            }))
        })
    }

    fn readiness(&self) -> Readiness {
        let client = self.api.client(Identity::system());
        let controlling = self.controlling.clone();
        Arc::new(move || {
            let (client, controlling) = (client.clone(), controlling.clone());
            Box::pin(async move {
                let sessions: kube::Api<crate::api::Session> = kube::Api::default_namespaced(client);
                let listed = sessions.list_metadata(&kube::api::ListParams::default().limit(1)).await;
                let running = controlling.load(Ordering::Acquire);
                vec![
                    Part { name: "store", ok: listed.is_ok(), detail: listed.err().map(|error| error.to_string()) },
                    Part { name: "controllers", ok: running, detail: (!running).then(|| "the loops are not running".to_owned()) },
                ]
            })
        })
    }

    /// Runs the controllers until `shutdown`.
    pub(crate) async fn control(&self, shutdown: Shutdown) -> Result<(), controllers::Error> {
        self.controlling.store(true, Ordering::Release);
        let (result, ()) = tokio::join!(controllers::run(self.ctx.clone(), shutdown.clone()), self.library.keep(&*self.blobs, shutdown));
        self.controlling.store(false, Ordering::Release);
        result
    }

    /// Brings to disk what may wait, and ends the watches.
    pub(crate) async fn close(self) {
        let Core { api, blobs, library, ctx, clouds, controlling } = self;
        // Who still holds a client holds up the writer: everything that has one goes first.
        drop((ctx, clouds, blobs, library, controlling));
        api.shutdown().await;
    }
}

/// Who may call /mcp from a browser: the listed origins, and a page that this very server would have sent. The door in front
/// has compared Origin and Host; the one of MCP knows only a list.
fn origins(settings: &Settings, address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let own = ["127.0.0.1", "localhost", "[::1]"].iter().map(|host| format!("http://{host}:{port}"));
    let named = settings.allowed_hosts.iter().flat_map(|host| [format!("http://{host}"), format!("https://{host}")]);
    settings.allowed_origins.iter().cloned().chain(own).chain(named).collect()
}

/// Services over any client: the embedded API server's, or that of a server that runs already.
pub(crate) fn services_with(
    client: kube::Client,
    identity: Identity,
    blobs: Arc<dyn Blobs>,
    library: &Arc<Library>,
    settings: &Settings,
) -> Services {
    Services::new(services::Parts {
        client,
        identity,
        blobs,
        catalog: library.catalog(),
        rules: library.live_rules(),
        judge: library.judge(),
        clock: Arc::new(SystemClock),
        settings: services::Settings {
            region: settings.region.clone(),
            compartment_id: settings.work_compartment(settings.default_target).unwrap_or_default().to_owned(),
            default_target: settings.default_target,
            min_approval: settings.min_approval,
            ..services::Settings::default()
        },
    })
}

fn controller_settings(settings: &Settings) -> anyhow::Result<controllers::Settings> {
    let defaults = Defaults {
        region: settings.region.clone(),
        compartment_id: settings.work_compartment(Target::Sandbox)?.to_owned(),
        language: Language::default(),
    };
    Ok(controllers::Settings {
        max_terraform: settings.max_terraform,
        plan_ttl: settings.plan_ttl,
        drift_interval: u64::try_from(settings.drift_interval_seconds).ok().filter(|seconds| *seconds > 0),
        min_approval: settings.min_approval,
        shutdown_grace: settings.shutdown_grace,
        job_time_limit: settings.job_time_limit,
        started: Some(SystemClock.now()),
        ..controllers::Settings::new(defaults)
    })
}

fn reattach_options(settings: &Settings) -> anyhow::Result<ReattachOptions> {
    let program = std::path::absolute(std::env::current_exe().context("where is this binary?")?)?;
    let mut options = ReattachOptions::sandbox(program, run_dir_of(&settings.data_dir), settings.data_dir.join("sandbox"));
    options.args.extend(["--idle".to_owned(), settings.sandbox_idle.as_secs().to_string()]);
    Ok(options)
}

/// Where sockets lie: in the data directory when its path is short enough, else under the system's temporary directory.
pub(crate) fn run_dir_of(data_dir: &Path) -> PathBuf {
    let own = data_dir.join("run");
    if own.as_os_str().len() <= RUN_DIR_LIMIT { own } else { ReattachOptions::short_run_dir(Path::new("/tmp"), data_dir) }
}

/// A token that SIGINT and SIGTERM cancel.
pub(crate) fn until_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let token = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancel = token.clone();
    tokio::spawn(async move {
        // cancel safe: a signal that is not received by the losing arm is of no interest any more
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        tracing::info!("stopping");
        cancel.cancel();
    });
    Ok(token)
}

//! The provider process of a sandbox design: real Terraform talks to it as to `oracle/oci`, over `TF_REATTACH_PROVIDERS`.
//!
//! ```text
//! {"registry.terraform.io/oracle/oci": {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": <pid of this process>, "Test": true,
//!  "Addr": {"Network": "unix", "String": "<socket>"}}}
//! ```
//!
//! `Test: true` and the pid of *this* process: Terraform kills that pid when the socket cannot be dialled, so dial before
//! starting it, and never give a pid that matters. The process prints nothing, outlives its parent, and leaves by itself when
//! nobody is connected for a while or when its socket is replaced or removed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::render::schema::PROVIDER_SOURCE;

use super::cloud::{self, Cloud};

mod listener;
mod service;
mod streams;
mod wire;

use listener::{Socket, incoming};
use service::Provider;
use wire::{plugin, tf};

/// How often the process looks whether its socket is still its own.
const LOOK: Duration = Duration::from_millis(500);
/// Largest message that is taken: a state with thousands of resources comes one resource at a time; one user-data file fits.
const MESSAGE_MAX: usize = 64 << 20;
/// How long open connections may take to end after the last call was answered, before the process leaves anyway.
const GRACE: Duration = Duration::from_secs(5);

/// What the process is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// path of the unix socket, at most 107 bytes; its directory is made (0700)
    pub socket: PathBuf,
    /// directory of the cloud
    pub cloud_dir: PathBuf,
    /// resource types and data sources to serve, beside those that the cloud holds; empty = all of the core set
    pub types: BTreeSet<String>,
    /// leave after so long without a connection
    pub idle_exit: Duration,
}

/// Why the process cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the socket cannot be made
    #[error("could not {action} socket {}", path.display())]
    Socket {
        /// verb
        action: &'static str,
        /// the socket
        path: PathBuf,
        /// why
        #[source]
        source: std::io::Error,
    },
    /// the system has a bound on paths of sockets
    #[error("socket path {} has {length} bytes, at most {most} are possible", path.display())]
    PathTooLong {
        /// the socket
        path: PathBuf,
        /// bytes
        length: usize,
        /// bytes
        most: usize,
    },
    /// the cloud cannot be opened
    #[error("could not open the cloud")]
    Cloud(#[source] cloud::Error),
    /// no runtime, no signals
    #[error("could not start the runtime")]
    Runtime(#[source] std::io::Error),
    /// the server ended
    #[error("could not serve")]
    Serve(#[source] tonic::transport::Error),
}

/// Why the process left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// told to
    Stopped,
    /// nobody was connected for [`Options::idle_exit`]
    Idle,
    /// the socket file is gone or another's
    Replaced,
}

/// Serves until it is time to leave: the body of `galley sandbox-provider`. Blocks. SIGTERM ends it after running calls;
/// SIGINT and SIGHUP, which a terminal sends to everybody, do not.
pub fn serve(options: Options) -> Result<Exit, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let exit = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
        // Listening is ignoring: the streams are never polled.
        let _interrupt = signal(SignalKind::interrupt()).map_err(Error::Runtime)?;
        let _hangup = signal(SignalKind::hangup()).map_err(Error::Runtime)?;
        run(options, async move {
            terminate.recv().await;
        })
        .await
    });
    runtime.shutdown_timeout(GRACE);
    exit
}

/// Serves until `stop` resolves, nobody is connected for long, or the socket is no longer its own.
pub async fn run(options: Options, stop: impl Future<Output = ()> + Send + 'static) -> Result<Exit, Error> {
    let dir = options.cloud_dir.clone();
    let opened = tokio::task::spawn_blocking(move || Cloud::open(dir)).await;
    let cloud = Arc::new(opened.map_err(|error| Error::Runtime(error.into()))?.map_err(Error::Cloud)?);
    let (socket, bound) = Socket::bind(&options.socket)?;
    let (connections, _) = watch::channel(0_usize);
    let (closing, _) = watch::channel(false);
    let provider = Provider::new(cloud, options.types);

    let mut routes = tonic::service::Routes::builder();
    routes
        .add_service(tf::provider_server::ProviderServer::new(provider).max_decoding_message_size(MESSAGE_MAX))
        .add_service(plugin::grpc_broker_server::GrpcBrokerServer::new(streams::Silent::new(&closing)))
        .add_service(plugin::grpc_stdio_server::GrpcStdioServer::new(streams::Silent::new(&closing)));

    let (left, mut has_left) = watch::channel(None);
    let watching = connections.clone();
    let leave = async move {
        // Both arms only wait; dropping either loses nothing.
        let exit = tokio::select! {
            () = stop => Exit::Stopped,
            exit = time_to_leave(socket, &watching, options.idle_exit) => exit,
        };
        closing.send_replace(true);
        left.send_replace(Some(exit));
    };
    let server =
        tonic::transport::Server::builder().add_routes(routes.routes()).serve_with_incoming_shutdown(incoming(bound, connections), leave);
    let mut watched = has_left.clone();
    let out_of_grace = async move {
        if watched.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(GRACE).await;
    };
    // Dropping the server closes what is left of its connections.
    tokio::select! {
        served = server => served.map_err(Error::Serve)?,
        () = out_of_grace => {}
    }
    let exit = *has_left.borrow_and_update();
    Ok(exit.unwrap_or(Exit::Stopped))
}

/// Resolves when nobody has been connected for `idle`, or when the socket is no longer ours and the last connection ended.
/// Owns the socket: it is removed when this is dropped.
async fn time_to_leave(socket: Socket, connections: &watch::Sender<usize>, idle: Duration) -> Exit {
    let mut idle_since = Instant::now();
    let mut tick = tokio::time::interval(LOOK.min(idle));
    loop {
        tick.tick().await;
        if *connections.borrow() > 0 {
            idle_since = Instant::now();
            continue;
        }
        if !socket.is_ours() {
            return Exit::Replaced;
        }
        if idle_since.elapsed() >= idle {
            return Exit::Idle;
        }
    }
}

/// What to put into Terraform's environment so that it uses a provider that is listening on `socket` in process `pid`.
pub fn reattach_environment(socket: &Path, pid: u32) -> BTreeMap<String, String> {
    let value = json!({ PROVIDER_SOURCE: {
        "Protocol": "grpc", "ProtocolVersion": 5, "Pid": pid, "Test": true,
        "Addr": {"Network": "unix", "String": socket},
    }});
    BTreeMap::from([("TF_REATTACH_PROVIDERS".to_owned(), value.to_string())])
}

//! The two go-plugin streams that Terraform opens once per provider instance: they stay open, say nothing, and end when the
//! process leaves.

use std::pin::Pin;

use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::wire::plugin;

/// Serves both.
#[derive(Clone)]
pub(super) struct Silent {
    closing: watch::Sender<bool>,
}

type Nothing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Silent {
    pub(super) fn new(closing: &watch::Sender<bool>) -> Silent {
        Silent { closing: closing.clone() }
    }

    /// A stream without items that ends when the process leaves.
    fn nothing<T: Send + 'static>(&self) -> Nothing<T> {
        let mut closing = self.closing.subscribe();
        Box::pin(futures::stream::once(async move {
            let _ = closing.wait_for(|closing| *closing).await;
            Err(Status::unavailable("the sandbox provider is leaving"))
        }))
    }
}

#[tonic::async_trait]
impl plugin::grpc_broker_server::GrpcBroker for Silent {
    type StartStreamStream = Nothing<plugin::ConnInfo>;

    async fn start_stream(&self, _: Request<Streaming<plugin::ConnInfo>>) -> Result<Response<Self::StartStreamStream>, Status> {
        Ok(Response::new(self.nothing()))
    }
}

#[tonic::async_trait]
impl plugin::grpc_stdio_server::GrpcStdio for Silent {
    type StreamStdioStream = Nothing<plugin::StdioData>;

    async fn stream_stdio(&self, _: Request<plugin::Empty>) -> Result<Response<Self::StreamStdioStream>, Status> {
        Ok(Response::new(self.nothing()))
    }
}

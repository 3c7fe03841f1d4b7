//! Starting a coordinator, serving it on a socket or in memory, and ending it.

use crate::{
    cluster::Cluster,
    config::CoordinatorConfig,
    queue::Queue,
    services::{QueryService, ScansService, WorkService},
    spool,
};
use coldread_proto::{
    FILE_DESCRIPTOR_SET, MAX_MESSAGE_BYTES,
    v1::{query_server::QueryServer, scans_server::ScansServer, work_server::WorkServer},
};
use coldread_store::Store;
use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle, time};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Channel, Server, server::Router};

/// Calls that have not ended so long after the coordinator has are cut off.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// Why a coordinator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] coldread_store::Error),
    /// The spool cannot be emptied, or the queue not be read.
    #[error("{}: {error}", path.display())]
    Spool {
        /// Its directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A scan of an earlier life cannot be begun again.
    #[error(transparent)]
    Resume(#[from] coldread_proto::ServiceError),
    /// The certificate or its key cannot be used.
    #[error("the certificate or its key cannot be used")]
    Tls(#[source] tonic::transport::Error),
    /// The services cannot be described; the build is broken.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The thread that opened the store did not end well.
    #[error("{0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// A running coordinator. It lives until [`Coordinator::shutdown`], whatever serves it.
pub struct Coordinator {
    cluster: Arc<Cluster>,
    clock: JoinHandle<()>,
}

impl Coordinator {
    /// Opens the store and starts to keep time. Outputs that an earlier life left are removed; scans that it left are
    /// begun again, if they were kept.
    pub async fn start(config: CoordinatorConfig) -> Result<Self, StartError> {
        let cluster = tokio::task::spawn_blocking(move || {
            // The store's lock keeps others out of the spool as well.
            let store = Store::open(&config.store)?;
            let root = config.store.join("spool");
            spool::clear(&root).map_err(|error| StartError::Spool { path: root.clone(), error })?;
            let path = config.store.join("queue");
            let unusable = |error| StartError::Spool { path: path.clone(), error };
            let queue =
                if config.resume { Queue::open(path.clone()).map_err(unusable)? } else { Queue::none() };
            let waiting = queue.load().map_err(unusable)?;
            let cluster = Cluster::new(config, store, root, queue);
            for (id, submission) in waiting {
                tracing::info!(scan = id, source = submission.source.location, "begun again");
                cluster.begin(id, submission)?;
            }
            Ok::<_, StartError>(cluster)
        })
        .await??;
        let clock = tokio::spawn(Arc::clone(&cluster).keep_time());
        Ok(Self { cluster, clock })
    }

    /// The services on a server.
    fn services(&self, mut server: Server, work: WorkService) -> Router {
        let scans = ScansServer::new(ScansService(Arc::clone(&self.cluster)));
        let query = QueryServer::new(QueryService(Arc::clone(&self.cluster)));
        let work = WorkServer::new(work);
        server
            .add_service(scans.max_decoding_message_size(MAX_MESSAGE_BYTES))
            .add_service(query.max_decoding_message_size(MAX_MESSAGE_BYTES))
            .add_service(work.max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Serves on a socket, over TLS if it was configured, until the coordinator is shut down.
    pub async fn serve(&self, listener: TcpListener) -> Result<(), ServeError> {
        let server = match &self.cluster.config.tls {
            Some(tls) => coldread_proto::server_over(tls).map_err(StartError::Tls)?,
            None => coldread_proto::server(),
        };
        let services = self.services(server, WorkService::for_anybody(Arc::clone(&self.cluster)));
        let router = described(services).await?;
        let ended = self.ended();
        let serving = router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), self.ended());
        tokio::pin!(serving);
        let cut_off = async {
            ended.await;
            time::sleep(LAST_CALLS).await;
        };
        tokio::select! {
            served = &mut serving => Ok(served?),
            () = cut_off => Ok(()),
        }
    }

    /// Serves in this process: a channel to the same services over a connection in memory. Health and descriptions,
    /// which nobody asks for there, are left out. Needs a runtime around it.
    pub fn serve_in_memory(&self) -> Channel {
        let (channel, incoming) = coldread_proto::in_memory();
        let work = WorkService::for_own_worker(Arc::clone(&self.cluster));
        let router = self.services(coldread_proto::server(), work);
        let ended = self.ended();
        tokio::spawn(async move {
            let incoming = ReceiverStream::new(incoming);
            if let Err(error) = router.serve_with_incoming_shutdown(incoming, ended).await {
                tracing::error!(%error, "the connection in memory failed");
            }
        });
        channel
    }

    /// Completes once the coordinator is shut down.
    fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut closing = self.cluster.closing();
        async move {
            // The sender lives in the cluster; when that is gone, so is the coordinator.
            let _ = closing.wait_for(|closing| *closing).await;
        }
    }

    /// Ends: no new work is taken or given, waiting calls end, commits under way are finished. Scans that are not done
    /// begin again with the next coordinator, if it is to resume them, and are lost otherwise.
    pub async fn shutdown(self) {
        self.cluster.close();
        self.cluster.commits_ended().await;
        // It ends by itself; a panic in it has been reported by then.
        let _ = self.clock.await;
    }

    /// A handle that shuts down what [`Coordinator::serve`] serves.
    pub fn closer(&self) -> Closer {
        Closer(Arc::clone(&self.cluster))
    }
}

/// Adds health and reflection, for the tools of others.
async fn described(services: Router) -> Result<Router, StartError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<ScansServer<ScansService>>().await;
    health.set_serving::<QueryServer<QueryService>>().await;
    health.set_serving::<WorkServer<WorkService>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    Ok(services.add_service(health_service).add_service(reflection))
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator").field("config", &self.cluster.config).finish_non_exhaustive()
    }
}

/// Ends a coordinator from elsewhere, e.g. when a signal comes.
#[derive(Clone, Debug)]
pub struct Closer(Arc<Cluster>);

impl Closer {
    /// Ends waiting calls and lets [`Coordinator::serve`] return.
    pub fn close(&self) {
        self.0.close();
    }
}

/// Why serving ended before it should.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The services could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] tonic::transport::Error),
}

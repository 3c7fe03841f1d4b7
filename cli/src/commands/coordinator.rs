//! `coldread coordinator`.

use crate::{
    args::store_dir,
    failure::{Failure, Result},
    progress, size,
    tls::ServerTlsArgs,
};
use clap::value_parser;
use coldread_coordinator::{Coordinator, CoordinatorConfig, ServeError};
use std::{path::PathBuf, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// Plan scans, lease their tasks to workers, and answer questions, until interrupted
///
/// Serves gRPC with health and reflection. SIGINT and SIGTERM end it in order: commits under way are finished. Scans
/// that have not ended by then begin again when a coordinator starts on the same store.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread coordinator --listen 127.0.0.1:7700 --store /srv/coldread\n  \
    coldread coordinator --listen '[::1]:0' --store s --lease-seconds 5\n  \
    coldread coordinator --listen 10.0.0.5:7700 --store /srv/coldread \\\n    \
        --tls-cert cert.pem --tls-key key.pem --tls-client-ca ca.pem")]
pub struct Coordinate {
    /// Address or name of this host, and port to listen on; port 0 takes a free one, and says which
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: String,
    /// Directory of the store, made if there is none [env: COLDREAD_STORE] [default: $XDG_DATA_HOME/coldread or
    /// ~/.local/share/coldread]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// A lease that is not renewed for so long goes to another worker
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u64).range(1..=86_400))]
    lease_seconds: u64,
    /// Volumes are cut into tasks of about this size, where a scan does not say another, e.g. 64MiB
    /// [default: 8GiB]
    #[arg(long, value_name = "N", value_parser = size::parse)]
    shard_bytes: Option<u64>,
    /// How often a task is tried before the scan goes on without it
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(1..=1000))]
    max_tries: u32,
    #[command(flatten)]
    tls: ServerTlsArgs,
}

/// A host and a port; that there is such a host turns out when it is listened on.
fn address(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    let wrong =
        || format!("{text:?} is not an address with a port: give e.g. 127.0.0.1:7700 or '[::1]:7700'");
    parts.map(|_| text.to_owned()).ok_or_else(wrong)
}

impl Coordinate {
    pub async fn run(self) -> Result<()> {
        let store = store_dir(self.store, |name| std::env::var_os(name).filter(|value| !value.is_empty()))?;
        let mut config = CoordinatorConfig::new(&store);
        config.resume = true;
        config.tls = self.tls.load()?;
        config.lease_time = Duration::from_secs(self.lease_seconds);
        config.max_tries = self.max_tries;
        if let Some(bytes) = self.shard_bytes {
            config.shard_bytes = bytes;
        }
        let listener = TcpListener::bind(&self.listen)
            .await
            .map_err(|error| Failure::new(format!("cannot listen on {}", self.listen)).because(&error))?;
        let address = listener.local_addr()?;
        let coordinator = Coordinator::start(config).await.map_err(|error| {
            Failure::new(format!("cannot use the store {}", store.display())).because(&error)
        })?;
        let closer = coordinator.closer();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            progress::say("coordinator: ending");
            closer.close();
        });
        progress::say(&format!("coordinator: listening on {address}, store {}", store.display()));
        if let Some(why) = self.tls.openness().filter(|_| !address.ip().is_loopback()) {
            progress::say(&format!("coordinator: whoever reaches {address} is served, {why}"));
        }
        let served = coordinator.serve(listener).await;
        coordinator.shutdown().await;
        served
            .map_err(|error: ServeError| Failure::new(format!("serving on {address} failed")).because(&error))
    }
}

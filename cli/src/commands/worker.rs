//! `coldread worker`.

use crate::{
    args::Server,
    connect,
    failure::{Failure, Result},
    progress, size,
    tls::ClientTlsArgs,
};
use clap::builder::RangedU64ValueParser;
use coldread_worker::{
    Memory,
    client::{Worker, WorkerConfig},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Lease tasks from a coordinator and run them, until interrupted
///
/// Sources are opened by their paths as this host sees them. SIGINT and SIGTERM let tasks under way finish; a
/// second one gives them up, and their leases go to other workers.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread worker --coordinator http://127.0.0.1:7700\n  \
    coldread worker --coordinator http://10.0.0.5:7700 --slots 4 --name rack-3")]
pub struct Work {
    /// The coordinator
    #[arg(long, value_name = "URL")]
    coordinator: String,
    #[command(flatten)]
    tls: ClientTlsArgs,
    /// Tasks that run at a time; each uses all cores
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    slots: usize,
    /// Memory for what a task reads ahead and for login events until they are sorted, e.g. 64MiB; at least 8MiB;
    /// what it knows of names and inodes is not counted in
    #[arg(long, value_name = "SIZE", value_parser = size::memory, default_value = "128MiB")]
    memory: u64,
    /// A name for people [default: the host's name and the process id]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl Work {
    pub async fn run(self) -> Result<()> {
        let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let server = Server { url: self.coordinator.clone(), tls: self.tls.files(env) };
        let channel = connect::dial(&server).await?;
        let name = self.name.unwrap_or_else(|| {
            let host = rustix::system::uname();
            format!("{}:{}", host.nodename().to_string_lossy(), std::process::id())
        });
        let (stop, stopped) = watch::channel(false);
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let asked = async move {
            for asked in 0..2 {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if asked == 0 {
                    progress::say("worker: finishing the tasks under way");
                    // A worker that has ended by itself hears nothing.
                    let _ = stop.send(true);
                }
            }
        };
        progress::say(&format!("worker {name}: {} slots, coordinator {}", self.slots, self.coordinator));
        let config = WorkerConfig { name, slots: self.slots };
        tokio::select! {
            ended = Worker::new(channel, config, connect::runner(Memory::of(self.memory))).run(stopped) => {
                ended.map_err(|error| {
                    Failure::new("the worker cannot work").because(&error)
                        .next("use the coordinator's own version of coldread")
                })
            }
            () = asked => Err(Failure::interrupted()),
        }
    }
}

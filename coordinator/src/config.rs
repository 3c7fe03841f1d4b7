//! What a coordinator can be told.

use coldread_proto::ServerTls;
use std::{path::PathBuf, time::Duration};

/// Settings of a coordinator. Every one of them has a default but the store.
#[derive(Clone, Debug)]
pub struct CoordinatorConfig {
    /// The store's directory; created if it is not there. Outputs of tasks lie in `spool` inside it meanwhile.
    pub store: PathBuf,
    /// A lease that is not renewed for so long goes to another worker.
    pub lease_time: Duration,
    /// Volumes are cut into shards of about this size, where a scan does not say another.
    pub shard_bytes: u64,
    /// How often a task is tried before the scan goes on without it.
    pub max_tries: u32,
    /// How long the reading of a file waits for a worker.
    pub read_wait: Duration,
    /// Whether submitted scans outlive the coordinator: kept in `queue` inside the store's directory until they end, and
    /// begun again by the next one.
    pub resume: bool,
    /// How it shows who it is, and whom it serves, over sockets; none: everybody, in the clear.
    pub tls: Option<ServerTls>,
}

impl CoordinatorConfig {
    /// The defaults, with the store in `store`.
    pub fn new(store: impl Into<PathBuf>) -> Self {
        Self {
            store: store.into(),
            lease_time: Duration::from_secs(10),
            shard_bytes: 8 << 30,
            max_tries: 3,
            read_wait: Duration::from_secs(30),
            resume: false,
            tls: None,
        }
    }
}

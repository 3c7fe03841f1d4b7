//! `coldread snapshots`.

use super::listing;
use crate::{
    args::{OutputArgs, PlaceArgs},
    connect::Services,
    failure::Result,
};
use coldread_proto::v1::{Scope, SnapshotsRequest};

/// List the snapshots of assets, the newest first
///
/// A snapshot's id derives from what was found: two scans with equal results have one id.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread snapshots web-1\n  \
    coldread snapshots --asset 'web-*' -o ndjson")]
pub struct Snapshots {
    /// The asset; all without it
    #[arg(value_name = "ASSET", conflicts_with = "asset")]
    name: Option<String>,
    /// Only assets whose name matches, e.g. 'web-*'
    #[arg(long, value_name = "GLOB")]
    asset: Option<String>,
    /// Only snapshots whose id starts with these digits
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    snapshot: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Snapshots {
    pub async fn run(self) -> Result<()> {
        let asset = self.name.or(self.asset).unwrap_or_default();
        let request = SnapshotsRequest { scope: Some(Scope { asset, snapshot: self.snapshot }) };
        let ask = async |services: Services| services.query().snapshots(request).await;
        listing::print(&self.place, self.output.output, None, ask, |batch| batch.snapshots).await
    }
}

//! `coldread assets`.

use super::listing;
use crate::{
    args::{OutputArgs, PlaceArgs, ScopeArgs},
    connect::Services,
    failure::Result,
};
use coldread_proto::v1::AssetsRequest;

/// List what has been scanned: each asset's newest snapshot
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread assets\n  \
    coldread assets --asset 'web-*' -o json")]
pub struct Assets {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Assets {
    pub async fn run(self) -> Result<()> {
        let request = AssetsRequest { scope: Some(self.scope.scope()) };
        let ask = async |services: Services| services.query().assets(request).await;
        listing::print(&self.place, self.output.output, ask, |batch| batch.assets).await
    }
}

//! `coldread gaps`.

use super::listing;
use crate::{
    args::{OutputArgs, PlaceArgs, ScopeArgs},
    connect::Services,
    failure::Result,
};
use coldread_model::Parts;
use coldread_proto::v1::GapsRequest;

/// List what could not be read, where, and why
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread gaps --asset web-1\n  \
    coldread gaps -o ndjson")]
pub struct Gaps {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Gaps {
    pub async fn run(self) -> Result<()> {
        let scope = self.scope.scope();
        let request = GapsRequest { scope: Some(scope.clone()) };
        let ask = async |services: Services| services.query().gaps(request).await;
        listing::print(&self.place, self.output.output, Some((Parts::NONE, scope)), ask, |batch| batch.gaps)
            .await
    }
}

//! `coldread coverage`.

use super::listing;
use crate::{
    args::{OutputArgs, PlaceArgs, ScopeArgs},
    connect::Services,
    failure::Result,
};
use coldread_model::Parts;
use coldread_proto::v1::CoverageRequest;

/// Tell what became of every byte of a source
///
/// The ranges of an asset add up exactly to its size: metadata, data-read, data-unread, free, partition-table,
/// gap, swap, encrypted, unsupported, damaged or unallocated.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread coverage --asset web-1\n  \
    coldread coverage -o csv > coverage.csv")]
pub struct Coverage {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Coverage {
    pub async fn run(self) -> Result<()> {
        let scope = self.scope.scope();
        let request = CoverageRequest { scope: Some(scope.clone()) };
        let ask = async |services: Services| services.query().coverage(request).await;
        listing::print(&self.place, self.output.output, Some((Parts::NONE, scope)), ask, |batch| batch.rows)
            .await
    }
}

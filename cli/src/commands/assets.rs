//! `coldread assets`.

use super::listing;
use crate::{
    args::{OutputArgs, PlaceArgs, ScopeArgs},
    connect::Services,
    eol::EolArgs,
    failure::Result,
    rows::KnownAsset,
};
use coldread_proto::v1::{Asset, AssetsRequest};

/// List what has been scanned: each asset's newest snapshot, and how its system is supported
///
/// `end_of_life` tells by endoflife.date's facts whether the makers of a system still support it: `supported`, `eol`,
/// or `unknown`, with the day on which that ends or ended. `as_of` in json is the day of the facts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread assets\n  \
    coldread assets --asset 'web-*' -o json\n  \
    coldread assets --at 2027-01-01 --eol os-eol.json\n  \
    coldread assets -o ndjson | jq 'select(.end_of_life.state == \"eol\")'")]
pub struct Assets {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    eol: EolArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Assets {
    pub async fn run(self) -> Result<()> {
        let (facts, day) = self.eol.load()?;
        let request = AssetsRequest { scope: Some(self.scope.scope()), ..Default::default() };
        let ask = async |services: Services| services.query().assets(request).await;
        listing::print(&self.place, self.output.output, None, ask, |batch| {
            let known = |asset: Asset| {
                let support = asset.identity.as_ref().map(|system| facts.support(system, &day));
                KnownAsset { asset, support }
            };
            batch.assets.into_iter().map(known).collect::<Vec<_>>()
        })
        .await
    }
}

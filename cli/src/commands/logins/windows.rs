//! `coldread logins windows`.

use super::{listing::ListingArgs, sources};
use crate::{connect::Services, failure::Result};
use coldread_model::{Part, Parts};
use coldread_proto::v1::LogWindowsRequest;

/// List what time each login record covers: since when it can have known
///
/// `since` and `until` are the first and the last time of a file's records, those that are no login event included.
/// Logs are rotated away: of what came before, their files tell nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread logins windows --asset web-1\n  \
    coldread logins windows --source btmp -o ndjson")]
pub struct Windows {
    /// Only this kind of record
    #[arg(long, value_name = "SOURCE", value_parser = sources())]
    source: Option<String>,
    #[command(flatten)]
    listing: ListingArgs,
}

impl Windows {
    pub async fn run(self) -> Result<()> {
        let request = LogWindowsRequest {
            scope: Some(self.listing.scope()),
            source: self.source.unwrap_or_default(),
            root: self.listing.root(),
        };
        let ask = async |services: Services| services.query().log_windows(request).await;
        self.listing.print(Parts::of(Part::Logins), ask, |batch| batch.windows).await
    }
}

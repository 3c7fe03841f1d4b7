//! `coldread files`.

use super::listing;
use crate::{
    args::{OutputArgs, PlaceArgs, ScopeArgs},
    connect::Services,
    failure::Result,
};
use coldread_model::{Part, Parts};
use coldread_proto::v1::FilesRequest;

/// List files: names, metadata and digests, ordered by volume, parent directory and name
///
/// Alternate streams of NTFS are rows of their own, with `stream` set. Bytes of a name that are not UTF-8 are
/// replaced in `path`; `path_hex` then holds all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread files --asset web-1 --path '/etc/*'\n  \
    coldread files --path '**/id_rsa' --path '**/id_ed25519' -o ndjson\n  \
    coldread files --volume p2 -o csv > files.csv")]
pub struct Files {
    /// Only paths (in their volume) that match; may be given several times. `*` stays within a directory,
    /// `**` does not; without a slash in front it matches at any depth
    #[arg(long = "path", value_name = "GLOB")]
    paths: Vec<String>,
    /// Only this volume: whole, p1, p2 …
    #[arg(long, value_name = "V", default_value = "", hide_default_value = true)]
    volume: String,
    /// Also the filesystem's own files ($MFT …), and deleted ones where the scan recorded them
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Files {
    pub async fn run(self) -> Result<()> {
        let scope = self.scope.scope();
        let request = FilesRequest {
            scope: Some(scope.clone()),
            paths: self.paths,
            volume: self.volume,
            all: self.all,
        };
        let ask = async |services: Services| services.query().files(request).await;
        let about = Some((Parts::of(Part::Files), scope));
        listing::print(&self.place, self.output.output, about, ask, |batch| batch.files).await
    }
}

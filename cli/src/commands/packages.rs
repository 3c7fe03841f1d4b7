//! `coldread packages`.

use super::listing::ListingArgs;
use crate::{connect::Services, failure::Result};
use coldread_model::{PackageType, Part, Parts, version::VersionFilter};
use coldread_proto::v1::PackagesRequest;

/// List installed packages
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread packages --name 'openssh*'\n  \
    coldread packages --name openssl --version '< 3.0.2'\n  \
    coldread packages --asset web-1 --type deb -o ndjson\n  \
    coldread packages --root '/var/lib/docker/*'\n  \
    coldread packages --all | grep config-files")]
pub struct Packages {
    /// Only packages whose name matches, e.g. 'openssh*'
    #[arg(long, value_name = "GLOB", default_value = "", hide_default_value = true)]
    name: String,
    /// Only versions that fit, e.g. '< 3.0.2' or '>= 1.1, != 1.5', compared as the package's own tools do it
    #[arg(long, value_name = "CONDITIONS", allow_hyphen_values = true)]
    version: Option<VersionFilter>,
    /// Only packages of this type
    #[arg(long, value_name = "TYPE", value_parser = types())]
    r#type: Option<String>,
    /// Also packages that are not (fully) installed: only configured, half installed …
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    listing: ListingArgs,
}

/// The types that there are.
fn types() -> clap::builder::PossibleValuesParser {
    PackageType::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().into()
}

impl Packages {
    /// The parts that packages of the type are of; of both, where no type is named.
    fn parts(&self) -> Parts {
        let kind = self.r#type.as_deref().and_then(PackageType::from_name);
        kind.map_or_else(
            || Parts::of(Part::Packages).and(Parts::of(Part::Libraries)),
            |kind| Parts::of(kind.part()),
        )
    }

    pub async fn run(self) -> Result<()> {
        let parts = self.parts();
        let request = PackagesRequest {
            scope: Some(self.listing.scope()),
            name: self.name,
            r#type: self.r#type.unwrap_or_default(),
            all: self.all,
            version: self.version.map(|versions| versions.to_string()).unwrap_or_default(),
            root: self.listing.root(),
        };
        let ask = async |services: Services| services.query().packages(request).await;
        self.listing.print(parts, ask, |batch| batch.packages).await
    }
}

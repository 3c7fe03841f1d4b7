//! `coldread cat`.

use super::reading;
use crate::{
    args::PlaceArgs,
    connect::{self, Need},
    failure::Result,
    output::stdout,
};
use coldread_proto::v1::ReadFileRequest;
use std::{ffi::OsString, io::Write, os::unix::ffi::OsStringExt};

/// Print one file's bytes, read from its source
///
/// Symbolic links are followed inside the asset, as in a chroot.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread cat web-1 /etc/os-release\n  \
    coldread cat web-1 /log/auth.log.2.gz --volume p2 | zcat\n  \
    coldread cat pc-7 /Users/a/Plan.pdf --volume p3 --stream Zone.Identifier")]
pub struct Cat {
    /// The asset's name
    #[arg(value_name = "ASSET")]
    asset: String,
    /// Path in the asset's tree, or in the volume where one is named
    #[arg(value_name = "PATH")]
    path: OsString,
    /// The volume that the path is in: whole, p1, p2 …
    #[arg(long, value_name = "V", default_value = "", hide_default_value = true)]
    volume: String,
    /// An alternate stream instead of the content
    #[arg(long, value_name = "S", default_value = "", hide_default_value = true)]
    stream: OsString,
    /// This snapshot instead of the newest: its id, or the first 8 digits of it or more
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    snapshot: String,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Cat {
    pub async fn run(self) -> Result<()> {
        let request = ReadFileRequest {
            asset: self.asset,
            snapshot: self.snapshot,
            path: self.path.into_vec(),
            volume: self.volume,
            stream: self.stream.into_vec(),
        };
        connect::with(&self.place.place()?, Need::Files, async |services| {
            let mut out = stdout();
            reading::read(&services, request, |bytes| Ok(out.write_all(bytes)?)).await?;
            out.flush()?;
            Ok(())
        })
        .await
    }
}

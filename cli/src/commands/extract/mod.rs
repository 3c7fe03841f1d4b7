//! `coldread extract`.

mod choose;

use super::reading;
use crate::{
    args::PlaceArgs,
    connect::{self, Need, Services},
    destination::Destination,
    failure::{Failure, Result},
    output::{counted, human_size, plain},
    progress,
};
use choose::{Chooser, Chosen};
use coldread_proto::v1::ReadFileRequest;
use std::{collections::BTreeSet, ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

/// Copy files out of an asset, read from their sources
///
/// Each file keeps its path below DIR; nothing is ever written outside DIR, and no symbolic link in it is followed.
/// Files are readable by the user alone, for what is extracted may be secret. What cannot be read is told, the
/// other files are still copied, and the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread extract web-1 /etc/passwd /etc/shadow --to evidence\n  \
    coldread extract web-1 '/var/log/**' --to evidence\n  \
    coldread extract web-1 '/log/*.gz' --volume p2 --to evidence --force")]
pub struct Extract {
    /// The asset's name
    #[arg(value_name = "ASSET")]
    asset: String,
    /// Path in the asset's tree, or in the volume where one is named; or a glob over files: `*` stays within a
    /// directory, `**` does not
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<OsString>,
    /// Where to write; made if it is not there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// The volume that the paths are in: whole, p1, p2 …
    #[arg(long, value_name = "V", default_value = "", hide_default_value = true)]
    volume: String,
    /// This snapshot instead of the newest: its id, or the first 8 digits of it or more
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    snapshot: String,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Extract {
    pub async fn run(self) -> Result<()> {
        let place = self.place.place()?;
        connect::with(&place, Need::Files, async |services| self.extract(&services).await).await
    }

    async fn extract(self, services: &Services) -> Result<()> {
        let chooser = Chooser::new(services, &self.asset, &self.snapshot, &self.volume).await?;
        let mut chosen: BTreeSet<Chosen> = BTreeSet::new();
        let mut failed = 0_u64;
        for path in self.paths {
            let path = path.into_vec();
            match chooser.choose(&path).await {
                Ok(found) => chosen.extend(found),
                Err(failure) => {
                    failed += 1;
                    progress::say(&failure.to_string());
                }
            }
        }
        // Nothing is made where nothing was found.
        if chosen.is_empty() {
            return Err(Failure::new("no file was extracted").next("`coldread files` lists what is there"));
        }
        let to = Destination::open(&self.to)?;
        let (mut files, mut bytes) = (0_u64, 0_u64);
        for file in chosen {
            let request = ReadFileRequest {
                asset: self.asset.clone(),
                snapshot: self.snapshot.clone(),
                path: file.path.clone(),
                volume: file.volume.clone(),
                stream: Vec::new(),
            };
            match copy(services, request, &to, &file, self.force).await {
                Ok(size) => {
                    files += 1;
                    bytes = bytes.saturating_add(size);
                }
                Err(failure) => {
                    failed += 1;
                    progress::say(&failure.to_string());
                }
            }
        }
        let shown = self.to.to_string_lossy();
        progress::say(&format!("{}, {} to {}", counted(files, "file"), human_size(bytes), plain(&shown)));
        match failed {
            0 => Ok(()),
            1 => Err(Failure::new("one file or path was not extracted, see above")),
            _ => Err(Failure::new(format!("{failed} files or paths were not extracted, see above"))),
        }
    }
}

async fn copy(
    services: &Services,
    request: ReadFileRequest,
    to: &Destination,
    file: &Chosen,
    force: bool,
) -> Result<u64> {
    let mut out = to.create(&file.to, force)?;
    let size = reading::read(services, request, |bytes| out.write(bytes)).await?;
    out.keep()?;
    Ok(size)
}

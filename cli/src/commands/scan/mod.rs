//! `coldread scan`.

mod report;
mod watch;

use crate::{
    args::{Place, PlaceArgs},
    connect::{self, Need, Services},
    failure::{Failure, Result},
    share, size,
};
use clap::{
    ValueEnum,
    builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser},
};
use coldread_model::{
    Part,
    asset::name_of_source,
    task::{ContentMode, IoMode, Share},
};
use coldread_proto::v1::{self, SubmitRequest};
use coldread_worker::Memory;
use report::{Outcome, Scanned};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use tokio::task::JoinSet;
use watch::Remote;

/// Exit code of a scan that finished with gaps.
const FINISHED_WITH_GAPS: u8 = 3;
/// Exit code where a source could not be read at all.
const SOURCE_UNREADABLE: u8 = 1;
/// So long may a coordinator be away while its scans are followed, e.g. to be updated.
const PATIENCE: Duration = Duration::from_mins(5);

/// Read disks: images and block devices
///
/// Each SOURCE is a disk of an asset of its own: a raw image, one compressed with gzip, zstd or xz, or a block
/// device. Nothing is ever written to it. A summary goes to standard output, progress to standard error.
///
/// Exit codes: 0 every volume was read; 3 finished with gaps, `coldread gaps` lists them; 1 a source could not be
/// read at all (the others still were); 2 wrong usage.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread scan disk.img\n  \
    coldread scan /dev/vda --asset web-1 --account 123456789012\n  \
    coldread scan disk.img --cross-check 5%\n  \
    coldread scan images/*.img.zst --content none -o ndjson\n  \
    coldread scan disk.img --only packages,logins\n  \
    coldread scan --server http://127.0.0.1:7700 /images/disk.img --wait")]
pub struct Scan {
    /// Images or block devices; on a cluster, as the workers see them
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<PathBuf>,
    /// The asset's name, for one source; without it assets are named after their sources
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    asset: Option<String>,
    /// The account that the assets belong to
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    account: Option<String>,
    /// What of the files' contents is read
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Content::Hash)]
    content: Content,
    /// Look for these alone: less is read, and what was not asked for stays unknown. `packages` are those of systems,
    /// `libraries` those of languages, which may lie anywhere
    #[arg(long, value_name = "PART,…", value_delimiter = ',', value_parser = part())]
    only: Vec<Part>,
    /// How sources are read
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Io::Auto)]
    io: Io,
    /// Read this share of the files on ext4 and NTFS again with another library, e.g. 5%, and record what disagrees
    /// as gaps: `explained` where it is known why this reading is the kernel's, else `disagreement`
    #[arg(long, value_name = "N%", value_parser = share::parse, default_value = "0%", hide_default_value = true)]
    cross_check: Share,
    /// Memory for what is read ahead and for login events until they are sorted, e.g. 64MiB; at least 8MiB
    /// [default: 128MiB]; on a cluster the workers have their own
    #[arg(long, value_name = "SIZE", value_parser = size::memory, conflicts_with = "server")]
    memory: Option<u64>,
    /// Cut volumes into tasks of about this size, e.g. 64MiB [default: the coordinator's; in this process a disk is one
    /// task on all cores]
    #[arg(long, value_name = "N", value_parser = size::parse)]
    shard_bytes: Option<u64>,
    /// With --server: follow the scans until they end. A scan in this process is always followed
    #[arg(long)]
    wait: bool,
    /// How to print the summary
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = report::Format::Table)]
    output: report::Format,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Content {
    /// Nothing but what packages and logins need
    None,
    /// All of it, for SHA-256 digests
    Hash,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Io {
    /// Whatever suits the source; the choice is reported
    Auto,
    /// io_uring, or an error
    Uring,
    /// Positioned reads
    Pread,
    /// A memory map
    Mmap,
}

impl From<Content> for ContentMode {
    fn from(content: Content) -> Self {
        match content {
            Content::None => Self::None,
            Content::Hash => Self::Hash,
        }
    }
}

impl From<Io> for IoMode {
    fn from(io: Io) -> Self {
        match io {
            Io::Auto => Self::Auto,
            Io::Uring => Self::Uring,
            Io::Pread => Self::Pread,
            Io::Mmap => Self::Mmap,
        }
    }
}

impl Scan {
    pub async fn run(self) -> Result<ExitCode> {
        if self.asset.is_some() && self.sources.len() > 1 {
            return Err(Failure::usage(format!(
                "--asset names one asset, but each of the {} sources is one",
                self.sources.len()
            )));
        }
        self.check_names()?;
        let place = self.place.place()?;
        let memory = self.memory.map_or_else(Memory::default, Memory::of);
        let remote = match &place {
            Place::Server(server) => Some(Remote { url: server.url.clone(), patience: PATIENCE }),
            Place::Store(_) => None,
        };
        let follow = self.wait || matches!(place, Place::Store(_));
        let outcomes = connect::with(&place, Need::Scans(memory), async |services| {
            if follow { self.follow(services, remote).await } else { self.submit_all(&services).await }
        })
        .await?;
        report::print(&outcomes, self.output, &place)?;
        Ok(exit_code(&outcomes))
    }

    /// Two sources of one name would be two snapshots of one asset, the later hiding the earlier.
    fn check_names(&self) -> Result<()> {
        let mut names = HashMap::new();
        for source in self.sources.iter().filter(|_| self.asset.is_none()) {
            let name = name_of_source(&source.to_string_lossy()).to_owned();
            if let Some(other) = names.insert(name.clone(), source) {
                return Err(Failure::usage(format!(
                    "{} and {} would both be asset {name:?}; scan them one by one with --asset",
                    other.display(),
                    source.display(),
                )));
            }
        }
        Ok(())
    }

    /// Submits all sources, then follows all scans until they end.
    async fn follow(&self, services: Services, remote: Option<Remote>) -> Result<Vec<Outcome>> {
        let mut outcomes = self.submit_all(&services).await?;
        let mut running = JoinSet::new();
        for (place, outcome) in outcomes.iter().enumerate() {
            let Scanned::Queued { scan_id } = &outcome.scanned else { continue };
            let watching =
                watch::follow(services.clone(), scan_id.clone(), outcome.source.clone(), remote.clone());
            running.spawn(async move { (place, watching.await) });
        }
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok((place, scanned)) => outcomes[place].scanned = scanned,
                Err(error) => return Err(Failure::new("following a scan failed").because(&error)),
            }
        }
        Ok(outcomes)
    }

    /// Submits every source; one that is refused does not stop the others.
    async fn submit_all(&self, services: &Services) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            outcomes.push(self.submit(services, source).await);
        }
        Ok(outcomes)
    }

    async fn submit(&self, services: &Services, source: &Path) -> Outcome {
        let shown = source.to_string_lossy().into_owned();
        let asset = self.asset.clone().unwrap_or_default();
        let failed = |asset: String, error: String| Outcome {
            source: shown.clone(),
            asset,
            scanned: Scanned::Failed { error },
        };
        // A later `cat` may run elsewhere: the store keeps the whole path.
        let location = match std::path::absolute(source) {
            Ok(path) => path.into_os_string().into_string(),
            Err(error) => return failed(asset, error.to_string()),
        };
        let Ok(location) = location else {
            return failed(asset, "its path is not UTF-8: give it another name, or a link to it".to_owned());
        };
        let request = SubmitRequest {
            source: location,
            asset: asset.clone(),
            account: self.account.clone(),
            content: v1::Content::from(ContentMode::from(self.content)).into(),
            io: v1::Io::from(IoMode::from(self.io)).into(),
            cross_check_millionths: self.cross_check.millionths(),
            shard_bytes: self.shard_bytes.unwrap_or(0),
            only: self.only.iter().map(|part| part.name().to_owned()).collect(),
        };
        match services.scans().submit(request).await {
            Ok(response) => {
                let response = response.into_inner();
                let scanned = Scanned::Queued { scan_id: response.scan_id };
                Outcome { source: shown, asset: response.asset, scanned }
            }
            Err(status) => failed(asset, Failure::from(status).line()),
        }
    }
}

/// The words of `--only`.
fn part() -> impl TypedValueParser<Value = Part> {
    let words = PossibleValuesParser::new(Part::ALL.iter().map(|part| part.name()));
    words.try_map(|word| Part::from_name(&word).ok_or("no part of an asset"))
}

/// What all outcomes together mean.
fn exit_code(outcomes: &[Outcome]) -> ExitCode {
    let any = |wanted: fn(&Scanned) -> bool| outcomes.iter().any(|outcome| wanted(&outcome.scanned));
    if any(|scanned| matches!(scanned, Scanned::Failed { .. })) {
        ExitCode::from(SOURCE_UNREADABLE)
    } else if any(|scanned| matches!(scanned, Scanned::Done { summary, .. } if summary.gaps > 0)) {
        ExitCode::from(FINISHED_WITH_GAPS)
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_proto::v1::ScanSummary;

    #[test]
    fn a_source_that_cannot_be_read_weighs_more_than_gaps() {
        let outcome = |scanned| Outcome { source: "s".to_owned(), asset: "a".to_owned(), scanned };
        let done = |gaps| {
            let summary = ScanSummary { gaps, ..ScanSummary::default() };
            outcome(Scanned::Done { summary, reader: String::new() })
        };
        let failed = || outcome(Scanned::Failed { error: "no".to_owned() });
        // ExitCode has no PartialEq.
        let code = |outcomes: &[Outcome]| format!("{:?}", exit_code(outcomes));
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(&[done(0)]), expected(0));
        assert_eq!(code(&[done(0), done(1)]), expected(3));
        assert_eq!(code(&[done(1), failed(), done(0)]), expected(1));
        assert_eq!(code(&[outcome(Scanned::Queued { scan_id: String::new() })]), expected(0));
    }
}

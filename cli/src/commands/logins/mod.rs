//! `coldread logins`.

mod summary;
mod windows;

use super::listing::{self, ListingArgs};
use crate::{
    connect::Services,
    failure::Result,
    time::{self, PointInTime},
};
use coldread_model::{LoginSource, Part, Parts};
use coldread_proto::v1::LoginsRequest;

/// List logins, logouts, failed attempts, boots and shutdowns, by time
///
/// TIME is RFC 3339 (2025-11-02T21:30:00Z), a date (the start of that day, UTC) or a span ago such as 7d, 12h
/// or 1d12h; units are s, m, h, d and w. An event without a time is outside every span.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  \
    coldread logins --failed --user root\n  \
    coldread logins --asset web-1 --since 7d\n  \
    coldread logins --since 2025-11-01 --until 2025-11-03 --all -o csv\n  \
    coldread logins summary --asset web-1    each user's logins and failures\n  \
    coldread logins windows --asset web-1    since when each log can have known")]
pub struct Logins {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Summary(summary::Summary),
    Windows(windows::Windows),
}

/// Without a verb: the events themselves.
#[derive(Debug, clap::Args)]
struct List {
    /// Only failed attempts
    #[arg(long)]
    failed: bool,
    /// Only users whose name matches, e.g. root or 'adm*'
    #[arg(long, value_name = "GLOB", default_value = "", hide_default_value = true)]
    user: String,
    /// Only events at this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<PointInTime>,
    /// Only events before this time
    #[arg(long, value_name = "TIME")]
    until: Option<PointInTime>,
    /// Also locks, uses of sudo and su, changes of accounts and keys, clock changes and the rest
    #[arg(long)]
    all: bool,
    /// Only what this kind of record tells of
    #[arg(long, value_name = "SOURCE", value_parser = sources())]
    source: Option<String>,
    #[command(flatten)]
    listing: ListingArgs,
}

/// The kinds of records that there are.
fn sources() -> clap::builder::PossibleValuesParser {
    LoginSource::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().into()
}

impl Logins {
    pub async fn run(self) -> Result<()> {
        match self.verb {
            Some(Verb::Summary(summary)) => summary.run().await,
            Some(Verb::Windows(windows)) => windows.run().await,
            None => self.list.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<()> {
        time::check_span(self.since, self.until)?;
        let request = LoginsRequest {
            scope: Some(self.listing.scope()),
            failed: self.failed,
            user: self.user,
            since: self.since.map(Into::into),
            until: self.until.map(Into::into),
            all: self.all,
            source: self.source.unwrap_or_default(),
            root: self.listing.root(),
        };
        let ask = async |services: Services| services.query().logins(request).await;
        self.listing.print(Parts::of(Part::Logins), ask, |batch| batch.logins).await
    }
}

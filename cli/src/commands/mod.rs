//! The subcommands, one file each.

mod accounts;
mod asset;
mod assets;
mod cat;
mod coordinator;
mod coverage;
mod extract;
mod files;
mod gaps;
mod keys;
mod listing;
mod logins;
mod packages;
mod reading;
mod scan;
mod settings;
mod snapshots;
mod worker;

use crate::failure::Result;
use std::process::ExitCode;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Scan(scan::Scan),
    Assets(assets::Assets),
    Asset(asset::Asset),
    Snapshots(snapshots::Snapshots),
    Packages(packages::Packages),
    Logins(Box<logins::Logins>),
    Accounts(accounts::Accounts),
    Keys(keys::Keys),
    Settings(settings::Settings),
    Files(files::Files),
    Coverage(coverage::Coverage),
    Gaps(gaps::Gaps),
    Cat(cat::Cat),
    Extract(extract::Extract),
    Coordinator(coordinator::Coordinate),
    Worker(worker::Work),
}

impl Command {
    /// Whether it runs until it is told to end.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Coordinator(_) | Self::Worker(_))
    }

    /// Runs it.
    pub async fn run(self) -> Result<ExitCode> {
        let done = match self {
            Self::Scan(scan) => return scan.run().await,
            Self::Assets(assets) => assets.run().await,
            Self::Asset(asset) => asset.run().await,
            Self::Snapshots(snapshots) => snapshots.run().await,
            Self::Packages(packages) => packages.run().await,
            Self::Logins(logins) => logins.run().await,
            Self::Accounts(accounts) => accounts.run().await,
            Self::Keys(keys) => keys.run().await,
            Self::Settings(settings) => settings.run().await,
            Self::Files(files) => files.run().await,
            Self::Coverage(coverage) => coverage.run().await,
            Self::Gaps(gaps) => gaps.run().await,
            Self::Cat(cat) => cat.run().await,
            Self::Extract(extract) => extract.run().await,
            Self::Coordinator(coordinator) => coordinator.run().await,
            Self::Worker(worker) => worker.run().await,
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

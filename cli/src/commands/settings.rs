//! `coldread settings`.

use super::listing::ListingArgs;
use crate::{connect::Services, failure::Result};
use coldread_model::{Part, Parts};
use coldread_proto::v1::SettingsRequest;

/// List settings that decide who can log in, by what they configure and by name
///
/// Of sshd its keywords about logins, with the `Match` block (`condition`) that they stand in; of several values of
/// one keyword sshd takes the first that it reads: see the files and lines. Of sudoers the defaults and aliases, and
/// rules for everybody or for names that are no account. What no file sets is not listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread settings --asset web-1\n  \
    coldread settings --subject sshd --name PermitRootLogin\n  \
    coldread settings --name '*Authentication' -o csv")]
pub struct Settings {
    /// Only what configures this, e.g. sshd or sudoers
    #[arg(long, value_name = "SUBJECT", default_value = "", hide_default_value = true)]
    subject: String,
    /// Only settings whose name matches, in any case, e.g. 'permit*'
    #[arg(long, value_name = "GLOB", default_value = "", hide_default_value = true)]
    name: String,
    #[command(flatten)]
    listing: ListingArgs,
}

impl Settings {
    pub async fn run(self) -> Result<()> {
        let request = SettingsRequest {
            scope: Some(self.listing.scope()),
            subject: self.subject,
            name: self.name,
            root: self.listing.root(),
        };
        let ask = async |services: Services| services.query().settings(request).await;
        self.listing.print(Parts::of(Part::Accounts), ask, |batch| batch.settings).await
    }
}

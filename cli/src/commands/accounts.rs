//! `coldread accounts`.

use super::listing::ListingArgs;
use crate::{connect::Services, failure::Result};
use coldread_model::{AccountKind, Part, Parts};
use coldread_proto::v1::AccountsRequest;

/// List the users that systems know: who they are, whether a password opens them, what they may do
///
/// From passwd, shadow, group and sudoers; on Windows from SAM and the list of profiles. Of a password it says
/// whether one is set and how it is hashed, never the hash. `privileges` are the rules of sudoers that hold for a
/// user, those of its groups included.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread accounts --asset web-1\n  \
    coldread accounts --user root -o wide\n  \
    coldread accounts --groups --user 'sudo*'\n  \
    coldread accounts -o ndjson | jq 'select(.password == \"set\" and .scheme == \"descrypt\")'")]
pub struct Accounts {
    /// Only accounts whose name matches, e.g. root or 'adm*'
    #[arg(long, visible_alias = "name", value_name = "GLOB", default_value = "", hide_default_value = true)]
    user: String,
    /// Groups instead of users
    #[arg(long, conflicts_with = "all")]
    groups: bool,
    /// Users and groups
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    listing: ListingArgs,
}

impl Accounts {
    pub async fn run(self) -> Result<()> {
        let kind = match (self.all, self.groups) {
            (true, _) => "",
            (false, true) => AccountKind::Group.name(),
            (false, false) => AccountKind::User.name(),
        };
        let request = AccountsRequest {
            scope: Some(self.listing.scope()),
            name: self.user,
            kind: kind.to_owned(),
            root: self.listing.root(),
        };
        let ask = async |services: Services| services.query().accounts(request).await;
        self.listing.print(Parts::of(Part::Accounts), ask, |batch| batch.accounts).await
    }
}

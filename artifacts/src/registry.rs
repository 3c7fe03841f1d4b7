//! The extractors there are.

use crate::{Context, Input, Output, accounts, keys, logins, packages, wants::Want};

/// Makes findings of files of one kind. Pure: what it says depends on its input and the context alone.
pub trait Extractor: Send + Sync {
    /// Its name, in results and caches.
    fn name(&self) -> &'static str;

    /// Raised whenever the same input gives other findings than before.
    fn version(&self) -> u32;

    /// The files it wants.
    fn wants(&self) -> &'static [Want];

    /// Reads one file. What cannot be read goes to `out` as a gap; the rest is read on.
    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output);
}

/// Every extractor.
pub const EXTRACTORS: &[&dyn Extractor] = &[
    &packages::dpkg::Dpkg,
    &packages::rpm::Rpm,
    &packages::apk::Apk,
    &logins::utmp::Utmp,
    &logins::lastlog::Lastlog,
    &logins::authlog::Authlog,
    &accounts::passwd::Accounts,
    &accounts::sudoers::Sudoers,
    &keys::authorized::AuthorizedKeys,
    &keys::private::PrivateKeys,
    &keys::sshd::SshdConfig,
];

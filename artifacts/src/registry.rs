//! The extractors there are.

use crate::{Context, Input, Output, logins, packages, wants::Want};
use coldread_model::Parts;

/// Makes findings of files of one kind. Pure: what it says depends on its input and the context alone.
pub trait Extractor: Send + Sync {
    /// Its name, in results and caches.
    fn name(&self) -> &'static str;

    /// Raised whenever the same input gives other findings than before.
    fn version(&self) -> u32;

    /// What it may find, so that it need not run where that is not asked for.
    fn finds(&self) -> Parts {
        Parts::ALL
    }

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
];

//! The extractors there are.

use crate::{Context, Input, Output, accounts, identity, keys, logins, packages, probe::Prober, wants::Want};
use coldread_model::{Part, Parts};

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

    /// Whether each name of a file with several says something of its own: which user a key opens, which tree holds a
    /// package. Else the content is read under one of them: a log under two names has its events once.
    fn reads_each_name(&self) -> bool {
        let placed = Parts::of(Part::Keys).and(Parts::of(Part::Libraries));
        self.finds().meets(placed) && !self.finds().meets(Parts::of(Part::Logins))
    }

    /// Reads one file. What cannot be read goes to `out` as a gap; the rest is read on.
    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output);

    /// What reads a file of so many bytes in rounds: for wants with [`crate::Reading::Probe`]. None: it is no file
    /// for this extractor.
    fn prober(&self, _bytes: u64) -> Option<Box<dyn Prober>> {
        None
    }

    /// Whether its results may be kept and given again for the same file elsewhere. Then it is handed neither a time
    /// nor an ownership, and no more of the context than [`Context::for_packages`] leaves, so that what it says
    /// depends on its path inside the root, its bytes and those of its companions alone.
    fn is_cached(&self) -> bool {
        false
    }
}

/// Every extractor.
pub const EXTRACTORS: &[&dyn Extractor] = &[
    &packages::dpkg::Dpkg,
    &packages::dpkg::list::FileLists,
    &packages::dpkg::log::DpkgLog,
    &packages::dpkg::opkg::Opkg,
    &packages::rpm::Rpm,
    &packages::apk::Apk,
    &packages::pacman::Pacman,
    &packages::portage::Portage,
    &packages::snap::Snap,
    &packages::flatpak::Flatpak,
    &packages::nix::Nix,
    &packages::python::Python,
    &packages::npm::Npm,
    &packages::npm::locks::NpmLocks,
    &packages::binaries::Binaries,
    &packages::java::Java,
    &packages::ruby::Gems,
    &packages::ruby::locks::GemLocks,
    &packages::dotnet::Dotnet,
    &packages::dotnet::nuget::Nuget,
    &packages::dotnet::nuget::NugetLocks,
    &packages::composer::Composer,
    &packages::composer::ComposerLocks,
    &packages::conda::Conda,
    &identity::kernel::KernelImages,
    &identity::kernel::Grub,
    &identity::unified::UnifiedKernels,
    &identity::loader::LoaderEntries,
    &identity::loader::LoaderConf,
    &identity::extlinux::Extlinux,
    &packages::windows::Software,
    &packages::windows::System,
    &packages::windows::UserPrograms,
    &logins::utmp::Utmp,
    &logins::lastlog::Lastlog,
    &logins::tallies::Tallies,
    &logins::databases::Databases,
    &logins::syslog::Syslog,
    &logins::journal::Journal,
    &logins::evtx::Evtx,
    &accounts::passwd::Accounts,
    &accounts::sudoers::Sudoers,
    &accounts::windows::WindowsAccounts,
    &keys::authorized::AuthorizedKeys,
    &keys::private::PrivateKeys,
    &keys::sshd::SshdConfig,
];

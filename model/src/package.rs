//! Installed packages.

use crate::{digest::Sha256Digest, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* $variant),* }
        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The word for it in output and filters.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
            /// The one with this word.
            pub fn from_name(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == word)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The ecosystem that a package belongs to.
    PackageType {
        /// Debian and its family, dpkg.
        Deb = "deb",
        /// RPM.
        Rpm = "rpm",
        /// Alpine.
        Apk = "apk",
    }
}

words! {
    /// How far a package is installed. `packages` shows [`PackageState::Installed`] unless `--all` is given.
    PackageState {
        /// Installed and configured.
        Installed = "installed",
        /// Removed, its configuration files kept.
        ConfigFiles = "config-files",
        /// Unpacking began and did not finish.
        HalfInstalled = "half-installed",
        /// Unpacked, not configured.
        Unpacked = "unpacked",
        /// Configuring began and did not finish.
        HalfConfigured = "half-configured",
        /// Waits for another package's trigger.
        TriggersAwaited = "triggers-awaited",
        /// Was triggered and has not run its trigger.
        TriggersPending = "triggers-pending",
        /// Known to the database, not installed.
        NotInstalled = "not-installed",
    }
}

impl PackageState {
    /// Whether the package's program files are in place: what a default listing shows.
    /// dpkg's trigger states are installed packages whose triggers are outstanding.
    pub const fn is_installed(self) -> bool {
        matches!(self, Self::Installed | Self::TriggersAwaited | Self::TriggersPending)
    }
}

/// The database that proves a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PackageOrigin {
    /// The volume that holds it.
    pub volume: String,
    /// Its path in the asset's tree.
    pub path: Vec<u8>,
    /// The digest of the database, where all of it was read.
    pub sha256: Option<Sha256Digest>,
}

/// One installed (or half installed) package. Ordered as `packages` lists them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Package {
    /// The ecosystem.
    pub kind: PackageType,
    /// Its name there.
    pub name: String,
    /// The full version in the ecosystem's own form.
    pub version: String,
    /// Architecture, if the database names one.
    pub arch: Option<String>,
    /// How far it is installed.
    pub state: PackageState,
    /// The source package's name, where it differs or is recorded.
    pub source_name: Option<String>,
    /// The source package's version, where recorded or implied.
    pub source_version: Option<String>,
    /// The package URL.
    pub purl: String,
    /// The tree it is installed in: `/` for the host, else a container's or chroot's path.
    pub root: String,
    /// When it was installed, where the database says so.
    pub installed_at: Option<Timestamp>,
    /// What proves it.
    pub origin: PackageOrigin,
}

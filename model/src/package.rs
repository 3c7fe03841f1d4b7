//! Installed packages.

use crate::{asked::Part, digest::Sha256Digest, time::Timestamp};
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
        /// Arch Linux.
        Pacman = "pacman",
        /// Gentoo.
        Portage = "portage",
        /// OpenWrt and other small systems.
        Opkg = "opkg",
        /// A snap.
        Snap = "snap",
        /// A Flatpak application or runtime.
        Flatpak = "flatpak",
        /// A path of the Nix store.
        Nix = "nix",
        /// A path of the Guix store.
        Guix = "guix",
        /// Python.
        Pypi = "pypi",
        /// Node.js.
        Npm = "npm",
        /// Ruby.
        Gem = "gem",
        /// A module that a Go binary was built of.
        Golang = "golang",
        /// A crate that a Rust binary was built of.
        Cargo = "cargo",
        /// Java.
        Maven = "maven",
        /// .NET libraries.
        Nuget = "nuget",
        /// PHP.
        Composer = "composer",
        /// Conda.
        Conda = "conda",
        /// A program as Windows' list of installed programs has it.
        Windows = "windows",
        /// An Appx or MSIX package.
        Msix = "msix",
        /// An update of Windows (a package of component based servicing, by its KB number where it has one).
        Kb = "kb",
        /// The .NET Framework or a .NET runtime on Windows.
        Dotnet = "dotnet",
        /// A service of Windows.
        WindowsService = "windows-service",
        /// A driver of Windows.
        WindowsDriver = "windows-driver",
    }
}

impl PackageType {
    /// The part of what there is to know that such packages are of: a language's own tools bring libraries.
    pub const fn part(self) -> Part {
        match self {
            Self::Pypi
            | Self::Npm
            | Self::Gem
            | Self::Golang
            | Self::Cargo
            | Self::Maven
            | Self::Nuget
            | Self::Composer
            | Self::Conda => Part::Libraries,
            Self::Deb
            | Self::Rpm
            | Self::Apk
            | Self::Pacman
            | Self::Portage
            | Self::Opkg
            | Self::Snap
            | Self::Flatpak
            | Self::Nix
            | Self::Guix
            | Self::Windows
            | Self::Msix
            | Self::Kb
            | Self::Dotnet
            | Self::WindowsService
            | Self::WindowsDriver => Part::Packages,
        }
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
        /// Named by a lock file or manifest; nothing shows that it is installed.
        Declared = "declared",
        /// Replaced by a later update, and still there.
        Superseded = "superseded",
        /// Will be installed when the machine starts next.
        Pending = "pending",
        /// Unpacked by Windows' servicing, not installed.
        Staged = "staged",
        /// Will be removed when the machine starts next.
        UninstallPending = "uninstall-pending",
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
    /// When it was installed, where the database or its log says so.
    pub installed_at: Option<Timestamp>,
    /// Who made or ships it, where the database says so.
    pub vendor: Option<String>,
    /// The module stream it belongs to (RPM's modularity label).
    pub module: Option<String>,
    /// What proves it.
    pub origin: PackageOrigin,
    /// The system package that brought it, as `type:name`: a language package that is also part of a
    /// distribution's package is one thing on the disk, told twice. The last field: it does not change the order.
    pub owner: Option<String>,
}

impl Package {
    /// An installed package of the host's own tree, with nothing but its name and version.
    pub fn new(
        kind: PackageType,
        name: impl Into<String>,
        version: impl Into<String>,
        origin: PackageOrigin,
    ) -> Self {
        Self {
            kind,
            name: name.into(),
            version: version.into(),
            arch: None,
            state: PackageState::Installed,
            source_name: None,
            source_version: None,
            purl: String::new(),
            root: "/".to_owned(),
            installed_at: None,
            vendor: None,
            module: None,
            origin,
            owner: None,
        }
    }
}

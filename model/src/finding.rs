//! What extractors make of files.

use crate::{
    account::{Account, Key, Setting},
    gap::Gap,
    login::{LogWindow, LoginEvent},
    package::Package,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// What system a disk holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemIdentity {
    /// os-release ID, e.g. `debian`; `windows` for Windows.
    pub id: Option<String>,
    /// os-release ID_LIKE, split.
    pub id_like: Vec<String>,
    /// os-release VERSION_ID; on Windows the display version, e.g. `23H2`.
    pub version_id: Option<String>,
    /// os-release VERSION_CODENAME.
    pub codename: Option<String>,
    /// os-release PRETTY_NAME.
    pub pretty_name: Option<String>,
    /// The machine's own name for itself (/etc/hostname).
    pub hostname: Option<String>,
    /// Its zone (the target of /etc/localtime or /etc/timezone; Windows' own name for it).
    pub timezone: Option<String>,
    /// The exact build: on Windows major, minor, build and update revision, e.g. `10.0.19045.3570`; elsewhere
    /// os-release BUILD_ID or IMAGE_VERSION.
    pub build: Option<String>,
    /// The edition or variant: Windows' EditionID, os-release VARIANT_ID.
    pub edition: Option<String>,
    /// When the system was installed, where it says so.
    pub installed_at: Option<Timestamp>,
    /// The entry that the boot loader starts unless told otherwise: a name, or a pattern on names (systemd-boot).
    pub boot_entry: Option<String>,
    /// Kernel images that are there, in the order of their paths.
    pub kernels: Vec<Kernel>,
}

impl SystemIdentity {
    /// Takes over what `part` knows and this does not. Kernels are added to those known, each once, by
    /// path; where one is the default, the others are not.
    pub fn fill(&mut self, part: Self) {
        let text = |known: &mut Option<String>, more: Option<String>| {
            if known.is_none() {
                *known = more;
            }
        };
        text(&mut self.id, part.id);
        if self.id_like.is_empty() {
            self.id_like = part.id_like;
        }
        text(&mut self.version_id, part.version_id);
        text(&mut self.codename, part.codename);
        text(&mut self.pretty_name, part.pretty_name);
        text(&mut self.hostname, part.hostname);
        text(&mut self.timezone, part.timezone);
        text(&mut self.build, part.build);
        text(&mut self.edition, part.edition);
        self.installed_at = self.installed_at.or(part.installed_at);
        text(&mut self.boot_entry, part.boot_entry);
        self.kernels.extend(part.kernels);
        self.kernels.sort_by(|a, b| (&a.path, a).cmp(&(&b.path, b)));
        // A boot loader's file and the image itself tell of the same kernel.
        self.kernels.dedup_by(|later, kept| {
            let same = later.path == kept.path;
            if same {
                kept.default = kept.default.max(later.default);
                kept.entry = kept.entry.take().or(later.entry.take());
                // A boot loader's file may name the image alone.
                if kept.release.is_empty() {
                    kept.release = std::mem::take(&mut later.release);
                }
            }
            same
        });
        if self.kernels.iter().any(|kernel| kernel.default == Some(true)) {
            for kernel in &mut self.kernels {
                kernel.default.get_or_insert(false);
            }
        }
    }
}

/// A kernel image that a boot loader could start.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kernel {
    /// Its release, e.g. `6.1.0-28-amd64`; empty where nothing says it.
    pub release: String,
    /// The image: its path in the asset's tree.
    pub path: Vec<u8>,
    /// Whether the boot loader starts it unless told otherwise; absent where no boot loader's file says.
    pub default: Option<bool>,
    /// The boot loader's name for it.
    pub entry: Option<String>,
}

impl Kernel {
    /// An image of which nothing more is known.
    pub fn at(path: &[u8]) -> Self {
        Self { release: String::new(), path: path.to_vec(), default: None, entry: None }
    }
}

/// Everything that the extractors found on one asset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// The system.
    pub system: SystemIdentity,
    /// Packages, sorted.
    pub packages: Vec<Package>,
    /// Login events, sorted.
    pub logins: Vec<LoginEvent>,
    /// What time each login record covers, sorted.
    pub windows: Vec<LogWindow>,
    /// Users and groups, sorted.
    pub accounts: Vec<Account>,
    /// Keys, sorted.
    pub keys: Vec<Key>,
    /// Settings of logins, sorted.
    pub settings: Vec<Setting>,
    /// Databases and logs that were there and could not be read, whole or in part.
    pub gaps: Vec<Gap>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_and_its_boot_loader_are_one_kernel() {
        let kernel = |path: &str, default| Kernel {
            entry: None,
            release: path.trim_start_matches("/boot/vmlinuz-").to_owned(),
            path: path.as_bytes().to_vec(),
            default,
        };
        let mut system = SystemIdentity::default();
        let mut add =
            |kernel| system.fill(SystemIdentity { kernels: vec![kernel], ..SystemIdentity::default() });
        add(kernel("/boot/vmlinuz-6.1", None));
        add(kernel("/boot/vmlinuz-6.1", Some(true)));
        add(kernel("/boot/vmlinuz-5.10", None));
        add(kernel("/boot/vmlinuz-6.1", None));
        let expected = [kernel("/boot/vmlinuz-5.10", Some(false)), kernel("/boot/vmlinuz-6.1", Some(true))];
        assert_eq!(system.kernels, expected);
        // An entry that knows the image alone, in whatever order.
        let named = |release: &str| Kernel {
            release: release.to_owned(),
            default: (release.is_empty()).then_some(true),
            ..Kernel::at(b"/boot/vmlinuz-lts")
        };
        for pair in [[named(""), named("6.6")], [named("6.6"), named("")]] {
            let mut system = SystemIdentity::default();
            for kernel in pair {
                system.fill(SystemIdentity { kernels: vec![kernel], ..SystemIdentity::default() });
            }
            assert_eq!(system.kernels, [Kernel { default: Some(true), ..named("6.6") }]);
        }
    }
}

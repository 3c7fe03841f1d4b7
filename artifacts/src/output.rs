//! Where extractors put what they find.

use crate::{
    Context, accounts,
    identity::boot::{BootDefault, BootEntry},
    logins::logged::Logged,
};
use coldread_model::{
    Account, Findings, Gap, Kernel, Key, LogWindow, LoginEvent, Package, Setting, SystemIdentity, Timestamp,
};

/// Takes findings one by one, so that a caller may write them out as they come instead of keeping all.
///
/// The caller knows where a file lies: it sets `root` of every row, and puts the root before the paths in rows and
/// gaps. An extractor writes paths as it is handed them.
pub trait Output {
    /// A package.
    fn package(&mut self, package: Package);
    /// A login event.
    fn login(&mut self, event: LoginEvent);
    /// A login event of a log's lines.
    fn logged(&mut self, event: &Logged<'_>) {
        self.login(event.event());
    }
    /// Begins a stretch of login events that can be taken back, until the next one begins: a log may tell at its end
    /// what its beginning was to be read by.
    fn mark(&mut self) -> Mark;
    /// Takes back the login events since the last mark, which is this one.
    fn take_back(&mut self, to: Mark);
    /// What time a login record covers.
    fn window(&mut self, window: LogWindow);
    /// A user or group.
    fn account(&mut self, account: Account);
    /// A key.
    fn key(&mut self, key: Key);
    /// A setting of logins.
    fn setting(&mut self, setting: Setting);
    /// What a file says of the system, e.g. a registry hive. What is known already stays.
    fn system(&mut self, part: SystemIdentity);
    /// A kernel image.
    fn kernel(&mut self, kernel: Kernel);
    /// An entry of a boot loader's menu, of which the one that is started is found once all are known.
    fn boot_entry(&mut self, entry: BootEntry);
    /// What a boot loader's configuration says of the entry that is started.
    fn boot_default(&mut self, default: BootDefault);
    /// That a file of the root, by its path, belongs to a system package (`deb:python3-requests`). Language packages
    /// whose origin is such a file get it as their [`Package::owner`].
    fn owned(&mut self, owner: &str, path: &[u8]);
    /// When a package was installed, told by another file than the one that proves the package.
    fn install_time(&mut self, time: InstallTime);
    /// Something that was there and could not be read.
    fn gap(&mut self, gap: Gap);
}

/// How many login events came before a place among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(pub u64);

/// When a package was installed. One that names the version goes before one that does not; of several the latest
/// counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallTime {
    /// The tree of the package.
    pub root: String,
    /// The package as `type:name`.
    pub owner: String,
    /// Its architecture, where it is told.
    pub arch: Option<String>,
    /// The version that was installed, where it is told.
    pub version: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Output for Findings {
    fn package(&mut self, package: Package) {
        self.packages.push(package);
    }
    fn login(&mut self, event: LoginEvent) {
        self.logins.push(event);
    }
    fn mark(&mut self) -> Mark {
        Mark(self.logins.len() as u64)
    }
    fn take_back(&mut self, to: Mark) {
        self.logins.truncate(usize::try_from(to.0).unwrap_or(usize::MAX));
    }
    fn window(&mut self, window: LogWindow) {
        self.windows.push(window);
    }
    fn account(&mut self, account: Account) {
        self.accounts.push(account);
    }
    fn key(&mut self, key: Key) {
        self.keys.push(key);
    }
    fn setting(&mut self, setting: Setting) {
        self.settings.push(setting);
    }
    fn system(&mut self, part: SystemIdentity) {
        self.system.fill(part);
    }
    fn kernel(&mut self, kernel: Kernel) {
        self.system.kernels.push(kernel);
    }
    /// No finding of its own, as what follows: others are completed by it.
    fn boot_entry(&mut self, _: BootEntry) {}
    fn boot_default(&mut self, _: BootDefault) {}
    fn owned(&mut self, _: &str, _: &[u8]) {}
    fn install_time(&mut self, _: InstallTime) {}
    fn gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }
}

/// Joins what extractors found in any order: with the context's identity and gaps, sorted, each row once.
pub fn finish(context: &Context, parts: impl IntoIterator<Item = Findings>) -> Findings {
    let mut all = Findings { system: context.system.clone(), ..Findings::default() };
    all.gaps.clone_from(&context.gaps);
    for part in parts {
        all.system.fill(part.system);
        all.packages.extend(part.packages);
        all.logins.extend(part.logins);
        all.windows.extend(part.windows);
        all.accounts.extend(part.accounts);
        all.keys.extend(part.keys);
        all.settings.extend(part.settings);
        all.gaps.extend(part.gaps);
    }
    sort_each_once(&mut all.packages);
    // Equal rows are kept: a log may say the same twice, and each has its own offset or was repeated.
    all.logins.sort_unstable();
    sort_each_once(&mut all.windows);
    let (accounts, gap) = accounts::join(all.accounts);
    all.accounts = accounts;
    all.gaps.extend(gap);
    sort_each_once(&mut all.keys);
    sort_each_once(&mut all.settings);
    sort_each_once(&mut all.gaps);
    all
}

fn sort_each_once<T: Ord>(rows: &mut Vec<T>) {
    rows.sort_unstable();
    rows.dedup();
}

#[cfg(test)]
pub(crate) mod recorder {
    //! An output that keeps all that is told, for tests.

    use super::*;

    #[derive(Default)]
    pub(crate) struct Recorder {
        pub(crate) findings: Findings,
        pub(crate) owned: Vec<(String, Vec<u8>)>,
        pub(crate) times: Vec<InstallTime>,
        pub(crate) entries: Vec<BootEntry>,
        pub(crate) default: Option<BootDefault>,
    }

    impl Output for Recorder {
        fn package(&mut self, package: Package) {
            self.findings.package(package);
        }
        fn login(&mut self, event: LoginEvent) {
            self.findings.login(event);
        }
        fn mark(&mut self) -> Mark {
            self.findings.mark()
        }
        fn take_back(&mut self, to: Mark) {
            self.findings.take_back(to);
        }
        fn window(&mut self, window: LogWindow) {
            self.findings.window(window);
        }
        fn account(&mut self, account: Account) {
            self.findings.account(account);
        }
        fn key(&mut self, key: Key) {
            self.findings.key(key);
        }
        fn setting(&mut self, setting: Setting) {
            self.findings.setting(setting);
        }
        fn system(&mut self, part: SystemIdentity) {
            self.findings.system(part);
        }
        fn kernel(&mut self, kernel: Kernel) {
            self.findings.kernel(kernel);
        }
        fn boot_entry(&mut self, entry: BootEntry) {
            self.entries.push(entry);
        }
        fn boot_default(&mut self, default: BootDefault) {
            self.default = Some(default);
        }
        fn owned(&mut self, owner: &str, path: &[u8]) {
            self.owned.push((owner.to_owned(), path.to_vec()));
        }
        fn install_time(&mut self, time: InstallTime) {
            self.times.push(time);
        }
        fn gap(&mut self, gap: Gap) {
            self.findings.gap(gap);
        }
    }
}

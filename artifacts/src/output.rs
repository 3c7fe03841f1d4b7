//! Where extractors put what they find.

use crate::{Context, accounts};
use coldread_model::{Account, Findings, Gap, Key, LogWindow, LoginEvent, Package, Setting};

/// Takes findings one by one, so that a caller may write them out as they come instead of keeping all.
pub trait Output {
    /// A package.
    fn package(&mut self, package: Package);
    /// A login event.
    fn login(&mut self, event: LoginEvent);
    /// What time a login record covers.
    fn window(&mut self, window: LogWindow);
    /// A user or group.
    fn account(&mut self, account: Account);
    /// A key.
    fn key(&mut self, key: Key);
    /// A setting of logins.
    fn setting(&mut self, setting: Setting);
    /// Something that was there and could not be read.
    fn gap(&mut self, gap: Gap);
}

impl Output for Findings {
    fn package(&mut self, package: Package) {
        self.packages.push(package);
    }
    fn login(&mut self, event: LoginEvent) {
        self.logins.push(event);
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
    fn gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }
}

/// Joins what extractors found in any order: with the context's identity and gaps, sorted, each row once.
pub fn finish(context: &Context, parts: impl IntoIterator<Item = Findings>) -> Findings {
    let mut all = Findings { system: context.system.clone(), ..Findings::default() };
    all.gaps.clone_from(&context.gaps);
    for part in parts {
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
    all.accounts = accounts::join(all.accounts);
    sort_each_once(&mut all.keys);
    sort_each_once(&mut all.settings);
    sort_each_once(&mut all.gaps);
    all
}

fn sort_each_once<T: Ord>(rows: &mut Vec<T>) {
    rows.sort_unstable();
    rows.dedup();
}

//! Runs extractors on files as a caller does.

use coldread_artifacts::{
    Companion, Context, EXTRACTORS, Extractor, Input, Output, Wants,
    identity::boot::{BootDefault, BootEntry},
    output::{InstallTime, Mark, finish},
    view::MemoryView,
};
use coldread_model::{
    Account, Findings, Gap, Kernel, Key, LogWindow, LoginEvent, Package, Setting, SystemIdentity, Timestamp,
};
use std::{path::PathBuf, process::Command};

/// What all extractors that want `path` make of `bytes`.
pub(crate) fn extract(path: &str, bytes: Vec<u8>, mtime: i64, context: &Context) -> Findings {
    extract_with(path, bytes, &mut [], mtime, context)
}

/// The same, with companions.
pub(crate) fn extract_with(
    path: &str,
    bytes: Vec<u8>,
    companions: &mut [(&'static str, MemoryView)],
    mtime: i64,
    context: &Context,
) -> Findings {
    let wants = Wants::of(EXTRACTORS);
    let wanted = wants.of_path(path.as_bytes());
    assert!(!wanted.is_empty(), "nobody wants {path}");
    let mut view = MemoryView::from(bytes);
    let mut parts = Vec::new();
    for wanted in wanted {
        let mut found = Findings::default();
        let mut input = Input::new(path.as_bytes(), "p1", &mut view);
        input.mtime = Timestamp::new(mtime, 0);
        for (suffix, view) in &mut *companions {
            if wanted.want.companions.contains(suffix) {
                input.companions.push(Companion { suffix, view });
            }
        }
        wanted.extractor.extract(&mut input, context, &mut found);
        parts.push(found);
    }
    finish(context, parts)
}

/// What a command writes, or `None` (with a word about it) where it cannot be run.
pub(crate) fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).env("LC_ALL", "C").env("TZ", "UTC").output() {
        Ok(output) if output.status.success() => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => {
            println!("skipped: {program}: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            println!("skipped: {program}: {error}");
            None
        }
    }
}

/// A file of the corpus of real databases and logs, or `None` (with a word about it) where there is none.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("COLDREAD_CORPUS") else {
        println!("skipped: COLDREAD_CORPUS is not set");
        return None;
    };
    Some(PathBuf::from(root).join(name))
}

/// Findings, and who owns which path.
#[derive(Default)]
pub(crate) struct WithOwned {
    pub(crate) findings: Findings,
    pub(crate) owned: Vec<(String, String)>,
}

impl Output for WithOwned {
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
        self.findings.boot_entry(entry);
    }
    fn boot_default(&mut self, default: BootDefault) {
        self.findings.boot_default(default);
    }
    fn install_time(&mut self, time: InstallTime) {
        self.findings.install_time(time);
    }
    fn owned(&mut self, owner: &str, path: &[u8]) {
        self.owned.push((owner.to_owned(), String::from_utf8_lossy(path).into_owned()));
    }
    fn gap(&mut self, gap: Gap) {
        self.findings.gap(gap);
    }
}

/// What one extractor makes of a file, with the paths that packages own, sorted.
pub(crate) fn extract_owned(extractor: &dyn Extractor, path: &str, bytes: Vec<u8>) -> WithOwned {
    let mut found = WithOwned::default();
    let mut view = MemoryView::from(bytes);
    let mut input = Input::new(path.as_bytes(), "p1", &mut view);
    extractor.extract(&mut input, &Context::default(), &mut found);
    found.findings.packages.sort();
    found.owned.sort();
    found
}

//! Results that the store has kept: a clone's database is never read by an extractor twice.

use super::{Extraction, fetched::Fetched, find::Wanted};
use crate::tasks::TaskError;
use coldread_artifacts::{
    Output,
    identity::boot::{BootDefault, BootEntry},
    output::{InstallTime, Mark},
};
use coldread_model::{
    Account, Gap, Kept, KeptKey, Kernel, Key, LogWindow, LoginEvent, ObjectKind, Package, Setting,
    Sha256Digest, SystemIdentity, codec,
};
use std::collections::HashMap;

/// A result that takes more memory than this is not kept.
const MAX_BYTES: usize = 32 << 20;
/// Files smaller than this are read sooner than asked about.
pub(super) const MIN_FILE_BYTES: u64 = 4 << 10;
/// Files up to this size are read whole to learn their digest.
pub(super) const MAX_FILE_BYTES: u64 = 128 << 20;

/// Files that are asked about together, and bytes of them.
const TOGETHER: usize = 512;
const TOGETHER_BYTES: u64 = 8 << 20;

/// The key of what an extractor says of a file with these digests: its own, then those of its companions.
pub(super) fn key(
    all: &Extraction<'_, '_>,
    wanted: &Wanted<'_>,
    digests: &[(&str, Sha256Digest)],
) -> KeptKey {
    let context = &all.package_contexts[wanted.root];
    let system = codec::to_bytes(&context.system);
    let version = wanted.extractor.version().to_le_bytes();
    let name = wanted.extractor.name().as_bytes();
    let fixed = [name, &version[..], env!("CARGO_PKG_VERSION").as_bytes(), &wanted.path[..], &system[..]];
    let files = digests.iter().flat_map(|(suffix, digest)| [suffix.as_bytes(), &digest.0[..]]);
    KeptKey::of(fixed.into_iter().chain(files))
}

/// What the store has kept of some files: asked for together, as each question may be a way to another host.
#[derive(Default)]
pub(super) struct Known(HashMap<KeptKey, Option<Vec<u8>>>);

impl Known {
    /// Asks for what is kept of those of the files that are at hand whole.
    pub(super) fn of<'a>(
        all: &Extraction<'_, 'a>,
        wanted: &[&Wanted<'a>],
        fetched: &Fetched<'a>,
    ) -> Result<Self, TaskError> {
        let keys: Vec<KeptKey> = wanted.iter().filter_map(|one| key_of(all, one, fetched)).collect();
        if keys.is_empty() {
            return Ok(Self::default());
        }
        let found = all.job.context.kept(&keys)?;
        Ok(Self(keys.into_iter().zip(found).collect()))
    }

    /// The result under a key, which is given once: asked for now where that was not done before. One that does not
    /// decode counts as none.
    pub(super) fn take(&mut self, all: &Extraction<'_, '_>, key: KeptKey) -> Result<Option<Kept>, TaskError> {
        let found = match self.0.remove(&key) {
            Some(found) => found,
            None => all.job.context.kept(&[key])?.pop().flatten(),
        };
        Ok(found.and_then(|bytes| Kept::decode(key, &bytes).ok()))
    }
}

/// The key of a file that is at hand whole, with its companions, if its result may be kept.
fn key_of<'a>(all: &Extraction<'_, 'a>, wanted: &Wanted<'a>, fetched: &Fetched<'a>) -> Option<KeptKey> {
    if !wanted.extractor.is_cached() {
        return None;
    }
    let (bytes, digest) = fetched.held(&wanted.file).filter(|(bytes, _)| *bytes >= MIN_FILE_BYTES)?;
    debug_assert!(bytes <= MAX_FILE_BYTES);
    let mut digests = vec![("", digest)];
    for (suffix, companion) in &wanted.companions {
        digests.push((suffix, fetched.held(companion)?.1));
    }
    Some(key(all, wanted, &digests))
}

/// How many of the files are asked about together: what the store answers is held in memory meanwhile, and is about as
/// large as they are.
pub(super) fn together(wanted: &[&Wanted<'_>]) -> usize {
    let mut bytes = 0_u64;
    let fits = |one: &&&Wanted<'_>| {
        bytes = bytes.saturating_add(one.file.stream.map_or(0, |stream| stream.size));
        bytes <= TOGETHER_BYTES
    };
    wanted.iter().take(TOGETHER).take_while(fits).count().max(1)
}

/// Says again what a kept result says.
pub(super) fn replay(kept: Kept, out: &mut dyn Output) {
    for (owner, paths) in &kept.owned {
        for path in paths {
            out.owned(owner, path);
        }
    }
    for package in kept.packages {
        out.package(package);
    }
    for gap in kept.gaps {
        out.gap(gap);
    }
}

/// Passes on what an extractor says and remembers it.
pub(super) struct Keeper<'k> {
    out: &'k mut dyn Output,
    kept: Kept,
    bytes: usize,
    /// Whether it said something that is not kept.
    other: bool,
}

impl<'k> Keeper<'k> {
    pub(super) fn new(out: &'k mut dyn Output) -> Self {
        Self { out, kept: Kept::default(), bytes: 0, other: false }
    }

    fn room(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.bytes <= MAX_BYTES
    }

    /// The object to keep, if all that was said can be.
    pub(super) fn object(self, key: KeptKey) -> Option<(ObjectKind, Vec<u8>)> {
        let whole = !self.other && self.bytes <= MAX_BYTES;
        whole.then(|| (ObjectKind::Kept, self.kept.encode(key)))
    }
}

impl Output for Keeper<'_> {
    fn package(&mut self, package: Package) {
        if self.room(coldread_model::rows::Row::weight(&package)) {
            self.kept.packages.push(package.clone());
        }
        self.out.package(package);
    }
    fn gap(&mut self, gap: Gap) {
        // What the source did not give is no fact about the bytes.
        self.other |= gap.kind == coldread_model::GapKind::Io;
        if self.room(200) {
            self.kept.gaps.push(gap.clone());
        }
        self.out.gap(gap);
    }
    fn owned(&mut self, owner: &str, path: &[u8]) {
        if self.room(path.len() + 24) {
            match self.kept.owned.last_mut() {
                Some((last, paths)) if last == owner => paths.push(path.to_vec()),
                _ => self.kept.owned.push((owner.to_owned(), vec![path.to_vec()])),
            }
        }
        self.out.owned(owner, path);
    }
    fn install_time(&mut self, time: InstallTime) {
        self.other = true;
        self.out.install_time(time);
    }
    fn login(&mut self, event: LoginEvent) {
        self.other = true;
        self.out.login(event);
    }
    fn mark(&mut self) -> Mark {
        self.out.mark()
    }
    fn take_back(&mut self, to: Mark) {
        self.out.take_back(to);
    }
    fn window(&mut self, window: LogWindow) {
        self.other = true;
        self.out.window(window);
    }
    fn account(&mut self, account: Account) {
        self.other = true;
        self.out.account(account);
    }
    fn key(&mut self, key: Key) {
        self.other = true;
        self.out.key(key);
    }
    fn setting(&mut self, setting: Setting) {
        self.other = true;
        self.out.setting(setting);
    }
    fn system(&mut self, part: SystemIdentity) {
        self.other = true;
        self.out.system(part);
    }
    fn kernel(&mut self, kernel: Kernel) {
        self.other = true;
        self.out.kernel(kernel);
    }
    fn boot_entry(&mut self, entry: BootEntry) {
        self.other = true;
        self.out.boot_entry(entry);
    }
    fn boot_default(&mut self, default: BootDefault) {
        self.other = true;
        self.out.boot_default(default);
    }
}

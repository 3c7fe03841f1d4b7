//! Which entry of its menu systemd-boot starts, or GRUB where it has the same entries.
//!
//! Sources: UAPI.1 "Boot Loader Specification", sections "Boot counting" and "Sorting"; loader.conf(5), `default`; GRUB,
//! `blscfg` of Fedora (as documentation: the order of its menu). What firmware remembers (an entry chosen for the next
//! start, or for all) is on no disk.

mod pattern;
pub mod version;

use coldread_model::{PackageType, SystemIdentity, version::compare};
use pattern::Pattern;
use std::cmp::{Ordering, Reverse};

/// Entries of one asset, and bytes of what one says of itself: all are held in memory.
const MAX_ENTRIES: usize = 1024;
const MAX_ENTRY_BYTES: usize = 8192;
/// The longest pattern that is taken over, in bytes: names of files have no more than 255.
pub(super) const MAX_PATTERN: usize = 512;

/// An entry of a boot loader's menu.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootEntry {
    /// The name of its file without how often it may be tried, in small letters.
    pub id: String,
    /// What it starts: a path in the asset's tree. None: it is not on this disk's filesystems.
    pub program: Option<Vec<u8>>,
    /// The operating system's word for its place in the menu.
    pub sort_key: Option<String>,
    /// The installation's id.
    pub machine_id: Option<String>,
    /// The version of the kernel or the system.
    pub version: Option<String>,
    /// How often it may still be tried and how often it was, where that is counted.
    pub tries: Option<Tries>,
}

/// How often an entry is tried before it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// Attempts left.
    pub left: u64,
    /// Attempts made.
    pub done: u64,
}

/// What a loader's configuration says of the entry that is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootDefault {
    /// Nothing: the first of the menu.
    First,
    /// The first whose name fits this pattern.
    Fits(String),
    /// The one that was started last, which firmware remembers.
    Saved,
    /// The one with this number in the menu that GRUB makes of the entries.
    Nth(usize),
}

impl BootEntry {
    /// An entry by the name of its file, which ends with `ending` in either case. None: a name that makes no entry, as
    /// those of hidden files and of entries that the loader makes itself.
    pub fn of_file(path: &[u8], ending: &str) -> Option<Self> {
        let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        let file = String::from_utf8_lossy(file).to_ascii_lowercase();
        let stem = file.strip_suffix(ending)?;
        if stem.is_empty() || file.starts_with('.') || file.starts_with("auto-") {
            return None;
        }
        let (stem, tries) = counted(stem);
        Some(Self { id: format!("{stem}{ending}"), tries, ..Self::default() })
    }

    /// Its name as people have it: without the ending.
    pub fn name(&self) -> &str {
        self.id.rsplit_once('.').map_or(self.id.as_str(), |(name, _)| name)
    }

    /// Whether all attempts were made, and none succeeded.
    fn is_bad(&self) -> bool {
        self.tries.is_some_and(|tries| tries.left == 0)
    }

    /// The order of the menu: the first one is started.
    fn order(&self, other: &Self) -> Ordering {
        let newer = |one: &str, other: &str| version::compare(other, one);
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let by_key = || match (&self.sort_key, &other.sort_key) {
            (Some(one), Some(two)) => (one, &self.machine_id)
                .cmp(&(two, &other.machine_id))
                .then_with(|| newer(&text(&self.version), &text(&other.version))),
            (one, two) => one.is_none().cmp(&two.is_none()),
        };
        // What is not counted, of which the loader does not say where, goes first: it has succeeded.
        let tries = |entry: &Self| entry.tries.map(|tries| (Reverse(tries.left), tries.done));
        self.is_bad()
            .cmp(&other.is_bad())
            .then_with(by_key)
            .then_with(|| newer(&self.id, &other.id))
            .then_with(|| tries(self).cmp(&tries(other)))
            // Of those that no rule tells apart the order is that of the files, whatever the one in which they came.
            .then_with(|| (&self.id, &self.program).cmp(&(&other.id, &other.program)))
    }

    fn bytes(&self) -> usize {
        let texts = [&self.sort_key, &self.machine_id, &self.version];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        self.id.len() + self.program.as_ref().map_or(0, Vec::len) + texts
    }
}

/// A file's name without its ending and its counters (`+3-0`: three attempts left, none made), and these.
pub(super) fn counted(stem: &str) -> (&str, Option<Tries>) {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let tries = |text: &str| match text.split_once('-') {
        Some((left, done)) => Some(Tries { left: number(left)?, done: number(done)? }),
        None => Some(Tries { left: number(text)?, done: 0 }),
    };
    match stem.rsplit_once('+').map(|(name, counters)| (name, tries(counters))) {
        Some((name, Some(tries))) => (name, Some(tries)),
        _ => (stem, None),
    }
}

/// The menu of an asset, as its files tell of it one by one.
#[derive(Debug, Default)]
pub struct BootMenu {
    entries: Vec<BootEntry>,
    default: Option<BootDefault>,
    left_out: u64,
}

impl BootMenu {
    /// Adds an entry.
    pub fn add(&mut self, entry: BootEntry) {
        if self.entries.len() >= MAX_ENTRIES || entry.bytes() > MAX_ENTRY_BYTES {
            self.left_out += 1;
        } else {
            self.entries.push(entry);
        }
    }

    /// Takes what a configuration says of the default; of several the first counts, and GRUB's before others.
    pub fn set_default(&mut self, default: BootDefault) {
        let is_grub = |default: &BootDefault| matches!(default, BootDefault::Nth(_));
        if self.default.as_ref().is_none_or(|known| is_grub(&default) && !is_grub(known)) {
            self.default = Some(default);
        }
    }

    /// Entries that were more than are looked at, or longer.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Once all files were read: says which kernel is started, unless another boot loader's file named one. `exists` says
    /// whether there is a file at a path: entries that start what is not there are not in the menu.
    pub fn choose(mut self, system: &mut SystemIdentity, exists: impl Fn(&[u8]) -> bool) {
        if system.kernels.iter().any(|kernel| kernel.default == Some(true)) {
            return;
        }
        let chosen = match self.default.take() {
            // Without a configuration nothing shows that these entries are systemd-boot's and not GRUB's.
            None | Some(BootDefault::Saved) => return,
            Some(BootDefault::Nth(number)) => self.nth_of_grub(number),
            Some(BootDefault::Fits(pattern)) => {
                self.first_of_systemd(Pattern::parse(&pattern).as_ref(), exists)
            }
            Some(BootDefault::First) => self.first_of_systemd(None, exists),
        };
        let Some(program) = chosen.and_then(|entry| entry.program.as_ref()) else { return };
        if let Some(kernel) = system.kernels.iter_mut().find(|kernel| kernel.path == *program) {
            kernel.default = Some(true);
            for kernel in &mut system.kernels {
                kernel.default.get_or_insert(false);
            }
        }
    }

    /// The first that fits, of those whose programs are there; the first of all where none does.
    fn first_of_systemd(
        &mut self,
        wanted: Option<&Pattern>,
        exists: impl Fn(&[u8]) -> bool,
    ) -> Option<&BootEntry> {
        self.entries.retain(|entry| entry.program.as_deref().is_none_or(&exists));
        self.entries.sort_by(BootEntry::order);
        let first = |fits: &dyn Fn(&Pattern, &BootEntry) -> bool| {
            self.entries.iter().find(|entry| wanted.is_some_and(|wanted| fits(wanted, entry)))
        };
        first(&|wanted, entry| wanted.fits(&entry.id))
            // Before version 243 names had no endings.
            .or_else(|| first(&|wanted, entry| wanted.fits(entry.name())))
            .or(self.entries.first())
    }

    /// GRUB sorts files, and no images, by the parts of their names as rpm compares those of packages, the newest first.
    fn nth_of_grub(&mut self, number: usize) -> Option<&BootEntry> {
        self.entries.retain(|entry| entry.id.rsplit_once('.').is_some_and(|(_, ending)| ending == "conf"));
        self.entries.sort_by(|one, other| {
            let parts = parts(other.name()).into_iter().zip(parts(one.name()));
            let orders = parts.map(|(one, other)| compare(PackageType::Rpm, one, other));
            orders.fold(Ordering::Equal, Ordering::then).then_with(|| one.program.cmp(&other.program))
        });
        self.entries.get(number)
    }
}

/// Name, version and release, where each follows a `-`; of what has fewer the last are empty.
fn parts(name: &str) -> [&str; 3] {
    let mut parts = name.rsplitn(3, '-').collect::<Vec<_>>().into_iter().rev();
    [(); 3].map(|()| parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests;

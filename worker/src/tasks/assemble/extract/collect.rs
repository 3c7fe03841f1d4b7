//! Taking findings as they come, and writing them as objects.

use super::{
    cut, events::EventSorter, logins, once::Once, owners::Owners, sorted::Sorter, times::InstallTimes,
};
use crate::tasks::{Job, TaskError};
use coldread_artifacts::{
    Output, accounts,
    identity::boot::{BootDefault, BootEntry, BootMenu},
    logins::{joiner::Joiner, logged::Logged},
    output::{InstallTime, Mark},
};
use coldread_model::{
    Account, FoundRefs, Gap, GapKind, Kernel, Key, LogWindow, LoginEvent, Package, RowsRef, Setting,
    SystemIdentity,
    rows::{BatchWriter, Row},
};

/// Bytes of packages and the smaller kinds that are held in memory, each.
const OTHERS_BYTES: usize = 8 << 20;
/// Rows of accounts that are joined in memory, and bytes of them.
const MAX_JOINED: usize = 1 << 18;
const JOINED_BYTES: usize = 128 << 20;
/// Login events of one asset: a bound for hostile ones.
const MAX_EVENTS: u64 = 1 << 27;
/// Kernels of one asset, and bytes of what is told of one: all are held in memory, and each is joined with the others.
const MAX_KERNELS: usize = 1024;
const MAX_KERNEL_BYTES: usize = 8192;
/// Gaps of one asset that are told one by one.
const MAX_GAPS: usize = 1 << 18;

/// Everything that was found, in bounded memory.
pub(super) struct Collector {
    packages: Sorter<Package>,
    logins: EventSorter,
    windows: Sorter<LogWindow>,
    accounts: Sorter<Account>,
    keys: Sorter<Key>,
    settings: Sorter<Setting>,
    owners: Owners,
    times: InstallTimes,
    system: SystemIdentity,
    menu: BootMenu,
    gaps: Vec<Gap>,
    events: u64,
    /// Texts of events that were cut, and how many were at the last mark.
    cut_texts: u64,
    cut_at_mark: u64,
    more_gaps: u64,
    more_kernels: u64,
    /// The first thing that could not be written; nothing is taken after it.
    failed: Option<TaskError>,
}

/// What was written.
pub(super) struct Written {
    pub(super) found: FoundRefs,
    pub(super) gaps: Vec<Gap>,
}

impl Collector {
    /// Of an asset whose context says so much; so many bytes of login events wait in memory.
    pub(super) fn new(system: SystemIdentity, gaps: Vec<Gap>, event_bytes: usize) -> Self {
        Self {
            packages: Sorter::new(OTHERS_BYTES),
            logins: EventSorter::new(event_bytes),
            windows: Sorter::new(OTHERS_BYTES),
            accounts: Sorter::new(OTHERS_BYTES),
            keys: Sorter::new(OTHERS_BYTES),
            settings: Sorter::new(OTHERS_BYTES),
            owners: Owners::default(),
            times: InstallTimes::default(),
            system,
            menu: BootMenu::default(),
            gaps,
            events: 0,
            cut_texts: 0,
            cut_at_mark: 0,
            more_gaps: 0,
            more_kernels: 0,
            failed: None,
        }
    }

    /// What the system is, once all files were read; `exists` says whether the asset has a file at a path.
    pub(super) fn system(&mut self, exists: impl Fn(&[u8]) -> bool) -> SystemIdentity {
        let (menu, mut system) = (std::mem::take(&mut self.menu), self.system.clone());
        if menu.left_out() > 0 {
            let reason = format!("{} more entries than are looked at, or longer ones", menu.left_out());
            self.gap(Gap::new(GapKind::Limit, "loader entry", reason));
        }
        menu.choose(&mut system, exists);
        system
    }

    fn keep(&mut self, pushed: Result<(), TaskError>) {
        if let (Err(error), None) = (pushed, &self.failed) {
            self.failed = Some(error);
        }
    }

    /// Whether all could be taken so far.
    pub(super) fn check(&self) -> Result<(), TaskError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Sorts, joins and writes everything.
    pub(super) fn finish(mut self, job: &Job<'_>, joiner: &mut dyn Joiner) -> Result<Written, TaskError> {
        self.check()?;
        if self.events > MAX_EVENTS {
            let reason = format!("{} more events than one asset may have", self.events - MAX_EVENTS);
            self.gap(Gap::new(GapKind::Limit, "login records", reason));
        }
        if self.cut_texts > 0 {
            let reason = format!("{} texts of more than {} bytes are cut", self.cut_texts, cut::MAX_TEXT);
            self.gap(Gap::new(GapKind::Limit, "login records", reason));
        }
        let unmatched = self.owners.left_out();
        if let Some(first) = &unmatched.first {
            let reason = format!(
                "{} paths of packages, the first of {first}, are not matched with what lies there",
                unmatched.paths
            );
            self.gap(Gap::new(GapKind::Limit, "package files", reason));
        }
        if self.times.left_out() > 0 {
            let reason =
                format!("{} times of installation are not matched with packages", self.times.left_out());
            self.gap(Gap::new(GapKind::Limit, "package log", reason));
        }
        if self.more_kernels > 0 {
            let reason = format!("{} more kernels than are told, or longer names", self.more_kernels);
            self.gap(Gap::new(GapKind::Limit, "kernel image", reason));
        }
        let accounts = write_accounts(self.accounts, &mut self.gaps, job)?;
        if self.more_gaps > 0 {
            let reason = format!("{} more gaps in databases and logs", self.more_gaps);
            self.gaps.push(Gap::new(GapKind::Limit, "findings", reason));
        }
        self.gaps.sort_unstable();
        self.gaps.dedup();
        let (packages, installed) = write_packages(self.packages, &mut self.owners, &self.times, job)?;
        drop(self.owners);
        let found = FoundRefs {
            packages,
            installed,
            logins: logins::write(self.logins.sorted()?, joiner, job)?,
            windows: write_each_once(self.windows, job)?,
            accounts,
            keys: write_each_once(self.keys, job)?,
            settings: write_each_once(self.settings, job)?,
        };
        Ok(Written { found, gaps: self.gaps })
    }
}

impl Output for Collector {
    fn package(&mut self, package: Package) {
        let pushed = self.packages.push(package);
        self.keep(pushed);
    }
    fn login(&mut self, mut event: LoginEvent) {
        self.events += 1;
        if self.events <= MAX_EVENTS && self.failed.is_none() {
            self.cut_texts += cut::event(&mut event);
            let pushed = self.logins.push(&event);
            self.keep(pushed);
        }
    }
    fn logged(&mut self, event: &Logged<'_>) {
        self.events += 1;
        if self.events <= MAX_EVENTS && self.failed.is_none() {
            let pushed = match cut::logged(event) {
                Some((event, count)) => {
                    self.cut_texts += count;
                    self.logins.push_logged(&event)
                }
                None => self.logins.push_logged(event),
            };
            self.keep(pushed);
        }
    }
    fn mark(&mut self) -> Mark {
        self.logins.mark();
        self.cut_at_mark = self.cut_texts;
        Mark(self.events)
    }
    fn take_back(&mut self, to: Mark) {
        self.logins.take_back();
        self.cut_texts = self.cut_at_mark;
        self.events = to.0;
    }
    fn window(&mut self, window: LogWindow) {
        let pushed = self.windows.push(window);
        self.keep(pushed);
    }
    fn account(&mut self, account: Account) {
        let pushed = self.accounts.push(account);
        self.keep(pushed);
    }
    fn key(&mut self, key: Key) {
        let pushed = self.keys.push(key);
        self.keep(pushed);
    }
    fn setting(&mut self, setting: Setting) {
        let pushed = self.settings.push(setting);
        self.keep(pushed);
    }
    fn system(&mut self, part: SystemIdentity) {
        self.system.fill(part);
    }
    fn kernel(&mut self, kernel: Kernel) {
        let bytes = kernel.path.len() + kernel.release.len() + kernel.entry.as_ref().map_or(0, String::len);
        if self.system.kernels.len() >= MAX_KERNELS || bytes > MAX_KERNEL_BYTES {
            self.more_kernels += 1;
            return;
        }
        self.system.fill(SystemIdentity { kernels: vec![kernel], ..SystemIdentity::default() });
    }
    fn boot_entry(&mut self, entry: BootEntry) {
        self.menu.add(entry);
    }
    fn boot_default(&mut self, default: BootDefault) {
        self.menu.set_default(default);
    }
    fn owned(&mut self, owner: &str, path: &[u8]) {
        self.owners.add(owner, path);
    }
    fn install_time(&mut self, time: InstallTime) {
        self.times.add(time);
    }
    fn gap(&mut self, gap: Gap) {
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push(gap);
        } else {
            self.more_gaps += 1;
        }
    }
}

/// Batches on their way to the store.
pub(super) struct Batches<'j, T: Row> {
    job: &'j Job<'j>,
    writer: BatchWriter<T>,
}

impl<'j, T: Row> Batches<'j, T> {
    pub(super) fn new(job: &'j Job<'j>) -> Self {
        Self { job, writer: BatchWriter::default() }
    }

    /// Adds a row; gives the batch that ends with it.
    pub(super) fn push(&mut self, row: &T) -> Result<Option<RowsRef>, TaskError> {
        if self.writer.push(row) { self.finish() } else { Ok(None) }
    }

    /// Adds a row that `write` appends, and of which it gives the hash; gives the batch that ends with it.
    pub(super) fn push_written(
        &mut self,
        write: impl FnOnce(&mut T::Writer, &mut Vec<u8>) -> Result<u64, TaskError>,
    ) -> Result<Option<RowsRef>, TaskError> {
        if self.writer.push_written(write)? { self.finish() } else { Ok(None) }
    }

    /// The last batch, if any row is left.
    pub(super) fn finish(&mut self) -> Result<Option<RowsRef>, TaskError> {
        let Some((bytes, rows)) = self.writer.take() else { return Ok(None) };
        self.job.check()?;
        let id = self.job.context.put_object(T::KIND, &bytes)?;
        self.writer.recycle(bytes);
        Ok(Some(RowsRef { id, rows }))
    }
}

/// Writes sorted rows, each once.
fn write_each_once<T: Row>(rows: Sorter<T>, job: &Job<'_>) -> Result<Vec<RowsRef>, TaskError> {
    let mut batches = Batches::new(job);
    let mut written = Vec::new();
    let mut last: Option<T> = None;
    for row in rows.sorted()? {
        let row = row?;
        if last.as_ref() != Some(&row) {
            written.extend(batches.push(&row)?);
            last = Some(row);
        }
    }
    written.extend(batches.finish()?);
    Ok(written)
}

/// Joins what files say of each account, and writes the accounts. Past [`MAX_JOINED`] and [`JOINED_BYTES`] rows stay as
/// the files have them: no system has so many, and joining holds them in memory.
fn write_accounts(
    rows: Sorter<Account>,
    gaps: &mut Vec<Gap>,
    job: &Job<'_>,
) -> Result<Vec<RowsRef>, TaskError> {
    let mut rows = rows.sorted()?;
    let (mut parts, mut bytes) = (Vec::new(), 0);
    while parts.len() < MAX_JOINED && bytes < JOINED_BYTES {
        let Some(row) = rows.next() else { break };
        let row = row?;
        bytes += row.weight();
        parts.push(row);
    }
    let mut batches = Batches::new(job);
    let mut written = Vec::new();
    let (joined, gap) = accounts::join(parts);
    gaps.extend(gap);
    for account in joined {
        written.extend(batches.push(&account)?);
    }
    let mut apart = 0u64;
    for row in rows {
        apart += 1;
        written.extend(batches.push(&row?)?);
    }
    if apart > 0 {
        let reason = format!("{apart} rows of accounts are not joined with others of the same");
        gaps.push(Gap::new(GapKind::Limit, "accounts", reason));
    }
    written.extend(batches.finish()?);
    Ok(written)
}

/// Writes packages with their owners and times; also gives how many are installed.
fn write_packages(
    rows: Sorter<Package>,
    owners: &mut Owners,
    times: &InstallTimes,
    job: &Job<'_>,
) -> Result<(Vec<RowsRef>, u64), TaskError> {
    // What is filled in may change the order.
    let mut filled = Sorter::new(OTHERS_BYTES);
    for row in rows.sorted()? {
        let mut row = row?;
        owners.name(&mut row);
        times.fill(&mut row);
        filled.push(row)?;
    }
    let mut batches = Batches::new(job);
    let (mut written, mut installed) = (Vec::new(), 0);
    let mut once = Once::default();
    for row in filled.sorted()? {
        let row = row?;
        if once.is_new(&row) {
            installed += u64::from(row.state.is_installed());
            written.extend(batches.push(&row)?);
        }
    }
    written.extend(batches.finish()?);
    Ok((written, installed))
}

#[cfg(test)]
mod tests;

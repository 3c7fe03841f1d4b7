//! Finding the geometry: the superblock, and where the journal holds changes, what the filesystem is with
//! them.
//!
//! Rounds: the superblock, and its copies where it is damaged; if the journal must be replayed, its inode (descriptor, inode, map), its own
//! superblock, all of its log at once, fast commits behind it, and the superblock again as the log leaves
//! it; then what fast commits change, and the orphans; without checksums of inodes, all group descriptors, 4 MiB of them
//! at a time, and copies of those that are damaged.

use super::{
    copies::{parse_copy, superblock_places},
    features::{COMPAT_HAS_JOURNAL, COMPAT_ORPHAN_FILE, INCOMPAT_RECOVER, RO_COMPAT_ORPHAN_PRESENT},
    journal::{Change, FastCommits, FastReader, JournalFile, Lens, LogReader, OrphanSearch, Replayed},
    scan::Scan,
    superblock::{SUPERBLOCK_AT, SUPERBLOCK_BYTES, Superblock},
    tables::TableCheck,
};
use crate::{
    error::ParseError,
    fs::{ProbeMachine, Probed, SurveyMachine, cut::cut_short},
    machine::{Fetched, Machine, Requests},
};
use coldread_model::{ByteRange, Gap, GapKind, VolumeState, codec};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write,
};

/// What is being read.
enum Step {
    Superblock,
    /// Copies of it: where they were asked for, and what is there.
    Copies(Vec<u64>, BTreeMap<u64, (Superblock, u32)>),
    /// The map of the journal's inode; or the copy of it in the superblock.
    JournalInode(Box<Scan>),
    JournalBackup(Box<Scan>),
    /// The journal's first block.
    JournalHead(JournalFile),
    Log(Box<LogReader>),
    /// Fast commits behind the log.
    FastArea(Box<FastReader>),
    /// The superblock as the log leaves it; then fast commits may use these blocks of the journal.
    SuperblockAgain(Vec<Change>, VecDeque<u64>),
    FastCommits(Box<FastCommits>),
    /// The map of the orphan file.
    OrphanFile(Box<Scan>),
    Orphans(Box<OrphanSearch>),
    /// All group descriptors, last.
    Tables(Box<TableCheck>),
    Done,
}

/// Reads superblock and journal.
pub(super) struct Probe {
    volume_bytes: u64,
    step: Step,
    lens: Lens,
    found: Result<Superblock, ParseError>,
    identity: Vec<u8>,
    state: VolumeState,
    reason: String,
    gaps: Vec<Gap>,
    /// The journal says that the filesystem was stopped by an error.
    failed: bool,
    /// Why a copy of the superblock stands in for it.
    copied: Option<String>,
    /// The inode tables were held against one another, or need not be.
    checked: bool,
}

impl Probe {
    /// For a volume of so many bytes.
    pub(super) fn new(volume_bytes: u64) -> Self {
        Self {
            volume_bytes,
            step: Step::Superblock,
            lens: Lens::default(),
            found: Err(ParseError::NotFound { what: "superblock".to_owned() }),
            identity: Vec::new(),
            state: VolumeState::Clean,
            reason: String::new(),
            gaps: Vec::new(),
            failed: false,
            copied: None,
            checked: false,
        }
    }

    /// Asks for copies of a superblock that is damaged or could not be read.
    fn ask_copies(&self, ask: &mut Requests) -> Step {
        if !matches!(self.found, Err(ParseError::Corrupt { .. } | ParseError::Io { .. })) {
            return Step::Done;
        }
        let places = superblock_places(&self.identity, self.volume_bytes);
        for place in &places {
            ask.push(0, ByteRange::new(*place, SUPERBLOCK_BYTES));
        }
        if places.is_empty() { Step::Done } else { Step::Copies(places, BTreeMap::new()) }
    }

    /// Takes the likeliest of the copies that are right.
    fn take_copy(
        &mut self,
        places: &[u64],
        mut good: BTreeMap<u64, (Superblock, u32)>,
        ask: &mut Requests,
    ) -> Step {
        let Some((copy, group)) = places.iter().find_map(|place| good.remove(place)) else {
            return Step::Done;
        };
        let Err(error) = &self.found else { return Step::Done };
        self.gaps.push(error.to_gap());
        self.copied = Some(format!("{error}: its copy in group {group} is read instead"));
        let geometry = &copy.geometry;
        let journaled = geometry.features.compat & COMPAT_HAS_JOURNAL != 0 && copy.journal_inode != 0;
        let step = if journaled {
            // Whether it is needed stood in the first alone; the journal knows it as well.
            let mut scan = Scan::of_inodes(geometry.clone(), &[copy.journal_inode.into()]);
            scan.start(ask);
            Step::JournalInode(Box::new(scan))
        } else {
            Step::Done
        };
        self.found = Ok(copy);
        step
    }

    fn parse(&self, fetched: &Fetched<'_>) -> Result<Superblock, ParseError> {
        match fetched.fault(fetched.range) {
            Some((bad, error)) => {
                Err(ParseError::Io { at: bad.start, structure: "superblock", reason: error.to_string() })
            }
            None => Superblock::parse(fetched.bytes, self.volume_bytes),
        }
    }

    /// Records that nothing of the journal can be applied.
    fn give_up(&mut self, reason: &str, gap: Option<Gap>) {
        self.state = VolumeState::Unreplayed;
        let gap_reason = gap.as_ref().map(|gap| gap.reason.clone());
        self.reason = gap_reason.map_or(reason.to_owned(), |why| format!("{reason}: {why}"));
        self.gaps.extend(gap);
        self.gaps.push(Gap::new(GapKind::Unreplayed, "journal", &*self.reason).at_byte(SUPERBLOCK_AT));
    }

    /// The step after the current one, whose answers are all there.
    fn next(&mut self, ask: &mut Requests) -> Step {
        let Ok(found) = &self.found else {
            return match std::mem::replace(&mut self.step, Step::Done) {
                Step::Superblock => self.ask_copies(ask),
                Step::Copies(places, good) => self.take_copy(&places, good, ask),
                _ => Step::Done,
            };
        };
        let geometry = found.geometry.clone();
        match std::mem::replace(&mut self.step, Step::Done) {
            Step::Superblock if geometry.features.incompat & INCOMPAT_RECOVER == 0 => self.orphan_file(ask),
            Step::Superblock if found.external_journal => {
                let reason = "the journal is on another device and holds changes that were not applied";
                self.give_up(reason, None);
                Step::Done
            }
            Step::Superblock => {
                let mut scan = Scan::of_inodes(geometry, &[found.journal_inode.into()]);
                scan.start(ask);
                Step::JournalInode(Box::new(scan))
            }
            Step::JournalInode(scan) => match JournalFile::of(&scan.finish(), geometry.block_bytes) {
                Ok(file) => self.journal_head(file, geometry.block(), ask),
                Err(error) => match found.journal_backup(ask) {
                    Some(scan) => Step::JournalBackup(Box::new(scan)),
                    None => self.unusable(&error),
                },
            },
            Step::JournalBackup(scan) => match JournalFile::of(&scan.finish(), geometry.block_bytes) {
                Ok(file) => self.journal_head(file, geometry.block(), ask),
                Err(error) => self.unusable(&error),
            },
            Step::Log(log) => match log.finish(geometry.blocks, geometry.held()) {
                Ok(replayed) => match FastReader::start(replayed, ask) {
                    Ok(area) => Step::FastArea(Box::new(area)),
                    Err(replayed) => self.apply(*replayed, Vec::new(), ask),
                },
                Err(gap) => {
                    self.give_up("the journal's log cannot be replayed", Some(*gap));
                    Step::Done
                }
            },
            Step::FastArea(area) => {
                let (replayed, changes) = area.finish(geometry.inode_bytes);
                self.apply(replayed, changes, ask)
            }
            Step::SuperblockAgain(changes, _) if changes.is_empty() => self.orphan_file(ask),
            Step::SuperblockAgain(changes, spare) => {
                let mut fast = FastCommits::new(&geometry, changes, spare);
                fast.advance(ask);
                Step::FastCommits(Box::new(fast))
            }
            Step::FastCommits(mut fast) => {
                if fast.advance(ask) {
                    return Step::FastCommits(fast);
                }
                let (patches, reasons) = fast.finish(std::mem::take(&mut self.lens).into_patches());
                self.lens.set(patches);
                for reason in reasons {
                    self.partial(Gap::new(GapKind::Unreplayed, "fast commit", reason).at_byte(SUPERBLOCK_AT));
                }
                self.orphan_file(ask)
            }
            Step::OrphanFile(scan) => {
                let first = found.last_orphan;
                let mut survey = scan.finish();
                self.gaps.append(&mut survey.gaps);
                let stream = survey.inodes.first().and_then(|inode| survey.streams_of(inode).first());
                let extents = stream.map_or(&[][..], |stream| survey.extents_of(stream));
                Step::Orphans(Box::new(OrphanSearch::start(&geometry, first, extents, ask)))
            }
            Step::Orphans(mut search) => {
                let before = ask.len();
                search.advance(ask);
                if ask.len() > before {
                    return Step::Orphans(search);
                }
                let (orphans, mut gaps) = search.finish();
                self.gaps.append(&mut gaps);
                if let Ok(found) = &mut self.found {
                    found.geometry.orphans = orphans;
                }
                Step::Done
            }
            Step::Tables(mut check) => {
                let before = ask.len();
                check.advance(ask);
                if ask.len() > before {
                    return Step::Tables(check);
                }
                if let Ok(found) = &mut self.found {
                    found.geometry.doubled = check.finish();
                }
                Step::Done
            }
            Step::Copies(..) | Step::JournalHead(_) | Step::Done => Step::Done,
        }
    }

    /// What is left once all else is known, however that went.
    fn last(&mut self, ask: &mut Requests) -> Step {
        let Some(found) = self.found.as_ref().ok().filter(|_| !self.checked) else { return Step::Done };
        self.checked = true;
        let check = TableCheck::start(&found.geometry, ask);
        check.map_or(Step::Done, |check| Step::Tables(Box::new(check)))
    }

    /// Asks for the journal's first block.
    fn journal_head(&mut self, file: JournalFile, block: u64, ask: &mut Requests) -> Step {
        match file.first() {
            Ok(first) => {
                ask.push(0, ByteRange::new(first, block));
                Step::JournalHead(file)
            }
            Err(error) => self.unusable(&error),
        }
    }

    /// Records that the journal cannot be read.
    fn unusable(&mut self, error: &ParseError) -> Step {
        self.give_up("the journal holds changes, and cannot be read", Some(error.to_gap()));
        Step::Done
    }

    /// Takes over what the log changes, and reads the superblock with that.
    fn apply(&mut self, replayed: Replayed, changes: Vec<Change>, ask: &mut Requests) -> Step {
        let spare = if changes.is_empty() { VecDeque::new() } else { replayed.spare() };
        self.failed = replayed.journal.failed;
        if replayed.journal.start != 0 {
            self.state = VolumeState::Replayed;
            "the journal's changes are applied while reading".clone_into(&mut self.reason);
        }
        for gap in replayed.gaps {
            self.partial(gap);
        }
        self.lens.set(replayed.patches);
        ask.push(0, ByteRange::new(SUPERBLOCK_AT, SUPERBLOCK_BYTES));
        Step::SuperblockAgain(changes, spare)
    }

    /// Records what of the journal cannot be applied.
    fn partial(&mut self, gap: Gap) {
        if self.state == VolumeState::Replayed {
            self.state = VolumeState::Partial;
            self.reason = format!("not all of the journal could be applied: {}", gap.reason);
        }
        self.gaps.push(gap);
    }

    /// Looks for orphans, first in the file that lists them.
    fn orphan_file(&mut self, ask: &mut Requests) -> Step {
        let Ok(found) = &self.found else { return Step::Done };
        if self.failed || found.failed {
            return Step::Done;
        }
        let geometry = &found.geometry;
        let in_file = geometry.features.compat & COMPAT_ORPHAN_FILE != 0
            && (geometry.features.ro_compat & RO_COMPAT_ORPHAN_PRESENT != 0 || self.copied.is_some());
        if in_file {
            let mut scan = Scan::of_inodes(geometry.clone(), &[geometry.internal[4].into()]);
            scan.start(ask);
            return Step::OrphanFile(Box::new(scan));
        }
        if found.last_orphan == 0 {
            return Step::Done;
        }
        Step::Orphans(Box::new(OrphanSearch::start(geometry, found.last_orphan, &[], ask)))
    }

    fn take(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        match &mut self.step {
            Step::Superblock => {
                self.identity = fetched.bytes.to_vec();
                self.found = self.parse(&fetched);
            }
            Step::Copies(_, good) => {
                let at = fetched.range.start;
                if fetched.bad.is_empty()
                    && let Ok(copy) = parse_copy(fetched.bytes, at, self.volume_bytes)
                {
                    good.insert(at, copy);
                }
            }
            Step::SuperblockAgain(..) => match self.parse(&fetched) {
                Ok(found) => self.found = Ok(found),
                // The log does not write it: the copy remains.
                Err(_) if self.copied.is_some() => {}
                Err(error) => {
                    self.step = Step::SuperblockAgain(Vec::new(), VecDeque::new());
                    self.lens.set(Vec::new());
                    self.give_up(
                        "the journal's superblock for the filesystem is wrong",
                        Some(error.to_gap()),
                    );
                }
            },
            Step::JournalInode(scan) | Step::JournalBackup(scan) | Step::OrphanFile(scan) => {
                scan.feed(fetched, ask);
            }
            Step::JournalHead(file) => {
                let Ok(found) = &self.found else { return };
                let file = std::mem::take(file);
                self.step = match LogReader::start(file, found.geometry.block_bytes, &fetched, ask) {
                    Ok(log) => Step::Log(Box::new(log)),
                    Err(error) => self.unusable(&error),
                };
            }
            Step::Log(log) => log.feed(&fetched),
            Step::FastArea(area) => area.feed(&fetched),
            Step::FastCommits(fast) => fast.feed(&fetched),
            Step::Orphans(search) => search.feed(&fetched),
            Step::Tables(check) => check.feed(&fetched),
            Step::Done => {}
        }
    }

    /// Passes requests on through the lens, and steps on as long as nothing is under way.
    fn settle(&mut self, mut inner: Requests, ask: &mut Requests) {
        loop {
            for (tag, range) in inner.take() {
                self.lens.push(tag, range, ask);
            }
            if !self.lens.is_idle() || matches!(self.step, Step::Done) {
                return;
            }
            self.step = self.next(&mut inner);
            if matches!(self.step, Step::Done) {
                self.step = self.last(&mut inner);
            }
        }
    }
}

impl Machine for Probe {
    fn start(&mut self, ask: &mut Requests) {
        self.lens.push(0, ByteRange::new(SUPERBLOCK_AT, SUPERBLOCK_BYTES), ask);
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        let mut inner = Requests::default();
        if let Some(answer) = self.lens.take(&fetched) {
            self.take(answer.fetched(), &mut inner);
        }
        self.settle(inner, ask);
    }
}

impl ProbeMachine for Probe {
    fn finish(self: Box<Self>) -> Result<Probed, ParseError> {
        let found = self.found?;
        let geometry = &found.geometry;
        let filesystem_bytes = geometry.blocks * geometry.block();
        let probed = Probed {
            geometry: codec::to_bytes(geometry),
            units: u64::from(geometry.groups),
            name: geometry.features.flavour().to_owned(),
            label: (!found.label.is_empty()).then(|| String::from_utf8_lossy(&found.label).into_owned()),
            uuid: shown(&geometry.uuid),
            size_bytes: filesystem_bytes,
            block_bytes: geometry.block_bytes,
            state: self.state,
            reason: self.reason,
            patches: self.lens.into_patches(),
            identity: self.identity,
            gaps: self.gaps,
        };
        let mut probed = cut_short(probed, filesystem_bytes, self.volume_bytes);
        if let Some(reason) = self.copied {
            if matches!(probed.state, VolumeState::Clean | VolumeState::Replayed) {
                probed.state = VolumeState::Partial;
            }
            probed.reason =
                if probed.reason.is_empty() { reason } else { format!("{reason}; {}", probed.reason) };
        }
        Ok(probed)
    }
}

/// A UUID in its usual form; none where all is zero.
fn shown(uuid: &[u8; 16]) -> Option<String> {
    if *uuid == [0; 16] {
        return None;
    }
    let mut text = String::with_capacity(36);
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}

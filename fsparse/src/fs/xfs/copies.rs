//! The superblock's copies, for where the first is damaged: "XFS Algorithms & Data Structures", 3rd edition,
//! "Superblocks": every allocation group starts with one. Copies are held against each other as `xfs_repair`(8)
//! does, and what most of them say counts.
//!
//! Where the groups start only a superblock tells. So copies are looked for where mkfs puts the second group of a
//! volume of this size, and, if none is there, in the first gibibyte.

use super::{
    be::Be,
    superblock::{self, Superblock},
};
use crate::{
    error::ParseError,
    machine::{Fetched, Requests},
};
use coldread_model::ByteRange;
use std::collections::{BTreeMap, BTreeSet};

/// Set in the tags of these requests.
const TAG: u64 = 1 << 60;
/// Bytes in which a copy shows itself.
const SIGHT: u64 = 512;
/// No group is smaller.
const FIRST: u64 = 16 << 20;
/// How far copies are looked for, and how much at once.
const FAR: u64 = FIRST + (1 << 30);
const PIECE: u64 = 1 << 20;
const AHEAD: u64 = 32;
/// Groups of a volume for whose number it is worth guessing where the second starts.
const MAX_GUESSED: u64 = 64;
/// Bytes of the largest group.
const LARGEST_GROUP: u64 = 1 << 40;
/// Copies that vote.
const VOTERS: u64 = 64;

/// Where a copy says that all copies are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Layout {
    group_bytes: u64,
    groups: u32,
    sector: u64,
}

/// The layout that the copy at byte `at` tells of, if it lies where its layout has one.
fn layout(bytes: &[u8], at: u64) -> Option<Layout> {
    let fields = Be(bytes);
    let (block, group_blocks, groups) = (u64::from(fields.u32(4)), u64::from(fields.u32(84)), fields.u32(88));
    let sector = u64::from(fields.u16(102));
    let group_bytes = block * group_blocks;
    let sound = superblock::recognises(bytes)
        && block.is_power_of_two()
        && (512..=32 << 10).contains(&sector)
        && group_bytes > 0
        && at.is_multiple_of(group_bytes)
        && (1..u64::from(groups)).contains(&(at / group_bytes));
    sound.then_some(Layout { group_bytes, groups, sector })
}

enum Step {
    /// Looking where copies should be.
    Guess,
    /// Looking everywhere from this byte on.
    Scan { next: u64 },
    /// Reading the copies of one layout.
    Vote,
}

/// A search for copies, and their vote.
pub(super) struct Copies {
    volume_bytes: u64,
    step: Step,
    outstanding: u64,
    seen: BTreeMap<Layout, u32>,
    voters: Vec<Superblock>,
}

impl Copies {
    pub(super) fn new(volume_bytes: u64) -> Self {
        Self { volume_bytes, step: Step::Guess, outstanding: 0, seen: BTreeMap::new(), voters: Vec::new() }
    }

    /// Whether an answer is to one of these requests.
    pub(super) fn asked(tag: u64) -> bool {
        tag & TAG != 0
    }

    fn ask(&mut self, at: u64, len: u64, ask: &mut Requests) {
        if let Some(len) = self.volume_bytes.checked_sub(at).map(|left| left.min(len))
            && len >= SIGHT
        {
            self.outstanding += 1;
            ask.push(TAG, ByteRange::new(at, len));
        }
    }

    /// Asks for the places where mkfs puts the second group, and where `damaged`, the superblock as it is, has it.
    /// Whether anything was asked for; here and below, nothing more comes if not.
    pub(super) fn start(&mut self, damaged: &[u8], ask: &mut Requests) -> bool {
        let mut places = BTreeSet::new();
        for block_log in 9..=16 {
            let blocks = self.volume_bytes >> block_log;
            let guesses = (2..=MAX_GUESSED).map(|groups| blocks.div_ceil(groups) << block_log);
            places.extend(guesses.chain([(LARGEST_GROUP - 1) >> block_log << block_log]));
        }
        let fields = Be(damaged);
        let said = u64::from(fields.u32(4)).checked_mul(u64::from(fields.u32(84)));
        places.extend(said.filter(|said| said % SIGHT == 0));
        for at in places.into_iter().filter(|&at| at >= FIRST) {
            self.ask(at, SIGHT, ask);
        }
        self.outstanding > 0 || self.go_on(ask)
    }

    /// Takes an answer; `false` once nothing more is to come.
    pub(super) fn feed(&mut self, fetched: &Fetched<'_>, ask: &mut Requests) -> bool {
        self.outstanding = self.outstanding.saturating_sub(1);
        let start = fetched.range.start;
        if let Step::Vote = self.step {
            if fetched.bad.is_empty()
                && let Ok(found) = superblock::parse_copy(fetched.bytes, self.volume_bytes)
            {
                self.voters.push(found);
            }
        } else {
            for (nth, bytes) in fetched.bytes.chunks_exact(SIGHT as usize).enumerate() {
                let at = start + nth as u64 * SIGHT;
                if let Some(layout) = layout(bytes, at) {
                    *self.seen.entry(layout).or_default() += 1;
                }
            }
        }
        self.outstanding > 0 || self.go_on(ask)
    }

    /// Takes the next step, nothing being outstanding.
    fn go_on(&mut self, ask: &mut Requests) -> bool {
        if let Step::Vote = self.step {
            return false;
        }
        if let Some((&layout, _)) = self.seen.iter().max_by_key(|&(_, count)| *count) {
            self.step = Step::Vote;
            let others = u64::from(layout.groups) - 1;
            // The last group and the one in the middle are those that mkfs tells of the root directory.
            let last = [others, u64::from(layout.groups) / 2];
            let spread = (0..VOTERS.min(others)).map(|nth| 1 + others * nth / VOTERS.min(others));
            for group in spread.chain(last).filter(|&group| group > 0).collect::<BTreeSet<_>>() {
                if let Some(at) = layout.group_bytes.checked_mul(group) {
                    self.ask(at, layout.sector, ask);
                }
            }
            return self.outstanding > 0;
        }
        let next = match self.step {
            Step::Scan { next } => next,
            _ => FIRST,
        };
        let end = FAR.min(self.volume_bytes);
        for at in (next..end).step_by(PIECE as usize).take(AHEAD as usize) {
            self.ask(at, PIECE, ask);
        }
        self.step = Step::Scan { next: next + AHEAD * PIECE };
        self.outstanding > 0
    }

    /// What more than half of the copies say, and how many do of how many.
    pub(super) fn elect(self) -> Option<(Superblock, usize, usize)> {
        let all = self.voters.len();
        // Only some copies name the root directory and the filesystem's own files.
        let same = |one: &Superblock, other: &Superblock| {
            let bare = |copy: &Superblock| {
                let mut geometry = copy.geometry.clone();
                (geometry.root, geometry.internal) = (0, Vec::new());
                (geometry, copy.uuid, copy.label.clone())
            };
            bare(one) == bare(other)
        };
        let agree =
            |candidate: &Superblock| self.voters.iter().filter(|other| same(candidate, other)).count();
        let (best, votes) = self
            .voters
            .iter()
            .map(|candidate| (candidate, agree(candidate)))
            .max_by_key(|&(_, votes)| votes)?;
        let named = self.voters.iter().filter(|voter| same(best, voter) && voter.geometry.root != 0);
        let winner = named.max_by_key(|voter| {
            self.voters.iter().filter(|other| other.geometry.root == voter.geometry.root).count()
        })?;
        let mut winner = winner.clone();
        if winner.geometry.internal.is_empty() && !winner.metadata_directory {
            // mkfs makes the realtime bitmap and its summary right after the root directory, and tells no copy.
            winner.geometry.internal = vec![winner.geometry.root + 1, winner.geometry.root + 2];
        }
        (2 * votes > all).then_some((winner, votes, all))
    }
}

/// The gap of a superblock that was read by its copies.
pub(super) fn gap(error: &ParseError, votes: usize, all: usize) -> coldread_model::Gap {
    let mut gap = error.to_gap();
    gap.reason = format!("{}; it is read from its copies, of which {votes} of {all} agree", gap.reason);
    gap
}

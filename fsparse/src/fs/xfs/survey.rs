//! The survey of allocation groups, as a machine.
//!
//! Rounds: the headers of every group; the roots of their trees (those of the inode trees the probe of a clean
//! volume has read, so that what is below them is asked for with the headers); each level below; all inode chunks;
//! then directory blocks, extent trees, attribute forks and remote links of every inode as it turns up. Nothing
//! waits for anything else: each answer asks for what it has just made known.

use super::{
    ag::{self, Root},
    be::Be,
    btree::{self, Body, InodeChunk, MAX_LEVELS, Tree},
    extent::Mapping,
    findings::Findings,
    fork::ForkKind,
    geometry::Geometry,
    job::Job,
    names::SplitBlock,
    pace::{Pace, Part},
    xattr::Xattrs,
};
use crate::{
    error::ParseError,
    fs::SurveyMachine,
    machine::{Fetched, Machine, Requests},
    slab::Slab,
    survey::Survey,
};
use coldread_model::{ByteRange, Gap, GapKind};
use std::{
    collections::{BTreeSet, HashSet},
    ops::Range,
    sync::Arc,
};

/// Longest request.
pub(super) const MAX_REQUEST: u64 = 1 << 20;
const INODE_CHUNK: &str = "inobt record";
/// Inodes that a record of the inobt stands for.
const CHUNK_INODES: u64 = 64;

/// What a survey is after.
enum Goal {
    /// All inodes of some groups.
    Groups(Range<u32>),
    /// Some inodes, and whether the names in them are wanted, and where metadata lies.
    Inodes(Vec<u64>, bool),
}

/// Inodes that lie next to each other on the volume.
pub(super) struct InodeRun {
    first: u64,
    count: u32,
    /// Which are in use, from the first on.
    used: u64,
}

/// Whose a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TreeOwner {
    Group(Tree, u32),
    Fork(u64, ForkKind),
}

/// What an outstanding request is for.
pub(super) enum Task {
    Headers {
        ag: u32,
    },
    /// Blocks of a group's tree, one after the other.
    TreeBlocks {
        tree: Tree,
        ag: u32,
        level: u32,
    },
    Inodes {
        runs: Vec<InodeRun>,
    },
    /// Blocks of the extent tree of a fork.
    ForkTree {
        job: usize,
        fork: ForkKind,
        level: u32,
    },
    /// Part of a directory, or of a fork that is read whole.
    Part(Part),
}

/// Surveys groups, or reads single inodes.
pub(super) struct Surveyor {
    pub(super) geometry: Arc<Geometry>,
    goal: Goal,
    pub(super) tasks: Slab<Task>,
    pub(super) jobs: Slab<Job>,
    /// Directory blocks being put together.
    pub(super) dir_blocks: Slab<SplitBlock>,
    pub(super) pace: Pace,
    /// Blocks of trees that were asked for.
    tree_blocks: HashSet<(TreeOwner, u64)>,
    pub(super) found: Findings,
    /// First inode of every chunk seen: none may come twice.
    chunks: BTreeSet<u64>,
    /// Blocks of metadata that may still be read.
    budget: u64,
    pub(super) xattrs: Xattrs,
    pub(super) scratch: Vec<u8>,
    /// Vectors of finished jobs, to be used again.
    pub(super) spare: Vec<Vec<Mapping>>,
}

impl Surveyor {
    pub(super) fn of_groups(geometry: Geometry, units: &Range<u64>) -> Result<Self, ParseError> {
        let bound = |unit: u64| u32::try_from(unit).ok().filter(|&unit| unit <= geometry.ag_count);
        let (Some(start), Some(end)) = (bound(units.start), bound(units.end)) else {
            let what = format!("allocation groups {}..{} of {}", units.start, units.end, geometry.ag_count);
            return Err(ParseError::NotFound { what });
        };
        Ok(Self::new(geometry, Goal::Groups(start..end)))
    }

    pub(super) fn of_inodes(geometry: Geometry, numbers: &[u64]) -> Self {
        Self::of_numbers(geometry, numbers, false)
    }

    pub(super) fn of_directories(geometry: Geometry, numbers: &[u64]) -> Self {
        Self::of_numbers(geometry, numbers, true)
    }

    fn of_numbers(geometry: Geometry, numbers: &[u64], names: bool) -> Self {
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        Self::new(geometry, Goal::Inodes(numbers, names))
    }

    fn new(geometry: Geometry, goal: Goal) -> Self {
        Self {
            budget: geometry.most_metadata(),
            geometry: Arc::new(geometry),
            goal,
            tasks: Slab::default(),
            jobs: Slab::default(),
            dir_blocks: Slab::default(),
            pace: Pace::default(),
            tree_blocks: HashSet::new(),
            found: Findings::default(),
            chunks: BTreeSet::new(),
            xattrs: Xattrs::default(),
            scratch: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Whether names in directories are wanted, and where metadata lies.
    pub(super) fn wants_names(&self) -> bool {
        matches!(self.goal, Goal::Groups(_) | Goal::Inodes(_, true))
    }

    /// Whether groups are surveyed, and no single inodes.
    pub(super) fn surveys_groups(&self) -> bool {
        matches!(self.goal, Goal::Groups(_))
    }

    pub(super) fn ask(&mut self, task: Task, range: ByteRange, ask: &mut Requests) {
        let tag = self.tasks.insert(task);
        ask.push(tag as u64, range);
    }

    /// Takes a block of a tree, which lies at `place`, off what may still be read. In a sound tree one way leads to it:
    /// else a tree of a few blocks could be gone through without end.
    pub(super) fn spend_on_tree(
        &mut self,
        owner: TreeOwner,
        place: u64,
        structure: &'static str,
    ) -> Result<(), Box<Gap>> {
        if self.tree_blocks.insert((owner, place)) {
            return self.spend(1, structure);
        }
        let at = self.geometry.bytes_of(place, 1).start;
        Err(Box::new(ParseError::corrupt(at, structure, "one way to a block", "another").to_gap()))
    }

    /// Takes `blocks` off what may still be read.
    pub(super) fn spend(&mut self, blocks: u64, structure: &'static str) -> Result<(), Box<Gap>> {
        match self.budget.checked_sub(blocks) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => Err(Box::new(Gap::new(
                GapKind::Limit,
                structure,
                "the volume's metadata refers to more blocks than the volume has",
            ))),
        }
    }

    fn headers(&mut self, ag: u32, fetched: &Fetched<'_>, ask: &mut Requests) {
        let sector = u64::from(self.geometry.sector_bytes);
        let start = fetched.range.start;
        let part = |number: u64| {
            let range = ByteRange::new(start + number * sector, sector);
            let bytes = Be(fetched.bytes).slice((number * sector) as usize, sector as usize);
            let readable = match fetched.fault(range) {
                Some((bad, error)) => {
                    let structure = ["superblock", "AGF", "AGI", "AGFL"][number as usize];
                    Err(ParseError::Io { at: bad.start, structure, reason: error.to_string() })
                }
                None => Ok(bytes.unwrap_or_default()),
            };
            (range, readable)
        };
        let (range, sector) = part(1);
        let space = sector.and_then(|bytes| ag::agf(&self.geometry, ag, bytes, range.start));
        match space {
            Ok(space) => {
                for &root in &space.roots {
                    self.root(ag, root, range, ask);
                }
                let (range, sector) = part(3);
                let kept = sector.and_then(|bytes| ag::agfl(&self.geometry, ag, &space, bytes, range.start));
                match kept {
                    Ok(blocks) => {
                        for block in blocks {
                            if let Some(place) = self.geometry.ag_place(ag, u64::from(block), 1) {
                                self.found.metadata(self.geometry.bytes_of(place, 1));
                            }
                        }
                    }
                    Err(error) => self.found.error(&error, None, range),
                }
            }
            Err(error) => self.found.error(&error, None, range),
        }
        let (range, sector) = part(2);
        match sector.and_then(|bytes| ag::agi(&self.geometry, ag, bytes, range.start)) {
            Ok(roots) => {
                for root in roots {
                    self.root(ag, root, range, ask);
                }
            }
            Err(error) => self.tree_error(Tree::Inode, ag, &error, range),
        }
    }

    /// Records an error in a group's tree. Without a part of the inode tree any inode of the group may be missing.
    fn tree_error(&mut self, tree: Tree, ag: u32, error: &ParseError, part: ByteRange) {
        if tree == Tree::Inode {
            let (first, count) = self.geometry.inodes_of(ag, ag + 1);
            self.found.lose(first, count, error, part);
        } else {
            self.found.error(error, None, part);
        }
    }

    /// The same for a bound, or a block that is read already.
    fn tree_gap(&mut self, tree: Tree, ag: u32, gap: Gap) {
        if tree == Tree::Inode {
            let (first, count) = self.geometry.inodes_of(ag, ag + 1);
            self.found.lose_for(first, count, gap);
        } else {
            self.found.gap(gap);
        }
    }

    /// Tells of the groups that a volume cut short does not hold: the survey of the last that it holds does.
    fn lose_past_end(&mut self) {
        let (held, all) = (self.geometry.groups_held, self.geometry.ag_count);
        if matches!(&self.goal, Goal::Groups(groups) if groups.end == held && held < all) {
            let (first, count) = self.geometry.inodes_of(held, all);
            let at = self.geometry.bytes_of(self.geometry.ag_start(held), 0).start;
            let reason = format!("groups {held} to {} lie past the volume's end", all - 1);
            let error = ParseError::Io { at, structure: "allocation group", reason };
            self.found.lose(first, count, &error, ByteRange::default());
        }
    }

    /// Asks for the root of a tree, which the header in `header` names.
    fn root(&mut self, ag: u32, root: Root, header: ByteRange, ask: &mut Requests) {
        if root.levels == 0 || root.levels > MAX_LEVELS {
            let expected = format!("1 to {MAX_LEVELS} levels");
            let error = ParseError::corrupt(header.start, root.tree.name(), expected, root.levels);
            self.tree_error(root.tree, ag, &error, header);
            return;
        }
        if root.tree == Tree::Inode
            && let Some(known) = self.geometry.inode_roots.get(&ag)
        {
            if (known.block, known.levels) != (root.block, root.levels) {
                let expected = format!("the root at block {}, as the probe found it", known.block);
                let error = ParseError::corrupt(header.start, "AGI", expected, root.block);
                self.found.error(&error, None, header);
            }
            return;
        }
        let pointer = root.block.to_be_bytes();
        self.tree_pointers(root.tree, ag, root.levels - 1, &pointer, header, ask);
    }

    /// Goes on below the root of a group's inode tree, if the probe has read it.
    fn below_known_root(&mut self, ag: u32, ask: &mut Requests) {
        let geometry = Arc::clone(&self.geometry);
        let Some(root) = geometry.inode_roots.get(&ag) else { return };
        let Some(place) = geometry.ag_place(ag, u64::from(root.block), 1) else { return };
        let range = geometry.bytes_of(place, 1);
        self.found.metadata(range);
        if let Err(gap) = self.spend_on_tree(TreeOwner::Group(Tree::Inode, ag), place, Tree::Inode.name()) {
            self.tree_gap(Tree::Inode, ag, gap.at_byte(range.start));
            return;
        }
        match root.levels.checked_sub(2) {
            Some(level) => self.tree_pointers(Tree::Inode, ag, level, &root.body, range, ask),
            None => self.inode_records(ag, &root.body, range, ask),
        }
    }

    /// Asks for the blocks that `pointers`, found in the block `from`, name; they are of `level`.
    fn tree_pointers(
        &mut self,
        tree: Tree,
        ag: u32,
        level: u32,
        pointers: &[u8],
        from: ByteRange,
        ask: &mut Requests,
    ) {
        let mut run = BlockRun::default();
        for pointer in pointers.chunks_exact(4) {
            let pointer = Be(pointer).u32(0);
            let Some(place) = self.geometry.ag_place(ag, u64::from(pointer), 1) else {
                let expected = "a block of the group";
                let error = ParseError::corrupt(from.start, tree.name(), expected, pointer);
                self.tree_error(tree, ag, &error, from);
                continue;
            };
            if let Err(gap) = self.spend_on_tree(TreeOwner::Group(tree, ag), place, tree.name()) {
                let is_over = gap.kind == GapKind::Limit;
                self.tree_gap(tree, ag, gap.at_byte(from.start));
                if is_over {
                    break;
                }
                continue;
            }
            let range = self.geometry.bytes_of(place, 1);
            self.found.metadata(range);
            if (level > 0 || tree.has_wanted_records())
                && let Some(full) = run.add(range)
            {
                self.ask(Task::TreeBlocks { tree, ag, level }, full, ask);
            }
        }
        if let Some(rest) = run.take() {
            self.ask(Task::TreeBlocks { tree, ag, level }, rest, ask);
        }
    }

    fn tree_blocks(&mut self, tree: Tree, ag: u32, level: u32, fetched: &Fetched<'_>, ask: &mut Requests) {
        for (bytes, range) in blocks(fetched, self.geometry.block_bytes()) {
            let body = readable(fetched, range, tree.name())
                .and_then(|()| btree::short(&self.geometry, tree, ag, level, bytes, range.start));
            match body {
                Ok(Body::Pointers(pointers)) => {
                    self.tree_pointers(tree, ag, level - 1, pointers, range, ask);
                }
                Ok(Body::Records(records)) if tree == Tree::Inode => {
                    self.inode_records(ag, records, range, ask);
                }
                Ok(Body::Records(records)) => {
                    for (first, count) in btree::free_runs(records) {
                        let (first, count) = (u64::from(first), u64::from(count));
                        let Some(place) = self.geometry.ag_place(ag, first, count) else {
                            let expected = "blocks of the group";
                            let error = ParseError::corrupt(range.start, tree.name(), expected, first);
                            self.found.error(&error, None, range);
                            continue;
                        };
                        self.found.free(self.geometry.bytes_of(place, count));
                    }
                }
                Err(error) => self.tree_error(tree, ag, &error, range),
            }
        }
    }

    /// Asks for the inodes of a leaf's records, which is at `from`.
    fn inode_records(&mut self, ag: u32, records: &[u8], from: ByteRange, ask: &mut Requests) {
        let mut batch = Vec::new();
        let mut range = ByteRange::default();
        let geometry = Arc::clone(&self.geometry);
        for chunk in btree::inode_chunks(&geometry, records) {
            let first = match self.new_chunk(ag, chunk, from.start) {
                Ok(first) => first,
                Err(error) => {
                    self.tree_error(Tree::Inode, ag, &error, from);
                    continue;
                }
            };
            for (start, count) in runs_without_holes(chunk.holes) {
                let Some(place) = geometry.inode_place(first + u64::from(start), u64::from(count)) else {
                    let actual = chunk.first;
                    let error = ParseError::corrupt(from.start, INODE_CHUNK, "inodes of the group", actual);
                    self.found.error(&error, None, from);
                    continue;
                };
                self.found.metadata(place);
                let used = !chunk.free >> start & (u64::MAX >> (64 - count));
                if used == 0 {
                    continue;
                }
                if range.end() != place.start || range.len + place.len > MAX_REQUEST {
                    if !batch.is_empty() {
                        self.ask(Task::Inodes { runs: std::mem::take(&mut batch) }, range, ask);
                    }
                    range = ByteRange::new(place.start, 0);
                }
                range.len += place.len;
                batch.push(InodeRun { first: first + u64::from(start), count, used });
            }
        }
        if !batch.is_empty() {
            self.ask(Task::Inodes { runs: batch }, range, ask);
        }
    }

    /// The number of a chunk's first inode, if none of its inodes was seen before.
    fn new_chunk(&mut self, ag: u32, chunk: InodeChunk, at: u64) -> Result<u64, ParseError> {
        let wrong = |expected: &str| ParseError::corrupt(at, INODE_CHUNK, expected, chunk.first);
        let first =
            self.geometry.inode_number(ag, chunk.first).ok_or_else(|| wrong("inodes of the group"))?;
        let before = self.chunks.range(..=first).next_back().map_or(0, |start| start + CHUNK_INODES);
        let after = self.chunks.range(first..).next().copied().unwrap_or(u64::MAX);
        if before > first || first.checked_add(CHUNK_INODES).is_none_or(|end| end > after) {
            return Err(wrong("inodes that no other record has"));
        }
        self.chunks.insert(first);
        Ok(first)
    }

    fn inodes(&mut self, runs: &[InodeRun], fetched: &Fetched<'_>, ask: &mut Requests) {
        let size = self.geometry.inode_bytes() as usize;
        let mut at = 0;
        for run in runs {
            for place in 0..run.count {
                let bytes = fetched.bytes.get(at..at + size).unwrap_or_default();
                let range = ByteRange::new(fetched.range.start + at as u64, size as u64);
                at += size;
                if run.used & 1 << place == 0 {
                    continue;
                }
                let number = run.first + u64::from(place);
                match readable(fetched, range, "inode") {
                    Ok(()) => self.inode(number, bytes, range, ask),
                    Err(error) => self.found.error(&error, Some(number), range),
                }
            }
        }
    }
}

impl Machine for Surveyor {
    fn start(&mut self, ask: &mut Requests) {
        match std::mem::replace(&mut self.goal, Goal::Groups(0..0)) {
            Goal::Groups(groups) => {
                let geometry = Arc::clone(&self.geometry);
                for ag in groups.clone() {
                    let start = self.geometry.ag_start(ag);
                    let header = self.geometry.bytes_of(start, self.geometry.header_blocks());
                    self.found.metadata(header);
                    let group = self.geometry.bytes_of(start, self.geometry.ag_len(ag));
                    self.found.metadata(self.geometry.log.intersect(group));
                    // Sorted, and each in one group.
                    let freed = &geometry.freed;
                    let freed = &freed[freed.partition_point(|range| range.start < group.start)..];
                    for &range in freed.iter().take_while(|range| range.start < group.end()) {
                        self.found.free(range.intersect(group));
                    }
                    let sectors = 4 * u64::from(self.geometry.sector_bytes);
                    self.ask(Task::Headers { ag }, ByteRange::new(header.start, sectors), ask);
                    self.below_known_root(ag, ask);
                }
                self.goal = Goal::Groups(groups);
            }
            Goal::Inodes(numbers, names) => {
                for &number in &numbers {
                    let Some(place) = self.geometry.inode_place(number, 1) else {
                        let reason = "no place in the volume has this number";
                        self.found.gap(Gap::new(GapKind::NotFound, "inode", reason).at_inode(number));
                        continue;
                    };
                    if names {
                        self.found.metadata(place);
                    }
                    let runs = vec![InodeRun { first: number, count: 1, used: 1 }];
                    self.ask(Task::Inodes { runs }, place, ask);
                }
                self.goal = Goal::Inodes(numbers, names);
            }
        }
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        let Some(task) = self.tasks.remove(fetched.tag as usize) else { return };
        match task {
            Task::Headers { ag } => self.headers(ag, &fetched, ask),
            Task::TreeBlocks { tree, ag, level } => self.tree_blocks(tree, ag, level, &fetched, ask),
            Task::Inodes { runs } => self.inodes(&runs, &fetched, ask),
            Task::ForkTree { job, fork, level } => self.fork_tree(job, fork, level, &fetched, ask),
            Task::Part(part) => {
                match part {
                    Part::Dir { job } => self.dir_blocks(job, &fetched),
                    Part::Split { job, block, at } => self.dir_part(job, block, at, &fetched),
                    Part::Image { job, fork, at } => self.image_part(job, fork, at, &fetched),
                }
                self.arrived(fetched.range.len, ask);
            }
        }
    }
}

impl SurveyMachine for Surveyor {
    fn finish(mut self: Box<Self>) -> Survey {
        self.lose_past_end();
        self.found.finish()
    }
}

/// Collects neighbouring blocks into requests.
#[derive(Default)]
pub(super) struct BlockRun {
    range: ByteRange,
}

impl BlockRun {
    /// Adds a block; hands back what was collected where the block does not continue it.
    pub(super) fn add(&mut self, block: ByteRange) -> Option<ByteRange> {
        if !self.range.is_empty()
            && self.range.end() == block.start
            && self.range.len + block.len <= MAX_REQUEST
        {
            self.range.len += block.len;
            return None;
        }
        let full = std::mem::replace(&mut self.range, block);
        (!full.is_empty()).then_some(full)
    }

    pub(super) fn take(&mut self) -> Option<ByteRange> {
        let rest = std::mem::take(&mut self.range);
        (!rest.is_empty()).then_some(rest)
    }
}

/// An answer's blocks of `size` bytes and where each lies.
pub(super) fn blocks<'a>(fetched: &Fetched<'a>, size: u64) -> impl Iterator<Item = (&'a [u8], ByteRange)> {
    let start = fetched.range.start;
    let ranges = (0u64..).map(move |number| ByteRange::new(start + number * size, size));
    fetched.bytes.chunks_exact(size as usize).zip(ranges)
}

/// That a part of an answer could be read.
pub(super) fn readable(
    fetched: &Fetched<'_>,
    part: ByteRange,
    structure: &'static str,
) -> Result<(), ParseError> {
    match fetched.fault(part) {
        Some((bad, error)) => {
            Err(ParseError::Io { at: bad.start.max(part.start), structure, reason: error.to_string() })
        }
        None => Ok(()),
    }
}

/// The runs of a chunk's inodes that are there: first and count, in units of inodes. A bit stands for four.
fn runs_without_holes(holes: u16) -> impl Iterator<Item = (u32, u32)> {
    let mut place = 0;
    std::iter::from_fn(move || {
        place += (u32::from(holes) >> place).trailing_ones();
        let start = place;
        while place < 16 && holes & 1 << place == 0 {
            place += 1;
        }
        (start < 16).then_some((start * 4, (place - start) * 4))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_are_what_the_holes_leave(holes: u16) {
            let mut there = 0u64;
            for (start, count) in runs_without_holes(holes) {
                prop_assert!(count > 0);
                for inode in start..start + count {
                    prop_assert_eq!(there & 1 << inode, 0);
                    there |= 1 << inode;
                }
            }
            for inode in 0..64 {
                prop_assert_eq!(there >> inode & 1 == 0, holes >> (inode / 4) & 1 == 1);
            }
        }
    }
}

//! The survey of allocation groups, as a machine.
//!
//! Rounds: the headers of every group; the roots of their trees (those of the inode trees the probe of a clean
//! volume has read, so that what is below them is asked for with the headers); each level below; all inode chunks, in
//! the order of their numbers, and with them what lies between two of them; then directory blocks, extent trees, attribute
//! forks and remote links of every inode as it turns up, unless they came with a chunk. Nothing else waits: each answer
//! asks for what it has just made known.

use super::{
    btree::Tree,
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

/// What a survey is after.
enum Goal {
    /// All inodes of some groups.
    Groups(Range<u32>),
    /// Some inodes, and whether the names in them are wanted, and where metadata lies.
    Inodes(Vec<u64>, bool),
}

/// Inodes that lie next to each other on the volume.
pub(super) struct InodeRun {
    pub(super) first: u64,
    pub(super) count: u32,
    /// Which are in use, from the first on.
    pub(super) used: u64,
    /// Bytes of the answer before the first.
    pub(super) at: usize,
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
    pub(super) chunks: BTreeSet<u64>,
    /// Inodes that are asked for once all chunks are known, so that they come in the order of their numbers.
    pub(super) held: Vec<(Vec<InodeRun>, ByteRange)>,
    /// Requests under way that may tell of further chunks.
    pub(super) telling: u32,
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
            held: Vec::new(),
            telling: 0,
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

    fn inodes(&mut self, runs: &[InodeRun], fetched: &Fetched<'_>, ask: &mut Requests) {
        let size = self.geometry.inode_bytes() as usize;
        for run in runs {
            let mut at = run.at;
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
                    self.telling += u32::from(self.tells_of_chunks(&Task::Headers { ag }));
                    self.below_known_root(ag, ask);
                }
                self.ask_for_held(ask);
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
                    let runs = vec![InodeRun { first: number, count: 1, used: 1, at: 0 }];
                    self.ask(Task::Inodes { runs }, place, ask);
                }
                self.goal = Goal::Inodes(numbers, names);
            }
        }
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        let Some(task) = self.tasks.remove(fetched.tag as usize) else { return };
        let tells = self.tells_of_chunks(&task);
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
        if tells {
            self.telling -= 1;
            self.ask_for_held(ask);
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

//! The survey: a machine that reads group descriptors, then bitmaps and inode tables, and asks for
//! directory blocks, tree nodes and attributes as soon as the inode that needs them is seen.
//!
//! It is one type in several files: `groups` reads what belongs to block groups, `copies` what stands in for what is damaged there, `open` makes rows of
//! inodes, `map` follows block maps and extent trees, `names` reads directories, `attributes` reads
//! attributes outside of inodes.

use super::{
    attributes::{BlockState, PendingValue},
    copies::Doubt,
    dir::Directory,
    geometry::Geometry,
    groups::Bitmap,
    open::Open,
};
use crate::{
    fs::SurveyMachine,
    gap_list::{GapList, MOST_OF_A_SURVEY},
    machine::{Fetched, Machine, Requests},
    slab::Slab,
    survey::{Extent, InOrder, Span, Survey},
};
use coldread_model::{ByteRange, Gap, GapKind};
use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

/// The longest request.
pub(super) const PIECE_BYTES: u64 = 1 << 20;

/// What an outstanding request is for.
#[derive(Debug)]
pub(super) enum Job {
    /// Descriptors of groups from this one on.
    Descriptors { first: u32 },
    /// A copy of a descriptor that is damaged.
    DescriptorCopy(Doubt),
    /// Bitmaps, one a block.
    Bitmaps(Vec<Bitmap>),
    /// Inodes from this one on.
    Inodes { first: u32 },
    /// Blocks of a directory from this logical one on.
    Names { directory: Directory, first: u64 },
    /// A node of an open inode's extent tree.
    Node { open: usize, depth: u16, keys: Range<u64> },
    /// Block numbers of an open inode, for logical blocks from one on, so many apart.
    Numbers { open: usize, logical: u64, span: u64 },
    /// The block of an open symbolic link's target.
    Target { open: usize },
    /// A block of attributes.
    Attributes { block: u64 },
    /// The descriptor of the group of an attribute value's inode.
    ValueDescriptor { number: u32 },
    /// The inode of an attribute value.
    ValueInode { number: u32 },
    /// A part of an open attribute value, from this byte on.
    ValuePart { open: usize, at: u64 },
}

/// Inodes that could not be read, and why. Of those beyond so many as are listed no more is kept than their numbers.
#[derive(Default)]
pub(super) struct Doubtful {
    told: Vec<(u32, Gap)>,
    counted: Vec<u32>,
}

impl Doubtful {
    pub(super) fn push(&mut self, (number, gap): (u32, Gap)) {
        if self.told.len() < MOST_OF_A_SURVEY {
            self.told.push((number, gap));
        } else {
            self.counted.push(number);
        }
    }
}

/// A survey under way.
pub(super) struct Scan {
    pub(super) geometry: Arc<Geometry>,
    /// The groups to survey; empty where single inodes are read.
    pub(super) groups: Range<u32>,
    /// The inodes to read, sorted; empty where groups are surveyed.
    pub(super) numbers: Vec<u32>,
    /// Whether single inodes are read, not groups.
    pub(super) single: bool,
    /// Whether names are wanted, and where metadata lies.
    pub(super) names: bool,
    pub(super) out: Survey,
    gaps: GapList,
    pub(super) inodes: InOrder,
    pub(super) jobs: Slab<Job>,
    pub(super) opens: Slab<Open>,
    /// Inode tables of groups whose descriptors were read.
    pub(super) tables: HashMap<u32, u64>,
    /// Inode bitmaps that were read.
    pub(super) in_use: HashMap<u32, Vec<u8>>,
    /// Inodes that could not be read: gaps, unless the bitmap says that they are not in use.
    pub(super) doubtful: Doubtful,
    /// Blocks of attributes asked for or shared by several inodes.
    pub(super) attribute_blocks: HashMap<u64, BlockState>,
    /// Bytes that shared blocks of attributes may still take.
    pub(super) shared_room: usize,
    /// Bytes of attributes of inodes that are being read.
    pub(super) attributes_held: usize,
    /// Attribute values in inodes of their own that are being read.
    pub(super) values: HashMap<u32, PendingValue>,
    /// Sets of attributes already in the arena, by hash.
    pub(super) known_attributes: HashMap<u64, Span>,
    /// Bytes that may still be asked for on behalf of inodes: no honest disk needs more than it has.
    bytes_left: u64,
    /// Extents that may still be kept: no honest disk has more than blocks.
    extents_left: u64,
    /// The survey has no room left.
    pub(super) full: bool,
    /// Scratch.
    pub(super) spare: Vec<Extent>,
    pub(super) pieces: Vec<Extent>,
}

impl Scan {
    fn new(geometry: Geometry) -> Self {
        Self {
            bytes_left: geometry.volume_bytes.saturating_add(64 << 20),
            extents_left: geometry.held().saturating_add(1 << 16),
            geometry: Arc::new(geometry),
            groups: 0..0,
            numbers: Vec::new(),
            single: false,
            names: true,
            out: Survey::default(),
            gaps: GapList::of_a_survey(),
            inodes: InOrder::default(),
            jobs: Slab::default(),
            opens: Slab::default(),
            tables: HashMap::new(),
            in_use: HashMap::new(),
            doubtful: Doubtful::default(),
            attribute_blocks: HashMap::new(),
            shared_room: 64 << 20,
            attributes_held: 0,
            values: HashMap::new(),
            known_attributes: HashMap::new(),
            full: false,
            spare: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// A survey of block groups; those past the last are left out.
    pub(super) fn of_groups(geometry: Geometry, units: Range<u64>) -> Self {
        let clamp = |unit: u64| unit.min(u64::from(geometry.groups)) as u32;
        let groups = clamp(units.start)..clamp(units.end);
        Self { groups, ..Self::new(geometry) }
    }

    /// A survey of single inodes, without names.
    pub(super) fn of_inodes(geometry: Geometry, numbers: &[u64]) -> Self {
        Self { names: false, ..Self::of_directories(geometry, numbers) }
    }

    /// A survey of single inodes, with the names in those that are directories.
    pub(super) fn of_directories(geometry: Geometry, numbers: &[u64]) -> Self {
        let mut scan = Self { single: true, ..Self::new(geometry) };
        for number in numbers {
            let known = u32::try_from(*number).ok().filter(|known| scan.geometry.place_of(*known).is_some());
            if let Some(known) = known {
                scan.numbers.push(known);
                continue;
            }
            let (first, count) = scan.geometry.inodes_past_end();
            let gap = if number.checked_sub(first).is_some_and(|past| past < count) {
                Gap::new(GapKind::Io, "inode", "it lies past the volume's end")
            } else {
                Gap::new(GapKind::NotFound, "inode", "no such inode")
            };
            scan.gap(gap.at_inode(*number));
        }
        scan.numbers.sort_unstable();
        scan.numbers.dedup();
        scan
    }

    /// Asks for `range` on behalf of `job`.
    pub(super) fn ask(&mut self, job: Job, range: ByteRange, ask: &mut Requests) {
        let tag = self.jobs.insert(job);
        ask.push(tag as u64, range);
    }

    /// Asks for `range` on behalf of an inode; false where the disk makes us read more than it holds.
    #[must_use]
    pub(super) fn ask_for_inode(&mut self, job: Job, range: ByteRange, ask: &mut Requests) -> bool {
        let Some(left) = self.bytes_left.checked_sub(range.len) else { return false };
        self.bytes_left = left;
        self.ask(job, range, ask);
        true
    }

    /// Whether `count` more extents may be kept.
    #[must_use]
    pub(super) fn room_for_extents(&mut self, count: usize) -> bool {
        let left = self.extents_left.checked_sub(count as u64);
        self.extents_left = left.unwrap_or(self.extents_left);
        left.is_some()
    }

    /// Records a gap.
    pub(super) fn gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    /// Records that a structure at `range` contradicts its format.
    pub(super) fn corrupt(
        &mut self,
        inode: u32,
        structure: &str,
        range: ByteRange,
        wrong: &(String, String),
    ) {
        let gap = Gap::new(GapKind::Corrupt, structure, format!("expected {}, found {}", wrong.0, wrong.1));
        let gap = if inode == 0 { gap } else { gap.at_inode(inode.into()) };
        self.gap(gap.at_byte(range.start));
        self.out.damaged.insert(range);
    }

    /// Records that a structure could not be read, if any of `range` could not.
    pub(super) fn unreadable(
        &mut self,
        inode: u32,
        structure: &str,
        range: ByteRange,
        fetched: &Fetched<'_>,
    ) -> bool {
        let Some((bad, error)) = fetched.fault(range) else { return false };
        let gap = Gap::new(GapKind::Io, structure, error.to_string()).at_byte(bad.start.max(range.start));
        self.gap(if inode == 0 { gap } else { gap.at_inode(inode.into()) });
        true
    }

    /// Records that nothing can be read of so many inodes from `first` on.
    pub(super) fn lose(&mut self, first: u64, count: u64, gap: Gap) {
        self.gaps.lose(&mut self.out.lost, first, count, gap);
    }

    /// Records that a bound was reached.
    pub(super) fn limit(&mut self, inode: u32, structure: &str) {
        let reason = "it refers to more blocks than the volume has";
        self.gap(Gap::new(GapKind::Limit, structure, reason).at_inode(inode.into()));
    }

    /// Puts bytes into the arena.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Option<Span> {
        let span = self.out.keep(bytes).ok();
        self.full |= span.is_none();
        span
    }

    /// Whether an inode is in use by its bitmap, or the bitmap is not known.
    fn maybe_in_use(&self, number: u32) -> bool {
        let Some((group, index)) = self.geometry.place_of(number) else { return false };
        let byte = self.in_use.get(&group).map(|bitmap| bitmap.get(index as usize / 8));
        byte.is_none_or(|byte| byte.is_some_and(|byte| byte >> (index % 8) & 1 == 1))
    }

    /// The survey of the last group tells of all those that the volume does not hold.
    fn lose_past_end(&mut self) {
        let (first, count) = self.geometry.inodes_past_end();
        if !self.single && self.groups.end == self.geometry.groups {
            let reason = format!("{count} inodes from this one on lie past the volume's end");
            let gap = Gap::new(GapKind::Io, "inode table", reason).at_byte(self.geometry.volume_bytes);
            self.lose(first, count, gap);
        }
    }

    /// Before metadata_csum, the inodes between those in use may never have been written, and noise there
    /// can look like inodes. Without checksums only the bitmap tells.
    fn drop_noise(&mut self) {
        let features = self.geometry.features;
        if self.single || !features.descriptor_csum() || features.metadata_csum() {
            return;
        }
        let noise = self.out.inodes.iter().map(|inode| inode.number);
        let noise: HashSet<u64> = noise.filter(|number| !self.maybe_in_use(*number as u32)).collect();
        if !noise.is_empty() {
            self.out.inodes.retain(|inode| !noise.contains(&{ inode.number }));
            self.out.entries.retain(|entry| !noise.contains(&{ entry.parent }));
            self.gaps.retain(|gap| gap.inode.is_none_or(|inode| !noise.contains(&inode)));
        }
    }

    /// With bigalloc, metadata too owns whole clusters.
    fn round_metadata(&mut self) {
        if self.geometry.cluster_blocks == 1 {
            return;
        }
        let (cluster, end) = (self.geometry.cluster(), self.geometry.blocks * self.geometry.block());
        let whole = std::mem::take(&mut self.out.metadata).into_ranges().into_iter().map(|range| {
            let start = range.start - range.start % cluster;
            ByteRange::between(start, range.end().next_multiple_of(cluster).min(end))
        });
        self.out.metadata = whole.collect();
    }
}

impl Machine for Scan {
    fn start(&mut self, ask: &mut Requests) {
        self.ask_descriptors(ask);
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        let Some(job) = self.jobs.remove(fetched.tag as usize) else { return };
        for (bad, _) in fetched.bad {
            self.out.damaged.insert(*bad);
        }
        match job {
            Job::Descriptors { first } => self.feed_descriptors(first, &fetched, ask),
            Job::DescriptorCopy(doubt) => self.feed_copy(doubt, &fetched, ask),
            Job::Bitmaps(bitmaps) => self.feed_bitmaps(&bitmaps, &fetched),
            Job::Inodes { first } => self.feed_inodes(first, &fetched, ask),
            Job::Names { directory, first } => self.feed_names(&directory, first, &fetched),
            Job::Node { open, depth, keys } => self.feed_node(open, depth, keys, &fetched, ask),
            Job::Numbers { open, logical, span } => self.feed_numbers(open, logical, span, &fetched, ask),
            Job::Target { open } => self.feed_target(open, &fetched, ask),
            Job::Attributes { block } => self.feed_attributes(block, &fetched, ask),
            Job::ValueDescriptor { number } => self.feed_value_descriptor(number, &fetched, ask),
            Job::ValueInode { number } => self.feed_value_inode(number, &fetched, ask),
            Job::ValuePart { open, at } => self.feed_value_part(open, at, &fetched, ask),
        }
    }
}

impl SurveyMachine for Scan {
    fn finish(mut self: Box<Self>) -> Survey {
        let doubtful = std::mem::take(&mut self.doubtful);
        for (number, gap) in doubtful.told {
            if self.maybe_in_use(number) {
                self.gap(gap);
            }
        }
        let more = doubtful.counted.into_iter().filter(|number| self.maybe_in_use(*number)).count();
        self.gaps.count(more as u64);
        self.lose_past_end();
        self.out.inodes = std::mem::take(&mut self.inodes).finish();
        self.drop_noise();
        self.round_metadata();
        let mut out = self.out;
        out.gaps = self.gaps.finish("survey");
        if self.full {
            let reason = crate::survey::SurveyFull.to_string();
            out.gaps.push(Gap::new(GapKind::Limit, "survey", reason));
        }
        out.gaps.sort_unstable();
        out.metadata.normalize();
        out.free.normalize();
        out.damaged.normalize();
        out
    }
}

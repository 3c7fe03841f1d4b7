//! Content plans: which streams a content task hashes, and where they lie.

use coldread_fsparse::{
    content::{Allowance, Item, ItemEncoding, intact, is_too_sparse},
    fs::ntfs::wof::chunks::Packing,
    survey::{Encoding, Extent, Packed, Stream, Survey},
};
use coldread_model::{
    Gap, GapKind, RowFlags,
    codec::{self, DecodeError},
    task::MAX_CONTENT_SHARDS,
};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A stream to hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlannedStream {
    pub(super) inode: u64,
    /// The stream's name; empty for the unnamed one.
    pub(super) stream: Vec<u8>,
    pub(super) size: u64,
    pub(super) initialized: u64,
    /// A deleted file's: what is wrong with its content is no gap.
    pub(super) deleted: bool,
    pub(super) content: PlannedContent,
}

/// Where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PlannedContent {
    /// Here.
    Inline(Vec<u8>),
    /// On the volume, as they are.
    Plain(Vec<Extent>),
    /// On the volume, packed with LZNT1 in units of so many bytes.
    Lznt1(Vec<Extent>, u32),
    /// On the volume, in packed chunks.
    Wof(Vec<Extent>, Packing),
    /// Here, in packed chunks.
    WofInline(Vec<u8>, Packing),
}

impl PlannedContent {
    /// What a stream's content is made of; `None` where it is not readable.
    fn of(survey: &Survey, stream: &Stream) -> Option<Self> {
        let extents = || survey.extents_of(stream).to_vec();
        Some(match stream.encoding {
            Encoding::Inline(span) => Self::Inline(survey.bytes(span).to_vec()),
            Encoding::Plain(_) => Self::Plain(extents()),
            Encoding::Lznt1 { unit_bytes, .. } => Self::Lznt1(extents(), unit_bytes),
            Encoding::Wof { packed: Packed::Extents { bytes, .. }, algorithm } => {
                Self::Wof(extents(), Packing::new(algorithm, stream.size, bytes))
            }
            Encoding::Wof { packed: Packed::Inline(span), algorithm } => {
                let bytes = survey.bytes(span).to_vec();
                let packing = Packing::new(algorithm, stream.size, bytes.len() as u64);
                Self::WofInline(bytes, packing)
            }
            Encoding::Unreadable { .. } => return None,
        })
    }
}

impl PlannedStream {
    /// The item to read; `None` for inline content.
    pub(super) fn item(&self) -> Option<Item<'_>> {
        let (extents, encoding) = match &self.content {
            PlannedContent::Inline(_) => return None,
            PlannedContent::Plain(extents) => (extents, ItemEncoding::Plain),
            PlannedContent::Lznt1(extents, unit_bytes) => {
                (extents, ItemEncoding::Lznt1 { unit_bytes: *unit_bytes })
            }
            PlannedContent::Wof(extents, packing) => (extents, ItemEncoding::Wof(*packing)),
            PlannedContent::WofInline(bytes, packing) => {
                let encoding = ItemEncoding::WofInline(*packing, bytes);
                return Some(Item { size: self.size, initialized: self.initialized, encoding, extents: &[] });
            }
        };
        Some(Item { size: self.size, initialized: self.initialized, encoding, extents })
    }

    fn first_physical(&self) -> u64 {
        self.item().and_then(|item| item.first_physical()).unwrap_or(0)
    }

    fn allocated(&self) -> u64 {
        self.item().map_or(0, |item| item.extents.iter().fold(0, |sum: u64, e| sum.saturating_add(e.len)))
    }
}

/// What is to hash on a volume, in the order of where it lies, and what cannot be.
pub(super) struct Plan {
    pub(super) streams: Vec<PlannedStream>,
    pub(super) gaps: Vec<Gap>,
    /// Index of the inode and name of each stream that is not read because too much would be.
    pub(super) left_out: HashSet<(usize, Vec<u8>)>,
    /// Index of the inode and name of each stream of a deleted file that is read.
    pub(super) recovered: HashSet<(usize, Vec<u8>)>,
}

impl Plan {
    /// Every stream of every inode that a name leads to (`listed`, by index) and that is a file of the
    /// volume's users; of deleted files those that are intact. The volume has `size_bytes`; content that adds
    /// up to far more is left out.
    pub(super) fn of(survey: &Survey, listed: &[bool], size_bytes: u64) -> Self {
        let mut plan = Self {
            streams: Vec::new(),
            gaps: Vec::new(),
            left_out: HashSet::new(),
            recovered: HashSet::new(),
        };
        let is_listed = |index: usize| listed.get(index) == Some(&true);
        let mut allowance = Allowance::new(size_bytes);
        for (index, inode) in survey.inodes.iter().enumerate().filter(|(index, _)| is_listed(*index)) {
            if inode.flags.intersects(RowFlags::INTERNAL | RowFlags::DELETED) {
                continue;
            }
            for stream in survey.streams_of(inode) {
                if let Encoding::Unreadable { encrypted: true, reason, .. } = stream.encoding {
                    let reason = String::from_utf8_lossy(survey.bytes(reason)).into_owned();
                    plan.gaps.push(Gap::new(GapKind::Encrypted, "content", reason).at_inode(inode.number));
                }
                // Else the survey told the gap, with its kind and place, where it met the trouble.
                let Some(content) = PlannedContent::of(survey, stream) else { continue };
                let stream_name = survey.bytes(stream.name).to_vec();
                if is_too_sparse(stream.size, survey.extents_of(stream)) {
                    let reason =
                        format!("{} bytes claimed, far more than are allocated: no digest", stream.size);
                    plan.gaps.push(Gap::new(GapKind::Sparse, "content", reason).at_inode(inode.number));
                    continue;
                }
                if !allowance.take(stream.size) {
                    let reason = "the volume's files claim far more bytes than it has: no digest";
                    plan.gaps.push(Gap::new(GapKind::Limit, "content", reason).at_inode(inode.number));
                    plan.left_out.insert((index, stream_name));
                    continue;
                }
                plan.streams.push(PlannedStream {
                    inode: inode.number,
                    stream: stream_name,
                    size: stream.size,
                    initialized: stream.initialized,
                    deleted: false,
                    content,
                });
            }
        }
        plan.add_deleted(survey, listed, allowance);
        plan.streams
            .sort_by_cached_key(|stream| (stream.first_physical(), stream.inode, stream.stream.clone()));
        plan
    }

    /// Deleted files' streams, from what the others leave of the allowance. A digest that there is not says
    /// enough: no gap tells of what was overwritten.
    fn add_deleted(&mut self, survey: &Survey, listed: &[bool], mut allowance: Allowance) {
        let intact = intact(survey);
        for (index, inode) in survey.inodes.iter().enumerate() {
            let internal = inode.flags.contains(RowFlags::INTERNAL);
            if !inode.flags.contains(RowFlags::DELETED) || internal || listed.get(index) != Some(&true) {
                continue;
            }
            for (at, stream) in inode.streams.range().zip(survey.streams_of(inode)) {
                let content = PlannedContent::of(survey, stream).filter(|_| intact.contains(&at));
                let Some(content) = content else { continue };
                if is_too_sparse(stream.size, survey.extents_of(stream)) || !allowance.take(stream.size) {
                    continue;
                }
                let name = survey.bytes(stream.name).to_vec();
                self.recovered.insert((index, name.clone()));
                self.streams.push(PlannedStream {
                    inode: inode.number,
                    stream: name,
                    size: stream.size,
                    initialized: stream.initialized,
                    deleted: true,
                    content,
                });
            }
        }
    }

    /// Cuts the plan into parts of about `bytes` of allocated content each, or more where that would be more parts than a
    /// volume may have.
    pub(super) fn shards(&self, bytes: u64) -> Vec<&[PlannedStream]> {
        self.shards_within(bytes, MAX_CONTENT_SHARDS)
    }

    fn shards_within(&self, bytes: u64, most: usize) -> Vec<&[PlannedStream]> {
        // Each part but the last has so many bytes at least.
        let bytes = bytes.max(allocated(&self.streams).div_ceil(most.max(1) as u64));
        let mut shards = Vec::new();
        let (mut start, mut sum) = (0, 0_u64);
        for (i, stream) in self.streams.iter().enumerate() {
            sum = sum.saturating_add(stream.allocated());
            if sum >= bytes {
                shards.push(&self.streams[start..=i]);
                (start, sum) = (i + 1, 0);
            }
        }
        if start < self.streams.len() {
            shards.push(&self.streams[start..]);
        }
        shards
    }
}

/// Encodes a shard of a plan.
pub(super) fn encode(streams: &[PlannedStream]) -> Vec<u8> {
    codec::to_bytes(&streams)
}

/// Decodes it.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<PlannedStream>, DecodeError> {
    codec::from_bytes("content plan", bytes)
}

/// The bytes of the volume that a shard's streams allocate.
pub(super) fn allocated(streams: &[PlannedStream]) -> u64 {
    streams.iter().fold(0, |sum, stream| sum.saturating_add(stream.allocated()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::survey::{Inode, Run, Span, Stream};
    use coldread_model::{ByteRange, FileKind, Timestamp};

    /// A file that claims the same blocks as all others.
    fn file(survey: &mut Survey, number: u64, size: u64) {
        let extent = Extent { logical: 0, physical: 0, len: size, unwritten: false };
        let extents = survey.keep_extents([extent]).unwrap();
        let stream =
            Stream { name: Span::default(), size, initialized: size, encoding: Encoding::Plain(extents) };
        let streams = survey.keep_streams([stream]).unwrap();
        let time = Timestamp::new(0, 0);
        survey.inodes.push(Inode {
            number,
            generation: 0,
            kind: FileKind::File,
            flags: RowFlags::SIZED,
            mode: 0,
            uid: 0,
            gid: 0,
            nlink: 1,
            size,
            mtime: time,
            ctime: time,
            atime: time,
            crtime: time,
            rdev: (0, 0),
            target: Span::default(),
            xattrs: Span::default(),
            streams,
        });
    }

    #[test]
    fn deleted_files_are_read_where_nothing_took_their_place() {
        let mut survey = Survey::default();
        for number in 0..4 {
            file(&mut survey, number, 100);
            survey.extents[number as usize].physical = 1000 * number;
        }
        for inode in &mut survey.inodes[1..] {
            inode.flags |= RowFlags::DELETED;
        }
        survey.inodes[3].flags |= RowFlags::INTERNAL;
        survey.free = [1000, 3000].map(|start| ByteRange::new(start, 100)).into_iter().collect();
        let plan = Plan::of(&survey, &[true; 4], 1 << 20);
        let planned: Vec<_> = plan.streams.iter().map(|stream| (stream.inode, stream.deleted)).collect();
        assert_eq!(planned, [(0, false), (1, true)]);
        assert_eq!(plan.recovered, HashSet::from([(1, Vec::new())]));
        assert_eq!(plan.gaps, []);
        // What is not listed is not read.
        assert_eq!(Plan::of(&survey, &[true, false, true, true], 1 << 20).streams.len(), 1);
    }

    #[test]
    fn cross_linked_files_without_number_are_left_out_and_told() {
        let mut survey = Survey::default();
        for number in 0..1000 {
            file(&mut survey, number, 1 << 30);
        }
        let plan = Plan::of(&survey, &[true; 1000], 1 << 30);
        assert_eq!(plan.streams.len(), 80);
        assert_eq!((plan.gaps.len(), plan.left_out.len()), (920, 920));
        assert!(plan.gaps.iter().all(|gap| gap.kind == GapKind::Limit));
        assert!(plan.left_out.contains(&(80, Vec::new())));
        assert_eq!(survey.inodes[80].streams, Run { first: 80, count: 1 });
        assert_eq!(plan.shards(1 << 30).len(), 80);
        for most in [1, 2, 3, 7, 79] {
            let shards = plan.shards_within(1, most);
            assert!(shards.len() <= most && 2 * shards.len() >= most, "{} of {most}", shards.len());
            assert_eq!(shards.concat(), plan.streams);
        }
    }
}

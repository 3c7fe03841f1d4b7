//! Content plans: which streams a content task hashes, and where they lie.
//!
//! Beside the survey a plan is a few bytes a stream; only what goes to another task is written out, a shard at a time.

use super::streams::{Content, OfSurvey, Streams, content_of};
use coldread_fsparse::{
    content::{Allowance, ItemEncoding, intact, is_too_sparse},
    fs::ntfs::wof::chunks::Packing,
    survey::{Encoding, Extent, Inode, Stream, Survey},
};
use coldread_model::{
    Gap, GapKind, RowFlags,
    codec::{self, DecodeError},
    task::MAX_CONTENT_SHARDS,
};
use serde::{Deserialize, Serialize};
use std::{ops::Range, thread};

/// Another thread is not worth it for fewer inodes.
const LEAST_INODES: usize = 8 << 10;

/// Where on the volume the first byte of a stream lies, and its index.
type Placed = (u64, u32);

/// A stream to hash, for a task that has no survey.
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

impl PlannedStream {
    /// What another task has to know of a survey's stream.
    fn of(streams: &OfSurvey<'_>, place: usize) -> Self {
        let content = match streams.content(place) {
            Content::Here(bytes, _) => PlannedContent::Inline(bytes.to_vec()),
            Content::Stored(item) => {
                let extents = item.extents.to_vec();
                match item.encoding {
                    ItemEncoding::Plain => PlannedContent::Plain(extents),
                    ItemEncoding::Lznt1 { unit_bytes } => PlannedContent::Lznt1(extents, unit_bytes),
                    ItemEncoding::Wof(packing) => PlannedContent::Wof(extents, packing),
                    ItemEncoding::WofInline(packing, bytes) => {
                        PlannedContent::WofInline(bytes.to_vec(), packing)
                    }
                }
            }
        };
        let (owner, stream) = (streams.owner(place), streams.stream(place));
        Self {
            inode: owner.inode,
            stream: streams.survey().bytes(stream.name).to_vec(),
            size: stream.size,
            initialized: stream.initialized,
            deleted: owner.deleted,
            content,
        }
    }
}

/// What is to hash on a volume, and what cannot be.
pub(super) struct Plan {
    /// Of each stream of the survey whether it is to be hashed.
    pub(super) wanted: Vec<bool>,
    /// Indexes of those that were not yet, in the order of where they lie.
    pub(super) streams: Vec<u32>,
    pub(super) gaps: Vec<Gap>,
}

impl Plan {
    /// Every stream of every inode that a name leads to (`listed`, by index) and that is a file of the
    /// volume's users; of deleted files those that are intact. Streams whose indexes are in `early` are hashed
    /// without it. The volume has `size_bytes`; content that adds up to far more is left out.
    pub(super) fn of(survey: &Survey, listed: &[bool], early: &[u32], size_bytes: u64) -> Self {
        let mut wanted = vec![false; survey.streams.len()];
        let mut gaps = Vec::new();
        let mut allowance = Allowance::new(size_bytes);
        let mut gap = |kind, inode: &Inode, reason: String| {
            gaps.push(Gap::new(kind, "content", reason).at_inode(inode.number));
        };
        for inode in listed_files(survey, listed).filter(|inode| !is_deleted(inode)) {
            for (at, stream) in streams_of(survey, inode) {
                if let Encoding::Unreadable { encrypted, reason, .. } = stream.encoding {
                    // Else the survey told the gap, with its kind and place, where it met the trouble.
                    if encrypted {
                        let reason = String::from_utf8_lossy(survey.bytes(reason)).into_owned();
                        gap(GapKind::Encrypted, inode, reason);
                    }
                    continue;
                }
                if is_too_sparse(stream.size, survey.extents_of(stream)) {
                    let reason =
                        format!("{} bytes claimed, far more than are allocated: no digest", stream.size);
                    gap(GapKind::Sparse, inode, reason);
                    continue;
                }
                if !allowance.take(stream.size) {
                    let reason = "the volume's files claim far more bytes than it has: no digest";
                    gap(GapKind::Limit, inode, reason.to_owned());
                    continue;
                }
                wanted[at] = content_of(survey, at).is_some();
            }
        }
        want_deleted(survey, listed, allowance, &mut wanted);
        let mut late = wanted.clone();
        for stream in early {
            late[*stream as usize] = false;
        }
        // A survey's indexes fit 32 bits.
        let late = (0..).zip(late).filter_map(|(stream, late)| late.then_some(stream));
        let place = |stream: u32| {
            let content = content_of(survey, stream as usize);
            (content.map_or(0, |content| content.first_physical()), stream)
        };
        Self { streams: in_order(late.map(place).collect()), wanted, gaps }
    }
}

/// Deleted files' streams, from what the others leave of the allowance. A digest that there is not says enough: no gap
/// tells of what was overwritten.
fn want_deleted(survey: &Survey, listed: &[bool], mut allowance: Allowance, wanted: &mut [bool]) {
    let intact = intact(survey);
    for inode in listed_files(survey, listed).filter(|inode| is_deleted(inode)) {
        for (at, stream) in streams_of(survey, inode).filter(|(at, _)| intact.contains(at)) {
            if !is_too_sparse(stream.size, survey.extents_of(stream)) && allowance.take(stream.size) {
                wanted[at] = content_of(survey, at).is_some();
            }
        }
    }
}

/// Streams, each after where on the volume its first byte lies, in that order; those that have none there first, and where
/// in doubt as the survey has them.
fn in_order(mut placed: Vec<Placed>) -> Vec<u32> {
    // Files lie in ascending runs, which this sort finds.
    placed.sort_by_key(|(place, _)| *place);
    // Not into the same room, which is four times what is kept.
    placed.iter().map(|(_, stream)| *stream).collect()
}

/// The streams of every file in use that a [`Plan`] may have, whether a name leads to it or not; in the order of where
/// they lie. None where they claim more bytes than a plan would take, so that names decide which are left out. Found on
/// so many threads: no disk is read meanwhile.
pub(super) fn in_use(survey: &Survey, size_bytes: u64, threads: usize) -> Vec<u32> {
    let share = survey.inodes.len().div_ceil(threads.max(1)).max(LEAST_INODES);
    let mut shares = survey.inodes.chunks(share);
    let first = shares.next().unwrap_or_default();
    let parts = thread::scope(|scope| {
        let others: Vec<_> = shares.map(|inodes| scope.spawn(|| placed(survey, inodes))).collect();
        let mut parts = vec![placed(survey, first)];
        for other in others {
            parts.push(other.join().ok()?);
        }
        Some(parts)
    });
    let mut allowance = Allowance::new(size_bytes);
    match parts {
        Some(parts) if parts.iter().all(|(_, claimed)| allowance.take(*claimed)) => {
            let all = parts.into_iter().map(|(placed, _)| placed).reduce(|mut all, mut next| {
                all.append(&mut next);
                all
            });
            in_order(all.unwrap_or_default())
        }
        _ => Vec::new(),
    }
}

/// Those of some inodes, in order, and the bytes that they claim.
fn placed(survey: &Survey, inodes: &[Inode]) -> (Vec<Placed>, u64) {
    let (mut placed, mut claimed) = (Vec::new(), 0_u64);
    for inode in inodes.iter().filter(|inode| is_users(inode) && !is_deleted(inode)) {
        for (at, stream) in streams_of(survey, inode) {
            let content = content_of(survey, at);
            let Some(content) = content.filter(|_| !is_too_sparse(stream.size, survey.extents_of(stream)))
            else {
                continue;
            };
            claimed = claimed.saturating_add(stream.size);
            placed.push((content.first_physical(), at as u32));
        }
    }
    placed.sort_by_key(|(place, _)| *place);
    (placed, claimed)
}

/// Inodes that are listed and not the filesystem's own.
fn listed_files<'a>(survey: &'a Survey, listed: &'a [bool]) -> impl Iterator<Item = &'a Inode> {
    let inodes = survey.inodes.iter().zip(listed).filter(|(_, listed)| **listed);
    inodes.map(|(inode, _)| inode).filter(|inode| is_users(inode))
}

fn is_users(inode: &Inode) -> bool {
    !inode.flags.contains(RowFlags::INTERNAL)
}

fn is_deleted(inode: &Inode) -> bool {
    inode.flags.contains(RowFlags::DELETED)
}

/// An inode's streams, with their indexes.
fn streams_of<'a>(survey: &'a Survey, inode: &Inode) -> impl Iterator<Item = (usize, &'a Stream)> {
    inode.streams.range().zip(survey.streams_of(inode))
}

/// Cuts a plan into parts of about `bytes` of allocated content each, or more where that would be more parts than a
/// volume may have.
pub(super) fn shards(streams: &OfSurvey<'_>, bytes: u64) -> Vec<Range<usize>> {
    shards_within(streams, bytes, MAX_CONTENT_SHARDS)
}

fn shards_within(streams: &OfSurvey<'_>, bytes: u64, most: usize) -> Vec<Range<usize>> {
    // Each part but the last has so many bytes at least.
    let bytes = bytes.max(allocated(streams, 0..streams.count()).div_ceil(most.max(1) as u64));
    let mut shards = Vec::new();
    let (mut start, mut sum) = (0, 0_u64);
    for place in 0..streams.count() {
        sum = sum.saturating_add(streams.content(place).allocated());
        if sum >= bytes {
            shards.push(start..place + 1);
            (start, sum) = (place + 1, 0);
        }
    }
    if start < streams.count() {
        shards.push(start..streams.count());
    }
    shards
}

/// Encodes a shard of a plan.
pub(super) fn encode(streams: &OfSurvey<'_>, shard: Range<usize>) -> Vec<u8> {
    let written: Vec<_> = shard.map(|place| PlannedStream::of(streams, place)).collect();
    codec::to_bytes(&written)
}

/// Decodes it.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<PlannedStream>, DecodeError> {
    codec::from_bytes("content plan", bytes)
}

/// The bytes of the volume that a shard's streams allocate.
pub(super) fn allocated(streams: &OfSurvey<'_>, shard: Range<usize>) -> u64 {
    shard.fold(0, |sum, place| sum.saturating_add(streams.content(place).allocated()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::survey::{Run, Span};
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
        let plan = Plan::of(&survey, &[true; 4], &[], 1 << 20);
        let written = decode(&encode(&OfSurvey::new(&survey, &plan.streams), 0..2)).unwrap();
        let written: Vec<_> = written.iter().map(|stream| (stream.inode, stream.deleted)).collect();
        assert_eq!(written, [(0, false), (1, true)]);
        assert_eq!(plan.wanted, [true, true, false, false]);
        assert_eq!(plan.gaps, []);
        // What is not listed is not read.
        assert_eq!(Plan::of(&survey, &[true, false, true, true], &[], 1 << 20).streams, [0]);
        // Before names are known, it is what is in use; then the rest.
        let early = in_use(&survey, 1 << 20, 2);
        assert_eq!(early, [0]);
        let plan = Plan::of(&survey, &[true; 4], &early, 1 << 20);
        assert_eq!((plan.wanted, plan.streams), (vec![true, true, false, false], vec![1]));
    }

    #[test]
    fn what_is_in_use_does_not_depend_on_the_number_of_threads() {
        const COUNT: u64 = 3 * LEAST_INODES as u64 + 5;
        let mut survey = Survey::default();
        for number in 0..COUNT {
            file(&mut survey, number, 10);
            survey.extents[number as usize].physical = number * 7919 % COUNT / 2;
        }
        let one = in_use(&survey, 1 << 20, 1);
        assert_eq!(one.len() as u64, COUNT);
        let places: Vec<_> =
            one.iter().map(|stream| (survey.extents[*stream as usize].physical, *stream)).collect();
        assert!(places.is_sorted());
        for threads in [0, 2, 3, 4, 100] {
            assert_eq!(in_use(&survey, 1 << 20, threads), one, "{threads} threads");
        }
    }

    #[test]
    fn cross_linked_files_without_number_are_left_out_and_told() {
        let mut survey = Survey::default();
        for number in 0..1000 {
            file(&mut survey, number, 1 << 30);
        }
        let plan = Plan::of(&survey, &[true; 1000], &[], 1 << 30);
        assert_eq!(plan.streams.len(), 80);
        assert!(in_use(&survey, 1 << 30, 2).is_empty());
        assert_eq!(in_use(&survey, 1 << 40, 2).len(), 1000);
        assert_eq!(plan.gaps.len(), 920);
        assert!(plan.gaps.iter().all(|gap| gap.kind == GapKind::Limit));
        assert!(plan.gaps.iter().any(|gap| gap.inode == Some(80)));
        assert!(!plan.wanted[80]);
        assert_eq!(survey.inodes[80].streams, Run { first: 80, count: 1 });
        let streams = OfSurvey::new(&survey, &plan.streams);
        assert_eq!(shards(&streams, 1 << 30).len(), 80);
        for most in [1, 2, 3, 7, 79] {
            let shards = shards_within(&streams, 1, most);
            assert!(shards.len() <= most && 2 * shards.len() >= most, "{} of {most}", shards.len());
            assert!(shards.into_iter().flatten().eq(0..80));
        }
    }
}

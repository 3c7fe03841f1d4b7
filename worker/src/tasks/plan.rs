//! Content plans: which streams a content task hashes, and where they lie.

use coldread_fsparse::{
    content::{Item, ItemEncoding},
    fs::ntfs::wof::chunks::Packing,
    survey::{Encoding, Extent, Packed, Survey},
};
use coldread_model::{
    Gap, GapKind, RowFlags,
    codec::{self, DecodeError},
};
use serde::{Deserialize, Serialize};

/// A stream to hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlannedStream {
    pub(super) inode: u64,
    /// The stream's name; empty for the unnamed one.
    pub(super) stream: Vec<u8>,
    pub(super) size: u64,
    pub(super) initialized: u64,
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
}

impl Plan {
    /// Every stream of every inode that a name leads to (`listed`, by index) and that is a file of the
    /// volume's users.
    pub(super) fn of(survey: &Survey, listed: &[bool]) -> Self {
        let mut plan = Self { streams: Vec::new(), gaps: Vec::new() };
        let skipped = RowFlags::INTERNAL | RowFlags::DELETED;
        for (inode, _) in survey.inodes.iter().zip(listed).filter(|(_, listed)| **listed) {
            if inode.flags.intersects(skipped) {
                continue;
            }
            for stream in survey.streams_of(inode) {
                let content = match stream.encoding {
                    Encoding::Inline(span) => PlannedContent::Inline(survey.bytes(span).to_vec()),
                    Encoding::Plain(_) => PlannedContent::Plain(survey.extents_of(stream).to_vec()),
                    Encoding::Lznt1 { unit_bytes, .. } => {
                        PlannedContent::Lznt1(survey.extents_of(stream).to_vec(), unit_bytes)
                    }
                    Encoding::Wof { packed: Packed::Extents { bytes, .. }, algorithm } => {
                        let packing = Packing::new(algorithm, stream.size, bytes);
                        PlannedContent::Wof(survey.extents_of(stream).to_vec(), packing)
                    }
                    Encoding::Wof { packed: Packed::Inline(span), algorithm } => {
                        let bytes = survey.bytes(span).to_vec();
                        let packing = Packing::new(algorithm, stream.size, bytes.len() as u64);
                        PlannedContent::WofInline(bytes, packing)
                    }
                    Encoding::Unreadable { encrypted, reason, .. } => {
                        let kind = if encrypted { GapKind::Encrypted } else { GapKind::Unsupported };
                        let reason = String::from_utf8_lossy(survey.bytes(reason)).into_owned();
                        plan.gaps.push(Gap::new(kind, "content", reason).at_inode(inode.number));
                        continue;
                    }
                };
                let stream_name = survey.bytes(stream.name).to_vec();
                if coldread_fsparse::content::is_too_sparse(stream.size, survey.extents_of(stream)) {
                    let reason =
                        format!("{} bytes claimed, far more than are allocated: no digest", stream.size);
                    plan.gaps.push(Gap::new(GapKind::Sparse, "content", reason).at_inode(inode.number));
                    continue;
                }
                plan.streams.push(PlannedStream {
                    inode: inode.number,
                    stream: stream_name,
                    size: stream.size,
                    initialized: stream.initialized,
                    content,
                });
            }
        }
        plan.streams
            .sort_by_cached_key(|stream| (stream.first_physical(), stream.inode, stream.stream.clone()));
        plan
    }

    /// Cuts the plan into parts of about `bytes` of allocated content each.
    pub(super) fn shards(&self, bytes: u64) -> Vec<&[PlannedStream]> {
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

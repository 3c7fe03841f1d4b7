//! What log items say of themselves: "XFS Algorithms & Data Structures", 3rd edition, "Journaling Log",
//! "Log Items"; newer items are those of Linux' `xfs_log_format.h`.

use super::{super::be::Be, Fault, Shape, intent::IntentKind, le::Le, transaction::Item};
use coldread_model::ByteRange;

/// What an item is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Buffer,
    Inode,
    /// Newly made inodes.
    Chunk,
    /// The start of a change in several transactions.
    Intent(IntentKind),
    /// Its end.
    Done(IntentKind),
    /// Quotas, which are not looked at.
    Ignored,
}

impl Kind {
    pub(super) fn of(item: &Item) -> Result<Self, Fault> {
        use IntentKind::{Attribute, Exchange, Free, FreeRealtime, Map, Refcount, ReverseMap};
        Ok(match item.kind() {
            0x123b => Self::Inode,
            0x123c => Self::Buffer,
            0x123d | 0x123e => Self::Ignored,
            0x123f => Self::Chunk,
            0x1236 => Self::Intent(Free),
            0x1237 => Self::Done(Free),
            0x1240 | 0x124c => Self::Intent(ReverseMap),
            0x1241 | 0x124d => Self::Done(ReverseMap),
            0x1242 | 0x124e => Self::Intent(Refcount),
            0x1243 | 0x124f => Self::Done(Refcount),
            0x1244 => Self::Intent(Map),
            0x1245 => Self::Done(Map),
            0x1246 => Self::Intent(Attribute),
            0x1247 => Self::Done(Attribute),
            0x1248 => Self::Intent(Exchange),
            0x1249 => Self::Done(Exchange),
            0x124a => Self::Intent(FreeRealtime),
            0x124b => Self::Done(FreeRealtime),
            other => return Err(Fault::unsupported(format!("log items of type {other:#06x}"))),
        })
    }
}

/// Longest buffer: the largest block.
const MAX_BUFFER_BYTES: u64 = 64 << 10;
// blf_flags.
const INODE_BUFFER: u16 = 1;
const CANCEL: u16 = 2;
const QUOTA_BUFFER: u16 = 4 | 8 | 16;

/// xfs_buf_log_format.
#[derive(Debug)]
pub(super) struct BufferFormat<'a> {
    pub(super) range: ByteRange,
    /// It says that earlier items of this buffer do not count.
    pub(super) cancels: bool,
    /// Its bytes matter: of inode buffers only the lists of unlinked inodes are replayed, which nothing here
    /// reads; of quotas nothing.
    pub(super) has_content: bool,
    map: &'a [u8],
}

/// A range in units of 512 bytes.
fn sectors(start: u64, count: u64) -> Option<ByteRange> {
    let (start, len) = (start.checked_mul(512)?, count.checked_mul(512)?);
    start.checked_add(len).map(|_| ByteRange::new(start, len))
}

impl<'a> BufferFormat<'a> {
    pub(super) fn parse(region: &'a [u8]) -> Result<Self, Fault> {
        let fields = Le(region);
        let (flags, len, start) = (fields.u16(4), u64::from(fields.u16(6)), fields.u64(8));
        let words = fields.u32(16) as usize;
        let map = words.checked_mul(4).and_then(|bytes| Be(region).slice(20, bytes));
        let range = sectors(start, len).filter(|range| range.len <= MAX_BUFFER_BYTES && !range.is_empty());
        let (Some(map), Some(range)) = (map, range) else {
            return Err(Fault::corrupt("a buffer item that contradicts itself"));
        };
        let has_content = flags & (INODE_BUFFER | QUOTA_BUFFER) == 0;
        Ok(Self { range, cancels: flags & CANCEL != 0, has_content, map })
    }

    /// Runs of dirty chunks: first and count.
    pub(super) fn dirty_runs(&self) -> impl Iterator<Item = (usize, usize)> {
        let fields = Le(self.map);
        let bits = self.map.len() * 8;
        let is_dirty = move |bit: usize| fields.u32(bit / 32 * 4) >> (bit % 32) & 1 == 1;
        let mut bit = 0;
        std::iter::from_fn(move || {
            while bit < bits && !is_dirty(bit) {
                bit += 1;
            }
            let first = bit;
            while bit < bits && is_dirty(bit) {
                bit += 1;
            }
            (bit > first).then_some((first, bit - first))
        })
    }
}

/// xfs_icreate_log.
pub(super) struct InodeChunk {
    pub(super) range: ByteRange,
    /// Number of the first inode.
    pub(super) first: u64,
    pub(super) generation: u32,
}

impl InodeChunk {
    pub(super) fn parse(region: &[u8], shape: &Shape) -> Result<Self, Fault> {
        let fields = Be(region);
        let geometry = &shape.geometry;
        let (ag, block, count) = (fields.u32(4), u64::from(fields.u32(8)), u64::from(fields.u32(12)));
        let (size, len, generation) = (u64::from(fields.u32(16)), u64::from(fields.u32(20)), fields.u32(24));
        let inside = block.checked_add(len).is_some_and(|end| end <= u64::from(geometry.ag_blocks));
        let first = u32::try_from(block << geometry.inodes_per_block_log()).ok();
        let first = first.and_then(|first| geometry.inode_number(ag, first));
        let fits = size == geometry.inode_bytes()
            && (1..=64).contains(&count.div_ceil(1 << geometry.inodes_per_block_log()))
            && len == count.div_ceil(1 << geometry.inodes_per_block_log());
        let (Some(first), true) = (first, inside && fits) else {
            return Err(Fault::corrupt("an item of new inodes that contradicts itself"));
        };
        let range = ByteRange::new(geometry.ag_start(ag).saturating_add(block), len);
        let range = sectors(range.start << (geometry.block_log - 9), range.len << (geometry.block_log - 9));
        let range = range.ok_or_else(|| Fault::corrupt("new inodes outside of any volume"))?;
        Ok(Self { range, first, generation })
    }
}

// ilf_fields.
const DATA_PLAIN: u32 = 0x002 | 0x004;
const DATA_ROOT: u32 = 0x008;
const DEVICE: u32 = 0x010;
const ATTRIBUTES_PLAIN: u32 = 0x040 | 0x080;
const ATTRIBUTES_ROOT: u32 = 0x100;
const OWNERS: u32 = 0x200 | 0x400;

/// xfs_inode_log_format.
#[derive(Debug)]
pub(super) struct InodeFormat {
    pub(super) number: u64,
    /// Where the inode lies, and the buffer that holds it.
    pub(super) place: ByteRange,
    pub(super) cluster: ByteRange,
    pub(super) device: Option<u32>,
    /// Whether a data fork follows; true for the root of a B+tree.
    pub(super) data: Option<bool>,
    pub(super) attributes: Option<bool>,
    /// The blocks of the forks' trees change hands.
    pub(super) changes_owner: bool,
}

/// Bytes of a logged inode core: versions 1 and 2, version 3.
const CORE_BYTES: [usize; 2] = [96, 176];
const INODE_MAGIC: u16 = 0x494e;

impl InodeFormat {
    pub(super) fn parse(region: &[u8], shape: &Shape) -> Result<Self, Fault> {
        let fields = Le(region);
        // 32-bit hosts leave four bytes of padding out.
        let (number, rest) = match region.len() {
            56 => (16, 24),
            52 => (12, 20),
            other => return Err(Fault::corrupt(format!("an inode item of {other} bytes"))),
        };
        let (start, len) = (fields.u64(rest + 16), u64::from(fields.u32(rest + 24)));
        let offset = u64::from(fields.u32(rest + 28));
        let size = shape.geometry.inode_bytes();
        let fields_logged = fields.u32(4);
        let cluster = sectors(start, len).filter(|range| range.len <= MAX_BUFFER_BYTES);
        let cluster = cluster.filter(|range| offset + size <= range.len && offset % size == 0);
        let cluster = cluster.ok_or_else(|| Fault::corrupt("an inode outside of its buffer"))?;
        let fork = |plain, root| match (fields_logged & plain != 0, fields_logged & root != 0) {
            (_, true) => Some(true),
            (true, false) => Some(false),
            (false, false) => None,
        };
        Ok(Self {
            number: fields.u64(number),
            place: ByteRange::new(cluster.start + offset, size),
            cluster,
            device: (fields_logged & DEVICE != 0).then(|| fields.u32(rest)),
            data: fork(DATA_PLAIN, DATA_ROOT),
            attributes: fork(ATTRIBUTES_PLAIN, ATTRIBUTES_ROOT),
            changes_owner: fields_logged & OWNERS != 0,
        })
    }

    /// Checks the inode core that follows; its counter of flushes, which only version 4 has.
    pub(super) fn check_core(&self, core: &[u8], shape: &Shape) -> Result<u16, Fault> {
        let v5 = shape.geometry.v5;
        let fields = Le(core);
        if core.len() < CORE_BYTES[usize::from(v5)] || fields.u16(0) != INODE_MAGIC {
            return Err(Fault::corrupt(format!("inode {} without a core in the log", self.number)));
        }
        if (fields.u8(4) == 3) != v5 {
            return Err(Fault::corrupt(format!("inode {} of another version in the log", self.number)));
        }
        Ok(if v5 { 0 } else { fields.u16(30) })
    }
}

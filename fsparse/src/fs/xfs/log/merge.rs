//! Committed changes, reduced to the last writer of every part.
//!
//! The order is that of Linux' `xlog_recover_reorder_trans`: in a transaction first buffers and new inode
//! chunks, then inodes, then what cancels buffers. A buffer or inode on disk that is newer than a change
//! does not get it. Changes come in the order of their LSNs, so what a place gets in the end depends on its
//! last change alone, and all before it can be forgotten; so can, at a cancellation, the cancelled buffer.

use super::{
    Fault, Shape,
    intent::Intents,
    item::{BufferFormat, InodeChunk, InodeFormat, Kind},
    transaction::{Committed, Item},
};
use crate::gap_list::GapList;
use coldread_model::{ByteRange, Gap, GapKind};
use std::collections::BTreeMap;

/// Unit of the map of a buffer's dirty parts.
pub(super) const CHUNK: usize = 128;
/// Bytes of buffers and inodes held; a log of the largest size holds no more than this in practice.
const MAX_HELD_BYTES: u64 = 768 << 20;
/// Gaps kept.
const MAX_GAPS: usize = 1000;

/// A buffer's last logged bytes.
pub(super) struct Buffer {
    pub(super) image: Vec<u8>,
    /// For each chunk the LSN of its last change; 0 where there is none.
    pub(super) lsns: Vec<u64>,
}

/// A fork as last logged.
pub(super) struct Fork {
    pub(super) lsn: u64,
    /// Counter of version 4: flushes of the inode.
    pub(super) flushes: u16,
    /// The root of a B+tree in the form that it has in memory; else as it is in the inode.
    pub(super) root: bool,
    pub(super) bytes: Vec<u8>,
}

/// An inode as last logged.
#[derive(Default)]
pub(super) struct LoggedInode {
    /// The buffer that its items named; none for an inode that is only known as part of a new chunk.
    cluster: Option<ByteRange>,
    pub(super) number: u64,
    /// Its generation, if its chunk was made in the log.
    pub(super) fresh: Option<u32>,
    pub(super) core: Option<Fork>,
    pub(super) data: Option<Fork>,
    pub(super) attributes: Option<Fork>,
}

/// What becomes of a place.
pub(super) enum Change {
    Buffer(Buffer),
    Inode(Box<LoggedInode>),
}

/// All changes so far. Each has the number of the last change to it, in log order.
pub(super) struct Merge {
    shape: Shape,
    buffers: BTreeMap<(u64, u64), (u64, Buffer)>,
    inodes: BTreeMap<u64, (u64, LoggedInode)>,
    pub(super) intents: Intents,
    gaps: GapList,
    pub(super) transactions: u64,
    changes: u64,
    held: u64,
}

impl Merge {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            buffers: BTreeMap::new(),
            inodes: BTreeMap::new(),
            intents: Intents::default(),
            gaps: GapList::of_at_most(MAX_GAPS),
            transactions: 0,
            changes: 0,
            held: 0,
        }
    }

    /// Takes a committed transaction.
    pub(super) fn commit(&mut self, done: Committed) -> Result<(), Fault> {
        self.transactions += 1;
        let mut later = Vec::new();
        let mut cancelled = Vec::new();
        for item in done.items {
            match Kind::of(&item)? {
                Kind::Buffer => {
                    let format = BufferFormat::parse(item.region(0))?;
                    if format.cancels {
                        cancelled.push(format.range);
                    } else if format.has_content {
                        self.buffer(done.lsn, &format, &item)?;
                    }
                }
                Kind::Chunk => self.chunk(&InodeChunk::parse(item.region(0), &self.shape)?)?,
                Kind::Ignored => {}
                Kind::Inode | Kind::Intent(_) | Kind::Done(_) => later.push(item),
            }
        }
        for item in later {
            match Kind::of(&item)? {
                Kind::Inode => self.inode(done.lsn, item)?,
                Kind::Intent(kind) => self.intents.open(kind, item.region(0))?,
                Kind::Done(kind) => self.intents.done(kind, item.region(0)),
                _ => {}
            }
        }
        for range in cancelled {
            self.cancel(range);
        }
        Ok(())
    }

    /// Whether a place is on the volume; a gap if not.
    fn holds(&mut self, range: ByteRange) -> bool {
        let holds = range.end() <= self.shape.volume_bytes;
        if !holds {
            let reason = "the log changes what lies behind the volume's end";
            self.gaps.push(Gap::new(GapKind::NotFound, super::STRUCTURE, reason).at_byte(range.start));
        }
        holds
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Fault> {
        self.held += bytes as u64;
        if self.held > MAX_HELD_BYTES {
            return Err(Fault::limit(format!("the log changes more than {MAX_HELD_BYTES} bytes")));
        }
        Ok(())
    }

    /// Takes the dirty parts of a buffer.
    fn buffer(&mut self, lsn: u64, format: &BufferFormat, item: &Item) -> Result<(), Fault> {
        if !self.holds(format.range) {
            return Ok(());
        }
        let key = (format.range.start, format.range.len);
        if !self.buffers.contains_key(&key) {
            self.hold(format.range.len as usize * 9 / 8)?;
            let len = format.range.len as usize;
            let buffer = Buffer { image: vec![0; len], lsns: vec![0; len.div_ceil(CHUNK)] };
            self.buffers.insert(key, (0, buffer));
        }
        self.changes += 1;
        let Some((change, buffer)) = self.buffers.get_mut(&key) else { return Ok(()) };
        *change = self.changes;
        let mut regions = item.regions.iter().skip(1);
        let mut dirty = format.dirty_runs();
        let mut run = dirty.next();
        while let Some((first, chunks)) = run {
            let region = regions.next().ok_or_else(|| Fault::corrupt("a buffer with too few regions"))?;
            // A run that crosses a page of memory comes in several regions.
            let held = chunks.min(region.len() / CHUNK);
            let target = buffer.image.get_mut(first * CHUNK..(first + held) * CHUNK);
            let (Some(target), true) = (target, held > 0) else {
                return Err(Fault::corrupt("a buffer item outside its buffer"));
            };
            target.copy_from_slice(&region[..held * CHUNK]);
            buffer.lsns[first..first + held].fill(lsn);
            run = if held < chunks { Some((first + held, chunks - held)) } else { dirty.next() };
        }
        Ok(())
    }

    /// Takes a chunk of inodes that were made at once.
    fn chunk(&mut self, chunk: &InodeChunk) -> Result<(), Fault> {
        if !self.holds(chunk.range) {
            return Ok(());
        }
        self.changes += 1;
        let size = self.shape.geometry.inode_bytes();
        for (number, at) in (chunk.first..).zip((chunk.range.start..chunk.range.end()).step_by(size as usize))
        {
            self.hold(size as usize)?;
            let fresh = LoggedInode { number, fresh: Some(chunk.generation), ..LoggedInode::default() };
            self.inodes.insert(at, (self.changes, fresh));
        }
        Ok(())
    }

    /// Takes an inode.
    fn inode(&mut self, lsn: u64, mut item: Item) -> Result<(), Fault> {
        let format = InodeFormat::parse(item.region(0), &self.shape)?;
        if !self.holds(format.place) {
            return Ok(());
        }
        self.hold(item.regions.iter().map(Vec::len).sum())?;
        self.changes += 1;
        let (change, inode) = self.inodes.entry(format.place.start).or_default();
        *change = self.changes;
        inode.cluster = Some(format.cluster);
        inode.number = format.number;
        let mut regions = std::mem::take(&mut item.regions).into_iter().skip(1);
        let core = regions.next().unwrap_or_default();
        let flushes = format.check_core(&core, &self.shape)?;
        let fork = |root, bytes| Some(Fork { lsn, flushes, root, bytes });
        let mut freed = 0;
        let mut keep = |place: &mut Option<Fork>, new: Option<Fork>| {
            freed += place.as_ref().map_or(0, |old| old.bytes.len());
            *place = new;
        };
        keep(&mut inode.core, fork(false, core));
        if let Some(device) = format.device {
            keep(&mut inode.data, fork(false, device.to_be_bytes().to_vec()));
        }
        if let Some(root) = format.data {
            let bytes =
                regions.next().ok_or_else(|| Fault::corrupt("an inode item without its data fork"))?;
            keep(&mut inode.data, fork(root, bytes));
        }
        if let Some(root) = format.attributes {
            let bytes =
                regions.next().ok_or_else(|| Fault::corrupt("an inode item without its attributes"))?;
            keep(&mut inode.attributes, fork(root, bytes));
        }
        self.held = self.held.saturating_sub(freed as u64);
        if format.changes_owner {
            self.intents.owner_change(format.number);
        }
        Ok(())
    }

    /// Forgets a buffer, or the inodes in it.
    fn cancel(&mut self, range: ByteRange) {
        if let Some((_, buffer)) = self.buffers.remove(&(range.start, range.len)) {
            self.held = self.held.saturating_sub(buffer.image.len() as u64 * 9 / 8);
        }
        let inside = self.inodes.range(range.start..range.end());
        let gone: Vec<u64> = inside
            .filter(|(_, (_, inode))| inode.cluster.is_none_or(|cluster| cluster == range))
            .map(|(&at, _)| at)
            .collect();
        for at in gone {
            self.inodes.remove(&at);
        }
    }

    /// All changes with their places, sorted by place; and what else was found.
    pub(super) fn into_changes(self) -> (Vec<(ByteRange, u64, Change)>, Intents, Vec<Gap>) {
        let size = self.shape.geometry.inode_bytes();
        let buffers = self.buffers.into_iter().map(|((start, len), (change, buffer))| {
            (ByteRange::new(start, len), change, Change::Buffer(buffer))
        });
        let inodes = self.inodes.into_iter().map(|(start, (change, inode))| {
            (ByteRange::new(start, size), change, Change::Inode(Box::new(inode)))
        });
        let mut changes: Vec<_> = buffers.chain(inodes).collect();
        changes.sort_by_key(|(range, change, _)| (range.start, *change));
        (changes, self.intents, self.gaps.finish(super::STRUCTURE))
    }
}

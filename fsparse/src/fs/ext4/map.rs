//! Where an inode's blocks are: its extent tree or its block map, followed as the nodes arrive.

use super::{
    bytes::u32_at,
    extent::{LOGICAL_END, read_node, read_numbers, verify_node},
    inode::{RawInode, seed_of},
    open::{Open, Role},
    scan::{Job, Scan},
};
use crate::machine::{Fetched, Requests};
use coldread_model::ByteRange;
use std::ops::Range;

impl Scan {
    /// Takes the map's root, which is in the inode.
    pub(super) fn take_root(
        &mut self,
        id: usize,
        open: &mut Open,
        inode: &RawInode<'_>,
        at: ByteRange,
        ask: &mut Requests,
    ) {
        if inode.extents {
            self.take_node(id, open, inode.block, None, 0..LOGICAL_END, at, ask);
            return;
        }
        let per_block = self.geometry.block() / 4;
        let direct = inode.block.get(..48).unwrap_or_default();
        self.take_numbers(id, open, direct, 0, 1, at, ask);
        let (mut logical, mut span) = (12, 1);
        for level in 0..3 {
            let block = u64::from(u32_at(inode.block, 48 + level * 4));
            if block != 0 && open.fault.is_none() {
                if self.geometry.holds(block, 1) {
                    let job = Job::Numbers { open: id, logical, span };
                    self.ask_for_map(open, job, block, ask);
                } else {
                    let wrong = ("a block inside the filesystem".to_owned(), block.to_string());
                    self.broken_map(open, at, &wrong);
                }
            }
            span *= per_block;
            logical += span;
        }
    }

    /// Asks for a block of the map.
    fn ask_for_map(&mut self, open: &mut Open, job: Job, block: u64, ask: &mut Requests) {
        let range = self.geometry.bytes_of(block, 1);
        if self.ask_for_inode(job, range, ask) {
            open.waiting += 1;
            if open.role == Role::Freed {
                self.out.free.insert(range);
            } else if self.names {
                self.out.metadata.insert(range);
            }
        } else {
            self.limit(open.number(), "extents");
            open.fault.get_or_insert_with(|| "it refers to more blocks than the volume has".to_owned());
        }
    }

    /// Records that a part of the map is wrong: the content cannot be trusted.
    fn broken_map(&mut self, open: &mut Open, range: ByteRange, wrong: &(String, String)) {
        self.corrupt(open.number(), "extents", range, wrong);
        open.fault.get_or_insert_with(|| format!("extents: expected {}, found {}", wrong.0, wrong.1));
    }

    #[allow(clippy::too_many_arguments)]
    fn take_node(
        &mut self,
        id: usize,
        open: &mut Open,
        bytes: &[u8],
        depth: Option<u16>,
        keys: Range<u64>,
        at: ByteRange,
        ask: &mut Requests,
    ) {
        let mut children = Vec::new();
        self.pieces.clear();
        if let Err(wrong) = read_node(&self.geometry, bytes, depth, keys, &mut self.pieces, &mut children) {
            self.broken_map(open, at, &wrong);
            return;
        }
        self.take_pieces(open, ask);
        for child in children {
            let job = Job::Node { open: id, depth: child.depth, keys: child.keys };
            self.ask_for_map(open, job, child.block, ask);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn take_numbers(
        &mut self,
        id: usize,
        open: &mut Open,
        bytes: &[u8],
        logical: u64,
        span: u64,
        at: ByteRange,
        ask: &mut Requests,
    ) {
        let mut children = Vec::new();
        self.pieces.clear();
        if let Err(wrong) =
            read_numbers(&self.geometry, bytes, logical, span, &mut self.pieces, &mut children)
        {
            self.broken_map(open, at, &wrong);
            return;
        }
        self.take_pieces(open, ask);
        for (block, logical) in children {
            let job = Job::Numbers { open: id, logical, span: span / (self.geometry.block() / 4) };
            self.ask_for_map(open, job, block, ask);
        }
    }

    /// Takes the extents just read; a directory's blocks are asked for at once.
    fn take_pieces(&mut self, open: &mut Open, ask: &mut Requests) {
        let pieces = std::mem::take(&mut self.pieces);
        if self.room_for_extents(pieces.len()) {
            open.extents.extend_from_slice(&pieces);
            if let Role::Directory(directory) = open.role {
                for piece in &pieces {
                    self.ask_names(&directory, open, *piece, ask);
                }
            }
        } else {
            self.limit(open.number(), "extents");
            open.fault.get_or_insert_with(|| "it has more extents than the volume has blocks".to_owned());
        }
        self.pieces = pieces;
    }

    pub(super) fn feed_node(
        &mut self,
        id: usize,
        depth: u16,
        keys: Range<u64>,
        fetched: &Fetched<'_>,
        ask: &mut Requests,
    ) {
        let Some(mut open) = self.opens.check_out(id) else { return };
        open.waiting -= 1;
        if self.unreadable(open.number(), "extent tree node", fetched.range, fetched) {
            open.unread = true;
            open.fault.get_or_insert_with(|| "a node of its extent tree could not be read".to_owned());
        } else {
            let seed = seed_of(&self.geometry, open.number(), open.generation);
            match verify_node(&self.geometry, seed, fetched.bytes) {
                Ok(()) => self.take_node(id, &mut open, fetched.bytes, Some(depth), keys, fetched.range, ask),
                Err(wrong) => self.broken_map(&mut open, fetched.range, &wrong),
            }
        }
        self.settle(id, open, ask);
    }

    pub(super) fn feed_numbers(
        &mut self,
        id: usize,
        logical: u64,
        span: u64,
        fetched: &Fetched<'_>,
        ask: &mut Requests,
    ) {
        let Some(mut open) = self.opens.check_out(id) else { return };
        open.waiting -= 1;
        if self.unreadable(open.number(), "indirect block", fetched.range, fetched) {
            open.unread = true;
            open.fault.get_or_insert_with(|| "a block of its block map could not be read".to_owned());
        } else {
            self.take_numbers(id, &mut open, fetched.bytes, logical, span, fetched.range, ask);
        }
        self.settle(id, open, ask);
    }
}

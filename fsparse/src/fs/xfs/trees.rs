//! What a group's headers and trees tell: which space is free, and where its inodes lie.

use super::{
    ag::{self, Root},
    be::Be,
    btree::{self, Body, InodeChunk, MAX_LEVELS, Tree},
    survey::{BlockRun, InodeRun, MAX_REQUEST, Surveyor, Task, TreeOwner, blocks, readable},
};
use crate::{
    error::ParseError,
    machine::{Fetched, Requests},
};
use coldread_model::{ByteRange, Gap, GapKind};
use std::sync::Arc;

const INODE_CHUNK: &str = "inobt record";
/// Bytes between two chunks that are read with them: mostly blocks of the directories whose inodes the chunks hold, which
/// then need no request of their own. To read 32 KiB takes a near disk as long as another request does, and a far one less.
const MAX_BETWEEN: u64 = 32 << 10;
/// Inodes that a record of the inobt stands for.
const CHUNK_INODES: u64 = 64;

impl Surveyor {
    pub(super) fn headers(&mut self, ag: u32, fetched: &Fetched<'_>, ask: &mut Requests) {
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
    pub(super) fn below_known_root(&mut self, ag: u32, ask: &mut Requests) {
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
            None => self.inode_records(ag, &root.body, range),
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
                self.ask_for_tree(tree, ag, level, full, ask);
            }
        }
        if let Some(rest) = run.take() {
            self.ask_for_tree(tree, ag, level, rest, ask);
        }
    }

    fn ask_for_tree(&mut self, tree: Tree, ag: u32, level: u32, range: ByteRange, ask: &mut Requests) {
        let task = Task::TreeBlocks { tree, ag, level };
        self.telling += u32::from(self.tells_of_chunks(&task));
        self.ask(task, range, ask);
    }

    pub(super) fn tree_blocks(
        &mut self,
        tree: Tree,
        ag: u32,
        level: u32,
        fetched: &Fetched<'_>,
        ask: &mut Requests,
    ) {
        for (bytes, range) in blocks(fetched, self.geometry.block_bytes()) {
            let body = readable(fetched, range, tree.name())
                .and_then(|()| btree::short(&self.geometry, tree, ag, level, bytes, range.start));
            match body {
                Ok(Body::Pointers(pointers)) => {
                    self.tree_pointers(tree, ag, level - 1, pointers, range, ask);
                }
                Ok(Body::Records(records)) if tree == Tree::Inode => {
                    self.inode_records(ag, records, range);
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

    /// Whether the answer may tell of inode chunks, itself or by what is asked for then.
    pub(super) fn tells_of_chunks(&self, task: &Task) -> bool {
        match task {
            Task::Headers { ag } => !self.geometry.inode_roots.contains_key(ag),
            Task::TreeBlocks { tree, .. } => *tree == Tree::Inode,
            _ => false,
        }
    }

    /// Asks for the inodes of all chunks, if there are no others.
    pub(super) fn ask_for_held(&mut self, ask: &mut Requests) {
        if self.telling == 0 {
            for (runs, range) in std::mem::take(&mut self.held) {
                self.ask(Task::Inodes { runs }, range, ask);
            }
        }
    }

    /// Finds the inodes of a leaf's records, which is at `from`.
    fn inode_records(&mut self, ag: u32, records: &[u8], from: ByteRange) {
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
                let between = place.start.checked_sub(range.end()).filter(|&between| between <= MAX_BETWEEN);
                let joined = ByteRange::between(range.start, place.end());
                if between.is_some() && !batch.is_empty() && joined.len <= MAX_REQUEST {
                    range = joined;
                } else {
                    if !batch.is_empty() {
                        self.held.push((std::mem::take(&mut batch), range));
                    }
                    range = place;
                }
                let at = (place.start - range.start) as usize;
                batch.push(InodeRun { first: first + u64::from(start), count, used, at });
            }
        }
        if !batch.is_empty() {
            self.held.push((batch, range));
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

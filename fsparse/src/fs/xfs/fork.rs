//! The extents of an inode's forks: from the inode, or from the blocks of a tree; and what is to be read once they are
//! known.

use super::{
    be::Be,
    btree::{self, Body},
    extent::{self, Mapping, Remap},
    fork_image::{ForkImage, MAX_TARGET_BYTES},
    geometry::Geometry,
    inode::{Format, RawFork},
    job::Job,
    survey::{BlockRun, Surveyor, Task, TreeOwner, blocks, readable},
};
use crate::{
    error::ParseError,
    machine::{Fetched, Requests},
};
use coldread_model::{ByteRange, FileKind, Gap, GapKind, RowFlags};

/// Attribute forks over this are not read. listxattr fails long before.
const MAX_ATTRIBUTE_FORK_BYTES: u64 = 64 << 20;

/// Which fork of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ForkKind {
    Data,
    Attributes,
}

/// A fork's extents as they become known.
#[derive(Default)]
pub(super) struct Fork {
    pub(super) mappings: Vec<Mapping>,
    /// How many there must be.
    pub(super) expected: u64,
    /// Requests for blocks of its tree that are outstanding.
    pub(super) tree_requests: u32,
    /// Why it cannot be read.
    pub(super) failed: Option<String>,
    pub(super) image: Option<ForkImage>,
    /// Requests for its image that are outstanding.
    pub(super) image_requests: u32,
}

impl Surveyor {
    /// Takes a fork's extents from the inode, or hands back its tree's root.
    pub(super) fn begin_fork<'a>(
        &mut self,
        job: &mut Job,
        kind: ForkKind,
        raw: RawFork<'a>,
    ) -> Option<(u32, &'a [u8])> {
        let at = job.place.start;
        let file = job.inode.kind;
        if kind == ForkKind::Data {
            match (file, raw.format) {
                (FileKind::File, _) if job.realtime => {
                    let reason = "its content is on the realtime device";
                    let gap = Gap::new(GapKind::Unsupported, "realtime file", reason).at_byte(at);
                    self.found.gap(gap.at_inode(job.inode.number));
                    job.data.failed = Some(reason.to_owned());
                    return None;
                }
                (FileKind::File, Format::MetadataBtree) => {
                    let reason = "trees of realtime groups are not read";
                    let gap = Gap::new(GapKind::Unsupported, "metadata B+tree", reason).at_byte(at);
                    self.found.gap(gap.at_inode(job.inode.number));
                    job.data.failed = Some(reason.to_owned());
                    return None;
                }
                (FileKind::File | FileKind::Dir | FileKind::Symlink, Format::Extents)
                | (FileKind::File | FileKind::Dir, Format::Btree) => {}
                (FileKind::Dir | FileKind::Symlink, Format::Local)
                | (FileKind::Char | FileKind::Block | FileKind::Fifo | FileKind::Socket, Format::Device) => {
                    return None;
                }
                (_, format) => {
                    let error =
                        ParseError::corrupt(at, "inode", "a fork that fits its type", format!("{format:?}"));
                    self.fail(job, kind, &error, job.place);
                    return None;
                }
            }
        }
        let fork = job.fork(kind);
        fork.expected = raw.extents;
        let root = match raw.format {
            Format::Extents => {
                let bytes = usize::try_from(raw.extents).ok().and_then(|count| count.checked_mul(16));
                let records = bytes.and_then(|len| raw.bytes.get(..len));
                let wrong = || ParseError::corrupt(at, "extent list", "extents in the inode", raw.extents);
                records
                    .ok_or_else(wrong)
                    .and_then(|held| extent::decode(&self.geometry, held, at, &mut fork.mappings))
                    .map(|()| None)
            }
            Format::Btree => {
                let wrong = || ParseError::corrupt(at, "bmbt root", "a root in the inode", "none");
                btree::fork_root(raw.bytes).map(Some).ok_or_else(wrong)
            }
            format => Err(ParseError::corrupt(at, "inode", "a fork format", format!("{format:?}"))),
        };
        root.unwrap_or_else(|error| {
            self.fail(job, kind, &error, job.place);
            None
        })
    }

    /// Asks for the blocks of a fork's tree that `pointers`, found in `from`, name.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn fork_pointers(
        &mut self,
        id: usize,
        job: &mut Job,
        fork: ForkKind,
        level: u32,
        pointers: &[u8],
        from: ByteRange,
        ask: &mut Requests,
    ) {
        let mut run = BlockRun::default();
        let mut ask_for = |this: &mut Self, job: &mut Job, range| {
            job.outstanding += 1;
            job.fork(fork).tree_requests += 1;
            this.ask(Task::ForkTree { job: id, fork, level }, range, ask);
        };
        for pointer in pointers.chunks_exact(8) {
            let pointer = Be(pointer).u64(0);
            let Some(place) = self.geometry.place(pointer, 1) else {
                let error =
                    ParseError::corrupt(from.start, btree::FORK_TREE, "a block of the volume", pointer);
                self.fail(job, fork, &error, from);
                continue;
            };
            if let Err(gap) =
                self.spend_on_tree(TreeOwner::Fork(job.inode.number, fork), place, btree::FORK_TREE)
            {
                let is_over = gap.kind == GapKind::Limit;
                self.fail_with(job, fork, *gap);
                if is_over {
                    break;
                }
                continue;
            }
            let range = self.geometry.bytes_of(place, 1);
            self.found.metadata(range);
            if let Some(full) = run.add(range) {
                ask_for(self, job, full);
            }
        }
        if let Some(rest) = run.take() {
            ask_for(self, job, rest);
        }
        if job.fork(fork).tree_requests == 0 {
            self.fork_known(id, job, fork, ask);
        }
    }

    /// Takes blocks of a fork's tree.
    pub(super) fn fork_tree(
        &mut self,
        id: usize,
        fork: ForkKind,
        level: u32,
        fetched: &Fetched<'_>,
        ask: &mut Requests,
    ) {
        let Some(mut job) = self.jobs.check_out(id) else { return };
        job.outstanding -= 1;
        // Counted down last, so that a level is not taken for the end of the tree.
        for (bytes, range) in blocks(fetched, self.geometry.block_bytes()) {
            let body = readable(fetched, range, btree::FORK_TREE)
                .and_then(|()| btree::long(&self.geometry, job.inode.number, level, bytes, range.start));
            match body {
                Ok(Body::Pointers(pointers)) => {
                    self.fork_pointers(id, &mut job, fork, level - 1, pointers, range, ask);
                }
                Ok(Body::Records(records)) => {
                    let more = (records.len() / 16) as u64;
                    if let Err(gap) = self.found.spend_extents(more, self.geometry.most_extents()) {
                        self.fail_with(&mut job, fork, *gap);
                        continue;
                    }
                    let known = job.fork(fork);
                    let decoded = if known.mappings.len() as u64 + more > known.expected {
                        let expected = format!("{} extents", known.expected);
                        Err(ParseError::corrupt(range.start, btree::FORK_TREE, expected, "more"))
                    } else {
                        extent::decode(&self.geometry, records, range.start, &mut known.mappings)
                    };
                    if let Err(error) = decoded {
                        self.fail(&mut job, fork, &error, range);
                    }
                }
                Err(error) => self.fail(&mut job, fork, &error, range),
            }
        }
        job.fork(fork).tree_requests -= 1;
        if job.fork(fork).tree_requests == 0 {
            self.fork_known(id, &mut job, fork, ask);
        }
        self.done_or_back(id, job);
    }

    /// Goes on once all of a fork's extents are known, or it is known that they cannot be.
    pub(super) fn fork_known(&mut self, id: usize, job: &mut Job, kind: ForkKind, ask: &mut Requests) {
        let at = job.place.start;
        let fork = job.fork(kind);
        if let Err(error) = extent::settle(&mut fork.mappings, at) {
            fork.mappings.clear();
            self.fail(job, kind, &error, job.place);
        }
        let file = job.inode.kind;
        if job.unlinked {
            for mapping in &job.fork(kind).mappings {
                self.found.free(self.geometry.bytes_of(mapping.block, mapping.count));
            }
            return;
        }
        if kind == ForkKind::Attributes
            || file != FileKind::File
            || job.inode.flags.contains(RowFlags::INTERNAL)
        {
            for mapping in &job.fork(kind).mappings {
                self.found.metadata(self.geometry.bytes_of(mapping.block, mapping.count));
            }
        }
        if kind == ForkKind::Data && file != FileKind::File && !remaps_of(&self.geometry, job).is_empty() {
            let reason = "a change of its block map is unfinished";
            let gap = Gap::new(GapKind::Unreplayed, "inode", reason).at_inode(job.inode.number);
            self.found.gap(gap.at_byte(at));
        }
        let fork = job.fork(kind);
        let (found, expected) = (fork.mappings.len() as u64, fork.expected);
        if fork.failed.is_none() && found != expected {
            let error = ParseError::corrupt(at, "inode", format!("{expected} extents"), found);
            self.fail(job, kind, &error, job.place);
        }
        if job.fork(kind).failed.is_some() {
            return;
        }
        if kind == ForkKind::Data && file == FileKind::File {
            self.finish_remaps(job);
        }
        if job.fork(kind).mappings.is_empty() {
            return;
        }
        match (kind, file) {
            (ForkKind::Attributes, _) => self.ask_for_image(id, job, kind, MAX_ATTRIBUTE_FORK_BYTES, ask),
            (ForkKind::Data, FileKind::Symlink) => {
                let room = MAX_TARGET_BYTES + 3 * self.geometry.block_bytes();
                self.ask_for_image(id, job, kind, room, ask);
            }
            (ForkKind::Data, FileKind::Dir) if self.wants_names() => self.ask_for_names(id, job, ask),
            _ => {}
        }
    }

    /// Finishes what the log began to change in a file's block map.
    fn finish_remaps(&mut self, job: &mut Job) {
        let geometry = std::sync::Arc::clone(&self.geometry);
        let remaps = remaps_of(&geometry, job);
        if remaps.is_empty() {
            return;
        }
        let refused = extent::finish(remaps, &mut job.data.mappings);
        if refused > 0 {
            let actual = format!("other blocks, {refused} times");
            let expected = "a hole where the log is to map blocks";
            let error = ParseError::corrupt(job.place.start, "inode", expected, actual);
            self.fail(job, ForkKind::Data, &error, job.place);
        }
    }
}

/// The changes of an inode's block map that the log began.
fn remaps_of<'a>(geometry: &'a Geometry, job: &Job) -> &'a [Remap] {
    let number = job.inode.number;
    let first = geometry.remaps.partition_point(|remap| remap.inode < number);
    let remaps = &geometry.remaps[first..];
    &remaps[..remaps.partition_point(|remap| remap.inode == number)]
}

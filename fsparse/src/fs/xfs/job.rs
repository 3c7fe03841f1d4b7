//! An inode on its way: its forks, what is still outstanding, and what becomes of it in the survey.

use super::{
    be::Be,
    btree::{self, Body},
    dir,
    extent::{self, Mapping, Remap},
    fork_image::{ForkImage, MAX_TARGET_BYTES},
    geometry::Geometry,
    inode::{self, Dinode, Format, RawFork},
    pace::Part,
    survey::{BlockRun, Surveyor, Task, TreeOwner, blocks, readable},
};
use crate::{
    error::ParseError,
    machine::{Fetched, Requests},
    survey::{Encoding, Inode, Run, Span, Stream},
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
    expected: u64,
    /// Requests for blocks of its tree that are outstanding.
    tree_requests: u32,
    /// Why it cannot be read.
    failed: Option<String>,
    image: Option<ForkImage>,
    /// Requests for its image that are outstanding.
    image_requests: u32,
}

/// An inode whose forks are being read.
pub(super) struct Job {
    pub(super) inode: Inode,
    /// Where the inode lies.
    place: ByteRange,
    pub(super) data: Fork,
    attributes: Fork,
    /// Requests of any sort that are outstanding.
    pub(super) outstanding: u32,
    /// Whether its content is to be had from its extents.
    realtime: bool,
    /// No name is left, and it was open: the kernel frees it and its blocks after replaying the log.
    unlinked: bool,
}

impl Job {
    fn fork(&mut self, fork: ForkKind) -> &mut Fork {
        match fork {
            ForkKind::Data => &mut self.data,
            ForkKind::Attributes => &mut self.attributes,
        }
    }
}

impl Surveyor {
    /// Takes an inode that its group calls in use.
    pub(super) fn inode(&mut self, number: u64, bytes: &[u8], place: ByteRange, ask: &mut Requests) {
        let dinode = match inode::parse(&self.geometry, number, bytes, place.start) {
            Ok(Some(dinode)) if dinode.nlink > 0 || self.surveys_groups() => dinode,
            Ok(None) if self.surveys_groups() => {
                let error = ParseError::corrupt(place.start, "inode", "one in use, as inobt says", "mode 0");
                self.found.error(&error, Some(number), place);
                return;
            }
            Ok(_) => {
                self.found.gap(Gap::new(GapKind::NotFound, "inode", "not in use").at_inode(number));
                return;
            }
            Err(error) => {
                self.found.error(&error, Some(number), place);
                return;
            }
        };
        let mut job = Job {
            inode: record(number, &dinode, self.geometry.internal.contains(&number)),
            place,
            data: Fork { mappings: self.spare.pop().unwrap_or_default(), ..Fork::default() },
            attributes: Fork::default(),
            outstanding: 0,
            realtime: dinode.realtime && dinode.data.extents > 0,
            unlinked: dinode.nlink == 0,
        };
        if job.unlinked && job.realtime {
            return;
        }
        if !job.unlinked {
            self.local_data(&mut job, &dinode);
        }
        let data_root = self.begin_fork(&mut job, ForkKind::Data, dinode.data);
        let attribute_root = match dinode.attributes {
            Some(fork) if fork.format == Format::Local && job.unlinked => None,
            Some(fork) if fork.format == Format::Local => {
                self.xattrs.clear();
                let read = self.xattrs.short_form(fork.bytes, place.start);
                self.keep_xattrs(&mut job, read.err());
                None
            }
            Some(fork) => self.begin_fork(&mut job, ForkKind::Attributes, fork),
            None => None,
        };
        let id = self.jobs.reserve();
        for (fork, root) in [(ForkKind::Data, data_root), (ForkKind::Attributes, attribute_root)] {
            match root {
                Some((level, pointers)) => {
                    self.fork_pointers(id, &mut job, fork, level - 1, pointers, place, ask);
                }
                None => self.fork_known(id, &mut job, fork, ask),
            }
        }
        self.done_or_back(id, job);
    }

    /// What the data fork holds in the inode itself.
    fn local_data(&mut self, job: &mut Job, dinode: &Dinode<'_>) {
        let (number, at) = (job.inode.number, job.place.start);
        let fork = dinode.data;
        match (dinode.kind, fork.format) {
            (FileKind::Char | FileKind::Block, Format::Device) => {
                // 14 bits of major, 18 of minor number.
                let device = Be(fork.bytes).u32(0);
                job.inode.rdev = (device >> 18, device & 0x3_ffff);
                job.inode.flags |= RowFlags::DEVICE;
            }
            (FileKind::Dir | FileKind::Symlink, Format::Local) => {
                let held = usize::try_from(dinode.size).ok().and_then(|len| fork.bytes.get(..len));
                let Some(held) = held else {
                    let expected = format!("at most {} bytes in the inode", fork.bytes.len());
                    let error = ParseError::corrupt(at, "local fork", expected, dinode.size);
                    self.fail(job, ForkKind::Data, &error, job.place);
                    return;
                };
                if dinode.kind == FileKind::Symlink {
                    job.inode.target = self.found.keep(held);
                } else if self.wants_names() {
                    let found = &mut self.found;
                    let mut sink = |name: &[u8], child| found.entry(number, child, name);
                    if let Err(error) = dir::short_form(&self.geometry, held, at, &mut sink) {
                        self.fail(job, ForkKind::Data, &error, job.place);
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes a fork's extents from the inode, or hands back its tree's root.
    fn begin_fork<'a>(&mut self, job: &mut Job, kind: ForkKind, raw: RawFork<'a>) -> Option<(u32, &'a [u8])> {
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

    /// Records why a fork cannot be read.
    fn fail(&mut self, job: &mut Job, kind: ForkKind, error: &ParseError, part: ByteRange) {
        self.found.error(error, Some(job.inode.number), part);
        job.fork(kind).failed.get_or_insert_with(|| error.to_string());
    }

    pub(super) fn fail_with(&mut self, job: &mut Job, kind: ForkKind, gap: Gap) {
        job.fork(kind).failed.get_or_insert_with(|| gap.reason.clone());
        self.found.gap(gap.at_inode(job.inode.number).at_byte(job.place.start));
    }

    /// Asks for the blocks of a fork's tree that `pointers`, found in `from`, name.
    #[allow(clippy::too_many_arguments)]
    fn fork_pointers(
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
    fn fork_known(&mut self, id: usize, job: &mut Job, kind: ForkKind, ask: &mut Requests) {
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

    /// Asks for all blocks of a fork.
    fn ask_for_image(&mut self, id: usize, job: &mut Job, kind: ForkKind, most: u64, ask: &mut Requests) {
        let fork = job.fork(kind);
        let count: u64 = fork.mappings.iter().map(|mapping| mapping.count).sum();
        let structure = if kind == ForkKind::Data { "remote symbolic link" } else { "attribute fork" };
        if count > most >> self.geometry.block_log {
            let reason = format!("{count} blocks; at most {most} bytes are read");
            self.fail_with(job, kind, Gap::new(GapKind::Limit, structure, reason));
            return;
        }
        if let Err(gap) = self.spend(count, structure) {
            self.fail_with(job, kind, *gap);
            return;
        }
        let image = ForkImage::new(&self.geometry, std::mem::take(&mut job.fork(kind).mappings));
        let mut requests = 0;
        for (mapping, at) in image.parts() {
            let range = self.geometry.bytes_of(mapping.block, mapping.count);
            requests += self.want(Part::Image { job: id, fork: kind, at }, range, ask);
        }
        job.outstanding += requests;
        let fork = job.fork(kind);
        fork.image_requests = requests;
        fork.image = Some(image);
    }

    /// Takes a part of a fork that is read whole.
    pub(super) fn image_part(&mut self, id: usize, kind: ForkKind, at: usize, fetched: &Fetched<'_>) {
        let Some(mut job) = self.jobs.check_out(id) else { return };
        job.outstanding -= 1;
        let fork = job.fork(kind);
        fork.image_requests -= 1;
        if let Some(image) = &mut fork.image {
            image.fill(at, fetched.bytes, fetched.bad);
        }
        if fork.image_requests == 0
            && let Some(image) = fork.image.take()
        {
            let number = job.inode.number;
            if kind == ForkKind::Data {
                match image.symlink(&self.geometry, number, job.inode.size) {
                    Ok(target) => job.inode.target = self.found.keep(&target),
                    Err(error) => self.fail(&mut job, kind, &error, fetched.range),
                }
            } else {
                let mut errors = Vec::new();
                self.xattrs.clear();
                self.xattrs.walk(&self.geometry, number, &image, &mut errors);
                for error in errors {
                    let part = match error {
                        ParseError::Corrupt { at, .. } | ParseError::Io { at, .. } => {
                            self.geometry.bytes_of(at >> self.geometry.block_log, 1)
                        }
                        _ => ByteRange::default(),
                    };
                    self.found.error(&error, Some(number), part);
                }
                self.keep_xattrs(&mut job, None);
            }
        }
        self.done_or_back(id, job);
    }

    fn keep_xattrs(&mut self, job: &mut Job, error: Option<ParseError>) {
        if let Some(error) = error {
            self.found.error(&error, Some(job.inode.number), job.place);
        }
        if !self.xattrs.is_empty() {
            self.scratch.clear();
            self.xattrs.encode(&mut self.scratch);
            job.inode.xattrs = self.found.keep(&self.scratch);
        }
    }

    /// Puts an inode into the survey if nothing of it is outstanding, or keeps it until then.
    pub(super) fn done_or_back(&mut self, id: usize, mut job: Job) {
        if job.outstanding > 0 {
            self.jobs.check_in(id, job);
            return;
        }
        self.jobs.release(id);
        if job.unlinked {
            return;
        }
        if job.inode.kind == FileKind::File {
            let geometry = &self.geometry;
            let extents = job.data.mappings.iter().filter_map(|mapping| mapping.extent(geometry));
            let extents = if job.realtime { Run::default() } else { self.found.keep_extents(extents) };
            let encoding = match job.data.failed.take() {
                None => Encoding::Plain(extents),
                Some(reason) => {
                    let reason = self.found.keep(reason.as_bytes());
                    Encoding::Unreadable { encrypted: false, reason, extents }
                }
            };
            let size = job.inode.size;
            let stream = Stream { name: Span::default(), size, initialized: size, encoding };
            job.inode.streams = self.found.keep_stream(stream);
        }
        self.found.inode(job.inode);
        let mut spare = job.data.mappings;
        if spare.capacity() > 0 && self.spare.len() < 64 {
            spare.clear();
            self.spare.push(spare);
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

/// The row of an inode, as far as the inode itself says.
fn record(number: u64, dinode: &Dinode<'_>, named_internal: bool) -> Inode {
    let mut flags = RowFlags::OWNED | RowFlags::TIMED | RowFlags::LINKED;
    let sized = matches!(dinode.kind, FileKind::File | FileKind::Symlink);
    flags.set(RowFlags::SIZED, sized);
    flags.set(RowFlags::BORN, dinode.crtime.is_some());
    flags.set(RowFlags::INTERNAL, named_internal || dinode.metadata);
    Inode {
        number,
        generation: 0,
        kind: dinode.kind,
        flags,
        mode: dinode.mode,
        uid: dinode.uid,
        gid: dinode.gid,
        nlink: dinode.nlink,
        size: if sized { dinode.size } else { 0 },
        mtime: dinode.mtime,
        ctime: dinode.ctime,
        atime: dinode.atime,
        crtime: dinode.crtime.unwrap_or_default(),
        rdev: (0, 0),
        target: Span::default(),
        xattrs: Span::default(),
        streams: Run::default(),
    }
}

//! An inode on its way: its forks, what is still outstanding, and what becomes of it in the survey.

use super::{
    be::Be,
    dir,
    fork::{Fork, ForkKind},
    fork_image::ForkImage,
    inode::{self, Dinode, Format},
    pace::Part,
    survey::Surveyor,
};
use crate::{
    error::ParseError,
    machine::{Fetched, Requests},
    survey::{Encoding, Inode, Place, Run, Span, Stream},
};
use coldread_model::{ByteRange, FileKind, Gap, GapKind, RowFlags};

/// An inode whose forks are being read.
pub(super) struct Job {
    pub(super) inode: Inode,
    /// The row that is kept for it, once it had to wait.
    row: Option<Place>,
    /// Where the inode lies.
    pub(super) place: ByteRange,
    pub(super) data: Fork,
    pub(super) attributes: Fork,
    /// Requests of any sort that are outstanding.
    pub(super) outstanding: u32,
    /// Whether its content is to be had from its extents.
    pub(super) realtime: bool,
    /// No name is left, and it was open: the kernel frees it and its blocks after replaying the log.
    pub(super) unlinked: bool,
}

impl Job {
    pub(super) fn fork(&mut self, fork: ForkKind) -> &mut Fork {
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
            row: None,
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
        // Nearly always at its end, without having been moved.
        if !self.is_done(id, &mut job) {
            self.jobs.check_in(id, job);
        }
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

    /// Records why a fork cannot be read.
    pub(super) fn fail(&mut self, job: &mut Job, kind: ForkKind, error: &ParseError, part: ByteRange) {
        self.found.error(error, Some(job.inode.number), part);
        job.fork(kind).failed.get_or_insert_with(|| error.to_string());
    }

    pub(super) fn fail_with(&mut self, job: &mut Job, kind: ForkKind, gap: Gap) {
        job.fork(kind).failed.get_or_insert_with(|| gap.reason.clone());
        self.found.gap(gap.at_inode(job.inode.number).at_byte(job.place.start));
    }

    /// Asks for all blocks of a fork.
    pub(super) fn ask_for_image(
        &mut self,
        id: usize,
        job: &mut Job,
        kind: ForkKind,
        most: u64,
        ask: &mut Requests,
    ) {
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

    /// Goes on with an inode of which an answer is there.
    pub(super) fn done_or_back(&mut self, id: usize, mut job: Job) {
        if !self.is_done(id, &mut job) {
            self.jobs.check_in(id, job);
        }
    }

    /// Puts an inode into the survey if nothing of it is outstanding, or keeps its row for then.
    fn is_done(&mut self, id: usize, job: &mut Job) -> bool {
        if job.outstanding > 0 {
            if job.row.is_none() && !job.unlinked {
                job.row = Some(self.found.inode(job.inode));
            }
            return false;
        }
        self.jobs.release(id);
        if job.unlinked {
            return true;
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
        match job.row {
            Some(place) => self.found.finished(place, job.inode),
            None => {
                self.found.inode(job.inode);
            }
        }
        let mut spare = std::mem::take(&mut job.data.mappings);
        if spare.capacity() > 0 && self.spare.len() < 64 {
            spare.clear();
            self.spare.push(spare);
        }
        true
    }
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

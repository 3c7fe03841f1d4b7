//! From inodes to rows: most are finished at once, the others wait for blocks.

use super::{
    bytes::u32_at,
    dir::Directory,
    extent::{fill_clusters, join},
    features::{COMPAT_DIR_INDEX, INCOMPAT_EA_INODE},
    inode::{BLOCK_BYTES, RawInode, links_of, seed_of, verify},
    scan::{Job, Scan},
    xattr::{self, Value},
};
use crate::{
    machine::{Fetched, Requests},
    survey::{Encoding, Extent, Inode, Place, Run, Span, Stream},
};
use coldread_model::{ByteRange, FileKind, Gap, GapKind, RowFlags, listing::encode_xattr};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// The inode that owns the blocks kept free for the descriptor table.
const RESIZE_INODE: u32 = 7;
/// The inode that owns bad blocks.
const BAD_BLOCKS_INODE: u32 = 1;

/// What an inode's blocks are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Content of a file.
    File,
    /// A file of the filesystem's own.
    Internal,
    /// Names.
    Directory(Directory),
    /// The target of a symbolic link.
    Link,
    /// None: a device, a pipe, a short link.
    Bare,
    /// The value of an attribute.
    Value,
    /// None any more: a mount deletes the inode.
    Freed,
}

/// An inode that is being read.
#[derive(Debug)]
pub(super) struct Open {
    /// Its row as far as it is known.
    pub row: Inode,
    /// Where that is kept, once it had to wait.
    pub place: Option<Place>,
    /// What its blocks are for.
    pub role: Role,
    /// Its generation.
    pub generation: u32,
    /// Where it lies.
    pub at: ByteRange,
    /// Its extents as far as they are known.
    pub extents: Vec<Extent>,
    /// Outstanding requests.
    pub waiting: u32,
    /// Attributes as they are shown.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Content in the inode.
    pub inline: Option<Span>,
    /// Why its content cannot be read.
    pub fault: Option<String>,
    /// That is because the source could not be read.
    pub unread: bool,
    /// Bytes of a directory that its map covers.
    pub mapped: u64,
    /// The blocks of a link or a value were asked for.
    pub asked: bool,
    /// Content of a value; the hash it must have.
    pub value: (Vec<u8>, u32),
}

impl Open {
    /// Its inode number.
    pub(super) fn number(&self) -> u32 {
        self.row.number as u32
    }
}

impl Scan {
    /// Takes an inode from its table.
    pub(super) fn take_inode(&mut self, number: u32, raw: &[u8], at: ByteRange, ask: &mut Requests) {
        let doubt = |expected: &str, actual: &str| {
            let reason = format!("expected {expected}, found {actual}");
            (number, Gap::new(GapKind::Corrupt, "inode", reason).at_inode(number.into()).at_byte(at.start))
        };
        let links = links_of(raw);
        let listed_bad_blocks = number == BAD_BLOCKS_INODE && u32_at(raw, 0x1C) != 0;
        if links == 0 && self.geometry.is_internal(number) && !listed_bad_blocks {
            self.not_in_use(number);
            return;
        }
        if let Err(bad) = verify(&self.geometry, number, raw) {
            self.doubtful.push(doubt(&bad.expected, &bad.actual));
            return;
        }
        if links == 0 && !listed_bad_blocks {
            self.not_in_use(number);
            if !self.single && self.geometry.orphans.deleted.binary_search(&number).is_ok() {
                self.open_deleted(number, raw, at, ask);
            }
            return;
        }
        // Borrowed: an inode that is moved out of its result is copied.
        match &RawInode::parse(&self.geometry, raw) {
            Ok(inode) => self.open_inode(number, inode, at, ask),
            Err(bad) => self.doubtful.push(doubt(&bad.expected, &bad.actual)),
        }
    }

    /// Records that an inode that was asked for is not there.
    pub(super) fn not_in_use(&mut self, number: u32) {
        if self.single {
            self.gap(Gap::new(GapKind::NotFound, "inode", "not in use").at_inode(number.into()));
        }
    }

    fn open_inode(&mut self, number: u32, inode: &RawInode<'_>, at: ByteRange, ask: &mut Requests) {
        if number == RESIZE_INODE && !self.single {
            // Its map is the reserved descriptor blocks, which every group with a copy accounts for.
            let double = u64::from(u32_at(inode.block, 52));
            if self.geometry.holds(double, 1) {
                self.out.metadata.insert(self.geometry.bytes_of(double, 1));
            }
            return;
        }
        let mut open = self.new_open(number, inode, at);
        let id = self.opens.reserve();
        let content = self.take_attributes(id, &mut open, inode, ask);
        if inode.inline {
            self.take_inline(&mut open, inode, content);
        } else if open.role == Role::Bare {
            if open.row.kind == FileKind::Symlink {
                self.take_target(&mut open, inode.block);
            }
        } else {
            self.take_root(id, &mut open, inode, at, ask);
        }
        // Nearly always at its end, without having been moved.
        if !self.is_finished(id, &mut open, ask) {
            self.opens.check_in(id, open);
        }
    }

    /// Follows the map of an inode that a mount deletes: its blocks are free.
    fn open_deleted(&mut self, number: u32, raw: &[u8], at: ByteRange, ask: &mut Requests) {
        let Ok(inode) = RawInode::parse(&self.geometry, raw) else { return };
        let mut open = self.new_open(number, &inode, at);
        let mapped = !inode.inline && open.role != Role::Bare;
        open.role = Role::Freed;
        if self.geometry.holds(inode.attribute_block, 1) {
            // Where another inode shares it, that one calls it metadata.
            self.out.free.insert(self.geometry.bytes_of(inode.attribute_block, 1));
        }
        let id = self.opens.reserve();
        if mapped {
            self.take_root(id, &mut open, &inode, at, ask);
        }
        self.settle(id, open, ask);
    }

    /// Cuts what lies behind the size off an inode that a mount truncates.
    fn truncate(&mut self, open: &mut Open) {
        let end = open.row.size.next_multiple_of(self.geometry.cluster());
        for extent in &mut open.extents {
            let keep = end.saturating_sub(extent.logical).min(extent.len);
            self.out.free.insert(ByteRange::new(extent.physical + keep, extent.len - keep));
            extent.len = keep;
        }
        open.extents.retain(|extent| extent.len > 0);
    }

    /// The row of an inode before anything outside of it was read.
    pub(super) fn new_open(&mut self, number: u32, inode: &RawInode<'_>, at: ByteRange) -> Open {
        let geometry = &self.geometry;
        let mut flags = RowFlags::OWNED | RowFlags::TIMED | RowFlags::LINKED;
        let internal = geometry.is_internal(number) || inode.attribute_value;
        let fast_link = inode.kind == FileKind::Symlink && !inode.inline && {
            if geometry.features.incompat & INCOMPAT_EA_INODE != 0 {
                inode.size > 0 && inode.size < BLOCK_BYTES as u64
            } else {
                let cluster = u64::from(geometry.cluster_blocks) * geometry.block() / 512;
                inode.sectors == if inode.attribute_block == 0 { 0 } else { cluster }
            }
        };
        let role = match inode.kind {
            _ if internal => Role::Internal,
            FileKind::File => Role::File,
            FileKind::Dir => Role::Directory(Directory {
                number,
                seed: seed_of(geometry, number, inode.generation),
                blocks: inode.size.div_ceil(geometry.block()),
                indexed: inode.indexed,
                encrypted: inode.encrypted,
                casefolded: inode.casefolded,
                hashed: geometry.features.compat & COMPAT_DIR_INDEX != 0
                    && (inode.indexed || inode.inline || inode.size / geometry.block() == 1),
            }),
            FileKind::Symlink if !fast_link => Role::Link,
            _ => Role::Bare,
        };
        flags.set(RowFlags::BORN, inode.crtime.is_some());
        flags.set(RowFlags::SIZED, matches!(inode.kind, FileKind::File | FileKind::Symlink));
        flags.set(RowFlags::DEVICE, matches!(inode.kind, FileKind::Char | FileKind::Block));
        flags.set(RowFlags::ENCRYPTED, inode.encrypted);
        flags.set(RowFlags::INTERNAL, internal);
        let row = Inode {
            number: number.into(),
            generation: 0,
            kind: inode.kind,
            flags,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            nlink: inode.links.into(),
            size: if flags.contains(RowFlags::SIZED) { inode.size } else { 0 },
            mtime: inode.mtime,
            ctime: inode.ctime,
            atime: inode.atime,
            crtime: inode.crtime.unwrap_or_default(),
            rdev: if flags.contains(RowFlags::DEVICE) { inode.device() } else { (0, 0) },
            target: Span::default(),
            xattrs: Span::default(),
            streams: Run::default(),
        };
        Open {
            row,
            place: None,
            role,
            generation: inode.generation,
            at,
            extents: std::mem::take(&mut self.spare),
            waiting: 0,
            attributes: Vec::new(),
            inline: None,
            fault: None,
            unread: false,
            mapped: 0,
            asked: false,
            value: (Vec::new(), inode.value_hash),
        }
    }

    /// Takes the attributes in the inode and asks for those outside; gives the inline content's second part.
    fn take_attributes<'a>(
        &mut self,
        id: usize,
        open: &mut Open,
        inode: &RawInode<'a>,
        ask: &mut Requests,
    ) -> Option<&'a [u8]> {
        let mut content = None;
        let mut values = Vec::new();
        let result = xattr::read_inode(inode.tail, |attribute| match attribute.value {
            Value::Here(value) if attribute.is_inline_content() => content = Some(value),
            _ => values.push(attribute),
        });
        if let Err(reason) = result {
            self.corrupt(
                open.number(),
                "xattr",
                open.at,
                &("attributes inside the inode".to_owned(), reason),
            );
        }
        for attribute in values {
            self.take_attribute(id, open, attribute, ask);
        }
        if inode.attribute_block != 0 {
            self.ask_attributes(id, open, inode.attribute_block, ask);
        }
        content
    }

    /// Takes content that is in the inode: the first 60 bytes, then those in an attribute.
    fn take_inline(&mut self, open: &mut Open, inode: &RawInode<'_>, content: Option<&[u8]>) {
        let size = usize::try_from(inode.size).unwrap_or(usize::MAX);
        if content.is_none() && size > BLOCK_BYTES {
            let wrong = ("attribute system.data with inline content".to_owned(), "none".to_owned());
            self.corrupt(open.number(), "inline data", open.at, &wrong);
            open.fault = Some("the rest of its inline content is missing".to_owned());
            return;
        }
        let content = content.unwrap_or_default();
        if let Role::Directory(directory) = open.role {
            // The first four bytes are the parent's number.
            if self.names {
                self.take_names(&directory, inode.block.get(4..).unwrap_or_default(), open.at);
                self.take_names(&directory, content, open.at);
            }
            return;
        }
        let mut whole = [inode.block, content].concat();
        whole.truncate(size);
        if open.row.kind == FileKind::Symlink {
            self.take_target(open, &whole);
        } else {
            open.inline = self.keep(&whole);
        }
    }

    /// Takes a symbolic link's target from the bytes it starts with.
    fn take_target(&mut self, open: &mut Open, bytes: &[u8]) {
        let size = usize::try_from(open.row.size).unwrap_or(usize::MAX);
        let shown = if open.row.flags.contains(RowFlags::ENCRYPTED) {
            super::nokey::link_target(bytes)
        } else {
            let target = bytes.get(..size).unwrap_or_default();
            Some(target.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
        };
        let Some(target) = shown.filter(|target| !target.is_empty()) else {
            let wrong = (format!("a target of {size} bytes"), "none".to_owned());
            self.corrupt(open.number(), "symbolic link", open.at, &wrong);
            return;
        };
        if open.row.flags.contains(RowFlags::ENCRYPTED) {
            open.row.size = target.len() as u64;
        }
        open.row.target = self.keep(&target).unwrap_or_default();
    }

    pub(super) fn feed_target(&mut self, id: usize, fetched: &Fetched<'_>, ask: &mut Requests) {
        let Some(mut open) = self.opens.check_out(id) else { return };
        open.waiting -= 1;
        if !self.unreadable(open.number(), "symbolic link", fetched.range, fetched) {
            self.take_target(&mut open, fetched.bytes);
        }
        self.settle(id, open, ask);
    }

    /// Goes on with an inode whose outstanding requests may all be answered.
    pub(super) fn settle(&mut self, id: usize, mut open: Open, ask: &mut Requests) {
        if !self.is_finished(id, &mut open, ask) {
            self.opens.check_in(id, open);
        }
    }

    /// Puts an inode that waits for nothing more where it belongs; false if it waits.
    fn is_finished(&mut self, id: usize, open: &mut Open, ask: &mut Requests) -> bool {
        if open.waiting == 0 && !open.asked && open.inline.is_none() {
            open.asked = true;
            match open.role {
                Role::Link if open.row.target.len == 0 && open.fault.is_none() => {
                    self.ask_target(id, open, ask);
                }
                Role::Value if open.fault.is_none() => self.ask_value(id, open, ask),
                _ => {}
            }
        }
        if open.waiting > 0 {
            if open.place.is_none() && !matches!(open.role, Role::Value | Role::Freed) {
                open.place = Some(self.inodes.push(open.row));
            }
            return false;
        }
        self.opens.release(id);
        if open.role == Role::Value {
            self.deliver_value(open, ask);
        } else {
            self.close(open);
        }
        true
    }

    fn ask_target(&mut self, id: usize, open: &mut Open, ask: &mut Requests) {
        let block = self.geometry.block();
        let first = open.extents.iter().find(|extent| extent.logical == 0 && !extent.unwritten);
        match first {
            Some(extent) if open.row.size <= block => {
                let range = ByteRange::new(extent.physical, block);
                if self.ask_for_inode(Job::Target { open: id }, range, ask) {
                    open.waiting += 1;
                } else {
                    self.limit(open.number(), "symbolic link");
                }
            }
            _ => {
                let wrong = ("a target in one block".to_owned(), format!("{} bytes", { open.row.size }));
                self.corrupt(open.number(), "symbolic link", open.at, &wrong);
            }
        }
    }

    /// Puts a finished inode into the survey.
    fn close(&mut self, open: &mut Open) {
        if !join(&mut open.extents) {
            let wrong = ("extents that do not overlap".to_owned(), "overlapping ones".to_owned());
            self.corrupt(open.number(), "extents", open.at, &wrong);
            open.fault.get_or_insert_with(|| "its extents overlap".to_owned());
            let mut end = 0;
            open.extents.retain(|extent| {
                let keep = extent.logical >= end;
                end = end.max(extent.logical + extent.len);
                keep
            });
        }
        if self.geometry.cluster_blocks > 1 {
            let end = self.geometry.bytes_of(self.geometry.blocks, 0).start;
            fill_clusters(&mut open.extents, self.geometry.cluster(), end);
        }
        if open.role == Role::Freed {
            for extent in open.extents.drain(..) {
                self.out.free.insert(ByteRange::new(extent.physical, extent.len));
            }
            self.spare = std::mem::take(&mut open.extents);
            return;
        }
        if open.row.kind == FileKind::File
            && self.geometry.orphans.truncated.binary_search(&open.number()).is_ok()
        {
            self.truncate(open);
        }
        if matches!(open.role, Role::Directory(_) | Role::Link | Role::Internal) && self.names {
            for extent in &open.extents {
                self.out.metadata.insert(ByteRange::new(extent.physical, extent.len));
            }
        }
        if let Role::Directory(directory) = open.role {
            let whole = directory.blocks.saturating_mul(self.geometry.block());
            if open.mapped < whole
                && open.fault.is_none()
                && open.row.kind == FileKind::Dir
                && !open.extents.is_empty()
            {
                let wrong = (format!("{whole} mapped bytes"), open.mapped.to_string());
                self.corrupt(open.number(), "directory", open.at, &wrong);
            }
        }
        if open.row.kind == FileKind::File {
            self.keep_stream(open);
        }
        self.keep_attributes(open);
        match open.place {
            Some(place) => self.inodes.replace(place, open.row),
            None => {
                self.inodes.push(open.row);
            }
        }
        open.extents.clear();
        self.spare = std::mem::take(&mut open.extents);
    }

    fn keep_stream(&mut self, open: &mut Open) {
        let Ok(extents) = self.out.keep_extents(open.extents.drain(..)) else {
            self.full = true;
            return;
        };
        let encrypted = open.row.flags.contains(RowFlags::ENCRYPTED);
        let reason = match &open.fault {
            Some(reason) => Some(reason.clone()),
            None if encrypted => Some("encrypted with fscrypt".to_owned()),
            None => None,
        };
        let encoding = match (reason, open.inline) {
            (Some(reason), _) => {
                let reason = self.keep(reason.as_bytes()).unwrap_or_default();
                Encoding::Unreadable { encrypted: encrypted && open.fault.is_none(), reason, extents }
            }
            (None, Some(span)) => Encoding::Inline(span),
            (None, None) => Encoding::Plain(extents),
        };
        let size = open.row.size;
        let stream = Stream { name: Span::default(), size, initialized: size, encoding };
        open.row.streams = self.out.keep_streams([stream]).unwrap_or_else(|_| {
            self.full = true;
            Run::default()
        });
    }

    /// Keeps the attributes sorted by name; equal sets, which most systems have many of, once.
    fn keep_attributes(&mut self, open: &mut Open) {
        if open.attributes.is_empty() {
            return;
        }
        let held: usize = open.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.attributes_held = self.attributes_held.saturating_sub(held);
        open.attributes.sort_unstable();
        let mut encoded = Vec::new();
        for (name, value) in &open.attributes {
            encode_xattr(&mut encoded, name, value);
        }
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&encoded);
        if let Some(known) = self.known_attributes.get(&hash)
            && self.out.bytes(*known) == encoded
        {
            open.row.xattrs = *known;
            return;
        }
        if let Some(span) = self.keep(&encoded) {
            open.row.xattrs = span;
            self.known_attributes.insert(hash, span);
        }
    }
}

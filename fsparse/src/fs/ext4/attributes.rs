//! Attributes outside of inodes: in blocks, which inodes may share, and in inodes of their own.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Extended Attributes".

use super::{
    checksum::crc32c,
    descriptor::Descriptor,
    features::INCOMPAT_EA_INODE,
    inode::{RawInode, verify},
    open::{Open, Role},
    scan::{Job, PIECE_BYTES, Scan},
    xattr::{Attribute, MAX_VALUE_BYTES, Value, read_block, sharers, shown_name, shown_value, verify_block},
};
use crate::machine::{Fetched, Requests};
use coldread_model::{ByteRange, Gap, GapKind};

/// Bytes of attributes of inodes that are being read.
const MAX_HELD: usize = 512 << 20;

/// A block of attributes.
#[derive(Debug)]
pub(super) enum BlockState {
    /// Asked for by these open inodes.
    Asked(Vec<usize>),
    /// Shared by several inodes and kept for the others.
    Kept(Vec<u8>),
}

/// An attribute that waits for its value.
#[derive(Debug)]
struct Waiter {
    open: usize,
    index: u8,
    name: Vec<u8>,
    len: u32,
}

/// A value that is being read.
#[derive(Debug, Default)]
pub(super) struct PendingValue {
    waiters: Vec<Waiter>,
}

impl Scan {
    /// Takes one attribute of an open inode.
    pub(super) fn take_attribute(
        &mut self,
        id: usize,
        open: &mut Open,
        found: Attribute<'_>,
        ask: &mut Requests,
    ) {
        match found.value {
            Value::Here(value) => self.show_attribute(open, found.index, found.name, value),
            Value::Inode { number, len } => {
                open.waiting += 1;
                let waiter = Waiter { open: id, index: found.index, name: found.name.to_vec(), len };
                let pending = self.values.entry(number).or_default();
                pending.waiters.push(waiter);
                if pending.waiters.len() == 1 {
                    self.start_value(number, ask);
                }
            }
        }
    }

    fn show_attribute(&mut self, open: &mut Open, index: u8, name: &[u8], value: &[u8]) {
        let Some(name) = shown_name(index, name) else { return };
        if let Some(value) = shown_value(index, value) {
            // Any number of inodes may share one large block or value, and wait for something else.
            let held = self.attributes_held + name.len() + value.len();
            if held > MAX_HELD {
                let reason =
                    format!("attributes of inodes that are being read take more than {MAX_HELD} bytes");
                let gap = Gap::new(GapKind::Limit, "xattr", reason);
                self.gap(gap.at_inode(open.number().into()).at_byte(open.at.start));
                return;
            }
            self.attributes_held = held;
            open.attributes.push((name, value));
            return;
        }
        let wrong =
            ("an access control list of version 1".to_owned(), format!("{} other bytes", value.len()));
        self.corrupt(open.number(), "xattr", open.at, &wrong);
    }

    /// Asks for an inode's block of attributes, or takes it from those kept.
    pub(super) fn ask_attributes(&mut self, id: usize, open: &mut Open, block: u64, ask: &mut Requests) {
        if !self.geometry.holds(block, 1) {
            let wrong = ("a block inside the filesystem".to_owned(), block.to_string());
            self.corrupt(open.number(), "xattr", open.at, &wrong);
            return;
        }
        let range = self.geometry.bytes_of(block, 1);
        if self.names {
            self.out.metadata.insert(range);
        }
        match self.attribute_blocks.get_mut(&block) {
            Some(BlockState::Asked(ids)) => ids.push(id),
            Some(BlockState::Kept(bytes)) => {
                let bytes = bytes.clone();
                self.take_block(id, open, &bytes, ask);
                return;
            }
            None => {
                if !self.ask_for_inode(Job::Attributes { block }, range, ask) {
                    self.limit(open.number(), "xattr");
                    return;
                }
                self.attribute_blocks.insert(block, BlockState::Asked(vec![id]));
            }
        }
        open.waiting += 1;
    }

    fn take_block(&mut self, id: usize, open: &mut Open, bytes: &[u8], ask: &mut Requests) {
        let mut found = Vec::new();
        if let Err(reason) = read_block(bytes, |attribute| found.push(attribute)) {
            self.corrupt(
                open.number(),
                "xattr",
                open.at,
                &("attributes inside their block".to_owned(), reason),
            );
        }
        for attribute in found {
            self.take_attribute(id, open, attribute, ask);
        }
    }

    pub(super) fn feed_attributes(&mut self, block: u64, fetched: &Fetched<'_>, ask: &mut Requests) {
        let Some(BlockState::Asked(ids)) = self.attribute_blocks.remove(&block) else { return };
        let range = fetched.range;
        let usable = !self.unreadable(0, "xattr block", range, fetched)
            && match verify_block(&self.geometry, block, fetched.bytes) {
                Ok(()) => true,
                Err(wrong) => {
                    self.corrupt(0, "xattr block", range, &wrong);
                    false
                }
            };
        if usable && sharers(fetched.bytes) as usize > ids.len() && self.shared_room >= fetched.bytes.len() {
            self.shared_room -= fetched.bytes.len();
            self.attribute_blocks.insert(block, BlockState::Kept(fetched.bytes.to_vec()));
        }
        for id in ids {
            let Some(mut open) = self.opens.check_out(id) else { continue };
            open.waiting -= 1;
            if usable {
                self.take_block(id, &mut open, fetched.bytes, ask);
            } else {
                let gap = Gap::new(GapKind::Corrupt, "xattr", "its block of attributes was left out");
                let kind = if fetched.bad.is_empty() { GapKind::Corrupt } else { GapKind::Io };
                self.gap(Gap { kind, ..gap }.at_inode(open.row.number).at_byte(range.start));
            }
            self.settle(id, open, ask);
        }
    }

    /// Asks for the inode that holds a value, by way of its group's descriptor if that was not read.
    fn start_value(&mut self, number: u32, ask: &mut Requests) {
        let known = self.geometry.features.incompat & INCOMPAT_EA_INODE != 0;
        let place = self.geometry.place_of(number).filter(|_| known);
        let (job, range) = match (place, self.inode_range(number)) {
            (Some(_), Some(range)) => (Job::ValueInode { number }, range),
            (Some((group, _)), None) => (Job::ValueDescriptor { number }, self.descriptor_range(group)),
            // The machine answers an empty request at once, when the inode that waits is in its place.
            (None, _) => (Job::ValueDescriptor { number }, ByteRange::default()),
        };
        if !self.ask_for_inode(job, range, ask) {
            self.ask(Job::ValueDescriptor { number }, ByteRange::default(), ask);
        }
    }

    pub(super) fn feed_value_descriptor(&mut self, number: u32, fetched: &Fetched<'_>, ask: &mut Requests) {
        let Some((group, _)) = self.geometry.place_of(number).filter(|_| !fetched.range.is_empty()) else {
            self.fail_value(number, GapKind::Corrupt, "it does not name an inode that can hold a value", ask);
            return;
        };
        if self.unreadable(number, "group descriptor", fetched.range, fetched) {
            self.fail_value(number, GapKind::Io, "the group descriptor could not be read", ask);
            return;
        }
        let descriptor = Descriptor::parse(&self.geometry, group, fetched.bytes);
        if descriptor.misplaced(&self.geometry).is_some() {
            self.fail_value(number, GapKind::Corrupt, "the group descriptor is damaged", ask);
            return;
        }
        self.tables.insert(group, descriptor.inode_table);
        self.start_value(number, ask);
    }

    pub(super) fn feed_value_inode(&mut self, number: u32, fetched: &Fetched<'_>, ask: &mut Requests) {
        if self.unreadable(number, "inode", fetched.range, fetched) {
            self.fail_value(number, GapKind::Io, "its inode could not be read", ask);
            return;
        }
        let parsed = verify(&self.geometry, number, fetched.bytes)
            .and_then(|()| RawInode::parse(&self.geometry, fetched.bytes));
        let inode = match parsed {
            Ok(inode) if inode.attribute_value && inode.extents && !inode.inline => inode,
            _ => {
                self.fail_value(
                    number,
                    GapKind::Corrupt,
                    "its inode is not one of an attribute's value",
                    ask,
                );
                return;
            }
        };
        let mut open = self.new_open(number, &inode, fetched.range);
        open.role = Role::Value;
        let id = self.opens.reserve();
        if open.row.size > u64::from(MAX_VALUE_BYTES) {
            open.fault = Some(format!("a value of {} bytes", { open.row.size }));
        } else {
            self.take_root(id, &mut open, &inode, fetched.range, ask);
        }
        self.settle(id, open, ask);
    }

    /// Asks for a value's bytes once its extents are known.
    pub(super) fn ask_value(&mut self, id: usize, open: &mut Open, ask: &mut Requests) {
        let size = open.row.size;
        for index in 0..open.extents.len() {
            let extent = open.extents[index];
            let len = extent.len.min(size.saturating_sub(extent.logical));
            let mut at = 0;
            while at < len && !extent.unwritten {
                let count = PIECE_BYTES.min(len - at);
                let job = Job::ValuePart { open: id, at: extent.logical + at };
                if !self.ask_for_inode(job, ByteRange::new(extent.physical + at, count), ask) {
                    self.limit(open.number(), "xattr");
                    open.fault = Some("it refers to more blocks than the volume has".to_owned());
                    return;
                }
                open.waiting += 1;
                at += count;
            }
        }
        if open.waiting > 0 {
            open.value.0 = vec![0; size as usize];
        }
    }

    pub(super) fn feed_value_part(&mut self, id: usize, at: u64, fetched: &Fetched<'_>, ask: &mut Requests) {
        let Some(mut open) = self.opens.check_out(id) else { return };
        open.waiting -= 1;
        if self.unreadable(open.number(), "xattr", fetched.range, fetched) {
            open.unread = true;
            open.fault = Some("its value could not be read".to_owned());
        } else if let Some(room) = open.value.0.get_mut(at as usize..) {
            let len = room.len().min(fetched.bytes.len());
            room[..len].copy_from_slice(&fetched.bytes[..len]);
        }
        self.settle(id, open, ask);
    }

    /// Hands a finished value to the inodes that wait for it.
    pub(super) fn deliver_value(&mut self, open: &mut Open, ask: &mut Requests) {
        let number = open.number();
        let (value, hash) = std::mem::take(&mut open.value);
        let fault = open.fault.take().or_else(|| {
            let right = crc32c(self.geometry.checksum_seed, &value) == hash;
            (!right).then(|| "the value's hash is wrong".to_owned())
        });
        if let Some(fault) = fault {
            let kind = if open.unread { GapKind::Io } else { GapKind::Corrupt };
            self.fail_value(number, kind, &fault, ask);
            return;
        }
        for waiter in self.values.remove(&number).unwrap_or_default().waiters {
            let Some(mut reader) = self.opens.check_out(waiter.open) else { continue };
            reader.waiting -= 1;
            if waiter.len as usize == value.len() {
                self.show_attribute(&mut reader, waiter.index, &waiter.name, &value);
            } else {
                let wrong = (format!("a value of {} bytes", waiter.len), value.len().to_string());
                self.corrupt(reader.number(), "xattr", reader.at, &wrong);
            }
            self.settle(waiter.open, reader, ask);
        }
    }

    /// Records that a value could not be read, for each inode that has it.
    fn fail_value(&mut self, number: u32, kind: GapKind, reason: &str, ask: &mut Requests) {
        for waiter in self.values.remove(&number).unwrap_or_default().waiters {
            let Some(mut reader) = self.opens.check_out(waiter.open) else { continue };
            reader.waiting -= 1;
            let name = shown_name(waiter.index, &waiter.name).unwrap_or_default();
            let name = String::from_utf8_lossy(&name).into_owned();
            let gap = Gap::new(kind, "xattr", format!("{name} in inode {number}: {reason}"));
            self.gap(gap.at_inode(reader.row.number).at_byte(reader.at.start));
            self.settle(waiter.open, reader, ask);
        }
    }
}

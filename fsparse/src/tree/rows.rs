//! A tree's rows in listing order: by parent path, name, stream.

use super::{Tree, deleted::Gone};
use crate::survey::{Encoding, Inode, Stream, Survey};
use coldread_model::{
    FileKind, RowFlags,
    listing::{Row, StableRow, VolatileRow},
};

/// Bytes that second names may repeat of their inodes, for each name in the survey …
const REPEATED_BYTES_EACH: usize = 256;
/// … and besides.
const MAX_REPEATED_BYTES: usize = 64 << 20;
/// What a named stream's row weighs besides its name.
const STREAM_BYTES: usize = 64;

/// Calls `each` with every row in listing order: the root first, then each directory's names, each followed
/// by its named streams; where a deleted inode stood, its rows follow those of what is there. The index is the inode's in the survey; the stream is the one that the row stands
/// for (the unnamed one for a file's own row), if it stands for one.
///
/// An inode's further names repeat its attributes, its target and its streams. On a hostile disk a million
/// names may lead to one inode with a million streams: past a bound, further names come without attributes
/// and streams. The result is how many names did.
pub fn for_each_row<'t>(tree: &'t Tree<'t>, mut each: impl FnMut(&Row<'t>, u32, Option<&'t Stream>)) -> u64 {
    let Some(root) = tree.root() else { return 0 };
    let survey = tree.survey();
    let room = tree.names.saturating_mul(REPEATED_BYTES_EACH).saturating_add(MAX_REPEATED_BYTES);
    let mut writer = Writer { tree, named: vec![false; survey.inodes.len()], room, bare: 0 };
    writer.rows(b"", b"", &[(root.inode, false)], &mut each);
    let mut gone = tree.gone.iter().peekable();
    let stood = |gone: &Gone| (tree.gone_parent(gone), tree.gone_name(gone));
    for directory in tree.directories() {
        let path = tree.path(directory);
        for place in tree.places(directory) {
            let name = survey.bytes(place.name);
            while let Some(before) = gone.next_if(|gone| stood(gone) < (path, name)) {
                let (parent, name) = stood(before);
                writer.rows(parent, name, &[(before.inode, before.internal)], &mut each);
            }
            let own = (place.inode, directory.internal);
            if gone.peek().is_some_and(|gone| stood(gone) == (path, name)) {
                let mut all = vec![own];
                while let Some(same) = gone.next_if(|gone| stood(gone) == (path, name)) {
                    all.push((same.inode, same.internal));
                }
                writer.rows(path, name, &all, &mut each);
            } else {
                writer.rows(path, name, &[own], &mut each);
            }
        }
    }
    for rest in gone {
        let (parent, name) = stood(rest);
        writer.rows(parent, name, &[(rest.inode, rest.internal)], &mut each);
    }
    writer.bare
}

struct Writer<'t> {
    tree: &'t Tree<'t>,
    /// Which inodes had rows.
    named: Vec<bool>,
    /// Bytes that further names may repeat.
    room: usize,
    bare: u64,
}

impl<'t> Writer<'t> {
    /// The rows of one place: those of the inodes that stand or stood there, each with whether its directory
    /// is the filesystem's own.
    fn rows(
        &mut self,
        parent: &'t [u8],
        name: &'t [u8],
        inodes: &[(u32, bool)],
        each: &mut impl FnMut(&Row<'t>, u32, Option<&'t Stream>),
    ) {
        let survey = self.tree.survey();
        let mut named: Vec<(&'t Stream, u32, bool)> = Vec::new();
        for &(index, internal) in inodes {
            let inode = self.tree.inode(index);
            let streams = survey.streams_of(inode);
            let unnamed = streams.first().filter(|stream| stream.name.len == 0);
            let mut own = row(survey, inode, parent, name);
            own.stable.flags.set(RowFlags::INTERNAL, internal || inode.flags.contains(RowFlags::INTERNAL));
            if std::mem::replace(&mut self.named[index as usize], true) {
                let rest = streams.iter().skip(1);
                let all = rest.fold(0, |sum, stream| sum + STREAM_BYTES + stream.name.len as usize);
                let Some(left) = self.room.checked_sub(all + inode.xattrs.len as usize) else {
                    own.stable.xattrs = b"";
                    self.bare += 1;
                    each(&own, index, unnamed);
                    continue;
                };
                self.room = left;
            }
            each(&own, index, unnamed);
            let more = streams.iter().filter(|stream| stream.name.len > 0);
            named.extend(more.map(|stream| (stream, index, internal)));
        }
        if inodes.len() > 1 {
            named.sort_by_key(|(stream, ..)| survey.bytes(stream.name));
        }
        for (stream, index, internal) in named {
            let inode = self.tree.inode(index);
            let mut row = stream_row(survey, inode, stream, parent, name);
            row.stable.flags.set(RowFlags::INTERNAL, internal || inode.flags.contains(RowFlags::INTERNAL));
            each(&row, index, Some(stream));
        }
    }
}

fn row<'t>(survey: &'t Survey, inode: &Inode, parent: &'t [u8], name: &'t [u8]) -> Row<'t> {
    Row {
        stable: StableRow {
            parent,
            name,
            stream: b"",
            kind: inode.kind,
            flags: inode.flags,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            size: inode.size,
            mtime: inode.mtime,
            target: survey.bytes(inode.target),
            xattrs: survey.bytes(inode.xattrs),
            rdev: inode.rdev,
        },
        volatile: VolatileRow {
            inode: inode.number,
            nlink: inode.nlink,
            atime: inode.atime,
            ctime: inode.ctime,
            crtime: inode.crtime,
            fingerprint: survey.streams_of(inode).first().map_or(0, |stream| fingerprint(survey, stream)),
        },
    }
}

fn stream_row<'t>(
    survey: &'t Survey,
    inode: &Inode,
    stream: &Stream,
    parent: &'t [u8],
    name: &'t [u8],
) -> Row<'t> {
    let mut row = row(survey, inode, parent, name);
    let kept = inode.flags & (RowFlags::TIMED | RowFlags::BORN | RowFlags::INTERNAL | RowFlags::DELETED);
    row.stable.kind = FileKind::File;
    row.stable.flags = kept | RowFlags::SIZED | RowFlags::STREAM;
    if matches!(stream.encoding, Encoding::Unreadable { encrypted: true, .. }) {
        row.stable.flags |= RowFlags::ENCRYPTED;
    }
    row.stable.stream = survey.bytes(stream.name);
    row.stable.size = stream.size;
    row.stable.target = b"";
    row.stable.xattrs = b"";
    row.volatile.fingerprint = fingerprint(survey, stream);
    row
}

/// A fingerprint of where a stream lies (FNV-1a over its extents); 0 where nothing is allocated.
fn fingerprint(survey: &Survey, stream: &Stream) -> u64 {
    let extents = survey.extents_of(stream);
    if extents.is_empty() {
        return 0;
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for extent in extents {
        for word in [extent.logical, extent.physical, extent.len, u64::from(extent.unwritten)] {
            hash = (hash ^ word).wrapping_mul(0x0100_0000_01b3);
            hash ^= hash >> 29;
        }
    }
    hash.max(1)
}

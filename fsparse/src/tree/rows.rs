//! A tree's rows in listing order: by parent path, name, stream.

use super::Tree;
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
/// by its named streams. The index is the inode's in the survey; the stream is the one that the row stands
/// for (the unnamed one for a file's own row), if it stands for one.
///
/// An inode's further names repeat its attributes, its target and its streams. On a hostile disk a million
/// names may lead to one inode with a million streams: past a bound, further names come without attributes
/// and streams. The result is how many names did.
pub fn for_each_row<'t>(tree: &'t Tree<'t>, mut each: impl FnMut(&Row<'t>, u32, Option<&'t Stream>)) -> u64 {
    let Some(root) = tree.root() else { return 0 };
    let mut named = vec![false; tree.survey().inodes.len()];
    let mut room =
        tree.survey().entries.len().saturating_mul(REPEATED_BYTES_EACH).saturating_add(MAX_REPEATED_BYTES);
    let mut bare = 0;
    let mut rows = |parent: &'t [u8], name: &'t [u8], index: u32, internal: bool| {
        let inherited = if internal { RowFlags::INTERNAL } else { RowFlags::empty() };
        let inode = tree.inode(index);
        let streams = tree.survey().streams_of(inode);
        let unnamed = streams.first().filter(|stream| stream.name.len == 0);
        let mut own = row(tree.survey(), inode, parent, name);
        own.stable.flags |= inherited;
        if std::mem::replace(&mut named[index as usize], true) {
            let all =
                streams.iter().skip(1).fold(0, |sum, stream| sum + STREAM_BYTES + stream.name.len as usize);
            let Some(left) = room.checked_sub(all + inode.xattrs.len as usize) else {
                own.stable.xattrs = b"";
                bare += 1;
                each(&own, index, unnamed);
                return;
            };
            room = left;
        }
        each(&own, index, unnamed);
        for stream in streams.iter().filter(|stream| stream.name.len > 0) {
            let mut named = stream_row(tree.survey(), inode, stream, parent, name);
            named.stable.flags |= inherited;
            each(&named, index, Some(stream));
        }
    };
    rows(b"", b"", root.inode, false);
    for directory in tree.directories() {
        let path = tree.path(directory);
        for place in tree.places(directory) {
            rows(path, tree.survey().bytes(place.name), place.inode, directory.internal);
        }
    }
    bare
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

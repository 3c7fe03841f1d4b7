//! A row as it goes into a listing and comes out of one, borrowed.

use crate::{
    file::{FileKind, FileRecord, RowFlags},
    time::Timestamp,
};

/// The columns that stay the same while nobody changes the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StableRow<'a> {
    /// Path of the directory it is in; `/` for the root's children, empty for the root itself.
    pub parent: &'a [u8],
    /// Its name there; empty for the root.
    pub name: &'a [u8],
    /// The stream's name, where [`RowFlags::STREAM`] is set.
    pub stream: &'a [u8],
    /// What it is.
    pub kind: FileKind,
    /// What is known.
    pub flags: RowFlags,
    /// Permission bits (0o7777).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
    /// Last change of content.
    pub mtime: Timestamp,
    /// A symbolic link's target.
    pub target: &'a [u8],
    /// Extended attributes, as [`encode_xattr`] writes them, sorted by name.
    pub xattrs: &'a [u8],
    /// Device numbers, major and minor.
    pub rdev: (u32, u32),
}

/// The columns that change from day to day, or from one copy to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolatileRow {
    /// Inode or MFT record number.
    pub inode: u64,
    /// Number of names.
    pub nlink: u32,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of metadata.
    pub ctime: Timestamp,
    /// Birth.
    pub crtime: Timestamp,
    /// Fingerprint of where the content lies; 0 where nothing is allocated.
    pub fingerprint: u64,
}

/// A whole row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its stable columns.
    pub stable: StableRow<'a>,
    /// Its volatile columns.
    pub volatile: VolatileRow,
}

/// Joins a parent's path and a name: the path in the volume.
pub fn path_of(parent: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(parent.len() + 1 + name.len());
    path.extend_from_slice(if parent == b"/" { b"" } else { parent });
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

/// Appends one attribute: name length (u16), value length (u32), name, value. `name` carries its namespace
/// (`user.`, `security.` …). Names over 65,535 bytes do not exist on any filesystem; they are cut.
pub fn encode_xattr(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let name = &name[..name.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&(name.len() as u16).to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

/// Reads what [`encode_xattr`] wrote; ends early where the bytes do.
#[derive(Clone, Debug)]
pub struct Xattrs<'a>(pub &'a [u8]);

impl<'a> Iterator for Xattrs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (lengths, rest) = self.0.split_at_checked(6)?;
        let name_len = usize::from(u16::from_le_bytes([lengths[0], lengths[1]]));
        let value_len = u32::from_le_bytes([lengths[2], lengths[3], lengths[4], lengths[5]]) as usize;
        let (name, rest) = rest.split_at_checked(name_len)?;
        let (value, rest) = rest.split_at_checked(value_len)?;
        self.0 = rest;
        Some((name, value))
    }
}

impl Row<'_> {
    /// The row as an owned record of a volume; asset, snapshot, volume, mount and digest are the caller's.
    pub fn to_record(&self) -> FileRecord {
        let (stable, volatile) = (&self.stable, &self.volatile);
        let has = |flag| stable.flags.contains(flag);
        FileRecord {
            asset: String::new(),
            snapshot: String::new(),
            volume: String::new(),
            mount: None,
            path: path_of(stable.parent, stable.name),
            kind: stable.kind,
            inode: volatile.inode,
            size: has(RowFlags::SIZED).then_some(stable.size),
            mode: has(RowFlags::OWNED).then_some(stable.mode),
            uid: has(RowFlags::OWNED).then_some(stable.uid),
            gid: has(RowFlags::OWNED).then_some(stable.gid),
            nlink: has(RowFlags::LINKED).then_some(volatile.nlink),
            mtime: stable.mtime,
            ctime: has(RowFlags::TIMED).then_some(volatile.ctime),
            atime: has(RowFlags::TIMED).then_some(volatile.atime),
            crtime: has(RowFlags::BORN).then_some(volatile.crtime),
            target: matches!(stable.kind, FileKind::Symlink | FileKind::Junction | FileKind::Reparse)
                .then(|| stable.target.to_vec()),
            rdev: has(RowFlags::DEVICE).then_some(stable.rdev),
            xattrs: Xattrs(stable.xattrs).map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
            sha256: None,
            stream: has(RowFlags::STREAM).then(|| stable.stream.to_vec()),
            encrypted: has(RowFlags::ENCRYPTED),
            deleted: has(RowFlags::DELETED),
            internal: has(RowFlags::INTERNAL),
        }
    }
}

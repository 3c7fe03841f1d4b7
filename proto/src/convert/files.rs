//! Rows of listings.

use super::{ConvertError, bytes32, required, time, word};
use crate::v1;
use coldread_model::{FileKind, FileRecord, Sha256Digest};

impl From<FileRecord> for v1::File {
    fn from(file: FileRecord) -> Self {
        Self {
            asset: file.asset,
            snapshot: file.snapshot,
            volume: file.volume,
            mount: file.mount,
            path: file.path,
            r#type: file.kind.name().to_owned(),
            inode: file.inode,
            size: file.size,
            mode: file.mode.map(u32::from),
            uid: file.uid,
            gid: file.gid,
            nlink: file.nlink,
            mtime: Some(file.mtime.into()),
            ctime: file.ctime.map(Into::into),
            atime: file.atime.map(Into::into),
            crtime: file.crtime.map(Into::into),
            target: file.target,
            rdev: file.rdev.map_or_else(Vec::new, |(major, minor)| vec![major, minor]),
            xattrs: file.xattrs.into_iter().map(|(name, value)| v1::Xattr { name, value }).collect(),
            sha256: file.sha256.map(|digest| digest.0.to_vec()),
            stream: file.stream,
            encrypted: file.encrypted,
            deleted: file.deleted,
            internal: file.internal,
        }
    }
}

impl TryFrom<v1::File> for FileRecord {
    type Error = ConvertError;

    fn try_from(file: v1::File) -> Result<Self, ConvertError> {
        let narrow = |mode| u16::try_from(mode).map_err(|_| ConvertError::new("mode", format!("{mode:#o}")));
        Ok(Self {
            asset: file.asset,
            snapshot: file.snapshot,
            volume: file.volume,
            mount: file.mount,
            path: file.path,
            kind: word("type", &file.r#type, FileKind::from_name)?,
            inode: file.inode,
            size: file.size,
            mode: file.mode.map(narrow).transpose()?,
            uid: file.uid,
            gid: file.gid,
            nlink: file.nlink,
            mtime: required("mtime", file.mtime)?.try_into()?,
            ctime: time::optional(file.ctime)?,
            atime: time::optional(file.atime)?,
            crtime: time::optional(file.crtime)?,
            target: file.target,
            rdev: match file.rdev[..] {
                [] => None,
                [major, minor] => Some((major, minor)),
                _ => return Err(ConvertError::new("rdev", format!("{} numbers", file.rdev.len()))),
            },
            xattrs: file.xattrs.into_iter().map(|xattr| (xattr.name, xattr.value)).collect(),
            sha256: file.sha256.map(|digest| bytes32("sha256", &digest)).transpose()?.map(Sha256Digest),
            stream: file.stream,
            encrypted: file.encrypted,
            deleted: file.deleted,
            internal: file.internal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::Timestamp;

    fn record() -> FileRecord {
        FileRecord {
            asset: "web".to_owned(),
            snapshot: "00".to_owned(),
            volume: "p1".to_owned(),
            mount: Some("/var".to_owned()),
            path: b"/a\xff".to_vec(),
            kind: FileKind::Char,
            inode: 12,
            size: Some(0),
            mode: Some(0o644),
            uid: Some(0),
            gid: None,
            nlink: Some(1),
            mtime: Timestamp::new(-1, 5),
            ctime: None,
            atime: Some(Timestamp::default()),
            crtime: None,
            target: Some(Vec::new()),
            rdev: Some((8, 1)),
            xattrs: vec![(b"user.a".to_vec(), b"\0".to_vec())],
            sha256: Some(Sha256Digest([7; 32])),
            stream: None,
            encrypted: true,
            deleted: false,
            internal: true,
        }
    }

    #[test]
    fn a_row_comes_back_with_what_is_absent_absent() {
        assert_eq!(FileRecord::try_from(v1::File::from(record())), Ok(record()));
    }

    #[test]
    fn hostile_rows_are_refused() {
        let good = v1::File::from(record());
        for bad in [
            v1::File { r#type: "door".to_owned(), ..good.clone() },
            v1::File { mode: Some(70_000), ..good.clone() },
            v1::File { mtime: None, ..good.clone() },
            v1::File { rdev: vec![1], ..good.clone() },
            v1::File { sha256: Some(vec![1; 31]), ..good },
        ] {
            assert!(FileRecord::try_from(bad).is_err());
        }
    }
}

//! Peers that are Rust crates, each made to list every file of an image. ext4-view and rust-fs-xfs read
//! every inode; the ntfs crate is asked for directory indexes only, which is less work.

use crate::{
    host::{Failure, at},
    images::Kind,
};
use std::{fs::File, io::BufReader, path::Path, sync::Arc};

/// A crate that reads a filesystem.
pub(super) struct Peer {
    /// Its name, and what it does less than the others.
    pub(super) name: &'static str,
    package: &'static str,
}

impl Peer {
    /// Its version in our lock file.
    pub(super) fn what(&self) -> String {
        let wanted = format!("name = \"{}\"", self.package);
        let mut lines = include_str!("../../../Cargo.lock").lines().skip_while(|line| *line != wanted);
        let version = lines.nth(1).unwrap_or_default().trim_start_matches("version = ").trim_matches('"');
        format!("{} {version}", self.package)
    }
}

/// The crate for a filesystem.
pub(super) fn of(kind: Kind) -> Peer {
    match kind {
        Kind::Ext4 => Peer { name: "ext4-view", package: "ext4-view" },
        Kind::Xfs => Peer { name: "rust-fs-xfs", package: "rust-fs-xfs" },
        Kind::Ntfs => Peer { name: "ntfs crate, directory indexes only", package: "ntfs" },
    }
}

/// Lists an image with the crate for its filesystem; the number of names, without the root's.
pub(super) fn list(kind: Kind, image: &Path) -> Result<u64, Failure> {
    match kind {
        Kind::Ext4 => ext4(image),
        Kind::Xfs => xfs(image),
        Kind::Ntfs => ntfs(image),
    }
}

fn ext4(image: &Path) -> Result<u64, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure(format!("ext4-view: {error}"));
    let filesystem = ext4_view::Ext4::load_from_path(image).map_err(|error| failed(&error))?;
    let mut names = 0;
    let mut folders = vec![ext4_view::PathBuf::new("/")];
    while let Some(folder) = folders.pop() {
        for entry in filesystem.read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name: &[u8] = name.as_ref();
            if name == b"." || name == b".." {
                continue;
            }
            names += 1;
            if entry.metadata()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(names)
}

/// An image for rust-fs-xfs.
struct Image(File, u64);

impl fs_core::BlockRead for Image {
    fn read_at(&self, offset: u64, room: &mut [u8]) -> fs_core::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, room, offset).map_err(Into::into)
    }

    fn size_bytes(&self) -> u64 {
        self.1
    }
}

fn xfs(image: &Path) -> Result<u64, Failure> {
    let file = at(image, File::open(image))?;
    let size = at(image, file.metadata())?.len();
    let filesystem = fs_xfs::Filesystem::mount_with_cache(Arc::new(Image(file, size)), 65_536)?;
    let mut names = 0;
    let mut folders = vec![filesystem.superblock().rootino];
    while let Some(folder) = folders.pop() {
        let (inode, raw) = filesystem.read_inode_raw(folder)?;
        for entry in filesystem.read_dir(&inode, &raw)? {
            if entry.name == b"." || entry.name == b".." {
                continue;
            }
            names += 1;
            if filesystem.read_inode(entry.ino)?.is_dir() {
                folders.push(entry.ino);
            }
        }
    }
    Ok(names)
}

fn ntfs(image: &Path) -> Result<u64, Failure> {
    let mut file = BufReader::new(at(image, File::open(image))?);
    let mut filesystem = ntfs::Ntfs::new(&mut file)?;
    filesystem.read_upcase_table(&mut file)?;
    let mut names = 0;
    let mut folders = vec![filesystem.root_directory(&mut file)?.file_record_number()];
    while let Some(record) = folders.pop() {
        let folder = filesystem.file(&mut file, record)?;
        let index = folder.directory_index(&mut file)?;
        let mut entries = index.entries();
        while let Some(entry) = entries.next(&mut file) {
            let entry = entry?;
            let Some(key) = entry.key() else { continue };
            let key = key?;
            let dos = key.namespace() == ntfs::structured_values::NtfsFileNamespace::Dos;
            if dos || key.name().to_string_lossy() == "." {
                continue;
            }
            names += 1;
            if key.is_directory() {
                folders.push(entry.file_reference().file_record_number());
            }
        }
    }
    Ok(names)
}

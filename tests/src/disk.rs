//! Images of filesystems and partitioned disks.

use crate::{
    host::{Mounted, tool},
    shapes::Dice,
};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Bytes of a mebibyte.
pub const MIB: u64 = 1 << 20;

/// Makes an empty filesystem (ext4, xfs or ntfs) of `mib` MiB over noise, so that whatever a reader takes from
/// space that nobody wrote shows.
#[track_caller]
pub fn make(image: &Path, filesystem: &str, mib: u64, more: &[&str]) {
    let mut dice = Dice::new(7);
    let noise = dice.bytes(MIB as usize);
    let mut file = File::create(image).unwrap();
    for _ in 0..mib {
        file.write_all(&noise).unwrap();
    }
    drop(file);
    format(image, filesystem, more);
}

/// Makes an empty filesystem in the image as it is.
#[track_caller]
pub fn format(image: &Path, filesystem: &str, more: &[&str]) {
    let (program, words): (_, &[&str]) = match filesystem {
        // Newer releases refuse less than 300 MiB without this word, which they take for tests of their own.
        "xfs" => ("mkfs.xfs", &["-q", "-f", "-K", "--unsupported"]),
        "ntfs" => ("mkntfs", &["-q", "-F", "-f"]),
        // What is the default from 512 MiB on, however small the image.
        _ => ("mkfs.ext4", &["-q", "-F", "-E", "nodiscard", "-T", "default", "-b", "4096"]),
    };
    let words: Vec<&OsStr> = words.iter().chain(more).map(OsStr::new).chain([image.as_os_str()]).collect();
    tool(program, &words);
}

/// Makes a filesystem and fills it through a mount.
#[track_caller]
pub fn filled(image: &Path, filesystem: &str, mib: u64, fill: impl FnOnce(&Path)) {
    make(image, filesystem, mib, &[]);
    let mounted = Mounted::new(image, filesystem, "noatime");
    fill(mounted.path());
}

/// Makes an ext4 filesystem of `mib` MiB that holds what a folder does.
#[track_caller]
pub fn of_folder(image: &Path, folder: &Path, mib: u64) {
    File::create(image).unwrap().set_len(mib * MIB).unwrap();
    let words = ["-q", "-t", "ext4", "-d"].map(OsStr::new);
    tool("mke2fs", &[&words[..], &[folder.as_os_str(), image.as_os_str()]].concat());
}

/// Writes files below a folder, with the directories on the way.
#[track_caller]
pub fn put(folder: &Path, files: &[(&str, &[u8])]) {
    for (path, bytes) in files {
        let path = folder.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A small Debian-like system: os-release, one package, one login record and some files.
pub fn system(root: &Path, name: &str) {
    for folder in ["etc", "usr/lib", "var/lib/dpkg", "var/log", "home"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let put = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
    put("usr/lib/os-release", &format!("ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian {name}\"\n"));
    std::os::unix::fs::symlink("../usr/lib/os-release", root.join("etc/os-release")).unwrap();
    put("etc/hostname", &format!("{name}\n"));
    put(
        "var/lib/dpkg/status",
        &format!(
            "Package: {name}-tools\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.3-4\n\
             Maintainer: Nobody <nobody@example.org>\nDescription: tools\n\n"
        ),
    );
    put(
        "var/log/auth.log",
        &format!(
            "2025-11-03T08:00:01.000001+01:00 {name} sshd[812]: Failed password for invalid user admin from \
             203.0.113.7 port 40022 ssh2\n"
        ),
    );
    for nth in 0..200 {
        put(&format!("home/note-{nth:03}"), &format!("note {nth} of {name}\n").repeat(nth * 40));
    }
}

/// A partition: its type byte and the image of what it holds.
pub type Partition<'a> = (u8, &'a Path);

/// Writes a disk with an MBR of up to four primary partitions, 1 MiB apart from each other. Gives each one's first
/// byte.
///
/// Source: the layout of the table as `fdisk` writes it: entries of 16 bytes from 446, signature at 510.
#[track_caller]
pub fn with_mbr(disk: &Path, partitions: &[Partition<'_>]) -> Vec<u64> {
    let file = File::create(disk).unwrap();
    let mut sector = [0; 512];
    let mut starts = Vec::new();
    let mut next = MIB;
    for (nth, (kind, image)) in partitions.iter().enumerate() {
        let bytes = fs::read(image).unwrap();
        file.write_all_at(&bytes, next).unwrap();
        let entry = &mut sector[446 + 16 * nth..][..16];
        entry[4] = *kind;
        entry[8..12].copy_from_slice(&((next / 512) as u32).to_le_bytes());
        entry[12..].copy_from_slice(&((bytes.len() / 512) as u32).to_le_bytes());
        starts.push(next);
        next += (bytes.len() as u64).next_multiple_of(MIB) + MIB;
    }
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    file.set_len(next).unwrap();
    file.write_all_at(&sector, 0).unwrap();
    starts
}

/// A copy of an image, to be damaged.
pub fn copy(image: &Path, name: &str) -> PathBuf {
    let to = image.with_file_name(name);
    tool("cp", &["--sparse=always".as_ref(), image.as_os_str(), to.as_os_str()]);
    to
}

/// Copies a part of an image to an image of its own.
#[track_caller]
pub fn cut(image: &Path, start: u64, len: u64, to: &Path) -> PathBuf {
    let (from, out) = (File::open(image).unwrap(), File::create(to).unwrap());
    let mut block = vec![0; 64 << 10];
    let mut at = 0;
    while at < len {
        let part = block.len().min((len - at) as usize);
        from.read_exact_at(&mut block[..part], start + at).unwrap();
        if block[..part].iter().any(|&byte| byte != 0) {
            out.write_all_at(&block[..part], at).unwrap();
        }
        at += part as u64;
    }
    out.set_len(len).unwrap();
    to.to_owned()
}

/// Overwrites bytes of an image.
pub fn patch(image: &Path, at: u64, bytes: &[u8]) {
    File::options().write(true).open(image).unwrap().write_all_at(bytes, at).unwrap();
}

/// Inverts the bits of one byte.
pub fn flip(image: &Path, at: u64) {
    let mut byte = [0];
    File::open(image).unwrap().read_exact_at(&mut byte, at).unwrap();
    patch(image, at, &[!byte[0]]);
}

//! The sample disk: a small file server in Berlin, upgraded to Debian 12 on the evening of 2 November 2025
//! and scanned on the 5th.
//!
//! It is made to need everything at once: `/var` is an XFS volume that only `/etc/fstab` joins to the ext4
//! root, `/etc/os-release` and `/etc/localtime` are symbolic links, the older logs are in local time without
//! a year or zone and one of their hours exists twice, lastlog is sparse, and the NTFS share has a compressed
//! file and an alternate stream. All of its content is written by this recipe; the zone file alone comes from
//! the machine's tzdata, which is in the public domain.

mod logins;
mod packages;
mod root;
mod share;
mod utmp;
mod var;

use crate::{
    disk::{self, Volume},
    gpt::GuidText,
    host::{Failure, at, need},
    tree::{Census, Meta, Tree},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{fs::File, io, path::Path};

/// When the server was installed: 2024-03-04T10:12:00Z.
pub(crate) const INSTALLED: u64 = 1_709_547_120;
/// When it was upgraded: 2025-11-02T21:10:00Z.
pub(crate) const UPGRADED: u64 = 1_762_117_800;
/// The server's name.
pub(crate) const HOSTNAME: &str = "speicher";

/// Files of the operating system as the installer left them.
pub(crate) const SYSTEM: Meta = Meta { mode: 0o644, uid: 0, gid: 0, mtime: INSTALLED };

const DISK_GUID: GuidText = "6B1F6C0E-2F57-4C3B-9C7A-51B0A4D8E201";
const ROOT: Volume = Volume {
    filesystem: "ext4",
    mib: 64,
    label: "root",
    uuid: "0b6f1c0a-7d52-4d1e-9a51-3f5b8c2e7a01",
    partition_guid: "9D1B7A30-54C2-4F86-8B0E-7F1D2C3A4B01",
};
const VAR: Volume = Volume {
    filesystem: "xfs",
    mib: 300,
    label: "var",
    uuid: "4c8e2d9b-61a3-4b7f-8e02-a9d7c6b5f402",
    partition_guid: "9D1B7A30-54C2-4F86-8B0E-7F1D2C3A4B02",
};
const SHARE: Volume = Volume {
    filesystem: "ntfs",
    mib: 32,
    label: "daten",
    uuid: "5D3C1A2B4E6F7081",
    partition_guid: "9D1B7A30-54C2-4F86-8B0E-7F1D2C3A4B03",
};

/// A file whose content the tests know.
pub(crate) struct Known {
    /// Its path on its volume.
    pub(crate) path: String,
    /// The alternate stream's name, if it is one.
    pub(crate) stream: Option<String>,
    /// Its content.
    pub(crate) bytes: Vec<u8>,
}

impl Known {
    /// Of an unnamed stream.
    pub(crate) fn new(path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: format!("/{path}"), stream: None, bytes: bytes.into() }
    }

    fn to_json(&self, volume: &str) -> Value {
        let mut digest = String::new();
        for byte in Sha256::digest(&self.bytes) {
            digest += &format!("{byte:02x}");
        }
        let mut row = json!({
            "volume": volume, "path": self.path, "size": self.bytes.len(), "sha256": digest,
        });
        if let Some(stream) = &self.stream {
            row["stream"] = json!(stream);
        }
        row
    }
}

/// Makes the disk, compresses it to `out` and writes `expected.json` beside it.
pub(crate) fn make(out: &Path) -> Result<(), Failure> {
    need(&[
        ("mkfs.ext4", "e2fsprogs"),
        ("mkfs.xfs", "xfsprogs"),
        ("mkntfs", "ntfs-3g"),
        ("ntfs-3g", "ntfs-3g"),
        ("mount", "mount"),
    ])?;
    let scratch = tempfile::tempdir()?;
    let scratch = scratch.path();

    let (root, root_known) = fill(ROOT, scratch, root::fill)?;
    let (var, var_known) = fill(VAR, scratch, var::fill)?;
    let (share, share_known) = fill(SHARE, scratch, share::fill)?;

    let image = scratch.join("server.img");
    let size = disk::assemble(&image, DISK_GUID, &[ROOT, VAR, SHARE], scratch)?;
    compress(&image, out, size)?;

    let known: Vec<Value> = [("p1", root_known), ("p2", var_known), ("p3", share_known)]
        .iter()
        .flat_map(|(volume, known)| known.iter().map(|one| one.to_json(volume)))
        .collect();
    let expected = json!({
        "size_bytes": size,
        "volumes": [
            volume("p1", &ROOT, "/", root, 0),
            volume("p2", &VAR, "/var", var, 0),
            volume("p3", &SHARE, "/srv/daten", share, share::STREAMS),
        ],
        "system": {
            "id": "debian", "version_id": "12", "codename": "bookworm", "hostname": HOSTNAME,
            "timezone": "Europe/Berlin",
        },
        "packages": packages::expected(),
        "logins": logins::expected(),
        "files": known,
    });
    let beside = out.with_file_name("expected.json");
    at(&beside, std::fs::write(&beside, format!("{expected:#}\n")))?;
    println!("{}: {size} bytes, compressed {}", out.display(), at(out, std::fs::metadata(out))?.len());
    Ok(())
}

/// Makes a volume's filesystem, fills and unmounts it.
fn fill(
    volume: Volume,
    scratch: &Path,
    recipe: fn(&mut Tree) -> Result<Vec<Known>, Failure>,
) -> Result<(Census, Vec<Known>), Failure> {
    let mounted = volume.make(scratch)?;
    let mut tree = Tree::new(mounted.point());
    let known = recipe(&mut tree)?;
    let census = tree.finish()?;
    mounted.unmount()?;
    Ok((census, known))
}

fn volume(name: &str, volume: &Volume, mount: &str, census: Census, streams: u64) -> Value {
    json!({
        "name": name, "content": volume.filesystem, "label": volume.label, "uuid": volume.uuid,
        "partition_uuid": volume.partition_guid.to_lowercase(), "mount": mount, "state": "clean",
        "names": census.names, "dirs": census.dirs, "files": census.files, "symlinks": census.symlinks,
        "streams": streams,
    })
}

fn compress(image: &Path, out: &Path, size: u64) -> Result<(), Failure> {
    let mut from = at(image, File::open(image))?;
    let mut encoder = zstd::Encoder::new(at(out, File::create(out))?, 19)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(size))?;
    at(out, io::copy(&mut from, &mut encoder))?;
    at(out, encoder.finish()).map(drop)
}

/// Numbers that look like chance and are the same every time (xorshift64*, Marsaglia 2003, Vigna 2016).
pub(crate) struct Dice(u64);

impl Dice {
    /// From a seed other than 0.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

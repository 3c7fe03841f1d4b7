//! A disk of several volumes: each is made and filled in an image of its own, then placed behind a GPT.

use crate::{
    gpt::{self, GuidText, Partition},
    host::{Failure, Mounted, at, run},
};
use std::{
    ffi::OsStr,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const MIB: u64 = 1 << 20;

/// A volume of a recipe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Volume {
    /// ext4, xfs or ntfs.
    pub(crate) filesystem: &'static str,
    /// Size in MiB.
    pub(crate) mib: u64,
    /// Label of the filesystem and name of the partition.
    pub(crate) label: &'static str,
    /// UUID; for NTFS the serial number in 16 uppercase hex digits.
    pub(crate) uuid: &'static str,
    /// GUID of the partition.
    pub(crate) partition_guid: GuidText,
}

impl Volume {
    /// The volume's image under `folder`.
    pub(crate) fn image(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.img", self.label))
    }

    /// Makes the empty filesystem and mounts it.
    pub(crate) fn make(&self, folder: &Path) -> Result<Mounted, Failure> {
        let image = self.image(folder);
        let file = at(&image, File::create(&image))?;
        at(&image, file.set_len(self.mib * MIB))?;
        drop(file);
        let hash_seed = format!("hash_seed={},lazy_itable_init=0,lazy_journal_init=0,nodiscard", self.uuid);
        let xfs_uuid = format!("crc=1,uuid={}", self.uuid);
        let (program, options): (_, Vec<&str>) = match self.filesystem {
            "ext4" => (
                "mkfs.ext4",
                vec!["-q", "-F", "-b", "4096", "-L", self.label, "-U", self.uuid, "-E", &hash_seed],
            ),
            "xfs" => ("mkfs.xfs", vec!["-q", "-f", "-K", "-L", self.label, "-m", &xfs_uuid]),
            "ntfs" => ("mkntfs", vec!["-q", "-F", "-f", "-L", self.label]),
            other => return Err(Failure(format!("no recipe makes {other}"))),
        };
        let mut arguments: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
        arguments.push(image.as_ref());
        run(program, &arguments)?;
        if self.filesystem == "ntfs" {
            self.set_ntfs_serial(&image)?;
        }
        let point = folder.join(format!("mnt-{}", self.label));
        at(&point, std::fs::create_dir(&point))?;
        Mounted::new(&image, &point, self.filesystem)
    }

    /// mkntfs draws the serial number by lot; this writes ours, at 0x48 of the boot sector and its copy in
    /// the last sector.
    fn set_ntfs_serial(&self, image: &Path) -> Result<(), Failure> {
        let serial = u64::from_str_radix(self.uuid, 16)?;
        let file = at(image, File::options().write(true).open(image))?;
        for sector in [0, self.mib * MIB - gpt::SECTOR] {
            at(image, file.write_all_at(&serial.to_le_bytes(), sector + 0x48))?;
        }
        Ok(())
    }
}

/// Writes the disk `out` from the images in `folder`; sparse where they are. Returns its size in bytes.
pub(crate) fn assemble(
    out: &Path,
    guid: GuidText,
    volumes: &[Volume],
    folder: &Path,
) -> Result<u64, Failure> {
    let disk = at(out, File::create(out))?;
    let mut partitions = Vec::new();
    let mut next = gpt::FIRST;
    for volume in volumes {
        let sectors = volume.mib * MIB / gpt::SECTOR;
        copy_sparse(&volume.image(folder), &disk, next * gpt::SECTOR)?;
        partitions.push(Partition {
            kind: if volume.filesystem == "ntfs" { gpt::BASIC_DATA } else { gpt::LINUX },
            guid: volume.partition_guid,
            name: volume.label,
            first: next,
            sectors,
        });
        next += sectors;
    }
    let sectors = next + gpt::FIRST;
    at(out, disk.set_len(sectors * gpt::SECTOR))?;
    at(out, gpt::write(&disk, guid, sectors, &partitions))?;
    Ok(sectors * gpt::SECTOR)
}

/// Copies what is not zeros.
fn copy_sparse(from: &Path, to: &File, offset: u64) -> Result<(), Failure> {
    let file = at(from, File::open(from))?;
    let mut block = vec![0; 64 << 10];
    let mut position = 0;
    loop {
        let got = at(from, file.read_at(&mut block, position))?;
        if got == 0 {
            return Ok(());
        }
        if block[..got].iter().any(|&byte| byte != 0) {
            at(from, to.write_all_at(&block[..got], offset + position))?;
        }
        position += got as u64;
    }
}

//! The small images that the mutation test damages: each kind of filesystem and partition table, with every
//! kind of file that fits, compressed to a few tens of kilobytes.

mod dirty;
mod odd;

use crate::{
    gpt::{self, Partition},
    host::{Failure, Mounted, at, need, run},
};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    os::unix::fs::symlink,
    path::Path,
};

const MIB: u64 = 1 << 20;
const DISK_GUID: gpt::GuidText = "C01D5EAD-0000-4000-8000-000000000002";
const PARTITIONS: [Partition; 2] = [
    Partition {
        kind: gpt::LINUX,
        guid: "C01D5EAD-0000-4000-8000-000000000003",
        name: "root",
        first: gpt::FIRST,
        sectors: 2048,
    },
    Partition {
        kind: gpt::BASIC_DATA,
        guid: "C01D5EAD-0000-4000-8000-000000000004",
        name: "data",
        first: 4096,
        sectors: 512,
    },
];
const UUID: &str = "c01d5ead-0000-4000-8000-000000000001";

/// Name, filesystem, bytes, the program that makes it and its arguments.
const IMAGES: [(&str, &str, u64, &[&str]); 8] = [
    ("ext2", "ext2", MIB, &["mkfs.ext2", "-q", "-F", "-b", "1024", "-I", "128", "-U", UUID]),
    ("ext3", "ext3", 3 * MIB, &["mkfs.ext3", "-q", "-F", "-b", "1024", "-J", "size=1", "-U", UUID]),
    ("ext4", "ext4", 3 * MIB, &["mkfs.ext4", "-q", "-F", "-b", "1024", "-J", "size=1", "-U", UUID]),
    (
        "ext4-inline",
        "ext4",
        3 * MIB,
        &["mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "inline_data,^has_journal,ea_inode", "-U", UUID],
    ),
    (
        "xfs",
        "xfs",
        16 * MIB,
        &[
            "mkfs.xfs",
            "--unsupported",
            "-q",
            "-m",
            "uuid=c01d5ead-0000-4000-8000-000000000001",
            "-d",
            "agcount=1",
            "-b",
            "size=1024",
            "-l",
            "size=6m",
        ],
    ),
    (
        "xfs-4k",
        "xfs",
        16 * MIB,
        &[
            "mkfs.xfs",
            "--unsupported",
            "-q",
            "-m",
            "uuid=c01d5ead-0000-4000-8000-000000000001",
            "-d",
            "agcount=1",
            "-l",
            "size=6m",
        ],
    ),
    (
        "ntfs",
        "ntfs",
        2 * MIB,
        &["mkntfs", "-q", "-F", "-Q", "-s", "512", "-p", "0", "-H", "0", "-S", "0", "-c", "4096"],
    ),
    (
        odd::NAME,
        "ntfs",
        2 * MIB,
        &["mkntfs", "-q", "-F", "-Q", "-s", "512", "-p", "0", "-H", "0", "-S", "0", "-c", "512"],
    ),
];

/// Makes those with these names, or all of them, in the folder `out`. Two runs make different bytes.
pub(crate) fn make(out: &Path, only: &[String]) -> Result<(), Failure> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    need(&[
        ("mkfs.ext4", "e2fsprogs"),
        ("mkfs.xfs", "xfsprogs"),
        ("mkntfs", "ntfs-3g"),
        ("setfattr", "attr"),
        ("xfs_io", "xfsprogs"),
    ])?;
    let work = tempfile::tempdir()?;
    let mut small = Vec::new();
    for (name, filesystem, bytes, command) in IMAGES {
        // The partitioned disks hold an ext2.
        let base = name == "ext2" && (wanted("gpt") || wanted("mbr"));
        if !base && !wanted(name) {
            continue;
        }
        let image = work.path().join(name);
        at(&image, File::create(&image).and_then(|file| file.set_len(bytes)))?;
        let arguments: Vec<&OsStr> = command[1..].iter().map(OsStr::new).chain([image.as_ref()]).collect();
        run(command[0], &arguments)?;
        let point = work.path().join("mnt");
        at(&point, fs::create_dir_all(&point))?;
        let mounted = Mounted::new(&image, &point, filesystem)?;
        let odd = if name == odd::NAME {
            Some(odd::fill(mounted.point())?)
        } else {
            fill(mounted.point(), filesystem)?;
            None
        };
        mounted.unmount()?;
        let mut made = at(&image, fs::read(&image))?;
        if let Some(numbers) = odd {
            odd::patch(&mut made, &numbers)?;
        }
        if name == "ext2" {
            small.clone_from(&made);
        }
        if wanted(name) {
            keep(out, name, &made)?;
        }
    }
    for recipe in dirty::DIRTY.iter().filter(|recipe| wanted(recipe.name)) {
        keep(out, recipe.name, &recipe.make(work.path())?)?;
    }
    let bytes = 3 * MIB;
    for name in ["gpt", "mbr"].into_iter().filter(|name| wanted(name)) {
        let image = work.path().join(name);
        let mut file = at(&image, File::options().read(true).write(true).create_new(true).open(&image))?;
        at(&image, file.set_len(bytes))?;
        at(
            &image,
            file.seek(SeekFrom::Start(gpt::FIRST * gpt::SECTOR)).and_then(|_| file.write_all(&small)),
        )?;
        if name == "gpt" {
            at(&image, gpt::write(&file, DISK_GUID, bytes / gpt::SECTOR, &PARTITIONS))?;
        } else {
            let records: [(u64, &[Entry]); 3] = [
                (0, &[(0x83, 2048, 2048), (0x05, 4096, 1024)]),
                (4096, &[(0x83, 64, 64), (0x05, 256, 256)]),
                (4352, &[(0x82, 64, 64)]),
            ];
            for (sector, entries) in records {
                at(
                    &image,
                    file.seek(SeekFrom::Start(sector * 512)).and_then(|_| file.write_all(&record(entries))),
                )?;
            }
        }
        keep(out, name, &at(&image, fs::read(&image))?)?;
    }
    Ok(())
}

/// Type, first sector, sectors.
type Entry = (u8, u32, u32);

/// A master or extended boot record.
fn record(entries: &[Entry]) -> [u8; 512] {
    let mut sector = [0; 512];
    sector[440..444].copy_from_slice(&[1, 2, 3, 4]);
    for (place, (kind, first, sectors)) in sector[446..510].chunks_exact_mut(16).zip(entries) {
        place[4] = *kind;
        place[8..12].copy_from_slice(&first.to_le_bytes());
        place[12..].copy_from_slice(&sectors.to_le_bytes());
    }
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

fn keep(out: &Path, name: &str, image: &[u8]) -> Result<(), Failure> {
    let path = out.join(format!("{name}.img.zst"));
    at(&path, fs::write(&path, zstd::encode_all(image, 19)?))
}

/// Directories small and large, files inline, fragmented, sparse and compressed, links, attributes.
fn fill(root: &Path, filesystem: &str) -> Result<(), Failure> {
    let text = |n: usize| format!("file {n}\n").repeat(n % 40 + 1).into_bytes();
    let folder = root.join("many");
    at(&folder, fs::create_dir(&folder))?;
    for n in 0..70 {
        let path = folder.join(format!("a-name-of-some-length-{n:04}"));
        at(&path, fs::write(&path, if n < 12 { text(n) } else { Vec::new() }))?;
    }
    let mut deep = root.join("etc");
    for name in ["b", "c", "d"] {
        at(&deep, fs::create_dir_all(&deep))?;
        let path = deep.join("os-release");
        at(&path, fs::write(&path, b"ID=debian\n"))?;
        deep.push(name);
    }
    // Every second block written: as many extents as the file has blocks.
    let path = root.join("fragmented");
    let mut file = at(&path, File::create(&path))?;
    for n in 0..24_u64 {
        at(&path, file.seek(SeekFrom::Start(n * 8192)).and_then(|_| file.write_all(&[n as u8 + 1; 600])))?;
        at(&path, file.sync_all())?;
    }
    drop(file);
    let path = root.join("link");
    at(&path, fs::hard_link(root.join("fragmented"), &path))?;
    for (name, target) in [("short", "etc/os-release".to_owned()), ("long", "../many/".repeat(40))] {
        let path = root.join(name);
        at(&path, symlink(target, &path))?;
    }
    if filesystem == "ntfs" {
        let packed = root.join("packed");
        at(&packed, fs::create_dir(&packed))?;
        let set = |path: &Path, value: &str| {
            let arguments = ["-n", "system.ntfs_attrib_be", "-v", value].map(OsStr::new);
            run("setfattr", &[&arguments[..], &[path.as_ref()]].concat()).map(drop)
        };
        set(&packed, "0x00000800")?;
        let path = packed.join("text");
        at(&path, fs::write(&path, b"the same words again and again; ".repeat(6000)))?;
        let path = root.join("etc/os-release:stream");
        at(&path, fs::write(&path, b"another stream"))?;
        return Ok(());
    }
    let path = root.join("many/a-name-of-some-length-0001");
    for (name, value) in [("user.short", "v".to_owned()), ("user.long", "long".repeat(180))] {
        let arguments = ["-n", name, "-v", &value].map(OsStr::new);
        run("setfattr", &[&arguments[..], &[path.as_ref()]].concat())?;
    }
    Ok(())
}

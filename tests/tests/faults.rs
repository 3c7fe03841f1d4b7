//! What cannot be read is said, with the source and the reason, by the documented exit code, and costs nothing
//! else of the same run.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use tests::{
    ask::{self, Place, assert_adds_up, texts},
    disk::{self, MIB},
    host, program, sample,
    shapes::Dice,
};

/// Scans `bad` together with the sample, which must be there whole afterwards.
#[track_caller]
fn beside_the_sample(bad: &Path, code: i32) -> (program::Answer, Place, TempDir) {
    let (place, dir) = ask::store();
    let good = sample::compressed();
    let answer = place.run(&["scan".as_ref(), bad.as_os_str(), good.as_os_str()]).exits(code);
    let good = asset_of(&place, &good).expect("the sample was lost");
    let expected = sample::expected();
    let packages = place.rows(&["packages", "--asset", &good]);
    assert_eq!(Some(packages.len() as u64), expected["packages"]["installed"].as_u64());
    assert_eq!(place.rows(&["gaps", "--asset", &good]), Vec::<Value>::new());
    (answer, place, dir)
}

/// The asset that a source became.
fn asset_of(place: &Place, source: &Path) -> Option<String> {
    let assets = place.rows(&["assets"]);
    let source = source.to_str().unwrap();
    let found = assets.iter().find(|row| row["source"] == source)?;
    Some(found["asset"].as_str().unwrap().to_owned())
}

/// That a source is refused: exit 1, its path and these words on standard error, and no asset.
#[track_caller]
fn assert_refused(bad: &Path, words: &[&str]) {
    let (answer, place, _dir) = beside_the_sample(bad, 1);
    answer.says(words).says(&[bad.to_str().unwrap()]);
    assert_eq!(asset_of(&place, bad), None);
}

/// Gaps of a scan of `bad` that ended with exit 3; each must have a kind, a structure and a reason.
#[track_caller]
fn gaps_of(bad: &Path) -> (Vec<Value>, Place, TempDir) {
    let (_, place, dir) = beside_the_sample(bad, 3);
    let asset = asset_of(&place, bad).unwrap();
    let gaps = place.rows(&["gaps", "--asset", &asset]);
    assert!(!gaps.is_empty(), "exit 3 and no gap");
    for gap in &gaps {
        for field in ["kind", "structure", "reason"] {
            assert!(gap[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {gap}");
        }
    }
    let size = fs::metadata(bad).unwrap().len();
    assert_adds_up(&place.rows(&["coverage", "--asset", &asset]), size);
    (gaps, place, dir)
}

/// Whether some gap is of this kind and says these words.
#[track_caller]
fn assert_gap(gaps: &[Value], kind: &str, words: &[&str]) {
    let said = |gap: &&Value| gap["kind"] == kind && words.iter().all(|word| gap.to_string().contains(word));
    assert!(gaps.iter().any(|gap| said(&gap)), "no {kind} gap says {words:?}: {gaps:#?}");
}

#[test]
fn a_missing_file() {
    assert_refused(Path::new("/nonexistent/disk.img"), &["no such file"]);
}

#[test]
fn an_empty_file() {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("empty.img");
    File::create(&bad).unwrap();
    assert_refused(&bad, &["is empty"]);
}

#[test]
fn a_directory() {
    let dir = tempfile::tempdir().unwrap();
    assert_refused(dir.path(), &["is a directory"]);
}

#[test]
fn a_pipe_and_a_device_that_is_no_disk() {
    assert_refused(Path::new("/dev/null"), &["character device"]);
    if host::lacks(&["mkfifo"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    host::tool("mkfifo", &[pipe.as_os_str()]);
    assert_refused(&pipe, &["is a pipe"]);
}

/// As root nothing is unreadable: there the program runs as nobody.
#[test]
fn an_unreadable_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let bad = dir.path().join("secret.img");
    fs::write(&bad, vec![1; 4096]).unwrap();
    fs::set_permissions(&bad, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = if rustix::process::geteuid().is_root() {
        if host::lacks(&["setpriv"]) {
            return;
        }
        let program = dir.path().join("coldread");
        fs::copy(program::binary(), &program).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
        command
    } else {
        program::coldread()
    };
    let good = dir.path().join("good.img.zst");
    fs::copy(sample::compressed(), &good).unwrap();
    fs::set_permissions(&good, fs::Permissions::from_mode(0o644)).unwrap();
    let store = dir.path().join("store");
    command.arg("scan").args([&bad, &good]).arg("--store").arg(&store);
    program::run(&mut command).exits(1).says(&["permission denied", bad.to_str().unwrap()]);
    let place = Place::Store(store);
    assert_eq!(asset_of(&place, &bad), None);
    let good = asset_of(&place, &good).unwrap();
    assert_eq!(place.rows(&["packages", "--asset", &good]).len(), 158);
}

#[test]
fn compressed_images_that_are_cut_short_or_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(sample::compressed()).unwrap();
    let bad = dir.path().join("cut.img.zst");
    fs::write(&bad, &whole[..whole.len() / 2]).unwrap();
    assert_refused(&bad, &["zst", "before it is complete"]);

    if host::lacks(&["gzip", "xz"]) {
        return;
    }
    let plain = dir.path().join("plain.img");
    fs::write(&plain, Dice::new(3).bytes(300_000)).unwrap();
    for (tool, suffix) in [("gzip", "gz"), ("xz", "xz")] {
        host::tool(tool, &["-k".as_ref(), plain.as_os_str()]);
        let packed = dir.path().join(format!("plain.img.{suffix}"));
        let whole = fs::read(&packed).unwrap();
        fs::write(&packed, &whole[..whole.len() - 100]).unwrap();
        assert_refused(&packed, &[suffix, "before it is complete"]);
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle..middle + 64].iter_mut().for_each(|byte| *byte = !*byte);
        fs::write(&packed, &flipped).unwrap();
        assert_refused(&packed, &[suffix, "damaged at byte"]);
    }
}

#[test]
fn random_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("random.img");
    fs::write(&bad, Dice::new(5).bytes(MIB as usize)).unwrap();
    let (gaps, place, _dir) = gaps_of(&bad);
    assert_gap(&gaps, "unsupported", &["no known filesystem"]);
    let asset = asset_of(&place, &bad).unwrap();
    assert_eq!(place.rows(&["files", "--asset", &asset]), Vec::<Value>::new());
}

#[test]
fn a_disk_that_is_cut_short() {
    let dir = tempfile::tempdir().unwrap();
    let bad = disk::copy(&sample::unpacked(dir.path()), "cut.img");
    // In the middle of the XFS volume: it and the NTFS volume are gone in part and in whole.
    let cut = 150 * MIB;
    File::options().write(true).open(&bad).unwrap().set_len(cut).unwrap();
    let (gaps, place, _dir) = gaps_of(&bad);
    assert!(gaps.iter().any(|gap| gap["volume"] == "p2"), "{gaps:#?}");
    let asset = asset_of(&place, &bad).unwrap();
    let root = place.rows(&["files", "--asset", &asset, "--volume", "p1"]);
    assert_eq!(root.len(), 444);
    assert!(root.iter().all(|row| row["type"] != "file" || row["sha256"].is_string()));
    let shown = place.asset(&asset);
    let states = |name: &str| {
        let volumes = shown["volumes"].as_array().unwrap();
        volumes.iter().find(|volume| volume["volume"] == name).map(|volume| volume["state"].clone())
    };
    assert_eq!(states("p1"), Some("clean".into()));
    // Its log is among what is gone.
    assert!([Some("partial".into()), Some("unreplayed".into())].contains(&states("p2")), "{shown}");
}

#[test]
fn a_partition_table_that_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let image = sample::unpacked(dir.path());
    let size = fs::metadata(&image).unwrap().len();
    // One header alone: the other is used, and it is said.
    let one = disk::copy(&image, "one.img");
    disk::flip(&one, 512 + 72);
    let (gaps, place, _dir) = gaps_of(&one);
    assert_gap(&gaps, "corrupt", &["GPT"]);
    let asset = asset_of(&place, &one).unwrap();
    assert_eq!(place.rows(&["packages", "--asset", &asset]).len(), 158);
    // Both: nothing says where the volumes are, and that is said too.
    let both = disk::copy(&image, "both.img");
    disk::flip(&both, 512 + 72);
    disk::flip(&both, size - 512 + 72);
    let (gaps, _, _dir) = gaps_of(&both);
    assert_gap(&gaps, "corrupt", &["GPT"]);
}

/// Headers are enough to recognise these.
#[test]
fn volumes_that_are_recognised_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let part = |name: &str, fill: &dyn Fn(&File)| -> PathBuf {
        let path = dir.path().join(name);
        let file = File::create(&path).unwrap();
        file.set_len(2 * MIB).unwrap();
        fill(&file);
        path
    };
    // LUKS2 on-disk format specification 1.0, 2.1: magic and version.
    let luks = part("luks", &|file| file.write_all_at(b"LUKS\xba\xbe\x00\x02", 0).unwrap());
    // util-linux, mkswap: the signature ends the first page; version 1 and the last page at 1024.
    let swap = part("swap", &|file| {
        file.write_all_at(&[1, 0, 0, 0, 255, 1, 0, 0], 1024).unwrap();
        file.write_all_at(b"SWAPSPACE2", 4086).unwrap();
    });
    let noise = part("noise", &|mut file| file.write_all(&Dice::new(9).bytes(MIB as usize)).unwrap());
    let bad = dir.path().join("disk.img");
    let starts = disk::with_mbr(&bad, &[(0x83, &luks), (0x82, &swap), (0x83, &noise)]);
    let (gaps, place, _dir) = gaps_of(&bad);
    assert_gap(&gaps, "encrypted", &["LUKS", "\"p1\""]);
    assert_gap(&gaps, "unsupported", &["\"p3\""]);
    assert!(gaps.iter().all(|gap| gap["volume"] != "p2"), "swap is not a gap: {gaps:#?}");
    let asset = asset_of(&place, &bad).unwrap();
    let rows = place.rows(&["coverage", "--asset", &asset]);
    for (start, class) in starts.iter().zip(["encrypted", "swap", "gap"]) {
        let row = rows.iter().find(|row| row["start"] == *start).unwrap();
        assert_eq!((row["class"].as_str(), row["length"].as_u64()), (Some(class), Some(2 * MIB)), "{row}");
    }
}

#[test]
fn wrong_usage() {
    let (place, _dir) = ask::store();
    place.run(&["scan"]).exits(2);
    place.run(&["scan", "a", "b", "--asset", "one"]).exits(2);
    place.run(&["scan", "a", "--io", "telepathy"]).exits(2);
    place.run(&["frobnicate"]).exits(2);
    place.run(&["logins", "--since", "yesterday-ish"]).exits(2);
    let Place::Store(dir) = &place else { unreachable!() };
    assert!(!dir.exists(), "wrong usage made a store");
}

/// A system on ext4 with a lastlog that claims a tebibyte, of which two blocks are there.
#[test]
fn a_lastlog_that_claims_a_terabyte() {
    const RECORD: u64 = 292;
    const TIB: u64 = 1 << 40;
    if host::lacks_mounts(&[]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("disk.img");
    disk::filled(&bad, "ext4", 32, |root| {
        disk::system(root, "riese");
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
        let lastlog = File::create(root.join("var/log/lastlog")).unwrap();
        let record = |time: u32, line: &str, host: &str| {
            let mut bytes = vec![0; RECORD as usize];
            bytes[..4].copy_from_slice(&time.to_le_bytes());
            bytes[4..4 + line.len()].copy_from_slice(line.as_bytes());
            bytes[36..36 + host.len()].copy_from_slice(host.as_bytes());
            bytes
        };
        lastlog.write_all_at(&record(1_700_000_000, "pts/0", "192.0.2.1"), 0).unwrap();
        let last = (TIB / RECORD - 1) * RECORD;
        lastlog.write_all_at(&record(1_700_000_060, "pts/1", "192.0.2.2"), last).unwrap();
        lastlog.set_len(last + RECORD).unwrap();
    });
    let (gaps, place, _dir) = gaps_of(&bad);
    assert_eq!(gaps.len(), 1, "{gaps:#?}");
    let asset = asset_of(&place, &bad).unwrap();
    let files = place.rows(&["files", "--asset", &asset]);
    let lastlog = files.iter().find(|row| row["path"] == "/var/log/lastlog").unwrap();
    assert_gap(&gaps, "sparse", &[&format!("\"inode\":{}", lastlog["inode"])]);
    let logins = place.rows(&["logins", "--asset", &asset]);
    let last: Vec<_> = logins.iter().filter(|row| row["source"] == "lastlog").collect();
    assert_eq!(last.len(), 2);
    assert_eq!((last[0]["from"].as_str(), last[1]["from"].as_str()), (Some("192.0.2.1"), Some("192.0.2.2")));
    for row in files.iter().filter(|row| row["type"] == "file") {
        assert_eq!(row["sha256"].is_string(), row["path"] != "/var/log/lastlog", "{row}");
    }
    assert_eq!(place.rows(&["packages", "--asset", &asset]).len(), 1);
}

/// A filled filesystem, what is said of it, and the image to be damaged.
struct Filled {
    image: PathBuf,
    rows: Vec<Value>,
    _dir: TempDir,
}

fn system_on(filesystem: &str) -> Filled {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    disk::filled(&image, filesystem, 48, |root| disk::system(root, "opfer"));
    let (place, _store) = ask::store();
    place.scan(&image, "disk", &[]).exits(0);
    Filled { image, rows: place.rows(&["files"]), _dir: dir }
}

impl Filled {
    fn inode(&self, path: &str) -> u64 {
        self.rows.iter().find(|row| row["path"] == path).unwrap()["inode"].as_u64().unwrap()
    }

    /// Scans the damaged image: exit 3, and every row but those of `lost` is as before. Gives the gaps.
    #[track_caller]
    fn damaged(&self, lost: impl Fn(&str) -> bool) -> Vec<Value> {
        let (gaps, place, _dir) = gaps_of(&self.image);
        let asset = asset_of(&place, &self.image).unwrap();
        let strip = |rows: &[Value]| -> Vec<Value> {
            let mut rows: Vec<Value> =
                rows.iter().filter(|row| !lost(row["path"].as_str().unwrap())).cloned().collect();
            for row in &mut rows {
                row.as_object_mut().unwrap().remove("snapshot");
                row.as_object_mut().unwrap().remove("asset");
            }
            rows
        };
        let rows = place.rows(&["files", "--asset", &asset]);
        let (want, got) = (strip(&self.rows), strip(&rows));
        let paths = |rows: &[Value]| texts(rows, "path").into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(paths(&got), paths(&want), "{gaps:#?}");
        assert!(want.len() > 50 && want.len() < self.rows.len() || got == want);
        assert_eq!(got, want);
        gaps
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.image).unwrap()
    }
}

/// Where `text` stands in one of these blocks of 4 KiB; journals and logs hold copies of such blocks elsewhere.
fn position(bytes: &[u8], blocks: impl Iterator<Item = usize>, text: &[u8]) -> u64 {
    let mut found = blocks.filter_map(|nth| {
        let block = bytes.get(nth * 4096..(nth + 1) * 4096)?;
        block.windows(text.len()).position(|window| window == text).map(|at| (nth * 4096 + at) as u64)
    });
    let first = found.next().unwrap();
    assert_eq!(found.next(), None, "it stands in two places");
    first
}

const VICTIM: &str = "/home/note-100";

#[test]
fn a_flipped_byte_in_an_inode_of_ext4() {
    if host::lacks_mounts(&["debugfs"]) {
        return;
    }
    let filled = system_on("ext4");
    let inode = filled.inode(VICTIM);
    // "Inode 112 is part of block group 0\n\tlocated at block 44, offset 0x0f00"
    let request = format!("imap <{inode}>");
    let place = host::tool("debugfs", &["-R".as_ref(), request.as_ref(), filled.image.as_os_str()]);
    let after = |word: &str| {
        let rest = &place[place.find(word).unwrap() + word.len()..];
        rest.split([',', '\n']).next().unwrap().trim().to_owned()
    };
    let block: u64 = after("at block").parse().unwrap();
    let offset = u64::from_str_radix(after("offset").trim_start_matches("0x"), 16).unwrap();
    // i_mtime at 16 (kernel documentation, ext4, "Inode Table"): the checksum tells.
    disk::flip(&filled.image, block * 4096 + offset + 16);
    let gaps = filled.damaged(|path| path == VICTIM);
    assert_gap(&gaps, "corrupt", &["inode", &format!("\"inode\":{inode}")]);
}

#[test]
fn a_flipped_byte_in_a_directory_of_ext4() {
    if host::lacks_mounts(&["debugfs"]) {
        return;
    }
    let filled = system_on("ext4");
    let words = ["-R", "blocks /home"].map(OsStr::new);
    let blocks = host::tool("debugfs", &[&words[..], &[filled.image.as_os_str()]].concat());
    let blocks = blocks.split_whitespace().map(|block| block.parse().unwrap());
    let at = position(&filled.bytes(), blocks, b"note-100");
    disk::flip(&filled.image, at);
    let gaps = filled.damaged(|path| path.starts_with("/home/"));
    assert_gap(&gaps, "corrupt", &[&format!("\"inode\":{}", filled.inode("/home"))]);
}

#[test]
fn a_flipped_byte_in_an_inode_of_xfs() {
    if host::lacks_mounts(&["mkfs.xfs"]) {
        return;
    }
    let filled = system_on("xfs");
    let inode = filled.inode(VICTIM);
    // "XFS Algorithms & Data Structures", 3rd edition, 11.1: di_magic at 0, di_mtime at 40, di_ino at 152.
    let bytes = filled.bytes();
    let core =
        |at: &usize| bytes[*at..].starts_with(b"IN") && bytes[at + 152..at + 160] == inode.to_be_bytes();
    let at = (0..bytes.len() - 512).step_by(512).find(core).unwrap();
    disk::flip(&filled.image, at as u64 + 40);
    let gaps = filled.damaged(|path| path == VICTIM);
    assert_gap(&gaps, "corrupt", &["inode", &format!("\"inode\":{inode}")]);
}

#[test]
fn a_flipped_byte_in_a_directory_of_xfs() {
    if host::lacks_mounts(&["mkfs.xfs"]) {
        return;
    }
    let filled = system_on("xfs");
    // The same book, 12.2: a directory of one or several blocks has XDB3 or XDD3 for its magic.
    let bytes = filled.bytes();
    let blocks = (0..bytes.len() / 4096).filter(|nth| bytes[nth * 4096..].starts_with(b"XD"));
    let at = position(&bytes, blocks, b"note-100");
    disk::flip(&filled.image, at);
    let gaps = filled.damaged(|path| path.starts_with("/home/"));
    assert_gap(&gaps, "corrupt", &[&format!("\"inode\":{}", filled.inode("/home"))]);
}

/// MFT records have no checksum; their fix-up array tells of a torn one.
#[test]
fn a_flipped_byte_in_a_record_of_the_mft() {
    if host::lacks_ntfs() {
        return;
    }
    let filled = system_on("ntfs");
    let inode = filled.inode(VICTIM);
    // "NTFS On-Disk Structures", FILE_RECORD_SEGMENT_HEADER: signature at 0, record number at 44.
    let bytes = filled.bytes();
    let record = |at: &usize| {
        let number = u32::from_le_bytes(bytes[at + 44..at + 48].try_into().unwrap());
        bytes[*at..].starts_with(b"FILE") && u64::from(number) == inode
    };
    let at = (0..bytes.len() - 1024).step_by(1024).find(record).unwrap();
    // The last two bytes of a sector repeat the update sequence number.
    disk::flip(&filled.image, at as u64 + 510);
    let gaps = filled.damaged(|path| path == VICTIM);
    assert_gap(&gaps, "corrupt", &[&format!("\"inode\":{inode}")]);
}

#[test]
fn filesystems_that_are_cut_short() {
    if host::lacks_mounts(&["mkfs.xfs"]) {
        return;
    }
    for filesystem in ["ext4", "xfs"] {
        let filled = system_on(filesystem);
        File::options().write(true).open(&filled.image).unwrap().set_len(20 * MIB).unwrap();
        let (gaps, place, _dir) = gaps_of(&filled.image);
        let asset = asset_of(&place, &filled.image).unwrap();
        let rows = place.rows(&["files", "--asset", &asset]);
        assert!(rows.iter().any(|row| row["path"] == "/"), "{filesystem}");
        assert!(gaps.iter().any(|gap| gap.to_string().contains("20971520")), "{filesystem}: {gaps:#?}");
        // Whatever lies past the end is unread, not missing.
        assert!(gaps.iter().any(|gap| gap["kind"] == "io" && gap["structure"] == "volume"), "{gaps:#?}");
        assert!(gaps.iter().all(|gap| gap["kind"] != "not-found"), "{filesystem}: {gaps:#?}");
    }
}

#[test]
fn two_sources_of_one_name_are_refused_before_anything_is_scanned() {
    let (place, dir) = ask::store();
    let [one, other] = ["a", "b"].map(|folder| {
        let folder = dir.path().join(folder);
        fs::create_dir(&folder).unwrap();
        let path = folder.join("disk.img");
        fs::write(&path, [7; 4096]).unwrap();
        path
    });
    let answer = place.run(&["scan".as_ref(), one.as_os_str(), other.as_os_str()]).exits(2);
    answer.says(&["--asset", "disk"]);
    place.run(&["scan", one.to_str().unwrap(), "--asset", "first"]).exits(3);
    place.run(&["scan", other.to_str().unwrap(), "--asset", "second"]).exits(3);
    assert_eq!(place.rows(&["assets"]).len(), 2);
}

//! What a mount shows, as the rows of `coldread files -o ndjson` would say it.

use rustix::{
    fs::{lgetxattr, llistxattr},
    io::Errno,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// The fields that a mount tells of. On NTFS it tells only of some, the others say what ntfs-3g makes up.
pub const FIELDS: [&str; 16] = [
    "type",
    "size",
    "mode",
    "uid",
    "gid",
    "nlink",
    "inode",
    "mtime",
    "ctime",
    "atime",
    "crtime",
    "target",
    "target_hex",
    "rdev",
    "xattrs",
    "sha256",
];

/// A row's path (in hex where it is not UTF-8) and stream.
pub type Key = (String, Option<String>);

/// Rows by key.
pub type Table = BTreeMap<Key, Value>;

/// Rows of `coldread files` by key; each may come only once.
#[track_caller]
pub fn table(rows: Vec<Value>) -> Table {
    let mut table = Table::new();
    for row in rows {
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        let key = (text("path_hex").or_else(|| text("path")).unwrap(), text("stream"));
        assert!(table.insert(key.clone(), row).is_none(), "{key:?} comes twice");
    }
    table
}

/// Everything below the mount's root, and the root.
#[track_caller]
pub fn listing(root: &Path, filesystem: &str) -> Table {
    try_listing(root, filesystem).unwrap_or_else(|error| panic!("{}: {error}", root.display()))
}

/// Like [`listing`], where a damaged filesystem may refuse to show something.
pub fn try_listing(root: &Path, filesystem: &str) -> io::Result<Table> {
    let mut rows = Vec::new();
    let mut folders = vec![root.to_owned()];
    push(root, root, filesystem, &mut rows)?;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if push(root, &path, filesystem, &mut rows)? {
                folders.push(path);
            }
        }
    }
    Ok(table(rows))
}

/// Adds a file's rows; whether it is a directory.
fn push(root: &Path, path: &Path, filesystem: &str, rows: &mut Vec<Value>) -> io::Result<bool> {
    let found = fs::symlink_metadata(path)?;
    let posix = filesystem != "ntfs";
    let below = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
    let mut name = Map::new();
    put_bytes(&mut name, "path", &[b"/", below].concat());
    let mut row = name.clone();
    let kind = kind(&found);
    row.insert("type".into(), kind.into());
    row.insert("inode".into(), found.ino().into());
    if matches!(kind, "file" | "symlink") {
        row.insert("size".into(), found.size().into());
    }
    row.insert("mtime".into(), stamp(found.mtime(), found.mtime_nsec()).into());
    let attributes = if kind == "symlink" && !posix { BTreeMap::new() } else { xattrs(path)? };
    if posix {
        put_posix(&mut row, path, kind, &found)?;
        if !attributes.is_empty() {
            let hex: Map<_, _> =
                attributes.iter().map(|(name, value)| (name.clone(), hex(value).into())).collect();
            row.insert("xattrs".into(), hex.into());
        }
    }
    if kind == "file" {
        row.insert("sha256".into(), hex(&Sha256::digest(fs::read(path)?)).into());
    }
    rows.push(row.into());
    for (stream, value) in attributes.iter().filter(|_| !posix && kind == "file") {
        let Some(stream) = stream.strip_prefix("user.") else { continue };
        let mut row = name.clone();
        row.insert("stream".into(), stream.into());
        row.insert("type".into(), "file".into());
        row.insert("inode".into(), found.ino().into());
        row.insert("size".into(), value.len().into());
        row.insert("sha256".into(), hex(&Sha256::digest(value)).into());
        rows.push(row.into());
    }
    Ok(kind == "dir")
}

/// What only the kernel's own filesystems tell truly.
fn put_posix(row: &mut Map<String, Value>, path: &Path, kind: &str, found: &Metadata) -> io::Result<()> {
    row.insert("mode".into(), (found.mode() & 0o7777).into());
    row.insert("uid".into(), found.uid().into());
    row.insert("gid".into(), found.gid().into());
    row.insert("nlink".into(), found.nlink().into());
    row.insert("ctime".into(), stamp(found.ctime(), found.ctime_nsec()).into());
    row.insert("atime".into(), stamp(found.atime(), found.atime_nsec()).into());
    if let Ok(born) = found.created() {
        row.insert("crtime".into(), system_time(born).into());
    }
    if matches!(kind, "char" | "block") {
        let device = found.rdev();
        row.insert("rdev".into(), json!([rustix::fs::major(device), rustix::fs::minor(device)]));
    }
    if kind == "symlink" {
        put_bytes(row, "target", fs::read_link(path)?.as_os_str().as_bytes());
    }
    Ok(())
}

/// Text, with all bytes in hex beside it where they are not UTF-8.
fn put_bytes(row: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    row.insert(name.into(), String::from_utf8_lossy(bytes).into());
    if std::str::from_utf8(bytes).is_err() {
        row.insert(format!("{name}_hex"), hex(bytes).into());
    }
}

fn kind(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    match () {
        () if kind.is_file() => "file",
        () if kind.is_dir() => "dir",
        () if kind.is_symlink() => "symlink",
        () if kind.is_char_device() => "char",
        () if kind.is_block_device() => "block",
        () if kind.is_fifo() => "fifo",
        () => "socket",
    }
}

/// Extended attributes; none where the filesystem has none.
fn xattrs(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut names = vec![0; 64 << 10];
    let len = match llistxattr(path, &mut names[..]) {
        Ok(len) => len,
        Err(Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut all = BTreeMap::new();
    for name in names[..len].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 64 << 10];
        let len = lgetxattr(path, name, &mut value[..])?;
        value.truncate(len);
        all.insert(String::from_utf8(name.to_vec()).unwrap(), value);
    }
    Ok(all)
}

/// Lowercase hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A time of the system clock as rows show it.
pub fn system_time(time: SystemTime) -> String {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => stamp(since.as_secs() as i64, since.subsec_nanos().into()),
        Err(before) => {
            let nanos = before.duration().as_nanos() as i128;
            stamp((-nanos).div_euclid(1_000_000_000) as i64, (-nanos).rem_euclid(1_000_000_000) as i64)
        }
    }
}

/// RFC 3339, UTC, nine digits of a second.
///
/// Source of the calendar: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub fn stamp(seconds: i64, nanos: i64) -> String {
    let (day, rest) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// How rows disagree with what the kernel shows: missing, extra, and fields that differ, in words. With `both`,
/// fields that the kernel does not have must be absent too.
pub fn disagreements(got: &Table, want: &Table, both: bool) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(want.keys().filter(|key| !got.contains_key(*key)).map(|key| format!("missing {key:?}")));
    found.extend(got.keys().filter(|key| !want.contains_key(*key)).map(|key| format!("extra {key:?}")));
    for (key, want) in want {
        let Some(got) = got.get(key) else { continue };
        for field in FIELDS {
            let (want, got) = (want.get(field), got.get(field));
            if want != got && (both || want.is_some()) {
                found.push(format!("{key:?} {field}: kernel {want:?}, coldread {got:?}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_before_and_after_the_epoch() {
        assert_eq!(stamp(0, 5), "1970-01-01T00:00:00.000000005Z");
        assert_eq!(stamp(-1, 999_999_999), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(stamp(951_782_400, 0), "2000-02-29T00:00:00.000000000Z");
        assert_eq!(stamp(4_294_967_303, 0), "2106-02-07T06:28:23.000000000Z");
    }

    #[test]
    fn each_way_to_disagree_is_told() {
        let row = |path: &str, size: u64| json!({"path": path, "type": "file", "size": size});
        let want = table(vec![row("/a", 1), row("/b", 2)]);
        assert_eq!(disagreements(&want, &want, true), Vec::<String>::new());
        let got = table(vec![row("/a", 3), row("/c", 2)]);
        let said = disagreements(&got, &want, true).join("\n");
        for word in
            ["missing (\"/b\"", "extra (\"/c\"", "size: kernel Some(Number(1)), coldread Some(Number(3))"]
        {
            assert!(said.contains(word), "{said}");
        }
        let more = table(vec![json!({"path": "/a", "type": "file", "size": 1, "mode": 7}), row("/b", 2)]);
        assert_eq!(disagreements(&more, &want, false), Vec::<String>::new());
        assert_eq!(disagreements(&more, &want, true).len(), 1);
    }
}

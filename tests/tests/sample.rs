//! The sample disk, from image to every answer: what its recipe says it holds is what is found.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, fs, sync::OnceLock};
use tempfile::TempDir;
use tests::{
    ask::{self, Place, assert_adds_up, assert_same, texts},
    disk,
    host::{self, Mounted},
    sample,
    truth::{self, hex},
};

/// The store that most tests ask, scanned once from the compressed image.
fn scanned() -> &'static Place {
    static STORE: OnceLock<(Place, TempDir)> = OnceLock::new();
    let (place, _) = STORE.get_or_init(|| {
        let (place, dir) = ask::store();
        place.scan(&sample::compressed(), "speicher", &[]).exits(0);
        (place, dir)
    });
    place
}

fn count(rows: &[Value], fields: &[(&str, &str)]) -> u64 {
    rows.iter().filter(|row| fields.iter().all(|(name, value)| row[*name] == *value)).count() as u64
}

#[test]
fn the_asset_is_the_system_of_the_recipe() {
    let expected = sample::expected();
    let rows = scanned().rows(&["assets"]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["asset"], "speicher");
    assert_eq!(rows[0]["hostname"], expected["system"]["hostname"]);
    assert_eq!(rows[0]["size"], expected["size_bytes"]);
    assert_eq!(rows[0]["packages"], expected["packages"]["installed"]);
    assert_eq!(rows[0]["gaps"], 0);
    let supported = |day: &str| scanned().rows(&["assets", "--at", day])[0]["end_of_life"]["state"].clone();
    assert_eq!((supported("2025-11-05"), supported("2040-01-01")), ("supported".into(), "eol".into()));
    let shown = scanned().asset("speicher");
    let text = shown.to_string();
    for name in ["codename", "id", "timezone", "version_id"] {
        let value = expected["system"][name].as_str().unwrap();
        assert!(text.contains(&format!("\"{name}\":\"{value}\"")), "{name} {value}: {text}");
    }
    let volumes = shown["volumes"].as_array().unwrap();
    assert_eq!(volumes.len(), 3);
    for (volume, expected) in volumes.iter().zip(expected["volumes"].as_array().unwrap()) {
        let name = volume["volume"].as_str().or(volume["name"].as_str());
        assert_eq!(name, expected["name"].as_str());
        for field in ["content", "label", "mount", "state", "uuid"] {
            assert_eq!(volume[field], expected[field], "{name:?} {field}");
        }
    }
}

/// What the README shows of a scan is what it says.
#[test]
fn the_readme_shows_what_a_scan_says() {
    let (place, _dir) = ask::store();
    let readme = fs::read_to_string(tests::program::workspace().join("README.md")).unwrap();
    let scan = place.run(&["scan".as_ref(), sample::compressed().as_os_str()]).exits(0);
    // But for the snapshot's id, which is that of all that was found.
    for line in scan.text().lines().skip(1) {
        assert!(readme.lines().any(|shown| shown == line), "README does not show: {line}");
    }
    let summary = place.run(&["logins", "summary"]).exits(0);
    for line in summary.text().lines().take(5).chain(summary.text().lines().last()) {
        assert!(readme.lines().any(|shown| shown == line), "README does not show: {line}");
    }
}

#[test]
fn every_name_is_listed_where_its_machine_would_see_it() {
    for expected in sample::expected()["volumes"].as_array().unwrap() {
        let name = expected["name"].as_str().unwrap();
        let rows = scanned().rows(&["files", "--volume", name]);
        let streams = rows.iter().filter(|row| row.get("stream").is_some()).count() as u64;
        assert_eq!(Some(streams), expected["streams"].as_u64(), "{name}");
        assert_eq!(Some(rows.len() as u64 - streams), expected["names"].as_u64(), "{name}");
        let kind =
            |kind| rows.iter().filter(|row| row.get("stream").is_none() && row["type"] == kind).count();
        assert_eq!(Some(kind("file") as u64), expected["files"].as_u64(), "{name}");
        assert_eq!(Some(kind("dir") as u64), expected["dirs"].as_u64(), "{name}");
        assert_eq!(Some(kind("symlink") as u64), expected["symlinks"].as_u64(), "{name}");
        assert_eq!(rows[0]["path"], "/", "the root of {name} is not its first row");
        assert!(rows.iter().all(|row| row["mount"] == expected["mount"]), "{name}");
        assert!(rows.iter().all(|row| row["asset"] == "speicher" && row["volume"] == name));
    }
}

#[test]
fn rows_are_in_order_of_volume_parent_name_and_stream() {
    let rows = scanned().rows(&["files"]);
    let key = |row: &Value| {
        let path = row["path"].as_str().unwrap();
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = if path == "/" { String::new() } else { format!("/{}", parent.trim_start_matches('/')) };
        let stream = row["stream"].as_str().unwrap_or_default().to_owned();
        (row["volume"].as_str().unwrap().to_owned(), parent, name.to_owned(), stream)
    };
    let keys: Vec<_> = rows.iter().map(key).collect();
    for pair in keys.windows(2) {
        assert!(pair[0] < pair[1], "{:?} before {:?}", pair[0], pair[1]);
    }
}

#[test]
fn digests_are_those_of_the_recipe_and_every_file_has_one() {
    let rows = scanned().rows(&["files"]);
    for expected in sample::expected()["files"].as_array().unwrap() {
        let found: Vec<_> = rows
            .iter()
            .filter(|row| ["volume", "path", "stream"].iter().all(|name| row.get(name) == expected.get(name)))
            .collect();
        assert_eq!(found.len(), 1, "{expected}");
        assert_eq!(found[0]["sha256"], expected["sha256"], "{expected}");
        assert_eq!(found[0]["size"], expected["size"], "{expected}");
    }
    for row in rows {
        assert_eq!(row["type"] == "file", row["sha256"].is_string(), "{row}");
    }
}

#[test]
fn what_a_file_is_beside_its_bytes_is_told() {
    let row = |path: &str| {
        let rows = scanned().rows(&["files", "--volume", "p1", "--path", path]);
        assert_eq!(rows.len(), 1, "{path}");
        rows.into_iter().next().unwrap()
    };
    // Nor is what no asset has an empty answer.
    for (words, noun) in [
        (&["gaps"][..], "gaps"),
        (&["packages"], "packages"),
        (&["coverage", "-o", "csv"], "ranges"),
        (&["logins", "summary"], "users"),
    ] {
        let none = scanned().run(&[words, &["--asset", "nothing-like-*"]].concat()).exits(0);
        let _ = none.says(&[&format!("no {noun}"), "no asset's name matches"]);
    }
    let none = scanned().run(&["cat", "speicher", "/etc/passwd", "--stream", "nope"]).exits(1);
    let _ = none.says(&["/etc/passwd has no stream nope"]);
    // That no disk has such a volume is no empty answer.
    let missing = scanned().run(&["files", "--volume", "p9"]).exits(1);
    missing.says(&["no volume \"p9\"", "coldread asset show"]);
    let link = row("/etc/os-release");
    assert_eq!(
        (link["type"].as_str(), link["target"].as_str()),
        (Some("symlink"), Some("../usr/lib/os-release"))
    );
    assert_eq!(link["size"], "../usr/lib/os-release".len());
    let all = scanned().rows(&["files", "--volume", "p1"]);
    let kinds: BTreeSet<_> = texts(&all, "type").into_iter().collect();
    for kind in ["file", "dir", "symlink", "fifo"] {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
    let devices = all.iter().filter(|row| row["type"] == "char" || row["type"] == "block");
    assert_eq!(devices.filter(|row| row["rdev"].as_array().is_some_and(|rdev| rdev.len() == 2)).count(), 2);
    let setuid =
        |row: &&Value| row["type"] == "file" && row["mode"].as_u64().is_some_and(|mode| mode & 0o4000 != 0);
    let setuid: Vec<_> = all.iter().filter(setuid).map(|row| row["path"].as_str().unwrap()).collect();
    assert_eq!(setuid, ["/usr/bin/passwd", "/usr/bin/sudo"]);
    let capable = |row: &&Value| row["xattrs"]["security.capability"].is_string();
    assert_eq!(all.iter().filter(capable).count(), 1);
    assert!(all.iter().any(|row| row["type"] == "file" && row["nlink"] == 2));
}

/// dpkg's database lies on the XFS volume that fstab mounts at /var by UUID.
#[test]
fn packages_are_found_on_the_joined_volume() {
    let expected = &sample::expected()["packages"];
    let rows = scanned().rows(&["packages"]);
    assert_eq!(Some(rows.len() as u64), expected["installed"].as_u64());
    let all = scanned().rows(&["packages", "--all"]);
    assert_eq!(Some(all.len() as u64), expected["all"].as_u64());
    assert_eq!(count(&all, &[("state", "installed")]), rows.len() as u64);
    assert_eq!(count(&all, &[("state", "config-files")]), 2);
    assert_eq!(count(&all, &[("state", "half-configured")]), 1);
    for some in expected["some"].as_array().unwrap() {
        let found: Vec<_> = rows.iter().filter(|row| row["name"] == some["name"]).collect();
        assert_eq!(found.len(), 1, "{some}");
        for field in ["name", "version", "arch"] {
            assert_eq!(found[0][field], some[field], "{some}");
        }
        assert!(found[0]["purl"].as_str().unwrap().starts_with("pkg:deb/debian/"), "{}", found[0]);
        assert_eq!(found[0]["root"], "/");
        assert_eq!(found[0]["origin"]["volume"], "p2");
        assert_eq!(found[0]["origin"]["path"], "/var/lib/dpkg/status");
    }
    assert!(rows.iter().all(|row| row["type"] == expected["type"]));
}

#[test]
fn packages_are_chosen_by_name_type_and_asset() {
    let all = scanned().rows(&["packages"]);
    let by = |words: &[&str]| scanned().rows(&[&["packages"], words].concat());
    let chosen = by(&["--name", "openssh*"]);
    assert!(chosen.len() >= 2 && texts(&chosen, "name").iter().all(|name| name.starts_with("openssh")));
    assert_eq!(chosen.len(), texts(&all, "name").iter().filter(|name| name.starts_with("openssh")).count());
    assert_eq!(by(&["--name", "libc6"]).len(), 1);
    assert_eq!(by(&["--name", "nothing-like-this"]).len(), 0);
    assert_eq!(by(&["--type", "deb"]).len(), all.len());
    assert_eq!(by(&["--type", "rpm"]).len(), 0);
    assert_eq!(by(&["--asset", "spei*"]).len(), all.len());
    assert_eq!(by(&["--asset", "other*"]).len(), 0);
}

#[test]
fn logins_are_those_of_the_recipe() {
    let expected = &sample::expected()["logins"];
    let rows = scanned().rows(&["logins", "--all"]);
    let by = |fields: &[(&str, &str)]| Some(count(&rows, fields));
    let auth = ("source", "authlog");
    let log = &expected["authlog"];
    assert_eq!(by(&[auth, ("kind", "login")]), log["accepted"].as_u64());
    assert_eq!(by(&[auth, ("kind", "login"), ("method", "password")]), log["accepted_password"].as_u64());
    assert_eq!(by(&[("kind", "failed")]), log["failed"].as_u64());
    assert_eq!(by(&[auth, ("kind", "failed"), ("user", "root")]), log["failed_root"].as_u64());
    assert_eq!(by(&[auth, ("kind", "privilege"), ("method", "sudo")]), log["sudo_commands"].as_u64());
    for kind in ["login", "logout", "boot", "shutdown"] {
        assert_eq!(told_by(&rows, "wtmp", kind).len() as u64, expected["wtmp"][kind], "{kind}");
    }
    assert_eq!(told_by(&rows, "btmp", "failed").len() as u64, expected["btmp"]["failed"]);
    assert_eq!(told_by(&rows, "lastlog", "login").len() as u64, expected["lastlog"]);
    // Logs and records tell of the same logins: each is one row, with its end and all its evidence.
    assert_eq!(by(&[("kind", "login")]), log["accepted"].as_u64());
    assert_eq!(by(&[("kind", "login"), ("ended", "logout")]), log["accepted"].as_u64());
    assert_eq!(by(&[("kind", "logout")]), expected["wtmp"]["logout"].as_u64());
    let lines = rows.iter().filter(|row| row["source"] == "authlog");
    let origins: BTreeSet<_> = lines.map(|row| row["origin"].as_str().unwrap()).collect();
    assert_eq!(
        origins,
        BTreeSet::from(["/var/log/auth.log", "/var/log/auth.log.1", "/var/log/auth.log.2.gz"])
    );
}

/// Old lines are in Berlin's time without saying so, newer ones say their zone.
#[test]
fn times_without_a_zone_are_read_in_the_disks_own() {
    let expected = &sample::expected()["logins"]["authlog"];
    let rows = scanned().rows(&["logins", "--failed"]);
    let rows: Vec<_> = rows.into_iter().filter(|row| row["source"] == "authlog").collect();
    for field in ["from", "time", "user"] {
        assert_eq!(rows[0][field], expected["first_failed"][field]);
    }
    assert_eq!(rows[0]["zone"], "disk");
    assert_eq!(rows.last().unwrap()["zone"], "log");
    let ambiguous: Vec<_> = rows.iter().filter(|row| row["ambiguous"] == true).collect();
    assert_eq!(Some(ambiguous.len() as u64), expected["failed_in_an_hour_that_exists_twice"].as_u64());
    assert_eq!(ambiguous[0]["time"], "2025-10-26T00:17:09.000000000Z");
    let times = texts(&rows, "time");
    assert!(times.is_sorted(), "events are not in order of time");
    // btmp counts from an epoch and auth.log is in local time: both tell of the same attempts.
    let later = scanned().rows(&["logins", "--failed", "--since", "2025-10-31T23:00:00Z"]);
    assert_eq!(later.len(), 48);
    assert!(later.iter().all(|row| row["source"] == "authlog"));
    assert_eq!(told_by(&later, "btmp", "failed").len(), 48);
}

/// Rows of a kind that a source tells of, alone or beside others.
fn told_by<'a>(rows: &'a [Value], source: &str, kind: &str) -> Vec<&'a Value> {
    let evidence = |row: &Value| row["evidence"].as_array().cloned().unwrap_or_default();
    let tells =
        |row: &Value| row["source"] == source || evidence(row).iter().any(|one| one["source"] == source);
    rows.iter().filter(|row| row["kind"] == kind && tells(row)).collect()
}

#[test]
fn logins_are_chosen_by_kind_user_and_time() {
    let by = |words: &[&str]| scanned().rows(&[&["logins"], words].concat());
    let failed = by(&["--failed"]);
    assert_eq!(failed.len(), 166);
    assert!(failed.iter().all(|row| row["kind"] == "failed"));
    let root = by(&["--failed", "--user", "root"]);
    assert_eq!(root.len(), failed.iter().filter(|row| row["user"] == "root").count());
    assert!(root.len() >= 48);
    let people = by(&["--user", "[ab]*"]);
    assert!(texts(&people, "user").iter().all(|user| user.starts_with(['a', 'b'])) && !people.is_empty());
    let all = by(&[]);
    let since = "2025-11-01T00:00:00Z";
    let later = by(&["--since", since]);
    let expected = texts(&all, "time").iter().filter(|time| **time >= since).count();
    assert!(expected > 0 && expected < all.len());
    assert_eq!(later.len(), expected);
    assert_eq!(by(&["--since", since, "--until", since]).len(), 0);
}

#[test]
fn files_are_chosen_by_path() {
    let by = |words: &[&str]| scanned().rows(&[&["files"], words].concat());
    let all = by(&[]);
    let etc = by(&["--path", "/etc/*"]);
    let inside =
        |path: &str| path.strip_prefix("/etc/").is_some_and(|rest| !rest.is_empty() && !rest.contains('/'));
    assert_eq!(
        texts(&etc, "path"),
        texts(&all, "path").into_iter().filter(|path| inside(path)).collect::<Vec<_>>()
    );
    assert!(etc.len() > 5);
    let deep = by(&["--path", "/etc/**"]);
    let below = texts(&all, "path").iter().filter(|path| path.starts_with("/etc/")).count();
    assert!(deep.len() > etc.len() && (below..=below + 1).contains(&deep.len()), "{} {below}", deep.len());
    assert_eq!(by(&["--path", "**/wtmp"]).len(), 1);
    assert_eq!(by(&["--path", "/nothing/*"]).len(), 0);
    let everything = by(&["--all"]);
    let internal: Vec<_> = everything.iter().filter(|row| row["internal"] == true).collect();
    assert!(internal.iter().any(|row| row["path"] == "/$MFT" && row["volume"] == "p3"), "no /$MFT");
    assert_eq!(everything.len() - internal.len(), all.len());
}

#[test]
fn every_byte_is_accounted_for() {
    let size = sample::expected()["size_bytes"].as_u64().unwrap();
    let rows = scanned().rows(&["coverage"]);
    let classes = assert_adds_up(&rows, size);
    for class in ["metadata", "data-read", "free", "partition-table"] {
        assert!(classes.contains_key(class), "{classes:?}");
    }
    for class in ["damaged", "unsupported", "encrypted"] {
        assert!(!classes.contains_key(class), "{classes:?}");
    }
    let volumes: BTreeSet<_> =
        texts(&rows, "volume").into_iter().filter(|volume| !volume.is_empty()).collect();
    assert_eq!(volumes, BTreeSet::from(["p1", "p2", "p3"]));
    assert_eq!(scanned().rows(&["gaps"]), Vec::<Value>::new());
}

#[test]
fn a_second_scan_says_the_same_to_the_byte() {
    let (again, _dir) = ask::store();
    again.scan(&sample::compressed(), "speicher", &[]).exits(0);
    assert_same(&again.everything(), &scanned().everything());
    let snapshots = |place: &Place| place.rows(&["snapshots", "speicher"])[0]["snapshot"].clone();
    assert_eq!(snapshots(&again), snapshots(scanned()));
    // The same disk once more in the same store is the same snapshot, and adds no rows.
    again.scan(&sample::compressed(), "speicher", &[]).exits(0);
    assert_same(&again.everything(), &scanned().everything());
    let ids: BTreeSet<_> =
        again.rows(&["snapshots", "speicher"]).into_iter().map(|row| row["snapshot"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(again.rows(&["snapshots", "speicher"]).len(), 1, "equal results are one snapshot");
}

#[test]
fn another_disk_in_its_place_is_not_read() {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().unwrap();
    let image = sample::unpacked(dir.path());
    let (place, _dir) = ask::store();
    place.scan(&image, "speicher", &["--content", "none"]).exits(0);
    place.run(&["cat", "speicher", "/etc/hostname"]).exits(0);
    let rows = place.rows(&["coverage"]);
    let starts = rows.iter().filter(|row| row["volume"] == "p1").map(|row| row["start"].as_u64().unwrap());
    // The superblock's count of mounts, which every mount changes (ext4's superblock, s_mnt_count).
    let at = starts.min().unwrap() + 1024 + 0x34;
    std::fs::File::options().write(true).open(&image).unwrap().write_all_at(&[0x55], at).unwrap();
    place.run(&["cat", "speicher", "/etc/hostname"]).exits(1).says(&["scan it again"]);
}

#[test]
fn every_reader_finds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let image = sample::unpacked(dir.path());
    let mut first = None;
    for io in ["pread", "mmap", "uring", "auto"] {
        let (place, _dir) = ask::store();
        let answer = place.scan(&image, "speicher", &["--io", io]);
        if io == "uring"
            && answer.status.code() == Some(1)
            && answer.stderr.contains("--io uring is not possible")
        {
            println!("skipped: --io uring: {}", answer.stderr.trim());
            continue;
        }
        answer.exits(0);
        let all = place.everything();
        assert_same(first.get_or_insert_with(|| all.clone()), &all);
    }
}

#[test]
fn without_content_all_but_the_digests_is_there() {
    let (place, _dir) = ask::store();
    place.scan(&sample::compressed(), "speicher", &["--content", "none"]).exits(0);
    let strip = |mut rows: Vec<Value>| {
        for row in &mut rows {
            row.as_object_mut().unwrap().remove("sha256");
            row.as_object_mut().unwrap().remove("snapshot");
        }
        rows
    };
    let rows = place.rows(&["files"]);
    assert!(rows.iter().all(|row| row.get("sha256").is_none()));
    assert_eq!(strip(rows), strip(scanned().rows(&["files"])));
    let findings =
        |place: &Place| (strip_origin(place.rows(&["packages", "--all"])), place.rows(&["logins", "--all"]));
    assert_eq!(findings(&place), findings(scanned()));
    let classes =
        assert_adds_up(&place.rows(&["coverage"]), sample::expected()["size_bytes"].as_u64().unwrap());
    assert!(classes.contains_key("data-unread"), "{classes:?}");
}

/// Without the snapshot's id, which is that of all that was found.
fn without_snapshot(mut rows: Vec<Value>) -> Vec<Value> {
    for row in &mut rows {
        row.as_object_mut().unwrap().remove("snapshot");
    }
    rows
}

/// Without a package's origin's digest, which is known only where contents were hashed.
fn strip_origin(mut rows: Vec<Value>) -> Vec<Value> {
    for row in &mut rows {
        row["origin"].as_object_mut().unwrap().remove("sha256");
    }
    rows
}

#[test]
fn bytes_of_files_come_back_from_the_source() {
    let cat = |words: &[&str]| scanned().run(&[&["cat", "speicher"], words].concat());
    for expected in sample::expected()["files"].as_array().unwrap() {
        let field = |name: &str| expected[name].as_str().unwrap_or_default();
        let words = [field("path"), "--volume", field("volume"), "--stream", field("stream")];
        let answer = cat(if field("stream").is_empty() { &words[..3] } else { &words }).exits(0);
        assert_eq!(hex(&Sha256::digest(&answer.stdout)), field("sha256"), "{expected}");
    }
    // In the tree of the machine, through a link and across a mount point.
    let joined = cat(&["/var/lib/dpkg/status"]).exits(0);
    assert_eq!(joined.stdout, cat(&["/lib/dpkg/status", "--volume", "p2"]).exits(0).stdout);
    assert!(cat(&["/etc/os-release"]).exits(0).text().contains("VERSION_CODENAME=bookworm"));
    assert_eq!(cat(&["/../../etc/hostname"]).exits(0).text().trim(), "speicher");
    cat(&["/etc/nothing"]).exits(1).says(&["/etc/nothing"]);
    scanned().run(&["cat", "nobody", "/etc/hostname"]).exits(1).says(&["nobody"]);
    cat(&["/etc"]).exits(1).says(&["/etc"]);
}

#[test]
fn patterns_that_make_no_sense_are_wrong_usage() {
    for question in [["packages", "--name", "["], ["files", "--path", "/etc/["], ["assets", "--asset", "{a"]]
    {
        scanned().run(&question).exits(2).says(&["pattern", "next:", "[[]"]);
    }
    scanned().run(&["packages", "--snapshot", "xyz"]).exits(2).says(&["hex digits"]);
    scanned().run(&["assets", "--at", "tomorrow"]).exits(2).says(&["2027-01-01"]);
}

#[test]
fn files_are_extracted_with_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("out");
    let words = ["extract", "speicher", "/var/log/auth.log", "/etc/hostname", "--to", to.to_str().unwrap()];
    scanned().run(&words).exits(0);
    let mut found = Vec::new();
    let mut folders = vec![to];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.file_name().unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert_eq!(
        found.iter().map(|(name, _)| name.to_str().unwrap()).collect::<Vec<_>>(),
        ["auth.log", "hostname"]
    );
    assert_eq!(
        hex(&Sha256::digest(&found[0].1)),
        "0891202bab62fed14a34b7eb010450b98b0e17047e6e4b0d316486385197c053"
    );
    assert_eq!(found[1].1.trim_ascii(), b"speicher");
}

#[test]
fn every_format_tells_the_same_rows() {
    for line in ask::QUESTIONS.into_iter().filter(|line| *line != "gaps") {
        let words: Vec<&str> = line.split(' ').collect();
        let ask = |format| scanned().run(&[&words[..], &["-o", format]].concat()).exits(0);
        let rows = scanned().rows(&words);
        let json = ask("json");
        assert_eq!(serde_json::from_str::<Vec<Value>>(json.text()).unwrap(), rows, "{line}");
        let csv = ask("csv");
        let mut reader = csv::Reader::from_reader(&csv.stdout[..]);
        let names = reader.headers().unwrap().clone();
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), rows.len(), "{line}");
        for (record, row) in records.iter().zip(&rows) {
            for (name, field) in names.iter().zip(record) {
                let expected = match &row[name] {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let same = expected == field
                    || serde_json::from_str::<Value>(field).is_ok_and(|value| value == row[name]);
                assert!(same, "{line} {name}: json {expected}, csv {field}");
            }
        }
        // Below its table the summary says since when.
        for format in ["table", "wide"].into_iter().filter(|_| line != "logins summary") {
            let lines = ask(format).text().lines().count();
            assert_eq!(lines, if rows.is_empty() { 0 } else { rows.len() + 2 }, "{line} {format}");
        }
    }
    assert_eq!(scanned().run(&["gaps", "-o", "json"]).exits(0).text().trim(), "[]");
}

/// A bare filesystem of the sample, mounted, shows what was listed of it within the disk.
#[test]
fn the_kernel_shows_the_same_of_each_volume() {
    if host::lacks_mounts(&[]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let image = sample::unpacked(dir.path());
    let rows = scanned().rows(&["coverage"]);
    for (name, filesystem) in [("p1", "ext4"), ("p2", "xfs"), ("p3", "ntfs")] {
        if filesystem == "ntfs" && host::lacks_ntfs() {
            continue;
        }
        let mut of = rows.iter().filter(|row| row["volume"] == name);
        let start = of.next().unwrap()["start"].as_u64().unwrap();
        let len: u64 =
            rows.iter().filter(|row| row["volume"] == name).map(|row| row["length"].as_u64().unwrap()).sum();
        let volume = disk::cut(&image, start, len, &dir.path().join(name));
        let mounted = Mounted::new(&volume, filesystem, "ro");
        let want = truth::listing(mounted.path(), filesystem);
        let got = truth::table(scanned().rows(&["files", "--volume", name]));
        let found = truth::disagreements(&got, &want, filesystem != "ntfs");
        assert_eq!(found, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_scan_for_packages_and_logins_alone_finds_the_same_and_reads_little() {
    let (place, _dir) = ask::store();
    place.scan(&sample::compressed(), "speicher", &["--only", "packages,logins"]).exits(0);
    for words in [&["packages", "--all"][..], &["logins"]] {
        assert_eq!(without_snapshot(place.rows(words)), without_snapshot(scanned().rows(words)), "{words:?}");
    }
    assert!(place.rows(&["files"]).is_empty(), "files were not asked for");
    assert_eq!(place.rows(&["gaps"]), Vec::<Value>::new());
    let snapshots = place.rows(&["snapshots"]);
    assert_eq!(snapshots[0]["only"], "packages,logins");
    assert!(scanned().rows(&["snapshots"])[0].get("only").is_none());
    let coverage = place.rows(&["coverage"]);
    assert_adds_up(&coverage, sample::expected()["size_bytes"].as_u64().unwrap());
    let bytes = |class: &str, detail: &str, volume: &str| -> u64 {
        let fits = |row: &&Value| {
            row["class"] == class && row["volume"] == volume && (detail.is_empty() || row["detail"] == detail)
        };
        coverage.iter().filter(fits).map(|row| row["length"].as_u64().unwrap()).sum()
    };
    for volume in ["p1", "p2", "p3"] {
        assert!(bytes("metadata", "", volume) < 300 << 10, "{volume}");
        assert!(bytes("data-unread", "not asked for", volume) > 24 << 20, "{volume}");
        // The share on NTFS has no packages and no logins.
        assert_eq!(bytes("data-read", "", volume) > 0, volume != "p3", "{volume}");
    }
}

//! What a system is and which kernel it starts, as `asset show` and `assets` tell it.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::path::Path;
use tests::{ask, disk, hive::Key, host};

/// A disk with these files, scanned as `disk`; what is told of its system.
fn system(files: &[(&str, &[u8])]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let (folder, image) = (dir.path().join("tree"), dir.path().join("disk.img"));
    disk::put(&folder, files);
    disk::of_folder(&image, &folder, 8);
    let (place, _store) = ask::store();
    place.scan(&image, "disk", &["--content", "none"]).exits(0);
    place.asset("disk")["system"].clone()
}

/// Release, path and whether it is the default of each kernel.
fn kernels(system: &Value) -> Vec<(&str, &str, bool)> {
    let rows = system["kernels"].as_array().unwrap().iter();
    rows.map(|row| (row["release"].as_str().unwrap(), row["path"].as_str().unwrap(), row["default"] == true))
        .collect()
}

/// systemd-boot takes the newest entry that fits; the image alone tells nothing of that.
#[test]
fn the_entry_that_the_loader_chooses_is_the_default() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let entry = |release: &str| format!("title Debian\nversion {release}\nlinux /vmlinuz-{release}\n");
    let (old, new) = (entry("6.9.1"), entry("6.10.2"));
    let told = system(&[
        ("boot/vmlinuz-6.9.1", b"no header: the name has the release"),
        ("boot/vmlinuz-6.10.2", b"the same"),
        ("boot/loader/entries/debian-6.9.1.conf", old.as_bytes()),
        ("boot/loader/entries/debian-6.10.2.conf", new.as_bytes()),
        ("boot/loader/loader.conf", b"timeout 3\ndefault debian-*\n"),
    ]);
    assert_eq!(told["boot_entry"], "debian-*");
    assert_eq!(
        kernels(&told),
        [("6.10.2", "/boot/vmlinuz-6.10.2", true), ("6.9.1", "/boot/vmlinuz-6.9.1", false)]
    );
    assert_eq!(told["kernels"][1]["entry"], "debian-6.9.1");
}

#[test]
fn extlinux_and_unified_images_are_read() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let told = system(&[
        ("boot/vmlinuz-6.1", b"x"),
        (
            "boot/extlinux/extlinux.conf",
            b"default l1\nlabel l0\n linux /boot/vmlinuz-5.10\nlabel l1\n linux /boot/vmlinuz-6.1\n",
        ),
        ("boot/EFI/Linux/linux.efi", &unified("6.12.5-arch1")),
    ]);
    assert_eq!(
        kernels(&told),
        [
            ("6.12.5-arch1", "/boot/EFI/Linux/linux.efi", false),
            ("5.10", "/boot/vmlinuz-5.10", false),
            ("6.1", "/boot/vmlinuz-6.1", true),
        ]
    );
}

/// An EFI program with two sections: a release and something that stands for a kernel.
fn unified(release: &str) -> Vec<u8> {
    let mut image = vec![0; 0x40];
    image[..2].copy_from_slice(b"MZ");
    image[0x3c] = 0x40;
    image.extend(b"PE\0\0\x64\x86\x02\0");
    image.resize(0x40 + 24, 0);
    let contents = 0x40 + 24 + 2 * 40;
    for (name, len, at) in
        [(b".uname\0\0", release.len(), contents), (b".linux\0\0", 1, contents + release.len())]
    {
        image.extend(name);
        image.extend([len, 0, len, at].into_iter().flat_map(|word| (word as u32).to_le_bytes()));
        image.resize(image.len() + 16, 0);
    }
    image.extend(release.as_bytes());
    image.push(0);
    image
}

/// Of a fleet, the systems that nobody supports any more.
#[test]
fn a_fleet_is_told_by_what_is_supported() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (place, _store) = ask::store();
    let scan = |name: &str, release: &[u8]| {
        let (folder, image) = (dir.path().join(name), dir.path().join(format!("{name}.img")));
        disk::put(&folder, &[("etc/os-release", release)]);
        disk::of_folder(&image, &folder, 8);
        place.scan(&image, name, &["--content", "none"]).exits(0);
    };
    scan("new", b"ID=debian\nVERSION_ID=\"13\"\n");
    scan("old", b"ID=debian\nVERSION_ID=\"10\"\n");
    scan("odd", b"ID=nobodys\n");
    let told = |facts: Option<&Path>| -> Vec<Value> {
        let mut words = vec!["assets", "--at", "2026-01-01"];
        words.extend(facts.into_iter().flat_map(|path| ["--eol", path.to_str().unwrap()]));
        let rows = place.rows(&words);
        rows.iter().map(|row| json!([row["asset"], row["end_of_life"]["state"]])).collect()
    };
    assert_eq!(told(None), [json!(["new", "supported"]), json!(["odd", "unknown"]), json!(["old", "eol"])]);
    let facts = dir.path().join("facts.json");
    let text = r#"{"source":"s","date":"2030-01-01","products":{"debian":{"title":"D","releases":[
        {"cycle":"13","eol":"2025-12-31"}]}}}"#;
    std::fs::write(&facts, text).unwrap();
    assert_eq!(
        told(Some(&facts)),
        [json!(["new", "eol"]), json!(["odd", "unknown"]), json!(["old", "unknown"])]
    );
    let table = place.run(&["assets", "--at", "2026-01-01"]).exits(0);
    assert!(table.text().lines().nth(3).is_some_and(|line| line.contains("unknown")), "{}", table.text());
    place.run(&["assets", "--eol", "/nonexistent/facts"]).exits(1).says(&["/nonexistent/facts"]);
}

/// Programs of a user have the zone of the machine, which other hives know: read with all, or with packages alone.
#[test]
fn days_of_users_programs_are_those_of_the_machine() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let (mut system, mut user) = (Key::root(), Key::root());
    system.key("Select").number("Current", 1);
    system.key("ControlSet001\\Control\\TimeZoneInformation").number("Bias", 330_u32.wrapping_neg());
    let program = user.key("Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\a");
    program.text("DisplayName", "a").text("InstallDate", "20231105");
    let dir = tempfile::tempdir().unwrap();
    let (folder, image) = (dir.path().join("tree"), dir.path().join("disk.img"));
    let files: [(&str, &[u8]); 2] =
        [("WINDOWS/system32/Config/SYSTEM", &system.hive()), ("Users/al/NTUSER.DAT", &user.hive())];
    disk::put(&folder, &files);
    disk::of_folder(&image, &folder, 8);
    let (place, _store) = ask::store();
    for more in [&["--content", "none"][..], &["--only", "packages"]] {
        place.scan(&image, "disk", more).exits(0);
        let rows = place.rows(&["packages"]);
        assert_eq!(
            (rows.len(), &rows[0]["installed"]),
            (1, &json!("2023-11-04T18:30:00.000000000Z")),
            "{rows:?}"
        );
    }
}

//! What a system is and which kernel it starts, as `asset show` and `assets` tell it.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::path::Path;
use tests::{ask, disk, hive::Key, host, shapes::Dice};

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

/// systemd-boot takes the first entry that fits, in the order of its menu; the image alone tells nothing of that.
#[test]
fn the_entry_that_the_loader_chooses_is_the_default() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let entry = |release: &str| format!("title Debian\nversion {release}\nlinux /vmlinuz-{release}\n");
    let (old, new) = (entry("6.9.1"), entry("6.10.2"));
    // The last of these was tried in vain, and another starts what is not there.
    let (bad, gone) = (entry("6.12.1"), entry("6.11.1"));
    let told = system(&[
        ("boot/vmlinuz-6.9.1", b"no header: the name has the release"),
        ("boot/vmlinuz-6.10.2", b"the same"),
        ("boot/vmlinuz-6.12.1", b"the same"),
        ("boot/loader/entries/debian-6.9.1.conf", old.as_bytes()),
        ("boot/loader/entries/debian-6.10.2+2-1.conf", new.as_bytes()),
        ("boot/loader/entries/debian-6.11.1.conf", gone.as_bytes()),
        ("boot/loader/entries/debian-6.12.1+0-3.conf", bad.as_bytes()),
        ("boot/loader/loader.conf", b"timeout 3\ndefault Debian-[6]*\n"),
    ]);
    assert_eq!(told["boot_entry"], "Debian-[6]*");
    assert_eq!(
        kernels(&told),
        [
            ("6.10.2", "/boot/vmlinuz-6.10.2", true),
            ("6.11.1", "/boot/vmlinuz-6.11.1", false),
            ("6.12.1", "/boot/vmlinuz-6.12.1", false),
            ("6.9.1", "/boot/vmlinuz-6.9.1", false),
        ]
    );
    assert_eq!(told["kernels"][3]["entry"], "debian-6.9.1");
}

/// Where nothing is saved GRUB starts the newest of the entries that are files of their own.
#[test]
fn grub_starts_the_first_of_the_entries_that_are_files() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let entry = |release: &str| format!("title Linux\nversion {release}\nlinux /vmlinuz-{release}\n");
    let [old, new, rescue] = ["5.14.0-70.el9.x86_64", "5.14.0-362.el9.x86_64", "0-rescue"].map(entry);
    let grub = b"set default=\"${saved_entry}\"\ninsmod blscfg\nblscfg\nmenuentry 'UEFI Firmware Settings' {\n\tfwsetup\n}\n";
    let machine = "boot/loader/entries/0123456789abcdef0123456789abcdef";
    let names = ["5.14.0-70.el9.x86_64", "5.14.0-362.el9.x86_64", "0-rescue"]
        .map(|name| format!("{machine}-{name}.conf"));
    let told = system(&[
        ("boot/grub2/grub.cfg", grub),
        ("boot/vmlinuz-5.14.0-362.el9.x86_64", b"x"),
        (&names[0], old.as_bytes()),
        (&names[1], new.as_bytes()),
        (&names[2], rescue.as_bytes()),
    ]);
    assert_eq!(
        kernels(&told),
        [
            ("0-rescue", "/boot/vmlinuz-0-rescue", false),
            ("5.14.0-362.el9.x86_64", "/boot/vmlinuz-5.14.0-362.el9.x86_64", true),
            ("5.14.0-70.el9.x86_64", "/boot/vmlinuz-5.14.0-70.el9.x86_64", false),
        ]
    );
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

/// An EFI program of these sections.
fn program(sections: &[(&[u8; 8], &[u8])]) -> Vec<u8> {
    let mut image = vec![0; 0x40];
    image[..2].copy_from_slice(b"MZ");
    image[0x3c] = 0x40;
    image.extend(b"PE\0\0\x64\x86");
    image.extend([sections.len() as u8, 0]);
    image.resize(0x40 + 24, 0);
    let mut contents = image.len() + sections.len() * 40;
    for (name, content) in sections {
        image.extend(*name);
        image.extend(
            [content.len(), 0, content.len(), contents]
                .into_iter()
                .flat_map(|word| (word as u32).to_le_bytes()),
        );
        image.resize(image.len() + 16, 0);
        contents += content.len();
    }
    image.extend(sections.iter().flat_map(|(_, content)| *content));
    image
}

/// A release and something that stands for a kernel.
fn unified(release: &str) -> Vec<u8> {
    program(&[(b".uname\0\0", release.as_bytes()), (b".linux\0\0", b"\0")])
}

/// What a boot partition may hold: entries of every sort, with a kernel for each, and a configuration.
fn menu(dice: &mut Dice) -> Vec<(String, Vec<u8>)> {
    let pattern =
        *dice.pick(&["*", "debian-*", "Arch*", "*-6.[0-4]*.conf", "?ebian-*.efi", "none*", "*.conf", ""]);
    let mut files =
        vec![("loader/loader.conf".to_owned(), format!("timeout 3\ndefault {pattern}\n").into_bytes())];
    let mut used = std::collections::BTreeSet::new();
    for place in 0..*dice.pick(&[2, 5, 9]) {
        // bootctl passes over names with other characters; the loader itself does not.
        let [system, release] = [&["debian", "arch", "Fedora", "box"], &["5.10.2", "6.1", "6.1_rc2", "6.10"]]
            .map(|words| *dice.pick(words));
        let counters = *dice.pick(&["", "", "+3", "+0-3", "+2-1", "+0"]);
        if !used.insert((system, release)) {
            continue;
        }
        let name = format!("{system}-{release}");
        let version = *dice.pick(&["6.1", "6.10", "6.9^1", "7~rc1"]);
        if *dice.pick(&[true, false, false]) {
            let system = format!("NAME={system}\nID={}\nVERSION_ID={version}\n", system.to_lowercase());
            let sections: [(&[u8; 8], &[u8]); 4] = [
                (b".osrel\0\0", system.as_bytes()),
                (b".cmdline", b"ro"),
                (b".uname\0\0", release.as_bytes()),
                (b".linux\0\0", b"\0"),
            ];
            files.push((format!("EFI/Linux/{name}{counters}.efi"), program(&sections)));
            continue;
        }
        let mut text = format!("title {system}\nlinux /vmlinuz-{place}\n");
        for line in [
            *dice.pick(&["", "sort-key debian", "sort-key arch"]),
            *dice.pick(&[
                "",
                "machine-id 0123456789abcdef0123456789abcdef",
                "machine-id 1123456789abcdef0123456789abcdef",
            ]),
            &*format!("version {version}"),
        ] {
            text.extend([line, "\n"]);
        }
        files.push((format!("loader/entries/{name}{counters}.conf"), text.into_bytes()));
        files.push((format!("vmlinuz-{place}"), b"no header".to_vec()));
    }
    files
}

/// bootctl sorts the menu and chooses in it as the loader does.
#[test]
fn bootctl_chooses_the_same() {
    if host::lacks_mounts(&["mke2fs", "bootctl"]) {
        return;
    }
    let mut dice = Dice::new(5);
    let (mut compared, mut chosen) = (0, 0);
    for round in 0..24 {
        let files = menu(&mut dice);
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        let dir = tempfile::tempdir().unwrap();
        let (folder, image) = (dir.path().join("tree"), dir.path().join("esp.img"));
        disk::put(&folder.join("boot"), &files);
        disk::of_folder(&image, &folder.join("boot"), 8);
        let mounted = host::Mounted::new(&image, "ext4", "ro");
        let mut bootctl = std::process::Command::new("bootctl");
        bootctl.env("SYSTEMD_RELAX_ESP_CHECKS", "1").env("LC_ALL", "C").arg("list");
        let answer = bootctl.arg(format!("--esp-path={}", mounted.path().display())).output().unwrap();
        if !answer.status.success() {
            println!("skipped: bootctl: {}", String::from_utf8_lossy(&answer.stderr));
            return;
        }
        let answer = String::from_utf8(answer.stdout).unwrap();
        let block = answer.split("\n\n").find(|block| block.contains("(default)"));
        let field = |name: &str| {
            let mut lines = block.into_iter().flat_map(str::lines).map(str::trim);
            lines.find_map(|line| line.strip_prefix(name)).map(str::trim)
        };
        let source =
            field("source:").map(|path| path.strip_prefix(mounted.path().to_str().unwrap()).unwrap());
        let theirs = match source {
            Some(path) if path.starts_with("/EFI/") => Some(path),
            _ => field("linux:"),
        };
        let theirs = theirs.map(|path| format!("/boot{path}"));
        let whole = dir.path().join("disk.img");
        disk::of_folder(&whole, &folder, 8);
        let (place, _store) = ask::store();
        place.scan(&whole, "disk", &["--content", "none"]).exits(0);
        let told = place.asset("disk")["system"].clone();
        let kernels = kernels(&told);
        let ours =
            kernels.iter().find(|(_, _, is_default)| *is_default).map(|(_, path, _)| (*path).to_owned());
        assert_eq!(ours, theirs, "round {round}\n{answer}\n{told:#}");
        compared += 1;
        chosen += u32::from(ours.is_some());
    }
    assert!(chosen > 12, "{chosen} of {compared}");
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

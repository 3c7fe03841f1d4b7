//! Accounts and keys against the tools of the systems that have them: chage, ssh-keygen, openssl.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{ffi::OsStr, fs, io::Write, path::Path};
use tests::{ask, disk, host, shapes::Dice};

/// A disk with what a folder holds, scanned; the rows of a question.
fn rows(folder: &Path, words: &[&str]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    disk::of_folder(&image, folder, 32);
    let (place, _store) = ask::store();
    place.scan(&image, "disk", &["--content", "none"]).exits(0);
    place.rows(words)
}

/// A day as chage shows it: `never`, `password must be changed`, or a date.
fn day(row: &Value, field: &str) -> String {
    match row[field].as_str() {
        Some(time) if time.starts_with("1970-01-01T") && field == "password_expires" => {
            "password must be changed".to_owned()
        }
        Some(time) => time.split_once('T').unwrap().0.to_owned(),
        None => "never".to_owned(),
    }
}

#[test]
fn ages_are_those_of_chage() {
    const USERS: u64 = 60;
    if host::lacks(&["mke2fs", "chage"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(11);
    // What is below zero shadow's own tools do not take.
    let mut pick = |choices: &[&str], most: u64| match dice.below(3) {
        0 => choices[dice.below(choices.len() as u64) as usize].to_owned(),
        _ => dice.below(most).to_string(),
    };
    let (mut passwd, mut shadow) = (Vec::new(), Vec::new());
    for user in 0..USERS {
        let (changed, max) = (pick(&["", "0"], 21_000), pick(&["", "0", "9999", "10000", "99999"], 400));
        let expires = pick(&["", "0"], 30_000);
        writeln!(passwd, "user{user}:x:{}:100::/:/bin/sh", 1000 + user).unwrap();
        writeln!(shadow, "user{user}:*:{changed}:0:{max}:7::{expires}:").unwrap();
    }
    disk::put(dir.path(), &[("etc/passwd", &passwd), ("etc/shadow", &shadow)]);
    let accounts = rows(dir.path(), &["accounts"]);
    assert_eq!(accounts.len() as u64, USERS);
    let (mut days, mut musts) = (0, 0);
    for row in &accounts {
        let name = row["name"].as_str().unwrap();
        let words = ["-i", "-l", "-R"].map(OsStr::new);
        let shown = host::try_tool("chage", &[&words[..], &[dir.path().as_os_str(), name.as_ref()]].concat());
        let shown = match shown {
            Ok(shown) => shown,
            Err(error) => {
                println!("skipped: {error}");
                return;
            }
        };
        let says = |label: &str| {
            let line = shown.lines().find(|line| line.starts_with(label)).unwrap();
            line.split_once(": ").unwrap().1.trim().to_owned()
        };
        let changed = match says("Last password change").as_str() {
            // Coldread has no time of it then.
            "password must be changed" => "never".to_owned(),
            other => other.to_owned(),
        };
        assert_eq!(day(row, "password_changed"), changed, "{row}\n{shown}");
        assert_eq!(day(row, "password_expires"), says("Password expires"), "{row}\n{shown}");
        assert_eq!(day(row, "expires"), says("Account expires"), "{row}\n{shown}");
        days += u64::from(changed != "never");
        musts += u64::from(says("Password expires").starts_with("password"));
    }
    assert!(days > 10 && musts > 3, "{days} days and {musts} that must be changed prove little");
}

/// Bits, fingerprint and comment of a key file as `ssh-keygen -l` shows them.
fn keygen(path: &Path) -> (u64, String, String) {
    let shown = host::tool("ssh-keygen", &["-l".as_ref(), "-f".as_ref(), path.as_os_str()]);
    let (bits, rest) = shown.trim().split_once(' ').unwrap();
    let (print, rest) = rest.split_once(' ').unwrap();
    (bits.parse().unwrap(), print.to_owned(), rest.rsplit_once(" (").unwrap().0.to_owned())
}

fn told(row: &Value) -> (u64, String) {
    (row["bits"].as_u64().unwrap(), row["fingerprint"].as_str().unwrap().to_owned())
}

#[test]
fn fingerprints_are_those_of_ssh_keygen() {
    if host::lacks(&["mke2fs", "ssh-keygen"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ssh = dir.path().join("home/anna/.ssh");
    fs::create_dir_all(&ssh).unwrap();
    let (mut authorized, mut expected) = (String::new(), Vec::new());
    for (nth, (kind, bits, form)) in [
        ("rsa", "2048", "RFC4716"),
        ("rsa", "3072", "PEM"),
        ("rsa", "1024", "PKCS8"),
        ("ecdsa", "256", "RFC4716"),
        ("ecdsa", "384", "RFC4716"),
        ("ecdsa", "521", "RFC4716"),
        ("ecdsa", "256", "PEM"),
        ("ecdsa", "521", "PEM"),
        ("ecdsa", "384", "PKCS8"),
        ("ed25519", "256", "RFC4716"),
        ("dsa", "1024", "RFC4716"),
    ]
    .into_iter()
    .enumerate()
    {
        for passphrase in ["", "geheim"] {
            let path =
                ssh.join(format!("id_{nth}_{}", if passphrase.is_empty() { "open" } else { "sealed" }));
            let comment = format!("key {nth} of anna");
            let words = ["-q", "-t", kind, "-b", bits, "-m", form, "-N", passphrase, "-C", &comment, "-f"];
            let words: Vec<&OsStr> = words.iter().map(OsStr::new).chain([path.as_os_str()]).collect();
            // Newer releases refuse what is weak; `RFC4716` stands for OpenSSH's own form.
            if let Err(error) = host::try_tool("ssh-keygen", &words) {
                println!("skipped: {kind} {bits}: {error}");
                continue;
            }
            let public = path.with_extension("pub");
            authorized += &fs::read_to_string(&public).unwrap();
            expected.push((path.file_name().unwrap().to_str().unwrap().to_owned(), form, keygen(&public)));
        }
    }
    assert!(expected.len() >= 10, "{expected:#?}");
    fs::write(ssh.join("authorized_keys"), &authorized).unwrap();
    let found = rows(dir.path(), &["keys"]);
    let of = |kind: &'static str| found.iter().filter(move |row| row["kind"] == kind);
    // Rows are sorted; the line in the file is the place in the list.
    assert_eq!(of("authorized").count(), expected.len());
    for row in of("authorized") {
        let (_, _, (bits, print, comment)) = &expected[row["line"].as_u64().unwrap() as usize - 1];
        assert_eq!(
            (told(row), row["comment"].as_str()),
            ((*bits, print.clone()), Some(comment.as_str())),
            "{row}"
        );
    }
    for (name, form, (bits, print, _)) in &expected {
        let origin = format!("/home/anna/.ssh/{name}");
        let row = of("private")
            .find(|row| row["origin"] == origin.as_str())
            .unwrap_or_else(|| panic!("no {origin}"));
        let sealed = name.ends_with("sealed");
        assert_eq!((&row["encrypted"], &row["user"]), (&sealed.into(), &"anna".into()), "{row}");
        // Whoever has no passphrase sees the public half only of OpenSSH's own form.
        if !sealed || *form == "RFC4716" {
            assert_eq!(told(row), (*bits, print.clone()), "{row}");
        } else {
            assert!(row.get("fingerprint").is_none(), "{row}");
        }
    }
    assert_eq!(found.len(), 2 * expected.len());
}

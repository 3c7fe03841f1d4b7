//! Who can log in, with what, and who did: accounts, keys, settings, and the sums of logins.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::{fs, path::Path, sync::OnceLock};
use tempfile::TempDir;
use tests::{
    ask::{self, Place, texts},
    disk,
    hive::{self, Key, SamUser},
    host, sample,
};

/// A store with the sample and, where mke2fs is there, with a disk of [`tree`] beside it.
fn scanned() -> &'static Place {
    static STORE: OnceLock<(Place, TempDir)> = OnceLock::new();
    let (place, _) = STORE.get_or_init(|| {
        let (place, dir) = ask::store();
        place.scan(&sample::compressed(), "speicher", &["--content", "none"]).exits(0);
        if !host::lacks(&["mke2fs"]) {
            let (folder, image) = (dir.path().join("tree"), dir.path().join("web.img"));
            tree(&folder);
            disk::of_folder(&image, &folder, 32);
            place.scan(&image, "web-1", &["--content", "none"]).exits(3);
            let (folder, image) = (dir.path().join("windows"), dir.path().join("desk.img"));
            windows(&folder);
            disk::of_folder(&image, &folder, 32);
            place.scan(&image, "desk-1", &["--content", "none"]).exits(0);
        }
        (place, dir)
    });
    place
}

/// Whether the built disk is missing.
fn lacks_built() -> bool {
    host::lacks(&["mke2fs"])
}

/// A public key of which nobody has the other half, and its fingerprint.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

/// A host, and a chroot in it with users of its own.
fn tree(folder: &Path) {
    let authorized = format!("no-pty,from=\"10.0.0.0/8\" {KEY} anna@laptop\nssh-ed25519 broken\n");
    let jailed = format!("{KEY}\n");
    disk::put(
        folder,
        &[
            ("etc/os-release", b"ID=debian\nVERSION_ID=\"12\"\n"),
            (
                "etc/passwd",
                b"root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000:Anna B,,,:/home/anna:/bin/sh\n\
                  otto:x:1001:1001::/home/otto:/usr/sbin/nologin\n",
            ),
            (
                "etc/shadow",
                b"root:!:19000::::::\nanna:$6$salt$hash:19700:0:90:7::20500:\notto::19700:0:99999:7:::\n",
            ),
            ("etc/group", b"root:x:0:\nanna:x:1000:\nwheel:x:10:anna\notto:x:1001:\n"),
            ("etc/sudoers", b"Defaults env_reset\nroot ALL=(ALL) ALL\n%wheel ALL=(ALL) NOPASSWD: ALL\n"),
            (
                "etc/ssh/sshd_config",
                b"PermitRootLogin prohibit-password\nX11Forwarding yes\nMatch User otto\n\tPasswordAuthentication no\n",
            ),
            ("home/anna/.ssh/authorized_keys", authorized.as_bytes()),
            (
                "var/log/auth.log",
                b"2025-11-03T08:00:01.000001+01:00 web sshd[812]: Failed password for root from 203.0.113.7 port 1 ssh2\n\
                  2025-11-03T08:00:05.000001+01:00 web sshd[812]: Failed password for root from 203.0.113.7 port 1 ssh2\n\
                  2025-11-03T09:00:00.000001+01:00 web sshd[900]: Failed password for anna from 203.0.113.9 port 2 ssh2\n\
                  2025-11-03T09:00:09.000001+01:00 web sshd[900]: Accepted password for anna from 198.51.100.4 port 3 ssh2\n",
            ),
            ("srv/jail/var/lib/dpkg/status", b"Package: p\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n"),
            ("srv/jail/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nguest::7:7::/home/guest:/bin/sh\n"),
            ("srv/jail/home/guest/.ssh/authorized_keys", jailed.as_bytes()),
        ],
    );
}

/// What Windows knows of its users. An extractor sees files, whatever filesystem they are from.
fn windows(folder: &Path) {
    const SET: i64 = 1_760_000_000;
    let user =
        |rid, name, flags, nt, times| SamUser { rid, name, full_name: "", nt, flags, times, counts: [0, 0] };
    let users = [
        // Its password is not set and does not end, and it is switched off.
        user(500, "Administrator", 0x0211, &[0; 24][..], [0, 0, 0]),
        SamUser {
            full_name: "Alice A.",
            counts: [3, 17],
            ..user(1001, "alice", 0x0010, &[7; 56], [SET + 1_000, SET + 2_000, SET])
        },
        user(1002, "backup", 0x0410, &[7; 20], [0, 0, SET]),
    ];
    let mut software = Key::root();
    let list = software.key("Microsoft\\Windows NT\\CurrentVersion\\ProfileList");
    list.key("S-1-5-21-7-8-9-1001").text("ProfileImagePath", "C:\\Users\\alice");
    list.key("S-1-5-21-1-2-3-1105").text("ProfileImagePath", "C:\\Users\\carol.CORP");
    disk::put(
        folder,
        &[
            ("Windows/System32/config/SAM", &hive::sam(&users, &[500, 1001])),
            ("Windows/System32/config/SOFTWARE", &software.hive()),
        ],
    );
}

/// The only row that has these fields.
#[track_caller]
fn only<'a>(rows: &'a [Value], fields: &Value) -> &'a Value {
    let fits = |row: &&Value| fields.as_object().unwrap().iter().all(|(name, value)| &row[name] == value);
    let found: Vec<_> = rows.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{fields}: {found:#?}");
    found[0]
}

#[test]
fn users_of_the_sample_are_those_of_its_recipe() {
    let rows = scanned().rows(&["accounts", "--asset", "speicher"]);
    assert_eq!(
        texts(&rows, "name"),
        ["anna", "bernd", "clara", "daemon", "nobody", "root", "sicherung", "sshd"]
    );
    assert_eq!(
        rows[0],
        json!({
            "asset": "speicher", "kind": "user", "name": "anna", "id": 1000, "primary_group": 1000,
            "home": "/home/anna", "shell": "/bin/bash", "groups": ["adm", "anna", "sudo"], "password": "disabled",
            "password_changed": "2024-03-04T00:00:00.000000000Z",
            "privileges": ["via group sudo: ALL=(ALL:ALL) ALL"], "root": "/", "origin": "/etc/passwd",
        })
    );
    let groups = scanned().rows(&["accounts", "--asset", "speicher", "--groups"]);
    assert_eq!(only(&groups, &json!({"name": "sudo"}))["members"], json!(["anna"]));
    let all = scanned().rows(&["accounts", "--asset", "speicher", "--all"]);
    assert_eq!(all.len(), rows.len() + groups.len());
    let keys = scanned().rows(&["keys", "--asset", "speicher"]);
    assert_eq!(texts(&keys, "user"), ["anna", "bernd", "clara", "sicherung"]);
    assert!(keys.iter().all(|key| key["kind"] == "authorized" && key["bits"] == 256 && key["line"] == 1));
    let settings = scanned().rows(&["settings", "--asset", "speicher", "--subject", "sshd"]);
    let shown: Vec<_> = texts(&settings, "name").into_iter().zip(texts(&settings, "value")).collect();
    assert_eq!(shown, [("PasswordAuthentication", "yes"), ("PermitRootLogin", "no"), ("UsePAM", "yes")]);
}

#[test]
fn a_disk_and_a_chroot_in_it_have_users_of_their_own() {
    if lacks_built() {
        return;
    }
    let rows = scanned().rows(&["accounts", "--asset", "web-1"]);
    let shown: Vec<_> = rows.iter().map(|row| [&row["root"], &row["name"], &row["password"]]).collect();
    assert_eq!(
        shown,
        [
            ["/", "anna", "set"],
            ["/", "otto", "empty"],
            ["/", "root", "disabled"],
            ["/srv/jail", "guest", "empty"],
            ["/srv/jail", "root", "null"],
        ]
        .map(|row| row.map(|word| if word == "null" { Value::Null } else { json!(word) }))
        .iter()
        .map(<[Value; 3]>::each_ref)
        .collect::<Vec<_>>()
    );
    let anna = &rows[0];
    assert_eq!((&anna["scheme"], &anna["full_name"]), (&json!("sha512crypt"), &json!("Anna B")));
    assert_eq!(anna["privileges"], json!(["via group wheel: ALL=(ALL) NOPASSWD: ALL"]));
    // 19700 and 90 days; 20500 days.
    assert_eq!(anna["password_expires"], "2024-03-08T00:00:00.000000000Z");
    assert_eq!(anna["expires"], "2026-02-16T00:00:00.000000000Z");
    let by = |words: &[&str]| scanned().rows(&[&["accounts", "--asset", "web-*"], words].concat());
    assert_eq!(by(&["--root", "/srv/*"]).len(), 2);
    assert_eq!(by(&["--user", "*o*t*"]).len(), 3);
    assert_eq!(by(&["--name", "root", "--root", "/"]).len(), 1);
    assert_eq!(by(&["--groups"]).len(), 4);
    // Of all assets, and of none.
    assert_eq!(scanned().rows(&["accounts", "--user", "anna"]).len(), 2);
    assert_eq!(scanned().rows(&["accounts", "--asset", "db-*"]).len(), 0);
    scanned().run(&["accounts", "--asset", "nobody-1"]).exits(1).says(&["nobody-1"]);
}

#[test]
fn users_and_groups_of_windows() {
    if lacks_built() {
        return;
    }
    let rows = scanned().rows(&["accounts", "--asset", "desk-1", "--all"]);
    let find = |name: &str| only(&rows, &json!({"name": name}));
    assert_eq!(rows.len(), 5, "{rows:#?}");
    let administrator = find("Administrator");
    assert_eq!((&administrator["password"], &administrator["disabled"]), (&json!("empty"), &json!(true)));
    assert!(administrator.get("password_expires").is_none());
    assert_eq!(
        find("alice"),
        &json!({
            "asset": "desk-1", "kind": "user", "name": "alice", "id": 1001, "primary_group": 513,
            "sid": "S-1-5-21-7-8-9-1001", "full_name": "Alice A.", "home": "C:\\Users\\alice",
            "groups": ["Administrators"], "password": "set", "scheme": "nt",
            "password_changed": "2025-10-09T08:53:20.000000000Z",
            "password_expires": "2025-11-20T08:53:20.000000000Z",
            "privileges": ["Administrators"], "last_login": "2025-10-09T09:10:00.000000000Z",
            "last_failed": "2025-10-09T09:26:40.000000000Z", "failed_count": 3, "login_count": 17, "root": "/",
            "origin": "/Windows/System32/config/SAM",
        })
    );
    assert_eq!(find("backup")["password"], "locked");
    // Of a domain's users only the profile is here.
    let carol = find("carol.CORP");
    assert_eq!((&carol["id"], &carol["sid"]), (&json!(1105), &json!("S-1-5-21-1-2-3-1105")));
    assert_eq!(carol["origin"], "/Windows/System32/config/SOFTWARE");
    let groups = scanned().rows(&["accounts", "--asset", "desk-1", "--groups"]);
    assert_eq!(texts(&groups, "name"), ["Administrators"]);
    assert_eq!(groups[0]["members"], json!(["Administrator", "alice"]));
    // SAM keeps the last of each alone: since when there was none, it cannot say.
    let users = scanned().rows(&["logins", "summary", "--asset", "desk-1"]);
    let alice = only(&users, &json!({"user": "alice"}));
    assert_eq!((&alice["logins"], &alice["failures"]), (&json!(1), &json!(1)));
    assert!(alice.get("since").is_none() && alice.get("failures_since").is_none(), "{alice}");
    let table = scanned().run(&["logins", "summary", "--asset", "desk-1"]).exits(0);
    let says = "desk-1: 1 failed login, since when is unknown; 1 login, since when is unknown\n";
    assert!(table.text().ends_with(says), "{}", table.text());
}

#[test]
fn keys_are_found_again_by_their_fingerprint() {
    if lacks_built() {
        return;
    }
    let rows = scanned().rows(&["keys", "--asset", "web-1"]);
    let [anna, guest] = rows.as_slice() else { panic!("{rows:#?}") };
    assert_eq!((&anna["user"], &anna["comment"]), (&json!("anna"), &json!("anna@laptop")));
    assert_eq!(anna["options"], json!(["no-pty", "from=\"10.0.0.0/8\""]));
    assert_eq!(
        (&guest["root"], &guest["origin"]),
        (&json!("/srv/jail"), &json!("/srv/jail/home/guest/.ssh/authorized_keys"))
    );
    let print = anna["fingerprint"].as_str().unwrap();
    let by = |words: &[&str]| scanned().rows(&[&["keys"], words].concat()).len();
    assert_eq!(by(&["--fingerprint", print]), 2, "the same key opens both");
    assert_eq!(by(&["--fingerprint", print.strip_prefix("SHA256:").unwrap()]), 2);
    assert_eq!(by(&["--fingerprint", &print.to_lowercase().replace("sha", "SHA")]), 0, "letters have a case");
    scanned().run(&["keys", "--fingerprint", &print[..20]]).exits(2).says(&["43 characters"]);
    assert_eq!((by(&["--user", "guest"]), by(&["--user", "anna"])), (1, 2));
    assert_eq!((by(&["--kind", "authorized"]), by(&["--kind", "private"])), (6, 0));
    let gaps = scanned().rows(&["gaps", "--asset", "web-1"]);
    only(&gaps, &json!({"structure": "authorized keys", "reason": "line 2: no key that can be read"}));
}

#[test]
fn settings_are_told_with_their_condition_and_line() {
    if lacks_built() {
        return;
    }
    let rows = scanned().rows(&["settings", "--asset", "web-1"]);
    assert_eq!(
        rows,
        [
            json!({"asset": "web-1", "subject": "sshd", "name": "PermitRootLogin", "value": "prohibit-password",
                   "root": "/", "origin": "/etc/ssh/sshd_config", "line": 1}),
            json!({"asset": "web-1", "subject": "sshd", "name": "PasswordAuthentication", "value": "no",
                   "condition": "User otto", "root": "/", "origin": "/etc/ssh/sshd_config", "line": 4}),
            json!({"asset": "web-1", "subject": "sudoers", "name": "Defaults", "value": "env_reset", "root": "/",
                   "origin": "/etc/sudoers", "line": 1}),
        ]
    );
    let by = |words: &[&str]| scanned().rows(&[&["settings"], words].concat()).len();
    assert_eq!((by(&["--name", "permitrootlogin"]), by(&["--subject", "sudoers"])), (2, 1));
}

/// The sums are those of the events, user by user.
#[test]
fn the_summary_is_that_of_the_events() {
    for asset in texts(&scanned().rows(&["assets"]), "asset") {
        for more in [&[][..], &["--since", "2025-11-01"], &["--until", "2025-11-01"], &["--user", "[ar]*"]] {
            let words = |verb: &[&'static str]| [&["logins"], verb, &["--asset", asset], more].concat();
            let (events, users) = (scanned().rows(&words(&[])), scanned().rows(&words(&["summary"])));
            let count = |kind: &str, user: &Value| {
                events.iter().filter(|event| event["kind"] == kind && &event["user"] == user).count()
            };
            for user in &users {
                assert_eq!(user["logins"], count("login", &user["user"]), "{asset} {user} {more:?}");
                assert_eq!(user["failures"], count("failed", &user["user"]), "{asset} {user} {more:?}");
                let mut times: Vec<_> = events
                    .iter()
                    .filter(|event| event["kind"] == "failed" && event["user"] == user["user"])
                    .map(|event| event["time"].clone())
                    .collect();
                times.sort_by_key(Value::to_string);
                assert_eq!(user.get("first_failure"), times.first(), "{user}");
                assert_eq!(user.get("last_failure"), times.last(), "{user}");
            }
            let sum = |field: &str| users.iter().map(|user| user[field].as_u64().unwrap()).sum::<u64>();
            let all = |kind: &str| events.iter().filter(|event| event["kind"] == kind).count() as u64;
            assert_eq!((sum("logins"), sum("failures")), (all("login"), all("failed")), "{asset} {more:?}");
        }
    }
}

/// "0 failed logins since 1 November" is an answer; 0 alone is none.
#[test]
fn the_summary_says_since_when_or_that_nothing_can_be_known() {
    let log = sample::expected()["logins"]["btmp"]["failed"].as_u64().unwrap();
    let windows = scanned().rows(&["logins", "windows", "--asset", "speicher"]);
    let btmp = only(&windows, &json!({"source": "btmp"}));
    assert_eq!((&btmp["records"], &btmp["origin"]), (&json!(log), &json!("/var/log/btmp")));
    assert_eq!(scanned().rows(&["logins", "windows", "--source", "btmp"]).len(), 1);
    let firsts = |source: &str| {
        let of = windows.iter().filter(|row| row["source"] == source);
        of.map(|row| row["since"].as_str().unwrap()).min().unwrap()
    };
    let (logins, failures) = (firsts("wtmp").min(firsts("authlog")), firsts("btmp").min(firsts("authlog")));
    for row in scanned().rows(&["logins", "summary", "--asset", "speicher"]) {
        assert_eq!(
            (&row["logins_since"], &row["failures_since"]),
            (&json!(logins), &json!(failures)),
            "{row}"
        );
        assert_eq!((&row["since"], row["note"].is_null()), (&json!(logins.max(failures)), true), "{row}");
    }
    // In whole seconds, as tables show times.
    let second = |time: &str| time[..19].replace('T', " ");
    let says = |words: &[&str], line: &str| {
        let table = scanned().run(&[&["logins", "summary"], words].concat()).exits(0);
        assert!(table.text().lines().any(|said| said == line), "{line}\n{}", table.text());
    };
    let last = windows.iter().map(|row| row["until"].as_str().unwrap()).max().unwrap();
    let (logins, failures, last) = (second(logins), second(failures), second(last));
    says(
        &["--asset", "speicher", "--user", "clara"],
        &format!(
            "speicher: 0 failed logins of clara since {failures}; 5 logins of clara since {logins}; last record {last}"
        ),
    );
    // What is asked for may begin later than the logs.
    says(
        &["--asset", "speicher", "--since", "2025-11-05", "--user", "clara"],
        &format!(
            "speicher: 0 failed logins of clara since 2025-11-05 00:00:00; 0 logins of clara since 2025-11-05 00:00:00; \
             last record {last}"
        ),
    );
    if lacks_built() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    disk::put(dir.path(), &[("tree/etc/os-release", b"ID=debian\n")]);
    let image = dir.path().join("bare.img");
    disk::of_folder(&image, &dir.path().join("tree"), 8);
    let (place, _store) = ask::store();
    place.scan(&image, "bare", &["--content", "none"]).exits(0);
    let rows = place.rows(&["logins", "summary"]);
    assert_eq!(rows, [json!({"asset": "bare", "logins": 0, "failures": 0, "address_count": 0, "root": "/"})]);
    let table = place.run(&["logins", "summary"]).exits(0);
    let unknown = "unknown, as no log was found that would tell of them";
    assert_eq!(table.text(), format!("bare: logins and failed logins {unknown}\n"));
}

#[test]
fn the_summary_names_addresses_and_who_was_not_there() {
    if lacks_built() {
        return;
    }
    let rows = scanned().rows(&["logins", "summary", "--asset", "web-1", "--root", "/"]);
    let [anna, root] = rows.as_slice() else { panic!("{rows:#?}") };
    assert_eq!((&anna["user"], &anna["logins"], &anna["failures"]), (&json!("anna"), &json!(1), &json!(1)));
    assert_eq!(
        (&anna["addresses"], &anna["address_count"]),
        (&json!(["198.51.100.4", "203.0.113.9"]), &json!(2))
    );
    assert_eq!((&root["user"], &root["logins"], &root["failures"]), (&json!("root"), &json!(0), &json!(2)));
    assert!(root.get("last_login").is_none());
    assert_eq!(root["last_failure"], "2025-11-03T07:00:05.000001000Z");
    let none = scanned().rows(&["logins", "summary", "--asset", "web-1", "--user", "eva", "--root", "/"]);
    let [eva] = none.as_slice() else { panic!("{none:#?}") };
    assert_eq!((&eva["user"], &eva["logins"], &eva["failures"]), (&json!("eva"), &json!(0), &json!(0)));
    // What was not asked for is not known.
    let (place, _dir) = ask::store();
    place.scan(&sample::compressed(), "speicher", &["--only", "packages"]).exits(0);
    for (line, part) in [
        ("accounts", "accounts"),
        ("settings", "accounts"),
        ("keys", "keys"),
        ("logins", "logins"),
        ("logins windows", "logins"),
        ("files", "files"),
    ] {
        let words: Vec<&str> = line.split(' ').chain(["-o", "ndjson"]).collect();
        let says = format!("the scans of 1 asset were not asked for {part}");
        assert_eq!(place.run(&words).exits(0).says(&[&says]).text(), "", "{line}");
    }
    let no_libraries = "the scans of 1 asset were not asked for libraries";
    for (words, asked) in [
        (&["--name", "nothing-like-this"][..], false),
        (&["--type", "npm", "-o", "ndjson"], false),
        (&["--type", "deb", "--name", "nothing-like-this"], true),
    ] {
        let says = if asked { "no packages" } else { no_libraries };
        let none = place.run(&[&["packages"], words].concat()).exits(0).says(&[says]);
        assert_eq!((none.text(), none.stderr.contains("asked")), ("", !asked), "{words:?}");
    }
    // No number is said of what nobody counted, and no file is said not to be there.
    let (asset, shown) = (&place.rows(&["assets"])[0], place.asset("speicher"));
    for row in [asset, &shown, &place.rows(&["snapshots"])[0]] {
        let has = ["files", "logins", "failed_logins"].map(|name| row.get(name).is_some());
        assert_eq!((has, &row["only"]), ([false; 3], &json!("packages")), "{row}");
    }
    assert!(asset["packages"].as_u64().unwrap() > 100 && shown["volumes"][0].get("files").is_none());
    let to = tempfile::tempdir().unwrap();
    let to = to.path().to_str().unwrap();
    for words in [&["cat", "speicher", "/etc/passwd"][..], &["extract", "speicher", "/etc/*", "--to", to]] {
        place.run(words).exits(1).says(&["asked for packages only and lists no files"]);
    }
    let rows = place.rows(&["logins", "summary"]);
    assert_eq!((rows.len(), &rows[0]["note"]), (1, &json!("the scan was not asked for logins")));
    let table = place.run(&["logins", "summary"]).exits(0);
    assert!(table.text().contains("speicher: the scan was not asked for logins"), "{}", table.text());
    // What is known of another asset does not hide it; who asks of that one alone is not told of it.
    place.scan(&sample::compressed(), "ganz", &["--only", "logins"]).exits(0);
    for line in ["logins", "logins windows", "logins windows -o ndjson"] {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = place.run(&words).exits(0).says(&["the scans of 1 asset were not asked for logins"]);
        assert!(answer.text().contains("ganz") && !answer.stderr.contains("no log"), "{}", answer.stderr);
        let alone = place.run(&[&words[..], &["--asset", "ganz"]].concat()).exits(0);
        assert!(alone.text() == answer.text() && !alone.stderr.contains("asked"), "{}", alone.stderr);
    }
}

#[test]
fn accounts_of_a_windows_disk_are_found_alone_and_in_any_case() {
    if host::lacks_ntfs() {
        return;
    }
    let (place, dir) = ask::store();
    let image = dir.path().join("desk.img");
    disk::filled(&image, "ntfs", 64, |root| {
        windows(root);
        let system = root.join("Windows/SYSTEM32");
        fs::rename(root.join("Windows/System32"), &system).unwrap();
        // So many names make an index of several levels.
        for number in 0..3000 {
            fs::write(system.join(format!("{number:05}-of-some-library.dll")), number.to_string()).unwrap();
        }
    });
    place.scan(&image, "alone", &["--only", "accounts"]).exits(0);
    place.scan(&image, "whole", &["--content", "none"]).exits(0);
    let rows = |asset: &str| -> Vec<Value> {
        let mut rows = place.rows(&["accounts", "--asset", asset, "--all"]);
        for row in &mut rows {
            row["asset"] = "".into();
        }
        rows
    };
    assert_eq!(rows("alone"), rows("whole"));
    assert_eq!(rows("alone").len(), 5);
    let metadata = |asset: &str| -> u64 {
        let rows = place.rows(&["coverage", "--asset", asset]);
        rows.iter().filter(|row| row["class"] == "metadata").map(|row| row["length"].as_u64().unwrap()).sum()
    };
    assert!(metadata("alone") * 4 < metadata("whole"), "{} {}", metadata("alone"), metadata("whole"));
}

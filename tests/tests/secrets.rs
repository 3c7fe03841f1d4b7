//! No password's hash, private key or token leaves a disk: not into an answer, an object of the store or a log.
//!
//! A disk is planted with secrets, and beside each with a marker that is none. Everything that Coldread says and
//! keeps is searched for both: the secrets must not be there, as text or as hex or base64 of their bytes, and the
//! markers must be, or the search would find nothing anyway.

#![allow(clippy::unwrap_used)]

use aho_corasick::AhoCorasick;
use base64::{Engine, engine::general_purpose::STANDARD};
use memchr::memmem;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
};
use tests::{
    ask::{self, Place, QUESTIONS},
    disk,
    hive::{self, SamUser},
    host,
    program::{self, Answer, Running},
    truth::hex,
};

/// A hash of each of crypt's methods that a real shadow may have, and one that GRUB asks for.
const HASHES: [&str; 8] = [
    "$y$j9T$plantedyescryptsalt$u2Pq9dZsT7bB1xKf0LwYhVnM3rCgE5oJ8aDiQ4tWzX6",
    "$6$plantedsha512$hJ3kQ9vXwZ1mB7nR5tY2uI8oP0aS4dF6gH.lK/jL3zC5xV9bN1mQ7wE2rT4yU6iO8pA0sD",
    "$5$plantedsha256$Zx8cV7bN6mA5sD4fG3hJ2kL1qW0eR9tY8uI7oP6aS5d",
    "$2b$12$plantedbcryptsaltxxxuK9vQ2wE4rT6yU8iO0pA1sD3fG5hJ7k",
    "$1$plantmd5$q8W2e4R6t8Y0u1I3o5P7a9",
    // Thirteen characters of DES' crypt, in the passwd file itself.
    "pl4nt3dD3sH/.",
    // Group passwords of gshadow, and old ones that pam_pwhistory keeps.
    "$6$plantedgshadow$Qm5nB7vC9xZ1lK3jH5gF7dS9aP1oI3uY5tR7eW9qM2nB4vC6xZ8lK0jH2gF4dS6aP8oI0u",
    "grub.pbkdf2.sha512.10000.PLANTED0A1B2C3D4E5F60718293A4B5C6D7E8F9.00112233445566778899AABBCCDDEEFF",
];

/// Secrets that stand in command lines, options and settings.
const TOKENS: [&str; 12] = [
    "planted-token-of-authorized-keys",
    "planted-token-of-a-forced-command",
    "planted-password-of-sudoers",
    "planted-token-of-sshd",
    "planted-password-of-a-sudo-command",
    "planted-secret-of-sudo-t00",
    "ghp_plantedPlantedPlantedPlanted0123456",
    "planted-macaroon-of-snapd",
    "planted-password-of-fstab",
    "planted-word-of-a-history",
    "planted-password-of-a-python-package",
    "planted-token-of-npm",
];

/// The seed of an ed25519 key, the random bytes of a SAM's hash, and what else is secret as bytes.
const SEED: &[u8] = b"planted-seed-of-an-ed25519-key-0";
const PRIME: &[u8] =
    b"planted-prime-of-an-rsa-key-that-is-long-enough-to-be-split-over-lines-of-base64-and-found";
const SEALED: &[u8] =
    b"planted-sealed-private-part-whose-passphrase-is-not-known-but-which-is-nobodys-business-here";
const NT: &[u8] = b"planted-nt-hash-of-a-user-in-SAM-of-56-bytes-as-with-AES";

/// Words that are no secret: they stand beside the secrets and must be found.
const MARKERS: [&str; 10] = [
    "marker-full-name",
    "marker-account",
    "marker-key-comment",
    "marker-command",
    "marker-rule",
    "marker-of-sshd",
    "marker-windows-user",
    "marker-sudo-user",
    "marker-python",
    "marker-npm",
];

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Strings with their lengths before them, as SSH writes them.
fn strings(strings: &[&[u8]]) -> Vec<u8> {
    let with_length = |one: &&[u8]| [&(one.len() as u32).to_be_bytes()[..], one].concat();
    strings.iter().flat_map(with_length).collect()
}

/// A key file of OpenSSH's own form (`PROTOCOL.key`).
fn openssh(cipher: &[u8], private: &[u8]) -> String {
    let public = strings(&[b"ssh-ed25519", &[7; 32]]);
    let head = [&b"openssh-key-v1\0"[..], &strings(&[cipher, b"none", b""]), &1u32.to_be_bytes()].concat();
    pem("OPENSSH PRIVATE KEY", &[head, strings(&[&public, private])].concat())
}

/// A value of the distinguished encoding (X.690, section 8.1).
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    [&[tag, 0x82][..], &(value.len() as u16).to_be_bytes(), &value].concat()
}

fn put_keys(folder: &Path) {
    let private =
        [&strings(&[b"ssh-ed25519", &[7; 32]])[..], &strings(&[&[SEED, &[7; 32]].concat(), b"x"])].concat();
    let modulus = [&[0][..], &[0xc5; 128]].concat();
    let numbers =
        [&der(2, &[&[0]])[..], &der(2, &[&modulus]), &der(2, &[&[1, 0, 1]]), &der(2, &[PRIME])].concat();
    let rsa = der(0x30, &[&numbers]);
    let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n";
    let sealed = pem("RSA PRIVATE KEY", SEALED).replacen('\n', &format!("\n{headers}"), 1);
    let public = STANDARD.encode(strings(&[b"ssh-ed25519", &[7; 32]]));
    let putty = format!(
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 1\n{public}\n\
         Private-Lines: 1\n{}\nPrivate-MAC: {}\n",
        STANDARD.encode(SEED),
        hex(PRIME)
    );
    let broken = pem("OPENSSH PRIVATE KEY", PRIME);
    let cut = broken.rsplit_once("-----END").unwrap().0.to_owned();
    disk::put(
        folder,
        &[
            ("home/anna/.ssh/id_ed25519", openssh(b"none", &private).as_bytes()),
            ("home/anna/.ssh/id_sealed", openssh(b"aes256-ctr", SEALED).as_bytes()),
            ("home/anna/.ssh/id_rsa", pem("RSA PRIVATE KEY", &rsa).as_bytes()),
            ("home/anna/.ssh/token", TOKENS[6].as_bytes()),
            ("home/anna/key.ppk", putty.as_bytes()),
            ("etc/ssl/private/sealed.key", sealed.as_bytes()),
            ("etc/ssl/private/web.pem", pem("PRIVATE KEY", &rsa).as_bytes()),
            // Of these only gaps are told.
            ("etc/ssl/private/broken.pem", broken.as_bytes()),
            ("etc/ssl/private/cut.pem", cut.as_bytes()),
            ("etc/ssh/ssh_host_ed25519_key", openssh(b"none", &private).as_bytes()),
        ],
    );
    let key = format!("ssh-ed25519 {public}");
    let authorized = format!(
        "environment=\"API={}\",command=\"/opt/marker-command --token {}\" {key} marker-key-comment\n\
         command=\"run {}\" {key}\n",
        TOKENS[0], TOKENS[1], TOKENS[6]
    );
    disk::put(folder, &[("root/.ssh/authorized_keys", authorized.as_bytes())]);
}

/// Packages of languages, which say where they came from.
fn put_packages(folder: &Path) {
    let python = "usr/lib/python3/dist-packages/marker_python-1.0.dist-info";
    let origin = format!(
        r#"{{"url":"https://anna:{}@example.org/x.git","vcs_info":{{"vcs":"git","commit_id":"0123"}}}}"#,
        TOKENS[10]
    );
    let npm = format!(
        r#"{{"name":"marker-npm","version":"1.0.0","_resolved":"https://example.org/x.tgz?token={0}","_auth":"{0}"}}"#,
        TOKENS[11]
    );
    disk::put(
        folder,
        &[
            (&format!("{python}/METADATA"), b"Metadata-Version: 2.1\nName: marker-python\nVersion: 1.0\n"),
            (&format!("{python}/direct_url.json"), origin.as_bytes()),
            ("usr/lib/node_modules/marker-npm/package.json", npm.as_bytes()),
            ("root/.npmrc", format!("//registry.example.org/:_authToken={}\n", TOKENS[11]).as_bytes()),
        ],
    );
}

fn put_system(folder: &Path) {
    let passwd = format!(
        "root:x:0:0:marker-full-name:/root:/bin/bash\nmarker-account:{}:7:7::/home/marker-account:/bin/sh\n\
         anna:x:1000:1000::/home/anna:/bin/sh\n",
        HASHES[5]
    );
    let mut shadow = Vec::new();
    for (nth, hash) in HASHES[..5].iter().enumerate() {
        writeln!(shadow, "user{nth}:{hash}:19700:0:90:7:::").unwrap();
    }
    // One that is locked, and a line that is no line.
    writeln!(shadow, "anna:!{}:19700:0:90:7:::\nbroken:{}", HASHES[1], HASHES[2]).unwrap();
    let sudoers = format!(
        "marker-account ALL=(root) NOPASSWD: /opt/marker-rule --db-password={} x\n\
         Cmnd_Alias LOAD = /usr/bin/mysql -p{} a\nbroken --password {}\n",
        TOKENS[2], TOKENS[2], TOKENS[2]
    );
    let sshd = format!("PermitRootLogin no\nForceCommand /opt/marker-of-sshd --token {}\n", TOKENS[3]);
    let log = format!(
        "2025-11-03T08:00:01+01:00 web sudo:  marker-sudo-user : TTY=pts/0 ; PWD=/root ; USER=root ; \
         COMMAND=/usr/bin/load --password={} {}\n\
         2025-11-03T08:00:02+01:00 web sudo:  anna : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/root ; USER=root ; \
         COMMAND=/usr/bin/load --password={}\n",
        TOKENS[4], TOKENS[5], TOKENS[4]
    );
    let snapd = format!(
        r#"{{"data":{{"auth":{{"users":[{{"macaroon":"{0}"}}]}},"snaps":{{"x":{{"current":"1"}},"y":"{0}"}}}}}}"#,
        TOKENS[7]
    );
    let fstab = format!("//nas/share /mnt cifs username=anna,password={} 0 0\n", TOKENS[8]);
    let grub = format!("password_pbkdf2 root {}\nset default=\"0\"\n", HASHES[7]);
    disk::put(
        folder,
        &[
            ("etc/os-release", b"ID=debian\nVERSION_ID=\"12\"\n"),
            ("etc/passwd", passwd.as_bytes()),
            ("etc/shadow", &shadow),
            ("etc/shadow-", &shadow),
            ("etc/group", format!("root:x:0:\nstaff:{}:50:anna\n", HASHES[6]).as_bytes()),
            ("etc/gshadow", format!("staff:{}::anna\n", HASHES[6]).as_bytes()),
            ("etc/security/opasswd", format!("anna:1000:2:{},{}\n", HASHES[1], HASHES[2]).as_bytes()),
            ("etc/sudoers", sudoers.as_bytes()),
            ("etc/ssh/sshd_config", sshd.as_bytes()),
            ("etc/fstab", fstab.as_bytes()),
            ("boot/grub/grub.cfg", grub.as_bytes()),
            ("var/log/auth.log", log.as_bytes()),
            ("var/lib/snapd/state.json", snapd.as_bytes()),
            ("home/anna/.bash_history", format!("mysql -p{}\n", TOKENS[9]).as_bytes()),
        ],
    );
    let user = SamUser {
        rid: 1001,
        name: "marker-windows-user",
        full_name: "",
        nt: NT,
        flags: 0x10,
        times: [1_762_000_000, 1_762_000_100, 1_760_000_000],
        counts: [1, 2],
    };
    disk::put(folder, &[("Windows/System32/config/SAM", &hive::sam(&[user], &[1001]))]);
}

/// A secret in each form in which it could be told.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.to_vec(), hex(secret).into_bytes(), hex(secret).to_uppercase().into_bytes()];
    // Within other bytes base64 begins at any of three places; where the ends meet others, it is cut off. Lines are
    // broken at 64 characters, so that pieces must be enough.
    for before in 0..3 {
        let text = STANDARD.encode([&vec![0; before][..], secret].concat());
        let text = text.trim_end_matches('=').as_bytes();
        let inner = &text[(before * 4).div_ceil(3)..text.len() - 1];
        forms.extend(inner.windows(inner.len().min(24)).step_by(12).map(<[u8]>::to_vec));
    }
    forms
}

/// Something that was said or kept, with the place.
struct Kept {
    place: String,
    bytes: Vec<u8>,
}

/// Looks for many secrets at once.
struct Search {
    automaton: AhoCorasick,
    /// The name of each pattern's secret.
    names: Vec<String>,
}

impl Search {
    fn new(secrets: &[&[u8]], forms: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Self {
        let (mut patterns, mut names) = (Vec::new(), Vec::new());
        for secret in secrets {
            for form in forms(secret) {
                patterns.push(form);
                names.push(String::from_utf8_lossy(secret).into_owned());
            }
        }
        Self { automaton: AhoCorasick::new(&patterns).unwrap(), names }
    }

    /// The secrets that are there, each with the places.
    fn found(&self, kept: &[Kept]) -> BTreeMap<&str, BTreeSet<String>> {
        let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for one in kept {
            for hit in self.automaton.find_overlapping_iter(&one.bytes) {
                found.entry(&self.names[hit.pattern().as_usize()]).or_default().insert(one.place.clone());
            }
        }
        found
    }
}

/// The files of a folder as they are, and what unfolds from each zstd frame in them.
fn unfolded(folder: &Path) -> Vec<Kept> {
    const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
    let (mut kept, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            for at in memmem::find_iter(&bytes, &MAGIC) {
                let mut object = Vec::new();
                let frame = zstd::Decoder::new(&bytes[at..]).unwrap().single_frame();
                // The magic number may also stand in other bytes.
                if std::io::Read::read_to_end(&mut { frame }, &mut object).is_ok() {
                    kept.push(Kept { place: format!("{} at {at}", path.display()), bytes: object });
                }
            }
            kept.push(Kept { place: path.display().to_string(), bytes });
        }
    }
    kept
}

fn said(answer: Answer) -> [Kept; 2] {
    let Answer { line, stdout, stderr, .. } = answer;
    [
        Kept { place: format!("answer of {line}"), bytes: stdout },
        Kept { place: format!("log of {line}"), bytes: stderr.into_bytes() },
    ]
}

/// All that every command says, in every format, and what it logs.
fn everything(place: &Place) -> Vec<Kept> {
    let mut kept = Vec::new();
    for line in QUESTIONS.into_iter().chain(["asset show planted", "snapshots planted"]) {
        for (format, level) in
            [("table", "warn"), ("wide", "warn"), ("json", "debug"), ("csv", "info"), ("ndjson", "trace")]
        {
            let words: Vec<&str> = line.split(' ').chain(["-o", format]).collect();
            let mut command = place.command(&words);
            let answer = program::run(command.env("RUST_LOG", level)).exits(0);
            assert!(level != "trace" || answer.stderr.contains("TRACE"), "{line}: nothing was traced");
            kept.extend(said(answer));
        }
    }
    kept
}

/// The secrets of the disk.
fn secrets() -> Vec<&'static [u8]> {
    HASHES.iter().chain(&TOKENS).map(|text| text.as_bytes()).chain([SEED, PRIME, SEALED, NT]).collect()
}

/// A disk with all secrets and markers, and the folder that it was made of.
fn planted(dir: &Path) -> (PathBuf, PathBuf) {
    let (folder, image) = (dir.join("tree"), dir.join("disk.img"));
    put_keys(&folder);
    put_system(&folder);
    put_packages(&folder);
    disk::of_folder(&image, &folder, 32);
    (image, folder)
}

/// Where work crosses the wire, no log of either side has a secret, and the coordinator's store has none.
#[test]
fn no_secret_is_logged_by_a_coordinator_or_a_worker() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (image, _) = planted(dir.path());
    let store = dir.path().join("store");
    let start = |words: &[&str]| {
        let mut command = program::coldread();
        Running::start(command.args(words).env("RUST_LOG", "trace"))
    };
    let mut coordinator =
        start(&["coordinator", "--listen", "127.0.0.1:0", "--store", store.to_str().unwrap()]);
    let url = format!("http://{}", coordinator.address());
    let mut worker = start(&["worker", "--coordinator", &url]);
    let place = Place::Server(url);
    let mut scan = place.scan_command(&image, "planted", &["--content", "hash"]);
    let mut kept: Vec<Kept> = said(program::run(scan.env("RUST_LOG", "trace")).exits(3)).into();
    for line in QUESTIONS {
        let words: Vec<&str> = line.split(' ').chain(["-o", "ndjson"]).collect();
        kept.extend(said(program::run(&mut place.command(&words)).exits(0)));
    }
    worker.kill();
    coordinator.kill();
    for ended in [worker.finish(), coordinator.finish()] {
        assert!(ended.stderr.contains("TRACE"), "{}: nothing was traced", ended.line);
        kept.extend(said(ended));
    }
    let markers = Search::new(&MARKERS.map(str::as_bytes), |marker| vec![marker.to_vec()]);
    assert_eq!(markers.found(&kept).len(), MARKERS.len(), "not all markers are told");
    let search = Search::new(&secrets(), forms);
    assert_eq!(search.found(&kept), BTreeMap::new(), "told or logged");
    assert_eq!(search.found(&unfolded(&store)), BTreeMap::new(), "kept");
}

#[test]
fn no_secret_is_told_kept_or_logged() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (image, folder) = planted(dir.path());
    let (place, _store) = ask::store();
    let mut scan = place.scan_command(&image, "planted", &["--content", "hash"]);
    let mut kept: Vec<Kept> = said(program::run(scan.env("RUST_LOG", "trace")).exits(3)).into();
    kept.extend(everything(&place));
    let Place::Store(store) = &place else { panic!("{place:?}") };
    let objects = unfolded(store);

    let secrets = secrets();
    let search = Search::new(&secrets, forms);
    // First that the search would find what is there.
    let planted = search.found(&unfolded(&folder));
    assert_eq!(planted.len(), secrets.len(), "not all secrets were planted: {:#?}", planted.keys());
    let markers = Search::new(&MARKERS.map(str::as_bytes), |marker| vec![marker.to_vec()]);
    for (what, kept) in [("answer", &kept), ("object of the store", &objects)] {
        let found = markers.found(kept);
        let missing: Vec<_> = MARKERS.iter().filter(|marker| !found.contains_key(*marker)).collect();
        assert!(missing.is_empty(), "{missing:?} are in no {what}");
    }
    let keys = place.rows(&["keys", "--kind", "private"]);
    assert_eq!(keys.len(), 7, "{keys:#?}");

    assert_eq!(search.found(&kept), BTreeMap::new(), "told or logged");
    assert_eq!(search.found(&objects), BTreeMap::new(), "kept");
}

#[test]
fn the_search_finds_each_form_of_a_secret() {
    let lines = |text: String| text.as_bytes().chunks(64).collect::<Vec<_>>().join(&b"\n"[..]);
    let search = Search::new(&[SEED, PRIME, SEALED, NT], forms);
    for before in 0..5 {
        let around = |secret: &[u8]| [&vec![b'x'; before][..], secret, &vec![b'y'; 7 - before]].concat();
        for secret in [SEED, NT, PRIME] {
            for bytes in [
                around(secret),
                hex(&around(secret)).into_bytes(),
                hex(&around(secret)).to_uppercase().into_bytes(),
                lines(STANDARD.encode(around(secret))),
            ] {
                let kept = [Kept { place: "here".to_owned(), bytes }];
                assert_eq!(
                    search.found(&kept).into_keys().collect::<Vec<_>>(),
                    [String::from_utf8_lossy(secret)]
                );
            }
        }
    }
}

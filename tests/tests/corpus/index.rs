//! Every line of the index about packages, accounts and hives: what is known of its file is what a scan says of a disk
//! that holds the file where its system would. A line of a kind that has no check here fails.

use crate::{databases, disks, folder, hives};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tests::{
    ask::{self, Place},
    disk, host, truth,
};

/// A line of the index.
pub(crate) struct Line {
    /// The folder of its category.
    folder: PathBuf,
    /// The file's name.
    pub(crate) name: String,
    /// What is known of it, in words.
    pub(crate) fact: String,
}

impl Line {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// What the file holds, unpacked where it is packed with xz.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.beside(&self.name)
    }

    /// The same of another file of its category.
    pub(crate) fn beside(&self, name: &str) -> Vec<u8> {
        let stored = fs::read(self.folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        if Path::new(name).extension().is_none_or(|ending| ending != "xz") {
            return stored;
        }
        let mut plain = Vec::new();
        liblzma::read::XzDecoder::new(&stored[..]).read_to_end(&mut plain).unwrap();
        plain
    }

    /// The lines of a listing beside the file, without remarks.
    pub(crate) fn listing(&self) -> Vec<String> {
        let text = String::from_utf8(self.beside(&format!("{}.listing.tsv", self.name))).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(str::to_owned).collect()
    }

    /// The number right before a phrase of the fact.
    pub(crate) fn number(&self, phrase: &str) -> Option<usize> {
        let mut before = self.fact.match_indices(phrase).map(|(at, _)| &self.fact[..at]);
        before.find_map(|text| {
            let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
            text[text.len() - digits..].parse().ok()
        })
    }

    /// The words of the fact after a phrase.
    pub(crate) fn after(&self, phrase: &str) -> std::str::SplitWhitespace<'_> {
        let rest = self.fact.split_once(phrase).unwrap_or_else(|| panic!("{}: no {phrase:?}", self.name)).1;
        rest.split_whitespace()
    }

    /// Says that nobody knows what to hold the file against.
    pub(crate) fn is_unknown(&self) -> ! {
        panic!("{}: no check knows this kind of fact: {}", self.path().display(), self.fact)
    }
}

/// A disk with these files, scanned as `disk`.
pub(crate) struct Scanned {
    pub(crate) place: Place,
    _store: TempDir,
}

impl Scanned {
    /// Scans a disk that holds these files.
    pub(crate) fn files(files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        disk::put(&dir.path().join("tree"), files);
        Self::tree(&dir.path().join("tree"))
    }

    /// Scans a disk that holds what a folder does.
    pub(crate) fn tree(tree: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk.img");
        disk::of_folder(&image, tree, 32);
        Self::disk(&image)
    }

    /// Scans a disk. That something could not be read is how the program ends.
    pub(crate) fn disk(image: &Path) -> Self {
        let (place, store) = ask::store();
        let answer = place.scan(image, "disk", &[]);
        let scanned = Self { place, _store: store };
        answer.exits(if scanned.gaps().is_empty() { 0 } else { 3 });
        scanned
    }

    pub(crate) fn packages(&self) -> Vec<Value> {
        self.place.rows(&["packages", "--all"])
    }

    /// Kind and reason of each gap.
    pub(crate) fn gaps(&self) -> Vec<(String, String)> {
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        self.place.rows(&["gaps"]).iter().map(|row| (text(row, "kind"), text(row, "reason"))).collect()
    }
}

/// What holds a line's file against its fact.
type Check = fn(&Line);
const CHECKS: [(&str, Check); 5] = [
    ("rpmdb", databases::rpm),
    ("dpkg", databases::dpkg),
    ("apk", databases::apk),
    ("registry", hives::hive),
    ("misc", disks::disk),
];

#[test]
fn every_line_of_the_index_holds() {
    if host::lacks(&["mke2fs", "tar"]) {
        return;
    }
    let Some(corpus) = folder() else { return };
    let index = fs::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let mut lines = index.lines();
    assert_eq!(lines.next(), Some("category\tfilename\tsha256\tbytes\tsource\tpath\tlicence\texpectation"));
    let mut seen = BTreeSet::new();
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let [category, name, sha256, bytes, _, _, _, fact] = fields[..] else { panic!("{line}") };
        let Some((_, check)) = CHECKS.iter().find(|(one, _)| *one == category) else { continue };
        let line = Line { folder: corpus.join(category), name: name.to_owned(), fact: fact.to_owned() };
        let stored = fs::read(line.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (truth::hex(&Sha256::digest(&stored)).as_str(), stored.len().to_string().as_str()),
            (sha256, bytes),
            "{name} is not the file that the index tells of"
        );
        println!("{category} {name}");
        check(&line);
        assert!(seen.insert((category, name)), "{name} has two lines");
    }
    for (category, _) in CHECKS {
        for entry in fs::read_dir(corpus.join(category)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_told = name.ends_with(".listing.tsv") || seen.contains(&(category, name.as_str()));
            assert!(is_told, "{category}/{name} has no line in the index");
        }
    }
    println!("{} lines", seen.len());
}

//! Scanning and asking, the same for an embedded store and a coordinator.

use crate::program::{self, Answer};
use serde_json::Value;
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// Where scans go and answers come from.
#[derive(Clone, Debug)]
pub enum Place {
    /// A store in this directory.
    Store(PathBuf),
    /// A coordinator at this URL.
    Server(String),
}

/// A new, empty embedded store, removed in the end.
pub fn store() -> (Place, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Place::Store(dir.path().join("store")), dir)
}

/// Every query for rows, each asking for all that it can tell.
pub const QUESTIONS: [&str; 11] = [
    "assets",
    "packages --all",
    "logins --all",
    "logins summary",
    "logins windows",
    "accounts --all",
    "keys",
    "settings",
    "files --all",
    "coverage",
    "gaps",
];

/// What every query says, by its command line.
pub type Everything = Vec<(String, String)>;

impl Place {
    /// A command line of `coldread` for this place.
    pub fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut command = program::coldread();
        command.args(words);
        match self {
            Self::Store(dir) => command.arg("--store").arg(dir),
            Self::Server(url) => command.arg("--server").arg(url),
        };
        command
    }

    /// Runs a command of `coldread` here.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Answer {
        program::run(&mut self.command(words))
    }

    /// A command line that scans `source` as `asset`; on a cluster it waits for the end.
    pub fn scan_command(&self, source: &Path, asset: &str, more: &[&str]) -> Command {
        let mut command = self.command(&["scan".as_ref(), source.as_os_str()]);
        command.args(["--asset", asset]).args(more);
        if let Self::Server(_) = self {
            command.arg("--wait");
        }
        command
    }

    /// Scans `source` as `asset`.
    #[track_caller]
    pub fn scan(&self, source: &Path, asset: &str, more: &[&str]) -> Answer {
        program::run(&mut self.scan_command(source, asset, more))
    }

    /// The rows of an answer.
    #[track_caller]
    pub fn rows(&self, words: &[&str]) -> Vec<Value> {
        self.run(&[words, &["-o", "ndjson"]].concat()).exits(0).rows()
    }

    /// One asset, whole.
    #[track_caller]
    pub fn asset(&self, asset: &str) -> Value {
        let answer = self.run(&["asset", "show", asset, "-o", "json"]).exits(0);
        serde_json::from_str(answer.text()).unwrap()
    }

    /// What every query says of everything that was scanned. `snapshots` is not among them: it tells when each
    /// was committed, which two scans have not in common.
    #[track_caller]
    pub fn everything(&self) -> Everything {
        let mut lines: Vec<String> = QUESTIONS.iter().map(|line| format!("{line} -o ndjson")).collect();
        for asset in texts(&self.rows(&["assets"]), "asset") {
            lines.push(format!("asset show {asset} -o json"));
        }
        lines
            .into_iter()
            .map(|line| {
                let answer = self.run(&line.split(' ').collect::<Vec<_>>()).exits(0);
                let text = answer.text().to_owned();
                (line, text)
            })
            .collect()
    }
}

/// Fails where two places do not say the same, with the first line that differs.
#[track_caller]
pub fn assert_same(left: &Everything, right: &Everything) {
    let lines = |all: &Everything| all.iter().map(|(line, _)| line.clone()).collect::<Vec<_>>();
    assert_eq!(lines(left), lines(right), "other assets");
    for ((line, left), (_, right)) in left.iter().zip(right) {
        if left != right {
            let differ = left.lines().zip(right.lines()).find(|(left, right)| left != right);
            let counts = (left.lines().count(), right.lines().count());
            panic!("coldread {line} differs, {counts:?} lines: {differ:#?}");
        }
    }
}

/// The field `name` of each row, as text; empty where it is absent.
pub fn texts<'a>(rows: &'a [Value], name: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[name].as_str().unwrap_or_default()).collect()
}

/// That a source's coverage starts at 0, has neither hole nor overlap, and ends at `size`. Gives the classes with
/// their bytes.
#[track_caller]
pub fn assert_adds_up(rows: &[Value], size: u64) -> std::collections::BTreeMap<String, u64> {
    let mut classes = std::collections::BTreeMap::new();
    let mut at = 0;
    for row in rows {
        let length = row["length"].as_u64().unwrap();
        assert_eq!(row["start"].as_u64(), Some(at), "a hole or an overlap: {row}");
        assert!(length > 0, "{row}");
        at += length;
        *classes.entry(row["class"].as_str().unwrap().to_owned()).or_default() += length;
    }
    assert_eq!(at, size, "the ranges do not add up to the source");
    classes
}

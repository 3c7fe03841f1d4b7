//! wtmpdb's and lastlog2's databases as the `sqlite3` command writes and shows them.

use crate::support::{extract_with, output_of};
use coldread_artifacts::{Context, view::MemoryView};
use coldread_model::{Findings, LoginEvent, LoginKind};
use std::{
    fmt::Write,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Runs statements, copies database and log as they are before the command writes the one into the other, and gives
/// where they were copied to; `None` (with a word about it) where the command cannot be run.
fn left_behind(folder: &Path, name: &str, statements: &str) -> Option<PathBuf> {
    let (made, copy) = (folder.join(name), folder.join(format!("left-{name}")));
    let copies =
        ["", "-wal"].map(|end| format!(".shell cp {}{end} {}{end}\n", made.display(), copy.display()));
    let child = Command::new("sqlite3")
        .args(["-batch", "-bail"])
        .arg(&made)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: sqlite3: {error}");
            return None;
        }
    };
    let script =
        format!("PRAGMA journal_mode=WAL;\nPRAGMA wal_autocheckpoint=0;\n{statements}\n{}", copies.concat());
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    Some(copy)
}

fn read(path: &str, file: &Path) -> Findings {
    let log = std::fs::read(format!("{}-wal", file.display())).unwrap();
    assert!(!log.is_empty(), "no log was left");
    let mut companions = [("-wal", MemoryView::from(log))];
    extract_with(path, std::fs::read(file).unwrap(), &mut companions, 0, &Context::default())
}

/// What the command shows of a query, a row a line.
fn shown(file: &Path, query: &str) -> Option<Vec<String>> {
    // It writes to what it opens: of a copy.
    let copy = file.with_extension("shown");
    std::fs::copy(file, &copy).unwrap();
    std::fs::copy(format!("{}-wal", file.display()), format!("{}-wal", copy.display())).unwrap();
    let text = output_of("sqlite3", &["-batch", "-separator", "|", copy.to_str().unwrap(), query])?;
    Some(text.lines().map(str::to_owned).collect())
}

fn row(event: &LoginEvent, unit: i64) -> String {
    let count = |time: coldread_model::Timestamp| {
        (time.seconds * unit + i64::from(time.nanos) * unit / 1_000_000_000).to_string()
    };
    let until = event.until.map(count).unwrap_or_default();
    let [user, tty, from, method] = [&event.user, &event.tty, &event.from, &event.method]
        .map(|field| field.as_deref().unwrap_or_default());
    format!("{}|{user}|{}|{until}|{tty}|{from}|{method}", event.offset, count(event.time.unwrap()))
}

#[test]
fn sessions_of_wtmpdb_as_sqlite3_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut statements = String::from(
        "CREATE TABLE wtmp(ID INTEGER PRIMARY KEY, Type INTEGER, User TEXT NOT NULL, Login INTEGER, \
         Logout INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT) STRICT;\n",
    );
    for number in 0..4000_u64 {
        let start = 1_700_000_000_000_000 + number * 61_000_007;
        let end = if number % 5 == 0 { "NULL".to_owned() } else { (start + 5_000_003 * number).to_string() };
        let host = if number % 3 == 0 { "NULL".to_owned() } else { format!("'192.0.2.{}'", number % 250) };
        writeln!(
            statements,
            "INSERT INTO wtmp(Type, User, Login, Logout, TTY, RemoteHost, Service) \
             VALUES(3, 'user{}', {start}, {end}, 'pts/{}', {host}, 'sshd');",
            number % 77,
            number % 9,
        )
        .unwrap();
    }
    // What was there is changed and removed again: only the log knows it.
    statements += "DELETE FROM wtmp WHERE ID % 7 = 0;\nUPDATE wtmp SET User = 'renamed' WHERE ID % 11 = 0;\n";
    let Some(file) = left_behind(folder.path(), "wtmp.db", &statements) else { return };
    let query = "SELECT ID, User, Login, Logout, TTY, RemoteHost, Service FROM wtmp ORDER BY ID";
    let Some(expected) = shown(&file, query) else { return };
    let mut found = read("/var/lib/wtmpdb/wtmp.db", &file);
    found.logins.sort_by_key(|event| event.offset);
    assert_eq!((found.gaps, found.windows[0].records), (vec![], expected.len() as u64));
    assert!(expected.len() > 3000 && found.logins.iter().all(|event| event.kind == LoginKind::Login));
    assert_eq!(found.logins.iter().map(|event| row(event, 1_000_000)).collect::<Vec<_>>(), expected);
}

#[test]
fn last_logins_of_lastlog2_as_sqlite3_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut statements = String::from(
        "CREATE TABLE Lastlog2(Name TEXT PRIMARY KEY, Time INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT) STRICT;\n",
    );
    for number in 0..3000_u64 {
        // The later login of a user takes the place of the earlier.
        writeln!(
            statements,
            "INSERT OR REPLACE INTO Lastlog2 VALUES('user{}', {}, 'pts/{}', '192.0.2.{}', 'login');",
            number % 700,
            1_700_000_000 + number,
            number % 9,
            number % 250,
        )
        .unwrap();
    }
    let Some(file) = left_behind(folder.path(), "lastlog2.db", &statements) else { return };
    let query = "SELECT rowid, Name, Time, '', TTY, RemoteHost, Service FROM Lastlog2 ORDER BY rowid";
    let Some(expected) = shown(&file, query) else { return };
    let mut found = read("/var/lib/lastlog/lastlog2.db", &file);
    found.logins.sort_by_key(|event| event.offset);
    assert_eq!((found.gaps, expected.len()), (vec![], 700));
    assert_eq!(found.logins.iter().map(|event| row(event, 1)).collect::<Vec<_>>(), expected);
}

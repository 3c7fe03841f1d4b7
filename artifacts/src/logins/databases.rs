//! The SQLite databases that follow wtmp and lastlog: wtmpdb's and lastlog2's.
//!
//! Sources: wtmpdb(8) and `lib/sqlite.c` of wtmpdb for the table `wtmp`; lastlog2(8) and `liblastlog2` of
//! util-linux for `Lastlog2`. wtmpdb counts microseconds since 1970, lastlog2 seconds.

use super::{address, window::Span};
use crate::{
    Context, Extractor, Input, Output,
    input::{EVENTS_PER_FILE, FileGaps},
    sqlite::{Database, Row, SqliteError, Value},
    view::FileView,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, LoginEvent, LoginKind, LoginSource, SessionEnd, Text, Timestamp};

const STRUCTURE: &str = "login database";

/// Reads the databases of wtmpdb and lastlog2.
#[derive(Debug)]
pub struct Databases;

impl Extractor for Databases {
    fn name(&self) -> &'static str {
        "login-databases"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Logins)
    }

    fn wants(&self) -> &'static [Want] {
        const LOG: &[&str] = &["-wal"];
        const WANTS: &[Want] = &[
            Want { companions: LOG, ..Want::new("/var/lib/wtmpdb/*.db", Reading::Ranges) },
            Want { companions: LOG, ..Want::new("/var/log/wtmp.db", Reading::Ranges) },
            Want { companions: LOG, ..Want::new("/var/lib/lastlog/lastlog2.db", Reading::Ranges) },
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let (source, table) = if place.path.ends_with(b"/lastlog2.db") {
            (LoginSource::Lastlog2, "Lastlog2")
        } else {
            (LoginSource::Wtmpdb, "wtmp")
        };
        let (mut gaps, mut span) = (place.gaps(STRUCTURE), Span::new(source));
        read(input, table, &mut gaps, out, &mut |row, out| {
            let events = match source {
                LoginSource::Lastlog2 => last_login(row, place.path),
                _ => session(row, place.path),
            }?;
            let Some((first, second)) = events else {
                span.take(None);
                return Ok(());
            };
            if span.records() >= EVENTS_PER_FILE {
                return Err(SqliteError::Limit(format!("more than {EVENTS_PER_FILE} rows")));
            }
            span.take(first.time);
            if let Some(until) = first.until.or(second.as_ref().and_then(|second| second.time)) {
                span.cover(until);
            }
            out.login(first);
            if let Some(second) = second {
                out.login(second);
            }
            Ok(())
        });
        gaps.finish(out);
        span.finish(&place, out);
    }
}

type TakeRow<'a> = dyn FnMut(&Row, &mut dyn Output) -> Result<(), SqliteError> + 'a;

fn read(
    input: &mut Input<'_>,
    table: &str,
    gaps: &mut FileGaps<'_>,
    out: &mut dyn Output,
    take: &mut TakeRow<'_>,
) {
    let mut log: Option<&mut dyn FileView> = None;
    for companion in &mut input.companions {
        if companion.suffix == "-wal" {
            log = Some(&mut *companion.view);
        }
    }
    let opened = Database::open(&mut *input.view, log, &mut |error| gaps.push(out, error.gap_kind(), error));
    let mut database = match opened {
        Ok(Some(database)) => database,
        Ok(None) => return,
        Err(error) => return gaps.push(out, error.gap_kind(), error),
    };
    let root = match database.table(table) {
        Ok(Some(root)) => root,
        Ok(None) => return gaps.push(out, GapKind::NotFound, format!("no table {table}")),
        Err(error) => return gaps.push(out, error.gap_kind(), error),
    };
    database.each_row(root, &mut |row| match row.and_then(|row| take(&row, out)) {
        Ok(()) => true,
        Err(error) => {
            let goes_on = error.gap_kind() != GapKind::Limit;
            gaps.push(out, error.gap_kind(), error);
            goes_on
        }
    });
}

type Events = Option<(LoginEvent, Option<LoginEvent>)>;

fn text(value: &Value<'_>) -> Option<Text> {
    value.text().filter(|text| !text.is_empty()).map(Text::new)
}

fn from(value: &Value<'_>) -> Option<Text> {
    value.text().filter(|text| !text.is_empty()).map(|text| address::canonical(text.as_bytes()))
}

/// `ID, Type, User, Login, Logout, TTY, RemoteHost, Service`. A start of the machine (type 1) has its end as
/// its logout; of other types but sessions (3) there is nothing to tell.
fn session(row: &Row, path: &[u8]) -> Result<Events, SqliteError> {
    let values = row.values()?;
    let [_, kind, user, login, logout, tty, host, rest @ ..] = values.as_slice() else {
        return Err(SqliteError::Corrupt { page: 0, reason: format!("row {}: too few columns", row.id) });
    };
    let time = |value: &Value<'_>| {
        let micros = value.integer().filter(|micros| *micros > 0)?;
        Some(Timestamp::new(micros / 1_000_000, (micros % 1_000_000) as u32 * 1000))
    };
    let offset = row.id as u64;
    let event = |kind, time| LoginEvent::new(LoginSource::Wtmpdb, kind, time, path, offset);
    Ok(match kind.integer() {
        Some(1) => {
            let down = time(logout).map(|time| event(LoginKind::Shutdown, Some(time)));
            Some((LoginEvent { detail: text(host), ..event(LoginKind::Boot, time(login)) }, down))
        }
        Some(3) => {
            let until = time(logout);
            let login = LoginEvent {
                user: text(user),
                tty: text(tty),
                from: from(host),
                method: rest.first().and_then(text),
                until,
                ended: until.map(|_| SessionEnd::Logout),
                ..event(LoginKind::Login, time(login))
            };
            Some((login, None))
        }
        _ => None,
    })
}

/// `Name, Time, TTY, RemoteHost, Service`.
fn last_login(row: &Row, path: &[u8]) -> Result<Events, SqliteError> {
    let values = row.values()?;
    let [name, time, tty, host, rest @ ..] = values.as_slice() else {
        return Err(SqliteError::Corrupt { page: 0, reason: format!("row {}: too few columns", row.id) });
    };
    // Who never logged in has no time.
    let Some(seconds) = time.integer().filter(|seconds| *seconds > 0) else { return Ok(None) };
    let time = Some(Timestamp::new(seconds, 0));
    let event = LoginEvent {
        user: text(name),
        tty: text(tty),
        from: from(host),
        method: rest.first().and_then(text),
        ..LoginEvent::new(LoginSource::Lastlog2, LoginKind::Login, time, path, row.id as u64)
    };
    Ok(Some((event, None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Companion, view::MemoryView};
    use coldread_model::Findings;

    fn extract(path: &str, file: &std::path::Path) -> Findings {
        let view = |path: &std::path::Path| MemoryView::from(std::fs::read(path).unwrap_or_default());
        let (mut found, mut main) = (Findings::default(), view(file));
        let mut log = view(&file.with_extension("db-wal"));
        let has_log = !log.is_empty();
        let mut input = Input::new(path.as_bytes(), "p1", &mut main);
        if has_log {
            input.companions.push(Companion { suffix: "-wal", view: &mut log });
        }
        Databases.extract(&mut input, &Context::default(), &mut found);
        found
    }

    #[test]
    fn wtmpdb_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wtmp.db");
        let database = rusqlite::Connection::open(&file).unwrap();
        database
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;
                CREATE TABLE wtmp(ID INTEGER PRIMARY KEY, Type INTEGER, User TEXT NOT NULL, Login INTEGER,
                    Logout INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT) STRICT;
                INSERT INTO wtmp VALUES(1, 1, 'reboot', 1700000000000001, 1700009000000000, '~', '6.1.0', NULL);
                INSERT INTO wtmp VALUES(2, 3, 'al', 1700000100500000, 1700000200000000, 'pts/0', '::ffff:192.0.2.1', 'sshd');
                INSERT INTO wtmp VALUES(3, 3, 'bo', 1700000300000000, NULL, 'tty1', NULL, 'login');",
            )
            .unwrap();
        let found = extract("/var/lib/wtmpdb/wtmp.db", &file);
        assert_eq!(found.gaps, []);
        let kinds: Vec<_> = found.logins.iter().map(|event| event.kind.name()).collect();
        assert_eq!(kinds, ["boot", "shutdown", "login", "login"]);
        let al = &found.logins[2];
        assert_eq!((al.user.as_deref(), al.from.as_deref()), (Some("al"), Some("192.0.2.1")));
        assert_eq!((al.time, al.offset), (Some(Timestamp::new(1_700_000_100, 500_000_000)), 2));
        assert_eq!(
            (al.until.map(|time| time.seconds), al.ended),
            (Some(1_700_000_200), Some(SessionEnd::Logout))
        );
        assert_eq!(found.logins[3].ended, None);
        let window = &found.windows[0];
        assert_eq!((window.records, window.span.unwrap().1.seconds), (3, 1_700_009_000));
        drop(database);
    }

    #[test]
    fn lastlog2_and_a_database_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.db");
        let database = rusqlite::Connection::open(&file).unwrap();
        database
            .execute_batch(
                "CREATE TABLE Lastlog2(Name TEXT PRIMARY KEY, Time INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT) STRICT;
                INSERT INTO Lastlog2 VALUES('al', 1700000000, 'pts/0', '192.0.2.1', 'sshd');
                INSERT INTO Lastlog2 VALUES('new', 0, NULL, NULL, NULL);",
            )
            .unwrap();
        drop(database);
        let found = extract("/var/lib/lastlog/lastlog2.db", &file);
        assert_eq!((found.logins.len(), found.gaps.len(), found.windows[0].records), (1, 0, 2));
        assert_eq!(found.logins[0].user.as_deref(), Some("al"));
        assert_eq!(extract("/var/lib/wtmpdb/wtmp.db", &file).gaps[0].kind, GapKind::NotFound);
    }
}

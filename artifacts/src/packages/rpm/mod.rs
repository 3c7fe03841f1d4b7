//! RPM's database, in its SQLite form. Databases in the older forms are named as unread.
//!
//! Source: rpm's `lib/backend/sqlite.cc`: table `Packages`, one header blob a row.

mod header;

use super::purl::PurlBuilder;
use crate::{
    Context, Extractor, Input, Output,
    input::{FileGaps, PACKAGES_PER_FILE, Place},
    sqlite::{Database, Row, SqliteError, Value},
    view::FileView,
    wants::{Reading, Want},
};
use coldread_model::{Gap, GapKind, Package, PackageType, Timestamp};

const STRUCTURE: &str = "rpm database";

/// What a rollback journal begins with while a transaction is under way (SQLite's file format, section 3).
const HOT_JOURNAL: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// Reads rpm's databases.
#[derive(Debug)]
pub struct Rpm;

impl Extractor for Rpm {
    fn name(&self) -> &'static str {
        "rpm"
    }

    fn version(&self) -> u32 {
        1
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const COMPANIONS: &[&str] = &["-wal", "-journal"];
        const WANTS: &[Want] = &[
            Want { companions: COMPANIONS, ..Want::new("/var/lib/rpm/rpmdb.sqlite", Reading::Ranges) },
            Want {
                companions: COMPANIONS,
                ..Want::new("/usr/lib/sysimage/rpm/rpmdb.sqlite", Reading::Ranges)
            },
            Want::new("/var/lib/rpm/Packages", Reading::Ranges),
            Want::new("/var/lib/rpm/Packages.db", Reading::Ranges),
            Want::new("/usr/lib/sysimage/rpm/Packages", Reading::Ranges),
            Want::new("/usr/lib/sysimage/rpm/Packages.db", Reading::Ranges),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let place = input.place();
        if place.path.ends_with(b"rpmdb.sqlite") {
            sqlite(input, context, out);
        } else if !input.view.is_empty() {
            out.gap(older_form(input));
        }
    }
}

/// The gap of a database that is not SQLite's.
fn older_form(input: &mut Input<'_>) -> Gap {
    let place = input.place();
    let mut start = [0; 16];
    if let Err(error) = input.view.read_at(0, &mut start) {
        return place.view_gap(STRUCTURE, &error);
    }
    // The hash database's magic in either byte order; NDB's `RpmP`.
    let form = match start {
        [b'R', b'p', b'm', b'P', ..] => "NDB",
        [.., 0x61, 0x15, 0x06, 0x00] | [.., 0x00, 0x06, 0x15, 0x61] => "BerkeleyDB hash",
        _ => "unknown",
    };
    place.gap(GapKind::Unsupported, STRUCTURE, format!("packages in the {form} form are not read"))
}

fn sqlite(input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
    let place = input.place();
    let mut log: Option<&mut dyn FileView> = None;
    for companion in &mut input.companions {
        if companion.suffix == "-wal" {
            log = Some(&mut *companion.view);
        } else if let Some(gap) = unfinished(&place, &mut *companion.view) {
            out.gap(gap);
        }
    }
    let gap = |error: SqliteError| place.gap(error.gap_kind(), STRUCTURE, error);
    let has_log = log.is_some();
    let opened = match Database::open(&mut *input.view, log) {
        // What the database itself holds is still good, if not the newest.
        Err(error) if has_log => {
            out.gap(gap(error));
            Database::open(&mut *input.view, None)
        }
        opened => opened,
    };
    let mut database = match opened {
        Ok(Some(database)) => database,
        Ok(None) => {
            out.gap(place.gap(GapKind::NotFound, STRUCTURE, "an empty file"));
            return;
        }
        Err(error) => {
            out.gap(gap(error));
            return;
        }
    };
    let root = match database.table("Packages") {
        Ok(Some(root)) => root,
        Ok(None) => {
            out.gap(place.gap(GapKind::NotFound, STRUCTURE, "no table Packages"));
            return;
        }
        Err(error) => {
            out.gap(gap(error));
            return;
        }
    };
    let purl = PurlBuilder::new("rpm", &context.system, None);
    let mut gaps: FileGaps<'_> = place.gaps(STRUCTURE);
    let mut rows = 0;
    database.each_row(root, &mut |row| {
        if rows >= PACKAGES_PER_FILE {
            gaps.push(out, GapKind::Limit, format!("more than {PACKAGES_PER_FILE} packages"));
            return false;
        }
        match row {
            Ok(row) => match package(&row, &place, &purl) {
                Ok(package) => {
                    rows += 1;
                    out.package(package);
                }
                Err(reason) => gaps.push(out, GapKind::Corrupt, format!("package {}: {reason}", row.id)),
            },
            Err(error) => gaps.push(out, error.gap_kind(), error),
        }
        true
    });
    gaps.finish(out);
}

/// The gap of a rollback journal that a crash left behind: it would undo a part of the database.
fn unfinished(place: &Place<'_>, journal: &mut dyn FileView) -> Option<Gap> {
    let mut start = [0; 8];
    match journal.read_at(0, &mut start) {
        Ok(8) if start == HOT_JOURNAL => {
            let reason = "a rollback journal was left by a crash and is not applied";
            Some(place.gap(GapKind::Unreplayed, STRUCTURE, reason))
        }
        Ok(_) => None,
        Err(error) => Some(place.view_gap("rollback journal", &error)),
    }
}

fn package(row: &Row, place: &Place<'_>, purl: &PurlBuilder) -> Result<Package, String> {
    let values = row.values().map_err(|error| error.to_string())?;
    let blob = values.get(1).and_then(Value::blob).ok_or("no header blob")?;
    let header = header::parse(blob)?;
    let (source_name, source_version) = header.source().unzip();
    let version = header.full_version();
    Ok(Package {
        source_name,
        source_version,
        purl: purl.build(&header.name, &header.version_release(), header.arch.as_deref(), header.epoch),
        root: place.root.to_owned(),
        installed_at: header.installed_at.map(|seconds| Timestamp::new(i64::from(seconds), 0)),
        arch: header.arch,
        ..Package::new(PackageType::Rpm, header.name, version, place.origin())
    })
}

#[cfg(test)]
mod tests {
    use super::{header::tests::bash, *};
    use crate::{Companion, view::MemoryView};
    use coldread_model::Findings;

    fn read(path: &str, bytes: Vec<u8>, companions: &mut [(&'static str, MemoryView)]) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(bytes);
        let mut input = Input::new(path.as_bytes(), "p1", &mut view);
        for (suffix, view) in companions {
            input.companions.push(Companion { suffix, view });
        }
        Rpm.extract(&mut input, &Context::default(), &mut found);
        found
    }

    fn database(blobs: &[Vec<u8>], table: &str) -> (Vec<u8>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rpmdb.sqlite");
        let database = rusqlite::Connection::open(&path).unwrap();
        let setup = "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0";
        let create =
            format!("CREATE TABLE '{table}' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)");
        database.execute_batch(&format!("{setup}; {create}; PRAGMA wal_checkpoint")).unwrap();
        for blob in blobs {
            database.execute(&format!("INSERT INTO '{table}' (blob) VALUES (?)"), [blob]).unwrap();
        }
        (std::fs::read(&path).unwrap(), std::fs::read(path.with_extension("sqlite-wal")).unwrap())
    }

    const PATH: &str = "/var/lib/rpm/rpmdb.sqlite";

    #[test]
    fn packages_of_the_log_and_a_broken_one() {
        let (bytes, log) = database(&[bash(), b"broken".to_vec()], "Packages");
        let found = read(PATH, bytes.clone(), &mut [("-wal", log.into())]);
        assert_eq!(found.packages.len(), 1);
        let package = &found.packages[0];
        assert_eq!((package.name.as_str(), package.version.as_str()), ("bash", "2:5.1-2.el9"));
        assert_eq!(package.purl, "pkg:rpm/bash@5.1-2.el9?arch=x86_64&epoch=2");
        assert_eq!(package.installed_at, Some(Timestamp::new(256, 0)));
        let broken_log = read(PATH, bytes, &mut [("-wal", vec![1; 5000].into())]);
        assert_eq!((broken_log.packages.len(), broken_log.gaps.len()), (0, 1));
        let reasons: Vec<_> = found.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        assert_eq!(reasons, ["package 2: a header of less than eight bytes"]);
    }

    #[test]
    fn what_is_not_read_is_said() {
        let kinds = |found: Findings| found.gaps.iter().map(|gap| gap.kind).collect::<Vec<_>>();
        let (bytes, _) = database(&[], "Other");
        assert_eq!(kinds(read(PATH, bytes.clone(), &mut [])), [GapKind::NotFound]);
        let hot = [&HOT_JOURNAL[..], &[0; 100]].concat();
        let found = kinds(read(PATH, bytes, &mut [("-journal", hot.into())]));
        assert_eq!(found, [GapKind::Unreplayed, GapKind::NotFound]);
        assert_eq!(kinds(read(PATH, Vec::new(), &mut [])), [GapKind::NotFound]);
        assert_eq!(kinds(read(PATH, vec![1; 99], &mut [])), [GapKind::Corrupt]);
        let found = read("/var/lib/rpm/Packages", b"RpmP".to_vec(), &mut []);
        assert_eq!(found.gaps[0].reason, "packages in the NDB form are not read");
        let hash = [&[0; 12][..], &[0x61, 0x15, 0x06, 0x00], &[0; 99]].concat();
        let found = read("/usr/lib/sysimage/rpm/Packages", hash, &mut []);
        assert_eq!(
            (found.gaps[0].kind, found.gaps[0].reason.contains("BerkeleyDB")),
            (GapKind::Unsupported, true)
        );
        assert_eq!(kinds(read("/var/lib/rpm/Packages.db", Vec::new(), &mut [])), []);
    }
}

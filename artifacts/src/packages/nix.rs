//! Paths of the Nix and Guix stores, as their databases have them valid.
//!
//! Sources: Nix, `src/libstore/schema.sql` (table `ValidPaths`), "Derivation names" of the Nix manual; GNU Guix, the
//! same schema. A store path is DIGEST-NAME-VERSION; a path whose name has no version (a source, a script, a
//! configuration) is no package and is passed over.

use super::{purl::purl_of, rows::too_long};
use crate::{
    Context, Extractor, Input, Output,
    input::PACKAGES_PER_FILE,
    sqlite::{Database, Value},
    view::FileView,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageType, Part, Parts, Timestamp};

const STRUCTURE: &str = "store database";

/// Characters of a path's digest.
const DIGEST: usize = 32;

/// Outputs that a derivation may have beside its first, as names end with them.
const OUTPUTS: [&str; 14] = [
    "bin", "dev", "lib", "man", "doc", "devdoc", "info", "debug", "static", "out", "data", "terminfo", "py",
    "dist",
];

/// Reads the databases of the Nix and Guix stores.
#[derive(Debug)]
pub struct Nix;

impl Extractor for Nix {
    fn name(&self) -> &'static str {
        "nix"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const fn want(pattern: &'static str) -> Want {
            Want { companions: &["-wal"], ..Want::new(pattern, Reading::Ranges) }
        }
        const WANTS: &[Want] = &[want("/nix/var/nix/db/db.sqlite"), want("/var/guix/db/db.sqlite")];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let kind = if place.path.starts_with(b"/var/guix/") { PackageType::Guix } else { PackageType::Nix };
        let log = input.companions.first_mut().map(|log| &mut *log.view as &mut dyn FileView);
        let opened = Database::open(&mut *input.view, log, &mut |error| {
            out.gap(place.gap(error.gap_kind(), STRUCTURE, error));
        });
        let mut database = match opened {
            Ok(Some(database)) => database,
            Ok(None) => return,
            Err(error) => {
                out.gap(place.gap(error.gap_kind(), STRUCTURE, error));
                return;
            }
        };
        let root = match database.table("ValidPaths") {
            Ok(Some(root)) => root,
            Ok(None) => {
                out.gap(place.gap(GapKind::NotFound, STRUCTURE, "no table ValidPaths"));
                return;
            }
            Err(error) => {
                out.gap(place.gap(error.gap_kind(), STRUCTURE, error));
                return;
            }
        };
        let mut gaps = place.gaps(STRUCTURE);
        let mut rows = 0;
        database.each_row(root, &mut |row| {
            // id, path, hash, registrationTime, …
            let read = row.and_then(|row| {
                let values = row.values()?;
                let path = values.get(1).and_then(Value::text).map(str::to_owned);
                Ok((row.id, path, values.get(3).and_then(Value::integer)))
            });
            let (path, time) = match read {
                Ok((_, Some(path), time)) => (path, time),
                Ok((id, None, _)) => {
                    gaps.push(out, GapKind::Corrupt, format!("row {id} has no path"));
                    return true;
                }
                Err(error) => {
                    gaps.push(out, error.gap_kind(), error);
                    return true;
                }
            };
            let Some((name, version, output)) = split(&path) else { return true };
            if let Some(reason) = too_long(name, version) {
                gaps.push(out, GapKind::Limit, reason);
                return true;
            }
            rows += 1;
            if rows > PACKAGES_PER_FILE {
                gaps.push(out, GapKind::Limit, format!("more than {PACKAGES_PER_FILE} packages"));
                return false;
            }
            out.package(Package {
                purl: purl_of(kind, name, version, &[("output", output)]),
                installed_at: time.filter(|time| *time > 1).map(|time| Timestamp::new(time, 0)),
                root: place.root.to_owned(),
                ..Package::new(kind, name, version, place.origin())
            });
            true
        });
        gaps.finish(out);
    }
}

/// Name, version and output of a store path. The version begins after the first dash before anything but a letter.
fn split(path: &str) -> Option<(&str, &str, Option<&str>)> {
    let base = path.rsplit('/').next()?;
    let (digest, rest) = base.split_at_checked(DIGEST)?;
    let whole = rest.strip_prefix('-')?;
    let is_digest = digest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    // Recipes are not what they make; nor are what was fetched to be built.
    let is_made = ![".drv", ".lock", ".patch", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip", ".diff"]
        .iter()
        .any(|end| whole.ends_with(end));
    if !is_digest || !is_made {
        return None;
    }
    let (name, version) = whole
        .match_indices('-')
        .map(|(dash, _)| (&whole[..dash], &whole[dash + 1..]))
        .find(|(_, version)| version.starts_with(|first: char| first.is_ascii_digit()))?;
    let split = version.rsplit_once('-').filter(|(_, output)| OUTPUTS.contains(output));
    let (version, output) = split.map_or((version, None), |(version, output)| (version, Some(output)));
    (!name.is_empty()).then_some((name, version, output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Companion, view::MemoryView};
    use coldread_model::Findings;

    /// The files of a database: of its paths the first `whole` are in it, the others in its log.
    fn files(paths: &[&str], whole: usize, table: &str) -> (Vec<u8>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("db.sqlite");
        let database = rusqlite::Connection::open(&file).unwrap();
        let create = format!(
            "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE {table} (id integer primary key \
             autoincrement not null, path text unique not null, hash text not null, registrationTime integer not null)"
        );
        database.execute_batch(&create).unwrap();
        for (index, path) in paths.iter().enumerate() {
            if index == whole {
                database.execute_batch("PRAGMA wal_checkpoint").unwrap();
            }
            database
                .execute(&format!("INSERT INTO {table} VALUES (NULL, ?, 'sha256:0', 1700000000)"), [path])
                .unwrap();
        }
        let log = std::fs::read(folder.path().join("db.sqlite-wal")).unwrap();
        (std::fs::read(&file).unwrap(), log)
    }

    fn extract(path: &str, (database, log): (Vec<u8>, Vec<u8>)) -> Findings {
        let (mut view, mut log) = (MemoryView::from(database), MemoryView::from(log));
        let mut found = Findings::default();
        let mut input = Input::new(path.as_bytes(), "p1", &mut view);
        input.companions.push(Companion { suffix: "-wal", view: &mut log });
        Nix.extract(&mut input, &Context::default(), &mut found);
        found
    }

    fn read(path: &str, paths: &[&str], table: &str) -> Findings {
        extract(path, files(paths, 0, table))
    }

    #[test]
    fn a_damaged_log_costs_what_it_holds_and_no_more() {
        let path = |name| format!("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-{name}");
        let (first, second) = (path("glibc-2.38-27"), path("bash-5.2"));
        let (database, log) = files(&[&first, &second], 1, "ValidPaths");
        let names = |log: Vec<u8>| {
            let found = extract("/nix/var/nix/db/db.sqlite", (database.clone(), log));
            let names: Vec<_> = found.packages.into_iter().map(|package| package.name).collect();
            (names, found.gaps.into_iter().map(|gap| gap.kind).collect::<Vec<_>>())
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(names(log.clone()), (owned(&["glibc", "bash"]), vec![]));
        let other_magic = [&[1; 4][..], &log[4..]].concat();
        assert_eq!(names(other_magic), (owned(&["glibc"]), vec![GapKind::Corrupt]));
        let other_sum = [&log[..24], &[!log[24]], &log[25..]].concat();
        assert_eq!(names(other_sum), (owned(&["glibc"]), vec![GapKind::Corrupt]));
    }

    #[test]
    fn names_without_end_are_told_and_the_others_read() {
        let path = |name: &str| format!("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-{name}");
        let (long, late) =
            (path(&format!("{}-1.0", "n".repeat(1 << 20))), path(&format!("x-1{}", "0".repeat(600))));
        let found = read("/nix/var/nix/db/db.sqlite", &[&long, &late, &path("bash-5.2")], "ValidPaths");
        assert_eq!(found.packages.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["bash"]);
        assert_eq!(found.gaps.iter().map(|gap| gap.kind).collect::<Vec<_>>(), [GapKind::Limit; 2]);
    }

    #[test]
    fn packages_among_the_paths() {
        let digest = "0123456789abcdfghijklmnpqrsvwxyz";
        let path = |name: &str| format!("/nix/store/{digest}-{name}");
        let paths: Vec<String> = [
            "glibc-2.38-27",
            "openssl-3.0.12-dev",
            "python3.11-pip-23.2.1",
            "source",
            "hello-2.12.1.drv",
            "hello-2.12.1.tar.gz",
            "builder.sh",
            "x-unstable-2023-01-01",
        ]
        .map(path)
        .to_vec();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let found = read("/nix/var/nix/db/db.sqlite", &paths, "ValidPaths");
        let purls: Vec<_> = found.packages.iter().map(|one| one.purl.as_str()).collect();
        assert_eq!(
            purls,
            [
                "pkg:nix/glibc@2.38-27",
                "pkg:nix/openssl@3.0.12?output=dev",
                "pkg:nix/python3.11-pip@23.2.1",
                "pkg:nix/x-unstable@2023-01-01",
            ]
        );
        assert_eq!(found.packages[0].installed_at, Some(Timestamp::new(1_700_000_000, 0)));
        assert_eq!(found.gaps, []);
        let guix =
            read("/var/guix/db/db.sqlite", &[&format!("/gnu/store/{digest}-bash-5.1.16")], "ValidPaths");
        assert_eq!(guix.packages[0].purl, "pkg:guix/bash@5.1.16");
        assert_eq!(read("/nix/var/nix/db/db.sqlite", &[], "Other").gaps[0].kind, GapKind::NotFound);
    }
}

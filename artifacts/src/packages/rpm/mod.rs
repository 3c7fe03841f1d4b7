//! RPM's database in its three forms: BerkeleyDB's hash, rpm's own NDB, SQLite. Each holds one header blob a
//! package, keyed by a number.

mod bdb;
mod fault;
mod header;
mod ndb;
mod sqlite;

use super::{
    purl::PurlBuilder,
    rows::{oversized, too_long, vendor},
};
use crate::{
    Context, Extractor, Input, Output,
    input::{FileGaps, PACKAGES_PER_FILE, Place},
    wants::{Reading, Want},
};
use coldread_model::{Gap, GapKind, Package, PackageType, Timestamp};

const STRUCTURE: &str = "rpm database";

/// Reads rpm's databases.
#[derive(Debug)]
pub struct Rpm;

impl Extractor for Rpm {
    fn name(&self) -> &'static str {
        "rpm"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const COMPANIONS: &[&str] = &["-wal", "-journal"];
        const fn sqlite(pattern: &'static str) -> Want {
            Want { companions: COMPANIONS, ..Want::new(pattern, Reading::Ranges) }
        }
        const WANTS: &[Want] = &[
            sqlite("/var/lib/rpm/rpmdb.sqlite"),
            sqlite("/usr/lib/sysimage/rpm/rpmdb.sqlite"),
            sqlite("/usr/share/rpm/rpmdb.sqlite"),
            Want::new("/var/lib/rpm/Packages", Reading::Ranges),
            Want::new("/var/lib/rpm/Packages.db", Reading::Ranges),
            Want::new("/usr/lib/sysimage/rpm/Packages", Reading::Ranges),
            Want::new("/usr/lib/sysimage/rpm/Packages.db", Reading::Ranges),
            Want::new("/usr/share/rpm/Packages", Reading::Ranges),
            Want::new("/usr/share/rpm/Packages.db", Reading::Ranges),
        ];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let place = input.place();
        let form = match form_of(input) {
            Ok(form) => form,
            Err(gap) => {
                out.gap(gap);
                return;
            }
        };
        let mut packages = Packages {
            place,
            purl: PurlBuilder::of(PackageType::Rpm, &context.system),
            gaps: place.gaps(STRUCTURE),
            rows: 0,
        };
        match form {
            Form::Sqlite => {
                sqlite::each_blob(input, out, &mut |found, out| packages.found(found, out));
            }
            Form::Hash => bdb::each_blob(input.view, &mut |found| packages.blob(found, out)),
            Form::Ndb => ndb::each_blob(input.view, &mut |found| packages.blob(found, out)),
            Form::Empty => {}
            Form::Unknown => {
                let reason = "neither a BerkeleyDB hash, nor NDB, nor SQLite";
                packages.gaps.push(out, GapKind::Corrupt, reason);
            }
        }
        packages.gaps.finish(out);
    }
}

/// How a database is stored.
enum Form {
    Sqlite,
    Hash,
    Ndb,
    Empty,
    Unknown,
}

/// By its first bytes: the hash database's magic in either byte order, NDB's `RpmP`, or SQLite's name.
fn form_of(input: &mut Input<'_>) -> Result<Form, Gap> {
    let place = input.place();
    if place.path.ends_with(b"rpmdb.sqlite") {
        return Ok(Form::Sqlite);
    }
    let mut start = [0; 16];
    let got = input.view.read_at(0, &mut start).map_err(|error| place.view_gap(STRUCTURE, &error))?;
    Ok(match start {
        _ if got == 0 => Form::Empty,
        [b'R', b'p', b'm', b'P', ..] => Form::Ndb,
        [.., 0x61, 0x15, 0x06, 0x00] | [.., 0x00, 0x06, 0x15, 0x61] => Form::Hash,
        _ => Form::Unknown,
    })
}

/// What header blobs become.
struct Packages<'a> {
    place: Place<'a>,
    purl: PurlBuilder,
    gaps: FileGaps<'a>,
    rows: u64,
}

impl Packages<'_> {
    fn blob(&mut self, found: fault::Blob, out: &mut dyn Output) -> bool {
        match found {
            Ok((number, blob)) => self.package(i64::from(number), &blob, out),
            Err(fault) => {
                self.gaps.push(out, fault.gap_kind(), fault);
                true
            }
        }
    }

    fn found(&mut self, found: sqlite::Found<'_>, out: &mut dyn Output) -> bool {
        match found {
            Ok((number, blob)) => self.package(number, blob, out),
            Err(gap) => {
                self.gaps.push(out, gap.kind, gap.reason);
                true
            }
        }
    }

    /// Says whether more are wanted.
    fn package(&mut self, number: i64, blob: &[u8], out: &mut dyn Output) -> bool {
        if self.rows >= PACKAGES_PER_FILE {
            self.gaps.push(out, GapKind::Limit, format!("more than {PACKAGES_PER_FILE} packages"));
            return false;
        }
        let header = match header::parse(blob) {
            Ok(header) => header,
            Err(reason) => {
                self.gaps.push(out, GapKind::Corrupt, format!("package {number}: {reason}"));
                return true;
            }
        };
        let version = header.full_version();
        if let Some(reason) = too_long(&header.name, &version) {
            self.gaps.push(out, GapKind::Limit, format!("package {number}, {reason}"));
            return true;
        }
        self.rows += 1;
        let owner = format!("rpm:{}", header.name);
        let files = header.each_file(&mut |path| out.owned(&owner, path));
        for fault in header.faults.iter().chain(files.as_ref().err()) {
            let reason = format!("package {number}, {}: {fault}", header.name);
            self.gaps.push(out, fault.gap_kind(), reason);
        }
        let (source_name, source_version) = header.source().unzip();
        let present = |text: Option<String>| text.filter(|text| !text.is_empty() && text != "(none)");
        let row = Package {
            source_name,
            source_version,
            purl: self.purl.build(
                &header.name,
                &header.version_release(),
                header.arch.as_deref(),
                header.epoch,
            ),
            root: self.place.root.to_owned(),
            installed_at: header.installed_at.map(|seconds| Timestamp::new(i64::from(seconds), 0)),
            arch: header.arch,
            vendor: present(header.vendor).as_deref().and_then(vendor),
            module: present(header.module),
            ..Package::new(PackageType::Rpm, header.name, version, self.place.origin())
        };
        match oversized(&row) {
            Some(reason) => self.gaps.push(out, GapKind::Limit, format!("package {number}, {reason}")),
            None => out.package(row),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{header::tests::bash, sqlite::HOT_JOURNAL, *};
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
    fn texts_without_end_are_told_and_the_others_read() {
        let long = [vec![b'n'; 5000], vec![0]].concat();
        let of = |field: u32| {
            let mut fields =
                [(1000, &b"x\0"[..]), (1001, b"1\0"), (1002, b"2\0"), (1022, b"noarch\0"), (1011, b"v\0")];
            for (tag, text) in &mut fields {
                if *tag == field {
                    *text = &long;
                }
            }
            header::tests::blob(&fields.map(|(tag, text)| (tag, 6, text)))
        };
        let blobs = [of(1000), of(1001), of(1002), of(1022), of(1011), bash()];
        let (bytes, log) = database(&blobs, "Packages");
        let found = read(PATH, bytes, &mut [("-wal", log.into())]);
        let shown: Vec<_> = found
            .packages
            .iter()
            .map(|one| (one.name.as_str(), one.vendor.as_ref().map_or(0, String::len)))
            .collect();
        assert_eq!(shown, [("x", 512), ("bash", 11)]);
        assert_eq!(found.gaps.len(), 4);
        for (gap, number) in found.gaps.iter().zip(1..) {
            assert_eq!(gap.kind, GapKind::Limit);
            assert!(gap.reason.starts_with(&format!("package {number}, ")) && gap.reason.len() < 200);
        }
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
        assert_eq!(kinds(read("/var/lib/rpm/Packages", b"RpmP".to_vec(), &mut [])), [GapKind::Corrupt]);
        let hash = [&[0; 12][..], &[0x61, 0x15, 0x06, 0x00], &[0; 499]].concat();
        assert_eq!(kinds(read("/usr/lib/sysimage/rpm/Packages", hash, &mut [])), [GapKind::Unsupported]);
        assert_eq!(kinds(read("/var/lib/rpm/Packages", vec![1; 99], &mut [])), [GapKind::Corrupt]);
        assert_eq!(kinds(read("/var/lib/rpm/Packages.db", Vec::new(), &mut [])), []);
    }

    #[test]
    fn the_same_package_of_every_form() {
        let bash = bash();
        let (sqlite, log) = database(std::slice::from_ref(&bash), "Packages");
        let from_sqlite = read(PATH, sqlite, &mut [("-wal", log.into())]).packages;
        let from_ndb = read("/var/lib/rpm/Packages.db", super::ndb::tests::database(&[&bash]), &mut []);
        let from_hash = read("/var/lib/rpm/Packages", super::bdb::tests::database(&[&bash]), &mut []);
        for found in [from_ndb, from_hash] {
            assert_eq!(found.gaps, []);
            let purls =
                |packages: &[Package]| packages.iter().map(|one| one.purl.clone()).collect::<Vec<_>>();
            assert_eq!(purls(&found.packages), purls(&from_sqlite));
            assert_eq!(found.packages[0].vendor.as_deref(), Some("Some Vendor"));
            assert_eq!(found.packages[0].module.as_deref(), Some("shell:5:1:c"));
        }
    }
}

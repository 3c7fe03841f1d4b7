use super::*;
use crate::view::MemoryView;
use proptest::prelude::*;
use rusqlite::{Connection, params};
use std::path::Path;

/// A database's file and its log as they lie on the disk while it is open.
fn files(path: &Path) -> (MemoryView, Option<MemoryView>) {
    let log = std::fs::read(path.with_extension("db-wal")).ok();
    (std::fs::read(path).unwrap().into(), log.map(MemoryView::from))
}

type Rows = Vec<(i64, Option<String>, Option<Vec<u8>>, i64)>;

fn read(view: &mut MemoryView, log: Option<&mut MemoryView>) -> (Rows, Vec<SqliteError>) {
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    let log = log.map(|log| log as &mut dyn FileView);
    let opened = Database::open(view, log, &mut |error| errors.push(error));
    let table = match opened {
        Ok(Some(mut database)) => match database.table("t") {
            Ok(Some(root)) => Ok((database, root)),
            Ok(None) => return (rows, errors),
            Err(error) => Err(error),
        },
        Ok(None) => return (rows, errors),
        Err(error) => Err(error),
    };
    match table {
        Ok((mut database, root)) => database.each_row(root, &mut |row| {
            let parsed = row.and_then(|row| {
                let values = row.values()?;
                let text = values.get(1).and_then(Value::text).map(str::to_owned);
                let blob = values.get(2).and_then(Value::blob).map(<[u8]>::to_vec);
                Ok((row.id, text, blob, values.get(3).and_then(Value::integer).unwrap_or(-7)))
            });
            match parsed {
                Ok(row) => rows.push(row),
                Err(error) => errors.push(error),
            }
            true
        }),
        Err(error) => errors.push(error),
    }
    (rows, errors)
}

fn fill(database: &Connection, rows: i64, size: usize) {
    for id in 0..rows {
        let blob = vec![id as u8; (id as usize * 37) % size];
        let number = id * id * id * 1_000_003 - 5;
        database
            .execute(
                "INSERT INTO t VALUES (?, ?, ?, ?)",
                params![id * 3 + 1, format!("näme {id}"), blob, number],
            )
            .unwrap();
    }
}

fn expected(database: &Connection) -> Rows {
    let mut statement = database.prepare("SELECT a, b, c, d FROM t ORDER BY a").unwrap();
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

const TABLE: &str = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c BLOB, d INT)";

#[test]
fn tables_of_every_page_size_and_encoding_as_sqlite_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    for (index, (page, encoding, rows, size)) in [
        (512, "UTF-8", 600, 3000),
        (4096, "UTF-16le", 300, 20_000),
        (65_536, "UTF-16be", 50, 300_000),
        (1024, "UTF-8", 0, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("{index}.db"));
        let database = Connection::open(&path).unwrap();
        let setup = format!(
            "PRAGMA page_size={page}; PRAGMA encoding='{encoding}'; {TABLE}; CREATE INDEX i ON t(b); BEGIN"
        );
        database.execute_batch(&setup).unwrap();
        fill(&database, rows, size);
        database.execute_batch("COMMIT; DELETE FROM t WHERE a % 7 = 0; CREATE TABLE u (x)").unwrap();
        let (mut view, _) = files(&path);
        let (found, errors) = read(&mut view, None);
        assert_eq!(errors, []);
        assert!(found == expected(&database), "page size {page}");
    }
}

#[test]
fn what_was_committed_to_the_log_is_seen_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let mut database = Connection::open(&path).unwrap();
    database
        .execute_batch(&format!("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; {TABLE}"))
        .unwrap();
    fill(&database, 50, 9000);
    // A checkpoint and then new frames over the old ones: salts tell them apart.
    database.execute_batch("PRAGMA wal_checkpoint(RESTART); UPDATE t SET b = 'new' WHERE a > 100").unwrap();
    let (mut view, log) = files(&path);
    let mut log = log.unwrap();
    let (found, errors) = read(&mut view.clone(), Some(&mut log));
    assert_eq!(errors, []);
    assert!(found == expected(&database));
    assert!(read(&mut view, None).0 != found, "the log made no difference");

    // A transaction that spills into the log and is not committed.
    let before = expected(&database);
    database.execute_batch("PRAGMA cache_size=10").unwrap();
    let transaction = database.transaction().unwrap();
    transaction.execute_batch("UPDATE t SET c = zeroblob(5000)").unwrap();
    let (mut view, log) = files(&path);
    assert!(read(&mut view, log.clone().as_mut()).0 == before);
    drop(transaction);

    // Without the database's own file all of it may be in the log.
    let mut bytes = vec![0; log.as_ref().unwrap().len() as usize];
    log.unwrap().read_at(0, &mut bytes).unwrap();
    bytes[5] ^= 1;
    let (_, errors) = read(&mut view, Some(&mut MemoryView::from(bytes)));
    assert_eq!(errors[0].gap_kind(), GapKind::Corrupt);
}

#[test]
fn empty_and_foreign_files() {
    assert_eq!(read(&mut MemoryView::from(Vec::new()), None), (vec![], vec![]));
    for bytes in [b"SQLite".to_vec(), vec![7; 5000], [&b"SQLite format 3\0"[..], &[0xff; 90]].concat()] {
        let (rows, errors) = read(&mut MemoryView::from(bytes), None);
        assert_eq!((rows.len(), errors.len()), (0, 1));
    }
}

fn sample() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let database = Connection::open(&path).unwrap();
    database.execute_batch(&format!("PRAGMA page_size=512; {TABLE}; BEGIN")).unwrap();
    fill(&database, 120, 2500);
    database.execute_batch("COMMIT").unwrap();
    std::fs::read(&path).unwrap()
}

#[test]
fn every_flipped_byte_is_an_error_or_another_row_and_never_more() {
    let bytes = sample();
    for at in (0..bytes.len()).step_by(61) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0xff;
        let (rows, _) = read(&mut MemoryView::from(bytes), None);
        assert!(rows.len() < 1000);
    }
}

#[test]
fn a_cut_file_is_an_error_and_the_rest_is_read() {
    let bytes = sample();
    let all = read(&mut MemoryView::from(bytes.clone()), None).0.len();
    let cut = bytes[..bytes.len() - 3 * 512 - 1].to_vec();
    let (rows, errors) = read(&mut MemoryView::from(cut), None);
    assert!(!rows.is_empty() && rows.len() < all && !errors.is_empty());
}

static HEADER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();

proptest! {
    #[test]
    fn any_record_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        for encoding in [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be] {
            let _ = record::values(&bytes, encoding);
        }
    }

    #[test]
    fn any_pages_are_walked(page in prop::collection::vec(any::<u8>(), 412), kind in prop::sample::select(vec![5u8, 13]), more in prop::collection::vec(any::<u8>(), 0..1500)) {
        let mut bytes = HEADER.get_or_init(|| sample()[..100].to_vec()).clone();
        bytes.extend(page);
        bytes.extend(more);
        for start in (100..bytes.len()).step_by(512) {
            bytes[start] = kind;
            if let Some([high, low, ..]) = bytes.get_mut(start + 3..) {
                (*high, *low) = (0, *low & 0x1f);
            }
        }
        read(&mut MemoryView::from(bytes), None);
    }
}

#[test]
fn cells_that_lie_in_each_other_are_not_read_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("overlap.db");
    let database = Connection::open(&path).unwrap();
    database.execute_batch(&format!("PRAGMA page_size = 4096; {TABLE}")).unwrap();
    for id in 1..=8 {
        database.execute("INSERT INTO t VALUES (?, 'x', ?, 1)", params![id, vec![7_u8; 200]]).unwrap();
    }
    // A row that takes half of the page, by the cells of all.
    database.execute("INSERT INTO t VALUES (9, 'x', ?, 1)", params![vec![7_u8; 1900]]).unwrap();
    drop(database);
    let mut bytes = std::fs::read(&path).unwrap();
    let leaf = 4096;
    assert_eq!((bytes[leaf], bytes[leaf + 4]), (0x0d, 9));
    let last = [bytes[leaf + 8 + 16], bytes[leaf + 8 + 17]];
    for index in 0..8 {
        bytes[leaf + 8 + 2 * index..][..2].copy_from_slice(&last);
    }
    let (rows, errors) = read(&mut MemoryView::from(bytes), None);
    assert_eq!((rows.len(), errors.len()), (2, 7), "{errors:?}");
}

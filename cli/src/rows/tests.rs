//! Rows as programs read them.

use crate::output::{Format, Printer, Row};
use coldread_proto::v1::{Evidence, File, Gap, Login, Package, PackageOrigin, Time, Xattr};

fn printed<R: Row>(format: Format, rows: &[R]) -> String {
    let mut out = Vec::new();
    let mut printer = Printer::new(format, &mut out).unwrap();
    for row in rows {
        printer.push(row).unwrap();
    }
    assert_eq!(printer.finish().unwrap(), rows.len() as u64);
    String::from_utf8(out).unwrap()
}

fn time(seconds: i64) -> Time {
    Time { seconds, nanos: 5 }
}

fn plain_file() -> File {
    File {
        asset: "web".to_owned(),
        snapshot: "ab".to_owned(),
        volume: "p1".to_owned(),
        path: b"/a".to_vec(),
        r#type: "file".to_owned(),
        inode: 12,
        size: Some(0),
        mtime: Some(time(0)),
        ..File::default()
    }
}

fn odd_file() -> File {
    File {
        mount: Some("/".to_owned()),
        path: b"/a,\"b\"\xff".to_vec(),
        r#type: "char".to_owned(),
        mode: Some(0o4755),
        uid: Some(0),
        gid: Some(u32::MAX),
        nlink: Some(1),
        ctime: Some(time(-1)),
        atime: Some(time(1)),
        crtime: Some(time(2)),
        target: Some(b"t\xfe".to_vec()),
        rdev: vec![8, 1],
        xattrs: vec![Xattr { name: b"user.a".to_vec(), value: vec![0, 255] }],
        sha256: Some(vec![0xab; 32]),
        stream: Some("Zone".as_bytes().to_vec()),
        encrypted: true,
        deleted: true,
        internal: true,
        size: None,
        ..plain_file()
    }
}

#[test]
fn absent_fields_are_left_out_and_zero_is_not_absent() {
    assert_eq!(
        printed(Format::Ndjson, &[plain_file()]),
        "{\"asset\":\"web\",\"snapshot\":\"ab\",\"volume\":\"p1\",\"path\":\"/a\",\"type\":\"file\",\
         \"inode\":12,\"size\":0,\"mtime\":\"1970-01-01T00:00:00.000000005Z\"}\n"
    );
}

#[test]
fn every_field_of_a_file_in_the_documented_order() {
    assert_eq!(
        printed(Format::Ndjson, &[odd_file()]),
        format!(
            "{{\"asset\":\"web\",\"snapshot\":\"ab\",\"volume\":\"p1\",\"mount\":\"/\",\
             \"path\":\"/a,\\\"b\\\"\u{fffd}\",\"path_hex\":\"2f612c226222ff\",\"type\":\"char\",\"inode\":12,\
             \"mode\":2541,\"uid\":0,\"gid\":4294967295,\"nlink\":1,\
             \"mtime\":\"1970-01-01T00:00:00.000000005Z\",\"ctime\":\"1969-12-31T23:59:59.000000005Z\",\
             \"atime\":\"1970-01-01T00:00:01.000000005Z\",\"crtime\":\"1970-01-01T00:00:02.000000005Z\",\
             \"target\":\"t\u{fffd}\",\"target_hex\":\"74fe\",\"rdev\":[8,1],\"xattrs\":{{\"user.a\":\"00ff\"}},\
             \"sha256\":\"{}\",\"stream\":\"Zone\",\"encrypted\":true,\"deleted\":true,\"internal\":true}}\n",
            "ab".repeat(32)
        )
    );
}

#[test]
fn json_is_one_array() {
    let two = printed(Format::Json, &[plain_file(), odd_file()]);
    let array: Vec<serde_json::Value> = serde_json::from_str(&two).unwrap();
    assert_eq!(array.len(), 2);
    assert_eq!(printed::<File>(Format::Json, &[]), "[]\n");
    assert_eq!(printed::<File>(Format::Ndjson, &[]), "");
}

#[test]
fn csv_has_a_header_and_quotes_what_it_must() {
    let text = printed(Format::Csv, &[plain_file(), odd_file()]);
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let header = csv.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    let field = |row: usize, name: &str| {
        let index = header.iter().position(|one| one == name).unwrap();
        rows[row][index].to_owned()
    };
    assert_eq!(field(0, "path"), "/a");
    assert_eq!((field(0, "path_hex"), field(0, "uid"), field(0, "sha256")), Default::default());
    assert_eq!(field(1, "path"), "/a,\"b\"\u{fffd}");
    assert_eq!(field(1, "path_hex"), "2f612c226222ff");
    assert_eq!(field(1, "rdev"), "[8,1]");
    assert_eq!(field(1, "xattrs"), "{\"user.a\":\"00ff\"}");
    assert_eq!(field(1, "mode"), "2541");
    // The header comes without rows, too.
    assert!(printed::<File>(Format::Csv, &[]).starts_with("asset,snapshot,volume,mount,path,path_hex,type,"));
}

#[test]
fn tables_show_names_that_cannot_play_with_the_terminal() {
    let file = File { path: b"/\x1b[31m\nred".to_vec(), ..plain_file() };
    let table = printed(Format::Table, &[file]);
    assert!(table.contains("/\\u{1b}[31m\\nred"), "{table}");
    assert_eq!(table.lines().count(), 3);
}

#[test]
fn packages_logins_and_gaps_in_the_documented_order() {
    let package = Package {
        asset: "web".to_owned(),
        r#type: "deb".to_owned(),
        name: "a".to_owned(),
        version: "1:2-3".to_owned(),
        arch: Some("all".to_owned()),
        state: "installed".to_owned(),
        source_name: Some("s".to_owned()),
        source_version: Some("2".to_owned()),
        purl: "pkg:deb/debian/a".to_owned(),
        root: "/".to_owned(),
        origin: Some(PackageOrigin { volume: "p1".to_owned(), path: b"/x\xff".to_vec(), sha256: None }),
        ..Package::default()
    };
    assert_eq!(
        printed(Format::Ndjson, &[package]),
        "{\"asset\":\"web\",\"type\":\"deb\",\"name\":\"a\",\"version\":\"1:2-3\",\"arch\":\"all\",\
         \"state\":\"installed\",\"source_name\":\"s\",\"source_version\":\"2\",\"purl\":\"pkg:deb/debian/a\",\
         \"root\":\"/\",\"origin\":{\"volume\":\"p1\",\"path\":\"/x\u{fffd}\",\"path_hex\":\"2f78ff\"}}\n"
    );
    let login = Login {
        asset: "web".to_owned(),
        source: "btmp".to_owned(),
        kind: "failed".to_owned(),
        user: Some("root".to_owned()),
        from: Some("192.0.2.1".to_owned()),
        tty: Some("ssh".to_owned()),
        time: Some(time(0)),
        zone: "log".to_owned(),
        ambiguous: true,
        pid: Some(9),
        method: Some("password".to_owned()),
        origin: b"/var/log/btmp".to_vec(),
        offset: 384,
        port: Some(22),
        ended: Some("crash".to_owned()),
        evidence: vec![Evidence { source: "authlog".to_owned(), origin: b"/a".to_vec(), offset: 7 }],
        root: "/".to_owned(),
        ..Login::default()
    };
    assert_eq!(
        printed(Format::Ndjson, &[login]),
        "{\"asset\":\"web\",\"source\":\"btmp\",\"kind\":\"failed\",\"user\":\"root\",\"from\":\"192.0.2.1\",\
         \"port\":22,\"tty\":\"ssh\",\"time\":\"1970-01-01T00:00:00.000000005Z\",\"zone\":\"log\",\"ambiguous\":true,\
         \"pid\":9,\"method\":\"password\",\"ended\":\"crash\",\"root\":\"/\",\
         \"origin\":\"/var/log/btmp\",\"offset\":384,\
         \"evidence\":[{\"source\":\"authlog\",\"origin\":\"/a\",\"offset\":7}]}\n"
    );
    let gap = Gap {
        asset: "web".to_owned(),
        kind: "io".to_owned(),
        structure: "disk".to_owned(),
        reason: "why".to_owned(),
        at: Some(0),
        ..Gap::default()
    };
    assert_eq!(
        printed(Format::Ndjson, &[gap]),
        "{\"asset\":\"web\",\"at\":0,\"kind\":\"io\",\"structure\":\"disk\",\"reason\":\"why\"}\n"
    );
}

//! RPM databases in SQLite, with a write-ahead log, of any bytes.
#![no_main]

use coldread_artifacts::packages::rpm::Rpm;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (database, log) = input;
    coldread_fuzz::extract(&Rpm, "/var/lib/rpm/rpmdb.sqlite", database, Some(("-wal", log)));
});

//! RPM databases in SQLite, with a write-ahead log.
#![no_main]

use coldread_artifacts::packages::rpm::Rpm;
use coldread_fuzz::files::{self, Files};
use libfuzzer_sys::fuzz_target;

static FILES: Files = Files::of("sqlite_rpm", &["-wal"], files::no_checksums);

fuzz_target!(|input: &[u8]| {
    let (database, log) = FILES.file(input);
    let log = log.as_ref().map(|(ending, log)| (*ending, log.as_slice()));
    coldread_fuzz::extract(&Rpm, "/var/lib/rpm/rpmdb.sqlite", &database, log);
});

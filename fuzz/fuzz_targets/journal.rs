//! A systemd journal.
#![no_main]

use coldread_artifacts::logins::journal::Journal;
use coldread_fuzz::files::{self, Files};
use libfuzzer_sys::fuzz_target;

static FILES: Files = Files::of("journal", &[], files::no_checksums);

fuzz_target!(|bytes: &[u8]| coldread_fuzz::extract(
    &Journal,
    "/var/log/journal/0/system.journal",
    &FILES.file(bytes).0,
    None
));

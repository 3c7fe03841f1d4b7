//! Login records.
#![no_main]

use coldread_artifacts::logins::utmp::Utmp;
use coldread_fuzz::files::{self, Files};
use libfuzzer_sys::fuzz_target;

static FILES: Files = Files::of("utmp", &[], files::no_checksums);

fuzz_target!(|bytes: &[u8]| coldread_fuzz::extract(&Utmp, "/var/log/wtmp", &FILES.file(bytes).0, None));

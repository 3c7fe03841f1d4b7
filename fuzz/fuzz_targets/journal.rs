//! A systemd journal of any bytes.
#![no_main]

use coldread_artifacts::logins::journal::Journal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| coldread_fuzz::extract(&Journal, "/var/log/journal/0/system.journal", bytes, None));

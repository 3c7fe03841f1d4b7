//! Authentication logs of any bytes.
#![no_main]

use coldread_artifacts::logins::syslog::Syslog;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| coldread_fuzz::extract(&Syslog, "/var/log/auth.log", bytes, None));

//! Login records of any bytes.
#![no_main]

use coldread_artifacts::logins::utmp::Utmp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| coldread_fuzz::extract(&Utmp, "/var/log/wtmp", bytes, None));

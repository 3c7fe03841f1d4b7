//! Counts of failed logins of any bytes.
#![no_main]

use coldread_artifacts::logins::tallies::Tallies;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for path in ["/var/log/faillog", "/var/log/tallylog", "/run/faillock/al"] {
        coldread_fuzz::extract(&Tallies, path, bytes, None);
    }
});

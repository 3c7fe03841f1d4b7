//! RPM databases in BerkeleyDB's hash form.
#![no_main]

use coldread_artifacts::packages::rpm::Rpm;
use coldread_fuzz::seeds;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::write("rpm_bdb"), |file: &[u8]| coldread_fuzz::extract(&Rpm, "/var/lib/rpm/Packages", file, None));

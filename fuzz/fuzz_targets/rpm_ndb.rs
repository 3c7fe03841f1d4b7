//! RPM databases in NDB, as they are and with their checksums made right again.
#![no_main]

use coldread_artifacts::packages::rpm::Rpm;
use coldread_fuzz::seeds;
use libfuzzer_sys::fuzz_target;

const PATH: &str = "/var/lib/rpm/Packages.db";

fuzz_target!(init: seeds::write("rpm_ndb"), |file: &[u8]| {
    coldread_fuzz::extract(&Rpm, PATH, file, None);
    let mut repaired = file.to_vec();
    coldread_fuzz::rpm::repair(&mut repaired);
    coldread_fuzz::extract(&Rpm, PATH, &repaired, None);
});

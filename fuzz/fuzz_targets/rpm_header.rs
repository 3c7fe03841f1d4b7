//! RPM's header blobs, in a database that is whole.
#![no_main]

use coldread_artifacts::packages::rpm::Rpm;
use coldread_fuzz::seeds;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::write("rpm_header"), |blob: &[u8]| {
    let database = coldread_fuzz::rpm::ndb(&[blob]);
    coldread_fuzz::extract(&Rpm, "/var/lib/rpm/Packages.db", &database, None);
});

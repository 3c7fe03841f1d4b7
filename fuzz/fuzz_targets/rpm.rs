//! RPM databases in BerkeleyDB and in NDB, and headers of packages in both.
#![no_main]

use coldread_artifacts::packages::rpm::Rpm;
use coldread_fuzz::files::{self, Files};
use libfuzzer_sys::fuzz_target;

static BERKELEY: Files = Files::of("rpm_bdb", &[], files::no_checksums);
static NDB: Files = Files::of("rpm_ndb", &[], files::no_checksums);

fuzz_target!(|input: &[u8]| {
    let [which, input @ ..] = input else { return };
    if which % 2 == 0 {
        coldread_fuzz::extract(&Rpm, "/var/lib/rpm/Packages", &BERKELEY.file(input).0, None);
    } else {
        coldread_fuzz::extract(&Rpm, "/var/lib/rpm/Packages.db", &NDB.file(input).0, None);
    }
});

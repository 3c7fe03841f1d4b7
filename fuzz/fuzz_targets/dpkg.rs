//! Status files of dpkg of any bytes.
#![no_main]

use coldread_artifacts::packages::dpkg::Dpkg;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| coldread_fuzz::extract(&Dpkg, "/var/lib/dpkg/status", bytes, None));

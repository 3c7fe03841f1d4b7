//! Java's archives with others within them. Only with the right checksum is a member looked into, so the bytes are
//! also put into whole archives: as a manifest, as properties, as an archive within another.
#![no_main]

use coldread_artifacts::packages::java::Java;
use coldread_fuzz::seeds;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::write("jar"), |bytes: &[u8]| {
    coldread_fuzz::extract(&Java, "/srv/x-1.0.jar", bytes, None);
    coldread_fuzz::extract(&Java, "/srv/y.war", &coldread_fuzz::archive_of(bytes), None);
});

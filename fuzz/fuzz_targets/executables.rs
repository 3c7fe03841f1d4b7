//! Executables of any bytes, of each form by their first ones: Go's build information and Rust's lists of crates.
#![no_main]

use coldread_artifacts::packages::binaries::Binaries;
use libfuzzer_sys::fuzz_target;

const MAGIC: [&[u8]; 6] =
    [b"\x7fELF\x02\x01\x01", b"\x7fELF\x01\x02\x01", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe\0\0\0", b""];

fuzz_target!(|input: (u8, &[u8])| {
    let (form, bytes) = input;
    let file = [MAGIC[usize::from(form) % MAGIC.len()], bytes].concat();
    coldread_fuzz::extract(&Binaries, "/usr/bin/x", &file, None);
});

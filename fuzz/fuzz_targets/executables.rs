//! Executables: Go's build information and Rust's lists of crates.
#![no_main]

use coldread_artifacts::packages::binaries::Binaries;
use coldread_fuzz::seeds;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::write("executables"), |file: &[u8]| coldread_fuzz::extract(&Binaries, "/usr/bin/x", file, None));

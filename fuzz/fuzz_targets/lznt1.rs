//! Compression units of any bytes: at most as much comes out as was asked for.
#![no_main]

use coldread_fsparse::fs::ntfs::lznt1;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (limit, unit) = input;
    let mut out = vec![1];
    let _ = lznt1::decompress(unit, &mut out, usize::from(limit));
    assert!(out[0] == 1 && out.len() <= 1 + usize::from(limit));
});

//! Chunks of a listing of any bytes: an error, or rows.
#![no_main]

use coldread_model::listing::{Chunk, DigestColumn, Xattrs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (stable, volatile) = input;
    let _ = DigestColumn::decode(stable);
    if let Ok(chunk) = Chunk::decode_stable(stable) {
        chunk.parents().count();
        for row in chunk.iter() {
            row.to_record();
            Xattrs(row.stable.xattrs).count();
        }
    }
    if let Ok(chunk) = Chunk::decode(stable, volatile) {
        assert_eq!(chunk.iter().count(), chunk.rows());
    }
});

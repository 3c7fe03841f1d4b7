//! What container engines keep beside the layers of images, of any bytes: containerd's database with whole meta pages
//! before them, or as it is.
#![no_main]

use coldread_artifacts::layers::{lower, lower_id, short_name, snapshots};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

static METAS: OnceLock<Vec<u8>> = OnceLock::new();

fuzz_target!(init: coldread_fuzz::seeds::write("layers"), |bytes: &[u8]| {
    let _ = snapshots(bytes);
    // Their checksums are never hit by chance.
    let metas = METAS.get_or_init(coldread_fuzz::seeds::bolt_metas);
    let _ = snapshots(&[metas, bytes].concat());
    let _ = (lower(bytes), lower_id(bytes), short_name(bytes));
});

//! A whole scan of damaged XFS filesystems, logs included.
#![no_main]

use coldread_fuzz::{Damage, Images};
use libfuzzer_sys::fuzz_target;

static IMAGES: Images = Images::of(&["xfs", "xfs-4k"]);

fuzz_target!(|damage: Damage| IMAGES.scan(&damage));

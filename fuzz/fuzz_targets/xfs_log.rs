//! A whole scan of an XFS filesystem with a damaged log.
#![no_main]

use coldread_fuzz::{Damage, Images};
use libfuzzer_sys::fuzz_target;

static IMAGES: Images = Images::of(&["xfs-dirty"]);

fuzz_target!(|damage: Damage| IMAGES.scan(&damage));

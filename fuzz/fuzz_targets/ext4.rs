//! A whole scan of damaged ext2, ext3 and ext4 filesystems, journals included.
#![no_main]

use coldread_fuzz::{Damage, Images};
use libfuzzer_sys::fuzz_target;

static IMAGES: Images = Images::of(&["ext4", "ext4-inline", "ext3", "ext2"]);

fuzz_target!(|damage: Damage| IMAGES.scan(&damage));

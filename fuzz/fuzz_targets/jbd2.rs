//! A whole scan of ext3 and ext4 filesystems with damaged journals: logs, revokes, fast commits, orphans.
#![no_main]

use coldread_fuzz::{Damage, Images};
use libfuzzer_sys::fuzz_target;

static IMAGES: Images = Images::of(&["ext4-dirty", "ext4-fast", "ext3-dirty"]);

fuzz_target!(|damage: Damage| IMAGES.scan(&damage));

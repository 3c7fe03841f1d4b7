//! A whole scan of disks with damaged partition tables.
#![no_main]

use coldread_fuzz::{Damage, Images};
use libfuzzer_sys::fuzz_target;

static IMAGES: Images = Images::of(&["gpt", "mbr"]);

fuzz_target!(|damage: Damage| IMAGES.scan(&damage));

//! A whole scan of damaged NTFS filesystems.
#![no_main]

use coldread_fuzz::{Damage, Images};
use libfuzzer_sys::fuzz_target;

static IMAGES: Images = Images::of(&["ntfs", "ntfs-odd"]);

fuzz_target!(|damage: Damage| IMAGES.scan(&damage));

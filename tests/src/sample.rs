//! The sample disk of the repository, and what its recipe says it holds.

use crate::program::workspace;
use serde_json::Value;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// The compressed image.
pub fn compressed() -> PathBuf {
    workspace().join("samples/server.img.zst")
}

/// What its recipe says of it.
pub fn expected() -> Value {
    serde_json::from_reader(File::open(workspace().join("samples/expected.json")).unwrap()).unwrap()
}

/// Unpacks the image to a sparse file in `folder`.
pub fn unpacked(folder: &Path) -> PathBuf {
    let path = folder.join("server.img");
    let mut image = File::create(&path).unwrap();
    let mut packed = zstd::Decoder::new(File::open(compressed()).unwrap()).unwrap();
    let mut block = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        let len = io::Read::read(&mut packed, &mut block).unwrap();
        if len == 0 {
            break;
        }
        if block[..len].iter().any(|&byte| byte != 0) {
            std::os::unix::fs::FileExt::write_all_at(&image, &block[..len], size).unwrap();
        }
        size += len as u64;
    }
    io::Write::flush(&mut image).unwrap();
    image.set_len(size).unwrap();
    path
}

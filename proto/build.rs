//! Compiles the protos without `protoc`: stubs and the descriptors that reflection serves.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 3] = ["coldread/v1/scans.proto", "coldread/v1/query.proto", "coldread/v1/work.proto"];

/// What carries file contents and objects: shared buffers instead of copies.
const SHARED_BUFFERS: [&str; 5] = [
    ".coldread.v1.Object.compressed",
    ".coldread.v1.PutOutputRequest.data",
    ".coldread.v1.OutputPiece.data",
    ".coldread.v1.KeptPiece.data",
    ".coldread.v1.FileBytes.data",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=coldread");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("coldread.bin"), compiler.encode_file_descriptor_set())?;
    let mut config = tonic_prost_build::configure();
    for field in SHARED_BUFFERS {
        config = config.bytes(field);
    }
    config.compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

//! Windows event logs: a whole file, and the input as the content of one record.
#![no_main]

use coldread_artifacts::logins::evtx::Evtx;
use coldread_fuzz::files::{self, Files};
use libfuzzer_sys::fuzz_target;

const PATH: &str = "/Windows/System32/winevt/Logs/Security.evtx";

static FILES: Files = Files::of("evtx", &[], files::evtx_without_checksums);

fuzz_target!(|bytes: &[u8]| {
    coldread_fuzz::extract(&Evtx, PATH, &FILES.file(bytes).0, None);
    coldread_fuzz::extract(&Evtx, PATH, &record_of(bytes), None);
});

/// A log with one chunk that holds one record with this content, so that its tokens are reached at once.
fn record_of(content: &[u8]) -> Vec<u8> {
    let content = &content[..content.len().min(60_000)];
    let mut log = vec![0; 4096 + 512];
    log[..8].copy_from_slice(b"ElfFile\0");
    log[38] = 3;
    log[41] = 16;
    log[120] = 1;
    let size = (24 + content.len() + 4) as u32;
    log[4096..4104].copy_from_slice(b"ElfChnk\0");
    log[4144..4148].copy_from_slice(&(512 + size).to_le_bytes());
    log.extend(b"**\0\0");
    log.extend(size.to_le_bytes());
    log.extend([0; 16]);
    log.extend(content);
    log.extend(size.to_le_bytes());
    log.resize(4096 + 65_536, 0);
    log
}

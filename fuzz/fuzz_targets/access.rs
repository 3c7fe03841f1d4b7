//! Files that say who can log in, of any bytes.
#![no_main]

use coldread_artifacts::{
    accounts::{passwd::Accounts, sudoers::Sudoers},
    keys::sshd::SshdConfig,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for path in ["/etc/passwd", "/etc/shadow", "/etc/group"] {
        coldread_fuzz::extract(&Accounts, path, bytes, None);
    }
    // Rules and settings are searched for secrets in command lines too.
    coldread_fuzz::extract(&Sudoers, "/etc/sudoers", bytes, None);
    coldread_fuzz::extract(&SshdConfig, "/etc/ssh/sshd_config", bytes, None);
});

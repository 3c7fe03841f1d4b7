//! Private and public keys of any bytes: as files, and as the content of each form of private key.
#![no_main]

use base64::{Engine, engine::general_purpose::STANDARD};
use coldread_artifacts::keys::{authorized::AuthorizedKeys, private::PrivateKeys};
use libfuzzer_sys::fuzz_target;

const LABELS: [&str; 4] = ["OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"];

fuzz_target!(|bytes: &[u8]| {
    coldread_fuzz::extract(&PrivateKeys, "/home/a/.ssh/id", bytes, None);
    coldread_fuzz::extract(&AuthorizedKeys, "/home/a/.ssh/authorized_keys", bytes, None);
    let mut text = String::new();
    for (label, start) in LABELS.iter().zip([&b"openssh-key-v1\0"[..], b"", b"", b""]) {
        let body = STANDARD.encode([start, bytes].concat());
        text += &format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    }
    coldread_fuzz::extract(&PrivateKeys, "/etc/ssl/private/x.pem", text.as_bytes(), None);
    let blob = STANDARD.encode(bytes);
    for kind in ["ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-ed25519-cert-v01@openssh.com"] {
        let line = format!("command=\"x\" {kind} {blob} y\n");
        coldread_fuzz::extract(&AuthorizedKeys, "/root/.ssh/authorized_keys", line.as_bytes(), None);
    }
});

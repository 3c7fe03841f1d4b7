//! Public keys in SSH's own form.
//!
//! Sources: RFC 4251, section 5 (strings, mpints); RFC 4253, section 6.6; RFC 5656, section 3.1; RFC 8709, section 4;
//! OpenSSH `PROTOCOL.u2f` and `PROTOCOL.certkeys`; sshd(8), "AUTHORIZED_KEYS FILE FORMAT".

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// What can be said of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey {
    pub(super) algorithm: String,
    pub(super) bits: Option<u32>,
    pub(super) fingerprint: String,
}

/// Takes SSH's strings off the front of bytes.
pub(super) struct Strings<'a>(pub(super) &'a [u8]);

impl<'a> Strings<'a> {
    pub(super) fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let len = self.number()? as usize;
        let (string, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(string)
    }
}

/// Whether a word names a type of key.
pub(super) fn is_type(word: &str) -> bool {
    let plain = word.strip_suffix("@openssh.com").unwrap_or(word);
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-", "rsa-sha2-"]
        .iter()
        .any(|start| plain.starts_with(start))
        && plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Reads a key's blob.
pub(super) fn of_blob(blob: &[u8]) -> Option<PublicKey> {
    let mut strings = Strings(blob);
    let algorithm = std::str::from_utf8(strings.string()?).ok().filter(|word| is_type(word))?.to_owned();
    let plain = algorithm.split('@').next().unwrap_or_default();
    let kind = plain.strip_suffix("-cert-v01").unwrap_or(plain);
    if kind.len() < plain.len() {
        // A certificate begins with a nonce.
        strings.string()?;
    }
    let bits = match kind {
        "ssh-rsa" => {
            strings.string()?;
            Some(bits_of(strings.string()?))
        }
        "ssh-dss" => Some(bits_of(strings.string()?)),
        "ssh-ed25519" | "sk-ssh-ed25519" => Some(256),
        _ if kind.ends_with("nistp256") => Some(256),
        _ if kind.ends_with("nistp384") => Some(384),
        _ if kind.ends_with("nistp521") => Some(521),
        _ => None,
    };
    let digest = Sha256::digest(blob);
    let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(digest));
    Some(PublicKey { algorithm, bits, fingerprint })
}

/// Bits of a positive number, leading zeros left out.
pub(super) fn bits_of(number: &[u8]) -> u32 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let rest = &number[zeros..];
    rest.first().map_or(0, |first| (rest.len() as u32).saturating_mul(8) - first.leading_zeros())
}

/// The blob in a word of base64.
pub(super) fn blob_of(word: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(word.trim_end_matches('=')).ok()
}

/// A blob of strings.
pub(super) fn blob(strings: &[&[u8]]) -> Vec<u8> {
    let mut blob = Vec::new();
    for string in strings {
        blob.extend_from_slice(&(string.len() as u32).to_be_bytes());
        blob.extend_from_slice(string);
    }
    blob
}

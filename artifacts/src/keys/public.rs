//! Public keys in SSH's own form.
//!
//! Sources: RFC 4251, section 5 (strings, mpints); RFC 4253, section 6.6; RFC 5656, section 3.1; RFC 8709, section 4;
//! OpenSSH `PROTOCOL.u2f` and `PROTOCOL.certkeys`; sshd(8), "AUTHORIZED_KEYS FILE FORMAT".
//! A key of a known type is held to its fields, as OpenSSH does it; one of another type has a fingerprint all the same.

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

/// What a certificate's type ends in, before the domain of OpenSSH.
const CERTIFICATE: &str = "-cert-v01@openssh.com";

/// Reads a key's blob. A certificate's fingerprint is that of the key in it, as ssh-keygen has it.
pub(super) fn of_blob(blob: &[u8]) -> Option<PublicKey> {
    let mut strings = Strings(blob);
    let algorithm = std::str::from_utf8(strings.string()?).ok().filter(|word| is_type(word))?.to_owned();
    let certified = algorithm.strip_suffix(CERTIFICATE);
    let plain = match certified {
        // The types of security keys keep the domain.
        Some(kind) if kind.starts_with("sk-") => format!("{kind}@openssh.com"),
        Some(kind) => kind.to_owned(),
        None => algorithm.clone(),
    };
    if certified.is_some() {
        // A certificate begins with a nonce.
        strings.string()?;
    }
    let fields = strings.0;
    let shape = Shape::read(&plain, &mut strings)?;
    let digest = match (shape, certified) {
        // Nobody knows how many fields of the certificate are the key's.
        (Shape::Unknown, Some(_)) => return None,
        (Shape::Known(_), None) if !strings.0.is_empty() => return None,
        (_, None) => Sha256::digest(blob),
        (Shape::Known(_), Some(_)) => {
            let key = fields.len() - strings.0.len();
            Sha256::digest([&self::blob(&[plain.as_bytes()])[..], &fields[..key]].concat())
        }
    };
    let bits = match shape {
        Shape::Known(bits) => Some(bits),
        Shape::Unknown => None,
    };
    let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(digest));
    Some(PublicKey { algorithm, bits, fingerprint })
}

/// What the fields of a key tell.
#[derive(Clone, Copy)]
enum Shape {
    /// A key of so many bits.
    Known(u32),
    /// A type that is not known here.
    Unknown,
}

impl Shape {
    /// Takes the fields of a key of this type off the front.
    fn read(kind: &str, strings: &mut Strings<'_>) -> Option<Self> {
        let bits = match kind {
            "ssh-rsa" => {
                strings.positive()?;
                bits_of(strings.positive()?)
            }
            "ssh-dss" => {
                let bits = bits_of(strings.positive()?);
                strings.positive()?;
                strings.positive()?;
                strings.positive()?;
                bits
            }
            "ssh-ed25519" => strings.of_len(32)?,
            "sk-ssh-ed25519@openssh.com" => {
                strings.of_len(32)?;
                strings.string()?;
                256
            }
            "sk-ecdsa-sha2-nistp256@openssh.com" => {
                let bits = strings.point("nistp256")?;
                strings.string()?;
                bits
            }
            _ => match kind.strip_prefix("ecdsa-sha2-") {
                Some(curve) => strings.point(curve)?,
                None => return Some(Self::Unknown),
            },
        };
        Some(Self::Known(bits))
    }
}

/// The curves of RFC 5656, section 10.1, that OpenSSH has: name, bits.
const CURVES: [(&str, u32); 3] = [("nistp256", 256), ("nistp384", 384), ("nistp521", 521)];

impl<'a> Strings<'a> {
    /// A number above zero.
    fn positive(&mut self) -> Option<&'a [u8]> {
        self.string()
            .filter(|number| number.first().is_some_and(|first| *first < 0x80) && bits_of(number) > 0)
    }

    /// A key of so many bytes; gives its bits.
    fn of_len(&mut self, bytes: u32) -> Option<u32> {
        (self.string()?.len() == bytes as usize).then_some(bytes * 8)
    }

    /// The name of a curve, which must be this one, and a point on it, uncompressed; gives the curve's bits.
    fn point(&mut self, curve: &str) -> Option<u32> {
        let (_, bits) = CURVES.into_iter().find(|(name, _)| *name == curve)?;
        let (named, point) = (self.string()?, self.string()?);
        let len = 1 + 2 * bits.div_ceil(8) as usize;
        (named == curve.as_bytes() && point.len() == len && point.first() == Some(&4)).then_some(bits)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of each type.
    fn keys() -> Vec<(Vec<u8>, u32)> {
        let point = |bytes: usize| [&[4][..], &vec![9; bytes * 2]].concat();
        let modulus = [&[0][..], &[0xc5; 256]].concat();
        let odd = [&[1][..], &[7; 65]].concat();
        vec![
            (blob(&[b"ssh-rsa", &[1, 0, 1], &modulus]), 2048),
            (blob(&[b"ssh-rsa", &[3], &odd]), 521),
            (blob(&[b"ssh-dss", &modulus, &[3], &[3], &[3]]), 2048),
            (blob(&[b"ssh-ed25519", &[7; 32]]), 256),
            (blob(&[b"ecdsa-sha2-nistp256", b"nistp256", &point(32)]), 256),
            (blob(&[b"ecdsa-sha2-nistp384", b"nistp384", &point(48)]), 384),
            (blob(&[b"ecdsa-sha2-nistp521", b"nistp521", &point(66)]), 521),
            (blob(&[b"sk-ssh-ed25519@openssh.com", &[7; 32], b"ssh:"]), 256),
            (blob(&[b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", &point(32), b"ssh:"]), 256),
        ]
    }

    #[test]
    fn each_type_is_held_to_its_fields() {
        for (key, bits) in keys() {
            let read = of_blob(&key).unwrap_or_else(|| panic!("{key:?}"));
            assert_eq!((read.bits, read.fingerprint.len()), (Some(bits), 50), "{}", read.algorithm);
            assert!((0..key.len()).all(|len| of_blob(&key[..len]).is_none()), "{} cut", read.algorithm);
            assert!(of_blob(&[&key[..], &[0]].concat()).is_none(), "{} with more", read.algorithm);
        }
        for wrong in [
            blob(&[b"ssh-ed25519", &[7; 31]]),
            blob(&[b"ssh-rsa", &[1, 0, 1], &[0xc5; 256]]),
            blob(&[b"ssh-rsa", &[], &[1]]),
            blob(&[b"ecdsa-sha2-nistp256", b"nistp384", &[4; 65]]),
            blob(&[b"ecdsa-sha2-nistp256", b"nistp256", &[2; 33]]),
            blob(&[b"ecdsa-sha2-nistp192", b"nistp192", &[4; 49]]),
            blob(&[b"no-key", &[7; 32]]),
        ] {
            assert_eq!(of_blob(&wrong), None);
        }
        let novel = of_blob(&blob(&[b"ssh-novel@openssh.com", b"?"])).unwrap();
        assert_eq!((novel.algorithm.as_str(), novel.bits), ("ssh-novel@openssh.com", None));
    }

    #[test]
    fn a_certificate_has_the_fingerprint_of_its_key() {
        for (key, bits) in keys() {
            let plain = of_blob(&key).unwrap();
            let mut strings = Strings(&key);
            strings.string().unwrap();
            let kind = plain.algorithm.strip_suffix("@openssh.com").unwrap_or(&plain.algorithm);
            let kind = format!("{kind}{CERTIFICATE}");
            let certificate = [&blob(&[kind.as_bytes(), b"nonce"])[..], strings.0, &[0; 40]].concat();
            let read = of_blob(&certificate).unwrap();
            assert_eq!((read.algorithm, read.bits), (kind, Some(bits)));
            assert_eq!(read.fingerprint, plain.fingerprint);
        }
        assert_eq!(of_blob(&blob(&[b"ssh-novel-cert-v01@openssh.com", b"nonce", b"?"])), None);
    }
}

//! Private keys that lie about: whether a passphrase protects them, and the fingerprint of their public half.
//!
//! Sources: OpenSSH `PROTOCOL.key`; RFC 8017, appendix A.1.2 (RSAPrivateKey); RFC 1421, section 4.6 (`Proc-Type`);
//! RFC 5915 and 5480 (elliptic curves); RFC 5958 (PKCS #8) and RFC 7468, section 10; PuTTY, "Appendix C: PPK file format".

use super::{
    owner_of,
    public::{self, PublicKey, Strings},
};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use coldread_model::{Gap, GapKind, Key, KeyKind, Part, Parts};

/// Keys have a few kilobytes, bundles of them with the certificates of all authorities a few hundred.
const LIMIT: u64 = 1 << 20;
/// What of a larger file shows whether it may hold keys.
const HEAD_BYTES: usize = 4 << 10;
const STRUCTURE: &str = "private key";
/// Keys in one file.
const KEYS: usize = 64;

/// Finds private keys.
#[derive(Debug)]
pub struct PrivateKeys;

impl Extractor for PrivateKeys {
    fn name(&self) -> &'static str {
        "private-keys"
    }

    fn version(&self) -> u32 {
        4
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Keys)
    }

    fn wants(&self) -> &'static [Want] {
        const SSH: &[&str] =
            &[".pub", "known_hosts", "known_hosts.old", "authorized_keys", "authorized_keys2", "config"];
        const WANTS: &[Want] = &[
            Want { except: SSH, ..Want::new("/**/.ssh/*", Reading::Ranges) },
            Want::new("/etc/ssh/ssh_host_*_key", Reading::Ranges),
            Want::new("/etc/ssl/private/*", Reading::Ranges),
            Want::new("/etc/pki/tls/private/*", Reading::Ranges),
            Want::new("/**/*.pem", Reading::Ranges),
            Want::new("/**/*.key", Reading::Ranges),
            Want::new("/**/*.ppk", Reading::Ranges),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let place = input.place();
        if input.view.len() > LIMIT {
            let mut head = [0; HEAD_BYTES];
            match input.view.read_at(0, &mut head) {
                Ok(read) if may_hold_keys(&head[..read]) => {
                    let reason = format!("{} bytes; at most {LIMIT} are searched for keys", input.view.len());
                    out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
                }
                Ok(_) => {}
                Err(error) => out.gap(place.view_gap(STRUCTURE, &error)),
            }
            return;
        }
        let bytes = match input.view.read_all(LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => {
                out.gap(place.view_gap(STRUCTURE, &error));
                return;
            }
        };
        let text = String::from_utf8_lossy(&bytes);
        let all = find(&text);
        if let Some(more @ 1..) = all.len().checked_sub(KEYS) {
            let reason = format!("{more} more keys than the {KEYS} that are told of one file");
            out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
        }
        for found in all.into_iter().take(KEYS) {
            match found {
                Ok(found) => out.key(Key {
                    root: input.root.to_owned(),
                    kind: KeyKind::Private,
                    user: owner_of(input.path, context),
                    algorithm: found.algorithm,
                    bits: found.bits,
                    fingerprint: found.fingerprint,
                    comment: None,
                    options: Vec::new(),
                    encrypted: Some(found.encrypted),
                    origin: input.path.to_vec(),
                    line: found.line,
                }),
                Err((line, reason)) => out.gap(gap(place.gap(GapKind::Corrupt, STRUCTURE, ""), line, reason)),
            }
        }
    }
}

/// Whether a file that starts like this may hold keys: they are text, with more text of any length before them.
/// Presentations and databases, which have the same endings, are none.
fn may_hold_keys(head: &[u8]) -> bool {
    !head.contains(&0)
}

fn gap(mut gap: Gap, line: u64, reason: &str) -> Gap {
    gap.reason = format!("line {line}: {reason}");
    gap
}

/// What is told of a key.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    line: u64,
    algorithm: String,
    bits: Option<u32>,
    fingerprint: Option<String>,
    encrypted: bool,
}

/// The private keys in a text, each with its line, or what is wrong with one.
fn find(text: &str) -> Vec<Result<Found, (u64, &'static str)>> {
    if text.starts_with("PuTTY-User-Key-File-") {
        return vec![putty(text).ok_or((1, "a key of PuTTY's that breaks off"))];
    }
    let mut keys = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((line, text)) = lines.next() {
        let label = text.trim().strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        let Some(label) = label.filter(|label| label.ends_with("PRIVATE KEY")) else { continue };
        let (mut body, mut encrypted, mut ended) = (String::new(), false, false);
        for (_, text) in lines.by_ref() {
            let text = text.trim();
            if text.starts_with("-----END ") {
                ended = true;
                break;
            }
            // Headers of RFC 1421; base64 has no colon.
            if text.contains(':') {
                encrypted |= text.starts_with("Proc-Type:") && text.contains("ENCRYPTED");
            } else {
                body.push_str(text);
            }
        }
        let der = STANDARD.decode(&body).ok();
        keys.push(match (ended, der) {
            (false, _) => Err((line, "the key breaks off")),
            (true, None) => Err((line, "not base64")),
            (true, Some(der)) => one(line, label, &der, encrypted).ok_or((line, "it contradicts its format")),
        });
    }
    keys
}

/// One key by its label.
fn one(line: u64, label: &str, der: &[u8], encrypted: bool) -> Option<Found> {
    let plain = |algorithm: &str, bits| Found {
        line,
        algorithm: algorithm.to_owned(),
        bits,
        fingerprint: None,
        encrypted,
    };
    let known = |key: PublicKey, encrypted| Found {
        line,
        algorithm: key.algorithm,
        bits: key.bits,
        fingerprint: Some(key.fingerprint),
        encrypted,
    };
    Some(match label {
        "OPENSSH PRIVATE KEY" => {
            let mut strings = Strings(der.strip_prefix(b"openssh-key-v1\0")?);
            let cipher = strings.string()?;
            strings.string()?;
            strings.string()?;
            if strings.number()? == 0 {
                return None;
            }
            known(public::of_blob(strings.string()?)?, cipher != b"none")
        }
        "RSA PRIVATE KEY" if !encrypted => known(rsa(der)?, false),
        "RSA PRIVATE KEY" => plain("ssh-rsa", None),
        "DSA PRIVATE KEY" => plain("ssh-dss", None),
        "EC PRIVATE KEY" if !encrypted => {
            ec(der, None).map_or_else(|| plain("ecdsa", None), |key| known(key, false))
        }
        "EC PRIVATE KEY" => plain("ecdsa", None),
        "PRIVATE KEY" => pkcs8(der).map_or_else(|| plain("pkcs8", None), |key| known(key, false)),
        "ENCRYPTED PRIVATE KEY" => Found { encrypted: true, ..plain("pkcs8", None) },
        _ => plain(&label.to_ascii_lowercase().replace(' ', "-"), None),
    })
}

/// The public half of an RSAPrivateKey.
fn rsa(der: &[u8]) -> Option<PublicKey> {
    let mut sequence = Der(Der(der).value(0x30)?);
    sequence.value(0x02)?;
    let (modulus, exponent) = (sequence.value(0x02)?, sequence.value(0x02)?);
    public::of_blob(&public::blob(&[b"ssh-rsa", exponent, modulus]))
}

/// The object identifier of RSA, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The object identifier of keys on elliptic curves, 1.2.840.10045.2.1 (RFC 5480, section 2.1.1).
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// Object identifiers of the curves that OpenSSH has, and its names for them (RFC 5656, section 10.1).
const CURVES: [(&[u8], &str); 3] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], "nistp256"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "nistp384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "nistp521"),
];

/// The public half of an ECPrivateKey (RFC 5915, section 3), if it is there; the curve may be named outside of it.
fn ec(der: &[u8], curve: Option<&[u8]>) -> Option<PublicKey> {
    let mut sequence = Der(Der(der).value(0x30)?);
    sequence.value(0x02)?;
    sequence.value(0x04)?;
    let named = sequence.value(0xa0).and_then(|parameters| Der(parameters).value(0x06));
    let (_, curve) = CURVES.iter().find(|(oid, _)| Some(*oid) == named.or(curve))?;
    // No bits of the last byte are unused.
    let point = Der(sequence.value(0xa1)?).value(0x03)?.strip_prefix(&[0])?;
    let algorithm = format!("ecdsa-sha2-{curve}");
    public::of_blob(&public::blob(&[algorithm.as_bytes(), curve.as_bytes(), point]))
}

/// The public half of an unencrypted PKCS #8 key, where it is RSA's or on a curve of OpenSSH's.
fn pkcs8(der: &[u8]) -> Option<PublicKey> {
    let mut sequence = Der(Der(der).value(0x30)?);
    sequence.value(0x02)?;
    let mut algorithm = Der(sequence.value(0x30)?);
    match algorithm.value(0x06)? {
        RSA => rsa(sequence.value(0x04)?),
        EC => ec(sequence.value(0x04)?, algorithm.value(0x06)),
        _ => None,
    }
}

/// Takes values of the distinguished encoding off the front of bytes (X.690, section 8.1).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The value with this tag that comes next.
    fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, length], mut rest) = self.0.split_first_chunk()?;
        if found != tag {
            return None;
        }
        let mut len = usize::from(length);
        if length & 0x80 != 0 {
            let count = usize::from(length & 0x7f);
            if !(1..=4).contains(&count) {
                return None;
            }
            let (bytes, after) = rest.split_at_checked(count)?;
            len = bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
            rest = after;
        }
        let (value, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(value)
    }
}

/// A key of PuTTY's.
fn putty(text: &str) -> Option<Found> {
    let mut lines = text.lines();
    let algorithm = lines.next()?.split_once(": ")?.1.trim().to_owned();
    let (mut encrypted, mut blob) = (false, String::new());
    while let Some(line) = lines.next() {
        match line.split_once(": ") {
            Some(("Encryption", how)) => encrypted = how.trim() != "none",
            Some(("Public-Lines", count)) => {
                let count = count.trim().parse::<usize>().ok()?;
                blob.extend(lines.by_ref().take(count).map(str::trim));
                break;
            }
            _ => {}
        }
    }
    let key = public::of_blob(&public::blob_of(&blob)?)?;
    Some(Found { line: 1, algorithm, bits: key.bits, fingerprint: Some(key.fingerprint), encrypted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::Findings;
    use proptest::prelude::*;

    fn pem(label: &str, headers: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{headers}{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    fn openssh(cipher: &[u8]) -> Vec<u8> {
        let public = public::blob(&[b"ssh-ed25519", &[7; 32]]);
        let mut bytes = b"openssh-key-v1\0".to_vec();
        bytes.extend(public::blob(&[cipher, b"none", b""]));
        bytes.extend(1_u32.to_be_bytes());
        bytes.extend(public::blob(&[&public, b"geheim"]));
        bytes
    }

    fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let value = parts.concat();
        [&[tag, 0x82][..], &(value.len() as u16).to_be_bytes(), &value].concat()
    }

    #[test]
    fn what_is_too_large_is_told_if_it_may_hold_keys() {
        let key = pem("OPENSSH PRIVATE KEY", "", &openssh(b"none"));
        let ppk = "PuTTY-User-Key-File-3: ssh-ed25519\n".to_owned();
        let large = LIMIT as usize + 1;
        for (head, len, keys, gaps) in [
            (&key, 200_000, 1, 0),
            (&key, large, 0, 1),
            (&ppk, large, 0, 1),
            // What openssl writes before a certificate.
            (&"Certificate:\n    Data:\n".repeat(400), large, 0, 1),
            (&"PK\x03\x04\x14\0".to_owned(), large, 0, 0),
        ] {
            let mut bytes = head.clone().into_bytes();
            bytes.resize(len, b'\n');
            let (mut view, mut found) = (MemoryView::from(bytes), Findings::default());
            let mut input = Input::new(b"/etc/ssl/private/all.pem", "p1", &mut view);
            PrivateKeys.extract(&mut input, &Context::default(), &mut found);
            assert_eq!((found.keys.len(), found.gaps.len()), (keys, gaps), "{head:?}, {len} bytes");
            assert!(found.gaps.iter().all(|gap| gap.kind == GapKind::Limit));
        }
    }

    #[test]
    fn each_form_says_what_it_can() {
        let modulus = [&[0][..], &[0xc5; 256]].concat();
        let pkcs1 = tlv(0x30, &[&tlv(2, &[&[0]]), &tlv(2, &[&modulus]), &tlv(2, &[&[1, 0, 1]])]);
        let algorithm = tlv(0x30, &[&tlv(6, &[RSA]), &[5, 0]]);
        let pkcs8 = tlv(0x30, &[&tlv(2, &[&[0]]), &algorithm, &tlv(4, &[&pkcs1])]);
        let text = [
            "some words\n".to_owned(),
            pem("OPENSSH PRIVATE KEY", "", &openssh(b"none")),
            pem("OPENSSH PRIVATE KEY", "", &openssh(b"aes256-ctr")),
            pem("RSA PRIVATE KEY", "", &pkcs1),
            pem("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", &[1; 40]),
            pem("PRIVATE KEY", "", &pkcs8),
            pem("ENCRYPTED PRIVATE KEY", "", &[1; 40]),
            pem("CERTIFICATE", "", &[1; 40]),
            "-----BEGIN PRIVATE KEY-----\nAAAA\n".to_owned(),
        ]
        .concat();
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.into_bytes());
        let mut input = Input::new(b"/home/anna/.ssh/id", "p1", &mut view);
        PrivateKeys.extract(&mut input, &Context::default(), &mut found);
        let shown: Vec<_> = found
            .keys
            .iter()
            .map(|key| (key.algorithm.as_str(), key.bits, key.fingerprint.is_some(), key.encrypted))
            .collect();
        assert_eq!(
            shown,
            [
                ("ssh-ed25519", Some(256), true, Some(false)),
                ("ssh-ed25519", Some(256), true, Some(true)),
                ("ssh-rsa", Some(2048), true, Some(false)),
                ("ssh-rsa", None, false, Some(true)),
                ("ssh-rsa", Some(2048), true, Some(false)),
                ("pkcs8", None, false, Some(true)),
            ]
        );
        assert_eq!(found.keys[2].fingerprint, found.keys[4].fingerprint);
        assert_eq!(found.keys[0].user.as_deref(), Some("anna"));
        assert_eq!(found.gaps.len(), 1, "{:#?}", found.gaps);
        assert!(found.gaps[0].reason.ends_with("the key breaks off"));
        assert!(!format!("{found:?}").contains("geheim"));
    }

    #[test]
    fn keys_on_curves() {
        let point = [&[0, 4][..], &[9; 64]].concat();
        let (oid, _) = CURVES[0];
        let key =
            |parts: &[&[u8]]| tlv(0x30, &[&[&tlv(2, &[&[1]])[..], &tlv(4, &[b"geheim"])], parts].concat());
        let (named, public) = (tlv(0xa0, &[&tlv(6, &[oid])]), tlv(0xa1, &[&tlv(3, &[&point])]));
        let algorithm = tlv(0x30, &[&tlv(6, &[EC]), &tlv(6, &[oid])]);
        let pkcs8 = tlv(0x30, &[&tlv(2, &[&[0]]), &algorithm, &tlv(4, &[&key(&[&public])])]);
        let text = [
            pem("EC PRIVATE KEY", "", &key(&[&named, &public])),
            pem("PRIVATE KEY", "", &pkcs8),
            // Without the public half, and on a curve that OpenSSH has not.
            pem("EC PRIVATE KEY", "", &key(&[&named])),
            pem("EC PRIVATE KEY", "", &key(&[&tlv(0xa0, &[&tlv(6, &[b"?"])]), &public])),
        ];
        let found: Vec<_> = find(&text.concat()).into_iter().map(Result::unwrap).collect();
        let shown: Vec<_> = found.iter().map(|key| (key.algorithm.as_str(), key.bits)).collect();
        let [open, unnamed] = [("ecdsa-sha2-nistp256", Some(256)), ("ecdsa", None)];
        assert_eq!(shown, [open, open, unnamed, unnamed]);
        assert_eq!(found[0].fingerprint, found[1].fingerprint);
        assert!(found[0].fingerprint.is_some() && found[2].fingerprint.is_none());
    }

    #[test]
    fn a_key_of_puttys() {
        let blob = STANDARD.encode(public::blob(&[b"ssh-ed25519", &[7; 32]]));
        let text = format!(
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: aes256-cbc\nComment: x\nPublic-Lines: 2\n{}\n{}\n\
             Private-Lines: 1\nAAAA\n",
            &blob[..20],
            &blob[20..]
        );
        let [Ok(found)] = &find(&text)[..] else { panic!() };
        assert_eq!((found.algorithm.as_str(), found.encrypted, found.bits), ("ssh-ed25519", true, Some(256)));
        assert_eq!(find("PuTTY-User-Key-File-2: x\n"), [Err((1, "a key of PuTTY's that breaks off"))]);
    }

    #[test]
    fn keys_beyond_the_bound_are_counted() {
        let mut found = coldread_model::Findings::default();
        let key = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let mut view = crate::view::MemoryView::from(key.repeat(KEYS + 3).into_bytes());
        let mut input = Input::new(b"/etc/ssl/private/all.pem", "p1", &mut view);
        PrivateKeys.extract(&mut input, &Context::default(), &mut found);
        assert_eq!((found.keys.len(), found.gaps.len()), (KEYS, 1));
        assert_eq!(found.gaps[0].reason, "3 more keys than the 64 that are told of one file");
    }

    proptest! {
        #[test]
        fn any_key_is_read(der in prop::collection::vec(any::<u8>(), 0..60), cut in 0usize..200) {
            for label in ["OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"] {
                let mut bytes = openssh(b"none");
                bytes.truncate(cut);
                bytes.extend(&der);
                find(&pem(label, "", &bytes));
                find(&pem(label, "", &der));
            }
        }
    }
}

//! Names and link targets that are encrypted, as the kernel shows them to those without the key.
//!
//! Sources: Linux kernel documentation, "Filesystem-level encryption (fscrypt)", section "Encryption modes
//! and usage: Filenames" and "Kernel implementation: Filename hashing and encoding"; "ext4 Data Structures
//! and Algorithms", section "Hash Tree Directories". The name is base64url of the directory hash, the first
//! 149 bytes of the ciphertext and, where it is longer, the SHA-256 of the rest.

use super::{
    bytes::u32_at,
    dir::{Directory, Name},
    geometry::Geometry,
};
use sha2::{Digest, Sha256};

/// Ciphertexts are never shorter.
const LEAST_BYTES: usize = 16;
/// Bytes of a ciphertext that are shown as they are.
const SHOWN_BYTES: usize = 149;

/// The name of an entry in an encrypted directory; none where it is too short to be one.
pub(super) fn directory_name(geometry: &Geometry, directory: &Directory, found: Name<'_>) -> Option<Vec<u8>> {
    let hash = if !directory.hashed {
        (0, 0)
    } else if directory.casefolded {
        (u32_at(found.rest, 0), u32_at(found.rest, 4))
    } else {
        name_hash(geometry, found.bytes)
    };
    encode(found.bytes, hash)
}

/// The target of an encrypted symbolic link: two bytes of length, then the ciphertext.
pub(super) fn link_target(content: &[u8]) -> Option<Vec<u8>> {
    let (len, rest) = content.split_first_chunk()?;
    encode(rest.get(..usize::from(u16::from_le_bytes(*len)))?, (0, 0))
}

fn encode(ciphertext: &[u8], hash: (u32, u32)) -> Option<Vec<u8>> {
    if ciphertext.len() < LEAST_BYTES {
        return None;
    }
    let mut plain = [hash.0.to_le_bytes(), hash.1.to_le_bytes()].concat();
    let (shown, rest) = ciphertext.split_at(ciphertext.len().min(SHOWN_BYTES));
    plain.extend_from_slice(shown);
    if !rest.is_empty() {
        plain.extend_from_slice(&Sha256::digest(rest));
    }
    Some(base64url(&plain))
}

fn base64url(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let value =
            chunk.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(DIGITS[(value >> (18 - 6 * digit) & 63) as usize]);
        }
    }
    text
}

/// The hash that orders names in an indexed directory: its two words.
pub(super) fn name_hash(geometry: &Geometry, name: &[u8]) -> (u32, u32) {
    let mut state = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];
    if geometry.hash_seed != [0; 4] {
        state = geometry.hash_seed;
    }
    let unsigned = geometry.hash_unsigned || matches!(geometry.hash_version, 3..=5);
    let (hash, minor) = match geometry.hash_version % 3 {
        0 => (legacy(name, unsigned), 0),
        1 => {
            for (index, _) in name.chunks(32).enumerate() {
                half_md4(&mut state, &words::<8>(&name[index * 32..], unsigned));
            }
            (state[1], state[2])
        }
        _ => {
            for (index, _) in name.chunks(16).enumerate() {
                tea(&mut state, &words::<4>(&name[index * 16..], unsigned));
            }
            (state[0], state[1])
        }
    };
    let hash = hash & !1;
    // The highest value means "end of directory".
    (if hash == 0xFFFF_FFFE { 0xFFFF_FFFC } else { hash }, minor)
}

fn widen(byte: u8, unsigned: bool) -> u32 {
    if unsigned { u32::from(byte) } else { i32::from(byte as i8) as u32 }
}

/// The next words of a name, padded with its remaining length.
fn words<const N: usize>(name: &[u8], unsigned: bool) -> [u32; N] {
    let len = name.len() as u32;
    let pad = (len | len << 8) | (len | len << 8) << 16;
    let mut words = [pad; N];
    for (word, chunk) in words.iter_mut().zip(name.chunks(4)) {
        *word = chunk.iter().fold(pad, |value, byte| widen(*byte, unsigned).wrapping_add(value << 8));
    }
    words
}

fn half_md4(state: &mut [u32; 4], words: &[u32; 8]) {
    type Mix = fn(u32, u32, u32) -> u32;
    const ROUNDS: [(Mix, u32, [usize; 8], [u32; 4]); 3] = [
        (|x, y, z| z ^ (x & (y ^ z)), 0, [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19]),
        (|x, y, z| (x & y).wrapping_add((x ^ y) & z), 0x5A82_7999, [1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13]),
        (|x, y, z| x ^ y ^ z, 0x6ED9_EBA1, [3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15]),
    ];
    let [mut a, mut b, mut c, mut d] = *state;
    for (mix, constant, order, shifts) in ROUNDS {
        for (step, place) in order.into_iter().enumerate() {
            let sum = a.wrapping_add(mix(b, c, d)).wrapping_add(words[place]).wrapping_add(constant);
            (a, b, c, d) = (d, sum.rotate_left(shifts[step % 4]), b, c);
        }
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(add);
    }
}

fn tea(state: &mut [u32; 4], words: &[u32; 4]) {
    let (mut x, mut y, mut sum) = (state[0], state[1], 0_u32);
    let mix = |value: u32, sum: u32, low: u32, high: u32| {
        (value << 4).wrapping_add(low) ^ value.wrapping_add(sum) ^ (value >> 5).wrapping_add(high)
    };
    for _ in 0..16 {
        sum = sum.wrapping_add(0x9E37_79B9);
        x = x.wrapping_add(mix(y, sum, words[0], words[1]));
        y = y.wrapping_add(mix(x, sum, words[2], words[3]));
    }
    state[0] = state[0].wrapping_add(x);
    state[1] = state[1].wrapping_add(y);
}

fn legacy(name: &[u8], unsigned: bool) -> u32 {
    let (mut hash, mut before) = (0x12A3_FE2D_u32, 0x37AB_E8F9_u32);
    for byte in name {
        let mut next = before.wrapping_add(hash ^ widen(*byte, unsigned).wrapping_mul(7_152_373));
        if next & 0x8000_0000 != 0 {
            next = next.wrapping_sub(0x7FFF_FFFF);
        }
        before = hash;
        hash = next;
    }
    hash << 1
}

#[cfg(test)]
mod tests {
    use super::{super::geometry::tests::small, *};

    /// Values as debugfs' `dx_hash -h NAME -s SEED` gives them.
    const KNOWN: &[(u8, &str, u32, u32)] = &[
        (0, "a", 0xE74B_53E2, 0x0),
        (0, "lost+found", 0x5E2A_BA24, 0x0),
        (0, "a name of more than thirty-two bytes, twice over and then some", 0x4793_4404, 0x0),
        (0, "漢字かな", 0x7E85_964C, 0x0),
        (1, "a", 0xD5FA_7D7A, 0xACB4_8187),
        (1, "lost+found", 0x591D_E422, 0x6FFC_56E0),
        (1, "a name of more than thirty-two bytes, twice over and then some", 0x73DE_711A, 0xC340_E7BF),
        (1, "漢字かな", 0x692D_F614, 0x6D64_0B19),
        (2, "a", 0x6D0E_A4C0, 0xC189_22DF),
        (2, "lost+found", 0x2DBF_9E80, 0xBFEB_EE4F),
        (2, "a name of more than thirty-two bytes, twice over and then some", 0xD841_B210, 0x9684_ADAA),
        (2, "漢字かな", 0x66C8_632C, 0x974B_7D4C),
    ];

    #[test]
    fn hashes_are_those_of_e2fsprogs() {
        for (version, name, hash, minor) in KNOWN {
            let geometry = super::Geometry { hash_version: *version, ..small() };
            assert_eq!(name_hash(&geometry, name.as_bytes()), (*hash, *minor), "{version} {name}");
            // Signs matter to bytes past 127 alone.
            let unsigned = super::Geometry { hash_unsigned: true, ..geometry };
            assert_eq!(name_hash(&unsigned, name.as_bytes()) == (*hash, *minor), name.is_ascii());
        }
    }

    #[test]
    fn names_without_a_key() {
        assert_eq!(base64url(&[0xFB, 0xFF, 0xFE, 0x01]), b"-__-AQ");
        assert_eq!(encode(&[7; 15], (0, 0)), None);
        assert_eq!(encode(&[7; 16], (1, 2)).map(|name| name.len()), Some(32));
        assert_eq!(encode(&[7; 149], (1, 2)).map(|name| name.len()), Some(210));
        assert_eq!(encode(&[7; 150], (1, 2)).map(|name| name.len()), Some(252));
        assert_eq!(link_target(&[3, 0, 1]), None);
    }
}

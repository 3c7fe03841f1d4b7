//! The two hashes of data objects, which tell a damaged field from a whole one.
//!
//! Sources: "Journal File Format", "Hashes"; Bob Jenkins, "lookup3.c" (public domain), hashlittle2; Aumasson and
//! Bernstein, "SipHash: a fast short-input PRF", section 2.

/// How a file hashes its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HashKind {
    /// Jenkins' lookup3.
    Jenkins,
    /// SipHash-2-4 with the file's id as its key.
    Keyed([u8; 16]),
}

impl HashKind {
    pub(super) fn of(self, data: &[u8]) -> u64 {
        match self {
            Self::Jenkins => jenkins(data),
            Self::Keyed(key) => siphash24(key, data),
        }
    }
}

fn word(bytes: &[u8]) -> u32 {
    let mut word = [0; 4];
    word[..bytes.len()].copy_from_slice(bytes);
    u32::from_le_bytes(word)
}

fn jenkins(data: &[u8]) -> u64 {
    let start = 0xdead_beef_u32.wrapping_add(data.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    if !data.is_empty() {
        // The last block, of 1 to 12 bytes, is mixed in another way.
        let blocks = data.len().div_ceil(12);
        for (index, block) in data.chunks(12).enumerate() {
            let mut words = block.chunks(4).map(word);
            let mut next = || words.next().unwrap_or(0);
            a = a.wrapping_add(next());
            b = b.wrapping_add(next());
            c = c.wrapping_add(next());
            (a, b, c) = if index + 1 < blocks { mix(a, b, c) } else { last(a, b, c) };
        }
    }
    u64::from(c) << 32 | u64::from(b)
}

fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    let step = |x: &mut u32, y: u32, turn: u32| *x = x.wrapping_sub(y) ^ y.rotate_left(turn);
    step(&mut a, c, 4);
    c = c.wrapping_add(b);
    step(&mut b, a, 6);
    a = a.wrapping_add(c);
    step(&mut c, b, 8);
    b = b.wrapping_add(a);
    step(&mut a, c, 16);
    c = c.wrapping_add(b);
    step(&mut b, a, 19);
    a = a.wrapping_add(c);
    step(&mut c, b, 4);
    b = b.wrapping_add(a);
    (a, b, c)
}

fn last(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    let step = |x: &mut u32, y: u32, turn: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(turn));
    step(&mut c, b, 14);
    step(&mut a, c, 11);
    step(&mut b, a, 25);
    step(&mut c, b, 16);
    step(&mut a, c, 4);
    step(&mut b, a, 14);
    step(&mut c, b, 24);
    (a, b, c)
}

fn siphash24(key: [u8; 16], data: &[u8]) -> u64 {
    let half = |at: usize| u64::from_le_bytes(crate::logins::bytes_at(&key, at));
    let (k0, k1) = (half(0), half(8));
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut take = |word: u64| {
        v[3] ^= word;
        sip_round(&mut v);
        sip_round(&mut v);
        v[0] ^= word;
    };
    let mut words = data.chunks_exact(8);
    for bytes in words.by_ref() {
        take(u64::from_le_bytes(crate::logins::bytes_at(bytes, 0)));
    }
    let mut rest = [0; 8];
    rest[..words.remainder().len()].copy_from_slice(words.remainder());
    rest[7] = data.len() as u8;
    take(u64::from_le_bytes(rest));
    v[2] ^= 0xff;
    for _ in 0..4 {
        sip_round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's appendix A, and lookup3's own self-test ("Four score and seven years ago", no seed).
    #[test]
    fn published_values() {
        let key = std::array::from_fn(|at| at as u8);
        let data: Vec<u8> = (0..15).collect();
        assert_eq!(siphash24(key, &data), 0xa129_ca61_49be_45e5);
        assert_eq!(jenkins(b""), 0xdead_beef_dead_beef);
        assert_eq!(jenkins(b"Four score and seven years ago"), 0x1777_0551_ce72_26e6);
    }
}

//! Marvin32, the hash of entries in transaction logs.
//!
//! Source: "Windows registry file format specification", "Transaction log file, new format"; US patent
//! 8,386,795, "Seed value for a hash function".

/// The seed that Windows uses for hives.
const SEED: u64 = 0x82ef_4d88_7a4e_55c5;

/// The hash of `bytes` in 64 bits.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut state = (SEED as u32, (SEED >> 32) as u32);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        state.0 = state.0.wrapping_add(u32::from_le_bytes(*word));
        state = mix(state);
    }
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    state.0 = state.0.wrapping_add(u32::from_le_bytes(last));
    state = mix(mix(state));
    u64::from(state.1) << 32 | u64::from(state.0)
}

fn mix((mut low, mut high): (u32, u32)) -> (u32, u32) {
    high ^= low;
    low = low.rotate_left(20).wrapping_add(high);
    high = high.rotate_left(9) ^ low;
    low = low.rotate_left(27).wrapping_add(high);
    high = high.rotate_left(19);
    (low, high)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_that_windows_wrote_over_an_entry() {
        // The header of the first entry in a log of a Windows 10 hive, and its hash.
        let header =
            [0x4876_4c45u32, 0x005e_0000, 0, 0x0200_0000, 0x0050_0000, 0x0100_0000, 0x31e4_0718, 0x666c_8667];
        let bytes: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
        assert_eq!(super::hash(&bytes), 0xcd44_f3cf_a765_7f02);
    }
}

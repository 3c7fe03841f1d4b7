//! The start of an LZ4 block, without asking for memory for all of it.
//!
//! Source: "LZ4 Block Format Description". Before the block the journal has its unpacked size in 64 bits.

/// The first `limit` bytes of what a block unpacks to, or as many as there are.
pub(super) fn start(block: &[u8], limit: usize) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::new();
    let mut rest = block;
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        let literals = length(usize::from(token >> 4), &mut rest)?;
        let (copied, after) = rest.split_at_checked(literals).ok_or("literals past the end")?;
        out.extend_from_slice(&copied[..literals.min(limit - out.len())]);
        rest = after;
        // The last sequence has literals alone.
        if out.len() >= limit || rest.is_empty() {
            return Ok(out);
        }
        let (offset, after) = rest.split_first_chunk().ok_or("a cut offset")?;
        rest = after;
        let from = out.len().checked_sub(usize::from(u16::from_le_bytes(*offset)));
        let from = from.filter(|from| *from < out.len()).ok_or("an offset before the start")?;
        let matched = length(usize::from(token & 15), &mut rest)?.saturating_add(4);
        // A match may overlap what it makes.
        for at in from..from.saturating_add(matched.min(limit - out.len())) {
            out.push(out[at]);
        }
        if out.len() >= limit {
            return Ok(out);
        }
    }
    Err("ends inside a sequence")
}

/// A length whose first part is in the token: 15 goes on in bytes, each of which goes on at 255.
fn length(first: usize, rest: &mut &[u8]) -> Result<usize, &'static str> {
    let mut length = first;
    if first == 15 {
        loop {
            let (byte, after) = rest.split_first().ok_or("a cut length")?;
            *rest = after;
            length = length.saturating_add(usize::from(*byte));
            if *byte < 255 {
                break;
            }
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_another_packed_it(parts in prop::collection::vec(("[ab]{1,9}", 1usize..40), 0..30), limit in 1usize..4000) {
            let text: String = parts.iter().map(|(part, times)| part.repeat(*times)).collect();
            let packed = lz4_flex::block::compress(text.as_bytes());
            let got = start(&packed, limit).unwrap();
            prop_assert_eq!(&got[..], &text.as_bytes()[..text.len().min(limit)]);
        }

        #[test]
        fn any_block_is_bounded(bytes in prop::collection::vec(any::<u8>(), 0..200), limit in 1usize..100) {
            if let Ok(out) = start(&bytes, limit) {
                prop_assert!(out.len() <= limit);
            }
        }
    }
}

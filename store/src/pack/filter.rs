//! A filter over the ids of a pack: says for certain that an id is not there, without the index.
//!
//! A worker asks for every object of a scan whether the store has it, and each question goes to each pack;
//! the filters (2 bytes an object) stay in memory, the indexes (49 bytes an object) need not. It is a
//! split-block Bloom filter (Parquet format specification, "Bloom Filter"): an id sets one bit in each of
//! the eight 32-bit words of one block. Ids are BLAKE3 hashes, so their own bytes choose block and bits and
//! no hash is computed. With 16 bits an id, about one absent id in a thousand passes.

use coldread_model::ObjectId;

const IDS_PER_BLOCK: usize = 16;
const BLOCK_BYTES: usize = 32;

/// Blocks of eight words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    blocks: Vec<[u32; 8]>,
}

impl Filter {
    /// A filter that holds `ids`.
    pub(crate) fn of(ids: impl ExactSizeIterator<Item = ObjectId>) -> Self {
        let mut filter = Self { blocks: vec![[0; 8]; ids.len().div_ceil(IDS_PER_BLOCK).max(1)] };
        for id in ids {
            let place = filter.place(&id);
            for (word, bit) in filter.blocks[place].iter_mut().zip(bits(&id)) {
                *word |= bit;
            }
        }
        filter
    }

    /// Whether `id` may be in the pack; `false` is certain.
    pub(crate) fn may_hold(&self, id: &ObjectId) -> bool {
        let block = self.blocks.get(self.place(id));
        block.is_none_or(|block| block.iter().zip(bits(id)).all(|(word, bit)| word & bit != 0))
    }

    /// As many ids as it was made for, or a few more.
    pub(crate) fn ids_at_most(&self) -> u64 {
        (self.blocks.len() * IDS_PER_BLOCK) as u64
    }

    /// The block that `id` falls in: its first eight bytes, as a fraction of all values, of the blocks.
    fn place(&self, id: &ObjectId) -> usize {
        let mut first = [0; 8];
        first.copy_from_slice(&id.0[..8]);
        ((u128::from(u64::from_le_bytes(first)) * self.blocks.len() as u128) >> 64) as usize
    }

    /// The words in order.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.blocks.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Reads what [`Filter::encode`] wrote; nothing where the length is not a number of blocks.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(BLOCK_BYTES) {
            return None;
        }
        let block = |block: &[u8]| {
            let mut words = [0; 8];
            for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
                *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
            words
        };
        Some(Self { blocks: bytes.chunks_exact(BLOCK_BYTES).map(block).collect() })
    }
}

/// One bit for each word of a block.
fn bits(id: &ObjectId) -> impl Iterator<Item = u32> + '_ {
    id.0[8..16].iter().map(|byte| 1 << (byte & 31))
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::ObjectKind;

    fn id(i: u32) -> ObjectId {
        ObjectId::of(ObjectKind::Gaps, &i.to_le_bytes())
    }

    #[test]
    fn holds_what_was_put_and_little_else() {
        for count in [0, 1, 16, 17, 5000] {
            let filter = Filter::of((0..count as usize).map(|i| id(i as u32)));
            let read = Filter::decode(&filter.encode()).unwrap();
            assert_eq!(read, filter);
            assert!((u64::from(count)..=u64::from(count) + 16).contains(&read.ids_at_most()));
            assert!((0..count).all(|i| read.may_hold(&id(i))));
            let wrong = (1_000_000..1_020_000).filter(|&i| read.may_hold(&id(i))).count();
            assert!(wrong < 100, "{wrong} of 20,000 absent ids pass a filter of {count}");
        }
        assert_eq!(Filter::decode(&[]), None);
        assert_eq!(Filter::decode(&[0; 33]), None);
    }
}

//! What the accounts of one hive may take in memory: lists may name one key or one value as often as they like.

use crate::hive::Records;
use coldread_model::GapKind;

/// Bytes that all accounts of one hive may take, and all their members; those of a machine with a thousand accounts take
/// less than one MiB.
const MAX_HELD: usize = 64 << 20;

/// What a text takes beside its bytes.
const TEXT: usize = 64;

/// The longest text of an account, in bytes: Windows' own tools end names at 256 characters, and paths at 260.
pub(super) const MAX_TEXT: usize = 2048;

/// What is left of [`MAX_HELD`].
pub(super) struct Room {
    things: &'static str,
    left: usize,
    refused: u64,
}

impl Room {
    /// For things of one sort, called so.
    pub(super) fn of(things: &'static str) -> Self {
        Self { things, left: MAX_HELD, refused: 0 }
    }

    /// Takes room for one thing with these texts, beside `fixed` bytes of its own; false where it has no room, which is
    /// counted.
    pub(super) fn takes<'t>(&mut self, fixed: usize, texts: impl IntoIterator<Item = &'t str>) -> bool {
        let bytes = texts.into_iter().fold(fixed, |sum, text| sum.saturating_add(text.len() + TEXT));
        let left = self.left.checked_sub(bytes);
        match left {
            Some(left) => self.left = left,
            None => self.refused += 1,
        }
        left.is_some()
    }

    /// Tells what had no room.
    pub(super) fn finish(self, records: &mut Records<'_, '_>) {
        if self.refused > 0 {
            let (things, refused) = (self.things, self.refused);
            let reason = format!("{things} of more than {MAX_HELD} bytes; {refused} of them are not told");
            records.gap(GapKind::Limit, reason);
        }
    }
}

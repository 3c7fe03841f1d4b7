//! Requests for blocks that are held until a whole is together: so many bytes are under way at a time.
//!
//! Directories and attribute forks may be as large as their inodes say, and a hostile volume that was never written to
//! may be far larger than what it takes on disk. What is wanted waits as ranges, in the order in which it was asked for,
//! and is cut into requests when there is room.

use super::{
    fork::ForkKind,
    survey::{MAX_REQUEST, Surveyor, Task},
};
use crate::machine::Requests;
use coldread_model::ByteRange;
use std::collections::VecDeque;

/// Bytes under way at a time. The requests of a half of it are made together, so that they can be sorted.
const MOST: u64 = 128 << 20;

/// What a range is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A directory's whole blocks.
    Dir { job: usize },
    /// A directory block that lies in several extents, from this byte of it on.
    Split { job: usize, block: usize, at: usize },
    /// A fork that is read whole, from this byte of it on.
    Image { job: usize, fork: ForkKind, at: usize },
}

impl Part {
    /// What remains of it behind so many bytes.
    fn behind(self, bytes: usize) -> Self {
        match self {
            Self::Dir { .. } => self,
            Self::Split { job, block, at } => Self::Split { job, block, at: at + bytes },
            Self::Image { job, fork, at } => Self::Image { job, fork, at: at + bytes },
        }
    }
}

/// What is wanted and was not asked for yet.
#[derive(Default)]
pub(super) struct Pace {
    waiting: VecDeque<(Part, ByteRange)>,
    under_way: u64,
    is_full: bool,
}

impl Pace {
    /// The next request, if there is room for it.
    fn next(&mut self) -> Option<(Part, ByteRange)> {
        if self.is_full && self.under_way > MOST / 2 {
            return None;
        }
        self.is_full = self.under_way >= MOST;
        if self.is_full {
            return None;
        }
        let (part, range) = self.waiting.pop_front()?;
        let piece = ByteRange::new(range.start, range.len.min(MAX_REQUEST));
        if piece.len < range.len {
            let rest = ByteRange::between(piece.end(), range.end());
            self.waiting.push_front((part.behind(piece.len as usize), rest));
        }
        self.under_way += piece.len;
        Some((part, piece))
    }
}

impl Surveyor {
    /// Wants a range, now or when its turn comes; hands back in how many answers it will arrive.
    pub(super) fn want(&mut self, part: Part, range: ByteRange, ask: &mut Requests) -> u32 {
        self.pace.waiting.push_back((part, range));
        self.ask_for_wanted(ask);
        range.len.div_ceil(MAX_REQUEST) as u32
    }

    /// Takes note that an answer of so many bytes is there.
    pub(super) fn arrived(&mut self, bytes: u64, ask: &mut Requests) {
        self.pace.under_way = self.pace.under_way.saturating_sub(bytes);
        self.ask_for_wanted(ask);
    }

    fn ask_for_wanted(&mut self, ask: &mut Requests) {
        while let Some((part, range)) = self.pace.next() {
            self.ask(Task::Part(part), range, ask);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_comes_piece_by_piece_and_never_too_much_at_once() {
        let mut pace = Pace::default();
        let image = |at| Part::Image { job: 1, fork: ForkKind::Attributes, at };
        pace.waiting.push_back((image(0), ByteRange::new(0, 3 * MAX_REQUEST + 1)));
        // Far more than is ever under way, and no list of its pieces.
        pace.waiting.push_back((Part::Dir { job: 2 }, ByteRange::new(1 << 40, 1 << 40)));
        let mut all = Vec::new();
        while let Some(next) = pace.next() {
            all.push(next);
            assert!(pace.under_way < MOST + MAX_REQUEST && pace.waiting.len() <= 2);
        }
        let places: Vec<_> =
            all.iter().take(4).map(|(part, range)| (*part, range.start, range.len)).collect();
        let request = MAX_REQUEST as usize;
        let at = [0, 1, 2, 3].map(|nth| (image(nth * request), nth as u64 * MAX_REQUEST));
        assert_eq!(
            places,
            [
                (at[0].0, at[0].1, MAX_REQUEST),
                (at[1].0, at[1].1, MAX_REQUEST),
                (at[2].0, at[2].1, MAX_REQUEST),
                (at[3].0, at[3].1, 1)
            ]
        );
        // Half of it must be there before the next is asked for.
        let mut later = 0;
        for (_, range) in &all {
            pace.under_way -= range.len;
            let before = pace.under_way;
            while pace.next().is_some() {
                later += 1;
            }
            assert!(later > 0 || before > MOST / 2);
        }
        assert!(later > 0);
    }
}

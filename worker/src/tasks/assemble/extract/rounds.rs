//! Files that are read in rounds: what all of them need next is one batch a volume.

use super::{Extraction, fetched::view_of, find::Wanted, placed::Placed};
use crate::tasks::{TaskError, view};
use coldread_artifacts::{
    Output,
    input::Place,
    probe::{MAX_ROUND_BYTES, Prober, next_round},
    view::{FileView, ViewError},
};
use coldread_model::{ByteRange, GapKind};

/// Bytes of one batch.
const BATCH_BYTES: u64 = 32 << 20;
const _: () = assert!(MAX_ROUND_BYTES <= BATCH_BYTES);

/// Memory that probers may take between two rounds. One alone may take more: its own bounds are what holds it.
const HELD_BYTES: usize = 64 << 20;
/// What a prober is counted as at least.
const LIGHT_BYTES: usize = 4 << 10;

/// One file on its way.
struct Candidate<'w, 'a> {
    wanted: &'w Wanted<'a>,
    /// None once it has ended.
    prober: Option<Box<dyn Prober>>,
    /// What it waits for.
    asked: Vec<ByteRange>,
    turn: Turn,
}

/// What decides whose turn it is.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    /// Whether it waits to be fed.
    waits: bool,
    /// Rounds that it has asked for.
    rounds: usize,
    /// What it takes until it is fed again.
    holds: usize,
    /// Whether it has been fed while it took much: it goes on before others begin to.
    is_seated: bool,
}

/// Drives the probers of all files given to their end.
pub(super) fn probe<'a>(
    all: &Extraction<'_, 'a>,
    wanted: &[&Wanted<'a>],
    out: &mut dyn Output,
) -> Result<(), TaskError> {
    let begin = |wanted: &Wanted<'a>| wanted.extractor.prober(wanted.file.stream?.size);
    let mut candidates: Vec<Candidate<'_, 'a>> = wanted
        .iter()
        .copied()
        .map(|wanted| {
            let (prober, asked) = (begin(wanted), Vec::new());
            Candidate { wanted, prober, asked, turn: Turn::default() }
        })
        .collect();
    // On each volume in the order of the disk.
    candidates.sort_by_key(|one| (one.wanted.file.volume, one.wanted.file.inode));
    loop {
        for candidate in &mut candidates {
            let Some(prober) = candidate.prober.as_deref_mut().filter(|_| !candidate.turn.waits) else {
                continue;
            };
            match next_round(prober, candidate.turn.rounds) {
                Ok(ranges) if ranges.is_empty() => candidate.finish(all, out),
                Ok(ranges) => {
                    candidate.turn.waits = true;
                    candidate.turn.rounds += 1;
                    candidate.turn.holds = prober.holds();
                    candidate.asked = ranges;
                }
                Err(reason) => candidate.give_up(all, GapKind::Limit, &reason, out),
            }
        }
        let mut turns: Vec<Turn> = candidates.iter().map(|one| one.turn).collect();
        let mut asked = Vec::new();
        for index in served(&mut turns) {
            asked.push((index, std::mem::take(&mut candidates[index].asked)));
        }
        candidates.iter_mut().zip(turns).for_each(|(one, turn)| one.turn = turn);
        if asked.is_empty() {
            return Ok(());
        }
        let mut rest = &asked[..];
        while !rest.is_empty() {
            all.job.check()?;
            let (batch, later) = rest.split_at(batch(rest, &candidates));
            rest = later;
            let pieces = fetch(all, batch, &candidates);
            for ((index, ranges), pieces) in batch.iter().zip(pieces) {
                let candidate = &mut candidates[*index];
                match pieces {
                    Ok(pieces) => {
                        let prober = candidate.prober.iter_mut();
                        prober.for_each(|prober| {
                            ranges.iter().zip(&pieces).for_each(|(range, bytes)| prober.feed(*range, bytes));
                        });
                    }
                    Err(error) => candidate.give_up(all, error.gap_kind(), &error.to_string(), out),
                }
            }
        }
    }
}

/// Whose turn it is in this round: all that wait, unless together they would take too much memory. Those that are under
/// way go before those that have not begun.
fn served(turns: &mut [Turn]) -> Vec<usize> {
    let mut waiting: Vec<usize> = (0..turns.len()).filter(|index| turns[*index].waits).collect();
    waiting.sort_by_key(|index| {
        let turn = &turns[*index];
        (turn.rounds <= 1, !turn.is_seated, turn.holds, *index)
    });
    let (mut held, mut served) = (0_usize, Vec::new());
    for index in waiting {
        let turn = &mut turns[index];
        let holds = turn.holds.max(LIGHT_BYTES);
        if held > 0 && held.saturating_add(holds) > HELD_BYTES {
            break;
        }
        held = held.saturating_add(holds);
        turn.is_seated |= holds > LIGHT_BYTES;
        turn.waits = false;
        served.push(index);
    }
    // In the order of the disk again.
    served.sort_unstable();
    served
}

/// How many of those that ask are served together: of one volume, and not too many bytes.
fn batch(asked: &[(usize, Vec<ByteRange>)], candidates: &[Candidate<'_, '_>]) -> usize {
    let volume = |index: usize| candidates[index].wanted.file.volume;
    let mut bytes = 0_u64;
    let fits = |(index, ranges): &&(usize, Vec<ByteRange>)| {
        bytes += ranges.iter().map(|range| range.len).sum::<u64>();
        bytes <= BATCH_BYTES && volume(*index) == volume(asked[0].0)
    };
    asked.iter().take_while(fits).count().max(1)
}

type Pieces = Result<Vec<Vec<u8>>, ViewError>;

/// The bytes of a batch, file by file.
fn fetch(
    all: &Extraction<'_, '_>,
    batch: &[(usize, Vec<ByteRange>)],
    candidates: &[Candidate<'_, '_>],
) -> Vec<Pieces> {
    let stream = |index: usize| candidates[index].wanted.file.stream;
    let volume = batch.first().map(|(index, _)| candidates[*index].wanted.file.volume).unwrap_or_default();
    let (Some(tree), Some(source)) = (all.asset.namespace.tree(volume), all.asset.source(volume)) else {
        return batch.iter().map(|_| Err(ViewError::Unsupported("no volume to read".to_owned()))).collect();
    };
    let mut parts = Vec::new();
    for (index, ranges) in batch {
        parts.extend(ranges.iter().filter_map(|range| Some((stream(*index)?, *range))));
    }
    let mut fetched = view::fetch_parts(tree.survey(), &parts, source).into_iter();
    let mut one = |index: usize, range: ByteRange| {
        if let Some(Some(piece)) = fetched.next() {
            return piece;
        }
        // Packed in a way that only a window can unfold.
        let file = &candidates[index].wanted.file;
        let mut view = view_of(all.asset, file).ok_or(ViewError::Unsupported("no bytes".to_owned()))?;
        let mut bytes = vec![0; range.len.min(view.len().saturating_sub(range.start)) as usize];
        let got = view.read_at(range.start, &mut bytes)?;
        bytes.truncate(got);
        Ok(bytes)
    };
    // Every piece is taken from the iterator, also after one that failed.
    let all_of = |(index, ranges): &(usize, Vec<ByteRange>)| {
        let pieces: Vec<Result<Vec<u8>, ViewError>> =
            ranges.iter().map(|range| one(*index, *range)).collect();
        pieces.into_iter().collect()
    };
    batch.iter().map(all_of).collect()
}

impl Candidate<'_, '_> {
    fn with(
        &mut self,
        all: &Extraction<'_, '_>,
        out: &mut dyn Output,
        end: impl FnOnce(Box<dyn Prober>, &Place<'_>, &mut Placed<'_, '_>),
    ) {
        let Some(prober) = self.prober.take() else { return };
        let root = &all.roots.all()[self.wanted.root];
        let volume = all.asset.specs[self.wanted.file.volume].name.as_str();
        let place = Place { path: &self.wanted.path, root: &root.name, volume, sha256: None };
        end(prober, &place, &mut Placed::new(root, volume, out));
    }

    fn finish(&mut self, all: &Extraction<'_, '_>, out: &mut dyn Output) {
        let context = &all.contexts[self.wanted.root];
        self.with(all, out, |prober, place, out| prober.finish(place, context, out));
    }

    fn give_up(&mut self, all: &Extraction<'_, '_>, kind: GapKind, reason: &str, out: &mut dyn Output) {
        let name = self.wanted.extractor.name();
        self.with(all, out, |_, place, out| out.gap(place.gap(kind, name, reason)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = 1 << 20;

    fn turn(rounds: usize, holds: usize) -> Turn {
        Turn { waits: true, rounds, holds, is_seated: false }
    }

    #[test]
    fn what_takes_little_is_served_together() {
        let mut turns = vec![turn(1, 0); 10_000];
        assert_eq!(served(&mut turns).len(), 10_000);
        assert_eq!(served(&mut turns).len(), 0);
        // Even of these there may be too many.
        let mut turns = vec![turn(1, 0); 20_000];
        assert_eq!(served(&mut turns).len(), HELD_BYTES / LIGHT_BYTES);
        assert_eq!(served(&mut turns).len(), 20_000 - HELD_BYTES / LIGHT_BYTES);
    }

    #[test]
    fn what_takes_much_waits_and_then_goes_on_to_its_end() {
        let mut turns = vec![
            turn(2, 50 * MEGABYTE),
            turn(2, 40 * MEGABYTE),
            turn(2, 0),
            turn(1, 0),
            turn(2, 99 * MEGABYTE),
        ];
        // Nothing begins while something under way waits.
        assert_eq!(served(&mut turns), [1, 2]);
        turns[1] = Turn { waits: true, ..turn(3, 45 * MEGABYTE) };
        turns[1].is_seated = true;
        assert_eq!(served(&mut turns), [1]);
        assert_eq!(served(&mut turns), [0]);
        // One that takes more than there is goes alone.
        assert_eq!(served(&mut turns), [4]);
        assert_eq!(served(&mut turns), [3]);
        assert_eq!(served(&mut turns), [0; 0]);
    }
}

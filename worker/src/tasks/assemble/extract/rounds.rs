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

/// One file on its way.
struct Candidate<'w, 'a> {
    wanted: &'w Wanted<'a>,
    /// None once it has ended.
    prober: Option<Box<dyn Prober>>,
}

/// Drives the probers of all files given to their end.
pub(super) fn probe<'a>(
    all: &Extraction<'_, 'a>,
    wanted: &[&Wanted<'a>],
    out: &mut dyn Output,
) -> Result<(), TaskError> {
    let begin = |one: &&'_ Wanted<'a>| one.extractor.prober(one.file.stream?.size);
    let mut candidates: Vec<Candidate<'_, 'a>> =
        wanted.iter().map(|one| Candidate { wanted: one, prober: begin(one) }).collect();
    // On each volume in the order of the disk.
    candidates.sort_by_key(|one| (one.wanted.file.volume, one.wanted.file.inode));
    for round in 0.. {
        let mut asked: Vec<(usize, Vec<ByteRange>)> = Vec::new();
        for (index, candidate) in candidates.iter_mut().enumerate() {
            let Some(prober) = &mut candidate.prober else { continue };
            match next_round(&mut **prober, round) {
                Ok(ranges) if ranges.is_empty() => candidate.finish(all, out),
                Ok(ranges) => asked.push((index, ranges)),
                Err(reason) => candidate.give_up(all, GapKind::Limit, &reason, out),
            }
        }
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
    Ok(())
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
        end(prober, &place, &mut Placed { root, volume, out });
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

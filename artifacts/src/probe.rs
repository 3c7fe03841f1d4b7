//! Files of which only a few ranges are read, and which ones depends on what the first ranges say: a binary's
//! headers, then its tables, then the one section that matters.
//!
//! A prober reads nothing itself. A caller drives those of thousands of files in rounds: all that they need is read
//! in one sorted batch, then each is fed, so a disk that takes 20 ms a request costs a handful of round trips.

use crate::{
    Context, Output,
    input::Place,
    view::{FileView, ViewError},
};
use coldread_model::{ByteRange, GapKind};

/// Ranges that one file may ask for in one round.
pub const MAX_RANGES: usize = 64;
/// Bytes that one file may ask for in one round.
pub const MAX_ROUND_BYTES: u64 = 4 << 20;
/// Rounds that one file may take, unless its prober says otherwise.
pub const MAX_ROUNDS: usize = 32;

/// What becomes known of one file, range by range.
pub trait Prober: Send {
    /// The ranges of the file to read next; none once it knows enough.
    fn need(&mut self) -> Vec<ByteRange>;

    /// The bytes of one of the ranges, fewer where the file ends. Comes once for each range of a round, in the order
    /// in which they were asked for.
    fn feed(&mut self, range: ByteRange, bytes: &[u8]);

    /// About how many bytes of memory it takes until the next round is fed, and by what that round adds while it is
    /// worked on. Asked after [`Prober::need`]: those that would take too much together are served one after another.
    fn holds(&self) -> usize {
        0
    }

    /// Rounds that it may take.
    fn most_rounds(&self) -> usize {
        MAX_ROUNDS
    }

    /// What it found. Not called where a range could not be read: the caller tells the gap.
    fn finish(self: Box<Self>, place: &Place<'_>, context: &Context, out: &mut dyn Output);
}

/// What a prober asks for next, held to the bounds; the error says which of them it passes.
pub fn next_round(prober: &mut dyn Prober, round: usize) -> Result<Vec<ByteRange>, String> {
    let ranges = prober.need();
    let bytes = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.len));
    if ranges.is_empty()
        || round < prober.most_rounds() && ranges.len() <= MAX_RANGES && bytes <= MAX_ROUND_BYTES
    {
        return Ok(ranges);
    }
    let count = ranges.len();
    Err(format!("it asks for {count} ranges of {bytes} bytes in round {}", round.saturating_add(1)))
}

/// Drives one prober over a view: for tests, and for files that cannot be read in batches.
pub fn drive(
    mut prober: Box<dyn Prober>,
    structure: &str,
    place: &Place<'_>,
    view: &mut dyn FileView,
    context: &Context,
    out: &mut dyn Output,
) {
    for round in 0.. {
        let ranges = match next_round(&mut *prober, round) {
            Ok(ranges) => ranges,
            Err(reason) => return out.gap(place.gap(GapKind::Limit, structure, reason)),
        };
        if ranges.is_empty() {
            break;
        }
        for range in ranges {
            match read(view, range) {
                Ok(bytes) => prober.feed(range, &bytes),
                Err(error) => return out.gap(place.view_gap(structure, &error)),
            }
        }
    }
    prober.finish(place, context, out);
}

fn read(view: &mut dyn FileView, range: ByteRange) -> Result<Vec<u8>, ViewError> {
    let mut bytes = vec![0; range.len.min(view.len().saturating_sub(range.start)) as usize];
    let got = view.read_at(range.start, &mut bytes)?;
    bytes.truncate(got);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::{Findings, Setting};

    /// Follows a chain of offsets, one byte each, to a zero.
    struct Chain {
        at: Option<u64>,
        seen: Vec<u64>,
    }

    impl Prober for Chain {
        fn need(&mut self) -> Vec<ByteRange> {
            self.at.into_iter().map(|at| ByteRange::new(at, 1)).collect()
        }
        fn feed(&mut self, range: ByteRange, bytes: &[u8]) {
            self.seen.push(range.start);
            self.at = bytes.first().filter(|byte| **byte != 0).map(|byte| u64::from(*byte));
        }
        fn finish(self: Box<Self>, place: &Place<'_>, _: &Context, out: &mut dyn Output) {
            out.setting(Setting {
                root: String::new(),
                subject: "chain".to_owned(),
                condition: None,
                name: format!("{:?}", self.seen),
                value: String::new(),
                origin: place.path.to_vec(),
                line: 0,
            });
        }
    }

    fn follow(bytes: &[u8]) -> Findings {
        let mut view = MemoryView::from(bytes.to_vec());
        let place = Place { path: b"/x", root: "/", volume: "p1", sha256: None };
        let mut findings = Findings::default();
        let prober = Box::new(Chain { at: Some(0), seen: Vec::new() });
        drive(prober, "chain", &place, &mut view, &Context::default(), &mut findings);
        findings
    }

    #[test]
    fn each_range_may_depend_on_the_one_before_and_a_loop_ends() {
        assert_eq!(follow(&[3, 0, 0, 2]).settings[0].name, "[0, 3, 2]");
        assert_eq!(follow(&[200]).settings[0].name, "[0, 200]");
        let looped = follow(&[1, 1]);
        assert!(looped.settings.is_empty());
        assert_eq!(looped.gaps[0].kind, GapKind::Limit);
    }
}

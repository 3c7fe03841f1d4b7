//! Events in memory, until they are sorted. Logs are in order, or nearly: what comes in order is kept one behind the other,
//! as runs in a file have it, in a few sequences at once; where each of the other events begins is kept beside them.

use super::{
    names::Names,
    place::Place,
    runs::{Source, Start, put_event},
};
use std::{borrow::Cow, cmp::Ordering};

/// Sequences at once: each rotated log is older than the one that is read before it, and attempts are told late, behind
/// lines that are none of theirs.
const SEQUENCES: usize = 64;

/// All that is held.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The last event of each is of before that of the one in front of it, or of the same record.
    sequences: Vec<Sequence>,
    /// Where the last event was put that is in one of them.
    recent: usize,
    /// Those that are in none of them.
    loose: Vec<u8>,
    starts: Vec<Start>,
    bytes: usize,
}

#[derive(Debug)]
struct Sequence {
    bytes: Vec<u8>,
    /// Seconds and place of its last event, and where it begins.
    seconds: u64,
    last: Place,
    start: usize,
}

/// How much is held at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    /// Bytes of each, and the seconds, place and start of its last event.
    sequences: Vec<(usize, u64, Place, usize)>,
    loose: usize,
    starts: usize,
}

impl Sequence {
    /// Whether what was appended behind `end`, and begins at `start`, is the last event again.
    #[cold]
    fn is_repeated(&self, end: usize, start: usize) -> bool {
        self.bytes[self.start..end] == self.bytes[start..]
    }
}

impl Held {
    /// How much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many events are in no sequence.
    #[cfg(test)]
    pub(super) fn loose(&self) -> usize {
        self.starts.len()
    }

    /// Adds an event of such seconds that `pack` appends, and of which the place is known unless its path has no number.
    #[inline]
    pub(super) fn push(
        &mut self,
        seconds: u64,
        place: Option<Place>,
        names: &mut Names,
        pack: impl FnOnce(&mut Names, &mut Vec<u8>),
    ) {
        let found = place.and_then(|place| Some((place, self.sequence(&place, names)?)));
        let Some((place, (sequence, is_of_record))) = found else {
            return self.push_loose(seconds, |out| pack(names, out));
        };
        let end = sequence.bytes.len();
        let difference = seconds.wrapping_sub(sequence.seconds);
        let start = put_event(difference, &mut sequence.bytes, |out| pack(names, out));
        if is_of_record && !sequence.is_repeated(end, start) {
            let event = sequence.bytes.split_off(start);
            sequence.bytes.truncate(end);
            return self.push_loose(seconds, |out| out.extend_from_slice(&event));
        }
        (sequence.seconds, sequence.last, sequence.start) = (seconds, place, start);
        self.bytes += sequence.bytes.len() - end;
    }

    fn push_loose(&mut self, seconds: u64, pack: impl FnOnce(&mut Vec<u8>)) {
        let start = self.loose.len();
        pack(&mut self.loose);
        let len = self.loose.len() - start;
        debug_assert!(u32::try_from(self.loose.len()).is_ok(), "more than memory may be given");
        self.starts.push(Start { seconds, start: start as u32, len: len as u32 });
        self.bytes += len + size_of::<Start>();
    }

    /// The sequence whose last event is the last one that is not of after this place, and whether it is of the same record:
    /// then only an equal event is in order for sure.
    #[inline]
    fn sequence(&mut self, place: &Place, names: &Names) -> Option<(&mut Sequence, bool)> {
        let order = |sequence: &Sequence| place.compare(&sequence.last, names);
        let order_at = |at: usize| self.sequences.get(at).map(order);
        let mut found = self.recent;
        let mut first = order_at(found);
        let is_found = first.is_some_and(Ordering::is_ge)
            && found.checked_sub(1).and_then(order_at).is_none_or(Ordering::is_lt);
        if !is_found {
            found = self.sequences.partition_point(|sequence| order(sequence).is_lt());
            first = order_at(found);
        }
        if first.is_none() && found < SEQUENCES {
            self.sequences.push(Sequence { bytes: Vec::new(), seconds: 0, last: *place, start: 0 });
        }
        self.recent = found;
        Some((self.sequences.get_mut(found)?, first.is_some_and(Ordering::is_eq)))
    }

    pub(super) fn mark(&self) -> Mark {
        let ends = self
            .sequences
            .iter()
            .map(|sequence| (sequence.bytes.len(), sequence.seconds, sequence.last, sequence.start));
        Mark { sequences: ends.collect(), loose: self.loose.len(), starts: self.starts.len() }
    }

    /// Takes back what came since a mark.
    pub(super) fn take_back(&mut self, mark: &Mark) {
        self.sequences.truncate(mark.sequences.len());
        for (sequence, (len, seconds, last, start)) in self.sequences.iter_mut().zip(&mark.sequences) {
            sequence.bytes.truncate(*len);
            (sequence.seconds, sequence.last, sequence.start) = (*seconds, *last, *start);
        }
        self.loose.truncate(mark.loose);
        self.starts.truncate(mark.starts);
        let sequences = self.sequences.iter().map(|sequence| sequence.bytes.len());
        self.bytes = sequences.sum::<usize>() + self.loose.len() + self.starts.len() * size_of::<Start>();
    }

    /// Sorts what was there at a mark, and what came since: each is in order then.
    pub(super) fn sort(&mut self, mark: &Mark, names: &Names) {
        let loose = &self.loose;
        let (before, since) = self.starts.split_at_mut(mark.starts);
        for part in [before, since] {
            // They are mostly of logs one after the other: a stable sort finds what is in order.
            part.sort_by(|one, other| one.of(loose).compare(other.of(loose), names));
        }
    }

    /// What was there at a mark, sorted.
    pub(super) fn before<'a>(&'a self, mark: &Mark) -> Vec<Source<'a>> {
        let ends = self.sequences.iter().zip(&mark.sequences);
        let sequences = ends.map(|(sequence, (end, ..))| (&sequence.bytes[..*end], 0));
        self.sources(sequences, &self.starts[..mark.starts])
    }

    /// What came since, sorted.
    pub(super) fn since<'a>(&'a self, mark: &Mark) -> Vec<Source<'a>> {
        let starts = mark.sequences.iter().map(|(end, seconds, ..)| (*end, *seconds));
        let starts = starts.chain(std::iter::repeat((0, 0)));
        let sequences = self.sequences.iter().zip(starts);
        let sequences = sequences.map(|(sequence, (start, seconds))| (&sequence.bytes[start..], seconds));
        self.sources(sequences, &self.starts[mark.starts..])
    }

    fn sources<'a>(
        &'a self,
        sequences: impl Iterator<Item = (&'a [u8], u64)>,
        starts: &'a [Start],
    ) -> Vec<Source<'a>> {
        let sequences = sequences.map(|(bytes, seconds)| Source::sequence(Cow::Borrowed(bytes), seconds));
        let loose =
            Source::Loose { bytes: Cow::Borrowed(&self.loose), starts: Cow::Borrowed(starts), next: 0 };
        sequences.chain([loose]).collect()
    }

    /// All of it, sorted.
    pub(super) fn into_sources(mut self, names: &Names) -> Vec<Source<'static>> {
        self.sort(&Mark::default(), names);
        let sequences = self.sequences.into_iter();
        let sequences = sequences.map(|sequence| Source::sequence(Cow::Owned(sequence.bytes), 0));
        let loose = Source::Loose { bytes: Cow::Owned(self.loose), starts: Cow::Owned(self.starts), next: 0 };
        sequences.chain([loose]).collect()
    }
}

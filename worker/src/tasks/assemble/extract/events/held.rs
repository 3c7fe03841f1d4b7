//! Events in memory, until they are sorted. Logs are in order, or nearly: what comes in order is kept one behind the other,
//! as runs in a file have it, in a few sequences at once; where each of the other events begins is kept beside them.

use super::{
    names::Names,
    place::Place,
    runs::{Source, Start, put_event},
};
use std::borrow::Cow;

/// Sequences at once: each rotated log is older than the one that is read before it, and attempts are told late, behind
/// lines that are none of theirs.
const SEQUENCES: usize = 16;

/// All that is held.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The last event of each is of before that of the one in front of it.
    sequences: Vec<Sequence>,
    /// Those that are in none of them.
    loose: Vec<u8>,
    starts: Vec<Start>,
    bytes: usize,
}

#[derive(Debug)]
struct Sequence {
    bytes: Vec<u8>,
    /// Seconds and place of its last event.
    seconds: u64,
    last: Place,
}

/// How much is held at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    /// Bytes, seconds and places of last events.
    sequences: Vec<(usize, u64, Place)>,
    loose: usize,
    starts: usize,
}

impl Held {
    /// How much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
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
        let sequence = place.and_then(|place| Some((self.sequence(&place, names)?, place)));
        self.bytes += if let Some((sequence, place)) = sequence {
            let before = sequence.bytes.len();
            let difference = seconds.wrapping_sub(sequence.seconds);
            put_event(difference, &mut sequence.bytes, |out| pack(names, out));
            (sequence.seconds, sequence.last) = (seconds, place);
            sequence.bytes.len() - before
        } else {
            let start = self.loose.len();
            pack(names, &mut self.loose);
            let len = self.loose.len() - start;
            self.starts.push(Start { seconds, start: start as u32, len: len as u32 });
            len + size_of::<Start>()
        };
    }

    /// The sequence whose last event is the last one of before this place.
    fn sequence(&mut self, place: &Place, names: &Names) -> Option<&mut Sequence> {
        let found = self.sequences.iter().position(|sequence| place.is_behind(&sequence.last, names));
        let found = found.unwrap_or(self.sequences.len());
        if found == self.sequences.len() && found < SEQUENCES {
            self.sequences.push(Sequence { bytes: Vec::new(), seconds: 0, last: *place });
        }
        self.sequences.get_mut(found)
    }

    pub(super) fn mark(&self) -> Mark {
        let ends =
            self.sequences.iter().map(|sequence| (sequence.bytes.len(), sequence.seconds, sequence.last));
        Mark { sequences: ends.collect(), loose: self.loose.len(), starts: self.starts.len() }
    }

    /// Takes back what came since a mark.
    pub(super) fn take_back(&mut self, mark: &Mark) {
        self.sequences.truncate(mark.sequences.len());
        for (sequence, (len, seconds, last)) in self.sequences.iter_mut().zip(&mark.sequences) {
            sequence.bytes.truncate(*len);
            (sequence.seconds, sequence.last) = (*seconds, *last);
        }
        self.loose.truncate(mark.loose);
        self.starts.truncate(mark.starts);
        let sequences = self.sequences.iter().map(|sequence| sequence.bytes.len());
        self.bytes = sequences.sum::<usize>() + self.loose.len() + self.starts.len() * size_of::<Start>();
    }

    /// Sorts what was there at a mark, and what came since: each is in order then.
    pub(super) fn sort(&mut self, mark: &Mark, names: &Names) {
        let (loose, middle) = (&self.loose, mark.starts.min(self.starts.len()));
        let (before, since) = self.starts.split_at_mut(middle);
        for part in [before, since] {
            part.sort_unstable_by(|one, other| one.of(loose).compare(other.of(loose), names));
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
        let starts = mark.sequences.iter().map(|(end, seconds, _)| (*end, *seconds));
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

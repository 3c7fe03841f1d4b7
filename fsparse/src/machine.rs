//! Parsers without I/O, and the loop that feeds them.
//!
//! A [`Machine`] asks for ranges and is fed each one whole; what it learns from one it may ask for at once,
//! without waiting for the others. [`run`] puts the pieces of a request together and counts dependent
//! rounds: a request asked for while one of round *n* is fed is of round *n + 1*. One that lies inside the answer being
//! fed is answered from it, and is none.

use crate::{
    source::{Buf, Piece, ReadQueue, SourceError},
    under_way::UnderWay,
};
use coldread_model::ByteRange;

/// No request may be longer: a parser that wants more asks for several.
pub const MAX_REQUEST_BYTES: u64 = 4 << 20;

/// What a machine asks for.
#[derive(Debug, Default)]
pub struct Requests {
    list: Vec<(u64, ByteRange)>,
}

impl Requests {
    /// Asks for `range`; the answer carries `tag`, which is the machine's own and need not be unique.
    /// Ranges over [`MAX_REQUEST_BYTES`] are cut there: the machine sees it by the answer's length.
    pub fn push(&mut self, tag: u64, range: ByteRange) {
        self.list.push((tag, ByteRange::new(range.start, range.len.min(MAX_REQUEST_BYTES))));
    }

    /// Number of requests not yet taken.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes all requests, for tests and for other drivers than [`run`].
    pub fn take(&mut self) -> Vec<(u64, ByteRange)> {
        std::mem::take(&mut self.list)
    }
}

/// An answered request.
#[derive(Debug)]
pub struct Fetched<'a> {
    /// The request's tag.
    pub tag: u64,
    /// The range asked for.
    pub range: ByteRange,
    /// Its bytes, as long as the range; zeros where they could not be read.
    pub bytes: &'a [u8],
    /// The parts that could not be read, in the same counting as `range`, and why.
    pub bad: &'a [(ByteRange, SourceError)],
}

impl Fetched<'_> {
    /// Why some of `part` could not be read, if it could not.
    pub fn fault(&self, part: ByteRange) -> Option<&(ByteRange, SourceError)> {
        self.bad.iter().find(|(bad, _)| !bad.intersect(part).is_empty())
    }
}

/// A parser: asks for ranges, is fed bytes, and is done when nothing it asked for is outstanding.
pub trait Machine {
    /// Asks for the first ranges.
    fn start(&mut self, ask: &mut Requests);

    /// Takes one answer and may ask for more.
    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests);
}

/// What a run took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunStats {
    /// The longest chain of requests that each had to wait for the one before.
    pub rounds: u32,
    /// Requests.
    pub requests: u64,
    /// Bytes asked for.
    pub bytes: u64,
}

impl RunStats {
    /// This and `other` run side by side.
    pub fn beside(self, other: Self) -> Self {
        Self {
            rounds: self.rounds.max(other.rounds),
            requests: self.requests + other.requests,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// A request under way.
#[derive(Debug)]
struct Pending {
    tag: u64,
    range: ByteRange,
    round: u32,
    arrived: u64,
    bytes: Option<Vec<u8>>,
    bad: Vec<(ByteRange, SourceError)>,
}

/// Feeds `machine` from `queue` until it asks for nothing more.
pub fn run(machine: &mut dyn Machine, queue: &mut dyn ReadQueue) -> RunStats {
    let mut stats = RunStats::default();
    let mut pending = UnderWay::default();
    let mut ask = Requests::default();
    machine.start(&mut ask);
    let mut round = 1;
    loop {
        let mut list = ask.take();
        // Neighbours in disk order let the queue merge them.
        list.sort_by_key(|(_, range)| range.start);
        for (tag, range) in list {
            stats.rounds = stats.rounds.max(round);
            stats.requests += 1;
            stats.bytes += range.len;
            if range.is_empty() {
                machine.feed(Fetched { tag, range, bytes: &[], bad: &[] }, &mut ask);
                continue;
            }
            let entry = Pending { tag, range, round, arrived: 0, bytes: None, bad: Vec::new() };
            queue.push(pending.add(entry), range);
        }
        if !ask.is_empty() {
            continue;
        }
        let Some(done) = queue.next() else {
            if pending.is_empty() {
                break;
            }
            // A queue that breaks its contract must not look like a disk without these bytes. What is asked for
            // meanwhile has its own chance.
            for entry in pending.take_all() {
                let bytes = entry.bytes.unwrap_or_else(|| vec![0; entry.range.len as usize]);
                let reason = "the queue ended before its requests".to_owned();
                let error = SourceError::Io { context: "read".to_owned(), reason };
                let bad = [(entry.range, error)];
                round = round.max(entry.round + 1);
                machine
                    .feed(Fetched { tag: entry.tag, range: entry.range, bytes: &bytes, bad: &bad }, &mut ask);
            }
            continue;
        };
        let Some(entry) = pending.get(done.tag) else { continue };
        let whole = match done.result {
            Ok(Piece::Bytes(buf)) if buf.len() as u64 == entry.range.len => Some(buf),
            other => {
                keep(entry, done.offset, other);
                None
            }
        };
        if whole.is_none() && entry.arrived < entry.range.len {
            continue;
        }
        let Some(entry) = pending.remove(done.tag) else { continue };
        round = entry.round + 1;
        let bytes: &[u8] = whole.as_deref().or(entry.bytes.as_deref()).unwrap_or_default();
        let fetched = Fetched { tag: entry.tag, range: entry.range, bytes, bad: &entry.bad };
        machine.feed(fetched, &mut ask);
        feed_within(machine, entry.range, bytes, &entry.bad, &mut ask);
    }
    stats
}

/// Answers what `machine` has just asked for out of the answer it was fed last, as far as that lies in it and could be read.
fn feed_within(
    machine: &mut dyn Machine,
    range: ByteRange,
    bytes: &[u8],
    bad: &[(ByteRange, SourceError)],
    ask: &mut Requests,
) {
    let lies_within = |&(_, part): &(u64, ByteRange)| {
        !part.is_empty()
            && part.start >= range.start
            && part.end() <= range.end()
            && bad.iter().all(|(bad, _)| bad.intersect(part).is_empty())
    };
    while ask.list.iter().any(lies_within) {
        let (within, elsewhere): (Vec<_>, _) = ask.take().into_iter().partition(lies_within);
        ask.list = elsewhere;
        for (tag, part) in within {
            let at = (part.start - range.start) as usize;
            let bytes = &bytes[at..at + part.len as usize];
            machine.feed(Fetched { tag, range: part, bytes, bad: &[] }, ask);
        }
    }
}

/// Puts a piece in its place.
fn keep(entry: &mut Pending, offset: u64, result: Result<Piece, crate::source::PieceError>) {
    let size = entry.range.len as usize;
    let at = offset.saturating_sub(entry.range.start) as usize;
    let place = entry.bytes.get_or_insert_with(|| vec![0; size]);
    match result {
        Ok(Piece::Bytes(buf)) => {
            let buf: &Buf = &buf;
            if let Some(room) = place.get_mut(at..) {
                let len = room.len().min(buf.len());
                room[..len].copy_from_slice(&buf[..len]);
            }
            entry.arrived += buf.len() as u64;
        }
        Ok(Piece::Zeros(len)) => entry.arrived += len,
        Err(error) => {
            entry.arrived += error.len;
            entry.bad.push((ByteRange::new(offset, error.len), error.error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{BlockSource, memory::MemorySource};

    /// Follows a chain: each byte names the offset of the next.
    struct Chain {
        seen: Vec<u8>,
        bad: usize,
    }

    impl Machine for Chain {
        fn start(&mut self, ask: &mut Requests) {
            ask.push(1, ByteRange::new(3, 4));
        }
        fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
            assert_eq!(fetched.bytes.len() as u64, fetched.range.len);
            self.bad += fetched.bad.len();
            self.seen.push(fetched.bytes[0]);
            if fetched.bytes[0] != 0 {
                ask.push(1, ByteRange::new(u64::from(fetched.bytes[0]), 4));
            }
        }
    }

    /// Forgets every request.
    struct Silent;

    impl ReadQueue for Silent {
        fn push(&mut self, _: u64, _: ByteRange) {}
        fn next(&mut self) -> Option<crate::source::Completion> {
            None
        }
    }

    #[test]
    fn a_queue_that_ends_early_is_an_error_of_what_was_asked() {
        let mut chain = Chain { seen: Vec::new(), bad: 0 };
        run(&mut chain, &mut Silent);
        assert_eq!((chain.seen, chain.bad), (vec![0], 1));
    }

    #[test]
    fn rounds_are_counted_and_bad_sectors_are_named() {
        let mut bytes = vec![0; 32];
        (bytes[3], bytes[9], bytes[20]) = (9, 20, 0);
        let source = MemorySource::new(bytes).with_bad(vec![ByteRange::new(10, 1)]);
        let mut chain = Chain { seen: Vec::new(), bad: 0 };
        let stats = run(&mut chain, &mut *source.open_queue().unwrap());
        assert_eq!(chain.seen, [9, 20, 0]);
        assert_eq!(chain.bad, 1);
        assert_eq!(stats, RunStats { rounds: 3, requests: 3, bytes: 12 });
    }

    /// Asks for 20 bytes at 3, and goes on with each as [`Chain`].
    struct Long(Chain);

    impl Machine for Long {
        fn start(&mut self, ask: &mut Requests) {
            ask.push(1, ByteRange::new(3, 20));
        }
        fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
            self.0.feed(fetched, ask);
        }
    }

    #[test]
    fn what_lies_in_an_answer_is_not_read_again_unless_it_could_not_be_read() {
        let mut bytes = vec![0; 40];
        // To the answer's last four bytes, to its bad one, past its end, and back in that one.
        (bytes[3], bytes[19], bytes[7], bytes[30], bytes[31]) = (19, 7, 30, 31, 0);
        let source = MemorySource::new(bytes).with_bad(vec![ByteRange::new(10, 1)]);
        let mut long = Long(Chain { seen: Vec::new(), bad: 0 });
        let stats = run(&mut long, &mut *source.open_queue().unwrap());
        assert_eq!(long.0.seen, [19, 7, 30, 31, 0]);
        assert_eq!(long.0.bad, 2);
        assert_eq!(stats, RunStats { rounds: 4, requests: 4, bytes: 32 });
    }
}

//! The part of the log that is to be applied, read in order: a bounded number of requests at once, records
//! cut out of what has arrived.

use super::{
    Fault, Shape,
    record::{BLOCK, Header, is_header},
};
use crate::machine::{Fetched, Requests};
use coldread_model::ByteRange;
use std::collections::BTreeMap;

/// Blocks of a request.
const PIECE: u64 = 2048;
/// Requests under way, and answers that wait for one before them: 128 MiB.
const AHEAD: usize = 128;
/// How many blocks behind the head a damaged record may be one that the head has just run over: what eight
/// buffers of 256 KiB hold.
const RUN_OVER: u64 = 4096;

/// A record: its header and its data.
pub(super) struct Record {
    pub(super) header: Header,
    pub(super) data: Vec<u8>,
}

/// What stands where a record should be.
pub(super) struct Damage {
    pub(super) fault: Fault,
    /// It is so near to the head that the head has run over the tail: what follows counts.
    pub(super) run_over: bool,
}

/// Reads the blocks from tail to head.
pub(super) struct Stream {
    pieces: Vec<ByteRange>,
    /// Pieces asked for, and taken in order.
    asked: usize,
    taken: usize,
    waiting: BTreeMap<usize, Vec<u8>>,
    /// What has arrived in order, how much of it is cut, and how many blocks from the tail are.
    bytes: Vec<u8>,
    cut: usize,
    at: u64,
    blocks: u64,
    /// Blocks of the log that the part leaves out: from the head to the tail.
    left_out: u64,
}

impl Stream {
    pub(super) fn new(log: ByteRange, tail: u64, head: u64) -> Self {
        let all = log.len >> 9;
        let runs = if tail < head { [(tail, head), (0, 0)] } else { [(tail, all), (0, head)] };
        let mut pieces = Vec::new();
        let mut blocks = 0;
        for (start, end) in runs {
            blocks += end - start;
            for first in (start..end).step_by(PIECE as usize) {
                let count = PIECE.min(end - first);
                pieces.push(ByteRange::new(log.start + (first << 9), count << 9));
            }
        }
        Self {
            pieces,
            asked: 0,
            taken: 0,
            waiting: BTreeMap::new(),
            bytes: Vec::new(),
            cut: 0,
            at: 0,
            blocks,
            left_out: all - blocks,
        }
    }

    /// Asks for what there is room for.
    pub(super) fn ask(&mut self, ask: &mut Requests) {
        while self.asked < self.pieces.len() && self.asked < self.taken + AHEAD {
            ask.push(self.asked as u64, self.pieces[self.asked]);
            self.asked += 1;
        }
    }

    /// Takes an answer. [`Stream::next`] then has what it completes.
    pub(super) fn feed(&mut self, fetched: &Fetched<'_>) -> Result<(), Fault> {
        if let Some((bad, error)) = fetched.bad.first() {
            return Err(Fault::unread(bad.start, error.to_string()));
        }
        self.waiting.insert(fetched.tag as usize, fetched.bytes.to_vec());
        Ok(())
    }

    /// Whether everything was read and cut.
    pub(super) fn is_done(&self) -> bool {
        self.at == self.blocks
    }

    /// The next record, as far as what has arrived goes.
    pub(super) fn next(&mut self, shape: &Shape) -> Result<Option<Record>, Damage> {
        loop {
            let Some(block) = self.rest().get(..BLOCK) else {
                if self.is_done() || !self.refill() {
                    return Ok(None);
                }
                continue;
            };
            let header = Header::parse(block).ok_or_else(|| self.damage("a block that is no record"))?;
            let blocks = header.blocks();
            if self.at + blocks as u64 > self.blocks {
                return Err(self.damage("a record past the log's head"));
            }
            let Some(record) = self.rest().get(..blocks * BLOCK) else {
                if !self.refill() {
                    return Ok(None);
                }
                continue;
            };
            // Version 4 is read without checksums, too.
            if shape.geometry.v5 && header.sound(record) != Some(true) {
                return Err(self.damage("a record whose checksum does not hold"));
            }
            let refused = |reason| Err(Damage { fault: Fault::unreplayed(reason), run_over: false });
            if !header.is_little_endian() {
                return refused("the log was written in another byte order");
            }
            if header.uuid != shape.uuid {
                return refused("the log belongs to another filesystem");
            }
            let data = header.data(record).unwrap_or_default();
            self.skip(blocks);
            return Ok(Some(Record { header, data }));
        }
    }

    /// Moves on to the next block that starts a record, after damage at the tail; `false` if what has
    /// arrived holds none.
    pub(super) fn skip_damage(&mut self) -> bool {
        self.skip(1);
        loop {
            match self.rest().get(..BLOCK).map(is_header) {
                Some(true) => return true,
                Some(false) => self.skip(1),
                None if self.refill() => {}
                None => return false,
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.cut..).unwrap_or_default()
    }

    fn skip(&mut self, blocks: usize) {
        self.cut = (self.cut + blocks * BLOCK).min(self.bytes.len());
        self.at += blocks as u64;
    }

    fn damage(&self, what: &str) -> Damage {
        let fault = Fault::corrupt(format!("{what}, {} blocks behind the log's tail", self.at));
        Damage { fault, run_over: self.left_out + self.at <= RUN_OVER }
    }

    /// Appends the next piece, if it has arrived.
    fn refill(&mut self) -> bool {
        let Some(piece) = self.waiting.remove(&self.taken) else { return false };
        self.taken += 1;
        self.bytes.drain(..self.cut);
        self.cut = 0;
        self.bytes.extend_from_slice(&piece);
        true
    }
}

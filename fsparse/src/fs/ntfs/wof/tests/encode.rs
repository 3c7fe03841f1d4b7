//! Plain encoders: greedy matches, codes that are given and not computed.

use super::super::Algorithm;
use std::collections::HashMap;

/// Bits in 16-bit little-endian words; XPRESS puts whole bytes behind the words begun.
struct Words {
    bytes: Vec<u8>,
    /// Where the words begun will be.
    places: [usize; 2],
    buffer: u64,
    count: u32,
}

impl Words {
    fn new() -> Self {
        Self { bytes: vec![0; 4], places: [0, 2], buffer: 0, count: 0 }
    }

    fn flush_word(&mut self) {
        let word = (self.buffer >> (self.count - 16)) as u16;
        self.bytes[self.places[0]..self.places[0] + 2].copy_from_slice(&word.to_le_bytes());
        self.places = [self.places[1], self.bytes.len()];
        self.bytes.extend([0, 0]);
        self.count -= 16;
    }

    fn put(&mut self, value: u32, bits: u32) {
        self.buffer = self.buffer << bits | u64::from(value);
        self.count += bits;
        if self.count > 16 {
            self.flush_word();
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.buffer <<= 16;
        self.count += 16;
        if self.count > 16 {
            self.flush_word();
        }
        self.bytes
    }
}

/// Bits of LZX: words only.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        self.0.extend((0..bits).rev().map(|bit| value >> bit & 1 == 1));
    }

    /// Ends the word begun, or skips one.
    fn align(&mut self) {
        let next = (self.0.len() / 16 + 1) * 16;
        self.0.resize(next, false);
    }

    fn bytes(mut self) -> Vec<u8> {
        let len = self.0.len().next_multiple_of(16);
        self.0.resize(len, false);
        let word = |bits: &[bool]| bits.iter().fold(0_u16, |word, bit| word << 1 | u16::from(*bit));
        self.0.chunks(16).flat_map(|bits| word(bits).to_le_bytes()).collect()
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks(2) {
            let word = u16::from_le_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            self.put(word.into(), 16);
        }
    }
}

/// Lengths for the symbols used: a few short codes, the rest equally long.
fn lengths(symbols: usize, skew: usize, used: impl Fn(usize) -> bool) -> Vec<u8> {
    let bits = symbols.next_power_of_two().ilog2() as usize;
    let mut short = 0;
    let length = |symbol| {
        if !used(symbol) {
            return 0;
        }
        short += 1;
        if short <= skew { short as u8 } else { (bits + skew) as u8 }
    };
    (0..symbols).map(length).collect()
}

/// The canonical code of each symbol.
fn codes(lengths: &[u8]) -> Vec<u32> {
    let mut out = vec![0; lengths.len()];
    let mut code = 0;
    for length in 1..=16 {
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, found)| **found == length) {
            out[symbol] = code;
            code += 1;
        }
        code <<= 1;
    }
    out
}

enum Token {
    Literal(u8),
    Match { distance: usize, length: usize },
}

/// Greedy matches of three bytes or more, none across `stops`.
fn tokens(data: &[u8], longest: usize, stop_every: usize) -> Vec<Token> {
    let (mut at, mut out, mut seen) = (0, Vec::new(), HashMap::<[u8; 3], usize>::new());
    while at < data.len() {
        let stop = ((at / stop_every + 1) * stop_every).min(data.len());
        let key = data.get(at..at + 3).map(|key| [key[0], key[1], key[2]]);
        let from = key.and_then(|key| seen.insert(key, at));
        let room = longest.min(stop - at);
        let same = |from: usize| (0..room).take_while(|&i| data[from + i] == data[at + i]).count();
        match from.map(|from| (from, same(from))) {
            Some((from, length)) if length >= 3 => {
                out.push(Token::Match { distance: at - from, length });
                at += length;
            }
            _ => {
                out.push(Token::Literal(data[at]));
                at += 1;
            }
        }
    }
    out
}

pub(super) fn xpress(data: &[u8], skew: usize) -> Vec<u8> {
    let lengths = lengths(512, skew.min(6), |_| true);
    let codes = codes(&lengths);
    let mut words = Words::new();
    for token in tokens(data, usize::MAX, usize::MAX / 2) {
        let (symbol, more) = match token {
            Token::Literal(byte) => (usize::from(byte), None),
            Token::Match { distance, length } => {
                let high = distance.ilog2();
                let symbol = 256 + (high as usize * 16) + (length - 3).min(15);
                (symbol, Some((high, distance - (1 << high), length - 3)))
            }
        };
        words.put(codes[symbol], lengths[symbol].into());
        let Some((bits, distance, length)) = more else { continue };
        if length >= 15 + 255 {
            words.bytes.push(255);
            words.bytes.extend((length as u16).to_le_bytes());
        } else if length >= 15 {
            words.bytes.push((length - 15) as u8);
        }
        words.put(distance as u32, bits);
    }
    let table = lengths.chunks(2).map(|pair| pair[0] | pair[1] << 4);
    table.chain(words.finish()).collect()
}

/// Turns the targets of calls from relative to absolute.
fn translate(data: &mut [u8]) {
    let (mut at, size) = (0, 12_000_000);
    while at + 10 < data.len() {
        if data[at] != 0xe8 {
            at += 1;
            continue;
        }
        let relative = i32::from_le_bytes(data[at + 1..at + 5].try_into().unwrap());
        let here = at as i32;
        if relative >= -here && relative < size {
            let absolute = if relative < size - here { relative + here } else { relative - size };
            data[at + 1..at + 5].copy_from_slice(&absolute.to_le_bytes());
        }
        at += 5;
    }
}

/// Writes code lengths as differences to `old`.
fn put_lengths(bits: &mut Bits, old: &[u8], new: &[u8]) {
    let own = [5; 20];
    let codes = codes(&own);
    for length in &own {
        bits.put((*length).into(), 4);
    }
    let mut at = 0;
    while at < new.len() {
        let run = new[at..].iter().take_while(|length| **length == new[at]).count();
        let difference = (17 + u32::from(old[at]) - u32::from(new[at])) % 17;
        let (symbol, run, extra) = match run {
            20.. if new[at] == 0 => (18, run.min(51), 5),
            4.. if new[at] == 0 => (17, run.min(19), 4),
            4.. => (19, run.min(5), 1),
            _ => (difference as usize, 1, 0),
        };
        bits.put(codes[symbol], 5);
        if extra > 0 {
            bits.put((run - if symbol == 18 { 20 } else { 4 }) as u32, extra);
        }
        if symbol == 19 {
            bits.put(codes[difference as usize], 5);
        }
        at += run;
    }
}

/// Slot, extra bits and their value of a distance.
fn slot_of(distance: usize) -> (usize, u32, u32) {
    let wanted = distance as u32 + 2;
    let (mut slot, mut base) = (0, 0);
    loop {
        let bits = if slot < 4 { 0 } else { slot as u32 / 2 - 1 };
        if wanted < base + (1 << bits) {
            return (slot, bits, wanted - base);
        }
        base += 1 << bits;
        slot += 1;
    }
}

/// Blocks of `block` bytes: verbatim, aligned, stored, and so on.
pub(super) fn lzx(data: &[u8], skew: usize, block: usize) -> Vec<u8> {
    let mut data = data.to_vec();
    translate(&mut data);
    let mut recent = [1_usize; 3];
    let (mut old_main, mut old_length) = (vec![0; 496], vec![0; 249]);
    let mut tokens = tokens(&data, 257, block).into_iter().peekable();
    let mut bits = Bits::default();
    for (kind, bytes) in [1, 2, 3].into_iter().cycle().zip(data.chunks(block)) {
        bits.put(kind, 3);
        if bytes.len() == 32_768 {
            bits.put(1, 1);
        } else {
            bits.put(0, 1);
            bits.put(bytes.len() as u32, 16);
        }
        let mut own = Vec::new();
        let mut left = bytes.len();
        while left > 0 {
            let token = tokens.next().unwrap();
            left -= if let Token::Match { length, .. } = token { length } else { 1 };
            own.push(token);
        }
        if kind == 3 {
            bits.align();
            for distance in recent {
                bits.put_bytes(&(distance as u32).to_le_bytes());
            }
            bits.put_bytes(bytes);
            continue;
        }
        // Symbols first: they decide which codes there are.
        let mut coded = Vec::new();
        for token in own {
            coded.push(match token {
                Token::Literal(byte) => (usize::from(byte), None, (0, 0)),
                Token::Match { distance, length } => {
                    let (slot, extra) = if let Some(slot) = recent.iter().position(|old| *old == distance) {
                        recent.swap(0, slot);
                        (slot, (0, 0))
                    } else {
                        recent = [distance, recent[0], recent[1]];
                        let (slot, bits, value) = slot_of(distance);
                        (slot, (bits, value))
                    };
                    let header = (length - 2).min(7);
                    (256 + slot * 8 + header, (header == 7).then(|| length - 9), extra)
                }
            });
        }
        let main = lengths(496, skew, |symbol| coded.iter().any(|found| found.0 == symbol));
        let length = lengths(249, skew, |symbol| coded.iter().any(|found| found.1 == Some(symbol)));
        let (main_codes, length_codes) = (codes(&main), codes(&length));
        let aligned = [1, 3, 3, 4, 4, 4, 5, 5];
        let aligned_codes = codes(&aligned);
        if kind == 2 {
            for length in &aligned {
                bits.put((*length).into(), 3);
            }
        }
        put_lengths(&mut bits, &old_main[..256], &main[..256]);
        put_lengths(&mut bits, &old_main[256..], &main[256..]);
        put_lengths(&mut bits, &old_length, &length);
        for (symbol, more, (extra_bits, extra)) in coded {
            bits.put(main_codes[symbol], main[symbol].into());
            if let Some(symbol) = more {
                bits.put(length_codes[symbol], length[symbol].into());
            }
            if kind == 2 && extra_bits >= 3 {
                bits.put(extra >> 3, extra_bits - 3);
                let low = (extra & 7) as usize;
                bits.put(aligned_codes[low], aligned[low].into());
            } else {
                bits.put(extra, extra_bits);
            }
        }
        (old_main, old_length) = (main, length);
    }
    bits.bytes()
}

/// A packed stream: table and chunks; what does not shrink is stored as it is.
pub(in crate::fs::ntfs) fn pack(algorithm: Algorithm, data: &[u8]) -> Vec<u8> {
    let (mut table, mut body) = (Vec::new(), Vec::new());
    for (index, chunk) in data.chunks(algorithm.chunk_bytes() as usize).enumerate() {
        if index > 0 {
            table.extend((body.len() as u32).to_le_bytes());
        }
        let packed = match algorithm {
            Algorithm::Lzx => lzx(chunk, 3, 9000),
            _ => xpress(chunk, 2),
        };
        body.extend_from_slice(if packed.len() < chunk.len() { &packed } else { chunk });
    }
    [table, body].concat()
}

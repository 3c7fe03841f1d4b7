//! Writes logs: records of either version, as Linux' `xfs_log.c` lays them out.

use coldread_model::{ByteRange, crc};

/// Bytes of data of a record: what one block of header describes.
const RECORD_BYTES: usize = 32 << 10;
const START: u8 = 1;
const COMMIT: u8 = 2;
const CONTINUES: u8 = 4;
const CONTINUED: u8 = 8;
const END: u8 = 16;

/// Operations to be logged, cut into records as they come.
pub(super) struct Writer<'a> {
    volume: &'a mut [u8],
    log: ByteRange,
    /// Version of the records: 1 or 2.
    version: u32,
    uuid: [u8; 16],
    cycle: u32,
    /// Block of the log where the next record starts.
    at: u64,
    tail: u64,
    data: Vec<u8>,
    operations: u32,
}

impl<'a> Writer<'a> {
    /// Writes behind what the log has: its head, in pass and block.
    pub(super) fn new(
        volume: &'a mut [u8],
        log: ByteRange,
        version: u32,
        uuid: [u8; 16],
        (cycle, at): (u32, u64),
    ) -> Self {
        let tail = u64::from(cycle) << 32 | at;
        Self { volume, log, version, uuid, cycle, at, tail, data: Vec::new(), operations: 0 }
    }

    /// One transaction of items, each a list of regions.
    pub(super) fn transaction(&mut self, tid: u32, items: &[Vec<Vec<u8>>]) {
        let count = items.iter().map(Vec::len).sum::<usize>() as u32;
        let header = [0x5452_414e, 40, tid, count]
            .iter()
            .flat_map(|word: &u32| word.to_le_bytes())
            .collect::<Vec<_>>();
        self.operation(tid, START, &[]);
        self.operation(tid, 0, &header);
        for region in items.iter().flatten() {
            self.operation(tid, 0, region);
        }
        self.operation(tid, COMMIT, &[]);
    }

    /// A region, in as many parts as records have room for.
    fn operation(&mut self, tid: u32, flags: u8, mut region: &[u8]) {
        let mut flags = flags;
        loop {
            if self.data.len() + 12 >= RECORD_BYTES {
                self.flush();
            }
            // Regions are cut at words.
            let room = (RECORD_BYTES - self.data.len() - 12) & !3;
            let held = region.len().min(room);
            let rest = held < region.len();
            let shown = match (flags & CONTINUED != 0, rest) {
                (true, true) => CONTINUED | CONTINUES,
                (true, false) => CONTINUED | END,
                (false, true) => flags | CONTINUES,
                (false, false) => flags,
            };
            self.data.extend(tid.to_be_bytes());
            self.data.extend((held as u32).to_be_bytes());
            self.data.extend([0x69, shown, 0, 0]);
            self.data.extend(&region[..held]);
            self.operations += 1;
            region = &region[held..];
            if !rest {
                return;
            }
            flags = CONTINUED;
            self.flush();
        }
    }

    /// Writes the record that has been collected.
    pub(super) fn flush(&mut self) {
        if self.operations == 0 {
            return;
        }
        let mut data = std::mem::take(&mut self.data);
        data.resize(data.len().next_multiple_of(512), 0);
        let blocks = self.log.len >> 9;
        let lsn = u64::from(self.cycle) << 32 | self.at;
        let mut header = vec![0; 512];
        for (place, bytes) in [
            (0, &0xfeed_babe_u32.to_be_bytes()[..]),
            (4, &self.cycle.to_be_bytes()),
            (8, &self.version.to_be_bytes()),
            (12, &(data.len() as u32).to_be_bytes()),
            (16, &lsn.to_be_bytes()),
            (24, &self.tail.to_be_bytes()),
            (40, &self.operations.to_be_bytes()),
            (300, &1u32.to_be_bytes()),
            (304, &self.uuid),
            // Version 1 has no size of the buffer.
            (320, &(if self.version == 2 { RECORD_BYTES as u32 } else { 0 }).to_be_bytes()),
        ] {
            header[place..place + bytes.len()].copy_from_slice(bytes);
        }
        for (number, block) in data.chunks_exact_mut(512).enumerate() {
            header[44 + number * 4..48 + number * 4].copy_from_slice(&block[..4]);
            let pass = self.cycle + u32::from(self.at + 1 + number as u64 >= blocks);
            block[..4].copy_from_slice(&pass.to_be_bytes());
        }
        let sum = crc::crc32c_append(crc::crc32c(&header[..328]), &data);
        header[32..36].copy_from_slice(&sum.to_le_bytes());
        let record = [header, data].concat();
        for (number, block) in record.chunks_exact(512).enumerate() {
            let place = (self.log.start + (((self.at + number as u64) % blocks) << 9)) as usize;
            self.volume[place..place + 512].copy_from_slice(block);
        }
        self.at += record.len() as u64 >> 9;
        self.operations = 0;
        if self.at >= blocks {
            self.at -= blocks;
            self.cycle += 1;
        }
    }
}

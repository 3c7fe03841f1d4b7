//! XFS to be stopped, and what a stopped one's log holds, read apart from `coldread`.
//!
//! Source of the log's form: "XFS Algorithms & Data Structures", 3rd edition, "Journaling Log".

use super::Kind;
use crate::{host::tool, shapes::Dice};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
};

/// A buffer whose older changes do not count.
pub const CANCELS: &str = "cancelled buffers";
/// A log that goes over its end to its start.
pub const WRAPS: &str = "wraparound";
/// A record that does.
pub const AROUND: &str = "a record around the log's end";

/// The usual block size, and a log so small that it wraps.
pub const BLOCKS_4K: Kind = Kind {
    name: "xfs",
    filesystem: "xfs",
    mib: 64,
    shape: &["-b", "size=4096", "-l", "size=6m"],
    prepare: Some(near_the_end),
    options: &[""],
    unrecovered: "ro,norecovery",
    blank: false,
    amid: true,
    refuses_own: false,
    facts,
    tear: Some(tear),
};

/// Small blocks: deeper trees, directories of more blocks.
pub const BLOCKS_1K: Kind =
    Kind { name: "xfs-1k", shape: &["-b", "size=1024", "-l", "size=6m", "-m", "rmapbt=1"], ..BLOCKS_4K };

/// Records padded to a large unit, with headers of several blocks.
pub const LARGE_LOG_UNIT: Kind = Kind {
    name: "xfs-log-su",
    prepare: None,
    shape: &["-l", "su=256k,size=12m", "-m", "bigtime=0,finobt=0,reflink=0"],
    options: &["logbsize=256k"],
    ..BLOCKS_4K
};

/// Sectors of 4 KiB, large directory blocks, counters of 64 bits.
pub const SECTORS_4K: Kind = Kind {
    name: "xfs-4kn",
    prepare: None,
    shape: &[
        "-s",
        "size=4096",
        "-n",
        "size=16384",
        "-i",
        "nrext64=1,size=1024",
        "-d",
        "agcount=2",
        "-l",
        "size=18m",
    ],
    ..BLOCKS_4K
};

/// Files that know their directories, and ranges that can be exchanged: attributes change in several transactions.
pub const PARENT_POINTERS: Kind =
    Kind { name: "xfs-parent", prepare: Some(with_parent_pointers), shape: &["-l", "size=8m"], ..BLOCKS_4K };

/// Turns features on that older releases of mkfs do not know. An empty filesystem is the same with them.
fn with_parent_pointers(image: &Path, dice: &mut Dice) {
    near_the_end(image, dice);
    let mut superblock = [0; BLOCK];
    File::open(image).unwrap().read_exact_at(&mut superblock, 0).unwrap();
    let features = be32(&superblock, 216) | 1 << 6 | 1 << 7;
    for group in 0..be32(&superblock, 88) {
        let (go, write) = (format!("sb {group}"), format!("write -d features_incompat {features:#x}"));
        tool(
            "xfs_db",
            &["-x".as_ref(), "-c".as_ref(), go.as_ref(), "-c".as_ref(), write.as_ref(), image.as_os_str()],
        );
    }
}

/// Moves the only record of a new log, that of an unmount, to where the log soon ends and goes on at its start.
fn near_the_end(image: &Path, dice: &mut Dice) {
    if dice.chance(40) {
        return;
    }
    let mut log = Log::read(image);
    let record = log.bytes[..2 * BLOCK].to_vec();
    assert!(record.starts_with(&HEADER) && be32(&record, 12) == BLOCK as u32, "the log's unit is a sector");
    let blocks = log.blocks();
    let head = blocks - 8 * (1 + dice.below(40) as usize);
    log.bytes.fill(0);
    for (at, block) in log.bytes.chunks_exact_mut(BLOCK).enumerate() {
        block[..4].copy_from_slice(&(PASS - u32::from(at >= head)).to_be_bytes());
    }
    let at = head - 2;
    let place = [PASS.to_be_bytes(), (at as u32).to_be_bytes()].concat();
    let moved = &mut log.bytes[at * BLOCK..head * BLOCK];
    moved.copy_from_slice(&record);
    moved[4..8].copy_from_slice(&PASS.to_be_bytes());
    moved[16..24].copy_from_slice(&place);
    moved[24..32].copy_from_slice(&place);
    moved[BLOCK..BLOCK + 4].copy_from_slice(&PASS.to_be_bytes());
    File::options().write(true).open(image).unwrap().write_all_at(&log.bytes, log.start).unwrap();
}

const BLOCK: usize = 512;
/// The pass in which a log is whose record is moved.
const PASS: u32 = 7;
const HEADER: [u8; 4] = [0xfe, 0xed, 0xba, 0xbe];

/// Bytes of the log that one record takes, in blocks.
#[derive(Clone, Copy, Debug)]
struct Record {
    at: usize,
    leading: usize,
    blocks: usize,
    tail: usize,
    operations: u32,
}

/// A log as it is on the disk.
struct Log {
    start: u64,
    bytes: Vec<u8>,
    /// The block after the last that the current pass wrote, and the pass.
    head: usize,
    pass: u32,
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from(be32(bytes, at)) << 32 | u64::from(be32(bytes, at + 4))
}

impl Log {
    fn read(image: &Path) -> Self {
        let file = File::open(image).unwrap();
        let mut superblock = [0; BLOCK];
        file.read_exact_at(&mut superblock, 0).unwrap();
        let (block, place) = (u64::from(be32(&superblock, 4)), be64(&superblock, 48));
        let group_log = superblock[124];
        let group = place >> group_log;
        let first = group * u64::from(be32(&superblock, 84)) + (place & ((1 << group_log) - 1));
        let mut bytes = vec![0; be32(&superblock, 96) as usize * block as usize];
        file.read_exact_at(&mut bytes, first * block).unwrap();
        let mut log = Self { start: first * block, bytes, head: 0, pass: 0 };
        log.pass = log.pass_of(0);
        log.head = (0..log.blocks()).find(|&at| log.pass_of(at) != log.pass).unwrap_or(log.blocks());
        log
    }

    fn blocks(&self) -> usize {
        self.bytes.len() / BLOCK
    }

    fn block(&self, at: usize) -> &[u8] {
        let at = at % self.blocks() * BLOCK;
        &self.bytes[at..at + BLOCK]
    }

    fn pass_of(&self, at: usize) -> u32 {
        let block = self.block(at);
        be32(block, if block.starts_with(&HEADER) { 4 } else { 0 })
    }

    fn record(&self, at: usize) -> Option<Record> {
        let block = self.block(at);
        let size = be32(block, 320).max(1).div_ceil(32 << 10).max(1) as usize;
        let len = be32(block, 12) as usize;
        block.starts_with(&HEADER).then(|| Record {
            at: at % self.blocks(),
            leading: size,
            blocks: size + len.div_ceil(BLOCK),
            tail: be32(block, 28) as usize,
            operations: be32(block, 40),
        })
    }

    /// The records that recovery reads, oldest first; none if the last one is not whole.
    fn records(&self) -> Vec<Record> {
        let mut before = (0..self.blocks()).rev().map(|back| self.head + back);
        let Some(last) = before.find_map(|at| self.record(at)) else { return Vec::new() };
        let mut records = Vec::new();
        let mut at = last.tail;
        while let Some(record) = self.record(at).filter(|_| records.len() < self.blocks()) {
            records.push(record);
            if record.at == last.at {
                return records;
            }
            at = record.at + record.blocks;
        }
        Vec::new()
    }

    /// The data of a record, with the words that the numbers of the pass stand in for.
    fn data(&self, record: Record) -> Vec<u8> {
        let mut data = Vec::new();
        for nth in 0..record.blocks - record.leading {
            let header = self.block(record.at + nth / 64);
            let word = if nth < 64 { 44 } else { 4 } + nth % 64 * 4;
            data.extend(&header[word..word + 4]);
            data.extend(&self.block(record.at + record.leading + nth)[4..]);
        }
        data
    }
}

/// How many items of which kind and flags a record's data starts: operations that look like an item's first
/// region.
fn items(data: &[u8], operations: u32, out: &mut BTreeMap<&'static str, usize>) {
    let mut at = 0;
    for _ in 0..operations {
        let len = be32(data, at + 4) as usize;
        let Some(region) = data.get(at + 12..at + 12 + len) else { return };
        let word = |at: usize| region.get(at..at + 2).map_or(0, |two| u16::from_le_bytes([two[0], two[1]]));
        let (kind, regions) = (word(0), word(2));
        let what = match kind {
            0x123c if len >= 24 && word(4) & 2 != 0 => Some(CANCELS),
            0x123f if regions == 1 => Some("new inode chunks"),
            0x1244 if regions == 1 && len >= 16 => Some("block map intents"),
            0x1236 if regions == 1 && len >= 16 => Some("extent freeing intents"),
            _ => None,
        };
        if let Some(what) = what {
            *out.entry(what).or_default() += 1;
        }
        at += 12 + len;
    }
}

/// What the log of an image holds.
fn facts(image: &Path) -> BTreeSet<&'static str> {
    let log = Log::read(image);
    let records = log.records();
    let mut found = BTreeMap::new();
    for record in &records {
        items(&log.data(*record), record.operations, &mut found);
    }
    let mut facts: BTreeSet<_> = found.into_keys().collect();
    if records.iter().any(|record| record.at + record.blocks > log.blocks()) {
        facts.insert(AROUND);
    }
    if let Some(last) = records.last()
        && records[0].at > last.at
    {
        facts.insert(WRAPS);
    }
    facts
}

/// Makes of the last records what a power cut leaves of writes that were under way: they arrive in any order, and
/// in part. Never of so many that the kernel would not look for the damage.
fn tear(image: &Path, dice: &mut Dice) -> Option<&'static str> {
    let log = Log::read(image);
    let records = log.records();
    let most = (1 + dice.below(7) as usize).min(records.len().saturating_sub(1));
    let mut torn = Vec::new();
    let mut blocks = 0;
    for record in records.iter().rev().take(most) {
        blocks += record.blocks;
        if blocks > 480 {
            break;
        }
        torn.push(*record);
    }
    let last = *torn.first()?;
    let file = File::options().write(true).open(image).unwrap();
    let place = |at: usize| log.start + (at % log.blocks() * BLOCK) as u64;
    // A block that never arrived has the number of the pass before; what else is in it nobody reads.
    let lose = |at: usize| {
        let around = u32::from(at % log.blocks() >= log.head);
        let pass = log.pass.saturating_sub(1 + around);
        let mut block = vec![0xa5; BLOCK];
        block[..4].copy_from_slice(&pass.to_be_bytes());
        file.write_all_at(&block, place(at)).unwrap();
    };
    match dice.below(4) {
        0 => {
            // The end of the last one.
            let from = dice.below(last.blocks as u64) as usize;
            (last.at + from..last.at + last.blocks).for_each(lose);
            Some("torn: the last record's end did not arrive")
        }
        1 => {
            let oldest = *torn.last()?;
            lose(oldest.at + dice.below(oldest.blocks as u64) as usize);
            Some("torn: a block before others did not arrive")
        }
        2 => {
            for record in &torn {
                for at in record.at..record.at + record.blocks {
                    if dice.chance(30) {
                        lose(at);
                    }
                }
            }
            Some("torn: blocks of several records did not arrive")
        }
        _ => {
            // A sector that was being written: its number is new, its content is not.
            let record = *dice.pick(&torn);
            let at =
                record.at + record.leading + dice.below((record.blocks - record.leading) as u64) as usize;
            let bytes = dice.bytes(BLOCK - 4);
            file.write_all_at(&bytes, place(at) + 4).unwrap();
            Some("torn: a record whose checksum does not hold")
        }
    }
}

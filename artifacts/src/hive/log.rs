//! Transaction logs: what was to be written into a hive, put over it in memory.
//!
//! "Transaction log files": the old format holds one set of dirty sectors, the new one entries that continue
//! each other, in two files that are written in turn.

use super::{
    BINS, HiveError,
    base_block::{BaseBlock, FileType, Found},
    blocks::{Blocks, SECTOR},
    marvin, u32_at, u64_at,
};
use crate::view::FileView;
use coldread_model::GapKind;

/// The longest log entry that is read.
const MAX_ENTRY: u32 = 64 << 20;

const ENTRY_HEADER: usize = 40;
const PAGE_REFERENCE: usize = 8;

/// What logs gave.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// The header of the log, where the hive's own is damaged.
    pub(super) base: Option<BaseBlock>,
    /// Bytes of hive bins after the last change.
    pub(super) bins: Option<u32>,
    pub(super) entries: u64,
}

struct Log<'a> {
    view: &'a mut dyn FileView,
    header: Found,
}

/// Applies the logs that continue the hive, the earlier one first.
pub(super) fn recover(
    hive: &Found,
    views: Vec<&mut dyn FileView>,
    blocks: &mut Blocks<'_>,
    notes: &mut Vec<(GapKind, String)>,
) -> Recovery {
    let mut logs = Vec::new();
    for view in views {
        // An empty log is what a clean shutdown leaves.
        if view.is_empty() {
            continue;
        }
        match open(hive, view) {
            Ok(Some(log)) => logs.push(log),
            Ok(None) => {}
            Err(error) => notes.push((error.gap_kind(), format!("a transaction log: {error}"))),
        }
    }
    logs.sort_by_key(|log| log.header.primary);
    let mut recovery = Recovery::default();
    if !hive.checksum_holds {
        recovery.base = logs.first().map(|log| log.header.base);
    }
    let is_new = |log: &Log<'_>| log.header.kind == FileType::NewLog;
    let result = if logs.iter().any(is_new) {
        // An old log beside new ones is left over from an older Windows.
        let logs = logs.into_iter().filter(is_new);
        entries(hive, logs, blocks, &mut recovery)
    } else {
        logs.pop().map_or(Ok(()), |log| dirty_sectors(log, blocks, &mut recovery))
    };
    if let Err(error) = result {
        notes.push((GapKind::Unreplayed, format!("a transaction log: {error}")));
    }
    recovery
}

/// A log, if it is one that may continue the hive.
fn open<'a>(hive: &Found, view: &'a mut dyn FileView) -> Result<Option<Log<'a>>, HiveError> {
    let mut header = [0; SECTOR as usize];
    let got = view.read_at(0, &mut header)?;
    if header[..got].iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let header = BaseBlock::parse(&header[..got])?;
    if !header.checksum_holds {
        return Err(HiveError::corrupt(0, "its header fails its checksum"));
    }
    if header.kind == FileType::Primary {
        return Err(HiveError::corrupt(0, "it is a hive, not a log"));
    }
    // An old log that was not written whole proves that the hive was not touched after it was begun; one
    // with a lower number was applied before.
    let whole = header.kind == FileType::NewLog || header.primary == header.secondary;
    let later = !hive.checksum_holds || header.primary >= hive.secondary;
    Ok((whole && later).then_some(Log { view, header }))
}

/// Applies entries in the order of their numbers ("New format"), until one is missing or not whole.
fn entries<'a>(
    hive: &Found,
    logs: impl Iterator<Item = Log<'a>>,
    blocks: &mut Blocks<'_>,
    recovery: &mut Recovery,
) -> Result<(), HiveError> {
    let mut next = None;
    for log in logs {
        let mut at = SECTOR;
        // The first entry of a log has its header's number; others that lie behind are from before it was
        // started anew.
        let mut expected = log.header.primary;
        if next.is_some_and(|next| next != expected) {
            return Ok(());
        }
        while let Some(entry) = Entry::read(log.view, at, expected)? {
            if !hive.checksum_holds || expected >= hive.secondary {
                entry.apply(blocks)?;
                recovery.bins = Some(entry.bins);
                recovery.entries += 1;
            }
            at += entry.bytes.len() as u64;
            expected = expected.wrapping_add(1);
            next = Some(expected);
        }
    }
    Ok(())
}

/// A log entry whose hashes hold.
struct Entry {
    bytes: Vec<u8>,
    bins: u32,
    pages: usize,
}

impl Entry {
    /// The entry at `at`, if the one numbered `number` is there.
    fn read(view: &mut dyn FileView, at: u64, number: u32) -> Result<Option<Self>, HiveError> {
        let mut header = [0; ENTRY_HEADER];
        let got = view.read_at(at, &mut header)?;
        if got < header.len() || !header.starts_with(b"HvLE") {
            return Ok(None);
        }
        let field = |index: usize| u32_at(&header, index).unwrap_or(0);
        let (size, sequence, bins, pages) = (field(4), field(12), field(16), field(20));
        if sequence != number {
            return Ok(None);
        }
        let torn = |what: &str| HiveError::corrupt(at, format!("entry {number} is not whole: {what}"));
        if u64_at(&header, 32) != Some(marvin::hash(&header[..32])) {
            return Err(torn("its header fails its hash"));
        }
        if !u64::from(size).is_multiple_of(SECTOR) || (size as usize) < ENTRY_HEADER {
            return Err(torn(&format!("it has {size} bytes")));
        }
        if size > MAX_ENTRY {
            return Err(HiveError::Limit(format!("an entry of {size} bytes, at most {MAX_ENTRY} are read")));
        }
        if at + u64::from(size) > view.len() {
            return Err(torn("the file ends inside it"));
        }
        let mut bytes = vec![0; size as usize];
        if view.read_at(at, &mut bytes)? < bytes.len() {
            return Err(torn("the file ends inside it"));
        }
        if u64_at(&header, 24) != Some(marvin::hash(&bytes[ENTRY_HEADER..])) {
            return Err(torn("its pages fail their hash"));
        }
        Ok(Some(Self { bytes, bins, pages: pages as usize }))
    }

    fn apply(&self, blocks: &mut Blocks<'_>) -> Result<(), HiveError> {
        let bad = |what: String| HiveError::corrupt(0, what);
        let references = self
            .pages
            .checked_mul(PAGE_REFERENCE)
            .and_then(|len| self.bytes.get(ENTRY_HEADER..)?.get(..len))
            .ok_or_else(|| bad(format!("{} pages pass an entry's end", self.pages)))?;
        let mut content = &self.bytes[ENTRY_HEADER + references.len()..];
        for reference in references.chunks_exact(PAGE_REFERENCE) {
            let (offset, len) = (u32_at(reference, 0).unwrap_or(0), u32_at(reference, 4).unwrap_or(0));
            let page = content.get(..len as usize);
            let aligned = u64::from(offset).is_multiple_of(SECTOR) && u64::from(len).is_multiple_of(SECTOR);
            let inside = u64::from(offset) + u64::from(len) <= u64::from(self.bins);
            let Some(page) = page.filter(|_| aligned && inside) else {
                return Err(bad(format!("a page of {len} bytes for byte {offset:#x} of the bins")));
            };
            blocks.patch(BINS + u64::from(offset), page)?;
            content = &content[len as usize..];
        }
        Ok(())
    }
}

/// Applies the one set of dirty sectors of the old format ("Old format"): after the header a bitmap, one bit
/// for each sector of the hive bins, then those sectors.
fn dirty_sectors(log: Log<'_>, blocks: &mut Blocks<'_>, recovery: &mut Recovery) -> Result<(), HiveError> {
    let cluster = SECTOR * u64::from(log.header.clustering.clamp(1, 8));
    let bins = log.header.base.bins;
    let bitmap_len = u64::from(bins) / SECTOR / 8;
    let mut bitmap = vec![0; 4 + bitmap_len as usize];
    let view = log.view;
    let short = || HiveError::corrupt(cluster, "the log ends before its dirty sectors do");
    if cluster + bitmap.len() as u64 > view.len() {
        return Err(short());
    }
    if view.read_at(cluster, &mut bitmap)? < bitmap.len() {
        return Err(short());
    }
    if !bitmap.starts_with(b"DIRT") {
        return Err(HiveError::corrupt(cluster, "signature \"DIRT\" expected"));
    }
    let mut at = cluster + (bitmap.len() as u64).next_multiple_of(cluster);
    // Nothing may be applied in part: a set that is not whole never began to be copied into the hive.
    let dirty: u64 = bitmap[4..].iter().map(|byte| u64::from(byte.count_ones())).sum();
    if at + dirty * SECTOR > view.len() {
        return Err(short());
    }
    for (index, byte) in bitmap[4..].iter().enumerate() {
        for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
            let mut sector = [0; SECTOR as usize];
            view.read_at(at, &mut sector)?;
            blocks.patch(BINS + (index as u64 * 8 + bit) * SECTOR, &sector)?;
            at += SECTOR;
        }
    }
    recovery.base = Some(log.header.base);
    recovery.bins = Some(bins);
    recovery.entries = 1;
    Ok(())
}

//! Finding a disk's volumes: a machine over the whole disk.

use super::{
    gpt, mbr,
    recognise::{self, Content},
};
use crate::{
    error::ParseError,
    fs::HEAD_BYTES,
    machine::{Fetched, Machine, Requests},
};
use coldread_model::{ByteRange, CoverageClass, CoverageRange, Gap, GapKind};

/// A volume and what its first bytes say.
pub struct FoundVolume {
    /// `whole`, or `p` and the partition's number.
    pub name: String,
    /// Where on the disk it lies, cut at the disk's end.
    pub range: ByteRange,
    /// What it holds.
    pub content: Content,
    /// What the partition table calls it, for people.
    pub table_type: String,
    /// The partition's label.
    pub label: Option<String>,
    /// The partition's UUID as Linux names it (PARTUUID).
    pub uuid: Option<String>,
}

/// What a disk holds.
#[derive(Default)]
pub struct FoundVolumes {
    /// The volumes in disk order.
    pub volumes: Vec<FoundVolume>,
    /// Ranges of partition tables.
    pub coverage: Vec<CoverageRange>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// The table's own id.
    pub table_id: Option<String>,
    /// Partition tables as read: part of the source's identity.
    pub identity: Vec<u8>,
}

/// The bytes of all partitions together may be so many times the disk's; honest ones do not overlap.
const DISK_TIMES: u64 = 4;

const TAG_START: u64 = 1;
const TAG_END: u64 = 2;
const TAG_ENTRIES: u64 = 3;
const TAG_LOGICAL: u64 = 4;
const TAG_HEAD: u64 = 1 << 32;

/// Finds the volumes of a disk of known size.
pub struct DiskProbe {
    disk_bytes: u64,
    start: Option<Vec<u8>>,
    end: Option<Vec<u8>>,
    header: Option<gpt::Header>,
    damaged_gpt: Vec<ParseError>,
    /// First sector of the extended partition, records followed so far, sectors seen.
    extended: Option<(u64, Vec<u64>)>,
    found: FoundVolumes,
}

impl DiskProbe {
    /// For a disk of so many bytes.
    pub fn new(disk_bytes: u64) -> Self {
        Self {
            disk_bytes,
            start: None,
            end: None,
            header: None,
            damaged_gpt: Vec::new(),
            extended: None,
            found: FoundVolumes::default(),
        }
    }

    /// What was found. Call it once nothing is outstanding.
    pub fn finish(mut self) -> FoundVolumes {
        self.found.volumes.sort_by_key(|volume| (volume.range.start, volume.range.len));
        self.note_overlaps();
        self.leave_out_repeats();
        self.found
    }

    /// A hostile table may have a thousand partitions that are all the same bytes: they are named, and those
    /// past a bound are not read.
    fn leave_out_repeats(&mut self) {
        let mut left = self.disk_bytes.saturating_mul(DISK_TIMES);
        for volume in &mut self.found.volumes {
            if let Some(rest) = left.checked_sub(volume.range.len) {
                left = rest;
            } else {
                let (class, gap) = (CoverageClass::Gap, Some(GapKind::Limit));
                volume.content = Content::Named { name: "overlapping partition", class, gap };
            }
        }
    }

    fn note_overlaps(&mut self) {
        let mut end = 0;
        for volume in &self.found.volumes {
            if volume.range.start < end {
                let reason = "the partition overlaps the one before it";
                let gap = Gap::new(GapKind::Corrupt, "partition table", reason).in_volume(&volume.name);
                self.found.gaps.push(gap.at_byte(0));
            }
            end = end.max(volume.range.end());
        }
    }

    /// Decides what the disk's first and last bytes say, once both are there.
    fn decide(&mut self, ask: &mut Requests) {
        if self.start.is_some() && self.end.is_some() {
            let (start, end) = (self.start.take().unwrap_or_default(), self.end.take().unwrap_or_default());
            self.decide_with(&start, &end, ask);
        }
    }

    fn decide_with(&mut self, start: &[u8], end: &[u8], ask: &mut Requests) {
        let end_at = self.disk_bytes - end.len() as u64;
        let mut header = None;
        for sector in [512_u64, 4096] {
            let primary = start.get(sector as usize..).unwrap_or_default();
            let last = self.disk_bytes.saturating_sub(sector).saturating_sub(end_at) as usize;
            let backup = end.get(last..).unwrap_or_default();
            for (bytes, at) in [(primary, sector), (backup, end_at + last as u64)] {
                match gpt::header(&bytes[..bytes.len().min(sector as usize)], at, sector) {
                    Ok(found) if header.is_none() => header = Some((found, at)),
                    Err(error @ ParseError::Corrupt { .. }) => self.damaged_gpt.push(error),
                    _ => {}
                }
            }
        }
        let table = mbr::entries(start, self.disk_bytes);
        let protective = table.as_ref().is_some_and(|table| table.iter().any(|entry| entry.kind == 0xee));
        // A filesystem that owns sector 0 beats leftovers of a table; a table beats leftovers of ext4,
        // whose superblock leaves sector 0 alone.
        let bare = recognise::recognise(start);
        let usable = table.as_ref().is_some_and(|table| !table.is_empty());
        match header {
            Some((header, at)) if protective || !matches!(bare, Content::Filesystem(_)) => {
                for error in std::mem::take(&mut self.damaged_gpt) {
                    self.found.gaps.push(error.to_gap());
                }
                self.found.table_id = Some(header.disk_guid.clone());
                self.claim_table(ByteRange::new(0, 2 * header.sector), "GPT");
                self.claim_table(ByteRange::new(at, header.sector), "GPT");
                self.claim_table(header.entries, "GPT entries");
                self.claim_backup(&header, end, end_at);
                let entries = header.entries.intersect(ByteRange::new(0, self.disk_bytes));
                self.header = Some(header);
                // They usually follow the header, and are at hand.
                match start.get(entries.start as usize..entries.end() as usize) {
                    Some(bytes) => self.read_gpt(bytes, ask),
                    None => ask.push(TAG_ENTRIES, entries),
                }
            }
            _ if usable && !owns_sector_zero(start, &bare) => {
                self.read_mbr(start, &table.unwrap_or_default(), ask);
            }
            _ => {
                for error in std::mem::take(&mut self.damaged_gpt) {
                    self.found.gaps.push(error.to_gap());
                }
                self.found.volumes.push(FoundVolume {
                    name: "whole".to_owned(),
                    range: ByteRange::new(0, self.disk_bytes),
                    content: bare,
                    table_type: String::new(),
                    label: None,
                    uuid: None,
                });
            }
        }
    }

    fn claim_table(&mut self, range: ByteRange, detail: &str) {
        self.found.coverage.push(CoverageRange {
            volume: String::new(),
            range: range.intersect(ByteRange::new(0, self.disk_bytes)),
            class: CoverageClass::PartitionTable,
            detail: detail.to_owned(),
        });
    }

    /// The other copy of a GPT, where it is where it should be.
    fn claim_backup(&mut self, header: &gpt::Header, end: &[u8], end_at: u64) {
        let last = self.disk_bytes.saturating_sub(header.sector);
        let bytes = last.checked_sub(end_at).and_then(|at| end.get(at as usize..)).unwrap_or_default();
        if let Ok(backup) = gpt::header(bytes, last, header.sector) {
            self.claim_table(ByteRange::new(last, header.sector), "GPT backup");
            self.claim_table(backup.entries, "GPT backup entries");
        }
    }

    fn read_mbr(&mut self, start: &[u8], table: &[mbr::Entry], ask: &mut Requests) {
        for error in std::mem::take(&mut self.damaged_gpt) {
            self.found.gaps.push(error.to_gap());
        }
        self.claim_table(ByteRange::new(0, mbr::SECTOR), "MBR");
        self.found.identity.extend_from_slice(&start[..512]);
        let signature = mbr::signature(start);
        self.found.table_id = signature.map(|id| format!("{id:08x}"));
        for entry in table {
            if entry.is_extended() {
                if self.extended.is_none() {
                    self.extended = Some((u64::from(entry.first), Vec::new()));
                    self.follow(u64::from(entry.first), ask);
                }
            } else {
                self.add_mbr(entry, 0, entry.slot + 1, ask);
            }
        }
    }

    fn add_mbr(&mut self, entry: &mbr::Entry, base: u64, number: u32, ask: &mut Requests) {
        let uuid = self.found.table_id.as_ref().map(|id| format!("{id}-{number:02x}"));
        let table_type = format!("{} ({:#04x})", mbr::type_name(entry.kind), entry.kind);
        self.add(format!("p{number}"), entry.range(base), table_type, None, uuid, ask);
    }

    /// Asks for the extended boot record at `sector`.
    fn follow(&mut self, sector: u64, ask: &mut Requests) {
        let Some((_, seen)) = &mut self.extended else { return };
        let at = sector.saturating_mul(mbr::SECTOR);
        let problem = if seen.contains(&sector) {
            "the chain of extended boot records comes back to itself"
        } else if seen.len() >= mbr::MAX_LOGICAL as usize {
            "more than 128 logical partitions"
        } else if at.saturating_add(mbr::SECTOR) > self.disk_bytes {
            "an extended boot record lies past the disk's end"
        } else {
            seen.push(sector);
            ask.push(TAG_LOGICAL, ByteRange::new(at, mbr::SECTOR));
            return;
        };
        self.found.gaps.push(Gap::new(GapKind::Corrupt, "extended boot record", problem).at_byte(at));
    }

    fn read_logical(&mut self, fetched: &Fetched<'_>, ask: &mut Requests) {
        let at = fetched.range.start;
        let Some((first, seen)) = &self.extended else { return };
        let (first, number) = (*first, 4 + seen.len() as u32);
        self.claim_table(fetched.range, "extended boot record");
        let Some(table) = mbr::record(fetched.bytes) else {
            let reason = "no valid entries in an extended boot record";
            self.found.gaps.push(Gap::new(GapKind::Corrupt, "extended boot record", reason).at_byte(at));
            return;
        };
        self.found.identity.extend_from_slice(fetched.bytes);
        // The logical partition counts from this record, the next record from the extended partition.
        if let Some(entry) = table.iter().find(|entry| !entry.is_extended()) {
            self.add_mbr(entry, at / mbr::SECTOR, number, ask);
        }
        if let Some(next) = table.iter().find(|entry| entry.is_extended()) {
            self.follow(first + u64::from(next.first), ask);
        }
    }

    fn read_gpt(&mut self, bytes: &[u8], ask: &mut Requests) {
        let Some(header) = self.header.take() else { return };
        let (entries, checksum_holds, wrong) = gpt::entries(&header, bytes);
        if !checksum_holds {
            let reason = "the checksum of the entries does not hold";
            self.found
                .gaps
                .push(Gap::new(GapKind::Corrupt, "GPT entries", reason).at_byte(header.entries.start));
        }
        self.found.gaps.extend(wrong.iter().map(ParseError::to_gap));
        self.found.identity.extend_from_slice(header.disk_guid.as_bytes());
        self.found.identity.extend_from_slice(bytes);
        for entry in entries {
            let table_type = gpt::type_name(&entry.type_guid).unwrap_or(&entry.type_guid).to_owned();
            let label = Some(entry.name).filter(|name| !name.is_empty());
            self.add(format!("p{}", entry.number), entry.range, table_type, label, Some(entry.guid), ask);
        }
    }

    /// Takes a partition in and asks for its first bytes.
    fn add(
        &mut self,
        name: String,
        range: ByteRange,
        table_type: String,
        label: Option<String>,
        uuid: Option<String>,
        ask: &mut Requests,
    ) {
        let inside = range.intersect(ByteRange::new(0, self.disk_bytes));
        if inside.len < range.len {
            let reason = format!(
                "the partition ends at byte {}, the disk at {}: the image is truncated or the table wrong",
                range.end(),
                self.disk_bytes
            );
            let gap = Gap::new(GapKind::Corrupt, "partition table", reason).in_volume(&name);
            self.found.gaps.push(gap.at_byte(inside.len));
        }
        let index = self.found.volumes.len() as u64;
        self.found.volumes.push(FoundVolume {
            name,
            range: inside,
            content: Content::Unknown,
            table_type,
            label,
            uuid,
        });
        ask.push(TAG_HEAD + index, ByteRange::new(inside.start, inside.len.min(HEAD_BYTES)));
    }
}

/// Whether what was recognised at the disk's start is written in sector 0 itself.
fn owns_sector_zero(start: &[u8], bare: &Content) -> bool {
    match bare {
        Content::Filesystem(_) | Content::Named { .. } => {
            // Recognised by sector 0 alone, and so not by what lies behind it.
            let first = &start[..start.len().min(512)];
            !matches!(recognise::recognise(first), Content::Unknown | Content::Blank)
        }
        Content::Unknown | Content::Blank => false,
    }
}

impl Machine for DiskProbe {
    fn start(&mut self, ask: &mut Requests) {
        let len = self.disk_bytes.min(HEAD_BYTES);
        ask.push(TAG_START, ByteRange::new(0, len));
        // Backup header and entries: 33 sectors of 512 bytes, 5 of 4096.
        let tail = self.disk_bytes.min(20 << 10);
        ask.push(TAG_END, ByteRange::new(self.disk_bytes - tail, tail));
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        for (bad, error) in fetched.bad {
            let mut gap = Gap::new(GapKind::Io, "partition table", error.to_string()).at_byte(bad.start);
            if let Some(volume) =
                fetched.tag.checked_sub(TAG_HEAD).and_then(|i| self.found.volumes.get(i as usize))
            {
                gap = gap.in_volume(&volume.name).at_byte(bad.start - volume.range.start);
                "first bytes".clone_into(&mut gap.structure);
            }
            self.found.gaps.push(gap);
        }
        match fetched.tag {
            TAG_START => {
                self.start = Some(fetched.bytes.to_vec());
                self.decide(ask);
            }
            TAG_END => {
                self.end = Some(fetched.bytes.to_vec());
                self.decide(ask);
            }
            TAG_ENTRIES => self.read_gpt(fetched.bytes, ask),
            TAG_LOGICAL => self.read_logical(&fetched, ask),
            tag => {
                if let Some(volume) =
                    tag.checked_sub(TAG_HEAD).and_then(|i| self.found.volumes.get_mut(i as usize))
                {
                    volume.content = recognise::recognise(fetched.bytes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

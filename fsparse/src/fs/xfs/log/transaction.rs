//! Transactions put together from the operations of log records: "XFS Algorithms & Data Structures",
//! 3rd edition, "Journaling Log", "Log Operations".
//!
//! Operations of several transactions are interleaved; a region that does not fit into a record goes on in
//! the next. Only what is committed is handed over.

use super::{super::be::Be, Fault, le::Le};
use std::collections::HashMap;

const START: u8 = 0x01;
const COMMIT: u8 = 0x02;
const CONTINUES: u8 = 0x04;
const CONTINUED: u8 = 0x08;
const END: u8 = 0x10;
const UNMOUNT: u8 = 0x20;
/// Who may log: transactions, the volume (long ago), the log itself.
const CLIENTS: [u8; 3] = [0x69, 2, 0xaa];
const HEADER_MAGIC: u32 = 0x5452_414e;
const HEADER_BYTES: usize = 16;
/// Regions of one item: a buffer of 64 KiB with every other chunk dirty.
const MAX_REGIONS: u16 = 257;
/// Bytes of transactions that are not yet committed. Linux commits before a quarter of this.
const MAX_OPEN_BYTES: usize = 512 << 20;
/// What a region costs beside its bytes.
const REGION_COST: usize = 64;

/// A logged change: the regions of bytes that describe it, the first saying what it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    /// Regions that it has when whole.
    total: usize,
    pub(super) regions: Vec<Vec<u8>>,
}

impl Item {
    /// Its type (XFS_LI_…), where the first region starts with one.
    pub(super) fn kind(&self) -> u16 {
        Le(self.region(0)).u16(0)
    }

    /// A region; empty if there is none.
    pub(super) fn region(&self, number: usize) -> &[u8] {
        self.regions.get(number).map(Vec::as_slice).unwrap_or_default()
    }

    fn is_whole(&self) -> bool {
        self.total != 0 && self.total == self.regions.len()
    }
}

/// A transaction on its way.
#[derive(Default)]
struct Open {
    lsn: u64,
    header: Vec<u8>,
    items: Vec<Item>,
    bytes: usize,
}

/// A committed transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Committed {
    /// LSN of the record where it started.
    pub(super) lsn: u64,
    pub(super) items: Vec<Item>,
}

/// Transactions by their numbers.
#[derive(Default)]
pub(super) struct Transactions {
    open: HashMap<u32, Open>,
    bytes: usize,
}

impl Transactions {
    /// Takes the operations of one record, `lsn` being the record's, and hands each transaction that
    /// becomes committed to `commit`.
    pub(super) fn record(
        &mut self,
        lsn: u64,
        operations: u32,
        data: &[u8],
        commit: &mut dyn FnMut(Committed) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut at = 0;
        for _ in 0..operations {
            if at >= data.len() {
                break;
            }
            let fields = Be(data.get(at..).unwrap_or_default());
            let (tid, len, client, flags) =
                (fields.u32(0), fields.u32(4) as usize, fields.u8(8), fields.u8(9));
            let region =
                fields.slice(12, len).ok_or_else(|| Fault::corrupt("an operation past its record"))?;
            if !CLIENTS.contains(&client) {
                return Err(Fault::corrupt(format!("an operation of client {client:#x}")));
            }
            at += 12 + len;
            if let Some(done) = self.operation(lsn, tid, flags, region)? {
                commit(done)?;
            }
        }
        Ok(())
    }

    fn operation(
        &mut self,
        lsn: u64,
        tid: u32,
        flags: u8,
        region: &[u8],
    ) -> Result<Option<Committed>, Fault> {
        let Some(open) = self.open.get_mut(&tid) else {
            // What belongs to a transaction that started before the tail was applied long ago.
            if flags & START != 0 {
                self.open.insert(tid, Open { lsn, ..Open::default() });
                self.bytes += REGION_COST;
            }
            return Ok(None);
        };
        let mut flags = flags & !END;
        if flags & CONTINUED != 0 {
            flags &= !CONTINUES;
        }
        let before = open.bytes;
        match flags {
            0 | CONTINUES => open.add(region)?,
            CONTINUED => open.go_on(region)?,
            COMMIT | UNMOUNT => {
                let done = self.open.remove(&tid).unwrap_or_default();
                self.bytes = self.bytes.saturating_sub(done.bytes + REGION_COST);
                let wanted = flags == COMMIT;
                return Ok(wanted.then_some(Committed { lsn: done.lsn, items: done.items }));
            }
            _ => return Err(Fault::corrupt(format!("an operation with flags {flags:#x}"))),
        }
        self.bytes += open.bytes - before;
        if self.bytes > MAX_OPEN_BYTES {
            return Err(Fault::limit(format!("more than {MAX_OPEN_BYTES} bytes of open transactions")));
        }
        Ok(None)
    }
}

impl Open {
    /// Takes a region that starts here.
    fn add(&mut self, region: &[u8]) -> Result<(), Fault> {
        if region.is_empty() {
            return Ok(());
        }
        if self.header.is_empty() {
            self.header = region.to_vec();
            self.bytes += region.len();
            let wrong = Le(region).u32(0) != HEADER_MAGIC && region.len() >= 4;
            return if wrong || region.len() > HEADER_BYTES {
                Err(Fault::corrupt("a transaction without a header"))
            } else {
                Ok(())
            };
        }
        if self.items.last().is_none_or(Item::is_whole) {
            self.items.push(Item::default());
        }
        let Some(item) = self.items.last_mut() else { return Ok(()) };
        if item.total == 0 {
            let total = Le(region).u16(2);
            if total == 0 || total > MAX_REGIONS {
                return Err(Fault::corrupt(format!("an item of {total} regions")));
            }
            item.total = usize::from(total);
        }
        item.regions.push(region.to_vec());
        self.bytes += region.len() + REGION_COST;
        Ok(())
    }

    /// Takes the rest of a region that the record before started.
    fn go_on(&mut self, region: &[u8]) -> Result<(), Fault> {
        let part = match self.items.last_mut().and_then(|item| item.regions.last_mut()) {
            Some(part) => part,
            None if self.header.len() + region.len() <= HEADER_BYTES => &mut self.header,
            None => return Err(Fault::corrupt("a transaction header that is too long")),
        };
        part.extend_from_slice(region);
        self.bytes += region.len();
        Ok(())
    }
}

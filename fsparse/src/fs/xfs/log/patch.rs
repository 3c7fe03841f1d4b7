//! From changes to patches: what the volume holds in their places is read, changed, and kept.

use super::{
    Fault, STRUCTURE, Shape, apply,
    merge::{CHUNK, Change},
};
use crate::{
    gap_list::GapList,
    machine::{Fetched, Requests},
};
use coldread_model::{
    ByteRange, Gap, GapKind, RangeSet,
    task::{Patch, PatchContent},
};

/// Longest request for changes that lie side by side.
const MAX_REQUEST: u64 = 1 << 20;
/// Longest request at all: changes that overlap are read together.
const MAX_OVERLAP: u64 = 4 << 20;
/// Gaps kept.
const MAX_GAPS: usize = 1000;

/// Changes that are read together.
struct Group {
    range: ByteRange,
    changes: Vec<(ByteRange, u64, Change)>,
}

/// The places that are read, and the patches made of them.
pub(super) struct Patches {
    groups: Vec<Option<Group>>,
    pub(super) done: Vec<Patch>,
    pub(super) gaps: GapList,
}

impl Patches {
    /// For changes sorted by place.
    pub(super) fn new(changes: Vec<(ByteRange, u64, Change)>) -> Result<Self, Fault> {
        let mut groups: Vec<Option<Group>> = Vec::new();
        for change in changes {
            let place = change.0;
            if let Some(Some(last)) = groups.last_mut() {
                let end = last.range.end().max(place.end());
                let beside = last.range.end() == place.start && end - last.range.start <= MAX_REQUEST;
                if beside || last.range.end() > place.start {
                    last.range = ByteRange::between(last.range.start, end);
                    if last.range.len > MAX_OVERLAP {
                        return Err(Fault::corrupt("buffers in the log that overlap without end"));
                    }
                    last.changes.push(change);
                    continue;
                }
            }
            groups.push(Some(Group { range: place, changes: vec![change] }));
        }
        Ok(Self { groups, done: Vec::new(), gaps: GapList::of_at_most(MAX_GAPS) })
    }

    pub(super) fn ask(&self, ask: &mut Requests) {
        for (tag, group) in self.groups.iter().enumerate() {
            if let Some(group) = group {
                ask.push(tag as u64, group.range);
            }
        }
    }

    /// Takes what the volume holds in the places of a group.
    pub(super) fn feed(&mut self, shape: &Shape, fetched: &Fetched<'_>) {
        let Some(mut group) = self.groups.get_mut(fetched.tag as usize).and_then(Option::take) else {
            return;
        };
        let mut bytes = fetched.bytes.to_vec();
        let mut changed = RangeSet::default();
        group.changes.sort_by_key(|&(_, number, _)| number);
        for (place, _, change) in group.changes {
            if let Some((bad, error)) = fetched.fault(place)
                && !change.is_whole()
            {
                self.gap(Gap::new(GapKind::Io, STRUCTURE, error.to_string()).at_byte(bad.start), &change);
                continue;
            }
            let start = (place.start - group.range.start) as usize;
            let Some(room) = bytes.get_mut(start..start + place.len as usize) else { continue };
            let done = match &change {
                Change::Buffer(buffer) => Ok(apply::buffer(shape, buffer, room)),
                Change::Inode(inode) => apply::inode(shape, inode, room),
            };
            match done {
                Ok(true) => changed.insert(place),
                Ok(false) => {}
                Err(fault) => self.gap(fault.to_gap().at_byte(place.start), &change),
            }
        }
        for range in changed.into_ranges() {
            let start = (range.start - group.range.start) as usize;
            let content = bytes[start..start + range.len as usize].to_vec();
            self.done.push(Patch { at: range.start, len: range.len, content: PatchContent::Bytes(content) });
        }
    }

    fn gap(&mut self, gap: Gap, change: &Change) {
        self.gaps.push(match change {
            Change::Inode(inode) => gap.at_inode(inode.number),
            Change::Buffer(_) => gap,
        });
    }
}

impl Change {
    /// Whether nothing of what the volume holds remains.
    fn is_whole(&self) -> bool {
        match self {
            Self::Buffer(buffer) => {
                buffer.image.len() % CHUNK == 0 && buffer.lsns.iter().all(|&lsn| lsn != 0)
            }
            Self::Inode(inode) => inode.fresh.is_some(),
        }
    }
}

//! A volume as its journal or log would leave it: reads go to the volume, except where a patch stands.

use super::{
    BlockSource, Buf, Completion, MappedRange, Mapping, Piece, PieceError, ReadQueue, SharedSource,
    SourceError,
};
use coldread_model::{
    ByteRange,
    task::{Patch, PatchContent},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// A source with patches over it. Its size is the parent's; patches past the end are an error.
pub struct Overlay {
    parent: SharedSource,
    patches: Vec<Patch>,
    /// The bytes that each patch carries itself, shared with the pieces that show them: a hostile disk may
    /// have the same patched block read by every inode.
    carried: Vec<Arc<Vec<u8>>>,
}

impl Overlay {
    /// `parent` with `patches`, which must be sorted by place, without overlap, inside the parent, and as
    /// long as they say; so must their fixups be inside them.
    pub fn new(parent: SharedSource, mut patches: Vec<Patch>) -> Result<Self, SourceError> {
        let size = parent.size_bytes();
        let mut end = 0;
        for patch in &patches {
            let range = ByteRange::new(patch.at, patch.len);
            let fits = match &patch.content {
                PatchContent::Bytes(bytes) => bytes.len() as u64 == patch.len,
                PatchContent::Moved { from, fixups } => {
                    let mut free = 0;
                    let in_order = |(at, bytes): &(u32, Vec<u8>)| {
                        let before = std::mem::replace(&mut free, u64::from(*at) + bytes.len() as u64);
                        u64::from(*at) >= before
                    };
                    from.checked_add(patch.len).is_some_and(|end| end <= size)
                        && fixups.iter().all(in_order)
                        && free <= patch.len
                }
            };
            if range.start < end || range.end() > size || range.is_empty() || !fits {
                let place = format!("{} bytes at byte {}", patch.len, patch.at);
                return Err(SourceError::Corrupt(format!("the journal's patch of {place} does not fit")));
            }
            end = range.end();
        }
        let carried = patches.iter_mut().map(|patch| match &mut patch.content {
            PatchContent::Bytes(bytes) => Arc::new(std::mem::take(bytes)),
            PatchContent::Moved { .. } => Arc::default(),
        });
        let carried = carried.collect();
        Ok(Self { parent, patches, carried })
    }

    /// The patches that a range meets, in order, each with the bytes that it carries.
    fn meeting(&self, range: ByteRange) -> impl Iterator<Item = (&Patch, &Arc<Vec<u8>>)> {
        let first = self.patches.partition_point(|patch| patch.at.saturating_add(patch.len) <= range.start);
        let rest = &self.patches[first..];
        let meeting = &rest[..rest.partition_point(|patch| patch.at < range.end())];
        meeting.iter().zip(&self.carried[first..])
    }
}

impl BlockSource for Overlay {
    fn size_bytes(&self) -> u64 {
        self.parent.size_bytes()
    }

    fn map(&self, range: ByteRange) -> Result<Vec<MappedRange>, SourceError> {
        let mut mapped = Vec::new();
        let mut at = range.start;
        for (patch, _) in self.meeting(range) {
            let part = ByteRange::new(patch.at, patch.len).intersect(range);
            if part.start > at {
                mapped.extend(self.parent.map(ByteRange::between(at, part.start))?);
            }
            mapped.push(MappedRange { range: part, mapping: Mapping::Data });
            at = part.end();
        }
        if at < range.end() {
            mapped.extend(self.parent.map(ByteRange::between(at, range.end()))?);
        }
        Ok(mapped)
    }

    fn open_queue(&self) -> Result<Box<dyn ReadQueue + '_>, SourceError> {
        let queue = self.parent.open_queue()?;
        Ok(Box::new(OverlayQueue {
            overlay: self,
            queue,
            ready: VecDeque::new(),
            sent: HashMap::new(),
            next: 0,
        }))
    }
}

/// A part of a request that was sent to the parent.
struct Sent<'a> {
    tag: u64,
    /// What of the parent was asked for, where the part starts on the overlay, pieces still to come.
    asked: ByteRange,
    at: u64,
    left: u64,
    /// The patch whose fixups apply, if any.
    patch: Option<&'a Patch>,
}

struct OverlayQueue<'a> {
    overlay: &'a Overlay,
    queue: Box<dyn ReadQueue + 'a>,
    ready: VecDeque<Completion>,
    sent: HashMap<u64, Sent<'a>>,
    next: u64,
}

impl<'a> OverlayQueue<'a> {
    fn send(&mut self, tag: u64, asked: ByteRange, at: u64, patch: Option<&'a Patch>) {
        if !asked.is_empty() {
            self.sent.insert(self.next, Sent { tag, asked, at, left: asked.len, patch });
            self.queue.push(self.next, asked);
            self.next += 1;
        }
    }

    /// What a completion of the parent means here; nothing if it is of no request.
    fn placed(&mut self, done: Completion) -> Option<Completion> {
        let sent = self.sent.get_mut(&done.tag)?;
        let len = match &done.result {
            Ok(piece) => piece.len(),
            Err(PieceError { len, .. }) => *len,
        };
        sent.left = sent.left.saturating_sub(len);
        let offset = sent.at + done.offset.saturating_sub(sent.asked.start);
        let (tag, patch) = (sent.tag, sent.patch);
        if sent.left == 0 {
            self.sent.remove(&done.tag);
        }
        let result = match (done.result, patch) {
            (Ok(piece), Some(patch)) => Ok(fixed_up(piece, offset, patch)),
            (result, _) => result,
        };
        Some(Completion { tag, offset, result })
    }
}

impl ReadQueue for OverlayQueue<'_> {
    fn push(&mut self, tag: u64, range: ByteRange) {
        let mut at = range.start;
        let overlay = self.overlay;
        for (patch, carried) in overlay.meeting(range) {
            let part = ByteRange::new(patch.at, patch.len).intersect(range);
            self.send(tag, ByteRange::between(at, part.start), at, None);
            let skip = part.start - patch.at;
            match &patch.content {
                PatchContent::Bytes(_) => {
                    let memory = Arc::clone(carried);
                    let result = Ok(Piece::Bytes(Buf::new(memory, skip as usize, part.len as usize)));
                    self.ready.push_back(Completion { tag, offset: part.start, result });
                }
                PatchContent::Moved { from, .. } => {
                    self.send(tag, ByteRange::new(from + skip, part.len), part.start, Some(patch));
                }
            }
            at = part.end();
        }
        self.send(tag, ByteRange::between(at, range.end()), at, None);
    }

    fn next(&mut self) -> Option<Completion> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(ready);
        }
        loop {
            let done = self.queue.next()?;
            if let Some(placed) = self.placed(done) {
                return Some(placed);
            }
        }
    }

    fn next_ready(&mut self) -> Option<Completion> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(ready);
        }
        let done = self.queue.next_ready()?;
        self.placed(done)
    }
}

/// Applies the fixups that meet a piece at `offset` of the overlay.
fn fixed_up(piece: Piece, offset: u64, patch: &Patch) -> Piece {
    let PatchContent::Moved { fixups, .. } = &patch.content else { return piece };
    let skip = offset - patch.at;
    let fixups = fixups_in(fixups, ByteRange::new(skip, piece.len()));
    if fixups.is_empty() {
        return piece;
    }
    let mut bytes = match &piece {
        Piece::Bytes(buf) => buf.to_vec(),
        Piece::Zeros(len) => vec![0; *len as usize],
    };
    put_fixups(&mut bytes, skip, fixups);
    Piece::Bytes(Buf::from(bytes))
}

/// The fixups that meet a part of their patch: found without looking at the others, of which a patch of a hostile
/// journal has one every few bytes.
pub(crate) fn fixups_in(fixups: &[(u32, Vec<u8>)], part: ByteRange) -> &[(u32, Vec<u8>)] {
    let end = |(at, bytes): &(u32, Vec<u8>)| u64::from(*at) + bytes.len() as u64;
    let rest = &fixups[fixups.partition_point(|fixup| end(fixup) <= part.start)..];
    &rest[..rest.partition_point(|(at, _)| u64::from(*at) < part.end())]
}

/// Applies a patch's fixups to a piece of it that starts `skip` bytes into it. Fixups are sorted and do not overlap.
pub(crate) fn put_fixups(piece: &mut [u8], skip: u64, fixups: &[(u32, Vec<u8>)]) {
    let range = ByteRange::new(skip, piece.len() as u64);
    for (at, fix) in fixups_in(fixups, range) {
        let start = u64::from(*at);
        let part = ByteRange::new(start, fix.len() as u64).intersect(range);
        let (to, from) = ((part.start - skip) as usize, (part.start - start) as usize);
        piece[to..to + part.len as usize].copy_from_slice(&fix[from..from + part.len as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::memory::MemorySource;
    use proptest::prelude::*;

    fn patches() -> Vec<Patch> {
        let moved = PatchContent::Moved { from: 200, fixups: vec![(2, vec![9, 9])] };
        vec![
            Patch { at: 10, len: 3, content: PatchContent::Bytes(vec![1, 2, 3]) },
            Patch { at: 13, len: 8, content: moved },
            Patch { at: 250, len: 6, content: PatchContent::Bytes(vec![7; 6]) },
        ]
    }

    fn disk() -> Vec<u8> {
        (0..=255).collect()
    }

    proptest! {
        #[test]
        fn every_range_reads_as_if_the_patches_were_written(start in 0u64..256, len in 0u64..300, bad in 0u64..250) {
            let mut wanted = disk();
            wanted[10..13].copy_from_slice(&[1, 2, 3]);
            wanted[13..21].copy_from_slice(&disk()[200..208]);
            wanted[15..17].copy_from_slice(&[9, 9]);
            wanted[250..256].fill(7);
            let source = MemorySource::new(disk()).with_bad(vec![ByteRange::new(bad, 2)]);
            let overlay = Overlay::new(Arc::new(source), patches()).unwrap();
            let mut queue = overlay.open_queue().unwrap();
            queue.push(5, ByteRange::new(start, len));
            let mut total = 0;
            while let Some(done) = queue.next() {
                prop_assert_eq!(done.tag, 5);
                match done.result {
                    Ok(Piece::Bytes(bytes)) => {
                        let at = done.offset as usize;
                        prop_assert_eq!(&bytes[..], &wanted[at..at + bytes.len()]);
                        total += bytes.len() as u64;
                    }
                    Ok(Piece::Zeros(_)) => prop_assert!(false),
                    Err(error) => total += error.len,
                }
            }
            prop_assert_eq!(total, len);
        }
    }

    proptest! {
        #[test]
        fn any_piece_of_a_patch_gets_its_fixups(
            runs in prop::collection::vec((0u32..5, 0usize..5), 0..12),
            skip in 0usize..60,
            len in 0usize..60,
        ) {
            let (mut fixups, mut at) = (Vec::new(), 0);
            for (number, (before, len)) in runs.into_iter().enumerate() {
                fixups.push((at + before, vec![number as u8 + 1; len]));
                at += before + len as u32;
            }
            let mut whole = [0; 130];
            for (at, fix) in &fixups {
                whole[*at as usize..*at as usize + fix.len()].copy_from_slice(fix);
            }
            let mut piece = [0; 60][..len].to_vec();
            put_fixups(&mut piece, skip as u64, &fixups);
            prop_assert_eq!(&piece[..], &whole[skip..skip + len]);
        }
    }

    #[test]
    fn patches_that_do_not_fit_are_refused() {
        let source: SharedSource = Arc::new(MemorySource::new(disk()));
        let with = |change: fn(&mut Vec<Patch>)| {
            let mut patches = patches();
            change(&mut patches);
            Overlay::new(Arc::clone(&source), patches).is_ok()
        };
        assert!(with(|_| {}));
        assert!(!with(|patches| patches[2].at = 251));
        assert!(!with(|patches| patches[1].at = 12));
        assert!(!with(|patches| patches[0].len = 2));
        assert!(!with(|patches| patches.swap(0, 1)));
        assert!(!with(|patches| patches[1].content = PatchContent::Moved { from: 249, fixups: Vec::new() }));
        for (fixups, fits) in [
            ([(0, 2), (2, 6)], true),
            ([(2, 6), (0, 2)], false),
            ([(0, 3), (2, 6)], false),
            ([(0, 2), (2, 7)], false),
        ] {
            let fixups = fixups.map(|(at, len)| (at, vec![1; len])).to_vec();
            let mut patches = patches();
            patches[1].content = PatchContent::Moved { from: 200, fixups };
            assert_eq!(Overlay::new(Arc::clone(&source), patches).is_ok(), fits);
        }
    }
}

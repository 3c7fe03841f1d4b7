//! Reading a volume as patches would leave it, between a machine and what feeds it.
//!
//! The overlay in `source` does the same for later tasks; a probe finds the patches while it reads.

use crate::{
    machine::{Fetched, Requests},
    source::{SourceError, overlay::put_fixups},
};
use coldread_model::{
    ByteRange,
    task::{Patch, PatchContent},
};
use std::collections::HashMap;

/// Requests under way, and the patches that their answers go through.
#[derive(Default)]
pub(in crate::fs::ext4) struct Lens {
    patches: Vec<Patch>,
    /// Parts asked for: the request, where it starts in its bytes, and which patch it is of.
    parts: HashMap<u64, (u64, usize, Option<usize>)>,
    waiting: HashMap<u64, Answer>,
    next: u64,
}

/// A request whose parts arrive.
#[derive(Default)]
pub(in crate::fs::ext4) struct Answer {
    tag: u64,
    range: ByteRange,
    bytes: Vec<u8>,
    bad: Vec<(ByteRange, SourceError)>,
    parts_left: usize,
}

impl Answer {
    /// It as a machine takes it.
    pub(in crate::fs::ext4) fn fetched(&self) -> Fetched<'_> {
        Fetched { tag: self.tag, range: self.range, bytes: &self.bytes, bad: &self.bad }
    }
}

impl Lens {
    /// Shows later requests the volume with these patches, sorted by place and without overlap.
    pub(in crate::fs::ext4) fn set(&mut self, patches: Vec<Patch>) {
        self.patches = patches;
    }

    /// Gives the patches back.
    pub(in crate::fs::ext4) fn into_patches(self) -> Vec<Patch> {
        self.patches
    }

    /// Whether nothing is under way.
    pub(in crate::fs::ext4) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Asks for a range as patched.
    pub(in crate::fs::ext4) fn push(&mut self, tag: u64, range: ByteRange, ask: &mut Requests) {
        let id = self.next;
        let first = self.patches.partition_point(|patch| patch.at.saturating_add(patch.len) <= range.start);
        let mut at = range.start;
        let mut parts = Vec::new();
        for (index, patch) in self.patches.iter().enumerate().skip(first) {
            let part = ByteRange::new(patch.at, patch.len).intersect(range);
            if part.is_empty() {
                break;
            }
            if at < part.start {
                parts.push((at, ByteRange::between(at, part.start), None));
            }
            let from = match &patch.content {
                PatchContent::Bytes(_) => part.start,
                PatchContent::Moved { from, .. } => from + (part.start - patch.at),
            };
            parts.push((part.start, ByteRange::new(from, part.len), Some(index)));
            at = part.end();
        }
        if at < range.end() || parts.is_empty() {
            parts.push((at, ByteRange::between(at, range.end()), None));
        }
        let answer = Answer { tag, range, parts_left: parts.len(), ..Answer::default() };
        self.waiting.insert(id, answer);
        for (start, from, patch) in parts {
            self.next += 1;
            self.parts.insert(self.next, (id, (start - range.start) as usize, patch));
            ask.push(self.next, from);
        }
        self.next += 1;
    }

    /// Takes what was fetched; gives the request that it completes.
    pub(in crate::fs::ext4) fn take(&mut self, fetched: &Fetched<'_>) -> Option<Answer> {
        let (id, start, patch) = self.parts.remove(&fetched.tag)?;
        let answer = self.waiting.get_mut(&id)?;
        let bytes = &mut answer.bytes;
        bytes.resize(answer.range.len as usize, 0);
        let place = bytes.get_mut(start..).unwrap_or_default();
        let len = place.len().min(fetched.bytes.len());
        place[..len].copy_from_slice(&fetched.bytes[..len]);
        let at = answer.range.start + start as u64;
        match patch.and_then(|index| self.patches.get(index)) {
            Some(Patch { at: first, content: PatchContent::Bytes(new), .. }) => {
                let skip = (at - first) as usize;
                place[..len].copy_from_slice(&new[skip..skip + len]);
            }
            other => {
                let moved = |(bad, error): &(ByteRange, SourceError)| {
                    (ByteRange::new(at + (bad.start - fetched.range.start), bad.len), error.clone())
                };
                answer.bad.extend(fetched.bad.iter().map(moved));
                if let Some(Patch { at: first, content: PatchContent::Moved { fixups, .. }, .. }) = other {
                    put_fixups(&mut place[..len], at - first, fixups);
                }
            }
        }
        answer.parts_left -= 1;
        if answer.parts_left == 0 { self.waiting.remove(&id) } else { None }
    }
}

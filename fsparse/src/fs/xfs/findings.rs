//! What a survey has found so far, and the bounds on it.

use super::btree::FORK_TREE;
use crate::{
    error::ParseError,
    gap_list::GapList,
    survey::{Extent, InOrder, Inode, Place, Run, Span, Stream, Survey},
};
use coldread_model::{ByteRange, Gap, GapKind};

/// A survey being filled.
pub(super) struct Findings {
    survey: Survey,
    inodes: InOrder,
    gaps: GapList,
    /// Extents that blocks of trees gave.
    extents: u64,
    full: bool,
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            survey: Survey::default(),
            inodes: InOrder::default(),
            gaps: GapList::of_a_survey(),
            extents: 0,
            full: false,
        }
    }
}

impl Findings {
    pub(super) fn gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    /// Records an error, of `inode` if one is concerned, and that the bytes of `part` are damaged.
    pub(super) fn error(&mut self, error: &ParseError, inode: Option<u64>, part: ByteRange) {
        let gap = error.to_gap();
        self.gap(match inode {
            Some(inode) => gap.at_inode(inode),
            None => gap,
        });
        self.survey.damaged.insert(part);
    }

    /// Records an error that costs so many inodes from `first` on, and that the bytes of `part` are damaged.
    pub(super) fn lose(&mut self, first: u64, count: u64, error: &ParseError, part: ByteRange) {
        self.survey.damaged.insert(part);
        self.lose_for(first, count, error.to_gap());
    }

    /// Records a gap that costs so many inodes from `first` on.
    pub(super) fn lose_for(&mut self, first: u64, count: u64, gap: Gap) {
        self.gaps.lose(&mut self.survey.lost, first, count, gap);
    }

    /// Takes a tree's block of so many extents in; the error says that all trees together have more than `most`.
    pub(super) fn spend_extents(&mut self, count: u64, most: u64) -> Result<(), Box<Gap>> {
        self.extents = self.extents.saturating_add(count);
        if self.extents <= most {
            return Ok(());
        }
        let reason = "the trees of files have more extents than the volume has blocks";
        Err(Box::new(Gap::new(GapKind::Limit, FORK_TREE, reason)))
    }

    pub(super) fn metadata(&mut self, part: ByteRange) {
        self.survey.metadata.insert(part);
    }

    pub(super) fn free(&mut self, part: ByteRange) {
        self.survey.free.insert(part);
    }

    /// Puts bytes into the arena; nothing once it is full, which [`Findings::finish`] records.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Span {
        self.survey.keep(bytes).unwrap_or_else(|_| {
            self.full = true;
            Span::default()
        })
    }

    pub(super) fn keep_extents(&mut self, extents: impl IntoIterator<Item = Extent>) -> Run {
        self.survey.keep_extents(extents).unwrap_or_else(|_| {
            self.full = true;
            Run::default()
        })
    }

    pub(super) fn keep_stream(&mut self, stream: Stream) -> Run {
        self.survey.keep_streams([stream]).unwrap_or_else(|_| {
            self.full = true;
            Run::default()
        })
    }

    pub(super) fn entry(&mut self, parent: u64, child: u64, name: &[u8]) {
        let name = self.keep(name);
        if name.len > 0 {
            self.survey.entries.push(crate::survey::Entry { parent, parent_generation: 0, child, name });
        }
    }

    /// Takes an inode in, finished or not.
    pub(super) fn inode(&mut self, inode: Inode) -> Place {
        self.inodes.push(inode)
    }

    /// Puts an inode that was taken in before it was finished into its place.
    pub(super) fn finished(&mut self, place: Place, inode: Inode) {
        self.inodes.replace(place, inode);
    }

    /// The survey, its inodes in order.
    pub(super) fn finish(mut self) -> Survey {
        self.survey.inodes = self.inodes.finish();
        self.survey.gaps = self.gaps.finish("survey");
        if self.full {
            let reason = crate::survey::SurveyFull.to_string();
            self.survey.gaps.push(Gap::new(GapKind::Limit, "survey", reason));
        }
        self.survey
    }
}

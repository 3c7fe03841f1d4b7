//! What an extractor is handed: one file and where it comes from.

use crate::{
    Output,
    lines::StreamError,
    view::{FileView, ViewError},
};
use coldread_model::{Gap, GapKind, PackageOrigin, Sha256Digest, Timestamp};
use std::{collections::BTreeMap, fmt::Display};

/// Gaps told one by one for each file; the rest are counted in one more of each kind.
const GAPS_PER_FILE: u64 = 64;

/// The longest reason of a gap; a longer one may have a name of any length in it, and is cut.
const MAX_REASON: usize = 1024;

/// Login events of one file: a bound for hostile ones.
pub const EVENTS_PER_FILE: u64 = 10_000_000;

/// Packages of one database: a bound for hostile ones. All of Debian has some 70,000 for each architecture.
pub const PACKAGES_PER_FILE: u64 = 500_000;

/// A file that belongs to the same database as the wanted one.
pub struct Companion<'a> {
    /// The ending that was asked for, e.g. `-wal`, or the sibling's name, e.g. `shadow`, as the want has it.
    pub suffix: &'static str,
    /// Its bytes.
    pub view: &'a mut dyn FileView,
}

/// Whose a file is and what others may do with it, where the filesystem keeps that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Permission bits, 0o7777.
    pub mode: u16,
}

/// One wanted file.
pub struct Input<'a> {
    /// Its path in its root, in bytes.
    pub path: &'a [u8],
    /// The tree it belongs to: `/` for the host, else a container's or chroot's path.
    pub root: &'a str,
    /// The volume that holds it.
    pub volume: &'a str,
    /// The digest of the whole file, where the caller has read it all.
    pub sha256: Option<Sha256Digest>,
    /// When it was last modified.
    pub mtime: Timestamp,
    /// Whose it is.
    pub ownership: Option<Ownership>,
    /// Its bytes.
    pub view: &'a mut dyn FileView,
    /// Those of its companions that exist.
    pub companions: Vec<Companion<'a>>,
}

impl<'a> Input<'a> {
    /// A file on the host's own tree, without a digest, a time and companions.
    pub fn new(path: &'a [u8], volume: &'a str, view: &'a mut dyn FileView) -> Self {
        let mtime = Timestamp::default();
        let companions = Vec::new();
        Self { path, root: "/", volume, sha256: None, mtime, ownership: None, view, companions }
    }

    /// Where the file is, for rows and gaps, apart from its bytes.
    pub fn place(&self) -> Place<'a> {
        Place { path: self.path, root: self.root, volume: self.volume, sha256: self.sha256 }
    }
}

/// Where a file is.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its path in its root.
    pub path: &'a [u8],
    /// The tree it belongs to.
    pub root: &'a str,
    /// The volume.
    pub volume: &'a str,
    /// Its digest, where known.
    pub sha256: Option<Sha256Digest>,
}

impl<'a> Place<'a> {
    /// The origin of packages that this file proves.
    pub fn origin(&self) -> PackageOrigin {
        PackageOrigin { volume: self.volume.to_owned(), path: self.path.to_vec(), sha256: self.sha256 }
    }

    /// A gap in this file.
    pub fn gap(&self, kind: GapKind, structure: &str, reason: impl Display) -> Gap {
        let mut reason = reason.to_string();
        if reason.len() > MAX_REASON {
            reason.truncate(reason.floor_char_boundary(MAX_REASON));
            reason.push('…');
        }
        Gap::new(kind, structure, reason).in_volume(self.volume).at_path(self.path)
    }

    /// The gap of bytes that could not be had.
    pub fn view_gap(&self, structure: &str, error: &ViewError) -> Gap {
        self.gap(error.gap_kind(), structure, error)
    }

    /// The gap of a stream that ended early.
    pub fn stream_gap(&self, structure: &str, error: &StreamError) -> Gap {
        self.gap(error.gap_kind(), structure, error)
    }

    /// A recorder of this file's gaps in `structure`.
    pub fn gaps(&self, structure: &'static str) -> FileGaps<'a> {
        FileGaps { place: *self, structure, told: 0, more: BTreeMap::new() }
    }
}

/// Records the gaps of one file: the first ones each, the rest as a number, so that a file of nothing but
/// damage costs no more than a page.
#[derive(Debug)]
pub struct FileGaps<'a> {
    place: Place<'a>,
    structure: &'static str,
    told: u64,
    /// Those not told, of each kind.
    more: BTreeMap<GapKind, u64>,
}

impl FileGaps<'_> {
    /// Records one.
    pub fn push(&mut self, out: &mut dyn Output, kind: GapKind, reason: impl Display) {
        if self.told < GAPS_PER_FILE {
            self.told += 1;
            out.gap(self.place.gap(kind, self.structure, reason));
        } else {
            *self.more.entry(kind).or_default() += 1;
        }
    }

    /// Records how many more there were of each kind.
    pub fn finish(self, out: &mut dyn Output) {
        for (kind, more) in self.more {
            out.gap(self.place.gap(kind, self.structure, format!("{more} more like those told")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::Findings;

    #[test]
    fn reasons_are_cut_between_characters() {
        let place = Place { path: b"/x", root: "/", volume: "p1", sha256: None };
        let reason = |text: &str| place.gap(GapKind::Corrupt, "list", text).reason;
        assert_eq!(reason("short"), "short");
        assert_eq!(reason(&"é".repeat(512)), "é".repeat(512));
        assert_eq!(reason(&format!("x{}", "é".repeat(1 << 20))), format!("x{}…", "é".repeat(511)));
    }

    #[test]
    fn gaps_that_are_only_counted_keep_their_kinds() {
        let mut found = Findings::default();
        let mut gaps = Place { path: b"/x", root: "/", volume: "p1", sha256: None }.gaps("list");
        for index in 0..GAPS_PER_FILE + 9 {
            let kind = if index % 3 == 0 { GapKind::Limit } else { GapKind::Unsupported };
            gaps.push(&mut found, kind, index);
        }
        gaps.push(&mut found, GapKind::Io, "a bad sector");
        gaps.finish(&mut found);
        let more = &found.gaps[GAPS_PER_FILE as usize..];
        let told: Vec<_> = more.iter().map(|gap| (gap.kind, gap.reason.as_str())).collect();
        assert_eq!(
            told,
            [
                (GapKind::Io, "1 more like those told"),
                (GapKind::Unsupported, "6 more like those told"),
                (GapKind::Limit, "3 more like those told"),
            ]
        );
    }
}

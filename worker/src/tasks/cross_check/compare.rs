//! One file as both read it, and what is known of why they differ.

use super::{COMPARED_BYTES, STRUCTURE, Sampled, SecondReader, Seen};
use crate::tasks::{survey::Opened, view::DiskView};
use coldread_artifacts::view::FileView;
use coldread_fsparse::survey::{Encoding, Survey};
use coldread_model::{FileKind, Gap, GapKind, RowFlags};
use std::{fmt::Display, ops::ControlFlow};

/// A file to compare.
pub(super) struct Comparison<'a> {
    volume: &'a Opened<'a>,
    survey: &'a Survey,
    file: &'a Sampled<'a>,
}

/// What came of comparing the bytes.
enum Bytes {
    /// Equal so far, up to this offset.
    Equal(u64),
    /// The first byte that differs.
    Differ(u64),
    /// We could not read ours there.
    Unread(u64, String),
}

impl<'a> Comparison<'a> {
    pub(super) fn new(volume: &'a Opened<'a>, survey: &'a Survey, file: &'a Sampled<'a>) -> Self {
        Self { volume, survey, file }
    }

    /// Every point in which `reader` disagrees.
    pub(super) fn against(&self, reader: &mut dyn SecondReader) -> Vec<Gap> {
        let name = reader.name();
        let source = &self.volume.source;
        let mut view = self.file.stream.map(|stream| DiskView::new(self.survey, stream, source));
        let mut bytes = Bytes::Equal(0);
        let mut own = Vec::new();
        let seen = reader.read(self.file, &mut |theirs| {
            let (Bytes::Equal(at), Some(view)) = (&bytes, &mut view) else { return ControlFlow::Break(()) };
            let at = *at;
            own.resize(theirs.len(), 0);
            bytes = match view.read_at(at, &mut own) {
                Err(error) => Bytes::Unread(at, error.to_string()),
                Ok(len) => match own[..len].iter().zip(theirs).position(|(ours, theirs)| ours != theirs) {
                    Some(place) => Bytes::Differ(at + place as u64),
                    // Sizes that differ are told as such.
                    None => Bytes::Equal(at + theirs.len() as u64),
                },
            };
            match bytes {
                Bytes::Equal(at) if at < COMPARED_BYTES => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        });
        match seen {
            Err(reason) => vec![self.refused(name, &reason)],
            Ok(seen) => {
                let mut gaps = self.facts(name, &seen);
                gaps.extend(self.content(name, &bytes));
                gaps
            }
        }
    }

    fn gap(&self, kind: GapKind, reason: impl Display) -> Gap {
        let gap = Gap::new(kind, STRUCTURE, reason.to_string());
        gap.at_inode(self.file.inode.number).at_path(&self.file.path)
    }

    /// That the other library could not read what we read.
    fn refused(&self, name: &str, reason: &str) -> Gap {
        let mtime = self.file.inode.mtime.seconds;
        let old =
            name.starts_with("ext4-view") && [mtime, self.file.inode.atime.seconds].iter().any(|s| *s < 0);
        if old {
            let why = "it refuses times before 1970, which ext4 stores as negative seconds";
            return self.gap(GapKind::Explained, format!("{name}: {reason}: {why}; this reading stands"));
        }
        self.gap(GapKind::Disagreement, format!("{name} cannot read what was read here: {reason}"))
    }

    /// Where the metadata differ.
    fn facts(&self, name: &str, seen: &Seen) -> Vec<Gap> {
        let inode = self.file.inode;
        let mut gaps = Vec::new();
        let mut point = |what: &str, ours: &dyn Display, theirs: Option<&dyn Display>| {
            if let Some(theirs) = theirs.filter(|theirs| theirs.to_string() != ours.to_string()) {
                let (kind, why) = self.verdict_on(what);
                let reason = format!("{what} is {ours} here and {theirs} for {name}{why}");
                gaps.push(self.gap(kind, reason));
            }
        };
        let display = |value: &Option<u64>| value.map(|value| value.to_string());
        let size = inode.flags.contains(RowFlags::SIZED).then_some(seen.size).flatten();
        point("size", &{ inode.size }, display(&size).as_ref().map(|text| text as &dyn Display));
        let kind = seen.kind.map(FileKind::name);
        point("type", &inode.kind.name(), kind.as_ref().map(|text| text as &dyn Display));
        let mode = seen.mode.map(|mode| format!("{mode:04o}"));
        point("mode", &format!("{:04o}", inode.mode), mode.as_ref().map(|text| text as &dyn Display));
        let owner = seen.owner.map(|(uid, gid)| format!("{uid}:{gid}"));
        point(
            "owner",
            &format!("{}:{}", inode.uid, inode.gid),
            owner.as_ref().map(|text| text as &dyn Display),
        );
        point("mtime", &inode.mtime, seen.mtime.as_ref().map(|time| time as &dyn Display));
        if let Some(theirs) = &seen.target {
            let ours = self.survey.bytes(inode.target);
            if ours != theirs {
                let (ours, theirs) = (String::from_utf8_lossy(ours), String::from_utf8_lossy(theirs));
                let reason =
                    format!("the target is {ours:?} here and {theirs:?} for {name}{}", self.journal());
                gaps.push(self.gap(GapKind::Disagreement, reason));
            }
        }
        gaps
    }

    /// What is known of why a point of metadata differs.
    fn verdict_on(&self, what: &str) -> (GapKind, &'static str) {
        let packed = self.file.stream.is_some_and(|stream| matches!(stream.encoding, Encoding::Wof { .. }));
        if what == "size" && packed {
            let why = ": system compression, whose unnamed stream it reads without unpacking it; this reading stands";
            return (GapKind::Explained, why);
        }
        (GapKind::Disagreement, self.journal())
    }

    /// A cause that is likely wherever a journal was replayed.
    fn journal(&self) -> &'static str {
        if self.volume.spec.driver == "ext4" && !self.volume.spec.patches.is_empty() {
            "; the journal was replayed, and it applies a revoke only inside its own transaction, unlike the kernel"
        } else {
            ""
        }
    }

    /// Where the bytes differ, and why.
    fn content(&self, name: &str, bytes: &Bytes) -> Option<Gap> {
        match bytes {
            Bytes::Equal(_) => None,
            Bytes::Unread(at, reason) => {
                let reason = format!("{name} reads byte {at}, which could not be read here: {reason}");
                Some(self.gap(GapKind::Disagreement, reason))
            }
            Bytes::Differ(at) => {
                let (kind, why) = self.verdict_at(*at);
                Some(self.gap(kind, format!("{name} reads other bytes from byte {at} of the file on{why}")))
            }
        }
    }

    /// What is known of why the byte at `at` of the file differs.
    fn verdict_at(&self, at: u64) -> (GapKind, &'static str) {
        let Some(stream) = self.file.stream else { return (GapKind::Disagreement, "") };
        let extents = self.survey.extents_of(stream);
        let covers = |logical: u64, len: u64| logical <= at && at - logical < len;
        let unwritten = extents.iter().any(|extent| extent.unwritten && covers(extent.logical, extent.len));
        let known = match stream.encoding {
            _ if unwritten => Some(
                ": an unwritten extent, where the kernel shows zeros and it shows what lay there before; this reading stands",
            ),
            Encoding::Lznt1 { .. } => {
                Some(": the stream is compressed, and it gives the packed bytes; this reading stands")
            }
            Encoding::Wof { .. } => {
                Some(": system compression, which it does not unpack; this reading stands")
            }
            _ if at >= stream.initialized => Some(
                ": beyond the initialized size, where the stream is zeros and it shows what lay there before; this reading stands",
            ),
            _ => None,
        };
        match known {
            Some(why) => (GapKind::Explained, why),
            None => (GapKind::Disagreement, self.journal()),
        }
    }
}

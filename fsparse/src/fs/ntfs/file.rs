//! From a file's attributes to its inode, names and streams in a [`Survey`].

use super::{
    attributes::{Attributes, ELSEWHERE, HIDDEN, REPARSE, SYSTEM, StandardInformation, Wanted, Whole},
    geometry::{FIRST_USER, ROOT},
    loader::{File, Sink},
    record::{ENCRYPTED, Reference, kind, malformed},
    runs::Clusters,
    special::{self, MAX_EA_BYTES, MAX_REPARSE_BYTES, Special, tag},
    value::{Need, Value},
    wof::Algorithm,
    wtf8::push_wtf8,
};
use crate::{
    gap_list::GapList,
    survey::{Encoding, Entry, Inode, Span, Stream, Survey, SurveyFull},
};
use coldread_model::{ByteRange, FileKind, Gap, GapKind, RowFlags};

/// Puts files into a survey.
pub(super) struct Builder {
    /// What was found.
    pub(super) survey: Survey,
    pub(super) clusters: Clusters,
    /// Whether names are wanted.
    names: bool,
    pub(super) scratch: Vec<u8>,
    /// The lists of the file before.
    spare: Attributes<'static>,
    full: bool,
    gaps: GapList,
}

/// What a file is, before its streams are kept.
struct Judged {
    special: Special,
    content: Content,
}

/// Where a file's content is.
pub(super) enum Content {
    /// In its unnamed stream.
    Own,
    /// In the stream `WofCompressedData`.
    Packed(Algorithm),
    /// Not in the file, in words.
    Elsewhere(String),
}

impl Builder {
    /// An empty survey; with `names`, directory entries are kept.
    pub(super) fn new(clusters: Clusters, names: bool) -> Self {
        Self {
            survey: Survey::default(),
            clusters,
            names,
            scratch: Vec::new(),
            spare: Attributes::default(),
            full: false,
            gaps: GapList::of_a_survey(),
        }
    }

    /// The survey.
    pub(super) fn finish(mut self) -> Survey {
        self.survey.gaps = self.gaps.finish("survey");
        self.survey
    }

    /// Records a gap: each record may name any number of others that are not there.
    pub(super) fn note(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    /// Keeps a deleted file. What it lacks is no gap, and what it once allocated no metadata: the volume
    /// vouches for neither any more.
    fn keep_deleted(&mut self, file: File<'_>) -> Result<Vec<Need>, SurveyFull> {
        let untold = GapList::of_at_most(0);
        let told = (std::mem::take(&mut self.survey.metadata), std::mem::replace(&mut self.gaps, untold));
        let kept = self.keep(file);
        (self.survey.metadata, self.gaps) = told;
        kept
    }

    fn keep(&mut self, file: File<'_>) -> Result<Vec<Need>, SurveyFull> {
        let number = file.number;
        let mut all = Attributes::gather(&file, self.clusters, std::mem::take(&mut self.spare));
        let internal = (number < FIRST_USER && number != ROOT) || all.extends();
        let deleted = file.is_deleted();
        if deleted && all.names.is_empty() && (internal || all.standard.is_none()) {
            // It was never a file's.
            return Ok(Vec::new());
        }
        let judged = match self.judge(&file, &all, internal) {
            Ok(judged) => judged,
            Err(Wanted::Load(need)) if deleted => match need.value {
                Value::Data => Judged { special: Special::of(FileKind::File), content: Content::Own },
                Value::Reparse | Value::Ea => Judged {
                    special: Special::of(FileKind::Reparse),
                    content: Content::Elsewhere("its reparse point is not in the record".to_owned()),
                },
            },
            Err(Wanted::Load(need)) => return Ok(vec![need]),
            Err(Wanted::Malformed(wrong)) => {
                all.gaps.push(wrong.to_gap("$REPARSE_POINT", number, file.at));
                let directory = file.records.first().is_some_and(|(header, _)| header.directory);
                let kind = if directory { FileKind::Dir } else { FileKind::Reparse };
                Judged { special: Special::of(kind), content: Content::Own }
            }
        };
        // An attribute that cannot be read is not one that is not there.
        let lacking = !file.whole || !all.gaps.is_empty();
        for gap in std::mem::take(&mut all.gaps) {
            self.note(gap);
        }
        for range in &all.metadata {
            self.survey.metadata.insert(*range);
        }
        for parts in all.values(kind::REPARSE_POINT).chain(all.values(kind::EA)) {
            all.pieces_of(parts).for_each(|piece| self.survey.metadata.insert(piece.range));
        }

        let Judged { special: Special { kind, target, device }, content } = judged;
        let mut flags = RowFlags::TIMED | RowFlags::BORN;
        flags.set(RowFlags::INTERNAL, internal);
        flags.set(RowFlags::DELETED, deleted);
        flags.set(RowFlags::LINKED, !deleted);
        let standard = all.standard.unwrap_or_else(|| {
            let wrong = malformed("the attribute $STANDARD_INFORMATION", 0);
            self.note(wrong.to_gap("MFT record", number, file.at));
            flags.remove(RowFlags::TIMED | RowFlags::BORN);
            StandardInformation::default()
        });
        if self.names {
            self.keep_names(&file, &all)?;
        }
        let streams = self.keep_streams(&file, &all, kind, internal, lacking, &content)?;
        let own = self.survey.streams.get(streams.range()).unwrap_or_default();
        let encrypted =
            |stream: &Stream| matches!(stream.encoding, Encoding::Unreadable { encrypted: true, .. });
        flags.set(RowFlags::ENCRYPTED, own.iter().any(encrypted));
        let unnamed = all.values(kind::DATA).any(|parts| parts[0].name.is_empty());
        let sized = match kind {
            FileKind::File => unnamed || !lacking,
            kind => kind == FileKind::Symlink,
        };
        flags.set(RowFlags::SIZED, sized);
        flags.set(RowFlags::DEVICE, matches!(kind, FileKind::Char | FileKind::Block));
        let size = match kind {
            FileKind::File => {
                own.first().filter(|stream| stream.name.len == 0).map_or(0, |stream| stream.size)
            }
            FileKind::Symlink => target.len() as u64,
            _ => 0,
        };
        let target = self.survey.keep(&target)?;
        self.survey.inodes.push(Inode {
            number,
            generation: file.records.first().map_or(0, |(header, _)| header.sequence),
            kind,
            flags,
            mode: 0,
            uid: 0,
            gid: 0,
            nlink: all.names.len() as u32,
            size,
            mtime: standard.modified,
            ctime: standard.changed,
            atime: standard.accessed,
            crtime: standard.created,
            rdev: device,
            target,
            xattrs: Span::default(),
            streams,
        });
        self.spare = all.emptied();
        Ok(Vec::new())
    }

    /// Finds out what a file is; where that takes a value that is not loaded yet, the error asks for it.
    fn judge(&self, file: &File<'_>, all: &Attributes<'_>, internal: bool) -> Result<Judged, Wanted> {
        let directory = file.records.first().is_some_and(|(header, _)| header.directory);
        let attributes = all.standard.unwrap_or_default().attributes;
        let plain = |special| Ok(Judged { special, content: Content::Own });
        if attributes & REPARSE != 0 {
            let value = all.value(Value::Reparse, MAX_REPARSE_BYTES, self.clusters, file.loaded)?;
            let missing = malformed("the attribute $REPARSE_POINT", 0);
            let value = value.ok_or(Wanted::Malformed(missing))?;
            let found = special::tag_of(value).unwrap_or(0);
            if found == tag::WOF && !directory {
                let content = special::wof(value).map_or_else(Content::Elsewhere, Content::Packed);
                return Ok(Judged { special: Special::of(FileKind::File), content });
            }
            if directory && found & tag::NAME_SURROGATE == 0 {
                // A directory of a cloud's or another filter's: what it holds is on this volume.
                return plain(Special::of(FileKind::Dir));
            }
            let ea = match found {
                tag::LX_CHR | tag::LX_BLK => {
                    all.value(Value::Ea, MAX_EA_BYTES, self.clusters, file.loaded)?
                }
                _ => None,
            };
            if found & !tag::CLOUD_VARIANT == tag::CLOUD && attributes & ELSEWHERE == 0 {
                // A cloud's file that is wholly on this volume.
                return plain(Special::of(FileKind::File));
            }
            let special = special::reparse(value, ea).map_err(Wanted::Malformed)?;
            let content = match special.kind {
                FileKind::Reparse => {
                    Content::Elsewhere(format!("the content is elsewhere (reparse tag {found:#010x})"))
                }
                _ => Content::Own,
            };
            return Ok(Judged { special, content });
        }
        if directory || internal || attributes & SYSTEM == 0 {
            return plain(Special::of(if directory { FileKind::Dir } else { FileKind::File }));
        }
        // A system file may be one of Interix'.
        let unnamed = all.values(kind::DATA).next().filter(|parts| parts[0].name.is_empty());
        let size = match unnamed.map(|parts| (parts, Attributes::join(parts, self.clusters))) {
            Some((parts, _)) if parts[0].flags & ENCRYPTED != 0 => None,
            Some((_, Ok(Whole::Resident(value)))) => Some(value.len() as u64),
            Some((_, Ok(Whole::Clusters { size, .. }))) => Some(size),
            _ => None,
        };
        match size {
            Some(0) if attributes & HIDDEN == 0 => plain(Special::of(FileKind::Fifo)),
            Some(1) if attributes & HIDDEN == 0 => plain(Special::of(FileKind::Socket)),
            Some(size) if special::may_be_interix(size) => {
                let data = match all.value(Value::Data, size, self.clusters, file.loaded) {
                    // What is wrong with the stream is said where it is kept.
                    Err(Wanted::Malformed(_)) => None,
                    other => other?,
                };
                plain(data.and_then(special::interix).unwrap_or_else(|| Special::of(FileKind::File)))
            }
            _ => plain(Special::of(FileKind::File)),
        }
    }

    fn keep_names(&mut self, file: &File<'_>, all: &Attributes<'_>) -> Result<(), SurveyFull> {
        for found in all.listed(file.number) {
            let parent = found.parent;
            let (number, at) = (file.number, file.at);
            if let Err(gap) = self.keep_name(parent, number, found.name)? {
                self.note(Gap { at, ..gap }.at_inode(number));
            }
        }
        Ok(())
    }

    /// Keeps the name of a file in a directory, or tells what is wrong with it.
    pub(super) fn keep_name(
        &mut self,
        parent: Reference,
        child: u64,
        utf16: &[u8],
    ) -> Result<Result<(), Gap>, SurveyFull> {
        let mut name = std::mem::take(&mut self.scratch);
        name.clear();
        push_wtf8(utf16, &mut name);
        let kept = if name.is_empty()
            || name == b"."
            || name == b".."
            || name.iter().any(|byte| matches!(byte, 0 | b'/'))
        {
            let wrong = format!("a name that no directory can hold: {:?}", String::from_utf8_lossy(&name));
            Err(Gap::new(GapKind::Corrupt, "$FILE_NAME", wrong))
        } else {
            let name = self.survey.keep(&name)?;
            let (parent, parent_generation) = (parent.number, parent.sequence);
            self.survey.entries.push(Entry { parent, parent_generation, child, name });
            Ok(())
        };
        self.scratch = name;
        Ok(kept)
    }

    /// From now on nothing more is kept: there is no room.
    pub(super) fn fill(&mut self, number: u64, full: SurveyFull) {
        if !std::mem::replace(&mut self.full, true) {
            self.note(Gap::new(GapKind::Limit, "survey", full.to_string()).at_inode(number));
        }
    }
}

impl Sink for Builder {
    fn file(&mut self, file: File<'_>) -> Vec<Need> {
        if self.full {
            return Vec::new();
        }
        let kept = if file.is_deleted() { self.keep_deleted(file) } else { self.keep(file) };
        match kept {
            Ok(needs) => needs,
            Err(full) => {
                self.fill(file.number, full);
                Vec::new()
            }
        }
    }

    fn gap(&mut self, gap: Gap) {
        self.note(gap);
    }

    fn damaged(&mut self, range: ByteRange) {
        self.survey.damaged.insert(range);
    }
}

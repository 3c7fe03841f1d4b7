//! From a file's attributes to its inode, names and streams in a [`Survey`].

use super::{
    attributes::{Attributes, ELSEWHERE, HIDDEN, Part, REPARSE, SYSTEM, StandardInformation, Wanted, Whole},
    geometry::{FIRST_USER, ROOT},
    loader::{File, Sink},
    record::{COMPRESSED, ENCRYPTED, Reference, kind, malformed},
    runs::{Clusters, Piece},
    special::{self, MAX_EA_BYTES, MAX_REPARSE_BYTES, Special, tag},
    value::{Need, Value},
    wof::{
        Algorithm,
        chunks::{MAX_TABLE_BYTES, Packing},
    },
    wtf8::push_wtf8,
};
use crate::{
    gap_list::GapList,
    survey::{Encoding, Entry, Extent, Inode, Packed, Run, Span, Stream, Survey, SurveyFull},
};
use coldread_model::{ByteRange, FileKind, Gap, GapKind, RowFlags};

/// Puts files into a survey.
pub(super) struct Builder {
    /// What was found.
    pub(super) survey: Survey,
    clusters: Clusters,
    /// Whether names are wanted.
    names: bool,
    scratch: Vec<u8>,
    full: bool,
    gaps: GapList,
}

/// What a file is, before its streams are kept.
struct Judged {
    special: Special,
    content: Content,
}

/// Where a file's content is.
enum Content {
    /// In its unnamed stream.
    Own,
    /// In the stream `WofCompressedData`.
    Packed(Algorithm),
    /// Not in the file, in words.
    Elsewhere(String),
}

/// The stream that holds the content of a file of the Windows Overlay Filter, in UTF-16.
const WOF_STREAM: &[u8; 34] = b"W\0o\0f\0C\0o\0m\0p\0r\0e\0s\0s\0e\0d\0D\0a\0t\0a\0";

impl Builder {
    /// An empty survey; with `names`, directory entries are kept.
    pub(super) fn new(clusters: Clusters, names: bool) -> Self {
        Self {
            survey: Survey::default(),
            clusters,
            names,
            scratch: Vec::new(),
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
    fn note(&mut self, gap: Gap) {
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
        let mut all = Attributes::gather(&file, self.clusters);
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

    /// Keeps a file's streams, the unnamed one first.
    fn keep_streams(
        &mut self,
        file: &File<'_>,
        all: &Attributes<'_>,
        kind: FileKind,
        internal: bool,
        lacking: bool,
        content: &Content,
    ) -> Result<Run, SurveyFull> {
        let first = self.survey.streams.len();
        let contents = matches!(kind, FileKind::File | FileKind::Reparse);
        let directory = file.records.first().is_some_and(|(header, _)| header.directory);
        if contents && !directory && all.values(kind::DATA).all(|parts| !parts[0].name.is_empty()) {
            let encoding = if lacking {
                let reason = self.survey.keep(b"its unnamed $DATA was not found among what could be read")?;
                Encoding::Unreadable { encrypted: false, reason, extents: Run::default() }
            } else {
                Encoding::Inline(Span::default())
            };
            self.survey.streams.push(Stream { name: Span::default(), size: 0, initialized: 0, encoding });
        }
        for parts in all.values(kind::DATA) {
            let unnamed = parts[0].name.is_empty();
            if internal || (unnamed && !contents) {
                all.pieces_of(parts).for_each(|piece| self.survey.metadata.insert(piece.range));
            }
            // The filter shows its stream as the unnamed one only.
            let shown = matches!(content, Content::Packed(_)) && parts[0].name == WOF_STREAM;
            if shown || (unnamed && !contents) {
                continue;
            }
            let name = if unnamed {
                Span::default()
            } else {
                let mut name = std::mem::take(&mut self.scratch);
                name.clear();
                push_wtf8(parts[0].name, &mut name);
                let span = self.survey.keep(&name)?;
                self.scratch = name;
                span
            };
            let stream = match content {
                Content::Packed(algorithm) if unnamed => self.packed_stream(file, all, parts, *algorithm)?,
                Content::Elsewhere(reason) if unnamed => self.stream(file, all, parts, name, Some(reason))?,
                _ => self.stream(file, all, parts, name, None)?,
            };
            self.survey.streams.push(stream);
        }
        let Survey { streams, arena, .. } = &mut self.survey;
        let bytes = |span: Span| &arena[span.start as usize..][..span.len as usize];
        streams[first..].sort_by(|a, b| bytes(a.name).cmp(bytes(b.name)));
        let first = u32::try_from(first).map_err(|_| SurveyFull)?;
        let end = u32::try_from(streams.len()).map_err(|_| SurveyFull)?;
        Ok(Run { first, count: end - first })
    }

    /// Keeps one stream.
    fn stream(
        &mut self,
        file: &File<'_>,
        all: &Attributes<'_>,
        parts: &[Part<'_>],
        name: Span,
        elsewhere: Option<&str>,
    ) -> Result<Stream, SurveyFull> {
        let whole = Attributes::join(parts, self.clusters);
        let (size, initialized) = match whole {
            Ok(Whole::Resident(value)) => (value.len() as u64, value.len() as u64),
            Ok(Whole::Clusters { size, initialized }) => (size, initialized),
            Err(_) => (0, 0),
        };
        if let (Ok(Whole::Resident(value)), None) = (whole, elsewhere) {
            let encoding = Encoding::Inline(self.survey.keep(value)?);
            return Ok(Stream { name, size, initialized, encoding });
        }
        let extents = self.keep_pieces(all, parts)?;
        let encoding = match whole {
            Ok(_) if parts[0].flags & ENCRYPTED != 0 => {
                let reason = self.survey.keep(b"encrypted by EFS")?;
                Encoding::Unreadable { encrypted: true, reason, extents }
            }
            Ok(_) if elsewhere.is_some() && size > 0 => {
                let gap = Gap::new(GapKind::Unsupported, "$DATA", elsewhere.unwrap_or_default());
                self.unreadable(gap.at_inode(file.number), extents)?
            }
            Ok(_) if parts[0].unit_is_too_large(self.clusters) => {
                let reason =
                    format!("LZNT1 in units of 2^{} clusters is not supported", parts[0].compression_unit);
                let gap = Gap::new(GapKind::Unsupported, "$DATA", reason).at_inode(file.number);
                self.unreadable(gap, extents)?
            }
            Ok(_) => match parts[0].unit_bytes(self.clusters) {
                Some(unit) => Encoding::Lznt1 { extents, unit_bytes: unit as u32 },
                None => Encoding::Plain(extents),
            },
            Err(wrong) => self.unreadable(wrong.to_gap("$DATA", file.number, file.at), extents)?,
        };
        Ok(Stream { name, size, initialized, encoding })
    }

    /// Keeps the unnamed stream of a file whose content the Windows Overlay Filter has packed: `hollow` has
    /// nothing but its size.
    fn packed_stream(
        &mut self,
        file: &File<'_>,
        all: &Attributes<'_>,
        hollow: &[Part<'_>],
        algorithm: Algorithm,
    ) -> Result<Stream, SurveyFull> {
        let size = match Attributes::join(hollow, self.clusters) {
            Ok(Whole::Resident(value)) => value.len() as u64,
            Ok(Whole::Clusters { size, .. }) => size,
            Err(wrong) => {
                self.note(wrong.to_gap("$DATA", file.number, file.at));
                0
            }
        };
        all.pieces_of(hollow).for_each(|piece| self.survey.metadata.insert(piece.range));
        let parts = all.values(kind::DATA).find(|parts| parts[0].name == WOF_STREAM).unwrap_or_default();
        let extents = self.keep_pieces(all, parts)?;
        let gap = |kind, reason: String| {
            let gap = Gap::new(kind, "WofCompressedData", reason).at_inode(file.number);
            Gap { at: file.at, ..gap }
        };
        let checked = match Attributes::join(parts, self.clusters) {
            Err(wrong) => Err(wrong.to_gap("WofCompressedData", file.number, file.at)),
            Ok(_) if parts[0].flags & (COMPRESSED | ENCRYPTED) != 0 => Err(gap(
                GapKind::Unsupported,
                "the packed stream is compressed or encrypted again".to_owned(),
            )),
            Ok(Whole::Resident(bytes)) => Ok((Packed::Inline(self.survey.keep(bytes)?), bytes.len() as u64)),
            Ok(Whole::Clusters { size, initialized }) => {
                let mapped: u64 = joined_bytes(all.pieces_of(parts));
                if mapped < size || initialized < size {
                    Err(gap(
                        GapKind::Corrupt,
                        format!("{} of {size} packed bytes are there", mapped.min(initialized)),
                    ))
                } else {
                    Ok((Packed::Extents { extents, bytes: size }, size))
                }
            }
        };
        let checked = checked.and_then(|(packed, bytes)| {
            let table = Packing::new(algorithm, size, bytes).table_bytes();
            if table > bytes {
                Err(gap(GapKind::Corrupt, format!("a chunk table of {table} bytes in a stream of {bytes}")))
            } else if table > MAX_TABLE_BYTES {
                Err(gap(
                    GapKind::Limit,
                    format!("a chunk table of {table} bytes; at most {MAX_TABLE_BYTES} are read"),
                ))
            } else {
                Ok(packed)
            }
        });
        let encoding = match checked {
            Ok(packed) => Encoding::Wof { packed, algorithm },
            Err(gap) => self.unreadable(gap, extents)?,
        };
        Ok(Stream { name: Span::default(), size, initialized: size, encoding })
    }

    /// Keeps where the parts of a value lie.
    fn keep_pieces(&mut self, all: &Attributes<'_>, parts: &[Part<'_>]) -> Result<Run, SurveyFull> {
        self.survey.keep_extents(all.pieces_of(parts).map(|piece| Extent {
            logical: piece.logical,
            physical: piece.range.start,
            len: piece.range.len,
            unwritten: false,
        }))
    }

    /// Records a gap as the reason why a stream cannot be read.
    fn unreadable(&mut self, gap: Gap, extents: Run) -> Result<Encoding, SurveyFull> {
        let reason = self.survey.keep(gap.reason.as_bytes())?;
        self.note(gap);
        Ok(Encoding::Unreadable { encrypted: false, reason, extents })
    }
}

/// How many bytes of a value are there from its start to the first hole.
fn joined_bytes<'a>(pieces: impl Iterator<Item = &'a Piece>) -> u64 {
    pieces.fold(0, |at, piece| if piece.logical == at { at + piece.range.len } else { at })
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

//! From a file's values to its streams in a survey.

use super::{
    attributes::{Attributes, Part, Whole},
    file::{Builder, Content},
    loader::File,
    record::{COMPRESSED, ENCRYPTED, kind},
    runs::Piece,
    wof::{
        Algorithm,
        chunks::{MAX_TABLE_BYTES, Packing},
    },
    wtf8::push_wtf8,
};
use crate::survey::{Encoding, Extent, Packed, PackedBytes, Run, Span, Stream, Survey, SurveyFull};
use coldread_model::{FileKind, Gap, GapKind};

/// The stream that holds the content of a file of the Windows Overlay Filter, in UTF-16.
const WOF_STREAM: &[u8; 34] = b"W\0o\0f\0C\0o\0m\0p\0r\0e\0s\0s\0e\0d\0D\0a\0t\0a\0";

impl Builder {
    /// Keeps a file's streams, the unnamed one first.
    pub(super) fn keep_streams(
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
                    Ok((Packed::Extents { extents, bytes: PackedBytes(size) }, size))
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

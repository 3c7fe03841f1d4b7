//! A survey as bytes: columns, for the way between tasks that may run on different hosts.

use super::{Encoding, Entry, Extent, Inode, Packed, PackedBytes, Run, Span, Stream, Survey};
use crate::fs::ntfs::wof::Algorithm;
use coldread_model::{
    ByteRange, FileKind, RangeSet, RowFlags, Timestamp,
    codec::{self, DecodeError, Reader, Writer},
};

const VERSION: u8 = 2;
const STRUCTURE: &str = "survey";
/// No filesystem that is read has larger compression units.
const MAX_UNIT_BYTES: u32 = 1 << 20;

/// The encodings' numbers in a column.
const INLINE: u8 = 0;
const PLAIN: u8 = 1;
const LZNT1: u8 = 2;
const UNREADABLE: u8 = 3;
const ENCRYPTED: u8 = 4;
const WOF: u8 = 5;
const WOF_INLINE: u8 = 6;

impl Survey {
    /// Encodes the survey.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer { bytes: Vec::with_capacity(self.arena.len() + self.inodes.len() * 160 + 256) };
        out.u8(VERSION);
        for count in
            [self.inodes.len(), self.entries.len(), self.streams.len(), self.extents.len(), self.arena.len()]
        {
            out.u64(count as u64);
        }
        put_inodes(&mut out, &self.inodes);
        out.u64s(self.entries.iter().map(|entry| entry.parent));
        out.u16s(self.entries.iter().map(|entry| entry.parent_generation));
        out.u64s(self.entries.iter().map(|entry| entry.child));
        put_spans(&mut out, self.entries.iter().map(|entry| entry.name));
        put_streams(&mut out, &self.streams);
        out.u64s(self.extents.iter().map(|extent| extent.logical));
        out.u64s(self.extents.iter().map(|extent| extent.physical));
        out.u64s(self.extents.iter().map(|extent| extent.len));
        out.u8s(self.extents.iter().map(|extent| u8::from(extent.unwritten)));
        out.raw(&self.arena);
        for set in [&self.metadata, &self.free, &self.damaged] {
            let ranges = set.clone().into_ranges();
            out.u64(ranges.len() as u64);
            out.u64s(ranges.iter().map(|range| range.start));
            out.u64s(ranges.iter().map(|range| range.len));
        }
        out.raw(&codec::to_bytes(&(&self.gaps, &self.lost)));
        out.bytes
    }

    /// Decodes what [`Survey::to_bytes`] wrote; every index is checked, so that [`Survey::append`] may
    /// shift them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(STRUCTURE, bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(reader.invalid(format!("version {version} is not known")));
        }
        let mut count = || -> Result<usize, DecodeError> {
            let count = reader.u64()?;
            u32::try_from(count).map(|n| n as usize).map_err(|_| reader.invalid(format!("{count} rows")))
        };
        let (inodes, entries, streams, extents, arena) = (count()?, count()?, count()?, count()?, count()?);
        let inodes = get_inodes(&mut reader, inodes)?;
        let parents = reader.u64s(entries)?;
        let generations = reader.u16s(entries)?;
        let children = reader.u64s(entries)?;
        let names = get_spans(&mut reader, entries)?;
        let entries = (0..entries).map(|i| Entry {
            parent: parents[i],
            parent_generation: generations[i],
            child: children[i],
            name: names[i],
        });
        let entries = entries.collect();
        let streams = get_streams(&mut reader, streams)?;
        let logical = reader.u64s(extents)?;
        let physical = reader.u64s(extents)?;
        let lens = reader.u64s(extents)?;
        let unwritten = reader.u8s(extents)?;
        let extents = (0..extents).map(|i| Extent {
            logical: logical[i],
            physical: physical[i],
            len: lens[i],
            unwritten: unwritten[i] != 0,
        });
        let extents = extents.collect();
        let arena = reader.take(arena)?.to_vec();
        let (metadata, free, damaged) = (get_set(&mut reader)?, get_set(&mut reader)?, get_set(&mut reader)?);
        let (gaps, lost) = codec::from_bytes("survey gaps", reader.take(reader.left())?)?;
        let survey = Self { inodes, entries, streams, extents, arena, metadata, free, damaged, gaps, lost };
        if survey.is_sound() {
            Ok(survey)
        } else {
            Err(DecodeError::Invalid { structure: STRUCTURE, reason: "an index lies outside".to_owned() })
        }
    }

    /// Whether every span and run lies inside what it points into.
    fn is_sound(&self) -> bool {
        let within = |first: u32, count: u32, len: usize| first as usize + count as usize <= len;
        let span = |span: Span| within(span.start, span.len, self.arena.len());
        let run = |run: Run| within(run.first, run.count, self.extents.len());
        let stream = |stream: &Stream| match stream.encoding {
            Encoding::Inline(bytes) | Encoding::Wof { packed: Packed::Inline(bytes), .. } => span(bytes),
            Encoding::Plain(extents) | Encoding::Wof { packed: Packed::Extents { extents, .. }, .. } => {
                run(extents)
            }
            Encoding::Lznt1 { extents, unit_bytes } => {
                run(extents) && unit_bytes.is_power_of_two() && unit_bytes <= MAX_UNIT_BYTES
            }
            Encoding::Unreadable { reason, extents, .. } => span(reason) && run(extents),
        };
        let streams = |inode: &Inode| within(inode.streams.first, inode.streams.count, self.streams.len());
        self.inodes.iter().all(|inode| span(inode.target) && span(inode.xattrs) && streams(inode))
            && self.entries.iter().all(|entry| span(entry.name))
            && self.streams.iter().all(|one| span(one.name) && stream(one))
    }
}

fn put_spans(out: &mut Writer, spans: impl ExactSizeIterator<Item = Span> + Clone) {
    out.u32s(spans.clone().map(|span| span.start));
    out.u32s(spans.map(|span| span.len));
}

fn get_spans(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Span>, DecodeError> {
    let (starts, lens) = (reader.u32s(count)?, reader.u32s(count)?);
    Ok(starts.into_iter().zip(lens).map(|(start, len)| Span { start, len }).collect())
}

fn put_runs(out: &mut Writer, runs: impl ExactSizeIterator<Item = Run> + Clone) {
    put_spans(out, runs.map(|run| Span { start: run.first, len: run.count }));
}

fn get_runs(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Run>, DecodeError> {
    Ok(get_spans(reader, count)?.into_iter().map(|span| Run { first: span.start, count: span.len }).collect())
}

fn get_set(reader: &mut Reader<'_>) -> Result<RangeSet, DecodeError> {
    let count = reader.u64()?;
    let count = usize::try_from(count).map_err(|_| reader.invalid("too many ranges"))?;
    let (starts, lens) = (reader.u64s(count)?, reader.u64s(count)?);
    Ok(starts.into_iter().zip(lens).map(|(start, len)| ByteRange::new(start, len)).collect())
}

fn put_inodes(out: &mut Writer, inodes: &[Inode]) {
    out.u64s(inodes.iter().map(|inode| inode.number));
    out.u16s(inodes.iter().map(|inode| inode.generation));
    out.u8s(inodes.iter().map(|inode| inode.kind as u8));
    out.u16s(inodes.iter().map(|inode| inode.flags.bits()));
    out.u16s(inodes.iter().map(|inode| inode.mode));
    out.u32s(inodes.iter().map(|inode| inode.uid));
    out.u32s(inodes.iter().map(|inode| inode.gid));
    out.u32s(inodes.iter().map(|inode| inode.nlink));
    out.u64s(inodes.iter().map(|inode| inode.size));
    for time in [|i: &Inode| i.mtime, |i: &Inode| i.ctime, |i: &Inode| i.atime, |i: &Inode| i.crtime] {
        out.i64s(inodes.iter().map(|inode| time(inode).seconds));
        out.u32s(inodes.iter().map(|inode| time(inode).nanos));
    }
    out.u32s(inodes.iter().map(|inode| inode.rdev.0));
    out.u32s(inodes.iter().map(|inode| inode.rdev.1));
    put_spans(out, inodes.iter().map(|inode| inode.target));
    put_spans(out, inodes.iter().map(|inode| inode.xattrs));
    put_runs(out, inodes.iter().map(|inode| inode.streams));
}

fn get_inodes(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Inode>, DecodeError> {
    let numbers = reader.u64s(count)?;
    let generations = reader.u16s(count)?;
    let kinds = reader.u8s(count)?;
    let flags = reader.u16s(count)?;
    let modes = reader.u16s(count)?;
    let (uids, gids, nlinks) = (reader.u32s(count)?, reader.u32s(count)?, reader.u32s(count)?);
    let sizes = reader.u64s(count)?;
    let mut times = || -> Result<Vec<Timestamp>, DecodeError> {
        let (seconds, nanos) = (reader.i64s(count)?, reader.u32s(count)?);
        Ok(seconds.into_iter().zip(nanos).map(|(seconds, nanos)| Timestamp::new(seconds, nanos)).collect())
    };
    let (mtimes, ctimes, atimes, crtimes) = (times()?, times()?, times()?, times()?);
    let (majors, minors) = (reader.u32s(count)?, reader.u32s(count)?);
    let (targets, xattrs) = (get_spans(reader, count)?, get_spans(reader, count)?);
    let streams = get_runs(reader, count)?;
    let mut inodes = Vec::with_capacity(count);
    for i in 0..count {
        let unknown = || reader.invalid(format!("file kind {} is not known", kinds[i]));
        inodes.push(Inode {
            number: numbers[i],
            generation: generations[i],
            kind: FileKind::from_u8(kinds[i]).ok_or_else(unknown)?,
            flags: RowFlags::from_bits_retain(flags[i]),
            mode: modes[i],
            uid: uids[i],
            gid: gids[i],
            nlink: nlinks[i],
            size: sizes[i],
            mtime: mtimes[i],
            ctime: ctimes[i],
            atime: atimes[i],
            crtime: crtimes[i],
            rdev: (majors[i], minors[i]),
            target: targets[i],
            xattrs: xattrs[i],
            streams: streams[i],
        });
    }
    Ok(inodes)
}

fn put_streams(out: &mut Writer, streams: &[Stream]) {
    put_spans(out, streams.iter().map(|stream| stream.name));
    out.u64s(streams.iter().map(|stream| stream.size));
    out.u64s(streams.iter().map(|stream| stream.initialized));
    // Kind, a run, a span and a number say any of the encodings; two halves of a span hold a size.
    let parts = |stream: &Stream| match stream.encoding {
        Encoding::Inline(span) => (INLINE, Run::default(), span, 0),
        Encoding::Plain(run) => (PLAIN, run, Span::default(), 0),
        Encoding::Lznt1 { extents, unit_bytes } => (LZNT1, extents, Span::default(), unit_bytes),
        Encoding::Wof { packed: Packed::Inline(span), algorithm } => {
            (WOF_INLINE, Run::default(), span, algorithm.number())
        }
        Encoding::Wof { packed: Packed::Extents { extents, bytes }, algorithm } => {
            let halves = Span { start: bytes.0 as u32, len: (bytes.0 >> 32) as u32 };
            (WOF, extents, halves, algorithm.number())
        }
        Encoding::Unreadable { encrypted, reason, extents } => {
            (if encrypted { ENCRYPTED } else { UNREADABLE }, extents, reason, 0)
        }
    };
    out.u8s(streams.iter().map(|stream| parts(stream).0));
    put_runs(out, streams.iter().map(|stream| parts(stream).1));
    put_spans(out, streams.iter().map(|stream| parts(stream).2));
    out.u32s(streams.iter().map(|stream| parts(stream).3));
}

fn get_streams(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Stream>, DecodeError> {
    let names = get_spans(reader, count)?;
    let (sizes, initialized) = (reader.u64s(count)?, reader.u64s(count)?);
    let kinds = reader.u8s(count)?;
    let runs = get_runs(reader, count)?;
    let spans = get_spans(reader, count)?;
    let units = reader.u32s(count)?;
    let mut streams = Vec::with_capacity(count);
    for i in 0..count {
        let (extents, span) = (runs[i], spans[i]);
        let wof = |packed| {
            let unknown = || reader.invalid(format!("chunk packing {} is not known", units[i]));
            let algorithm = Algorithm::from_number(units[i]).ok_or_else(unknown)?;
            Ok::<_, DecodeError>(Encoding::Wof { packed, algorithm })
        };
        let encoding = match kinds[i] {
            INLINE => Encoding::Inline(span),
            PLAIN => Encoding::Plain(extents),
            LZNT1 => Encoding::Lznt1 { extents, unit_bytes: units[i] },
            WOF => {
                let bytes = u64::from(span.start) | u64::from(span.len) << 32;
                wof(Packed::Extents { extents, bytes: PackedBytes(bytes) })?
            }
            WOF_INLINE => wof(Packed::Inline(span))?,
            UNREADABLE => Encoding::Unreadable { encrypted: false, reason: span, extents },
            ENCRYPTED => Encoding::Unreadable { encrypted: true, reason: span, extents },
            other => return Err(reader.invalid(format!("stream encoding {other} is not known"))),
        };
        streams.push(Stream { name: names[i], size: sizes[i], initialized: initialized[i], encoding });
    }
    Ok(streams)
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::{Gap, GapKind};
    use proptest::prelude::*;

    #[test]
    fn rows_are_as_short_as_they_can_be() {
        let sizes = (size_of::<Inode>(), size_of::<Entry>(), size_of::<Stream>(), size_of::<Extent>());
        assert_eq!(sizes, (116, 28, 48, 28));
    }

    fn sample() -> Survey {
        let mut survey = crate::tree::test_survey(
            &[(2, FileKind::Dir), (9, FileKind::File), (10, FileKind::Symlink)],
            &[(2, 9, "file"), (2, 10, "link")],
        );
        let reason = survey.keep(b"why").unwrap();
        let extent = Extent { logical: 0, physical: 4096, len: 512, unwritten: true };
        let run = survey.keep_extents([extent]).unwrap();
        let encodings = [
            Encoding::Inline(reason),
            Encoding::Plain(run),
            Encoding::Lznt1 { extents: run, unit_bytes: 65536 },
            Encoding::Wof {
                packed: Packed::Extents { extents: run, bytes: PackedBytes(7 << 33 | 5) },
                algorithm: Algorithm::Xpress16K,
            },
            Encoding::Wof { packed: Packed::Inline(reason), algorithm: Algorithm::Lzx },
            Encoding::Unreadable { encrypted: true, reason, extents: run },
            Encoding::Unreadable { encrypted: false, reason, extents: Run::default() },
        ];
        let streams =
            encodings.map(|encoding| Stream { name: Span::default(), size: 7, initialized: 5, encoding });
        survey.inodes[1].streams = survey.keep_streams(streams).unwrap();
        survey.metadata.insert(ByteRange::new(0, 4096));
        survey.damaged.insert(ByteRange::new(8192, 1));
        survey.lose(17, 300, Gap::new(GapKind::Io, "inode table", "bad sector").at_byte(5));
        survey
    }

    #[test]
    fn a_survey_reads_back() {
        let survey = sample();
        assert_eq!(Survey::from_bytes(&survey.to_bytes()).unwrap(), survey);
        let mut joined = sample();
        joined.append(sample()).unwrap();
        assert_eq!((joined.inodes.len(), joined.gaps.len(), joined.lost.len()), (6, 2, 2));
        let name = |survey: &Survey, i: usize| survey.bytes(survey.entries[i].name).to_vec();
        assert_eq!(name(&joined, 3), b"link");
        assert_eq!(joined.streams_of(&joined.inodes[4]).len(), 7);
        assert_eq!(Survey::from_bytes(&joined.to_bytes()).unwrap(), joined);
    }

    #[test]
    fn an_index_that_lies_outside_is_refused() {
        let changes: [fn(&mut Survey); 5] = [
            |survey| survey.entries[0].name.start = u32::MAX,
            |survey| survey.inodes[0].xattrs.len = u32::MAX,
            |survey| survey.inodes[2].streams = Run { first: u32::MAX, count: 0 },
            |survey| survey.streams[1].encoding = Encoding::Plain(Run { first: 1, count: 1 }),
            |survey| {
                survey.streams[2].encoding = Encoding::Lznt1 { extents: Run::default(), unit_bytes: 1 << 31 };
            },
        ];
        for change in changes {
            let mut survey = sample();
            change(&mut survey);
            assert!(Survey::from_bytes(&survey.to_bytes()).is_err());
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_an_error_or_a_survey(at in 0usize..2000, byte: u8, cut in 0usize..2000) {
            let mut bytes = sample().to_bytes();
            let len = bytes.len();
            bytes[at % len] = byte;
            if let Ok(survey) = Survey::from_bytes(&bytes) {
                let mut joined = sample();
                joined.append(survey.clone()).unwrap();
                joined.append(survey.clone()).unwrap();
                for inode in &survey.inodes {
                    survey.bytes(inode.target);
                    for stream in survey.streams_of(inode) { survey.extents_of(stream); }
                }
            }
            prop_assert!(Survey::from_bytes(&bytes[..cut % len]).is_err());
        }
    }
}

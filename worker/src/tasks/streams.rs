//! The streams that a volume's content is hashed from, one by one: those of a survey at hand, or of a plan that came as
//! bytes. Nothing is copied out of either.

use super::plan::{PlannedContent, PlannedStream};
use coldread_fsparse::{
    content::{Item, ItemEncoding},
    survey::{Encoding, Stream, Survey},
};
use coldread_model::RowFlags;
use std::sync::OnceLock;

/// Streams in the order in which they are read.
pub(super) trait Streams: Sync {
    /// How many.
    fn count(&self) -> usize;
    /// Where the bytes of one are.
    fn content(&self, place: usize) -> Content<'_>;
    /// Whose it is.
    fn owner(&self, place: usize) -> Owner;
}

/// Where a stream's bytes are.
pub(super) enum Content<'a> {
    /// Here; zeros follow up to so many bytes.
    Here(&'a [u8], u64),
    /// To be read.
    Stored(Item<'a>),
}

impl<'a> Content<'a> {
    /// Bytes at hand, those that count, of a stream of `size`.
    fn here(bytes: &'a [u8], size: u64, initialized: u64) -> Self {
        let valid = bytes.len().min(usize::try_from(initialized).unwrap_or(usize::MAX));
        Self::Here(&bytes[..valid], size)
    }

    /// The bytes of the volume that it takes.
    pub(super) fn allocated(&self) -> u64 {
        match self {
            Self::Here(..) => 0,
            Self::Stored(item) => item.extents.iter().fold(0, |sum: u64, e| sum.saturating_add(e.len)),
        }
    }

    /// Where on the volume its first bytes lie; 0 where they do not.
    pub(super) fn first_physical(&self) -> u64 {
        match self {
            Self::Here(..) => 0,
            Self::Stored(item) => item.first_physical().unwrap_or(0),
        }
    }
}

/// Whose a stream is.
pub(super) struct Owner {
    pub(super) inode: u64,
    /// A deleted file's: what is wrong with its content is no gap.
    pub(super) deleted: bool,
}

/// The content of a survey's stream; `None` where it is not readable.
pub(super) fn content_of(survey: &Survey, stream: usize) -> Option<Content<'_>> {
    let stream = survey.streams.get(stream)?;
    match stream.encoding {
        Encoding::Inline(span) => Some(Content::here(survey.bytes(span), stream.size, stream.initialized)),
        _ => Item::of(survey, stream).map(Content::Stored),
    }
}

/// Streams of a survey.
pub(super) struct OfSurvey<'a> {
    survey: &'a Survey,
    /// Indexes of the survey's streams.
    streams: &'a [u32],
    /// The index of each stream's inode, made when somebody asks.
    owners: OnceLock<Vec<u32>>,
}

impl<'a> OfSurvey<'a> {
    /// The streams with these indexes, in this order.
    pub(super) fn new(survey: &'a Survey, streams: &'a [u32]) -> Self {
        Self { survey, streams, owners: OnceLock::new() }
    }

    pub(super) fn survey(&self) -> &'a Survey {
        self.survey
    }

    pub(super) fn stream(&self, place: usize) -> &'a Stream {
        &self.survey.streams[self.streams[place] as usize]
    }

    fn owners(&self) -> Vec<u32> {
        let mut owners = vec![0; self.survey.streams.len()];
        for (index, inode) in (0..).zip(&self.survey.inodes) {
            owners.get_mut(inode.streams.range()).unwrap_or_default().fill(index);
        }
        owners
    }
}

impl Streams for OfSurvey<'_> {
    fn count(&self) -> usize {
        self.streams.len()
    }

    fn content(&self, place: usize) -> Content<'_> {
        // What is not readable is not planned.
        content_of(self.survey, self.streams[place] as usize).unwrap_or(Content::Here(&[], 0))
    }

    fn owner(&self, place: usize) -> Owner {
        let owners = self.owners.get_or_init(|| self.owners());
        let inode = &self.survey.inodes[owners[self.streams[place] as usize] as usize];
        Owner { inode: inode.number, deleted: inode.flags.contains(RowFlags::DELETED) }
    }
}

impl Streams for Vec<PlannedStream> {
    fn count(&self) -> usize {
        self.len()
    }

    fn content(&self, place: usize) -> Content<'_> {
        let PlannedStream { size, initialized, content, .. } = &self[place];
        let (size, initialized) = (*size, *initialized);
        let (extents, encoding) = match content {
            PlannedContent::Inline(bytes) => return Content::here(bytes, size, initialized),
            PlannedContent::Plain(extents) => (&extents[..], ItemEncoding::Plain),
            PlannedContent::Lznt1(extents, unit_bytes) => {
                (&extents[..], ItemEncoding::Lznt1 { unit_bytes: *unit_bytes })
            }
            PlannedContent::Wof(extents, packing) => (&extents[..], ItemEncoding::Wof(*packing)),
            PlannedContent::WofInline(bytes, packing) => (&[][..], ItemEncoding::WofInline(*packing, bytes)),
        };
        Content::Stored(Item { size, initialized, encoding, extents })
    }

    fn owner(&self, place: usize) -> Owner {
        let PlannedStream { inode, deleted, .. } = self[place];
        Owner { inode, deleted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::plan::{self, Plan};
    use coldread_fsparse::{
        fs::ntfs::wof::Algorithm,
        survey::{Extent, Inode, Packed, PackedBytes, Run, Span, Stream},
    };
    use coldread_model::{FileKind, Timestamp};

    /// A file with a stream of each encoding that can be read, and one that cannot.
    fn survey() -> Survey {
        let mut survey = Survey::default();
        let names: Vec<Span> = (0..7).map(|name| survey.keep(&b"abcdefg"[..name]).unwrap()).collect();
        let bytes = survey.keep(b"0123456789").unwrap();
        let mut run = |physical| {
            let extent = |part: u64| Extent {
                logical: 8192 * part,
                physical: physical + 9 * part,
                len: 8,
                unwritten: part == 1,
            };
            survey.keep_extents((0..2_u64).map(extent)).unwrap()
        };
        let packed = Packed::Extents { extents: run(700), bytes: PackedBytes(16) };
        let encodings = [
            Encoding::Plain(run(500)),
            Encoding::Inline(bytes),
            Encoding::Lznt1 { extents: run(300), unit_bytes: 4096 },
            Encoding::Wof { packed, algorithm: Algorithm::Xpress8K },
            Encoding::Wof { packed: Packed::Inline(bytes), algorithm: Algorithm::Lzx },
            Encoding::Unreadable { encrypted: true, reason: bytes, extents: run(100) },
            Encoding::Plain(Run::default()),
        ];
        let streams = names.into_iter().zip(encodings).map(|(name, encoding)| Stream {
            name,
            size: 20,
            initialized: 7,
            encoding,
        });
        let streams = survey.keep_streams(streams.collect::<Vec<_>>()).unwrap();
        let time = Timestamp::new(0, 0);
        survey.inodes.push(Inode {
            number: 42,
            generation: 0,
            kind: FileKind::File,
            flags: RowFlags::SIZED,
            mode: 0,
            uid: 0,
            gid: 0,
            nlink: 1,
            size: 20,
            mtime: time,
            ctime: time,
            atime: time,
            crtime: time,
            rdev: (0, 0),
            target: Span::default(),
            xattrs: Span::default(),
            streams,
        });
        survey
    }

    fn shown(streams: &dyn Streams) -> Vec<String> {
        let content = |place| match streams.content(place) {
            Content::Here(bytes, size) => format!("{bytes:?} of {size}"),
            Content::Stored(item) => format!("{item:?}"),
        };
        let one = |place| {
            let Owner { inode, deleted } = streams.owner(place);
            format!("{inode} {deleted} {} {}", streams.content(place).allocated(), content(place))
        };
        (0..streams.count()).map(one).collect()
    }

    #[test]
    fn a_plan_that_went_to_another_task_says_what_the_survey_does() {
        let survey = survey();
        let plan = Plan::of(&survey, &[true], &[], 1 << 20);
        // What is not read from the volume first, as the survey has it, then in the order of the disk.
        assert_eq!(plan.streams, [1, 4, 6, 2, 0, 3]);
        assert_eq!(plan.gaps.len(), 1);
        let streams = OfSurvey::new(&survey, &plan.streams);
        let here = shown(&streams);
        let there = shown(&plan::decode(&plan::encode(&streams, 0..6)).unwrap());
        assert_eq!(here, there);
        assert_eq!(here[0], "42 false 0 [48, 49, 50, 51, 52, 53, 54] of 20");
        assert!(here[3].starts_with(
            "42 false 16 Item { size: 20, initialized: 7, encoding: Lznt1 { unit_bytes: 4096 }"
        ));
    }
}

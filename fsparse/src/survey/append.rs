//! Surveys of units that follow each other, joined into one.

use super::{Encoding, Entry, Inode, Packed, Run, Span, Stream, Survey, SurveyFull};

/// How far what a survey refers to moves behind another's.
#[derive(Clone, Copy)]
struct Shift {
    bytes: u32,
    extents: u32,
    streams: u32,
}

impl Shift {
    /// Behind all that `whole` has; it has to have room for what `next` has.
    fn behind(whole: &Survey, next: &Survey) -> Result<Self, SurveyFull> {
        let room = |have: usize, more: usize| {
            u32::try_from(have + more).map(|_| have as u32).map_err(|_| SurveyFull)
        };
        Ok(Self {
            bytes: room(whole.arena.len(), next.arena.len())?,
            extents: room(whole.extents.len(), next.extents.len())?,
            streams: room(whole.streams.len(), next.streams.len())?,
        })
    }

    fn span(self, span: Span) -> Span {
        Span { start: span.start + self.bytes, ..span }
    }

    fn extents(self, run: Run) -> Run {
        Run { first: run.first + self.extents, ..run }
    }

    fn inode(self, mut inode: Inode) -> Inode {
        inode.target = self.span(inode.target);
        inode.xattrs = self.span(inode.xattrs);
        inode.streams.first += self.streams;
        inode
    }

    fn entry(self, mut entry: Entry) -> Entry {
        entry.name = self.span(entry.name);
        entry
    }

    fn stream(self, mut stream: Stream) -> Stream {
        stream.name = self.span(stream.name);
        stream.encoding = match stream.encoding {
            Encoding::Inline(at) => Encoding::Inline(self.span(at)),
            Encoding::Plain(at) => Encoding::Plain(self.extents(at)),
            Encoding::Lznt1 { extents, unit_bytes } => {
                Encoding::Lznt1 { extents: self.extents(extents), unit_bytes }
            }
            Encoding::Wof { packed, algorithm } => {
                let packed = match packed {
                    Packed::Inline(at) => Packed::Inline(self.span(at)),
                    Packed::Extents { extents, bytes } => {
                        Packed::Extents { extents: self.extents(extents), bytes }
                    }
                };
                Encoding::Wof { packed, algorithm }
            }
            Encoding::Unreadable { encrypted, reason, extents } => {
                let (reason, extents) = (self.span(reason), self.extents(extents));
                Encoding::Unreadable { encrypted, reason, extents }
            }
        };
        stream
    }
}

/// Joins a part of one survey to the same part of another.
pub type Columns<'a> = Box<dyn FnOnce() + Send + 'a>;

/// How rows are moved: whose memory they lie in may know a better way than to copy all of them before any is freed.
pub trait MoveRows {
    /// Moves `next` behind `rows`, each row as `change` makes it.
    fn move_behind<T>(&self, rows: &mut Vec<T>, next: Vec<T>, change: impl Fn(T) -> T);
}

/// The plain way.
struct Copied;

impl MoveRows for Copied {
    fn move_behind<T>(&self, rows: &mut Vec<T>, next: Vec<T>, change: impl Fn(T) -> T) {
        rows.extend(next.into_iter().map(change));
    }
}

impl Survey {
    /// Joins the survey of the units that follow.
    pub fn append(&mut self, next: Self) -> Result<(), SurveyFull> {
        for columns in self.append_by_columns(next, &Copied)? {
            columns();
        }
        Ok(())
    }

    /// The same as work for two threads, about as much for each: most of it is to bring in memory for the rows.
    pub fn append_by_columns<'a>(
        &'a mut self,
        mut next: Self,
        moves: &'a (impl MoveRows + Sync),
    ) -> Result<[Columns<'a>; 2], SurveyFull> {
        if self.inodes.is_empty() && self.entries.is_empty() && self.arena.is_empty() {
            std::mem::swap(self, &mut next);
        }
        let shift = Shift::behind(self, &next)?;
        let Self { inodes, entries, streams, extents, arena, metadata, free, damaged, gaps, lost } = self;
        let rows = next.inodes;
        let rows = move || moves.move_behind(inodes, rows, |inode| shift.inode(inode));
        let rest = move || {
            moves.move_behind(entries, next.entries, |entry| shift.entry(entry));
            moves.move_behind(streams, next.streams, |stream| shift.stream(stream));
            moves.move_behind(extents, next.extents, |extent| extent);
            arena.append(&mut next.arena);
            metadata.extend(&next.metadata);
            free.extend(&next.free);
            damaged.extend(&next.damaged);
            gaps.append(&mut next.gaps);
            lost.append(&mut next.lost);
        };
        Ok([Box::new(rows), Box::new(rest)])
    }
}

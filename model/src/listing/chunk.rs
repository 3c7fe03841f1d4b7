//! One chunk's columns, written and read.
//!
//! Stable: version, rows, directories, arena length; per directory its number of rows and its path's
//! length; the [columns](super::column) in the order of [`Builder`]'s fields; the arena with the directories' paths and
//! then each row's name, target, attributes and stream. Volatile: version, rows, columns.

use super::{
    CutChunk, Row, StableRow, VolatileRow,
    column::{Columns, Layout},
    cut::MAX_ROWS,
};
use crate::{
    codec::{DecodeError, Reader, Writer},
    file::{FileKind, RowFlags},
    time::Timestamp,
};

const VERSION: u8 = 2;

/// How the columns of a version are written.
fn layout(reader: &Reader<'_>, version: u8) -> Result<Layout, DecodeError> {
    match version {
        1 => Ok(Layout::Whole),
        VERSION => Ok(Layout::Planes),
        _ => Err(reader.invalid(format!("version {version} is not known"))),
    }
}

/// Bytes of a row's stable numbers, each in the width of its type: chunks are cut by them, whatever the columns need.
pub(super) const STABLE_ROW_BYTES: usize = 1 + 2 + 2 + 4 + 4 + 8 + 8 + 4 + 2 + 4 + 4 + 2 + 4 + 4;
/// Room for the columns of a row, which rarely need it.
const ROOM_PER_ROW: usize = 40;

/// A row under construction, without what is in the arena.
#[derive(Debug)]
struct FixedRow {
    kind: FileKind,
    flags: RowFlags,
    mode: u16,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: Timestamp,
    rdev: (u32, u32),
    name: u16,
    target: u32,
    xattrs: u32,
    stream: u16,
    volatile: VolatileRow,
}

/// A chunk under construction: rows, made into columns when they are all there.
#[derive(Debug, Default)]
pub(super) struct Builder {
    dir_rows: Vec<u32>,
    dir_paths: Vec<u32>,
    dir_arena: Vec<u8>,
    last_dir: std::ops::Range<usize>,
    rows: Vec<FixedRow>,
    arena: Vec<u8>,
    columns: Columns,
}

impl Builder {
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn stable_bytes(&self) -> usize {
        self.rows() * STABLE_ROW_BYTES + self.arena.len() + self.dir_arena.len() + self.dir_rows.len() * 8
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        let stable = &row.stable;
        let same_dir = self.dir_arena.get(self.last_dir.clone()) == Some(stable.parent);
        match self.dir_rows.last_mut() {
            Some(count) if same_dir => *count += 1,
            _ => {
                self.dir_rows.push(1);
                self.dir_paths.push(stable.parent.len() as u32);
                let start = self.dir_arena.len();
                self.dir_arena.extend_from_slice(stable.parent);
                self.last_dir = start..self.dir_arena.len();
            }
        }
        let cut16 = |bytes: &[u8]| bytes.len().min(usize::from(u16::MAX));
        let (name, stream) = (cut16(stable.name), cut16(stable.stream));
        self.rows.push(FixedRow {
            kind: stable.kind,
            flags: stable.flags,
            mode: stable.mode,
            uid: stable.uid,
            gid: stable.gid,
            size: stable.size,
            mtime: stable.mtime,
            rdev: stable.rdev,
            name: name as u16,
            target: stable.target.len() as u32,
            xattrs: stable.xattrs.len() as u32,
            stream: stream as u16,
            volatile: row.volatile,
        });
        self.arena.extend_from_slice(&stable.name[..name]);
        for part in [stable.target, stable.xattrs, &stable.stream[..stream]] {
            if !part.is_empty() {
                self.arena.extend_from_slice(part);
            }
        }
    }

    /// Encodes what is there and starts anew.
    pub(super) fn take(&mut self) -> CutChunk {
        let Self { rows, dir_rows, dir_paths, dir_arena, arena, columns, .. } = self;
        let arenas = dir_arena.len() + arena.len();
        let mut out =
            Writer { bytes: Vec::with_capacity(rows.len() * ROOM_PER_ROW + arenas + dir_rows.len() * 4) };
        out.u8(VERSION);
        out.u32(rows.len() as u32);
        out.u32(dir_rows.len() as u32);
        out.u64(arenas as u64);
        columns.put(&mut out, dir_rows.iter().copied());
        columns.put(&mut out, dir_paths.iter().copied());
        columns.put(&mut out, rows.iter().map(|row| row.kind as u8));
        columns.put(&mut out, rows.iter().map(|row| row.flags.bits()));
        columns.put(&mut out, rows.iter().map(|row| row.mode));
        columns.put(&mut out, rows.iter().map(|row| row.uid));
        columns.put(&mut out, rows.iter().map(|row| row.gid));
        columns.put(&mut out, rows.iter().map(|row| row.size));
        put_times(columns, &mut out, rows.iter().map(|row| row.mtime));
        columns.put(&mut out, rows.iter().map(|row| row.name));
        columns.put(&mut out, rows.iter().map(|row| row.target));
        columns.put(&mut out, rows.iter().map(|row| row.xattrs));
        columns.put(&mut out, rows.iter().map(|row| row.stream));
        columns.put(&mut out, rows.iter().map(|row| row.rdev.0));
        columns.put(&mut out, rows.iter().map(|row| row.rdev.1));
        out.raw(dir_arena);
        out.raw(arena);
        let mut volatile = Writer { bytes: Vec::with_capacity(rows.len() * ROOM_PER_ROW) };
        volatile.u8(VERSION);
        volatile.u32(rows.len() as u32);
        columns.put(&mut volatile, rows.iter().map(|row| row.volatile.inode));
        columns.put(&mut volatile, rows.iter().map(|row| row.volatile.nlink));
        put_times(columns, &mut volatile, rows.iter().map(|row| row.volatile.atime));
        put_times(columns, &mut volatile, rows.iter().map(|row| row.volatile.ctime));
        put_times(columns, &mut volatile, rows.iter().map(|row| row.volatile.crtime));
        columns.put(&mut volatile, rows.iter().map(|row| row.volatile.fingerprint));
        let chunk = CutChunk { stable: out.bytes, volatile: volatile.bytes, rows: rows.len() as u32 };
        dir_rows.clear();
        dir_paths.clear();
        dir_arena.clear();
        rows.clear();
        arena.clear();
        self.last_dir = 0..0;
        chunk
    }
}

fn put_times(columns: &mut Columns, out: &mut Writer, times: impl Iterator<Item = Timestamp> + Clone) {
    columns.put(out, times.clone().map(|time| time.seconds.cast_unsigned()));
    columns.put(out, times.map(|time| time.nanos));
}

fn get_times(layout: Layout, reader: &mut Reader<'_>, rows: usize) -> Result<Vec<Timestamp>, DecodeError> {
    let seconds = layout.get(reader, rows)?.into_iter().map(u64::cast_signed);
    let nanos = layout.get(reader, rows)?;
    Ok(seconds.zip(nanos).map(|(seconds, nanos)| Timestamp::new(seconds, nanos)).collect())
}

/// A decoded chunk; rows are read in place.
#[derive(Debug)]
pub struct Chunk<'a> {
    dirs: Vec<(u32, std::ops::Range<usize>)>,
    kinds: Vec<FileKind>,
    flags: Vec<RowFlags>,
    modes: Vec<u16>,
    uids: Vec<u32>,
    gids: Vec<u32>,
    sizes: Vec<u64>,
    mtimes: Vec<Timestamp>,
    names: Vec<u16>,
    targets: Vec<u32>,
    xattrs: Vec<u32>,
    streams: Vec<u16>,
    majors: Vec<u32>,
    minors: Vec<u32>,
    rows_at: usize,
    arena: &'a [u8],
    volatile: Option<Vec<VolatileRow>>,
}

impl<'a> Chunk<'a> {
    /// Decodes the stable columns alone; every row's volatile part is then all zero.
    pub fn decode_stable(stable: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("listing chunk", stable);
        let version = reader.u8()?;
        let layout = layout(&reader, version)?;
        let rows = reader.u32()? as usize;
        let dirs = reader.u32()? as usize;
        if rows > MAX_ROWS || dirs > rows {
            return Err(reader.invalid(format!("{rows} rows of {dirs} directories")));
        }
        let arena_len = reader.u64()?;
        let dir_rows: Vec<u32> = layout.get(&mut reader, dirs)?;
        let dir_paths: Vec<u32> = layout.get(&mut reader, dirs)?;
        let kinds: Vec<u8> = layout.get(&mut reader, rows)?;
        let kinds = kinds.into_iter().map(|kind| {
            FileKind::from_u8(kind).ok_or_else(|| reader.invalid(format!("file kind {kind} is not known")))
        });
        let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
        let flags = layout.get(&mut reader, rows)?.into_iter().map(RowFlags::from_bits_retain).collect();
        let modes = layout.get(&mut reader, rows)?;
        let uids = layout.get(&mut reader, rows)?;
        let gids = layout.get(&mut reader, rows)?;
        let sizes = layout.get(&mut reader, rows)?;
        let mtimes = get_times(layout, &mut reader, rows)?;
        let names: Vec<u16> = layout.get(&mut reader, rows)?;
        let targets: Vec<u32> = layout.get(&mut reader, rows)?;
        let xattrs: Vec<u32> = layout.get(&mut reader, rows)?;
        let streams: Vec<u16> = layout.get(&mut reader, rows)?;
        let majors = layout.get(&mut reader, rows)?;
        let minors = layout.get(&mut reader, rows)?;
        if reader.left() as u64 != arena_len {
            return Err(
                reader.invalid(format!("{arena_len} bytes of names announced, {} there", reader.left()))
            );
        }
        let arena = reader.take(reader.left())?;
        let mut at = 0_u64;
        let mut counted = 0_u64;
        let mut placed = Vec::with_capacity(dirs);
        for (count, len) in dir_rows.into_iter().zip(dir_paths) {
            placed.push((count, at as usize..(at + u64::from(len)) as usize));
            at += u64::from(len);
            counted += u64::from(count);
        }
        let rows_at = at;
        for row in 0..rows {
            at += u64::from(names[row])
                + u64::from(targets[row])
                + u64::from(xattrs[row])
                + u64::from(streams[row]);
        }
        if at != arena_len || counted != rows as u64 {
            return Err(reader.invalid("lengths of names or directories do not add up"));
        }
        Ok(Self {
            dirs: placed,
            kinds,
            flags,
            modes,
            uids,
            gids,
            sizes,
            mtimes,
            names,
            targets,
            xattrs,
            streams,
            majors,
            minors,
            rows_at: rows_at as usize,
            arena,
            volatile: None,
        })
    }

    /// Decodes both objects of a chunk, which must have the same number of rows.
    pub fn decode(stable: &'a [u8], volatile: &[u8]) -> Result<Self, DecodeError> {
        let mut chunk = Self::decode_stable(stable)?;
        let mut reader = Reader::new("listing chunk, volatile columns", volatile);
        let version = reader.u8()?;
        let layout = layout(&reader, version)?;
        let rows = reader.u32()? as usize;
        if rows != chunk.rows() {
            return Err(reader.invalid(format!("{rows} rows for {}", chunk.rows())));
        }
        let inodes: Vec<u64> = layout.get(&mut reader, rows)?;
        let nlinks: Vec<u32> = layout.get(&mut reader, rows)?;
        let atimes = get_times(layout, &mut reader, rows)?;
        let ctimes = get_times(layout, &mut reader, rows)?;
        let crtimes = get_times(layout, &mut reader, rows)?;
        let fingerprints: Vec<u64> = layout.get(&mut reader, rows)?;
        reader.finish()?;
        let row = |i: usize| VolatileRow {
            inode: inodes[i],
            nlink: nlinks[i],
            atime: atimes[i],
            ctime: ctimes[i],
            crtime: crtimes[i],
            fingerprint: fingerprints[i],
        };
        chunk.volatile = Some((0..rows).map(row).collect());
        Ok(chunk)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.kinds.len()
    }

    /// The paths of the directories whose rows are here, in order.
    pub fn parents(&self) -> impl Iterator<Item = &'a [u8]> {
        self.dirs.iter().map(|(_, path)| &self.arena[path.clone()])
    }

    /// Every row in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'a>> {
        let mut dirs = self.dirs.iter();
        let mut left = 0;
        let mut parent: &[u8] = &[];
        let mut at = self.rows_at;
        (0..self.rows()).map(move |i| {
            while left == 0 {
                // The counts add up to the rows, which decoding has checked.
                let Some((count, path)) = dirs.next() else { break };
                left = *count;
                parent = &self.arena[path.clone()];
            }
            left = left.saturating_sub(1);
            let mut part = |len: usize| {
                let bytes = &self.arena[at..at + len];
                at += len;
                bytes
            };
            let name = part(usize::from(self.names[i]));
            let target = part(self.targets[i] as usize);
            let xattrs = part(self.xattrs[i] as usize);
            let stream = part(usize::from(self.streams[i]));
            let stable = StableRow {
                parent,
                name,
                stream,
                kind: self.kinds[i],
                flags: self.flags[i],
                mode: self.modes[i],
                uid: self.uids[i],
                gid: self.gids[i],
                size: self.sizes[i],
                mtime: self.mtimes[i],
                target,
                xattrs,
                rdev: (self.majors[i], self.minors[i]),
            };
            Row { stable, volatile: self.volatile.as_ref().map_or_else(VolatileRow::default, |rows| rows[i]) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ListingWriter, encode_xattr, path_of};
    use super::*;
    use proptest::prelude::*;
    use std::iter;

    fn rows(names: &[(String, String)]) -> Vec<Row<'_>> {
        fn row(i: usize, (parent, name): &(String, String)) -> Row<'_> {
            Row {
                stable: StableRow {
                    parent: parent.as_bytes(),
                    name: name.as_bytes(),
                    stream: if i % 7 == 3 { b"s" } else { b"" },
                    kind: FileKind::ALL[i % FileKind::ALL.len()],
                    flags: RowFlags::SIZED,
                    mode: i as u16 & 0o7777,
                    uid: i as u32,
                    gid: 3,
                    size: i as u64 * 5,
                    mtime: Timestamp::new(i as i64 - 5, 7),
                    target: if i.is_multiple_of(3) { b"target" } else { b"" },
                    xattrs: &[],
                    rdev: (1, i as u32),
                },
                volatile: VolatileRow {
                    inode: i as u64,
                    nlink: 1,
                    fingerprint: !0,
                    ..VolatileRow::default()
                },
            }
        }
        names.iter().enumerate().map(|(i, name)| row(i, name)).collect()
    }

    proptest! {
        #[test]
        fn rows_read_back_as_written(mut names in prop::collection::vec(("/[a-c]{0,3}", "[a-z]{1,40}"), 0..900)) {
            names.sort();
            let wanted = rows(&names);
            let mut writer = ListingWriter::new();
            let mut chunks: Vec<_> = wanted.iter().filter_map(|row| writer.push(row)).collect();
            chunks.extend(writer.finish());
            let mut got = 0;
            for chunk in &chunks {
                let decoded = Chunk::decode(&chunk.stable, &chunk.volatile).unwrap();
                prop_assert_eq!(decoded.rows(), chunk.rows as usize);
                for row in decoded.iter() {
                    prop_assert_eq!(row, wanted[got]);
                    got += 1;
                }
            }
            prop_assert_eq!(got, wanted.len());
        }

        #[test]
        fn damaged_chunks_are_errors_or_rows_but_never_a_panic(at in 0usize..4000, byte: u8, cut in 0usize..4000) {
            let names: Vec<_> = (0..40).map(|i| ("/d".to_owned(), format!("n{i:03}"))).collect();
            let mut writer = ListingWriter::new();
            for row in rows(&names) { writer.push(&row); }
            let mut chunk = writer.finish().unwrap();
            let len = chunk.stable.len();
            chunk.stable[at % len] ^= byte;
            if let Ok(decoded) = Chunk::decode(&chunk.stable, &chunk.volatile) { decoded.iter().count(); }
            let _ = Chunk::decode(&chunk.stable[..cut % len], &chunk.volatile);
            let _ = Chunk::decode_stable(&chunk.stable).map(|c| c.iter().count());
        }
    }

    /// A row as version 1 has it: every number with all its bytes.
    fn first_version(row: &Row<'_>) -> CutChunk {
        let Row { stable, volatile } = row;
        let arena = [stable.parent, stable.name, stable.target, stable.xattrs, stable.stream].concat();
        let mut out = Writer::new();
        out.u8(1);
        (0..2).for_each(|_| out.u32(1));
        out.u64(arena.len() as u64);
        out.u32(1);
        out.u32(stable.parent.len() as u32);
        out.u8(stable.kind as u8);
        out.u16(stable.flags.bits());
        out.u16(stable.mode);
        out.u32(stable.uid);
        out.u32(stable.gid);
        out.u64(stable.size);
        out.i64(stable.mtime.seconds);
        out.u32(stable.mtime.nanos);
        out.u16(stable.name.len() as u16);
        out.u32(stable.target.len() as u32);
        out.u32(stable.xattrs.len() as u32);
        out.u16(stable.stream.len() as u16);
        out.u32(stable.rdev.0);
        out.u32(stable.rdev.1);
        out.raw(&arena);
        let mut other = Writer::new();
        other.u8(1);
        other.u32(1);
        other.u64(volatile.inode);
        other.u32(volatile.nlink);
        for time in [volatile.atime, volatile.ctime, volatile.crtime] {
            other.i64(time.seconds);
            other.u32(time.nanos);
        }
        other.u64(volatile.fingerprint);
        CutChunk { stable: out.bytes, volatile: other.bytes, rows: 1 }
    }

    #[test]
    fn chunks_of_the_first_version_are_read() {
        let names: Vec<_> = (0..9).map(|number| ("/d".to_owned(), format!("n{number}"))).collect();
        for row in rows(&names) {
            let chunk = first_version(&row);
            let decoded = Chunk::decode(&chunk.stable, &chunk.volatile).unwrap();
            assert_eq!(decoded.iter().collect::<Vec<_>>(), [row]);
        }
        let newer = Chunk::decode_stable(&[VERSION + 1, 0, 0, 0, 0]).unwrap_err();
        assert!(newer.to_string().ends_with("is not known"), "{newer}");
    }

    #[test]
    fn more_rows_than_a_chunk_has_are_refused_whatever_they_take() {
        let mut columns = Columns::default();
        for (rows, dirs, is_one) in [(MAX_ROWS, 1, true), (MAX_ROWS + 1, 1, false), (1, 2, false)] {
            let mut out = Writer::new();
            out.u8(VERSION);
            out.u32(rows as u32);
            out.u32(dirs);
            out.u64(0);
            columns.put(&mut out, iter::once(rows as u32));
            for _ in 1..16 {
                columns.put(&mut out, iter::once(0_u8));
            }
            assert_eq!(Chunk::decode_stable(&out.bytes).is_ok(), is_one, "{rows} rows, {dirs} directories");
        }
    }

    #[test]
    fn one_new_row_changes_few_chunks() {
        let names: Vec<_> =
            (0..20_000).map(|i| (format!("/dir{:03}", i / 100), format!("file-{i:06}"))).collect();
        let cut = |names: &[(String, String)]| {
            let mut writer = ListingWriter::new();
            let rows = names.iter().map(|(parent, name)| Row {
                stable: StableRow {
                    parent: parent.as_bytes(),
                    name: name.as_bytes(),
                    stream: b"",
                    kind: FileKind::File,
                    flags: RowFlags::SIZED,
                    mode: 0o644,
                    uid: 0,
                    gid: 0,
                    size: 9,
                    mtime: Timestamp::new(5, 0),
                    target: b"",
                    xattrs: b"",
                    rdev: (0, 0),
                },
                volatile: VolatileRow::default(),
            });
            let mut chunks: Vec<_> = rows.filter_map(|row| writer.push(&row)).collect();
            chunks.extend(writer.finish());
            chunks
        };
        let before = cut(&names);
        let mut more = names.clone();
        more.insert(10_000, ("/dir100".to_owned(), "file-009999x".to_owned()));
        let after = cut(&more);
        assert!(before.len() > 10, "{} chunks", before.len());
        let changed = after.iter().filter(|chunk| !before.contains(chunk)).count();
        assert!(changed <= 2, "{changed} of {} chunks changed", after.len());
    }

    #[test]
    fn paths_and_attributes() {
        assert_eq!(path_of(b"", b""), b"/");
        assert_eq!(path_of(b"/", b"a"), b"/a");
        assert_eq!(path_of(b"/a", b"b"), b"/a/b");
        let mut out = Vec::new();
        encode_xattr(&mut out, b"user.a", b"1");
        encode_xattr(&mut out, b"user.b", b"");
        let read: Vec<_> = super::super::Xattrs(&out).collect();
        assert_eq!(read, [(&b"user.a"[..], &b"1"[..]), (b"user.b", b"")]);
        assert_eq!(super::super::Xattrs(&out[..9]).count(), 0);
    }
}

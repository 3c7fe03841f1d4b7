//! Holes of sparse image files, asked of the file system where they are needed.
//!
//! No map of the whole file is built: an image can have a million holes, and a scan of its metadata meets
//! few of them. A request costs at most two `lseek` calls for each hole in it, and none where it lies in data that
//! earlier ones found. Holes are asked for each time: somebody may have written to them, and what is called data is
//! read. Sources: lseek(2), "Seeking file data and holes".

use super::file::DiskFile;
use coldread_fsparse::source::{MappedRange, Mapping};
use coldread_model::ByteRange;
use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};
use std::collections::BTreeMap;

/// [`map`] answers with at most so many parts; the rest of the range is called data.
const MAX_PARTS: usize = 1 << 20;

/// So many stretches of data are remembered; then it begins anew.
const MAX_KNOWN: usize = 4096;

/// Walks the stretches of data and holes of one file, and remembers those of data.
#[derive(Debug, Default)]
pub(super) struct Holes {
    /// Data, by its end: of a stretch the part from the lowest place on that was asked for.
    data: BTreeMap<u64, ByteRange>,
}

impl Holes {
    /// The part of `range` from its start that is all data or all hole. What cannot be known is data, and
    /// what lies past the file's present end is too, so that reading it tells the truth.
    pub(super) fn first(&mut self, file: &DiskFile, range: ByteRange) -> MappedRange {
        if !file.is_sparse() {
            return MappedRange { range, mapping: Mapping::Data };
        }
        let known = self.data.range(range.start.saturating_add(1)..).next().map(|(_, data)| *data);
        if let Some(data) = known.filter(|data| data.start <= range.start) {
            return MappedRange { range: data.intersect(range), mapping: Mapping::Data };
        }
        let found = stretch(file, range.start);
        if found.mapping == Mapping::Data {
            if self.data.len() >= MAX_KNOWN {
                self.data.clear();
            }
            self.data.insert(found.range.end(), found.range);
        }
        MappedRange { range: found.range.intersect(range), mapping: found.mapping }
    }
}

/// The stretch of data or hole that starts at or before `at`, from `at` on; never empty.
fn stretch(file: &DiskFile, at: u64) -> MappedRange {
    let to = |end: u64, mapping| MappedRange { range: ByteRange::between(at, end.max(at + 1)), mapping };
    let rest = to(u64::MAX, Mapping::Data);
    match seek(file.cached(), SeekFrom::Data(at)) {
        Ok(data) if data > at => to(data, Mapping::Zero),
        Ok(_) => match seek(file.cached(), SeekFrom::Hole(at)) {
            Ok(hole) if hole > at => to(hole, Mapping::Data),
            _ => rest,
        },
        // No data up to the end, or the end has come nearer.
        Err(Errno::NXIO) => match file.size_now() {
            Ok(size) if size > at => to(size, Mapping::Zero),
            _ => rest,
        },
        Err(_) => rest,
    }
}

/// What is known of `range` of `file`: neighbours differ, and the parts add up to the range.
pub(super) fn map(file: &DiskFile, range: ByteRange) -> Vec<MappedRange> {
    let mut holes = Holes::default();
    let mut parts: Vec<MappedRange> = Vec::new();
    let mut at = range.start;
    while at < range.end() {
        let mut part = holes.first(file, ByteRange::between(at, range.end()));
        if parts.len() >= MAX_PARTS {
            part = MappedRange { range: ByteRange::between(at, range.end()), mapping: Mapping::Data };
        }
        at = part.range.end();
        match parts.last_mut() {
            Some(last) if last.mapping == part.mapping => {
                last.range = ByteRange::between(last.range.start, at);
            }
            _ => parts.push(part),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    /// A file of 4 MiB with 64 KiB of data at one place.
    fn sparse(data: u64) -> (tempfile::NamedTempFile, DiskFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4 << 20).unwrap();
        file.as_file().write_all_at(&vec![7; 65536], data).unwrap();
        file.as_file().sync_all().unwrap();
        let disk = DiskFile::open(file.path()).unwrap();
        (file, disk)
    }

    #[test]
    fn a_map_names_holes_and_adds_up() {
        let (_file, disk) = sparse(1 << 20);
        let range = ByteRange::new(100, (4 << 20) - 200);
        let parts = map(&disk, range);
        assert_eq!(parts.iter().map(|part| part.range.len).sum::<u64>(), range.len);
        assert_eq!(parts[0].range.start, 100);
        if parts.len() == 1 {
            println!("skipped: this file system tells of no holes");
            return;
        }
        let data: Vec<_> = parts.iter().filter(|part| part.mapping == Mapping::Data).collect();
        assert!(data.iter().any(|part| part.range.contains(ByteRange::new(1 << 20, 65536))));
        assert!(parts.iter().any(|part| part.mapping == Mapping::Zero));
    }

    #[test]
    fn a_hole_that_is_filled_meanwhile_is_data() {
        let (file, disk) = sparse(3 << 20);
        let mut holes = Holes::default();
        let (asked, data) = (ByteRange::new(1 << 20, 4096), ByteRange::new((3 << 20) + 8192, 4096));
        if holes.first(&disk, asked).mapping == Mapping::Data {
            println!("skipped: this file system tells of no holes");
            return;
        }
        // Data is remembered from the lowest place on that was asked for.
        for start in [8192, 4096, 12288] {
            let part = ByteRange::new((3 << 20) + start, 4096);
            assert_eq!(holes.first(&disk, part), MappedRange { range: part, mapping: Mapping::Data });
        }
        assert_eq!((holes.data.len(), holes.data.values().next().unwrap().start), (1, (3 << 20) + 4096));
        assert_eq!(holes.first(&disk, data).range, data);
        file.as_file().write_all_at(&vec![8; 65536], 1 << 20).unwrap();
        assert_eq!(holes.first(&disk, asked), MappedRange { range: asked, mapping: Mapping::Data });
    }

    #[test]
    fn what_was_cut_off_is_data_to_be_read_and_not_a_hole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let disk = DiskFile::open(file.path()).unwrap();
        file.as_file().set_len(4096).unwrap();
        let parts = map(&disk, ByteRange::new(8192, 4096));
        assert_eq!(parts, [MappedRange { range: ByteRange::new(8192, 4096), mapping: Mapping::Data }]);
    }
}

//! A second opinion: a share of a volume's files is read again through another library, and every disagreement
//! is recorded, as forensic practice asks for two independent tools.
//!
//! The other library is handed the volume's own bytes, without the patches of a journal: it replays by itself or
//! not at all. Where the cause of a disagreement is known, the gap says which of the two readings the kernel's
//! rules support ([`GapKind::Explained`]); what nobody can explain is a [`GapKind::Disagreement`].
//!
//! The libraries walk path by path with synchronous reads, so this costs far more than the scan itself. What
//! they may read is bounded, and a panic of theirs is a gap: they were not written for hostile disks.

mod compare;
mod ext4;
mod ntfs;
mod raw;
use super::{Job, TaskError, survey::Opened};
use coldread_fsparse::{
    content::Allowance,
    survey::{Inode, Stream},
    tree::{Tree, for_each_row},
};
use coldread_model::{FileKind, Gap, GapKind, Timestamp, listing::path_of, task::Share};
use compare::Comparison;
use raw::RawVolume;
use std::{
    collections::HashSet,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Bytes of one file that are compared; of a larger one, the first of them.
const COMPARED_BYTES: u64 = 1 << 30;
/// Gaps of one volume told one by one; the rest are counted in one more.
const TOLD: usize = 10_000;
/// The structure that gaps of this task name.
const STRUCTURE: &str = "cross-check";

/// A file of the sample.
struct Sampled<'a> {
    /// One of its paths in the volume.
    path: Vec<u8>,
    inode: &'a Inode,
    /// The unnamed stream of a file.
    stream: Option<&'a Stream>,
}

/// What the other library says of a file beside its bytes; what it cannot tell is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    kind: Option<FileKind>,
    size: Option<u64>,
    mode: Option<u16>,
    owner: Option<(u32, u32)>,
    mtime: Option<Timestamp>,
    target: Option<Vec<u8>>,
}

/// Takes a file's bytes piece by piece, from its start, until it has enough.
type Take<'t> = &'t mut dyn FnMut(&[u8]) -> ControlFlow<()>;

/// Another library's reading of one volume.
trait SecondReader {
    /// Its name and version, for gaps.
    fn name(&self) -> &'static str;

    /// Reads what it says of a file, and hands its bytes to `take` where it is one with content. An error is the
    /// library's own, in its words.
    fn read(&mut self, file: &Sampled<'_>, take: Take<'_>) -> Result<Seen, String>;
}

/// Opens the other library's reading of a volume.
type Open = fn(RawVolume) -> Result<Box<dyn SecondReader>, String>;

/// Which library reads which driver's volumes too. XFS has none that is independent and kept.
const SECOND_READERS: &[(&str, &str, Open)] =
    &[("ext4", ext4::NAME, ext4::open), ("ntfs", ntfs::NAME, ntfs::open)];

impl Job<'_> {
    /// Reads a share of a volume's files again and gives what disagrees.
    pub(super) fn cross_check(
        &self,
        share: Share,
        volume: &Opened<'_>,
        raw: RawVolume,
        tree: &Tree<'_>,
    ) -> Result<Vec<Gap>, TaskError> {
        let driver = volume.driver.name();
        let Some((_, name, open)) = SECOND_READERS.iter().find(|(one, ..)| *one == driver) else {
            let reason = format!("there is no second reader of {driver}");
            return Ok(vec![Gap::new(GapKind::Unsupported, STRUCTURE, reason)]);
        };
        let files = sample(tree, share);
        let mut gaps = Vec::new();
        let (files, beyond) = within(&files, raw.len());
        // The library's state after a panic is never used again.
        let whole = catch_unwind(AssertUnwindSafe(|| -> Result<(), TaskError> {
            let mut reader = match open(raw) {
                Ok(reader) => reader,
                Err(reason) => {
                    let reason = format!("{name} cannot read this volume: {reason}");
                    gaps.push(Gap::new(GapKind::Unsupported, STRUCTURE, reason));
                    return Ok(());
                }
            };
            let mut more = 0;
            for file in files {
                self.check()?;
                let comparison = Comparison::new(volume, tree.survey(), file);
                let found = comparison.against(&mut *reader);
                let room = TOLD.saturating_sub(gaps.len());
                more += found.len().saturating_sub(room);
                gaps.extend(found.into_iter().take(room));
            }
            if more > 0 {
                let reason = format!("{more} more disagreements with {name} than those told");
                gaps.push(Gap::new(GapKind::Disagreement, STRUCTURE, reason));
            }
            if beyond > 0 {
                let reason =
                    format!("{beyond} files are not compared: all claim far more bytes than the volume has");
                gaps.push(Gap::new(GapKind::Limit, STRUCTURE, reason));
            }
            Ok(())
        }));
        whole.unwrap_or_else(|_| {
            let reason = format!("{name} gave up on this volume with a panic; the rest was not compared");
            gaps.push(Gap::new(GapKind::Failed, STRUCTURE, reason));
            Ok(())
        })?;
        Ok(gaps)
    }

    /// A volume's bytes without patches, for the other library.
    pub(super) fn raw_volume(
        &self,
        source: &coldread_model::task::SourceSpec,
        spec: &coldread_model::task::VolumeSpec,
    ) -> Result<RawVolume, TaskError> {
        let disk = self.disks.open(source)?;
        Ok(RawVolume::new(std::sync::Arc::clone(&disk.source), spec.range))
    }
}

/// The files of the sample, each once, in the listing's order. A file is in it or not by its number alone, so a
/// later scan of the same disk compares the same ones.
fn sample<'a>(tree: &'a Tree<'a>, share: Share) -> Vec<Sampled<'a>> {
    let mut files = Vec::new();
    let mut seen = HashSet::new();
    for_each_row(tree, |row, index, stream| {
        let inode = tree.inode(index);
        let named_stream = stream.is_some_and(|stream| stream.name.len > 0);
        if named_stream || row.stable.flags.intersects(LEFT_OUT) || !share.takes(inode.number) {
            return;
        }
        if seen.insert(index) {
            let path = path_of(row.stable.parent, row.stable.name);
            files.push(Sampled { path, inode, stream });
        }
    });
    files
}

/// Those of the files that are compared, and how many more there are: zeros of holes are compared too and cost no reading,
/// so a million sparse files would take for ever.
fn within<'f, 'a>(files: &'f [Sampled<'a>], volume_bytes: u64) -> (Vec<&'f Sampled<'a>>, u64) {
    let mut allowance = Allowance::new(volume_bytes);
    let compared = |file: &Sampled<'_>| file.stream.map_or(0, |stream| stream.size.min(COMPARED_BYTES));
    let (taken, left): (Vec<_>, Vec<_>) = files.iter().partition(|file| allowance.take(compared(file)));
    (taken, left.len() as u64)
}

/// What the other libraries do not show as the kernel does: internal files, deleted ones, encrypted ones.
const LEFT_OUT: coldread_model::RowFlags = coldread_model::RowFlags::INTERNAL
    .union(coldread_model::RowFlags::DELETED)
    .union(coldread_model::RowFlags::ENCRYPTED);

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::survey::{Encoding, Run, Span, Survey};
    use coldread_model::RowFlags;

    #[test]
    fn sparse_files_without_number_are_not_all_compared() {
        let time = Timestamp::new(0, 0);
        let mut survey = Survey::default();
        let (target, xattrs, streams) = (Span::default(), Span::default(), Run::default());
        let (kind, flags, generation) = (FileKind::File, RowFlags::SIZED, 0);
        let (mode, uid, gid, nlink, rdev) = (0, 0, 0, 1, (0, 0));
        let (mtime, ctime, atime, crtime) = (time, time, time, time);
        let size = 1 << 50;
        survey.inodes.push(Inode {
            number: 12,
            generation,
            kind,
            flags,
            mode,
            uid,
            gid,
            nlink,
            size,
            mtime,
            ctime,
            atime,
            crtime,
            rdev,
            target,
            xattrs,
            streams,
        });
        let encoding = Encoding::Plain(Run::default());
        let stream = Stream { name: Span::default(), size, initialized: size, encoding };
        let (inode, huge) = (&survey.inodes[0], Some(&stream));
        let of = |stream| Sampled { path: b"/a".to_vec(), inode, stream };
        let mut files: Vec<_> = std::iter::repeat_with(|| of(huge)).take(1000).collect();
        files.push(of(None));
        // 64 times the volume, and 16 GiB.
        let (taken, left) = within(&files, 16 << 20);
        assert_eq!((taken.len(), left), (17 + 1, 1000 - 17));
        assert!(taken[17].stream.is_none());
    }
}

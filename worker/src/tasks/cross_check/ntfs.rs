//! The second opinion on NTFS.

use super::{Sampled, SecondReader, Seen, Take, raw::RawVolume};
use coldread_model::{FileKind, Timestamp};
use ntfs::{Ntfs, NtfsReadSeek};

/// The library.
pub(super) const NAME: &str = "ntfs 0.4";
/// Bytes asked for at a time.
const PIECE_BYTES: usize = 64 << 10;
/// From 1601-01-01 to 1970-01-01, in seconds ([MS-DTYP], FILETIME).
const EPOCH_SECONDS: i64 = 11_644_473_600;

struct Reader {
    filesystem: Ntfs,
    raw: RawVolume,
}

/// Opens a volume.
pub(super) fn open(mut raw: RawVolume) -> Result<Box<dyn SecondReader>, String> {
    let filesystem = Ntfs::new(&mut raw).map_err(|error| error.to_string())?;
    Ok(Box::new(Reader { filesystem, raw }))
}

/// The time of so many units of 100 ns since 1601.
fn timestamp(units: u64) -> Timestamp {
    let seconds = (units / 10_000_000) as i64 - EPOCH_SECONDS;
    Timestamp::new(seconds, (units % 10_000_000) as u32 * 100)
}

impl SecondReader for Reader {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&mut self, file: &Sampled<'_>, take: Take<'_>) -> Result<Seen, String> {
        let words = |error: ntfs::NtfsError| error.to_string();
        let record = self.filesystem.file(&mut self.raw, file.inode.number).map_err(words)?;
        let times = record.info().map_err(words)?;
        let mut seen = Seen {
            mtime: Some(timestamp(times.modification_time().nt_timestamp())),
            kind: record.is_directory().then_some(FileKind::Dir),
            ..Seen::default()
        };
        if file.inode.kind != FileKind::File || file.stream.is_none() {
            return Ok(seen);
        }
        let Some(item) = record.data(&mut self.raw, "") else {
            return Err("it finds no unnamed stream".to_owned());
        };
        let item = item.map_err(words)?;
        let attribute = item.to_attribute().map_err(words)?;
        seen.size = Some(attribute.value_length());
        let mut value = attribute.value(&mut self.raw).map_err(words)?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = value.read(&mut self.raw, &mut piece).map_err(words)?;
            if read == 0 || take(&piece[..read]).is_break() {
                break;
            }
        }
        Ok(seen)
    }
}

//! The second opinion on ext2, ext3 and ext4.

use super::{Sampled, SecondReader, Seen, Take, raw::RawVolume};
use coldread_model::{FileKind, Timestamp};
use ext4_view::{Ext4, Ext4Read, FileType, Path};
use std::{error::Error, io};

/// The library.
pub(super) const NAME: &str = "ext4-view 1.0";
/// Bytes asked for at a time.
const PIECE_BYTES: usize = 64 << 10;

struct Bytes(RawVolume);

impl Ext4Read for Bytes {
    fn read(&mut self, start: u64, out: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        let read = self.0.read_at(start, out)?;
        if read == out.len() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) }
    }
}

struct Reader(Ext4);

/// Opens a volume; the library replays its journal by itself.
pub(super) fn open(raw: RawVolume) -> Result<Box<dyn SecondReader>, String> {
    let filesystem = Ext4::load(Box::new(Bytes(raw))).map_err(|error| error.to_string())?;
    Ok(Box::new(Reader(filesystem)))
}

fn kind(kind: FileType) -> FileKind {
    match kind {
        FileType::Regular => FileKind::File,
        FileType::Directory => FileKind::Dir,
        FileType::Symlink => FileKind::Symlink,
        FileType::BlockDevice => FileKind::Block,
        FileType::CharacterDevice => FileKind::Char,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
    }
}

impl SecondReader for Reader {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&mut self, file: &Sampled<'_>, take: Take<'_>) -> Result<Seen, String> {
        let path = Path::try_from(file.path.as_slice()).map_err(|error| error.to_string())?;
        let said = self.0.symlink_metadata(path).map_err(|error| error.to_string())?;
        let modified = said.modified();
        let mut seen = Seen {
            kind: Some(kind(said.file_type())),
            // A size means something for files and symbolic links alone.
            size: matches!(said.file_type(), FileType::Regular | FileType::Symlink).then(|| said.len()),
            mode: Some(said.mode() & 0o7777),
            owner: Some((said.uid(), said.gid())),
            mtime: Some(Timestamp::new(modified.seconds(), modified.nanoseconds())),
            target: None,
        };
        match said.file_type() {
            FileType::Symlink => {
                let target = self.0.read_link(path).map_err(|error| error.to_string())?;
                seen.target = Some(target.as_ref().to_vec());
            }
            FileType::Regular => {
                let mut open = self.0.open(path).map_err(|error| error.to_string())?;
                let mut piece = vec![0; PIECE_BYTES];
                loop {
                    let read = open.read_bytes(&mut piece).map_err(|error| error.to_string())?;
                    if read == 0 || take(&piece[..read]).is_break() {
                        break;
                    }
                }
            }
            _ => {}
        }
        Ok(seen)
    }
}

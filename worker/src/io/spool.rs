//! Compressed raw images, unpacked to a sparse file that has no name.
//!
//! gzip (RFC 1952), Zstandard (RFC 8878) and xz (The .xz File Format 1.2) are recognised by their first
//! bytes; the name says nothing. Several members, frames or streams in a row are one image. Runs of zeros
//! become holes in units of 4 KiB. The file is unlinked before the first byte is written, so nothing stays
//! behind, whatever happens.

use super::error::OpenError;
use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Zero runs of this size, on multiples of it, are not stored.
const HOLE: usize = 4096;
/// Unpacked bytes taken from a decoder at a time.
const WINDOW: usize = 1 << 20;
/// Binary logarithm of the longest Zstandard window taken (512 MiB; its own tool asks before 128 MiB).
const ZSTD_WINDOW_LOG: u32 = 29;
/// Bytes of memory that an xz stream may ask for (`xz -9` asks for 65 MiB).
const XZ_MEMORY: u64 = 512 << 20;
/// Skippable frames looked over for the first real one of a Zstandard file.
const MAX_SKIPPED: usize = 16;

/// Where and how far compressed images are unpacked.
pub struct SpoolOptions<'a> {
    /// The directory of the unpacked file; `None`: `TMPDIR`, or `/tmp`.
    pub directory: Option<PathBuf>,
    /// No image may unpack to more bytes, holes included.
    pub max_bytes: u64,
    /// Called after each mebibyte or so.
    pub progress: Option<&'a dyn Fn(SpoolProgress)>,
}

impl Default for SpoolOptions<'_> {
    /// Under `TMPDIR`, at most 1 TiB, in silence.
    fn default() -> Self {
        Self { directory: None, max_bytes: 1 << 40, progress: None }
    }
}

/// How far unpacking has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolProgress {
    /// Bytes read of the compressed file.
    pub compressed: u64,
    /// Size of the compressed file in bytes.
    pub compressed_size: u64,
    /// Bytes unpacked, holes included.
    pub unpacked: u64,
}

/// A compression that raw images come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Gz,
    Zst,
    Xz,
}

impl Format {
    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gz => "gz",
            Self::Zst => "zst",
            Self::Xz => "xz",
        }
    }

    /// The compression of `file`, by its first bytes.
    pub(super) fn of(file: &File) -> io::Result<Option<Self>> {
        let mut at = 0u64;
        for _ in 0..MAX_SKIPPED {
            let mut head = [0u8; 8];
            let mut len = 0;
            while len < head.len() {
                match file.read_at(&mut head[len..], at + len as u64) {
                    Ok(0) => break,
                    Ok(count) => len += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            match head {
                // Method 8 (deflate) is the only one, and the upper flags are reserved as zero.
                [0x1f, 0x8b, 8, flags, ..] if at == 0 && flags & 0xe0 == 0 => return Ok(Some(Self::Gz)),
                [0xfd, b'7', b'z', b'X', b'Z', 0, ..] if at == 0 => return Ok(Some(Self::Xz)),
                [0x28, 0xb5, 0x2f, 0xfd, ..] => return Ok(Some(Self::Zst)),
                // A skippable frame, as parallel compressors write one first: its size follows.
                [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d] => {
                    at += 8 + u64::from(u32::from_le_bytes([a, b, c, d]));
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// Unpacks `file`, whose name in messages is `path`, to an unlinked file.
pub(super) fn unpack(
    path: &Path,
    file: &File,
    format: Format,
    options: &SpoolOptions<'_>,
) -> Result<File, OpenError> {
    let directory = options.directory.clone().unwrap_or_else(std::env::temp_dir);
    let spool_error = |error: &dyn fmt::Display| OpenError::Spool {
        path: path.to_owned(),
        directory: directory.clone(),
        reason: error.to_string(),
    };
    let spool = tempfile::tempfile_in(&directory).map_err(|error| spool_error(&error))?;
    let free = rustix::fs::fstatvfs(&spool).map_err(|error| spool_error(&error))?;
    let free_bytes = free.f_bavail.saturating_mul(free.f_frsize);
    let mut image = SparseFile { file: &spool, size: 0, stored: 0 };
    let max_stored = free_bytes - free_bytes / 20;
    let compressed_size = file.metadata().map_err(|error| OpenError::from_io(path, &error))?.len();
    let source = Whole { file, at: 0 };
    let mut packed = Counted { inner: BufReader::with_capacity(256 << 10, source), at: 0 };
    let mut window = vec![0u8; WINDOW];

    loop {
        let first = packed.at == 0;
        match next_stream(&mut packed, format, first) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(broken(path, format, packed.at, &error)),
        }
        let mut decoder =
            Decoder::new(format, &mut packed).map_err(|error| broken(path, format, 0, &error))?;
        loop {
            let len = match fill(&mut decoder, &mut window) {
                Ok(len) => len,
                Err(error) => {
                    drop(decoder);
                    return Err(broken(path, format, packed.at, &error));
                }
            };
            if len == 0 {
                break;
            }
            let too_large =
                |limit: String| OpenError::TooLarge { path: path.to_owned(), unpacked: image.size, limit };
            if image.size + len as u64 > options.max_bytes {
                return Err(too_large(format!(
                    "no image may unpack to more than {} bytes",
                    options.max_bytes
                )));
            }
            let next = SparseFile { file: &spool, ..image }.append(&window[..len]);
            image = match next {
                Ok(next) if next.stored <= max_stored => next,
                Err(error) if error.kind() != io::ErrorKind::StorageFull => return Err(spool_error(&error)),
                _ => {
                    let free = format!("{} has {free_bytes} bytes free, less 5 %", directory.display());
                    return Err(too_large(free));
                }
            };
            if let Some(progress) = options.progress {
                progress(SpoolProgress { compressed: decoder.at(), compressed_size, unpacked: image.size });
            }
        }
    }
    spool.set_len(image.size).map_err(|error| spool_error(&error))?;
    Ok(spool)
}

/// What the decoder or the disk under it says about the compressed data.
fn broken(path: &Path, format: Format, offset: u64, error: &io::Error) -> OpenError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::UnexpectedEof => OpenError::Truncated { path, format: format.name(), offset },
        // The system's errors have a number, the decoders' do not.
        _ if error.raw_os_error().is_some() => OpenError::from_io(&path, error),
        _ => OpenError::Damaged { path, format: format.name(), offset, reason: error.to_string() },
    }
}

/// Whether another member or stream follows; zeros up to the end are padding (RFC 1952 tools and xz both
/// allow it) and are passed over.
fn next_stream(packed: &mut impl BufRead, format: Format, first: bool) -> io::Result<bool> {
    if first {
        return Ok(true);
    }
    loop {
        let bytes = packed.fill_buf()?;
        let len = bytes.len();
        if len == 0 {
            return Ok(false);
        }
        match bytes.iter().position(|&byte| byte != 0) {
            Some(zeros) => {
                packed.consume(zeros);
                break;
            }
            None => packed.consume(len),
        }
    }
    let known = match format {
        Format::Gz => 0x1f,
        Format::Xz => 0xfd,
        // Its decoder goes through all frames itself.
        Format::Zst => return Ok(true),
    };
    if packed.fill_buf()?.first() == Some(&known) {
        return Ok(true);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "bytes that are neither data nor padding follow the image",
    ))
}

enum Decoder<'a, R: BufRead> {
    Gz(flate2::bufread::GzDecoder<&'a mut Counted<R>>),
    Zst(zstd::Decoder<'static, &'a mut Counted<R>>),
    Xz(liblzma::bufread::XzDecoder<&'a mut Counted<R>>),
}

impl<'a, R: BufRead> Decoder<'a, R> {
    fn new(format: Format, packed: &'a mut Counted<R>) -> io::Result<Self> {
        Ok(match format {
            Format::Gz => Self::Gz(flate2::bufread::GzDecoder::new(packed)),
            Format::Zst => {
                let mut decoder = zstd::Decoder::with_buffer(packed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Self::Zst(decoder)
            }
            Format::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, 0)?;
                Self::Xz(liblzma::bufread::XzDecoder::new_stream(packed, stream))
            }
        })
    }

    /// Bytes of the compressed file taken so far.
    fn at(&self) -> u64 {
        match self {
            Self::Gz(decoder) => decoder.get_ref().at,
            Self::Zst(decoder) => decoder.get_ref().at,
            Self::Xz(decoder) => decoder.get_ref().at,
        }
    }
}

impl<R: BufRead> Read for Decoder<'_, R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gz(decoder) => decoder.read(room),
            Self::Zst(decoder) => decoder.read(room),
            Self::Xz(decoder) => decoder.read(room),
        }
    }
}

/// Fills `room` as far as the input goes.
fn fill(input: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < room.len() {
        match input.read(&mut room[len..]) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

/// A file from its first byte, whatever its position is.
struct Whole<'a> {
    file: &'a File,
    at: u64,
}

impl Read for Whole<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(room, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Counts the bytes that a decoder took.
struct Counted<R> {
    inner: R,
    at: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(room)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.inner.consume(count);
        self.at += count as u64;
    }
}

/// The unpacked image so far.
#[derive(Clone, Copy)]
struct SparseFile<'a> {
    file: &'a File,
    size: u64,
    stored: u64,
}

impl SparseFile<'_> {
    /// Adds `bytes` at the end; whole zero blocks are left out.
    fn append(mut self, bytes: &[u8]) -> io::Result<Self> {
        // Blocks lie on multiples of their size in the file.
        let first = (HOLE - (self.size % HOLE as u64) as usize).min(bytes.len());
        let mut run = 0..0;
        let mut at = 0;
        while at < bytes.len() {
            let end = if at == 0 { first } else { (at + HOLE).min(bytes.len()) };
            if is_zero(&bytes[at..end]) {
                self.store(&bytes[run.clone()], run.start)?;
                run = end..end;
            } else {
                run.end = end;
            }
            at = end;
        }
        self.store(&bytes[run.clone()], run.start)?;
        self.size += bytes.len() as u64;
        Ok(self)
    }

    fn store(&mut self, bytes: &[u8], behind: usize) -> io::Result<()> {
        self.stored += bytes.len() as u64;
        self.file.write_all_at(bytes, self.size + behind as u64)
    }
}

/// Whether all bytes are zero; compared as long runs, which the compiler turns into wide instructions.
fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; HOLE] = [0; HOLE];
    bytes == &ZEROS[..bytes.len()]
}

//! Rotated logs as streams: plain, gzip, xz, zstd or bzip2, told apart by their first bytes and not by their names.
//!
//! Sources: RFC 1952, section 2.3; "The .xz File Format", section 2.1.1; RFC 8878, section 3.1.1.

use crate::{
    lines::{StreamError, ViewReader},
    view::FileView,
};
use coldread_model::ByteRange;
use std::io::{BufReader, Read};

/// Bytes of one file that are read, after decompression.
pub const MAX_BYTES: u64 = 4 << 30;

/// Up to here any ratio will do: a short log of equal lines shrinks very far.
const FREE_BYTES: u64 = 256 << 20;

/// Beyond [`FREE_BYTES`], bytes that one compressed byte may become: above what gzip can do at all (1,032),
/// far above what logs do.
const MAX_RATIO: u64 = 2048;

/// Memory for a decoder: what xz -9 and zstd -19 ask for, and some more.
const DECODER_MEMORY: u64 = 160 << 20;

/// Base-two logarithm of the largest zstd window: zstd's own bound without `--long` set further.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Holes shorter than this are read as the zeros that they are.
const SHORT_HOLE: u64 = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Plain,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
}

fn format(start: &[u8]) -> Format {
    match start {
        [0x1f, 0x8b, 8, ..] => Format::Gzip,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
        // A frame, or a frame to skip (also how pzstd begins).
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Format::Bzip2,
        _ => Format::Plain,
    }
}

/// Hands `each` the file's content as streams, each with its offset in the (decompressed) content. A
/// compressed file is one stream. A plain one is one for each part that holds data, starting at a multiple
/// of `align` bytes: long holes cost nothing.
pub fn streams(
    view: &mut dyn FileView,
    align: u64,
    each: &mut dyn FnMut(u64, &mut dyn Read) -> Result<(), StreamError>,
) -> Result<(), StreamError> {
    streams_of(view, align, MAX_BYTES, each)
}

/// The same, for at most so many bytes of a compressed file: formats have padding, of which a sparse file may have
/// more than can be read.
fn streams_of(
    view: &mut dyn FileView,
    align: u64,
    most: u64,
    each: &mut dyn FnMut(u64, &mut dyn Read) -> Result<(), StreamError>,
) -> Result<(), StreamError> {
    let mut start = [0; 6];
    let got = view.read_at(0, &mut start).map_err(StreamError::View)?;
    let format = format(&start[..got.min(6)]);
    if format == Format::Plain {
        let mut room = MAX_BYTES;
        for range in parts(view, align.max(1)) {
            let mut stream = Bounded { reader: ViewReader::new(view, range), read: 0, room };
            each(range.start, &mut stream)?;
            room -= stream.read;
        }
        return Ok(());
    }
    let input = view.len();
    let room = MAX_BYTES.min(FREE_BYTES.max(input.saturating_mul(MAX_RATIO)));
    let packed = Bounded { reader: ViewReader::whole(view), read: 0, room: most };
    let packed = BufReader::with_capacity(256 << 10, packed);
    let reader: Box<dyn Read + '_> = match format {
        Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        Format::Xz => {
            let stream =
                liblzma::stream::Stream::new_stream_decoder(DECODER_MEMORY, liblzma::stream::CONCATENATED)
                    .map_err(|error| StreamError::Limit(format!("xz: {error}")))?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream))
        }
        Format::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Format::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
        Format::Plain => Box::new(packed),
    };
    each(0, &mut Bounded { reader, read: 0, room })
}

/// The parts of a plain file that hold data, widened to `align` and joined where they nearly touch.
fn parts(view: &dyn FileView, align: u64) -> Vec<ByteRange> {
    let len = view.len();
    let mut parts: Vec<ByteRange> = Vec::new();
    for segment in view.data_segments() {
        let start = segment.start / align * align;
        let end = segment.end().div_ceil(align).saturating_mul(align).min(len);
        match parts.last_mut() {
            Some(last) if start <= last.end().saturating_add(SHORT_HOLE) => {
                *last = ByteRange::between(last.start, last.end().max(end));
            }
            _ if start < end => parts.push(ByteRange::between(start, end)),
            _ => {}
        }
    }
    parts
}

/// Ends a stream with an error once it has given more than its bound.
struct Bounded<R> {
    reader: R,
    read: u64,
    room: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let left = self.room - self.read;
        if left == 0 && !out.is_empty() {
            // At the bound: only a stream that ends here is whole.
            return match self.reader.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(std::io::Error::other(StreamError::Limit(format!(
                    "more than {} bytes; the rest is not read",
                    self.room
                )))),
            };
        }
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let got = self.reader.read(&mut out[..wanted])?;
        self.read += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{MemoryView, ViewError};
    use coldread_model::GapKind;
    use proptest::prelude::*;
    use std::io::Write;

    fn unpack(packed: Vec<u8>) -> (Vec<u8>, Result<(), StreamError>) {
        let mut all = Vec::new();
        let result = streams(&mut MemoryView::from(packed), 1, &mut |offset, stream| {
            assert_eq!(offset, all.len() as u64);
            stream.read_to_end(&mut all)?;
            Ok(())
        });
        (all, result)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(text: &[u8]) -> Vec<u8> {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(text: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_form_gives_the_same_text() {
        let text = b"one line\n".repeat(1000);
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        for packed in [text.clone(), gzip(&text), xz(&text), zstd.clone(), bzip2(&text)] {
            assert_eq!(unpack(packed), (text.clone(), Ok(())));
        }
        for packed in [gzip(&text), xz(&text), zstd, bzip2(&text)] {
            let (half, result) = unpack(packed[..packed.len() - 9].to_vec());
            assert!(text.starts_with(&half));
            assert_eq!(result.unwrap_err().gap_kind(), GapKind::Corrupt);
            assert_eq!(unpack([&packed[..], &packed].concat()).0.len(), 2 * text.len());
        }
        assert_eq!(unpack(Vec::new()), (Vec::new(), Ok(())));
    }

    #[test]
    fn a_stream_past_its_bound_is_a_limit() {
        let bounded = |room| {
            let mut all = Vec::new();
            let result = Bounded { reader: &b"12345"[..], read: 0, room }.read_to_end(&mut all);
            (all.len(), result.map_err(|error| StreamError::from(error).gap_kind()))
        };
        assert_eq!(bounded(5), (5, Ok(5)));
        assert_eq!(bounded(4), (4, Err(GapKind::Limit)));
    }

    /// A file of a terabyte that holds data in two places.
    struct Sparse(Vec<ByteRange>);
    impl FileView for Sparse {
        fn len(&self) -> u64 {
            (1 << 40) - 1
        }
        fn data_segments(&self) -> &[ByteRange] {
            &self.0
        }
        fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, ViewError> {
            let got = out.len().min(usize::try_from(self.len() - offset).unwrap());
            out[..got].fill(b'x');
            Ok(got)
        }
    }

    #[test]
    fn holes_cost_nothing() {
        let mut seen = Vec::new();
        let segments = [(4096, 4096), (16384, 10), (1 << 39, 4096), ((1 << 40) - 4096, 4095)];
        let segments = segments.map(|(start, len)| ByteRange::new(start, len)).to_vec();
        streams(&mut Sparse(segments), 384, &mut |offset, stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all)?;
            seen.push((offset, all.len()));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [(3840, 12_672), ((1 << 39) / 384 * 384, 4224), ((1 << 40) - 4096, 4095)]);
    }

    /// A file of an exabyte: some bytes, then a hole.
    struct Padded(Vec<u8>, u64);
    impl FileView for Padded {
        fn len(&self) -> u64 {
            1 << 60
        }
        fn data_segments(&self) -> &[ByteRange] {
            &[]
        }
        fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, ViewError> {
            self.1 += out.len() as u64;
            out.fill(0);
            let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
            let len = rest.len().min(out.len());
            out[..len].copy_from_slice(&rest[..len]);
            Ok(out.len())
        }
    }

    #[test]
    fn padding_has_an_end() {
        let mut view = Padded(xz(b"one line\n"), 0);
        let mut all = Vec::new();
        let result = streams_of(&mut view, 1, 8 << 20, &mut |_, stream| {
            stream.read_to_end(&mut all)?;
            Ok(())
        });
        assert_eq!((result.unwrap_err().gap_kind(), &all[..]), (GapKind::Limit, &b"one line\n"[..]));
        assert!(view.1 < 16 << 20, "{} bytes read", view.1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_or_refused(which in 0usize..5, bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let magic: [&[u8]; 5] = [b"BZh91AY&SY", &[0x1f, 0x8b, 8], b"\xfd7zXZ\0", &[0x28, 0xb5, 0x2f, 0xfd], b""];
            let _ = unpack([magic[which], &bytes].concat());
        }
    }
}

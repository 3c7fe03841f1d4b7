//! Packed content of an item, unpacked as its bytes come in.

use super::{
    super::{ContentError, ItemEncoding, Sink},
    Active,
};
use crate::fs::ntfs::{
    lznt1,
    wof::{Unpacker, WofError, chunks::Chunks},
};

impl Active<'_> {
    /// Takes the next bytes of a packed stream and feeds what they make complete.
    pub(super) fn unpack_chunks(
        &mut self,
        bytes: &[u8],
        unpacker: &mut Unpacker,
        room: &mut Vec<u8>,
        sink: &mut dyn Sink,
    ) {
        let item = self.item;
        if self.chunks.is_none()
            && let ItemEncoding::Wof(packing) | ItemEncoding::WofInline(packing, _) = self.feeding.encoding()
        {
            match Chunks::new(packing) {
                Ok(chunks) => self.chunks = Some(Box::new(chunks)),
                Err(error) => return self.chunks_failed(error, sink),
            }
        }
        let fed = self
            .chunks
            .as_mut()
            .map(|chunks| chunks.feed(bytes, unpacker, room, |unpacked| sink.bytes(item, unpacked)));
        if let Some(Err(error)) = fed {
            self.chunks_failed(error, sink);
        }
    }

    pub(super) fn chunks_failed(&mut self, error: WofError, sink: &mut dyn Sink) {
        if !self.failed {
            let at = self.chunks.as_ref().map_or(0, |chunks| chunks.at());
            let (range, reason) = (self.packed_range, error.to_string());
            sink.failed(self.item, ContentError::Corrupt { at, range, reason });
        }
        self.failed = true;
    }
}

/// Unpacks a compression unit: at most `keep` bytes.
pub(super) fn unpack(packed: &[u8], out: &mut Vec<u8>, keep: u64) -> Result<(), String> {
    out.clear();
    lznt1::decompress(packed, out, keep as usize).map_err(|error| error.to_string())?;
    out.truncate(keep as usize);
    Ok(())
}

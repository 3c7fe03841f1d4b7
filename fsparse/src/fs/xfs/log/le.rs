//! Little-endian fields: log items are in the byte order of the host that wrote them.

/// An item's bytes. What lies past their end reads as zero; callers check lengths.
#[derive(Clone, Copy)]
pub(super) struct Le<'a>(pub(super) &'a [u8]);

impl Le<'_> {
    pub(super) fn array<const N: usize>(self, at: usize) -> [u8; N] {
        let bytes = self.0.get(at..).and_then(<[u8]>::first_chunk::<N>);
        bytes.copied().unwrap_or([0; N])
    }

    pub(super) fn u8(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or_default()
    }

    pub(super) fn u16(self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub(super) fn u32(self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(super) fn u64(self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }
}

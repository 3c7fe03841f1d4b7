//! Finding the geometry: one read of the superblock.

use super::{
    features::INCOMPAT_RECOVER,
    superblock::{SUPERBLOCK_AT, SUPERBLOCK_BYTES, Superblock},
};
use crate::{
    error::ParseError,
    fs::{ProbeMachine, Probed},
    machine::{Fetched, Machine, Requests},
};
use coldread_model::{ByteRange, Gap, GapKind, VolumeState, codec};
use std::fmt::Write;

/// Reads the superblock.
pub(super) struct Probe {
    volume_bytes: u64,
    found: Result<(Superblock, Vec<u8>), ParseError>,
}

impl Probe {
    /// For a volume of so many bytes.
    pub(super) fn new(volume_bytes: u64) -> Self {
        Self { volume_bytes, found: Err(ParseError::NotFound { what: "superblock".to_owned() }) }
    }
}

impl Machine for Probe {
    fn start(&mut self, ask: &mut Requests) {
        ask.push(0, ByteRange::new(SUPERBLOCK_AT, SUPERBLOCK_BYTES));
    }

    fn feed(&mut self, fetched: Fetched<'_>, _: &mut Requests) {
        self.found = match fetched.fault(fetched.range) {
            Some((bad, error)) => {
                Err(ParseError::Io { at: bad.start, structure: "superblock", reason: error.to_string() })
            }
            None => Superblock::parse(fetched.bytes, self.volume_bytes)
                .map(|found| (found, fetched.bytes.to_vec())),
        };
    }
}

impl ProbeMachine for Probe {
    fn finish(self: Box<Self>) -> Result<Probed, ParseError> {
        let (found, identity) = self.found?;
        let geometry = &found.geometry;
        let mut gaps = Vec::new();
        if geometry.blocks < found.blocks {
            let reason = format!(
                "the filesystem has {} blocks of {} bytes, the volume ends after {}",
                found.blocks, geometry.block_bytes, geometry.blocks
            );
            gaps.push(Gap::new(GapKind::NotFound, "volume", reason).at_byte(self.volume_bytes));
        }
        let dirty = geometry.features.incompat & INCOMPAT_RECOVER != 0;
        let reason = match (dirty, found.external_journal) {
            (false, _) => "",
            (true, false) => "the journal holds changes that were not applied",
            (true, true) => "the journal is on another device and holds changes that were not applied",
        };
        if dirty {
            gaps.push(Gap::new(GapKind::Unreplayed, "journal", reason).at_byte(SUPERBLOCK_AT));
        }
        Ok(Probed {
            geometry: codec::to_bytes(geometry),
            units: u64::from(geometry.groups),
            name: geometry.features.flavour().to_owned(),
            label: (!found.label.is_empty()).then(|| String::from_utf8_lossy(&found.label).into_owned()),
            uuid: shown(&geometry.uuid),
            size_bytes: geometry.blocks * geometry.block(),
            block_bytes: geometry.block_bytes,
            state: if dirty { VolumeState::Unreplayed } else { VolumeState::Clean },
            reason: reason.to_owned(),
            patches: Vec::new(),
            identity,
            gaps,
        })
    }
}

/// A UUID in its usual form; none where all is zero.
fn shown(uuid: &[u8; 16]) -> Option<String> {
    if *uuid == [0; 16] {
        return None;
    }
    let mut text = String::with_capacity(36);
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}

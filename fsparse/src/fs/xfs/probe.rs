//! The probe: superblock, then the log's state.

use super::{
    log::{self, LogSearch, LogState},
    superblock::{self, Superblock},
};
use crate::{
    error::ParseError,
    fs::{ProbeMachine, Probed},
    machine::{Fetched, Machine, Requests},
};
use coldread_model::{ByteRange, Gap, GapKind, VolumeState};

const SUPERBLOCK_TAG: u64 = u64::MAX;

/// Finds the geometry of one volume.
pub(super) struct Probe {
    volume_bytes: u64,
    found: Result<Superblock, ParseError>,
    identity: Vec<u8>,
    log: Option<LogSearch>,
}

impl Probe {
    pub(super) fn new(volume_bytes: u64) -> Self {
        let missing = ParseError::NotFound { what: superblock::STRUCTURE.to_owned() };
        Self { volume_bytes, found: Err(missing), identity: Vec::new(), log: None }
    }
}

impl Machine for Probe {
    fn start(&mut self, ask: &mut Requests) {
        let len = superblock::MAX_BYTES.min(self.volume_bytes);
        ask.push(SUPERBLOCK_TAG, ByteRange::new(0, len));
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        if fetched.tag != SUPERBLOCK_TAG {
            if let Some(log) = &mut self.log {
                log.feed(&fetched, ask);
            }
            return;
        }
        if let Some((bad, error)) = fetched.fault(ByteRange::new(0, 512)) {
            let (at, reason) = (bad.start, error.to_string());
            self.found = Err(ParseError::Io { at, structure: superblock::STRUCTURE, reason });
            return;
        }
        self.found = superblock::parse(fetched.bytes, self.volume_bytes);
        if let Ok(found) = &self.found {
            let sector = found.geometry.sector_bytes as usize;
            self.identity = fetched.bytes.get(..sector).unwrap_or(fetched.bytes).to_vec();
            if !found.geometry.log.is_empty() {
                self.log.insert(LogSearch::new(found.geometry.log, found.uuid)).start(ask);
            }
        }
    }
}

impl ProbeMachine for Probe {
    fn finish(self: Box<Self>) -> Result<Probed, ParseError> {
        let found = self.found?;
        let mut gaps = found.gaps;
        let log = match self.log {
            Some(log) => log.verdict(),
            None => LogState::Dirty("the log is on another device, which is not at hand".to_owned()),
        };
        let at = found.geometry.log.start;
        let (state, reason) = match log {
            LogState::Clean => (VolumeState::Clean, String::new()),
            LogState::Dirty(reason) => {
                let gap = Gap::new(GapKind::Unreplayed, log::STRUCTURE, reason.clone());
                gaps.push(if at == 0 { gap } else { gap.at_byte(at) });
                (VolumeState::Unreplayed, reason)
            }
            LogState::Unread(at, reason) => {
                gaps.push(Gap::new(GapKind::Io, log::STRUCTURE, reason.clone()).at_byte(at));
                (VolumeState::Unreplayed, format!("the log could not be read: {reason}"))
            }
        };
        Ok(Probed {
            units: found.units,
            name: "xfs".to_owned(),
            label: found.label,
            uuid: Some(superblock::show_uuid(found.uuid)),
            size_bytes: found.size_bytes,
            block_bytes: 1 << found.geometry.block_log,
            state,
            reason,
            patches: Vec::new(),
            identity: self.identity,
            gaps,
            geometry: found.geometry.to_opaque(),
        })
    }
}

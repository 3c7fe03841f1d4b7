//! The probe: superblock, log, and the superblock again as the log leaves it.

use super::{
    log::{self, Outcome, Replay, Shape},
    superblock::{self, Superblock},
};
use crate::{
    error::ParseError,
    fs::{ProbeMachine, Probed},
    machine::{Fetched, Machine, Requests},
};
use coldread_model::{
    ByteRange, Gap, GapKind,
    task::{Patch, PatchContent},
};

const SUPERBLOCK_TAG: u64 = u64::MAX;

/// Finds the geometry of one volume.
pub(super) struct Probe {
    volume_bytes: u64,
    found: Result<Superblock, ParseError>,
    /// The volume's first bytes.
    head: Vec<u8>,
    log: Option<Replay>,
}

impl Probe {
    pub(super) fn new(volume_bytes: u64) -> Self {
        let missing = ParseError::NotFound { what: superblock::STRUCTURE.to_owned() };
        Self { volume_bytes, found: Err(missing), head: Vec::new(), log: None }
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
        self.head = fetched.bytes.to_vec();
        self.found = superblock::parse(fetched.bytes, self.volume_bytes);
        if let Ok(found) = &self.found
            && !found.geometry.log.is_empty()
        {
            let shape = Shape {
                geometry: found.geometry.clone(),
                volume_bytes: self.volume_bytes,
                uuid: found.uuid,
                meta_uuid: found.meta_uuid,
            };
            self.log.insert(Replay::new(shape)).start(ask);
        }
    }
}

/// The superblock as patches leave it; `None` where they leave it alone.
fn patched(head: &[u8], patches: &[Patch], volume_bytes: u64) -> Option<Result<Superblock, ParseError>> {
    let first = patches.first().filter(|patch| patch.at == 0)?;
    let PatchContent::Bytes(bytes) = &first.content else { return None };
    let mut head = head.to_vec();
    let len = bytes.len().min(head.len());
    head[..len].copy_from_slice(&bytes[..len]);
    Some(superblock::parse(&head, volume_bytes))
}

impl ProbeMachine for Probe {
    fn finish(self: Box<Self>) -> Result<Probed, ParseError> {
        let mut found = self.found?;
        let mut outcome = if let Some(log) = self.log {
            log.finish()
        } else {
            let reason = "the log is on another device, which is not at hand".to_owned();
            let gaps = vec![Gap::new(GapKind::Unreplayed, log::STRUCTURE, reason.clone())];
            Outcome::unreplayed(reason, gaps)
        };
        match patched(&self.head, &outcome.patches, self.volume_bytes) {
            Some(Ok(newer)) => found = newer,
            Some(Err(error)) => {
                let reason = format!("the log is not replayed: the superblock that it makes: {error}");
                outcome = Outcome::unreplayed(reason, vec![error.to_gap()]);
            }
            None => {}
        }
        let mut gaps = found.gaps;
        gaps.extend(outcome.gaps);
        found.geometry.freed = outcome.freed;
        let sector = found.geometry.sector_bytes as usize;
        Ok(Probed {
            units: found.units,
            name: "xfs".to_owned(),
            label: found.label,
            uuid: Some(superblock::show_uuid(found.uuid)),
            size_bytes: found.size_bytes,
            block_bytes: 1 << found.geometry.block_log,
            state: outcome.state,
            reason: outcome.reason,
            patches: outcome.patches,
            identity: self.head.get(..sector).unwrap_or(&self.head).to_vec(),
            gaps,
            geometry: found.geometry.to_opaque(),
        })
    }
}

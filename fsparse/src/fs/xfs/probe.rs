//! The probe: superblock, log, and the superblock again as the log leaves it.

use super::{
    copies::{self, Copies},
    log::{self, Outcome, Replay, Shape},
    roots::Roots,
    superblock::{self, Superblock},
};
use crate::{
    error::ParseError,
    fs::{ProbeMachine, Probed, cut::cut_short},
    machine::{Fetched, Machine, Requests},
};
use coldread_model::{
    ByteRange, Gap, GapKind, VolumeState,
    task::{Patch, PatchContent},
};

const SUPERBLOCK_TAG: u64 = u64::MAX;

/// Finds the geometry of one volume.
pub(super) struct Probe {
    volume_bytes: u64,
    found: Result<Superblock, ParseError>,
    /// The volume's first bytes.
    head: Vec<u8>,
    /// Asked where the superblock is damaged.
    copies: Option<Copies>,
    log: Option<Replay>,
    roots: Option<Roots>,
    /// The gap of a superblock that only its copies tell of.
    damage: Option<Gap>,
}

impl Probe {
    pub(super) fn new(volume_bytes: u64) -> Self {
        let missing = ParseError::NotFound { what: superblock::STRUCTURE.to_owned() };
        Self {
            volume_bytes,
            found: Err(missing),
            head: Vec::new(),
            copies: None,
            log: None,
            roots: None,
            damage: None,
        }
    }

    fn superblock(&mut self, fetched: &Fetched<'_>, ask: &mut Requests) {
        self.head = fetched.bytes.to_vec();
        let first = ByteRange::new(0, fetched.range.len.min(512));
        self.found = match fetched.fault(first) {
            Some((bad, error)) => {
                let (at, reason) = (bad.start, error.to_string());
                Err(ParseError::Io { at, structure: superblock::STRUCTURE, reason })
            }
            None => superblock::parse(fetched.bytes, self.volume_bytes),
        };
        match &self.found {
            Ok(_) => self.begin(ask),
            Err(ParseError::Unsupported { .. }) if superblock::is_sound(fetched.bytes) => {}
            Err(_) => {
                let copies = self.copies.insert(Copies::new(self.volume_bytes));
                if !copies.start(fetched.bytes, ask) {
                    self.elect(ask);
                }
            }
        }
    }

    /// Goes on with what the superblock's copies agree on.
    fn elect(&mut self, ask: &mut Requests) {
        if let Some((elected, votes, all)) = self.copies.take().and_then(Copies::elect)
            && let Err(error) = &self.found
        {
            self.damage = Some(copies::gap(error, votes, all));
            self.found = Ok(elected);
            self.begin(ask);
        }
    }

    /// Asks for the log and, with it, for what a survey needs first.
    fn begin(&mut self, ask: &mut Requests) {
        let Ok(found) = &self.found else { return };
        self.roots.insert(Roots::new(found.geometry.clone())).start(found.units, ask);
        if !found.geometry.log.is_empty() {
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

impl Machine for Probe {
    fn start(&mut self, ask: &mut Requests) {
        let len = superblock::MAX_BYTES.min(self.volume_bytes);
        ask.push(SUPERBLOCK_TAG, ByteRange::new(0, len));
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        match fetched.tag {
            SUPERBLOCK_TAG => self.superblock(&fetched, ask),
            tag if Roots::asked(tag) => {
                if let Some(roots) = &mut self.roots {
                    roots.feed(&fetched, ask);
                }
            }
            tag if Copies::asked(tag) => {
                if let Some(copies) = &mut self.copies
                    && !copies.feed(&fetched, ask)
                {
                    self.elect(ask);
                }
            }
            _ => {
                if let Some(log) = &mut self.log {
                    log.feed(&fetched, ask);
                }
            }
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
        if outcome.state != VolumeState::Clean && found.log_features != 0 {
            let reason =
                format!("the log is not replayed: features {:#x} of logs are unknown", found.log_features);
            let gap = Gap::new(GapKind::Unsupported, log::STRUCTURE, reason.clone());
            outcome = Outcome::unreplayed(reason, vec![gap.at_byte(found.geometry.log.start)]);
        }
        if let Some(damage) = self.damage {
            // The kernel would not mount it.
            let reasons = [&*outcome.reason, "the superblock is damaged and read from its copies"];
            outcome.reason =
                reasons.into_iter().filter(|reason| !reason.is_empty()).collect::<Vec<_>>().join("; ");
            if outcome.state != VolumeState::Unreplayed {
                outcome.state = VolumeState::Partial;
            }
            outcome.gaps.push(damage);
        } else {
            match patched(&self.head, &outcome.patches, self.volume_bytes) {
                Some(Ok(newer)) => found = newer,
                Some(Err(error)) => {
                    let reason = format!("the log is not replayed: the superblock that it makes: {error}");
                    outcome = Outcome::unreplayed(reason, vec![error.to_gap()]);
                }
                None => {}
            }
        }
        let mut gaps = found.gaps;
        gaps.extend(outcome.gaps);
        let unfinished = outcome.unfinished;
        (found.geometry.freed, found.geometry.remaps) = (unfinished.freed, unfinished.remaps);
        found.geometry.reowned = unfinished.owners;
        if outcome.patches.is_empty()
            && let Some(roots) = self.roots
        {
            found.geometry.inode_roots = roots.finish();
        }
        let sector = found.geometry.sector_bytes as usize;
        let probed = Probed {
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
        };
        Ok(cut_short(probed, found.size_bytes, self.volume_bytes))
    }
}

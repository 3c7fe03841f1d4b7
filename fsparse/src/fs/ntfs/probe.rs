//! The probe: boot sector, the MFT's own map, the volume's name and state.

use super::{
    boot::{BOOT_BYTES, BootSector},
    copies::BootSectors,
    facts::{BITMAP, Facts, LOG_FILE, MFT, VOLUME},
    geometry::{Geometry, ROOT, joined},
    hibernation::{MAX_NODES, START_BYTES, Step, holds_session, search_node, search_root},
    loader::Loader,
    logfile::{LogState, RESTART_BYTES, log_state},
    record::malformed,
    runs::{Piece, locate},
};
use crate::{
    error::ParseError,
    fs::{ProbeMachine, Probed, cut::cut_short},
    machine::{Fetched, Machine, Requests},
};
use coldread_model::{ByteRange, Gap, GapKind, VolumeState};

const INDEX: &str = "directory index";

/// Marks the tags of requests for a node of the root directory's index, or for the start of the hibernation
/// file; the rest of the tag is the offset in it.
const NODE_TAG: u64 = 1 << 63;

/// How often the MFT's own record is read: each time through what it has mapped so far, which is all of it the second
/// time where somebody else than an attacker wrote it.
const MAX_MFT_READS: u32 = 32;

/// Flag of `$VOLUME_INFORMATION`: the volume is to be checked.
const VOLUME_IS_DIRTY: u16 = 1;

enum Stage {
    /// The boot sector and the places at the end where its copy may be.
    Boot,
    /// Record 0, read through what is known of the MFT; from the mirror if `mirror`.
    Mft { loader: Box<Loader<Facts>>, known: u64, mirror: bool },
    /// The log, the volume and the bitmap.
    Files(Box<Loader<Facts>>),
    /// The log's restart pages, and the first node of the root directory's index.
    Log,
    /// Further nodes of it.
    Nodes,
    /// The record of the hibernation file.
    Hibernation(Box<Loader<Facts>>),
    /// Its start.
    Session,
    /// Nothing is left to read.
    Done,
}

/// The machine that probes.
pub(super) struct NtfsProbe {
    volume_bytes: u64,
    stage: Stage,
    /// Requests under way.
    left: usize,
    sectors: BootSectors,
    identity: Vec<u8>,
    boot: Option<BootSector>,
    geometry: Option<Geometry>,
    facts: Option<Facts>,
    restart: Vec<u8>,
    /// The node of the root directory's index, or the start of the hibernation file, that is being read.
    node: Vec<u8>,
    /// Where it lies.
    node_at: Option<u64>,
    /// Nodes that were asked for.
    nodes: u32,
    /// How often record 0 was asked for.
    mft_reads: u32,
    /// Some of the log's restart pages could not be read.
    log_unread: bool,
    /// How the search for the hibernation file goes on once the log was read.
    next: Step,
    /// Why the volume is not clean.
    unreplayed: Vec<String>,
    partial: Vec<String>,
    gaps: Vec<Gap>,
    error: Option<ParseError>,
}

impl NtfsProbe {
    /// Probes a volume of so many bytes.
    pub(super) fn new(volume_bytes: u64) -> Self {
        Self {
            volume_bytes,
            stage: Stage::Boot,
            left: 0,
            sectors: BootSectors::new(volume_bytes),
            identity: Vec::new(),
            boot: None,
            geometry: None,
            facts: None,
            restart: vec![0; RESTART_BYTES as usize],
            node: Vec::new(),
            node_at: None,
            nodes: 0,
            mft_reads: 0,
            log_unread: false,
            next: Step::Nowhere,
            unreplayed: Vec::new(),
            partial: Vec::new(),
            gaps: Vec::new(),
            error: None,
        }
    }

    /// Goes on once a stage has all that it asked for.
    fn advance(&mut self, ask: &mut Requests) {
        while self.left == 0 {
            let before = ask.len();
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Boot => {
                    if let Some(boot) = self.read_boot() {
                        self.boot = Some(boot);
                        self.ask_mft(boot.mft_lcn, false, ask);
                    }
                }
                Stage::Mft { loader, known, mirror } => self.read_mft(loader.sink, known, mirror, ask),
                Stage::Files(loader) => self.read_files(loader.sink, ask),
                Stage::Log => {
                    self.read_log();
                    match std::mem::replace(&mut self.next, Step::Nowhere) {
                        Step::Nowhere => self.read_node(ask),
                        step => self.search(step, ask),
                    }
                }
                Stage::Nodes => self.read_node(ask),
                Stage::Hibernation(loader) => self.read_hibernation(loader.sink, ask),
                Stage::Session => {
                    if holds_session(&self.node) {
                        self.unreplayed.push("Windows sleeps in hiberfil.sys".to_owned());
                    }
                }
                Stage::Done => break,
            }
            self.left += ask.len() - before;
        }
    }

    fn read_boot(&mut self) -> Option<BootSector> {
        match self.sectors.read() {
            Ok((boot, identity, gap)) => {
                self.identity = identity;
                self.gaps.extend(gap);
                Some(boot)
            }
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }

    /// Reads record 0 at a cluster, of which nothing else is known.
    fn ask_mft(&mut self, lcn: u64, mirror: bool, ask: &mut Requests) {
        let Some(boot) = self.boot else { return };
        let start = lcn * u64::from(boot.cluster_bytes);
        let record = u64::from(boot.record_bytes);
        let pieces = [Piece { logical: 0, range: ByteRange::new(start, record) }];
        self.ask_mft_through(&boot, &pieces, record, mirror, ask);
    }

    fn ask_mft_through(
        &mut self,
        boot: &BootSector,
        pieces: &[Piece],
        known: u64,
        mirror: bool,
        ask: &mut Requests,
    ) {
        self.mft_reads += 1;
        let geometry = Geometry::new(boot, pieces, known);
        let facts = Facts::new(geometry.clusters());
        let mut loader = Box::new(Loader::of_numbers(geometry, &[MFT], facts));
        loader.start(ask);
        self.stage = Stage::Mft { loader, known, mirror };
    }

    /// Record 0 was read through `known` bytes of the MFT.
    fn read_mft(&mut self, mut facts: Facts, known: u64, mirror: bool, ask: &mut Requests) {
        let Some(boot) = self.boot else { return };
        let Some(mft) = facts.mft.take() else {
            self.gaps.append(&mut facts.gaps);
            if mirror {
                let at = boot.mft_lcn * u64::from(boot.cluster_bytes);
                let wrong = "neither it nor its mirror is";
                self.error =
                    Some(ParseError::corrupt(at, "MFT record 0", "a record that maps the MFT", wrong));
            } else {
                self.ask_mft(boot.mft_mirror_lcn, true, ask);
            }
            return;
        };
        let mapped: u64 = joined(&mft.pieces).iter().map(|range| range.len).sum();
        if !mft.whole && mapped > known && mapped <= boot.size_bytes && self.mft_reads < MAX_MFT_READS {
            // What is mapped now leads to the records that map the rest.
            self.ask_mft_through(&boot, &mft.pieces, mapped, mirror, ask);
            return;
        }
        self.gaps.append(&mut facts.gaps);
        let initialized = if mft.whole { mft.initialized } else { mapped };
        let geometry = Geometry::new(&boot, &mft.pieces, initialized);
        let bytes = geometry.records * u64::from(geometry.record_bytes);
        if !mft.whole || bytes + u64::from(geometry.record_bytes) <= initialized {
            let reason = if joined(&mft.pieces).len() > geometry.mft.len() {
                format!("after {bytes} bytes of the MFT its runs lie on those before")
            } else {
                format!("only {bytes} bytes of the MFT are mapped")
            };
            self.gaps.push(Gap::new(GapKind::Corrupt, "$MFT", reason.clone()).at_inode(MFT));
            self.partial.push(reason);
        }
        let facts = Facts::new(geometry.clusters());
        let mut loader =
            Box::new(Loader::of_numbers(geometry.clone(), &[LOG_FILE, VOLUME, ROOT, BITMAP], facts));
        loader.start(ask);
        self.geometry = Some(geometry);
        self.stage = Stage::Files(loader);
    }

    fn read_files(&mut self, mut facts: Facts, ask: &mut Requests) {
        self.gaps.append(&mut facts.gaps);
        if facts.bitmap.is_none() && self.gaps.iter().all(|gap| gap.inode != Some(BITMAP)) {
            let reason = "its record maps no clusters: what is free is not known";
            self.gaps.push(Gap::new(GapKind::Corrupt, "$Bitmap", reason).at_inode(BITMAP));
        }
        if let (Some(bitmap), Some(geometry)) = (&facts.bitmap, &mut self.geometry) {
            geometry.bitmap = joined(&bitmap.pieces);
            let bytes: u64 = geometry.bitmap.iter().map(|range| range.len).sum();
            if bytes.min(bitmap.initialized) < geometry.clusters.div_ceil(8) {
                let reason = format!("{bytes} bytes for {} clusters", geometry.clusters);
                self.gaps.push(Gap::new(GapKind::Corrupt, "$Bitmap", reason).at_inode(BITMAP));
            }
        }
        if let Some((major, minor)) = facts.version
            && !matches!((major, minor), (3, 0 | 1) | (1, 0..=2))
        {
            let reason = format!("NTFS version {major}.{minor} is not known");
            self.gaps.push(Gap::new(GapKind::Unsupported, "$VOLUME_INFORMATION", reason).at_inode(VOLUME));
        }
        if facts.volume_flags & VOLUME_IS_DIRTY != 0 {
            self.unreplayed.push("the volume is marked dirty".to_owned());
        }
        if facts.version.is_none() {
            let reason = "whether the volume is marked dirty is not known";
            if self.gaps.iter().all(|gap| gap.inode != Some(VOLUME)) {
                let gap = Gap::new(GapKind::Corrupt, "$VOLUME_INFORMATION", reason);
                self.gaps.push(gap.at_inode(VOLUME));
            }
            self.unreplayed.push(reason.to_owned());
        }
        if let Some(log) = &facts.log {
            for (offset, range) in locate(&log.pieces, 0, RESTART_BYTES) {
                ask.push(offset, range);
            }
        }
        self.stage = Stage::Log;
        let first = match facts.root.as_ref().map_or(Ok(Step::Nowhere), search_root) {
            Ok(step) => step,
            Err(wrong) => {
                self.gaps.push(wrong.to_gap(INDEX, ROOT, None));
                Step::Nowhere
            }
        };
        self.facts = Some(facts);
        match first {
            Step::Node(_) => self.search(first, ask),
            _ => self.next = first,
        }
    }

    /// Goes on with the search for the hibernation file.
    fn search(&mut self, step: Step, ask: &mut Requests) {
        self.node.clear();
        let (Some(facts), Some(geometry)) = (&mut self.facts, &self.geometry) else { return };
        match step {
            Step::Nowhere => {}
            Step::Node(number) => {
                let Some(root) = facts.root.as_ref() else { return };
                if self.nodes >= MAX_NODES {
                    let reason = format!("more than {MAX_NODES} levels: whether Windows sleeps is not known");
                    self.gaps.push(Gap::new(GapKind::Limit, INDEX, reason).at_inode(ROOT));
                    return;
                }
                self.nodes += 1;
                let parts = root.node_at(number);
                if parts.is_empty() {
                    let wrong = malformed("a node that its mapping reaches", number);
                    self.gaps.push(wrong.to_gap(INDEX, ROOT, self.node_at));
                    return;
                }
                self.node.resize(root.node_bytes(), 0);
                for (offset, range) in parts {
                    ask.push(NODE_TAG | offset, range);
                }
                if !matches!(self.stage, Stage::Log) {
                    self.stage = Stage::Nodes;
                }
            }
            Step::Found(reference) => {
                let mut sink = Facts::new(facts.clusters);
                sink.hibernation = Some((reference, None));
                let mut loader = Box::new(Loader::of_numbers(geometry.clone(), &[reference.number], sink));
                loader.start(ask);
                self.stage = Stage::Hibernation(loader);
            }
        }
    }

    fn read_node(&mut self, ask: &mut Requests) {
        if self.node.is_empty() {
            return;
        }
        match search_node(&mut self.node) {
            Ok(step) => self.search(step, ask),
            Err(wrong) => self.gaps.push(wrong.to_gap(INDEX, ROOT, self.node_at)),
        }
    }

    /// The hibernation file's record was read: asks for the file's start.
    fn read_hibernation(&mut self, mut facts: Facts, ask: &mut Requests) {
        self.gaps.append(&mut facts.gaps);
        let Some((_, Some(stream))) = facts.hibernation else { return };
        self.node = vec![0; START_BYTES.min(stream.initialized) as usize];
        for (offset, range) in locate(&stream.pieces, 0, self.node.len() as u64) {
            ask.push(NODE_TAG | offset, range);
        }
        self.stage = Stage::Session;
    }

    fn read_log(&mut self) {
        if self.facts.as_ref().is_none_or(|facts| facts.log.is_none()) {
            self.unreplayed.push("where the log lies is not known".to_owned());
            return;
        }
        match log_state(&self.restart) {
            Ok(LogState::Open) => self.unreplayed.push("the log was not closed".to_owned()),
            // The gap of what could not be read is there; a page that is not known may be the newer one.
            _ if self.log_unread => {
                self.unreplayed.push("the log's restart pages could not be read".to_owned());
            }
            Ok(LogState::Clean) => {}
            Err(wrong) => {
                self.gaps.push(wrong.to_gap("$LogFile", LOG_FILE, None));
                self.unreplayed.push("the log's restart pages are damaged".to_owned());
            }
        }
    }
}

impl Machine for NtfsProbe {
    fn start(&mut self, ask: &mut Requests) {
        self.sectors.ask(ask);
        self.left = ask.len();
        if self.left == 0 {
            let wanted = format!("{BOOT_BYTES} bytes or more");
            self.error = Some(ParseError::corrupt(0, "NTFS boot sector", wanted, self.volume_bytes));
            self.stage = Stage::Done;
        }
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        self.left = self.left.saturating_sub(1);
        let before = ask.len();
        match &mut self.stage {
            Stage::Boot => self.sectors.take(&fetched),
            Stage::Mft { loader, .. } | Stage::Files(loader) | Stage::Hibernation(loader) => {
                loader.feed(fetched, ask);
            }
            Stage::Log | Stage::Nodes | Stage::Session if fetched.tag & NODE_TAG != 0 => {
                if let Some((range, error)) = fetched.bad.first() {
                    let structure = match self.stage {
                        Stage::Session => "hiberfil.sys",
                        _ => INDEX,
                    };
                    self.gaps.push(Gap::new(GapKind::Io, structure, error.to_string()).at_byte(range.start));
                    self.node.clear();
                }
                let start = (fetched.tag & !NODE_TAG) as usize;
                self.node_at = if start == 0 { Some(fetched.range.start) } else { self.node_at };
                if let Some(place) = self.node.get_mut(start..start + fetched.bytes.len()) {
                    place.copy_from_slice(fetched.bytes);
                }
            }
            Stage::Log | Stage::Nodes | Stage::Session => {
                if let Some((range, error)) = fetched.bad.first() {
                    // The tag is the offset in the log.
                    self.gaps.push(Gap::new(GapKind::Io, "$LogFile", error.to_string()).at_byte(range.start));
                    self.log_unread = true;
                }
                let start = fetched.tag as usize;
                if let Some(place) = self.restart.get_mut(start..start + fetched.bytes.len()) {
                    place.copy_from_slice(fetched.bytes);
                }
            }
            Stage::Done => {}
        }
        self.left += ask.len() - before;
        self.advance(ask);
    }
}

impl ProbeMachine for NtfsProbe {
    fn finish(mut self: Box<Self>) -> Result<Probed, ParseError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let (Some(boot), Some(geometry), Some(facts)) = (self.boot, self.geometry, self.facts) else {
            return Err(ParseError::NotFound { what: "the MFT".to_owned() });
        };
        // The copy of the boot sector may lie outside the partition's image; clusters must not.
        let clusters_end = geometry.clusters().range(boot.clusters, 0).start;
        let (state, reason) = if !self.unreplayed.is_empty() {
            let reason = self.unreplayed.join("; ");
            self.gaps.push(Gap::new(GapKind::Unreplayed, "$LogFile", reason.clone()));
            (VolumeState::Unreplayed, reason)
        } else if self.partial.is_empty() {
            (VolumeState::Clean, String::new())
        } else {
            (VolumeState::Partial, self.partial.join("; "))
        };
        let size_bytes = boot.size_bytes.min(self.volume_bytes);
        let probed = Probed {
            geometry: geometry.encode(),
            units: geometry.units(),
            name: "ntfs".to_owned(),
            label: facts.label,
            uuid: Some(format!("{:016X}", boot.serial)),
            size_bytes,
            block_bytes: boot.cluster_bytes,
            state,
            reason,
            patches: Vec::new(),
            identity: self.identity,
            gaps: self.gaps,
        };
        Ok(Probed { size_bytes, ..cut_short(probed, clusters_end, self.volume_bytes) })
    }
}

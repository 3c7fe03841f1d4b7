//! The way through an archive and those within it: in rounds where they lie in the file as they are, at once where they
//! had to be unpacked.

use super::{
    archive::{Archive, Artifact, Faults},
    is_archive,
    manifest::{Manifest, Pom},
};
use crate::{
    probe::{MAX_RANGES, MAX_ROUND_BYTES},
    zip::{self, Entry, FIRST_TAIL, LOCAL, LONGEST_TAIL, Malformed, UnpackError, Unpacker},
};
use coldread_model::{ByteRange, GapKind};
use std::collections::VecDeque;

/// Archives around one that is looked into: an ear holds wars, these jars, some of these others.
const MAX_DEPTH: u8 = 4;
/// Archives, and members that are read, of one file.
const MAX_ARCHIVES: usize = 4096;
const MAX_MEMBERS: usize = 32 << 10;
/// The longest directory: that of half a million members.
const MAX_DIRECTORY: u64 = 32 << 20;
/// What is read of a manifest and of a pom.properties.
const MAX_MANIFEST: usize = 64 << 10;
const MAX_POM: usize = 64 << 10;
/// The largest archive that is unpacked.
const MAX_UNPACKED: u64 = 64 << 20;
/// A member that is read at once; of larger ones so much is read in a round.
const WHOLE: u64 = MAX_ROUND_BYTES;
/// What a member's header may have beyond what the directory says of it.
const SLACK: u64 = 64;
/// What may be read and unpacked of a file in all: for each of its bytes, for small ones, and for any.
const WORK_RATIO: u64 = 64;
const FREE_WORK: u64 = 16 << 20;
const MAX_WORK: u64 = 1 << 30;
/// Bytes of names and texts that are kept of a file: paths of members may be long, and a directory may be read again as
/// that of many archives.
const MAX_HELD: usize = 16 << 20;

/// What was found, of all archives of a file.
pub(super) struct Found {
    pub(super) artifacts: Vec<Artifact>,
    pub(super) faults: Faults,
    archives: usize,
    members: usize,
    /// Bytes that may still be read and unpacked.
    work: u64,
    /// Bytes of names and texts that were kept.
    held: usize,
    is_over: bool,
}

impl Found {
    /// Nothing as yet of a file of so many bytes.
    pub(super) fn of_file(bytes: u64) -> Self {
        let work = bytes.saturating_mul(WORK_RATIO).saturating_add(FREE_WORK).min(MAX_WORK);
        let (artifacts, faults) = (Vec::new(), Vec::new());
        Self { artifacts, faults, archives: 1, members: 0, work, held: 0, is_over: false }
    }

    /// Bytes of names and texts that were kept.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Counts what is kept; whether it may be.
    fn may_keep(&mut self, bytes: usize) -> bool {
        self.held = self.held.saturating_add(bytes);
        if self.held > MAX_HELD {
            self.over("and too long names");
        }
        !self.is_over
    }

    fn fault(&mut self, archive: &Archive, kind: GapKind, reason: impl std::fmt::Display) {
        let within = if archive.depth == 0 {
            String::new()
        } else {
            format!("{}: ", String::from_utf8_lossy(&archive.name))
        };
        let reason = format!("{within}{reason}");
        if self.may_keep(reason.len()) {
            self.faults.push((kind, reason));
        }
    }

    /// Takes from what may be done; from when nothing is left, nothing more is.
    fn work(&mut self, bytes: usize) {
        self.work = self.work.saturating_sub(bytes as u64);
        if self.work == 0 {
            self.over("bytes to read and unpack");
        }
    }

    fn over(&mut self, what: &str) {
        if !std::mem::replace(&mut self.is_over, true) {
            // Of many faults only the first ones are told one by one.
            let reason = format!("it holds too many {what}; the rest is not told");
            self.faults.insert(0, (GapKind::Limit, reason));
        }
    }
}

/// What a member is.
#[derive(Clone, Debug)]
enum Kind {
    Manifest,
    /// With the names of its group's and its artifact's directory.
    Pom(Vec<u8>, Vec<u8>),
    /// With its path.
    Archive(Vec<u8>),
}

/// A member that is to be read.
#[derive(Clone, Debug)]
struct Member {
    archive: usize,
    kind: Kind,
    method: u16,
    crc: u32,
    packed: u64,
    unpacked: u64,
    /// Where its local header lies, in what is read.
    at: u64,
}

/// What is done with a range once it is read.
#[derive(Debug)]
enum Step {
    /// Look for the directory.
    Tail { archive: usize },
    /// Read the entries; `held` is what was left over, `rest` what follows.
    Directory { archive: usize, held: Vec<u8>, rest: ByteRange },
    /// Find a member's bytes.
    Header { member: Member },
    /// Read a member that lies in the range with its header.
    Whole { member: Member },
    /// Unpack a part of a member.
    Part { member: Member, unpacker: Unpacker, rest: ByteRange },
}

/// The way through one archive and those that lie in it as they are.
pub(super) struct Walk {
    archives: Vec<Archive>,
    queue: VecDeque<(ByteRange, Step)>,
    /// Members that are unpacked piece by piece, one after another.
    long: VecDeque<Member>,
    asked: VecDeque<(ByteRange, Step)>,
}

impl Walk {
    /// Through a file.
    pub(super) fn of_file(bytes: u64) -> Self {
        Self::through(Archive { len: bytes, ..Archive::default() })
    }

    fn through(archive: Archive) -> Self {
        let (queue, asked) = (VecDeque::new(), VecDeque::new());
        let mut walk = Self { archives: Vec::new(), queue, long: VecDeque::new(), asked };
        walk.begin(archive);
        walk
    }

    fn begin(&mut self, archive: Archive) {
        let len = archive.len.min(FIRST_TAIL);
        let range = ByteRange::new(archive.start.saturating_add(archive.len - len), len);
        self.queue.push_back((range, Step::Tail { archive: self.archives.len() }));
        self.archives.push(archive);
    }

    /// What to read next.
    pub(super) fn need(&mut self, found: &Found) -> Vec<ByteRange> {
        if found.is_over {
            self.queue.clear();
            self.long.clear();
        }
        if self.queue.is_empty()
            && let Some(member) = self.long.pop_front()
        {
            self.queue.push_back((ByteRange::new(member.at, LOCAL), Step::Header { member }));
        }
        let (mut ranges, mut bytes) = (Vec::new(), 0_u64);
        while ranges.len() < MAX_RANGES
            && let Some((range, step)) = self.queue.pop_front()
        {
            bytes = bytes.saturating_add(range.len);
            if bytes > MAX_ROUND_BYTES && !ranges.is_empty() {
                self.queue.push_front((range, step));
                break;
            }
            ranges.push(range);
            self.asked.push_back((range, step));
        }
        ranges
    }

    /// Takes the bytes of the next of the ranges that were asked for.
    pub(super) fn feed(&mut self, bytes: &[u8], found: &mut Found) {
        let Some((range, step)) = self.asked.pop_front() else { return };
        if found.is_over {
            return;
        }
        found.work(bytes.len());
        match step {
            Step::Tail { archive } => self.tail(archive, range, bytes, found),
            Step::Directory { archive, mut held, rest } => {
                held.extend_from_slice(bytes);
                self.entries(archive, &held, rest, found);
            }
            Step::Header { member } => self.header(member, bytes, found),
            Step::Whole { member } => self.whole(member, bytes, found),
            Step::Part { member, unpacker, rest } => self.part(member, unpacker, bytes, rest, found),
        }
    }

    /// Ends the walk: says what each archive is. `path` is that of the file.
    pub(super) fn finish(mut self, path: Option<&[u8]>, found: &mut Found) {
        for archive in &mut self.archives {
            let path = path.filter(|_| archive.depth == 0);
            found.artifacts.extend(archive.artifacts(path));
        }
    }

    /// Bytes of memory that the next round takes.
    pub(super) fn holds(&self) -> usize {
        let step = |(range, step): &(ByteRange, Step)| {
            let more = match step {
                Step::Whole { member: Member { kind: Kind::Archive(_), unpacked, .. } } => {
                    (*unpacked).min(MAX_UNPACKED)
                }
                Step::Part { member, .. } => member.unpacked.min(MAX_UNPACKED),
                Step::Directory { held, .. } => held.len() as u64,
                _ => 0,
            };
            (range.len, more)
        };
        let (read, most) = self
            .asked
            .iter()
            .map(step)
            .fold((0, 0), |(read, most), (len, more)| (read + len, more.max(most)));
        usize::try_from(read.saturating_add(most)).unwrap_or(usize::MAX)
    }

    fn tail(&mut self, index: usize, range: ByteRange, bytes: &[u8], found: &mut Found) {
        let archive = &mut self.archives[index];
        match zip::directory(bytes, archive.len) {
            Err(error) => found.fault(archive, GapKind::Corrupt, error),
            Ok(None) if range.len < archive.len.min(LONGEST_TAIL) => {
                let len = archive.len.min(LONGEST_TAIL);
                let range = ByteRange::new(archive.start + (archive.len - len), len);
                self.queue.push_back((range, Step::Tail { archive: index }));
            }
            Ok(None) => {
                let reason = "it has no end of a directory: it is cut short, or no archive";
                found.fault(archive, GapKind::Corrupt, reason);
            }
            Ok(Some(directory)) if directory.range.len > MAX_DIRECTORY => {
                let reason = format!("its directory has {} bytes", directory.range.len);
                found.fault(archive, GapKind::Limit, reason);
            }
            Ok(Some(directory)) => {
                archive.shift = directory.shift;
                let whole = ByteRange::new(archive.start + directory.range.start, directory.range.len);
                // Of small archives it is at hand.
                let inside = whole.start.checked_sub(range.start).and_then(|at| usize::try_from(at).ok());
                let held = inside.and_then(|at| bytes.get(at..at.checked_add(whole.len as usize)?));
                match held {
                    Some(held) => self.entries(index, held, ByteRange::new(whole.end(), 0), found),
                    None => self.directory(index, Vec::new(), whole),
                }
            }
        }
    }

    /// Asks for the next part of a directory.
    fn directory(&mut self, archive: usize, held: Vec<u8>, rest: ByteRange) {
        let (part, rest) = part(rest);
        self.queue.push_back((part, Step::Directory { archive, held, rest }));
    }

    fn entries(&mut self, index: usize, held: &[u8], rest: ByteRange, found: &mut Found) {
        let mut at = 0;
        loop {
            match zip::entry(&held[at..]) {
                Err(Malformed(reason)) => {
                    return found.fault(&self.archives[index], GapKind::Corrupt, reason);
                }
                Ok(Some((entry, len))) => {
                    self.entry(index, &entry, found);
                    at += len;
                }
                Ok(None) if rest.len > 0 => return self.directory(index, held[at..].to_vec(), rest),
                Ok(None) if at == held.len() => return,
                Ok(None) => {
                    return found.fault(
                        &self.archives[index],
                        GapKind::Corrupt,
                        "its directory is cut short",
                    );
                }
            }
        }
    }

    /// Takes one entry of a directory if it is one of those that matter.
    fn entry(&mut self, index: usize, entry: &Entry<'_>, found: &mut Found) {
        let Some(kind) = kind(entry.name) else { return };
        if found.is_over || entry.unpacked == 0 {
            return;
        }
        found.members += 1;
        if found.members > MAX_MEMBERS {
            return found.over("members");
        }
        if !found.may_keep(size_of::<Member>() + entry.name.len()) {
            return;
        }
        let archive = &self.archives[index];
        let name = String::from_utf8_lossy(entry.name);
        if entry.is_encrypted {
            return found.fault(archive, GapKind::Unsupported, format!("{name}: it is encrypted"));
        }
        let at = archive.start.saturating_add(archive.shift).saturating_add(entry.offset);
        let end = archive.start.saturating_add(archive.len);
        if at.saturating_add(LOCAL).saturating_add(entry.packed) > end {
            return found.fault(archive, GapKind::Corrupt, format!("{name}: it lies outside of the archive"));
        }
        if let Kind::Archive(_) = kind
            && archive.depth >= MAX_DEPTH
        {
            let reason = format!("{name}: it lies in more than {MAX_DEPTH} archives");
            return found.fault(archive, GapKind::Limit, reason);
        }
        let Entry { method, crc, packed, unpacked, .. } = *entry;
        let member = Member { archive: index, kind, method, crc, packed, unpacked, at };
        let ahead = LOCAL + entry.name.len() as u64 + u64::from(entry.extra) + SLACK;
        let is_stored = matches!(member.kind, Kind::Archive(_)) && method == 0;
        if is_stored {
            self.queue.push_back((ByteRange::new(at, LOCAL), Step::Header { member }));
        } else if packed.saturating_add(ahead) > WHOLE {
            self.long.push_back(member);
        } else {
            let range = ByteRange::new(at, (ahead + packed).min(end - at));
            self.queue.push_back((range, Step::Whole { member }));
        }
    }

    /// Goes on where a header says that its member's bytes begin.
    fn header(&mut self, member: Member, bytes: &[u8], found: &mut Found) {
        let archive = &self.archives[member.archive];
        let start = match zip::data_start(bytes) {
            Ok(start) => member.at.saturating_add(start),
            Err(error) => return found.fault(archive, GapKind::Corrupt, member.said(error)),
        };
        let range = ByteRange::new(start, member.packed);
        if range.end() > archive.start.saturating_add(archive.len) {
            return found.fault(archive, GapKind::Corrupt, member.said("it lies outside of the archive"));
        }
        match (&member.kind, member.method) {
            (Kind::Archive(name), 0) => {
                let (name, depth) = (within(archive, name), archive.depth + 1);
                if found.one_more() && found.may_keep(size_of::<Archive>() + name.len()) {
                    self.begin(Archive { name, start, len: member.packed, depth, ..Archive::default() });
                }
            }
            _ => match Unpacker::new(member.method, member.limit()) {
                Ok(unpacker) => {
                    let (range, rest) = part(range);
                    self.queue.push_back((range, Step::Part { member, unpacker, rest }));
                }
                Err(error) => found.fault(archive, kind_of(error), member.said(error)),
            },
        }
    }

    fn whole(&mut self, member: Member, bytes: &[u8], found: &mut Found) {
        let data = zip::data_start(bytes).map(|start| {
            let start = usize::try_from(start).ok()?;
            bytes.get(start..start.checked_add(usize::try_from(member.packed).ok()?)?)
        });
        match data {
            Ok(Some(data)) => match Unpacker::new(member.method, member.limit()) {
                Ok(unpacker) => self.part(member, unpacker, data, ByteRange::new(0, 0), found),
                Err(error) => found.fault(&self.archives[member.archive], kind_of(error), member.said(error)),
            },
            // Its header is longer than the directory made believe.
            Ok(None) => self.header(member, bytes, found),
            Err(error) => found.fault(&self.archives[member.archive], GapKind::Corrupt, member.said(error)),
        }
    }

    fn part(
        &mut self,
        member: Member,
        mut unpacker: Unpacker,
        bytes: &[u8],
        rest: ByteRange,
        found: &mut Found,
    ) {
        let archive = &mut self.archives[member.archive];
        let before = unpacker.unpacked().len();
        let fed = unpacker.feed(bytes);
        found.work(unpacker.unpacked().len() - before);
        let unpacked = match fed {
            // The main section is at its start, and long ones have a digest of each member behind it.
            Err(UnpackError::TooLarge) if matches!(member.kind, Kind::Manifest) => {
                archive.manifest = Manifest::read(unpacker.unpacked());
                return;
            }
            Err(error) => return found.fault(archive, kind_of(error), member.said(error)),
            Ok(()) if rest.len > 0 => {
                let (range, rest) = part(rest);
                self.queue.push_back((range, Step::Part { member, unpacker, rest }));
                return;
            }
            Ok(()) => unpacker.finish(member.crc),
        };
        let bytes = match unpacked {
            Ok(bytes) => bytes,
            Err(error) => return found.fault(archive, kind_of(error), member.said(error)),
        };
        match &member.kind {
            Kind::Manifest => archive.manifest = Manifest::read(&bytes),
            Kind::Pom(group, artifact) => {
                let pom = Pom::read(&bytes, group, artifact);
                if found.may_keep(pom.group.len() + pom.artifact.len() + pom.version.len()) {
                    archive.poms.push(pom);
                }
            }
            Kind::Archive(name) => {
                let (name, depth) = (within(archive, name), archive.depth + 1);
                if found.one_more() && found.may_keep(size_of::<Archive>() + name.len()) {
                    let inner = Archive { name, len: bytes.len() as u64, depth, ..Archive::default() };
                    Self::through(inner).at_once(&bytes, found);
                }
            }
        }
    }

    /// Goes all the way through what is in memory.
    fn at_once(mut self, bytes: &[u8], found: &mut Found) {
        loop {
            let ranges = self.need(found);
            if ranges.is_empty() {
                break;
            }
            for range in ranges {
                let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                self.feed(&bytes[at(range.start)..at(range.end())], found);
            }
        }
        self.finish(None, found);
    }
}

impl Found {
    /// Whether one more archive may be looked into.
    fn one_more(&mut self) -> bool {
        self.archives += 1;
        if self.archives > MAX_ARCHIVES {
            self.over("archives");
        }
        !self.is_over
    }
}

impl Member {
    /// Bytes of it that are unpacked.
    fn limit(&self) -> usize {
        match self.kind {
            Kind::Manifest => MAX_MANIFEST,
            Kind::Pom(..) => MAX_POM,
            Kind::Archive(_) => MAX_UNPACKED as usize,
        }
    }

    fn said(&self, reason: impl std::fmt::Display) -> String {
        let text = String::from_utf8_lossy;
        match &self.kind {
            Kind::Manifest => format!("META-INF/MANIFEST.MF: {reason}"),
            Kind::Pom(group, artifact) => {
                format!("pom.properties of {}:{}: {reason}", text(group), text(artifact))
            }
            Kind::Archive(name) => format!("{}: {reason}", text(name)),
        }
    }
}

/// What a member is by its path; none of those that do not matter.
fn kind(name: &[u8]) -> Option<Kind> {
    if name == b"META-INF/MANIFEST.MF" {
        return Some(Kind::Manifest);
    }
    if let Some(path) = name.strip_prefix(b"META-INF/maven/") {
        let mut parts = path.split(|byte| *byte == b'/');
        return match [parts.next(), parts.next(), parts.next(), parts.next()] {
            [Some(group), Some(artifact), Some(b"pom.properties"), None] => {
                Some(Kind::Pom(group.to_vec(), artifact.to_vec()))
            }
            _ => None,
        };
    }
    is_archive(name).then(|| Kind::Archive(name.to_vec()))
}

/// The path of a member of an archive, from the file on.
fn within(archive: &Archive, name: &[u8]) -> Vec<u8> {
    if archive.depth == 0 { name.to_vec() } else { [&archive.name, &b"!/"[..], name].concat() }
}

/// What of a range is read in one round, and the rest.
fn part(range: ByteRange) -> (ByteRange, ByteRange) {
    let len = range.len.min(MAX_ROUND_BYTES);
    (ByteRange::new(range.start, len), ByteRange::new(range.start + len, range.len - len))
}

const fn kind_of(error: UnpackError) -> GapKind {
    match error {
        UnpackError::TooLarge => GapKind::Limit,
        UnpackError::Corrupt(_) => GapKind::Corrupt,
        UnpackError::Unsupported(_) => GapKind::Unsupported,
    }
}

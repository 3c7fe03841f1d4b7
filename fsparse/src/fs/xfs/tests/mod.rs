//! Tests of the whole driver on images that the system's mkfs.xfs makes.

mod attributes;
mod cut;
mod difference;
mod faults;
mod kernel;
mod layout;
mod log;
mod recovery;
mod structures;
mod superblock;
mod unfinished;
mod writer;

use super::Xfs;
use crate::{
    error::ParseError,
    fs::{Filesystem, Probed},
    machine::{Fetched, MAX_REQUEST_BYTES, Machine, Requests},
    source::SourceError,
    survey::{Inode, Survey},
};
use coldread_model::ByteRange;
use std::{collections::BTreeMap, fmt::Write as _, ops::Range, path::Path, process::Command};

/// A geometry of version 5.
pub(super) fn geometry() -> super::geometry::Geometry {
    structures::geometry(true)
}

/// Feeds a machine from bytes, of which `bad` cannot be read, and hands back the number of requests. Unlike
/// `machine::run` it copies nothing, so that thousands of damaged variants of one image stay cheap.
fn drive(machine: &mut dyn Machine, image: &[u8], bad: &[ByteRange]) -> usize {
    let mut ask = Requests::default();
    machine.start(&mut ask);
    let mut requests = 0;
    let mut spare = Vec::new();
    while !ask.is_empty() {
        for (tag, range) in ask.take() {
            assert!(range.len <= MAX_REQUEST_BYTES);
            requests += 1;
            let mut faults = Vec::new();
            for part in bad.iter().map(|part| part.intersect(range)).filter(|part| !part.is_empty()) {
                let error = SourceError::Io { context: "read".to_owned(), reason: "bad sector".to_owned() };
                faults.push((part, error));
            }
            let bytes = match image.get(range.start as usize..range.end() as usize) {
                Some(bytes) if faults.is_empty() => bytes,
                Some(bytes) => {
                    spare.clear();
                    spare.extend_from_slice(bytes);
                    for (part, _) in &faults {
                        let start = (part.start - range.start) as usize;
                        spare[start..start + part.len as usize].fill(0);
                    }
                    &spare
                }
                None => {
                    let size = image.len() as u64;
                    faults.push((range, SourceError::PastEnd { range, size }));
                    spare.clear();
                    spare.resize(range.len as usize, 0);
                    &spare
                }
            };
            machine.feed(Fetched { tag, range, bytes, bad: &faults }, &mut ask);
        }
    }
    requests
}

fn probe(image: &[u8]) -> Result<Probed, ParseError> {
    let mut machine = Xfs.probe(image.len() as u64);
    drive(&mut *machine, image, &[]);
    machine.finish()
}

fn survey(image: &[u8], geometry: &[u8], units: Range<u64>, bad: &[ByteRange]) -> Survey {
    let mut machine = Xfs.survey(geometry, units).unwrap();
    drive(&mut *machine, image, bad);
    machine.finish()
}

fn survey_all(image: &[u8]) -> (Probed, Survey) {
    let probed = probe(image).unwrap();
    let found = survey(image, &probed.geometry, 0..probed.units, &[]);
    (probed, found)
}

/// Paths from the root and their inodes; entries whose inode is missing are left out.
fn tree(found: &Survey, root: u64) -> BTreeMap<Vec<u8>, &Inode> {
    let inodes: BTreeMap<u64, &Inode> = found.inodes.iter().map(|inode| (inode.number, inode)).collect();
    let mut children: BTreeMap<u64, Vec<(&[u8], u64)>> = BTreeMap::new();
    for entry in &found.entries {
        children.entry(entry.parent).or_default().push((found.bytes(entry.name), entry.child));
    }
    let mut paths = BTreeMap::new();
    let mut next = vec![(Vec::new(), root)];
    while let Some((path, number)) = next.pop() {
        let Some(inode) = inodes.get(&number) else { continue };
        for (name, child) in children.get(&number).into_iter().flatten() {
            next.push(([path.as_slice(), b"/", name].concat(), *child));
        }
        assert!(paths.insert(path, *inode).is_none(), "a path comes twice");
    }
    paths
}

/// Whether a program is there; says so if a test is skipped for want of it.
fn has_tool(name: &str) -> bool {
    let there = Command::new(name).arg("-V").output().is_ok();
    if !there {
        println!("skipped: {name} is not installed");
    }
    there
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Runs a command that must succeed.
fn must(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes a filesystem of `mib` in `image`, over noise rather than zeros.
fn mkfs(image: &Path, mib: usize, options: &[&str], prototype: Option<&Path>) {
    let noise: Vec<u8> = (0..1u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(image, noise.repeat(mib)).unwrap();
    let mut command = Command::new("mkfs.xfs");
    command.args(["--unsupported", "-q", "-f", "-K"]).args(options);
    if let Some(prototype) = prototype {
        command.arg("-p").arg(prototype);
    }
    must(command.arg(image));
}

/// An image that mkfs itself fills, so that no mount is needed (version 4 cannot be mounted everywhere):
/// a directory of `names` files, one of every type, a file with content, links short and long. `None`
/// without mkfs.xfs.
fn prototype_image(options: &[&str], names: usize, target: &str) -> Option<Vec<u8>> {
    if !has_tool("mkfs.xfs") {
        return None;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (content, prototype) = (scratch.path().join("content"), scratch.path().join("prototype"));
    std::fs::write(&content, b"hello".repeat(3000)).unwrap();
    let mut text = String::from("/dev/null\n0 0\nd--755 0 0\nmany d--755 3 4\n");
    for number in 0..names {
        writeln!(text, "entry-{number:05}-{} ---644 {number} 7 /dev/null", "n".repeat(number % 90)).unwrap();
    }
    writeln!(text, "$\nfile ---755 5 6 {}", content.display()).unwrap();
    writeln!(text, "char c--640 0 0 5 1000\nblock b--640 0 0 4000 70000\nfifo p--600 0 0").unwrap();
    writeln!(text, "long l--777 0 0 {target}\nshort l--777 0 0 abc").unwrap();
    writeln!(text, "sub d--700 0 0\ndeep d--700 0 0\nleaf ---600 0 0 /dev/null\n$\n$\n$").unwrap();
    std::fs::write(&prototype, text).unwrap();
    let image = scratch.path().join("image");
    mkfs(&image, 64, options, Some(&prototype));
    Some(std::fs::read(image).unwrap())
}

//! Files for extractors: bytes as they come, or damaged copies of real files.
//!
//! A format with a header, tables and offsets is hardly ever met by bytes that were made up. So a target damages the
//! files that the folder `COLDREAD_FUZZ_FILES` has for it, in a folder of the target's name: any that are at hand, of
//! up to 4 MiB. A file that belongs to another one lies beside it under the same name with an ending, e.g. `-wal`.
//! Without the folder, inputs are files as they are.

use crate::{Change, MAX_CHANGES};
use arbitrary::{Arbitrary, Unstructured};
use std::{ffi::OsString, fs, path::PathBuf, sync::OnceLock};

/// Larger files are left out: each input is a copy of one.
const MAX_BYTES: u64 = 4 << 20;
/// The bit of a change's offset that says that the second file is changed.
const SECOND: u16 = 1 << 15;

/// The real files of a target.
pub struct Files {
    target: &'static str,
    /// Endings of second files.
    endings: &'static [&'static str],
    /// Makes checksums of a first file right, or says that it has none.
    repair: fn(&mut [u8]),
    found: OnceLock<Vec<Pair>>,
}

/// A file with what belongs to it.
struct Pair {
    first: Vec<u8>,
    second: Option<(&'static str, Vec<u8>)>,
}

/// A file to extract from, and the one beside it with its ending.
pub type File = (Vec<u8>, Option<(&'static str, Vec<u8>)>);

#[derive(Arbitrary, Debug)]
struct Damage {
    file: u16,
    repaired: bool,
    /// Where the file ends early, in 256ths; 0 where it does not.
    cut: u8,
    changes: Vec<Change>,
}

impl Files {
    /// For a target by its name.
    pub const fn of(target: &'static str, endings: &'static [&'static str], repair: fn(&mut [u8])) -> Self {
        Self { target, endings, repair, found: OnceLock::new() }
    }

    /// The file that an input stands for: a real one, damaged, where there are some and its first byte is odd.
    pub fn file(&self, input: &[u8]) -> File {
        let found = self.found.get_or_init(|| self.find());
        let [kind, rest @ ..] = input else { return (Vec::new(), None) };
        if kind % 2 == 0 || found.is_empty() {
            // The second file is what follows so many bytes.
            let [low, high, rest @ ..] = rest else { return (rest.to_vec(), None) };
            let len = rest.len().saturating_sub(usize::from(u16::from_le_bytes([*low, *high])));
            let (first, second) = rest.split_at(len);
            return (first.to_vec(), self.endings.first().map(|ending| (*ending, second.to_vec())));
        }
        let Ok(damage) = Damage::arbitrary_take_rest(Unstructured::new(rest)) else {
            return (Vec::new(), None);
        };
        let Pair { first, second } = &found[usize::from(damage.file) % found.len()];
        let (mut first, mut second) = (first.clone(), second.clone());
        for change in damage.changes.iter().take(MAX_CHANGES) {
            let bytes = match &mut second {
                Some((_, second)) if change.offset & SECOND != 0 => second,
                _ => &mut first,
            };
            let places = places(bytes);
            if !places.is_empty() {
                let len = bytes.len();
                let place = |sector: usize, offset: usize| {
                    let at = places[sector % places.len()] + offset % 512;
                    at.min(len - 1)
                };
                change.apply(bytes, place);
            }
        }
        if damage.repaired {
            (self.repair)(&mut first);
        }
        if damage.cut > 0 {
            first.truncate(first.len() / 256 * usize::from(damage.cut));
        }
        (first, second)
    }

    fn find(&self) -> Vec<Pair> {
        let Some(folder) = std::env::var_os("COLDREAD_FUZZ_FILES") else { return Vec::new() };
        let folder = PathBuf::from(folder).join(self.target);
        let listed = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<PathBuf> = listed.map(|entry| entry.expect("a readable folder").path()).collect();
        paths.sort();
        let is_second = |path: &PathBuf| {
            self.endings.iter().any(|ending| path.as_os_str().to_string_lossy().ends_with(ending))
        };
        let small = |path: &PathBuf| path.metadata().is_ok_and(|meta| meta.len() <= MAX_BYTES);
        let firsts = paths.iter().filter(|path| small(path) && !is_second(path));
        let pair = |path: &PathBuf| {
            let second = self.endings.iter().find_map(|ending| {
                let mut name = OsString::from(path);
                name.push(ending);
                fs::read(name).ok().map(|bytes| (*ending, bytes))
            });
            Pair { first: fs::read(path).expect("a readable file"), second }
        };
        firsts.map(pair).collect()
    }
}

/// Sectors of 512 bytes in which not all bytes are the same.
fn places(bytes: &[u8]) -> Vec<usize> {
    let varied = |sector: &[u8]| sector.iter().any(|byte| *byte != sector[0]);
    bytes.chunks(512).enumerate().filter(|(_, sector)| varied(sector)).map(|(index, _)| index * 512).collect()
}

/// For formats without checksums.
pub fn no_checksums(_: &mut [u8]) {}

/// The checksum of a registry hive's base block: the exclusive or of the 127 words before it.
pub fn hive_checksum(hive: &mut [u8]) {
    let Some((header, [a, b, c, d, ..])) = hive.split_at_mut_checked(508) else { return };
    let words = header.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let sum = match words.fold(0, |sum, word| sum ^ word) {
        0 => 1,
        u32::MAX => u32::MAX - 1,
        sum => sum,
    };
    [*a, *b, *c, *d] = sum.to_le_bytes();
}

/// Flags of an event log's header and of its chunks that say that they have no checksums.
pub fn evtx_without_checksums(log: &mut [u8]) {
    const NO_CHECKSUMS: u8 = 4;
    let chunks = (4096..log.len()).step_by(65_536);
    for at in std::iter::once(0).chain(chunks) {
        if let Some(flags) = log.get_mut(at + 120) {
            *flags |= NO_CHECKSUMS;
        }
    }
}

//! The boot sector and its copy, which is the volume's last sector.

use super::boot::{BOOT_BYTES, BootSector};
use crate::{
    error::ParseError,
    machine::{Fetched, Requests},
};
use coldread_model::{ByteRange, Gap};

/// Bytes of a sector: of almost all disks, and of those that show no smaller ones.
///
/// Source: ntfs-3g, "layout.h" (NTFS_BOOT_SECTOR), as documentation.
const SECTORS: [u64; 2] = [512, 4096];

const STRUCTURE: &str = "NTFS boot sector";

/// The boot sector and what may be its copy, as they become known.
pub(super) struct BootSectors {
    volume_bytes: u64,
    /// Their bytes, or why they could not be read; in the order of [`BootSectors::places`].
    found: [Option<Result<Vec<u8>, ParseError>>; 3],
}

impl BootSectors {
    /// Those of a volume of so many bytes.
    pub(super) fn new(volume_bytes: u64) -> Self {
        Self { volume_bytes, found: [None, None, None] }
    }

    /// Where the boot sector is, and where its copy is if it is of a sector of so many bytes.
    fn places(&self) -> [(u64, Option<u64>); 3] {
        let last = |sector: u64| (self.volume_bytes.saturating_sub(sector) / sector * sector, Some(sector));
        [(0, None), last(SECTORS[0]), last(SECTORS[1])]
    }

    /// Asks for all of them.
    pub(super) fn ask(&self, ask: &mut Requests) {
        for (tag, (at, sector)) in (0..).zip(self.places()) {
            if at + BOOT_BYTES <= self.volume_bytes && (sector.is_none() || at != 0) {
                ask.push(tag, ByteRange::new(at, BOOT_BYTES));
            }
        }
    }

    /// Takes an answer.
    pub(super) fn take(&mut self, fetched: &Fetched<'_>) {
        let sector = match fetched.bad.first() {
            None => Ok(fetched.bytes.to_vec()),
            Some((range, error)) => {
                Err(ParseError::Io { at: range.start, structure: STRUCTURE, reason: error.to_string() })
            }
        };
        if let Some(place) = self.found.get_mut(fetched.tag as usize) {
            *place = Some(sector);
        }
    }

    /// The boot sector, its bytes and, where they are the copy's, the gap of the first one.
    pub(super) fn read(&mut self) -> Result<(BootSector, Vec<u8>, Option<Gap>), ParseError> {
        let mut first_error: Option<ParseError> = None;
        for (index, (at, sector)) in self.places().into_iter().enumerate() {
            let parsed = match self.found[index].take() {
                Some(Ok(bytes)) => parse(&bytes, at, sector).map(|boot| (boot, bytes)),
                Some(Err(error)) => Err(error),
                None => continue,
            };
            match parsed {
                Ok((boot, bytes)) => return Ok((boot, bytes, first_error.map(|error| error.to_gap()))),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| ParseError::NotFound { what: STRUCTURE.to_owned() }))
    }
}

/// Reads the boot sector, or its copy in a last sector of so many bytes: a volume's last bytes may as well be those of a
/// file that is an image of another one.
fn parse(bytes: &[u8], at: u64, sector: Option<u64>) -> Result<BootSector, ParseError> {
    let found = BootSector::parse(bytes, at)?;
    match sector.map(|sector| at + sector) {
        Some(end) if found.size_bytes != end => {
            let expected = format!("the copy at the end of a volume of {end} bytes");
            Err(ParseError::corrupt(at, STRUCTURE, expected, found.size_bytes))
        }
        _ => Ok(found),
    }
}

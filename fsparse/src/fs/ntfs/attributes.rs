//! The attributes of one file, gathered from its records.

use super::{
    boot::{u32_at, u64_at},
    geometry::{EXTEND, ROOT},
    loader::File,
    record::{Attribute, COMPRESSED, Form, Malformed, Reference, kind, malformed},
    runs::{Clusters, Piece, decode_runs},
    value::{Loaded, Need, Value},
};
use coldread_model::{ByteRange, Gap, Timestamp};
use std::ops::Range;

/// Names in the DOS namespace double another name of the same file.
const DOS_NAMESPACE: u8 = 2;

/// Times and flags of a file.
///
/// Source: Flatcap NTFS documentation, "Attribute - $STANDARD_INFORMATION (0x10)".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StandardInformation {
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) changed: Timestamp,
    pub(super) accessed: Timestamp,
    /// File attributes as Windows has them.
    pub(super) attributes: u32,
}

/// File attribute: hidden.
pub(super) const HIDDEN: u32 = 0x2;
/// File attribute: system.
pub(super) const SYSTEM: u32 = 0x4;
/// File attribute: a reparse point.
pub(super) const REPARSE: u32 = 0x400;
/// File attributes of a file whose content is elsewhere: offline, recall on open, recall on data access.
pub(super) const ELSEWHERE: u32 = 0x1000 | 0x4_0000 | 0x40_0000;

impl StandardInformation {
    fn parse(value: &[u8]) -> Option<Self> {
        let time = |at| Some(shown_time(u64_at(value, at)?));
        Some(Self {
            created: time(0)?,
            modified: time(8)?,
            changed: time(16)?,
            accessed: time(24)?,
            attributes: u32_at(value, 32)?,
        })
    }
}

/// 1601-01-01 to 1970-01-01 in units of 100 ns.
const EPOCH_TICKS: i64 = 116_444_736_000_000_000;

/// A time in units of 100 ns since 1601 as ntfs-3g shows it: it rounds times before 1970 to the next full
/// second (its "ntfstime.h": a division that rounds towards zero, and negative fractions dropped).
fn shown_time(ticks: u64) -> Timestamp {
    let since = (ticks as i64).saturating_sub(EPOCH_TICKS);
    Timestamp { seconds: since / 10_000_000, nanos: u32::try_from(since % 10_000_000).unwrap_or(0) * 100 }
}

/// A name of a file.
///
/// Source: Flatcap NTFS documentation, "Attribute - $FILE_NAME (0x30)".
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    /// The directory.
    pub(super) parent: Reference,
    /// In UTF-16.
    pub(super) name: &'a [u8],
}

impl<'a> Name<'a> {
    /// From the attribute's value; `None` where it is a DOS name.
    pub(super) fn parse(value: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let wrong = malformed("a file name within its attribute", value.len() as u64);
        let length = usize::from(*value.get(64).ok_or(wrong)?);
        let name = value.get(66..66 + length * 2).ok_or(wrong)?;
        let parent = Reference::new(u64_at(value, 0).ok_or(wrong)?);
        Ok((value[65] != DOS_NAMESPACE).then_some(Self { parent, name }))
    }
}

/// Where (a part of) a value is.
#[derive(Clone, Debug)]
pub(super) enum Place<'a> {
    /// In a record.
    Resident(&'a [u8]),
    /// In clusters; the runs are in [`Attributes::pieces`].
    Clusters { lowest_vcn: u64, end_vcn: u64, size: u64, initialized: u64, pieces: Range<usize> },
    /// The mapping is malformed; a gap is recorded.
    Malformed,
}

/// A part of an attribute that matters to a file: `$DATA`, a reparse point, extended attributes.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    /// The attribute's type.
    pub(super) kind: u32,
    /// Its name in UTF-16.
    pub(super) name: &'a [u8],
    /// Compressed, encrypted.
    pub(super) flags: u16,
    /// Clusters of a compression unit as a power of two.
    pub(super) compression_unit: u8,
    /// Its value.
    pub(super) place: Place<'a>,
}

/// Bytes of the largest compression unit that is read. Windows has 64 KiB; ntfs-3g takes any.
const MAX_UNIT_BYTES: u64 = 1 << 20;

impl Part<'_> {
    /// Bytes of a compression unit, if the value is compressed. `None` also where a unit is one cluster:
    /// nothing can be saved in it.
    pub(super) fn unit_bytes(&self, clusters: Clusters) -> Option<u64> {
        let compressed = self.flags & COMPRESSED != 0 && self.compression_unit > 0;
        compressed
            .then(|| u64::from(clusters.bytes).checked_shl(self.compression_unit.into()).unwrap_or(u64::MAX))
    }

    /// Whether its compression unit is larger than any that is read.
    pub(super) fn unit_is_too_large(&self, clusters: Clusters) -> bool {
        self.compression_unit > 20 || self.unit_bytes(clusters).is_some_and(|unit| unit > MAX_UNIT_BYTES)
    }

    fn lowest_vcn(&self) -> u64 {
        match self.place {
            Place::Clusters { lowest_vcn, .. } => lowest_vcn,
            _ => 0,
        }
    }
}

/// What the records of a file say.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a> {
    /// Times and flags, if they are there.
    pub(super) standard: Option<StandardInformation>,
    /// Names that are not DOS names.
    pub(super) names: Vec<Name<'a>>,
    /// Parts of values, sorted by type, name and place: the parts of one value follow each other.
    pub(super) parts: Vec<Part<'a>>,
    /// What the parts allocate.
    pub(super) pieces: Vec<Piece>,
    /// What other attributes allocate: indexes, bitmaps, lists, security.
    pub(super) metadata: Vec<ByteRange>,
    /// What is malformed.
    pub(super) gaps: Vec<Gap>,
}

impl<'a> Attributes<'a> {
    /// Reads all records of a file. `spare` is what another file has left of its attributes.
    pub(super) fn gather(file: &File<'a>, clusters: Clusters, spare: Attributes<'_>) -> Self {
        let mut all = spare.emptied();
        for (header, record) in file.records {
            for attribute in header.attributes(record) {
                let result = attribute.and_then(|attribute| all.take(&attribute, clusters));
                if let Err(wrong) = result {
                    all.gaps.push(wrong.to_gap("MFT record", file.number, file.at));
                }
            }
        }
        all.parts.sort_by(|a, b| (a.kind, a.name, a.lowest_vcn()).cmp(&(b.kind, b.name, b.lowest_vcn())));
        all
    }

    /// Without anything in it, and with the room that its lists have, as every file has some of them: what is collected
    /// from a list's own items takes over its memory.
    pub(super) fn emptied<'b>(mut self) -> Attributes<'b> {
        self.pieces.clear();
        self.metadata.clear();
        Attributes {
            standard: None,
            names: self.names.into_iter().map_while(|_| None).collect(),
            parts: self.parts.into_iter().map_while(|_| None).collect(),
            pieces: self.pieces,
            metadata: self.metadata,
            gaps: Vec::new(),
        }
    }

    fn take(&mut self, attribute: &Attribute<'a>, clusters: Clusters) -> Result<(), Malformed> {
        match (attribute.kind, attribute.form) {
            (kind::STANDARD_INFORMATION, Form::Resident(value)) => {
                let wrong = malformed("standard information of 36 bytes or more", value.len() as u64);
                self.standard = Some(StandardInformation::parse(value).ok_or(wrong)?);
            }
            (kind::FILE_NAME, Form::Resident(value)) => {
                self.names.extend(Name::parse(value)?);
            }
            (kind::DATA | kind::REPARSE_POINT | kind::EA, form) => {
                let (place, compression_unit, result) = match form {
                    Form::Resident(value) => (Place::Resident(value), 0, Ok(())),
                    Form::NonResident(part) => {
                        let first = self.pieces.len();
                        let result = decode_runs(&part, clusters, &mut self.pieces);
                        let place = Place::Clusters {
                            lowest_vcn: part.lowest_vcn,
                            end_vcn: part.end_vcn,
                            size: part.data_size,
                            initialized: part.initialized_size,
                            pieces: first..self.pieces.len(),
                        };
                        let place = if result.is_ok() { place } else { Place::Malformed };
                        (place, part.compression_unit, result)
                    }
                };
                let Attribute { kind, name, flags, .. } = *attribute;
                self.parts.push(Part { kind, name, flags, compression_unit, place });
                result?;
            }
            (_, Form::NonResident(part)) => {
                let first = self.pieces.len();
                let result = decode_runs(&part, clusters, &mut self.pieces);
                self.metadata.extend(self.pieces.drain(first..).map(|piece| piece.range));
                result?;
            }
            (_, Form::Resident(_)) => {}
        }
        Ok(())
    }

    /// Whether one of the names lies in `$Extend`.
    pub(super) fn extends(&self) -> bool {
        self.names.iter().any(|name| name.parent.number == EXTEND)
    }

    /// The names that a directory lists: all but the root's own.
    pub(super) fn listed(&self, number: u64) -> impl Iterator<Item = &Name<'a>> {
        self.names.iter().filter(move |name| (number, name.parent.number) != (ROOT, ROOT))
    }

    /// The values of a type, each with its parts.
    pub(super) fn values(&self, kind: u32) -> impl Iterator<Item = &[Part<'a>]> {
        let first = self.parts.partition_point(|part| part.kind < kind);
        let end = self.parts.partition_point(|part| part.kind <= kind);
        self.parts[first..end].chunk_by(|a, b| a.name == b.name)
    }

    /// Joins the parts of one value.
    pub(super) fn join(parts: &[Part<'a>], clusters: Clusters) -> Result<Whole<'a>, Malformed> {
        let Some(first) = parts.first() else { return Err(malformed("an attribute", 0)) };
        let (size, initialized) = match first.place {
            Place::Resident(value) if parts.len() == 1 => return Ok(Whole::Resident(value)),
            Place::Resident(_) => return Err(malformed("one resident value of a name", parts.len() as u64)),
            Place::Clusters { size, initialized, .. } => (size, initialized),
            Place::Malformed => return Err(malformed("a mapping", 0)),
        };
        let mut at = 0;
        for part in parts {
            match part.place {
                Place::Clusters { lowest_vcn, end_vcn, .. } if lowest_vcn == at => at = end_vcn,
                Place::Clusters { lowest_vcn, .. } => {
                    return Err(malformed("parts that follow each other", lowest_vcn));
                }
                _ => return Err(malformed("a mapping", at)),
            }
        }
        if at.saturating_mul(u64::from(clusters.bytes)) < size {
            return Err(malformed("a mapping of all bytes", size));
        }
        Ok(Whole::Clusters { size, initialized: initialized.min(size) })
    }

    /// What the parts of a value allocate, in order up to the first part that contradicts those before.
    pub(super) fn pieces_of<'s>(&'s self, parts: &'s [Part<'a>]) -> impl Iterator<Item = &'s Piece> {
        let mut at = 0;
        let sound = parts.iter().map_while(move |part| match &part.place {
            Place::Clusters { lowest_vcn, end_vcn, pieces, .. } if *lowest_vcn >= at => {
                at = *end_vcn;
                Some(&self.pieces[pieces.clone()])
            }
            _ => None,
        });
        sound.flatten()
    }

    /// A value that decides what the file is, of `most` bytes at most: `Ok(None)` where there is none,
    /// an error that names the need where it has to be loaded first.
    pub(super) fn value(
        &self,
        value: Value,
        most: u64,
        clusters: Clusters,
        loaded: &'a [Loaded],
    ) -> Result<Option<&'a [u8]>, Wanted> {
        let kind = match value {
            Value::Data => kind::DATA,
            Value::Reparse => kind::REPARSE_POINT,
            Value::Ea => kind::EA,
        };
        let Some(parts) = self.values(kind).find(|parts| parts[0].name.is_empty()) else { return Ok(None) };
        match Self::join(parts, clusters).map_err(Wanted::Malformed)? {
            Whole::Resident(bytes) => Ok(Some(bytes)),
            Whole::Clusters { .. } if parts[0].unit_is_too_large(clusters) => Err(Wanted::Malformed(
                malformed("a compression unit of at most 1 MiB", parts[0].compression_unit.into()),
            )),
            Whole::Clusters { size, .. } if size > most => {
                Err(Wanted::Malformed(malformed("a short value", size)))
            }
            Whole::Clusters { size, initialized } => match loaded.iter().find(|(found, _)| *found == value) {
                Some((_, Some(bytes))) => Ok(Some(&bytes[..bytes.len().min(size as usize)])),
                Some((_, None)) => Ok(None),
                None => {
                    let pieces = self.pieces_of(parts).copied().collect();
                    let unit_bytes = parts[0].unit_bytes(clusters);
                    Err(Wanted::Load(Need { value, pieces, len: size, initialized, unit_bytes }))
                }
            },
        }
    }
}

/// Why a value is not at hand.
#[derive(Debug)]
pub(super) enum Wanted {
    /// It has to be loaded.
    Load(Need),
    /// It contradicts its format.
    Malformed(Malformed),
}

/// A whole value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whole<'a> {
    /// In a record.
    Resident(&'a [u8]),
    /// In clusters.
    Clusters { size: u64, initialized: u64 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_ntfs_3g_does() {
        for (ticks, seconds, nanos) in [
            (116_444_736_000_000_000, 0, 0),
            (116_444_736_000_000_001, 0, 100),
            (116_444_735_999_999_999, 0, 0),
            (116_444_735_989_999_999, -1, 0),
            (116_444_735_980_000_000, -2, 0),
            (0, -11_644_473_600, 0),
            (u64::MAX, -11_644_473_600, 0),
        ] {
            assert_eq!(shown_time(ticks), Timestamp { seconds, nanos });
        }
        let _ = shown_time(i64::MIN as u64);
    }
}

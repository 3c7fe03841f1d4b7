//! Extension records that were looked at, and whose they are.

use super::super::record::{RecordHeader, Reference, freed_from};
use coldread_model::GapKind;
use std::collections::HashMap;

/// An extension record.
enum Extension {
    /// Where its bytes are.
    Read {
        header: RecordHeader,
        start: usize,
        len: usize,
    },
    Failed {
        kind: GapKind,
        reason: String,
    },
}

/// Extension records by their numbers.
#[derive(Default)]
pub(super) struct Extensions {
    known: HashMap<u64, Extension>,
    bytes: Vec<u8>,
}

impl Extensions {
    /// Keeps a record, whose bytes are fixed up.
    pub(super) fn keep(&mut self, number: u64, header: RecordHeader, bytes: &[u8]) {
        let (start, len) = (self.bytes.len(), bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.known.insert(number, Extension::Read { header, start, len });
    }

    /// Takes note of why there is none.
    pub(super) fn fail(&mut self, number: u64, kind: GapKind, reason: String) {
        self.known.insert(number, Extension::Failed { kind, reason });
    }

    /// Whether a record was looked at.
    pub(super) fn is_known(&self, number: u64) -> bool {
        self.known.contains_key(&number)
    }

    /// The record that file `number`, whose base record has this header, refers to; or why it is not its.
    pub(super) fn of_file(
        &self,
        number: u64,
        base: &RecordHeader,
        reference: Reference,
    ) -> Result<(RecordHeader, &[u8]), (GapKind, String)> {
        match self.known.get(&reference.number) {
            Some(Extension::Read { header, start, len }) if header.deleted == base.deleted => {
                let counts =
                    |now: u16, then: u16| then == 0 || now == then || (base.deleted && freed_from(now, then));
                let ours = header.base.is_some_and(|extended| {
                    extended.number == number && counts(base.sequence, extended.sequence)
                });
                if ours && counts(header.sequence, reference.sequence) {
                    return Ok((*header, &self.bytes[*start..*start + *len]));
                }
                Err((GapKind::Corrupt, format!("record {} belongs to another file", reference.number)))
            }
            Some(Extension::Failed { kind, reason }) => {
                Err((*kind, format!("record {}: {reason}", reference.number)))
            }
            Some(Extension::Read { .. }) | None => {
                let reason = format!("record {} is not an extension record in use", reference.number);
                Err((GapKind::NotFound, reason))
            }
        }
    }
}

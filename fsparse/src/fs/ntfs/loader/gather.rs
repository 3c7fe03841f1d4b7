//! Values that come in several parts.

use super::super::value::{Need, Value};
use crate::{machine::Fetched, slab::Slab};

/// What a value in several parts is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// It is the record of this number.
    Record(u64),
    /// The attribute list of a job.
    List(usize),
    /// A value of a job's file.
    Value(usize, Value),
}

/// A value whose parts are under way.
struct Gather {
    purpose: Purpose,
    /// None until the first part is there.
    bytes: Vec<u8>,
    len: usize,
    left: usize,
    fault: Option<(u64, String)>,
    need: Option<Need>,
}

/// A value of which all parts are there.
pub(super) struct Gathered {
    pub(super) purpose: Purpose,
    /// Zeros where nothing is mapped.
    pub(super) bytes: Vec<u8>,
    /// Where it could not be read, and why.
    pub(super) fault: Option<(u64, String)>,
    /// Where it is the value of a file: the request.
    pub(super) need: Option<Need>,
}

/// The values whose parts are under way.
#[derive(Default)]
pub(super) struct Gathers {
    list: Slab<Gather>,
}

impl Gathers {
    /// Begins a value of `len` bytes in so many parts, at least one; the number is for [`Gathers::put`].
    pub(super) fn begin(&mut self, purpose: Purpose, len: usize, parts: usize, need: Option<Need>) -> usize {
        self.list.insert(Gather { purpose, bytes: Vec::new(), len, left: parts, fault: None, need })
    }

    /// Puts a part in its place; hands back the value with the last one.
    pub(super) fn put(&mut self, number: usize, offset: usize, fetched: &Fetched<'_>) -> Option<Gathered> {
        let mut gather = self.list.check_out(number)?;
        gather.bytes.resize(gather.len, 0);
        if let Some(place) = gather.bytes.get_mut(offset..offset + fetched.bytes.len()) {
            place.copy_from_slice(fetched.bytes);
        }
        if let Some((bad, error)) = fetched.bad.first() {
            gather.fault = Some((bad.start, error.to_string()));
        }
        gather.left -= 1;
        if gather.left > 0 {
            self.list.check_in(number, gather);
            return None;
        }
        self.list.release(number);
        let Gather { purpose, bytes, fault, need, .. } = gather;
        Some(Gathered { purpose, bytes, fault, need })
    }
}

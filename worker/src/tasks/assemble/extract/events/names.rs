//! Names that come again and again: the files that records lie in, and roots.

use super::packed::{put_number, take_number};
use std::collections::HashMap;

/// Names that are kept by number; of more (there are no such disks but hostile ones) each stands where it is used.
const MAX_NAMES: usize = 1 << 14;
/// Longer names stand where they are used.
const MAX_BYTES: usize = 512;

/// Names with their numbers.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, usize>,
    /// The two that were used last: a log's own name, and `/`.
    last: [usize; 2],
}

impl Names {
    /// Writes a name: its number and one, or zero, its length and itself.
    pub(super) fn put(&mut self, name: &[u8], out: &mut Vec<u8>) {
        if let Some(number) = self.number(name) {
            put_number(number as u64 + 1, out);
        } else {
            out.push(0);
            put_number(name.len() as u64, out);
            out.extend_from_slice(name);
        }
    }

    /// Reads what [`Self::put`] wrote.
    pub(super) fn take<'a>(&'a self, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        match take_number(rest)? {
            0 => {
                let len = usize::try_from(take_number(rest)?).ok()?;
                let (name, after) = rest.split_at_checked(len)?;
                *rest = after;
                Some(name)
            }
            number => self.names.get(usize::try_from(number).ok()? - 1).map(Vec::as_slice),
        }
    }

    fn number(&mut self, name: &[u8]) -> Option<usize> {
        let is = |number: &&usize| self.names.get(**number).is_some_and(|known| known == name);
        if let Some(number) = self.last.iter().find(is) {
            return Some(*number);
        }
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None if self.names.len() >= MAX_NAMES || name.len() > MAX_BYTES => return None,
            None => {
                self.names.push(name.to_vec());
                self.numbers.insert(name.to_vec(), self.names.len() - 1);
                self.names.len() - 1
            }
        };
        self.last = [number, self.last[0]];
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_also_those_that_have_no_number() {
        let mut names = Names::default();
        let mut bytes = Vec::new();
        let all: Vec<Vec<u8>> = (0..MAX_NAMES + 2).map(|number| number.to_string().into_bytes()).collect();
        let long = vec![b'x'; MAX_BYTES + 1];
        for name in [&long].into_iter().chain(&all).chain(&all) {
            names.put(name, &mut bytes);
        }
        assert_eq!(names.names.len(), MAX_NAMES);
        let mut rest = &bytes[..];
        for name in [&long].into_iter().chain(&all).chain(&all) {
            assert_eq!(names.take(&mut rest), Some(&name[..]));
        }
        assert!(rest.is_empty());
    }
}

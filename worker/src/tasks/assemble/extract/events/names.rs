//! Names that come again and again: users, addresses, words, the files that records lie in, roots.

use super::packed::{Damaged, take, take_number};
use coldread_model::{Origin, Text, rows::login::Word, text::Dotted, varint::put as put_number};
use foldhash::fast::{FixedState, RandomState};
use std::{
    cmp::Ordering,
    collections::HashMap,
    hash::{BuildHasher, Hasher},
};

/// Names that are kept by number; of more each stands where it is used.
const MAX_NAMES: usize = 1 << 14;
/// Longer names stand where they are used.
const MAX_BYTES: usize = 512;
/// Shorter names are never cut where they are compared ([`coldread_artifacts::logins::joiner::known_of_user`]).
const SHORT: usize = 24;

/// What stands for a name that is missing, and before one that stands where it is used; numbers follow.
const NONE: u64 = 0;
const HERE: u64 = 1;
/// What stands before the four numbers of an address of version 4: an attacker may have any number of them.
const ADDRESS: u64 = 2;
const FIRST: u64 = 3;

/// The texts of an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    User,
    From,
    Host,
    Tty,
    Session,
    Method,
    Target,
    Detail,
    Root,
}

/// How many there are.
const FIELDS: usize = Field::Root as usize + 1;

/// Names with their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    names: Vec<Known>,
    numbers: HashMap<Origin, u64, RandomState>,
    /// The number of each field's last name: most say the same in event after event.
    fields: [u64; FIELDS],
    /// The path that was used last, and its number: that of the log that is being read.
    last: Option<(Origin, u64)>,
}

/// A name that has a number, ready for use.
#[derive(Clone, Debug)]
struct Known {
    number: u64,
    bytes: Origin,
    text: Option<Text>,
}

/// A name that was read.
#[derive(Clone, Copy)]
pub(super) enum Name<'a> {
    /// One that has a number.
    Known(KnownName<'a>),
    /// One that stands where it is used.
    Here(&'a [u8]),
    /// An address of version 4.
    Address([u8; 4]),
}

/// A name of [`Names`].
#[derive(Clone, Copy)]
pub(super) struct KnownName<'a>(&'a Known);

impl<'a> Name<'a> {
    /// As rows have it.
    #[inline]
    pub(super) fn word(self) -> Word<'a> {
        match self {
            Self::Known(KnownName(known)) => Word::Text(&known.bytes),
            Self::Here(bytes) => Word::Text(bytes),
            Self::Address(numbers) => Word::Address(numbers),
        }
    }

    /// What is done with its bytes.
    #[inline]
    pub(super) fn with<R>(self, what: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Known(KnownName(known)) => what(&known.bytes),
            Self::Here(bytes) => what(bytes),
            Self::Address(numbers) => what(Dotted::new(numbers).as_bytes()),
        }
    }

    /// As their bytes compare.
    pub(super) fn compare(self, other: Self) -> Ordering {
        if self.is(other) { Ordering::Equal } else { self.with(|one| other.with(|other| one.cmp(other))) }
    }

    /// The text that it is; `None` where it is none.
    pub(super) fn text(self) -> Option<Text> {
        match self {
            Self::Known(KnownName(known)) => known.text.clone(),
            Self::Here(bytes) => std::str::from_utf8(bytes).ok().map(Text::new),
            Self::Address(numbers) => {
                std::str::from_utf8(Dotted::new(numbers).as_bytes()).ok().map(Text::new)
            }
        }
    }

    /// Whether it is the same one by its number: others may have the same bytes.
    fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Known(KnownName(one)), Self::Known(KnownName(other))) => one.number == other.number,
            (Self::Address(one), Self::Address(other)) => one == other,
            _ => false,
        }
    }

    /// Hashes `part` of it: equal parts of names are hashed alike.
    pub(super) fn hash(self, part: impl Fn(&[u8]) -> &[u8], hasher: &mut impl Hasher) {
        match self {
            // It has its number wherever it stands.
            Self::Known(KnownName(known)) if part(&known.bytes).len() < SHORT => {
                hasher.write_u64(known.number);
            }
            Self::Address(numbers) => hasher.write_u32(u32::from_ne_bytes(numbers)),
            _ => self.with(|bytes| hasher.write(part(bytes))),
        }
    }

    /// A number for it: the same wherever it stands.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Known(KnownName(known)) => known.number,
            _ => self.with(|bytes| FixedState::default().hash_one(bytes)) | 1 << 63,
        }
    }

    /// Whether it is this path: compared by its bytes only where another holds them.
    pub(super) fn is_path(self, path: &Origin) -> bool {
        match self {
            Self::Known(KnownName(known)) => known.bytes == *path,
            _ => self.with(|bytes| **path == *bytes),
        }
    }

    /// The path that it is.
    pub(super) fn path(self) -> Origin {
        match self {
            Self::Known(KnownName(known)) => known.bytes.clone(),
            _ => self.with(|bytes| bytes.into()),
        }
    }
}

impl Names {
    /// Writes a field's text, if there is one; what is no UTF-8 of it is replaced.
    pub(super) fn put_text(&mut self, field: Field, text: Option<&[u8]>, out: &mut Vec<u8>) {
        let Some(text) = text else { return put_number(NONE, out) };
        let last = self.fields[field as usize];
        if self.known(last).is_some_and(|known| *known.bytes == *text) {
            return put_number(last, out);
        }
        // A path that has a number may be other than UTF-8, but then is found by no text.
        let text = String::from_utf8_lossy(text);
        let number = self.number(text.as_bytes());
        self.fields[field as usize] = number.unwrap_or(NONE);
        put(number, text.as_bytes(), out);
    }

    /// Writes an address of version 4.
    pub(super) fn put_address(numbers: [u8; 4], out: &mut Vec<u8>) {
        put_number(ADDRESS, out);
        out.extend(numbers);
    }

    fn known(&self, number: u64) -> Option<&Known> {
        self.names.get(usize::try_from(number.checked_sub(FIRST)?).ok()?)
    }

    /// Writes a path.
    pub(super) fn put_path(&mut self, path: &Origin, out: &mut Vec<u8>) {
        if let Some((_, number)) = self.last.as_ref().filter(|(last, _)| last == path) {
            return put_number(*number, out);
        }
        let number = self.number(path);
        self.last = number.map(|number| (path.clone(), number));
        put(number, path, out);
    }

    /// Reads what was written; `None` stands for a missing text.
    #[inline]
    pub(super) fn take<'a>(&'a self, rest: &mut &'a [u8]) -> Result<Option<Name<'a>>, Damaged> {
        Ok(match take_number(rest)? {
            NONE => None,
            HERE => {
                let len = usize::try_from(take_number(rest)?).map_err(|_| Damaged)?;
                let (name, after) = rest.split_at_checked(len).ok_or(Damaged)?;
                *rest = after;
                Some(Name::Here(name))
            }
            ADDRESS => Some(Name::Address(take(rest)?)),
            number => Some(Name::Known(KnownName(self.known(number).ok_or(Damaged)?))),
        })
    }

    fn number(&mut self, name: &[u8]) -> Option<u64> {
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        if self.names.len() >= MAX_NAMES || name.len() > MAX_BYTES {
            return None;
        }
        let number = self.names.len() as u64 + FIRST;
        let bytes = Origin::from(name);
        let text = std::str::from_utf8(name).ok().map(Text::new);
        self.names.push(Known { number, bytes: bytes.clone(), text });
        self.numbers.insert(bytes, number);
        Some(number)
    }
}

/// Writes a name's number, else the name.
fn put(number: Option<u64>, name: &[u8], out: &mut Vec<u8>) {
    if let Some(number) = number {
        return put_number(number, out);
    }
    put_number(HERE, out);
    put_number(name.len() as u64, out);
    out.extend_from_slice(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_also_those_that_have_no_number() {
        let mut names = Names::default();
        let mut bytes = Vec::new();
        let all: Vec<String> = (0..MAX_NAMES + 2).map(|number| number.to_string()).collect();
        let long = "x".repeat(MAX_BYTES + 1);
        let each = || [&long].into_iter().chain(&all).chain(&all);
        for name in each() {
            names.put_text(Field::User, Some(name.as_bytes()), &mut bytes);
            names.put_path(&name.as_str().into(), &mut bytes);
            names.put_text(Field::Host, None, &mut bytes);
        }
        assert_eq!(names.names.len(), MAX_NAMES);
        let mut rest = &bytes[..];
        for name in each() {
            let [text, path, none] = [(); 3].map(|()| names.take(&mut rest).unwrap());
            assert_eq!(text.and_then(Name::text).as_deref(), Some(&**name));
            assert_eq!(path.map(Name::path), Some(name.as_str().into()));
            assert!(none.is_none());
        }
        assert!(rest.is_empty());
    }
}

//! Names that come again and again: users, addresses, words, the files that records lie in, roots.

use super::{
    packed::{Damaged, take, take_number},
    shape::{FIELDS, Field, Shapes},
};
use coldread_model::{Origin, Text, rows::login::Word, text::Dotted, varint::put as put_number};
use foldhash::fast::{FixedState, RandomState};
use std::{cmp::Ordering, collections::HashMap, hash::BuildHasher};

/// Names that are kept by number; of more each stands where it is used.
const MAX_NAMES: usize = 1 << 14;
/// Of these some are for paths alone, however many users were guessed before: events of files without a number are
/// sorted one by one.
const FOR_PATHS: usize = 1 << 10;
/// Longer names stand where they are used.
const MAX_BYTES: usize = 512;
/// Shorter names are never cut where they are compared ([`coldread_artifacts::logins::joiner::known_of_user`]).
const SHORT: usize = 24;

/// What stands for a name that is missing, and before one that stands where it is used; numbers follow.
pub(super) const NONE: u16 = 0;
pub(super) const HERE: u16 = 1;
/// What stands before the four numbers of an address of version 4: an attacker may have any number of them.
const ADDRESS: u16 = 2;
const FIRST: u16 = 3;
const _: () = assert!(MAX_NAMES + FIRST as usize <= u16::MAX as usize);

/// Places for names that were used lately.
const RECENT: usize = 1 << 13;

/// Names with their numbers, and the shapes made of them.
#[derive(Clone, Debug)]
pub(super) struct Names {
    names: Vec<Known>,
    numbers: HashMap<Origin, u16, RandomState>,
    /// Of names that begin and end alike the number of the last one, by a hash of that.
    recent: Box<[u16; RECENT]>,
    /// The number of each field's last name: most say the same in event after event.
    fields: [u16; FIELDS],
    /// The path that was used last, and its number: that of the log that is being read.
    last: Option<(Origin, u16)>,
    pub(super) shapes: Shapes,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            numbers: HashMap::default(),
            recent: Box::new([NONE; RECENT]),
            fields: [NONE; FIELDS],
            last: None,
            shapes: Shapes::default(),
        }
    }
}

/// A name that has a number, ready for use.
#[derive(Clone, Debug)]
struct Known {
    number: u16,
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
    /// An address of version 4: its numbers, the first the highest byte.
    Address(u32),
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
            Self::Address(numbers) => what(Dotted::new(numbers.to_be_bytes()).as_bytes()),
        }
    }

    /// As the paths of files compare that they are.
    pub(super) fn oldest_first(self, other: Self) -> Ordering {
        if self.is(other) {
            return Ordering::Equal;
        }
        self.with(|one| other.with(|other| Origin::oldest_first(one, other)))
    }

    /// The text that it is; `None` where it is none.
    pub(super) fn text(self) -> Option<Text> {
        match self {
            Self::Known(KnownName(known)) => known.text.clone(),
            Self::Here(bytes) => std::str::from_utf8(bytes).ok().map(Text::new),
            Self::Address(numbers) => {
                std::str::from_utf8(Dotted::new(numbers.to_be_bytes()).as_bytes()).ok().map(Text::new)
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

    /// A number for it: the same wherever it stands.
    #[inline]
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Known(KnownName(known)) => known.number.into(),
            _ => self.number_of(|whole| whole),
        }
    }

    /// A number for `part` of it: names of which these are equal have the same.
    #[inline]
    pub(super) fn number_of(self, part: impl Fn(&[u8]) -> &[u8]) -> u64 {
        match self {
            // It has its number wherever it stands.
            Self::Known(KnownName(known)) if known.bytes.len() < SHORT => known.number.into(),
            Self::Address(numbers) => 1 << 32 | u64::from(numbers),
            _ => self.with(|bytes| FixedState::default().hash_one(part(bytes))) | 1 << 63,
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
    /// The number of a shape's text, [`NONE`] or [`HERE`].
    #[inline(always)]
    #[allow(clippy::inline_always)] // asked of each field of an event, most of which it lacks
    pub(super) fn id(&mut self, field: Field, text: Option<&[u8]>) -> u16 {
        let Some(text) = text else { return NONE };
        let last = self.fields[field as usize];
        if self.known(last).is_some_and(|known| known.is(text)) {
            return last;
        }
        self.other_id(field, text)
    }

    #[inline(never)]
    fn other_id(&mut self, field: Field, text: &[u8]) -> u16 {
        let number = self.number(&String::from_utf8_lossy(text));
        self.fields[field as usize] = number.unwrap_or(NONE);
        number.unwrap_or(HERE)
    }

    /// The number of a path, or [`HERE`].
    pub(super) fn path_id(&mut self, path: &Origin) -> u16 {
        if let Some((_, number)) = self.last.as_ref().filter(|(last, _)| last == path) {
            return *number;
        }
        // What has no number never gets one.
        let number = self.number_of(path, MAX_NAMES).unwrap_or(HERE);
        self.last = Some((path.clone(), number));
        number
    }

    /// Writes a text, if there is one; what is no UTF-8 of it is replaced.
    pub(super) fn put_text(&mut self, text: Option<&[u8]>, out: &mut Vec<u8>) {
        let Some(text) = text else { return put_number(NONE.into(), out) };
        let recent = self.recent[recent(text)];
        if self.known(recent).is_some_and(|known| known.is(text)) {
            return put_number(recent.into(), out);
        }
        let lossy = String::from_utf8_lossy(text);
        match self.number(&lossy) {
            Some(number) => put_number(number.into(), out),
            None => put_here(lossy.as_bytes(), out),
        }
    }

    /// Writes an address of version 4.
    pub(super) fn put_address(numbers: [u8; 4], out: &mut Vec<u8>) {
        const { assert!(ADDRESS < 0x80) };
        let [a, b, c, d] = numbers;
        out.extend_from_slice(&[ADDRESS as u8, a, b, c, d]);
    }

    /// Writes a path.
    pub(super) fn put_path(&mut self, path: &Origin, out: &mut Vec<u8>) {
        match self.path_id(path) {
            HERE => put_here(path, out),
            number => put_number(number.into(), out),
        }
    }

    fn known(&self, number: u16) -> Option<&Known> {
        self.names.get(usize::from(number.checked_sub(FIRST)?))
    }

    /// The name with this number.
    #[inline]
    pub(super) fn get(&self, number: u64) -> Result<Name<'_>, Damaged> {
        let known = u16::try_from(number).ok().and_then(|number| self.known(number));
        Ok(Name::Known(KnownName(known.ok_or(Damaged)?)))
    }

    /// Reads what was written; `None` stands for a missing text.
    #[inline]
    pub(super) fn take<'a>(&'a self, rest: &mut &'a [u8]) -> Result<Option<Name<'a>>, Damaged> {
        const NONE: u64 = self::NONE as u64;
        const HERE: u64 = self::HERE as u64;
        const ADDRESS: u64 = self::ADDRESS as u64;
        Ok(match take_number(rest)? {
            NONE => None,
            HERE => {
                let len = usize::try_from(take_number(rest)?).map_err(|_| Damaged)?;
                let (name, after) = rest.split_at_checked(len).ok_or(Damaged)?;
                *rest = after;
                Some(Name::Here(name))
            }
            ADDRESS => Some(Name::Address(u32::from_be_bytes(take(rest)?))),
            number => Some(self.get(number)?),
        })
    }

    fn number(&mut self, text: &str) -> Option<u16> {
        let number = self.number_of(text.as_bytes(), MAX_NAMES - FOR_PATHS)?;
        self.recent[recent(text.as_bytes())] = number;
        Some(number)
    }

    /// The number of a name; a new one if there are less than `most`.
    fn number_of(&mut self, name: &[u8], most: usize) -> Option<u16> {
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        if self.names.len() >= most || name.len() > MAX_BYTES {
            return None;
        }
        let number = self.names.len() as u16 + FIRST;
        let bytes = Origin::from(name);
        let text = std::str::from_utf8(name).ok().map(Text::new);
        self.names.push(Known { number, bytes: bytes.clone(), text });
        self.numbers.insert(bytes, number);
        Some(number)
    }
}

impl Known {
    /// Whether it is this text. Paths that are no UTF-8 are none.
    fn is(&self, text: &[u8]) -> bool {
        self.text.as_ref().is_some_and(|known| known.as_bytes() == text)
    }
}

/// Where a text stands among those that were used lately.
fn recent(text: &[u8]) -> usize {
    let word = |part: Option<&[u8; 8]>| part.map_or(0, |part| u64::from_le_bytes(*part));
    let hash = match text {
        // As many as there are, else the first and the last eight, which may overlap.
        [_, _, _, _, _, _, _, _, ..] => word(text.first_chunk()) ^ word(text.last_chunk()).rotate_left(32),
        short => short.iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte)),
    };
    (hash ^ text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> (usize::BITS - RECENT.ilog2())
}

/// Writes a name where it is used.
pub(super) fn put_here(name: &[u8], out: &mut Vec<u8>) {
    put_number(HERE.into(), out);
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
            names.put_text(Some(name.as_bytes()), &mut bytes);
            names.put_path(&name.as_str().into(), &mut bytes);
            names.put_text(None, &mut bytes);
        }
        assert_eq!(names.names.len(), MAX_NAMES);
        assert_ne!(names.path_id(&all[MAX_NAMES - FOR_PATHS].as_str().into()), HERE);
        assert_eq!(names.path_id(&all[MAX_NAMES].as_str().into()), HERE);
        let mut rest = &bytes[..];
        for name in each() {
            let [text, path, none] = [(); 3].map(|()| names.take(&mut rest).unwrap());
            assert_eq!(text.and_then(Name::text).as_deref(), Some(&**name));
            assert_eq!(path.map(Name::path), Some(name.as_str().into()));
            assert!(none.is_none());
        }
        assert!(rest.is_empty());
        assert_eq!((names.id(Field::Method, Some(b"7")), names.id(Field::Method, Some(b"new"))), (10, HERE));
    }
}

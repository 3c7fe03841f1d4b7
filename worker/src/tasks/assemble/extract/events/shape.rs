//! What most events of a log have in common, kept once: an event has its number.

use super::{
    names::{HERE, NONE, Name, Names},
    packed::{Damaged, take, take_number, word},
};
use coldread_model::{LoginKind, LoginSource, Zone, varint};
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// Shapes that are kept by number. Of more each stands with its event, as does one with a name that has no number: events
/// of one number have the same texts.
const MAX_SHAPES: usize = 1 << 14;

/// What stands before a shape that stands with its event; numbers follow.
const INLINE: u64 = 0;
const FIRST: u64 = 1;

/// Which of the fields follow that few or not all events have.
pub(super) mod has {
    pub(in super::super) const TIME: u8 = 1;
    pub(in super::super) const NANOS: u8 = 1 << 1;
    pub(in super::super) const PORT: u8 = 1 << 2;
    pub(in super::super) const PID: u8 = 1 << 3;
    pub(in super::super) const UNTIL: u8 = 1 << 4;
    pub(in super::super) const ENDED: u8 = 1 << 5;
    pub(in super::super) const EVIDENCE: u8 = 1 << 6;
    pub(in super::super) const AMBIGUOUS: u8 = 1 << 7;
}

/// The texts of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Origin,
    Host,
    Tty,
    Session,
    Method,
    Target,
    Detail,
    Root,
}

/// How many there are.
pub(super) const FIELDS: usize = Field::Root as usize + 1;

/// What is not an event's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) source: LoginSource,
    pub(super) kind: LoginKind,
    pub(super) zone: Zone,
    /// Bits of [`has`].
    pub(super) has: u8,
    /// By [`Field`] the number of a name, [`NONE`], or [`HERE`] where it stands behind the shape.
    pub(super) names: [u16; FIELDS],
}

impl Shape {
    /// Whether an event has what one of the bits of [`has`] says.
    #[inline]
    pub(super) fn has(&self, bit: u8) -> bool {
        self.has & bit != 0
    }

    pub(super) fn lacks(&self, field: Field) -> bool {
        self.names[field as usize] == NONE
    }

    /// How many names stand behind it.
    fn here(&self) -> usize {
        self.names.iter().filter(|name| **name == HERE).count()
    }
}

/// Shapes with their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    shapes: Vec<Shape>,
    numbers: HashMap<Shape, u64, RandomState>,
    /// The last one that was written, and its number.
    last: Option<(Shape, u64)>,
}

impl Shapes {
    /// Writes a shape's number, else the shape.
    #[inline]
    pub(super) fn put(&mut self, shape: Shape, out: &mut Vec<u8>) {
        if let Some((last, number)) = &self.last
            && *last == shape
        {
            return varint::put(*number, out);
        }
        self.put_other(shape, out);
    }

    fn put_other(&mut self, shape: Shape, out: &mut Vec<u8>) {
        if let Some(number) = self.number(shape) {
            self.last = Some((shape, number));
            return varint::put(number, out);
        }
        varint::put(INLINE, out);
        out.extend([shape.source as u8, shape.kind as u8, shape.zone as u8, shape.has]);
        for name in shape.names {
            varint::put(name.into(), out);
        }
    }

    fn number(&mut self, shape: Shape) -> Option<u64> {
        if shape.names.contains(&HERE) {
            return None;
        }
        let known = self.numbers.get(&shape).copied();
        known.or_else(|| {
            let number = self.shapes.len() as u64 + FIRST;
            (self.shapes.len() < MAX_SHAPES).then(|| {
                self.shapes.push(shape);
                self.numbers.insert(shape, number);
                number
            })
        })
    }

    #[inline]
    fn take(&self, rest: &mut &[u8]) -> Result<(u64, Shape), Damaged> {
        let number = take_number(rest)?;
        if number == INLINE {
            return Ok((number, Self::take_inline(rest)?));
        }
        let shape = usize::try_from(number - FIRST).ok().and_then(|place| self.shapes.get(place));
        Ok((number, *shape.ok_or(Damaged)?))
    }

    fn take_inline(rest: &mut &[u8]) -> Result<Shape, Damaged> {
        let source = word(LoginSource::ALL, rest)?;
        let kind = word(LoginKind::ALL, rest)?;
        let zone = word(Zone::ALL, rest)?;
        let [has] = take(rest)?;
        let mut names = [NONE; FIELDS];
        for name in &mut names {
            *name = u16::try_from(take_number(rest)?).map_err(|_| Damaged)?;
        }
        Ok(Shape { source, kind, zone, has, names })
    }
}

/// The shape of an event that was read.
#[derive(Clone, Copy)]
pub(super) struct Shaped<'a> {
    /// [`INLINE`] where it stands with its event.
    number: u64,
    shape: Shape,
    /// What stands behind it.
    behind: &'a [u8],
    names: &'a Names,
}

impl std::ops::Deref for Shaped<'_> {
    type Target = Shape;

    fn deref(&self) -> &Shape {
        &self.shape
    }
}

impl<'a> Shaped<'a> {
    /// Reads a shape and what stands behind it; `rest` is left there.
    #[inline(always)]
    #[allow(clippy::inline_always)] // to hand it over in memory takes longer than to read it
    pub(super) fn take(rest: &mut &'a [u8], names: &'a Names) -> Result<Self, Damaged> {
        let (number, shape) = names.shapes.take(rest)?;
        let behind = *rest;
        if number == INLINE {
            for _ in 0..shape.here() {
                names.take(rest)?;
            }
        }
        Ok(Self { number, shape, behind, names })
    }

    /// Its number, if it has one; events of one number have the same texts.
    pub(super) fn number(&self) -> Option<u64> {
        (self.number != INLINE).then_some(self.number)
    }

    /// One of its texts.
    pub(super) fn name(&self, field: Field) -> Result<Option<Name<'a>>, Damaged> {
        let before = &self.shape.names[..field as usize];
        match self.shape.names[field as usize] {
            NONE => Ok(None),
            HERE => {
                let mut rest = self.behind;
                for _ in before.iter().filter(|name| **name == HERE) {
                    self.names.take(&mut rest)?;
                }
                self.names.take(&mut rest)
            }
            number => self.names.get(number.into()).map(Some),
        }
    }
}

//! Elements as trees, and the templates that most events are made of ("Template definition").

use super::{
    EvtxError,
    binxml::{Cursor, MAX_DEPTH, token},
};
use std::{collections::HashMap, rc::Rc};

/// Bytes of templates that are read in one chunk, however often its records point at them.
pub const CHUNK_BUDGET: usize = 1 << 20;

/// A part of an element's content or of an attribute's value.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    /// The record's value with this index.
    Substitution(u16),
    Element(Element),
    /// A template with its values, inside an element.
    Instance(Instance),
}

#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, Vec<Node>)>,
    pub(super) children: Vec<Node>,
}

/// A value of a record: its type and its bytes' place in the chunk.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) kind: u8,
    pub(super) start: usize,
    pub(super) len: usize,
}

/// A template with the values to put into it.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) nodes: Rc<Vec<Node>>,
    pub(super) values: Rc<Vec<Slot>>,
}

/// A chunk and the templates that were met in it.
pub(super) struct Templates<'c> {
    chunk: &'c [u8],
    base: u64,
    known: HashMap<usize, Result<Rc<Vec<Node>>, EvtxError>>,
    spent: usize,
}

impl<'c> Templates<'c> {
    pub(super) fn new(chunk: &'c [u8], base: u64) -> Self {
        Self { chunk, base, known: HashMap::new(), spent: 0 }
    }

    pub(super) fn cursor(&self, range: std::ops::Range<usize>) -> Cursor<'c> {
        Cursor::new(self.chunk, self.base, range)
    }

    /// Content up to the end of the cursor or of the fragment. `inside_value` is where elements have no
    /// dependency identifier.
    pub(super) fn content(
        &mut self,
        cursor: &mut Cursor<'c>,
        depth: usize,
        inside_value: bool,
    ) -> Result<Vec<Node>, EvtxError> {
        if depth > MAX_DEPTH {
            return Err(cursor.limit(format!("more than {MAX_DEPTH} elements inside each other")));
        }
        let mut nodes = Vec::new();
        loop {
            cursor.skip_fragment_header()?;
            let Some(kind) = cursor.peek() else { return Ok(nodes) };
            match kind & !token::MORE {
                token::END | token::CLOSE => return Ok(nodes),
                token::ELEMENT => nodes.push(Node::Element(self.element(cursor, depth, inside_value)?)),
                token::TEMPLATE => nodes.push(Node::Instance(self.instance(cursor, depth + 1)?)),
                _ => nodes.extend(text(cursor)?),
            }
        }
    }

    fn element(
        &mut self,
        cursor: &mut Cursor<'c>,
        depth: usize,
        inside_value: bool,
    ) -> Result<Element, EvtxError> {
        let has_attributes = cursor.u8()? & token::MORE != 0;
        if !inside_value {
            cursor.u16()?;
        }
        cursor.u32()?;
        let name = cursor.name()?;
        let mut attributes = Vec::new();
        if has_attributes {
            cursor.u32()?;
            while cursor.peek().is_some_and(|kind| kind & !token::MORE == token::ATTRIBUTE) {
                cursor.u8()?;
                let name = cursor.name()?;
                attributes.push((name, values(cursor)?));
            }
        }
        let children = match cursor.u8()? {
            token::CLOSE_EMPTY => Vec::new(),
            token::CLOSE_START => {
                let children = self.content(cursor, depth + 1, inside_value)?;
                match cursor.u8()? {
                    token::CLOSE => children,
                    other => {
                        return Err(cursor.corrupt(format!("token {other:#x}, an element's end expected")));
                    }
                }
            }
            other => return Err(cursor.corrupt(format!("token {other:#x} in an element's start"))),
        };
        Ok(Element { name, attributes, children })
    }

    /// A template instance: which template, and its values ("Template instance").
    fn instance(&mut self, cursor: &mut Cursor<'c>, depth: usize) -> Result<Instance, EvtxError> {
        cursor.take(6)?;
        let definition = cursor.u32()? as usize;
        let nodes = self.definition(definition, cursor, depth)?;
        if definition == cursor.at {
            // Next of the same hash, identifier, length: then the template itself.
            cursor.take(20)?;
            let len = cursor.u32()? as usize;
            cursor.take(len)?;
        }
        let count = cursor.u32()? as usize;
        let mut values = Vec::new();
        let mut start = count
            .checked_mul(4)
            .and_then(|len| cursor.at.checked_add(len))
            .ok_or_else(|| cursor.corrupt(format!("{count} values")))?;
        let descriptors = cursor.take(count * 4)?;
        for descriptor in descriptors.chunks_exact(4) {
            let len = usize::from(u16::from_le_bytes([descriptor[0], descriptor[1]]));
            values.push(Slot { kind: descriptor[2], start, len });
            cursor.take(len)?;
            start += len;
        }
        Ok(Instance { nodes, values: Rc::new(values) })
    }

    fn definition(&mut self, at: usize, user: &Cursor<'c>, depth: usize) -> Result<Rc<Vec<Node>>, EvtxError> {
        if let Some(known) = self.known.get(&at) {
            return known.clone();
        }
        let mut header = self.cursor(at..self.chunk.len());
        header.take(20)?;
        let len = header.u32()? as usize;
        let end = header.at.saturating_add(len).min(self.chunk.len());
        self.spent += end - header.at;
        if self.spent > CHUNK_BUDGET {
            return Err(user.limit(format!("more than {CHUNK_BUDGET} bytes of templates in a chunk")));
        }
        // A template that names itself is none.
        let circular = Err(header.corrupt("a template inside itself"));
        self.known.insert(at, circular);
        let mut content = self.cursor(header.at..end);
        let nodes = self.content(&mut content, depth, false).map(Rc::new);
        self.known.insert(at, nodes.clone());
        nodes
    }
}

/// The value of an attribute.
fn values(cursor: &mut Cursor<'_>) -> Result<Vec<Node>, EvtxError> {
    let mut nodes = Vec::new();
    while let Some(kind) = cursor.peek() {
        match kind & !token::MORE {
            token::VALUE | token::CHARACTER | token::ENTITY | token::SUBSTITUTION | token::OPTIONAL => {
                nodes.extend(text(cursor)?);
            }
            _ => break,
        }
    }
    Ok(nodes)
}

/// One token that stands for text.
fn text(cursor: &mut Cursor<'_>) -> Result<Option<Node>, EvtxError> {
    let kind = cursor.u8()? & !token::MORE;
    Ok(match kind {
        token::VALUE => {
            // Only text is written so.
            match cursor.u8()? {
                1 => Some(Node::Text(cursor.counted_text()?)),
                other => return Err(cursor.corrupt(format!("a literal value of type {other:#x}"))),
            }
        }
        token::CDATA => Some(Node::Text(cursor.counted_text()?)),
        token::CHARACTER => {
            let code = cursor.u16()?;
            Some(Node::Text(char::from_u32(code.into()).unwrap_or(char::REPLACEMENT_CHARACTER).to_string()))
        }
        token::ENTITY => {
            let name = cursor.name()?;
            let text = match name.as_str() {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                "apos" => "'",
                _ => return Ok(Some(Node::Text(format!("&{name};")))),
            };
            Some(Node::Text(text.to_owned()))
        }
        token::INSTRUCTION => {
            cursor.name()?;
            None
        }
        token::INSTRUCTION_DATA => {
            cursor.counted_text()?;
            None
        }
        token::SUBSTITUTION | token::OPTIONAL => {
            let index = cursor.u16()?;
            cursor.u8()?;
            Some(Node::Substitution(index))
        }
        other => return Err(cursor.corrupt(format!("token {other:#x}"))),
    })
}

//! Events: what a record's tree says.

use super::{
    EvtxError,
    template::{Element, Node, Slot, Templates},
    u64_at,
    value::{self, FILETIME, XML},
};
use coldread_model::Timestamp;
use std::{cell::RefCell, ops::Range, rc::Rc};

/// Parts of one event that are looked at, values inside values included.
const MAX_PARTS: usize = 1 << 14;

/// Bytes of text and of nested values that one event may have.
const MAX_TEXT: usize = 1 << 18;

/// Values that are binary XML with values of their own.
const MAX_NESTED: usize = 8;

/// What every event says of itself (its `System` element).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Who wrote it.
    pub provider: String,
    /// What kind of event it is, by the provider's numbers.
    pub id: u32,
    /// When it happened.
    pub time: Timestamp,
    /// The log.
    pub channel: String,
    /// The machine.
    pub computer: String,
    /// The security identifier of the user whose thread wrote it.
    pub user: Option<String>,
}

/// An event's own data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Names and values in order. A name is that of the element, or its `Name` attribute where it has one.
    pub fields: Vec<(String, String)>,
}

impl Event {
    /// The value of a field; none where it is empty or a hyphen, which stands for nothing.
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        let value = value.trim();
        (!value.is_empty() && value != "-").then_some(value)
    }
}

/// A record's binary XML, and the chunk that it is part of.
pub(super) struct Source<'c> {
    templates: &'c RefCell<Templates<'c>>,
    chunk: &'c [u8],
    range: Range<usize>,
    parsed: Option<Rc<Vec<Node>>>,
}

impl<'c> Source<'c> {
    pub(super) fn new(templates: &'c RefCell<Templates<'c>>, chunk: &'c [u8], range: Range<usize>) -> Self {
        Self { templates, chunk, range, parsed: None }
    }

    fn nodes(&mut self) -> Result<Rc<Vec<Node>>, EvtxError> {
        if let Some(nodes) = &self.parsed {
            return Ok(Rc::clone(nodes));
        }
        let mut templates = self.templates.borrow_mut();
        let mut cursor = templates.cursor(self.range.clone());
        let nodes = Rc::new(templates.content(&mut cursor, 0, false)?);
        drop(templates);
        if nodes.is_empty() {
            return Err(self.corrupt("no event is there"));
        }
        self.parsed = Some(Rc::clone(&nodes));
        Ok(nodes)
    }

    fn corrupt(&self, reason: &str) -> EvtxError {
        self.templates.borrow().cursor(self.range.clone()).corrupt(reason)
    }

    pub(super) fn header(&mut self, written: Timestamp) -> Result<Header, EvtxError> {
        let nodes = self.nodes()?;
        let mut walk = Walk::new(self, true);
        walk.header.time = written;
        walk.nodes(&nodes, &[], &mut Vec::new(), 0)?;
        Ok(walk.header)
    }

    pub(super) fn data(&mut self) -> Result<Event, EvtxError> {
        let nodes = self.nodes()?;
        let mut walk = Walk::new(self, false);
        walk.nodes(&nodes, &[], &mut Vec::new(), 0)?;
        Ok(walk.event)
    }
}

struct Walk<'s, 'c> {
    source: &'s Source<'c>,
    /// Whether the `System` element is wanted, or what is beside it.
    of_system: bool,
    header: Header,
    event: Event,
    parts: usize,
    text: usize,
}

impl<'s, 'c> Walk<'s, 'c> {
    fn new(source: &'s Source<'c>, of_system: bool) -> Self {
        Self { source, of_system, header: Header::default(), event: Event::default(), parts: 0, text: 0 }
    }

    fn count(&mut self, text: usize) -> Result<(), EvtxError> {
        self.parts += 1;
        self.text += text;
        if self.parts > MAX_PARTS || self.text > MAX_TEXT {
            let at = self.source.templates.borrow().cursor(self.source.range.clone());
            return Err(at.limit(format!("an event of more than {MAX_PARTS} parts or {MAX_TEXT} bytes")));
        }
        Ok(())
    }

    /// Elements below `path`, the names of those around.
    fn nodes(
        &mut self,
        nodes: &[Node],
        values: &[Slot],
        path: &mut Vec<String>,
        nested: usize,
    ) -> Result<(), EvtxError> {
        for node in nodes {
            self.count(0)?;
            match node {
                Node::Text(_) => {}
                Node::Element(element) => self.element(element, values, path, nested)?,
                Node::Instance(instance) => {
                    let inner = (Rc::clone(&instance.nodes), Rc::clone(&instance.values));
                    self.nodes(&inner.0, &inner.1, path, self.deeper(nested)?)?;
                }
                Node::Substitution(index) => {
                    let Some(slot) = values.get(usize::from(*index)).filter(|slot| slot.kind == XML) else {
                        continue;
                    };
                    self.count(slot.len)?;
                    let nodes = self.xml(slot)?;
                    self.nodes(&nodes, &[], path, self.deeper(nested)?)?;
                }
            }
        }
        Ok(())
    }

    fn deeper(&self, nested: usize) -> Result<usize, EvtxError> {
        if nested >= MAX_NESTED {
            let at = self.source.templates.borrow().cursor(self.source.range.clone());
            return Err(at.limit(format!("more than {MAX_NESTED} values inside each other")));
        }
        Ok(nested + 1)
    }

    fn xml(&self, slot: &Slot) -> Result<Vec<Node>, EvtxError> {
        let mut templates = self.source.templates.borrow_mut();
        let mut cursor = templates.cursor(slot.start..slot.start + slot.len);
        templates.content(&mut cursor, 0, true)
    }

    fn element(
        &mut self,
        element: &Element,
        values: &[Slot],
        path: &mut Vec<String>,
        nested: usize,
    ) -> Result<(), EvtxError> {
        let in_system = path.get(1).is_some_and(|name| name == "System");
        let is_system = path.len() == 1 && element.name == "System";
        if path.len() == 1 && self.of_system != is_system {
            return Ok(());
        }
        if in_system {
            self.of_header(element, values)?;
        } else if path.len() >= 2 {
            self.of_event(element, values)?;
        }
        path.push(element.name.clone());
        let result = self.nodes(&element.children, values, path, nested);
        path.pop();
        result
    }

    fn of_header(&mut self, element: &Element, values: &[Slot]) -> Result<(), EvtxError> {
        match element.name.as_str() {
            "Provider" => self.header.provider = self.attribute(element, "Name", values)?,
            "EventID" => self.header.id = self.content(element, values)?.parse().unwrap_or(0),
            "Channel" => self.header.channel = self.content(element, values)?,
            "Computer" => self.header.computer = self.content(element, values)?,
            "Security" => {
                let user = self.attribute(element, "UserID", values)?;
                self.header.user = (!user.is_empty()).then_some(user);
            }
            "TimeCreated" => {
                let time = element.attributes.iter().find(|(name, _)| name == "SystemTime");
                if let Some((_, nodes)) = time
                    && let [Node::Substitution(index)] = nodes.as_slice()
                    && let Some(slot) = values.get(usize::from(*index)).filter(|slot| slot.kind == FILETIME)
                    && let Some(ticks) = u64_at(self.bytes(slot), 0)
                {
                    self.header.time = Timestamp::from_filetime(ticks);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn of_event(&mut self, element: &Element, values: &[Slot]) -> Result<(), EvtxError> {
        let has_elements = element.children.iter().any(|node| match node {
            Node::Element(_) | Node::Instance(_) => true,
            Node::Substitution(index) => values.get(usize::from(*index)).is_some_and(|slot| slot.kind == XML),
            Node::Text(_) => false,
        });
        if has_elements {
            return Ok(());
        }
        let name = self.attribute(element, "Name", values)?;
        let name = if name.is_empty() { element.name.clone() } else { name };
        let text = self.content(element, values)?;
        self.count(name.len())?;
        self.event.fields.push((name, text));
        Ok(())
    }

    fn attribute(&mut self, element: &Element, name: &str, values: &[Slot]) -> Result<String, EvtxError> {
        match element.attributes.iter().find(|(own, _)| own == name) {
            Some((_, nodes)) => self.joined(nodes, values),
            None => Ok(String::new()),
        }
    }

    fn content(&mut self, element: &Element, values: &[Slot]) -> Result<String, EvtxError> {
        self.joined(&element.children, values)
    }

    fn joined(&mut self, nodes: &[Node], values: &[Slot]) -> Result<String, EvtxError> {
        let mut joined = String::new();
        for node in nodes {
            match node {
                Node::Text(text) => joined.push_str(text),
                Node::Substitution(index) => {
                    if let Some(slot) = values.get(usize::from(*index)) {
                        joined.push_str(&value::text(slot.kind, self.bytes(slot)));
                    }
                }
                Node::Element(_) | Node::Instance(_) => {}
            }
            // One value may be named thousands of times.
            if joined.len() > MAX_TEXT {
                break;
            }
        }
        self.count(joined.len())?;
        Ok(joined)
    }

    fn bytes(&self, slot: &Slot) -> &'c [u8] {
        self.source.chunk.get(slot.start..slot.start.saturating_add(slot.len)).unwrap_or_default()
    }
}

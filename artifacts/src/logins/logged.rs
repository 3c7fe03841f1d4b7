//! An event as lines of a log tell it. Attacked servers have millions of them: whoever takes one need not make more of
//! it than is kept.

use super::{address, text_of};
use coldread_model::{
    Evidence, LoginEvent, LoginKind, LoginSource, Origin, Text, Timestamp, Zone, text::dotted,
};

/// An event whose texts are bytes as the log has them, UTF-8 or not.
#[derive(Clone, Copy, Debug)]
pub struct Logged<'a> {
    /// [`LoginEvent::time`]
    pub time: Option<Timestamp>,
    /// [`LoginEvent::source`]
    pub source: LoginSource,
    /// [`LoginEvent::kind`]
    pub kind: LoginKind,
    /// [`LoginEvent::zone`]
    pub zone: Zone,
    /// [`LoginEvent::ambiguous`]
    pub ambiguous: bool,
    /// [`LoginEvent::pid`]
    pub pid: Option<u32>,
    /// [`LoginEvent::port`]
    pub port: Option<u16>,
    /// The texts.
    pub texts: LoggedTexts<'a>,
    /// [`LoginEvent::origin`]
    pub origin: &'a Origin,
    /// [`LoginEvent::offset`]
    pub offset: u64,
    /// The other lines of the file that tell of it: where each starts.
    pub lines: &'a [u64],
    /// [`LoginEvent::root`]
    pub root: &'a Text,
}

/// The texts of a [`Logged`], none of them empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoggedTexts<'a> {
    /// [`LoginEvent::user`]
    pub user: Option<&'a [u8]>,
    /// [`LoginEvent::from`], in whatever form.
    pub from: Option<&'a [u8]>,
    /// [`LoginEvent::tty`]
    pub tty: Option<&'a [u8]>,
    /// [`LoginEvent::session`]
    pub session: Option<&'a [u8]>,
    /// [`LoginEvent::method`]
    pub method: Option<&'a [u8]>,
    /// [`LoginEvent::target`]
    pub target: Option<&'a [u8]>,
    /// [`LoginEvent::detail`]
    pub detail: Option<&'a [u8]>,
}

/// Where an event came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address of version 4.
    Four([u8; 4]),
    /// Another address in its canonical form, or a name.
    Text(Text),
}

impl Logged<'_> {
    /// Where it came from.
    pub fn place(&self) -> Option<Place> {
        let from = self.texts.from?;
        if let Some(numbers) = dotted(from) {
            return Some(Place::Four(numbers));
        }
        let text = address::canonical(from);
        Some(dotted(text.as_bytes()).map_or(Place::Text(text), Place::Four))
    }

    /// The event.
    pub fn event(&self) -> LoginEvent {
        let text = |text: Option<&[u8]>| text.map(text_of);
        let texts = &self.texts;
        let record =
            |offset: &u64| Evidence { source: self.source, origin: self.origin.clone(), offset: *offset };
        LoginEvent {
            user: text(texts.user),
            from: texts.from.map(address::canonical),
            port: self.port,
            tty: text(texts.tty),
            zone: self.zone,
            ambiguous: self.ambiguous,
            pid: self.pid,
            session: text(texts.session),
            method: text(texts.method),
            target: text(texts.target),
            detail: text(texts.detail),
            evidence: self.lines.iter().map(record).collect(),
            root: self.root.clone(),
            ..LoginEvent::new(self.source, self.kind, self.time, self.origin, self.offset)
        }
    }
}

//! The fields of entries that matter, and which data objects hold them.
//!
//! Sources: "Journal File Format", "Data Objects"; systemd.journal-fields(7): MESSAGE, SYSLOG_IDENTIFIER, SYSLOG_PID,
//! _COMM, _PID.

use super::{
    JournalError,
    bytes::Bytes,
    header::Header,
    object::{HEADER, Kind, Object, Packing, unpack},
};
use crate::logins::message;
use std::collections::{HashMap, HashSet};

/// The longest message that is looked at, and the longest stored form of a packed one.
const MAX_MESSAGE: usize = 64 << 10;

/// Bytes of messages that entries refer to, each time that one does: so many for each byte of the file, and some more.
const MESSAGES_PER_BYTE: u64 = 4;
const FREE_MESSAGES: u64 = 64 << 20;

/// The start of a field that is looked at to see which it is: all of a program's or process's.
const START: usize = 96;

/// Data objects that are remembered as telling. A file has one for each program, and one for each text that
/// begins as PAM's do.
const MAX_TELLING: usize = 500_000;

/// Data objects whose meaning is remembered; beyond that they are looked at anew.
const MAX_KNOWN: usize = 100_000;

/// What an entry's item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    Message(Vec<u8>),
    Identifier(Vec<u8>),
    Command(Vec<u8>),
    SyslogPid(u32),
    Pid(u32),
    Other,
}

/// The fields of one entry that matter.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub message: Option<Vec<u8>>,
    identifier: Option<Vec<u8>>,
    command: Option<Vec<u8>>,
    syslog_pid: Option<u32>,
    pid: Option<u32>,
}

impl Fields {
    pub(super) fn put(&mut self, looked: Looked) {
        match looked {
            Looked::Message(text) => {
                self.message.get_or_insert(text);
            }
            Looked::Identifier(name) => {
                self.identifier.get_or_insert(name);
            }
            Looked::Command(name) => {
                self.command.get_or_insert(name);
            }
            Looked::SyslogPid(pid) => self.syslog_pid = self.syslog_pid.or(Some(pid)),
            Looked::Pid(pid) => self.pid = self.pid.or(Some(pid)),
            Looked::Other => {}
        }
    }

    /// What the program calls itself, as in a text log; else what the kernel calls it.
    pub(super) fn program(&self) -> &[u8] {
        let name = self.identifier.as_deref().or(self.command.as_deref()).unwrap_or_default();
        name.rsplit(|byte| *byte == b'/').next().unwrap_or(name)
    }

    /// The process that a text log would name; else the one that the kernel saw.
    pub(super) fn pid(&self) -> Option<u32> {
        self.syslog_pid.or(self.pid)
    }
}

/// Which data objects tell of logins, by their places in the file.
#[derive(Default)]
pub(super) struct Interest {
    telling: HashSet<u64>,
    /// A bit for each telling place by 16 bits of its hash: most places are ruled out by one look.
    bits: Bits,
    known: HashMap<u64, Looked>,
    /// Bytes of messages that were read.
    messages: u64,
}

struct Bits(Vec<u64>);

impl Default for Bits {
    fn default() -> Self {
        Self(vec![0; 1024])
    }
}

impl Bits {
    fn place(offset: u64) -> (usize, u64) {
        let hash = (offset >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
        ((hash >> 6) as usize, 1 << (hash & 63))
    }

    fn set(&mut self, offset: u64) {
        let (word, bit) = Self::place(offset);
        self.0[word] |= bit;
    }

    fn may_hold(&self, offset: u64) -> bool {
        let (word, bit) = Self::place(offset);
        self.0[word] & bit != 0
    }
}

impl Interest {
    /// Takes a data object that the pass comes by.
    pub(super) fn data(
        &mut self,
        bytes: &mut Bytes<'_>,
        header: &Header,
        at: u64,
        object: Object,
    ) -> Result<(), JournalError> {
        let Some(stored) = stored_len(header, object) else {
            return Err(JournalError::Corrupt(format!("a data object of {} bytes", object.size)));
        };
        let text_at = at + payload_at(header);
        let telling = if object.packing == Packing::None {
            is_telling(bytes.ahead(text_at, stored.min(START))?)
        } else if stored <= MAX_MESSAGE {
            is_telling(&unpack(object.packing, bytes.ahead(text_at, stored)?, START)?)
        } else {
            false
        };
        if telling {
            if self.telling.len() >= MAX_TELLING {
                return Err(JournalError::Full(format!(
                    "byte {at}: more than {MAX_TELLING} texts of logins"
                )));
            }
            self.suspect(at);
        }
        Ok(())
    }

    /// Takes a data object as telling of logins: it does, or may where it cannot be read.
    pub(super) fn suspect(&mut self, at: u64) {
        self.telling.insert(at);
        self.bits.set(at);
    }

    /// Whether the data object at `offset` tells of logins.
    pub(super) fn holds(&self, offset: u64) -> bool {
        self.bits.may_hold(offset) && self.telling.contains(&offset)
    }

    /// What the data object at `offset` holds, wherever that is.
    pub(super) fn look(
        &mut self,
        bytes: &mut Bytes<'_>,
        header: &Header,
        offset: u64,
    ) -> Result<Looked, JournalError> {
        if let Some(looked) = self.known.get(&offset) {
            return Ok(looked.clone());
        }
        let looked = read(bytes, header, offset)?;
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        // Messages are many and seldom told twice.
        if let Looked::Message(text) = &looked {
            // Any number of entries may refer to one long message.
            self.messages += text.len() as u64;
            let most = bytes.len().saturating_mul(MESSAGES_PER_BYTE).saturating_add(FREE_MESSAGES);
            if self.messages > most {
                return Err(JournalError::Full(format!(
                    "entries refer to more than {most} bytes of messages"
                )));
            }
        } else {
            self.known.insert(offset, looked.clone());
        }
        Ok(looked)
    }
}

/// Where a data object's payload starts in it: the compact layout has two more fields before it.
fn payload_at(header: &Header) -> u64 {
    if header.compact { 72 } else { 64 }
}

fn stored_len(header: &Header, object: Object) -> Option<usize> {
    usize::try_from(object.size.checked_sub(payload_at(header))?).ok()
}

fn is_telling(start: &[u8]) -> bool {
    if let Some(text) = start.strip_prefix(b"MESSAGE=") {
        return message::TELLING_STARTS.iter().any(|telling| text.starts_with(telling));
    }
    let name = start.strip_prefix(b"SYSLOG_IDENTIFIER=").or_else(|| start.strip_prefix(b"_COMM="));
    name.is_some_and(|name| {
        message::is_telling(name.rsplit(|byte| *byte == b'/').next().unwrap_or(name).trim_ascii())
    })
}

fn read(bytes: &mut Bytes<'_>, header: &Header, offset: u64) -> Result<Looked, JournalError> {
    let len = bytes.len();
    let valid = offset.is_multiple_of(8) && offset >= header.size;
    let object = if valid { Object::read(bytes.anywhere(offset, HEADER)?, offset, len) } else { None };
    let object = object.filter(|object| object.kind == Kind::Data);
    let Some((object, stored)) = object.and_then(|object| Some((object, stored_len(header, object)?))) else {
        return Err(JournalError::Corrupt("no data object there".into()));
    };
    let text_at = offset + payload_at(header);
    let plain = object.packing == Packing::None;
    if !plain && stored > MAX_MESSAGE {
        return Ok(Looked::Other);
    }
    let start = if plain {
        bytes.anywhere(text_at, stored.min(START))?.to_vec()
    } else {
        unpack(object.packing, bytes.anywhere(text_at, stored)?, START)?
    };
    let Some(equals) = memchr::memchr(b'=', &start) else { return Ok(Looked::Other) };
    let (name, value) = (&start[..equals], &start[equals + 1..]);
    let number = || message::whole_number(value.trim_ascii());
    Ok(match name {
        b"SYSLOG_IDENTIFIER" => Looked::Identifier(value.to_vec()),
        b"_COMM" => Looked::Command(value.to_vec()),
        b"SYSLOG_PID" => number().map_or(Looked::Other, Looked::SyslogPid),
        b"_PID" => number().map_or(Looked::Other, Looked::Pid),
        b"MESSAGE" => {
            // One byte more than is kept tells whether there is more.
            let wanted = if plain { stored.min(MAX_MESSAGE + 1) } else { stored };
            let whole = unpack(object.packing, bytes.anywhere(text_at, wanted)?, MAX_MESSAGE + 1)?;
            if whole.len() <= MAX_MESSAGE {
                let hash = bytes.u64_at(offset + HEADER as u64)?;
                if header.hash.of(&whole) != hash {
                    return Err(JournalError::Corrupt("a message that does not match its hash".into()));
                }
            }
            let text = whole.get(equals + 1..whole.len().min(MAX_MESSAGE)).unwrap_or_default();
            Looked::Message(text.to_vec())
        }
        _ => Looked::Other,
    })
}

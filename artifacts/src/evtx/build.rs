//! Makes event logs for tests: chunks of events with shared templates.

use super::binxml::token;
use coldread_model::crc;
use std::collections::HashMap;

/// A log under construction.
pub(crate) struct LogBuilder {
    file: Vec<u8>,
    chunk: Vec<u8>,
    templates: HashMap<Vec<String>, u32>,
    numbers: Vec<u64>,
}

/// An event to be.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) provider: &'a str,
    pub(crate) id: u16,
    /// FILETIME.
    pub(crate) time: u64,
    pub(crate) fields: &'a [(&'a str, &'a str)],
}

impl LogBuilder {
    pub(crate) fn new() -> Self {
        let mut file = vec![0; 4096];
        file[..8].copy_from_slice(b"ElfFile\0");
        for (at, value) in [(38, 3u16), (40, 4096)] {
            file[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        Self { file, chunk: vec![0; 512], templates: HashMap::new(), numbers: Vec::new() }
    }

    /// Adds an event whose fields are `Data` of `EventData`.
    pub(crate) fn event(&mut self, number: u64, told: Told<'_>) -> &mut Self {
        self.record(number, told, false)
    }

    /// Adds an event whose fields are elements of a value that is binary XML, below `UserData`.
    pub(crate) fn user_event(&mut self, number: u64, told: Told<'_>) -> &mut Self {
        self.record(number, told, true)
    }

    fn record(&mut self, number: u64, told: Told<'_>, nested: bool) -> &mut Self {
        let start = self.chunk.len();
        self.put(b"**\0\0\0\0\0\0");
        self.put(&number.to_le_bytes());
        self.put(&(told.time + 5).to_le_bytes());
        self.put(&[token::FRAGMENT, 1, 1, 0, token::TEMPLATE, 1, 7, 0, 0, 0]);
        let mut names: Vec<String> = told.fields.iter().map(|(name, _)| (*name).to_owned()).collect();
        if nested {
            names = vec!["(nested)".to_owned()];
        }
        if let Some(at) = self.templates.get(&names).copied() {
            self.put(&at.to_le_bytes());
        } else {
            let at = self.chunk.len() as u32 + 4;
            self.put(&at.to_le_bytes());
            self.template(&names, nested);
            self.templates.insert(names, at);
        }
        self.values(told, nested);
        let size = (self.chunk.len() + 4 - start) as u32;
        self.put(&size.to_le_bytes());
        self.chunk[start + 4..start + 8].copy_from_slice(&size.to_le_bytes());
        self.numbers.push(number);
        self
    }

    fn template(&mut self, names: &[String], nested: bool) {
        self.put(&[0; 20]);
        let len_at = self.chunk.len();
        self.put(&[0; 4]);
        self.put(&[token::FRAGMENT, 1, 1, 0]);
        self.open("Event", None, false);
        self.open("System", None, false);
        self.open("Provider", Some(("Name", Ok(0))), false);
        self.put(&[token::CLOSE]);
        for (name, index) in [("EventID", 1), ("Channel", 3), ("Computer", u16::MAX)] {
            self.open(name, None, false);
            if index == u16::MAX {
                self.literal("P");
                self.put(&[token::CHARACTER, b'C', 0]);
            } else {
                self.substitution(index);
            }
            self.put(&[token::CLOSE]);
        }
        self.open("TimeCreated", Some(("SystemTime", Ok(2))), false);
        self.put(&[token::CLOSE, token::CLOSE]);
        if nested {
            self.open("UserData", None, false);
            self.substitution(4);
        } else {
            self.open("EventData", None, false);
            for (index, name) in names.iter().enumerate() {
                self.open("Data", Some(("Name", Err(name))), false);
                self.substitution(4 + index as u16);
                self.put(&[token::CLOSE]);
            }
        }
        self.put(&[token::CLOSE, token::CLOSE, token::END]);
        let len = (self.chunk.len() - len_at - 4) as u32;
        self.chunk[len_at..len_at + 4].copy_from_slice(&len.to_le_bytes());
    }

    fn values(&mut self, told: Told<'_>, nested: bool) {
        let fixed = [
            (1, utf16(told.provider)),
            (6, told.id.to_le_bytes().to_vec()),
            (0x11, told.time.to_le_bytes().to_vec()),
            (1, utf16("Security")),
        ];
        let count = if nested { 5 } else { 4 + told.fields.len() };
        self.put(&(count as u32).to_le_bytes());
        let descriptors = self.chunk.len();
        self.put(&vec![0; count * 4]);
        let put = |builder: &mut Self, index: usize, kind: u8, bytes: &[u8]| {
            let at = descriptors + index * 4;
            builder.chunk[at..at + 2].copy_from_slice(&(bytes.len() as u16).to_le_bytes());
            builder.chunk[at + 2] = kind;
            builder.put(bytes);
        };
        for (index, (kind, bytes)) in fixed.iter().enumerate() {
            put(self, index, *kind, bytes);
        }
        if !nested {
            for (index, (_, value)) in told.fields.iter().enumerate() {
                put(self, 4 + index, 1, &utf16(value));
            }
            return;
        }
        let start = self.chunk.len();
        self.put(&[token::FRAGMENT, 1, 1, 0]);
        self.open("EventXML", None, true);
        for (name, value) in told.fields {
            self.open(name, None, true);
            self.literal(value);
            self.put(&[token::CLOSE]);
        }
        self.put(&[token::CLOSE, token::END]);
        let len = (self.chunk.len() - start) as u16;
        let at = descriptors + 4 * 4;
        self.chunk[at..at + 2].copy_from_slice(&len.to_le_bytes());
        self.chunk[at + 2] = 0x21;
    }

    /// An element's start up to its content, with at most one attribute: a substitution or a literal.
    fn open(&mut self, name: &str, attribute: Option<(&str, Result<u16, &str>)>, inside_value: bool) {
        let more = if attribute.is_some() { token::MORE } else { 0 };
        self.put(&[token::ELEMENT | more]);
        if !inside_value {
            self.put(&[0xff, 0xff]);
        }
        self.put(&[0; 4]);
        self.name(name);
        if let Some((name, value)) = attribute {
            self.put(&[0; 4]);
            self.put(&[token::ATTRIBUTE]);
            self.name(name);
            match value {
                Ok(index) => self.substitution(index),
                Err(text) => self.literal(text),
            }
        }
        self.put(&[token::CLOSE_START]);
    }

    fn name(&mut self, name: &str) {
        let at = self.chunk.len() as u32 + 4;
        self.put(&at.to_le_bytes());
        self.put(&[0; 6]);
        self.put(&(name.encode_utf16().count() as u16).to_le_bytes());
        self.put(&utf16(name));
        self.put(&[0; 2]);
    }

    fn literal(&mut self, text: &str) {
        self.put(&[token::VALUE, 1]);
        self.put(&(text.encode_utf16().count() as u16).to_le_bytes());
        self.put(&utf16(text));
    }

    fn substitution(&mut self, index: u16) {
        self.put(&[token::OPTIONAL]);
        self.put(&index.to_le_bytes());
        self.put(&[1]);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.chunk.extend_from_slice(bytes);
    }

    /// Ends the chunk, as whole as Windows leaves it.
    pub(crate) fn end_chunk(&mut self) -> &mut Self {
        let free = self.chunk.len();
        assert!(free <= super::CHUNK);
        let mut chunk = std::mem::replace(&mut self.chunk, vec![0; 512]);
        self.templates.clear();
        chunk[..8].copy_from_slice(b"ElfChnk\0");
        chunk[48..52].copy_from_slice(&(free as u32).to_le_bytes());
        let sum = crc::crc32(&chunk[512..free]);
        chunk[52..56].copy_from_slice(&sum.to_le_bytes());
        chunk.resize(super::CHUNK, 0);
        self.file.extend(chunk);
        self
    }

    /// The log.
    pub(crate) fn build(&mut self) -> Vec<u8> {
        if self.chunk.len() > 512 {
            self.end_chunk();
        }
        self.file.clone()
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

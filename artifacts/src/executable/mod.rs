//! Executables of Linux, Windows and macOS, read here and there: which sections they have and where.
//!
//! Sources: "Tool Interface Standard (TIS) Executable and Linking Format (ELF) Specification" 1.2; Microsoft Learn, "PE
//! Format"; Apple, `mach-o/loader.h` and `mach-o/fat.h` (as documentation). The structures are the `object` crate's.
//!
//! Parsers are run on what is held of a file. Where they meet bytes that are not, these are noted and asked for, and
//! the parser is run anew: each round costs a few kilobytes, whatever the executable's size.

#[cfg(test)]
pub(crate) mod build;
mod elf;
mod macho;
mod pe;
mod pieces;

pub use pieces::{Pieces, Window};

use coldread_model::ByteRange;
use object::read::ReadRef;

/// The first bytes that are read of an executable: they hold the headers of most.
pub const HEAD: u64 = 1024;
/// Segments of one image that are looked at.
const MAX_LOADS: usize = 256;

/// A part of an image that is loaded from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Where in memory.
    pub address: u64,
    /// Where in the file.
    pub file: ByteRange,
}

/// Where a linker puts Go's build information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoPlace {
    /// Nowhere in this image.
    None,
    /// In a section of its own.
    Section(ByteRange),
    /// Maybe somewhere in here.
    Search(ByteRange),
}

/// What is known of one image; a universal binary has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The processor, as uname(1) names it.
    pub machine: Option<&'static str>,
    /// Whether numbers in it have their high byte first.
    pub is_big_endian: bool,
    /// Bytes of a pointer.
    pub pointer_bytes: u8,
    /// Go's build information.
    pub go: GoPlace,
    /// The section in which cargo-auditable keeps its list.
    pub rust: Option<ByteRange>,
    /// What is loaded where.
    pub loads: Vec<Load>,
    /// A program that packed it, so that nothing of what is in it can be seen.
    pub packer: Option<&'static str>,
}

impl Image {
    /// Where the bytes at an address, up to the end of their segment, lie in the file.
    pub fn place(&self, address: u64) -> Option<ByteRange> {
        self.loads.iter().find_map(|load| {
            let inside = address.checked_sub(load.address).filter(|inside| *inside < load.file.len)?;
            Some(ByteRange::between(load.file.start.checked_add(inside)?, load.file.end()))
        })
    }
}

/// Why the tables of an executable cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

impl From<object::read::Error> for Malformed {
    fn from(error: object::read::Error) -> Self {
        Self(error.to_string())
    }
}

/// The images of a file; none where it is of no form that is known. An error where bytes are missing is none of the
/// file's: [`Pieces::missing`] tells.
pub fn images(pieces: &Pieces) -> Result<Vec<Image>, Malformed> {
    let window = pieces.window();
    let Ok(magic) = window.read_bytes_at(0, 4) else { return Ok(Vec::new()) };
    match magic {
        [0x7f, b'E', b'L', b'F'] => elf::read(window).map(|image| vec![image]),
        [b'M', b'Z', ..] => pe::read(window).map(|image| image.into_iter().collect()),
        [0xfe, 0xed, 0xfa, 0xce | 0xcf] | [0xce | 0xcf, 0xfa, 0xed, 0xfe] => {
            macho::read(window).map(|image| vec![image])
        }
        [0xca, 0xfe, 0xba, 0xbe | 0xbf] => macho::universal(window, magic[3] == 0xbf),
        _ => Ok(Vec::new()),
    }
}

/// The range of a file, or nothing where it does not lie inside.
fn inside(window: Window<'_>, (start, len): (u64, u64)) -> Option<ByteRange> {
    let end = start.checked_add(len)?;
    (end <= window.size()).then(|| ByteRange::new(window.start() + start, len))
}

#[cfg(test)]
mod tests;

//! The directory at an archive's end.

use super::{Malformed, long, short, wide};
use coldread_model::ByteRange;

/// The end of the directory without its comment (4.3.16), what points to its Zip64 form (4.3.15), and that (4.3.14).
const END: usize = 22;
const POINTER: usize = 20;
const WIDE_END: usize = 56;
const END_MAGIC: u32 = 0x0605_4b50;
const POINTER_MAGIC: u32 = 0x0706_4b50;
const WIDE_END_MAGIC: u32 = 0x0606_4b50;
const ENTRY_MAGIC: u32 = 0x0201_4b50;

/// Bytes at the end of an archive to look at first: all of the directory of most small ones is in them.
pub const FIRST_TAIL: u64 = 4096;
/// Bytes at the end of an archive in which its directory's end is, whatever the comment.
pub const LONGEST_TAIL: u64 = (END + POINTER + WIDE_END) as u64 + u16::MAX as u64;

/// Bytes of an entry before its name (4.3.12).
pub const ENTRY: usize = 46;

/// What stands for a number in the extra field (4.4.1.4).
const ELSEWHERE: u32 = u32::MAX;
/// That extra field (4.5.3).
const WIDE_FIELD: u16 = 1;

/// An archive's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Where it is, from the archive's start.
    pub range: ByteRange,
    /// How far behind where they say everything lies: something was put before the archive.
    pub shift: u64,
}

/// The directory of an archive of `size` bytes that ends with `tail`. None: the tail is too short to tell, or there is
/// no end of a directory.
pub fn directory(tail: &[u8], size: u64) -> Result<Option<Directory>, Malformed> {
    let Some(start) = size.checked_sub(tail.len() as u64) else { return Ok(None) };
    let Some(at) = end(tail) else { return Ok(None) };
    let record = &tail[at..];
    let (mut len, mut offset) = (u64::from(long(record, 12)), u64::from(long(record, 16)));
    let is_wide = [len, offset].contains(&ELSEWHERE.into()) || short(record, 10) == u16::MAX;
    let (disk, mut end) = (short(record, 4), at);
    if is_wide && has(tail, at.checked_sub(POINTER), POINTER_MAGIC) {
        let Some(before) = at.checked_sub(POINTER + WIDE_END) else { return Ok(None) };
        if !has(tail, Some(before), WIDE_END_MAGIC) {
            return Err(Malformed("its Zip64 end of the directory is not where it must be"));
        }
        (len, offset, end) = (wide(tail, before + 40), wide(tail, before + 48), before);
    }
    if disk != 0 && disk != u16::MAX {
        return Err(Malformed("it is one part of several"));
    }
    let begins =
        (start + end as u64).checked_sub(len).ok_or(Malformed("its directory begins before it does"))?;
    let shift = begins.checked_sub(offset).ok_or(Malformed("its directory ends after its end"))?;
    Ok(Some(Directory { range: ByteRange::new(begins, len), shift }))
}

/// Where the last record is that may be the directory's end: its comment ends with the archive, or before what
/// somebody appended.
fn end(tail: &[u8]) -> Option<usize> {
    memchr::memmem::rfind_iter(tail, &END_MAGIC.to_le_bytes())
        .find(|at| at.saturating_add(END + usize::from(short(tail, at + 20))) <= tail.len())
        .filter(|at| at + END <= tail.len())
}

fn has(bytes: &[u8], at: Option<usize>, magic: u32) -> bool {
    at.is_some_and(|at| long(bytes, at) == magic)
}

/// What the directory says of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'d> {
    /// Its path.
    pub name: &'d [u8],
    /// Whether it is encrypted.
    pub is_encrypted: bool,
    /// How it is packed: 0 as it is, 8 deflate.
    pub method: u16,
    /// The checksum of what it holds.
    pub crc: u32,
    /// Bytes in the archive.
    pub packed: u64,
    /// Bytes of what it holds.
    pub unpacked: u64,
    /// Where it says its local header lies.
    pub offset: u64,
    /// Bytes of its extra field, in the directory.
    pub extra: u16,
}

/// The entry at the start of `bytes` and how long it is. None: more bytes are needed for it.
pub fn entry(bytes: &[u8]) -> Result<Option<(Entry<'_>, usize)>, Malformed> {
    if bytes.len() < ENTRY {
        return Ok(None);
    }
    if long(bytes, 0) != ENTRY_MAGIC {
        return Err(Malformed("an entry of its directory does not begin as it must"));
    }
    let len = |at| usize::from(short(bytes, at));
    let (name, extra, comment) = (len(28), len(30), len(32));
    let whole = ENTRY + name + extra + comment;
    if bytes.len() < whole {
        return Ok(None);
    }
    let mut found = Entry {
        name: &bytes[ENTRY..ENTRY + name],
        is_encrypted: short(bytes, 8) & 1 != 0,
        method: short(bytes, 10),
        crc: long(bytes, 16),
        packed: long(bytes, 20).into(),
        unpacked: long(bytes, 24).into(),
        offset: long(bytes, 42).into(),
        extra: extra as u16,
    };
    let mut wides = wide_field(&bytes[ENTRY + name..ENTRY + name + extra]);
    for number in [&mut found.unpacked, &mut found.packed, &mut found.offset] {
        if *number == u64::from(ELSEWHERE)
            && let Some((value, rest)) = wides.split_first_chunk()
        {
            (*number, wides) = (u64::from_le_bytes(*value), rest);
        }
    }
    Ok(Some((found, whole)))
}

/// The numbers that do not fit where they belong, in the order of the header's fields.
fn wide_field(mut extra: &[u8]) -> &[u8] {
    while extra.len() >= 4 {
        let (kind, len) = (short(extra, 0), usize::from(short(extra, 2)));
        let Some(data) = extra.get(4..4 + len) else { break };
        if kind == WIDE_FIELD {
            return data;
        }
        extra = &extra[4 + len..];
    }
    &[]
}

//! Directories: "XFS Algorithms & Data Structures", 3rd edition, "Directories".
//!
//! Names are in the inode (short form) or in data blocks; the hash indexes behind them are not needed to
//! list them.

use super::{
    be::Be,
    geometry::{Geometry, Owner, SelfCheck},
};
use crate::error::ParseError;

pub(super) const DATA_BLOCK: &str = "directory data block";
const SHORT_FORM: &str = "short-form directory";
/// Byte of a directory where its hash index starts; data blocks are before it.
pub(super) const LEAF_OFFSET_BYTES: u64 = 32 << 30;
const UNUSED_TAG: u16 = 0xffff;

/// Takes each name and the inode it stands for; `.` and `..` are left out.
pub(super) type Sink<'a> = dyn FnMut(&[u8], u64) + 'a;

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}

/// Hands over one name, or says what is wrong with it.
fn give(
    geometry: &Geometry,
    structure: &'static str,
    at: u64,
    name: &[u8],
    child: u64,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    if !is_name(name) {
        let shown = name.escape_ascii();
        return Err(ParseError::corrupt(at, structure, "a name without slash and zero", shown));
    }
    if geometry.inode_place(child, 1).is_none() {
        return Err(ParseError::corrupt(at, structure, "an inode number of the volume", child));
    }
    if name != b"." && name != b".." {
        sink(name, child);
    }
    Ok(())
}

/// Reads a directory that lies in its inode: `fork` is as long as the directory's size.
pub(super) fn short_form(
    geometry: &Geometry,
    fork: &[u8],
    at: u64,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let fields = Be(fork);
    let (count, wide) = (fields.u8(0), fields.u8(1) > 0);
    let number_len = if wide { 8 } else { 4 };
    let mut place = 2 + number_len;
    for _ in 0..count {
        let name_len = usize::from(fields.u8(place));
        let number_at = place + 3 + name_len + usize::from(geometry.ftype);
        let (name, number) = (fields.slice(place + 3, name_len), fields.slice(number_at, number_len));
        let (Some(name), Some(number)) = (name, number) else {
            return Err(ParseError::corrupt(at, SHORT_FORM, format!("{count} names"), "fewer bytes"));
        };
        let child = if wide { Be(number).u64(0) } else { u64::from(Be(number).u32(0)) };
        give(geometry, SHORT_FORM, at, name, child, sink)?;
        place = number_at + number_len;
    }
    Ok(())
}

/// Reads a data block of directory `inode`; `at` is the byte where it starts. Names before a fault are
/// handed over.
pub(super) fn data_block(
    geometry: &Geometry,
    inode: u64,
    bytes: &[u8],
    at: u64,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let fields = Be(bytes);
    let (single, data, header) =
        if geometry.v5 { (*b"XDB3", *b"XDD3", 64) } else { (*b"XD2B", *b"XD2D", 16) };
    let magic = fields.u32(0);
    let single = magic == u32::from_be_bytes(single);
    if !single && magic != u32::from_be_bytes(data) {
        return Err(ParseError::corrupt(at, DATA_BLOCK, "its magic", format!("{magic:#010x}")));
    }
    let owner = Some((40, Owner::Inode(inode)));
    let with = SelfCheck { structure: DATA_BLOCK, crc: 4, address: Some(8), uuid: 24, owner };
    geometry.check(bytes, at, with)?;
    // A directory of one block has its hash index and a count of it at the block's end.
    let end = if single {
        let count = fields.u32(bytes.len().saturating_sub(8)) as usize;
        let index = count.saturating_mul(8).saturating_add(8);
        let end = bytes.len().checked_sub(index).filter(|&end| end >= header);
        end.ok_or_else(|| ParseError::corrupt(at, DATA_BLOCK, "a hash index in the block", count))?
    } else {
        bytes.len()
    };
    let mut place = header;
    while place < end {
        if fields.u16(place) == UNUSED_TAG {
            let len = usize::from(fields.u16(place + 2));
            if len == 0 || len % 8 != 0 {
                return Err(ParseError::corrupt(at, DATA_BLOCK, "a length of unused space", len));
            }
            place += len;
            continue;
        }
        let name_len = usize::from(fields.u8(place + 8));
        // Number, length of the name, name, type of file, place in the block; in units of eight bytes.
        let len = (8 + 1 + name_len + usize::from(geometry.ftype) + 2).next_multiple_of(8);
        let name = fields.slice(place + 9, name_len).filter(|_| place + len <= end);
        let name =
            name.ok_or_else(|| ParseError::corrupt(at, DATA_BLOCK, "an entry in the block", name_len))?;
        let tag = usize::from(fields.u16(place + len - 2));
        if tag != place {
            return Err(ParseError::corrupt(at, DATA_BLOCK, format!("an entry at {place}"), tag));
        }
        give(geometry, DATA_BLOCK, at, name, fields.u64(place), sink)?;
        place += len;
    }
    Ok(())
}

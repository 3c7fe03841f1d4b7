//! Values as text ([MS-EVEN6] section 2.2.12, "Value types"; "Value types" of the libyal document).

use super::{binxml::utf16, u16_at, u32_at, u64_at};
use coldread_model::Timestamp;
use std::fmt::Write;

pub(super) const FILETIME: u8 = 0x11;
/// Binary XML of its own.
pub(super) const XML: u8 = 0x21;
/// Set for several values of a type.
const ARRAY: u8 = 0x80;
/// The most bytes of a binary value that are shown.
const SHOWN: usize = 1024;

/// A value as Windows' own viewer writes it in XML; empty where there is none.
pub(super) fn text(kind: u8, bytes: &[u8]) -> String {
    let signed = |bits: u32| {
        let value = bytes.iter().rev().take(8).fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        ((value << (64 - bits)) as i64 >> (64 - bits)).to_string()
    };
    let word = |at: usize| u16_at(bytes, at);
    match kind {
        1 => utf16(bytes),
        2 => String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned(),
        3 if bytes.len() == 1 => signed(8),
        4 if bytes.len() == 1 => bytes[0].to_string(),
        5 if bytes.len() == 2 => signed(16),
        6 => word(0).map(|value| value.to_string()).unwrap_or_default(),
        7 if bytes.len() == 4 => signed(32),
        8 => u32_at(bytes, 0).map(|value| value.to_string()).unwrap_or_default(),
        9 if bytes.len() == 8 => signed(64),
        0x0a => u64_at(bytes, 0).map(|value| value.to_string()).unwrap_or_default(),
        0x0b => u32_at(bytes, 0).map(|bits| f32::from_bits(bits).to_string()).unwrap_or_default(),
        0x0c => u64_at(bytes, 0).map(|bits| f64::from_bits(bits).to_string()).unwrap_or_default(),
        0x0d => (bytes.iter().any(|byte| *byte != 0)).to_string(),
        0x0f => guid(bytes).unwrap_or_default(),
        // Sizes and hexadecimal numbers: of 4 or 8 bytes.
        0x10 | 0x14 | 0x15 => {
            let wide = u64_at(bytes, 0).or_else(|| u32_at(bytes, 0).map(u64::from));
            wide.map(|value| format!("{value:#x}")).unwrap_or_default()
        }
        FILETIME => {
            u64_at(bytes, 0).map(|ticks| Timestamp::from_filetime(ticks).to_string()).unwrap_or_default()
        }
        0x12 => {
            let fields: Option<Vec<u16>> = (0..8).map(|index| word(index * 2)).collect();
            fields.map_or_else(String::new, |field| {
                format!(
                    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                    field[0], field[1], field[3], field[4], field[5], field[6], field[7]
                )
            })
        }
        0x13 => sid(bytes).unwrap_or_default(),
        0 => String::new(),
        kind if kind == ARRAY | 1 => {
            utf16(bytes).split('\0').filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
        }
        _ => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(SHOWN).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn guid(bytes: &[u8]) -> Option<String> {
    let (first, rest) = (u32_at(bytes, 0)?, bytes.get(8..16)?);
    let (second, third) = (u16_at(bytes, 4)?, u16_at(bytes, 6)?);
    Some(format!("{{{first:08X}-{second:04X}-{third:04X}-{}-{}}}", hex(&rest[..2]), hex(&rest[2..])))
}

/// A security identifier ([MS-DTYP] section 2.4.2).
pub(crate) fn sid(bytes: &[u8]) -> Option<String> {
    let (revision, count) = (bytes.first()?, usize::from(*bytes.get(1)?));
    let authority = bytes.get(2..8)?.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let mut text = format!("S-{revision}-{authority}");
    for part in bytes.get(8..8 + count * 4)?.chunks_exact(4) {
        let _ = write!(text, "-{}", u32_at(part, 0)?);
    }
    Some(text)
}

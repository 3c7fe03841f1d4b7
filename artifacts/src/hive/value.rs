//! Values and their data ("Key value", "Big data").

use super::{
    BINS, Hive, HiveError,
    key::{Key, Listed, name_of, same_name},
    u16_at, u32_at, u64_at,
};

/// The longest data of a value that is read; Windows itself advises to keep more than 1 MiB elsewhere.
pub const MAX_DATA: u32 = 16 << 20;

/// Values of one key that are listed.
const MAX_LISTED: u32 = 1 << 18;

const NODE: usize = 20;
const COMPRESSED: u16 = 1;
/// Set in the size of data that lie in the place of their own offset.
const RESIDENT: u32 = 1 << 31;
/// The most that one segment of big data holds.
const SEGMENT: u32 = 16_344;

/// A value without its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its name; empty for a key's default value.
    pub name: String,
    /// Its type's number.
    kind: u32,
    /// Size of its data, and where they are.
    size: u32,
    data: [u8; 4],
    cell: u32,
}

/// The data of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The type's number (`REG_SZ` is 1 …).
    pub kind: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Data {
    /// The text of REG_SZ, REG_EXPAND_SZ and REG_LINK, without what follows its first NUL.
    pub fn text(&self) -> Option<String> {
        matches!(self.kind, 1 | 2 | 6).then(|| {
            let text = name_of(&self.bytes, false);
            text.split('\0').next().unwrap_or_default().to_owned()
        })
    }

    /// The texts of REG_MULTI_SZ. The empty one that ends the list is not part of it.
    pub fn texts(&self) -> Option<Vec<String>> {
        (self.kind == 7).then(|| {
            let text = name_of(&self.bytes, false);
            let text = text.strip_suffix('\0').unwrap_or(&text);
            let text = text.strip_suffix('\0').unwrap_or(text);
            if text.is_empty() { Vec::new() } else { text.split('\0').map(str::to_owned).collect() }
        })
    }

    /// The number of REG_DWORD, its big-endian sibling and REG_QWORD.
    pub fn number(&self) -> Option<u64> {
        match self.kind {
            4 => u32_at(&self.bytes, 0).map(u64::from),
            5 => u32_at(&self.bytes, 0).map(|number| u64::from(number.swap_bytes())),
            11 => u64_at(&self.bytes, 0),
            _ => None,
        }
    }
}

impl Hive<'_> {
    /// The cells of a key's values, in the order in which they were made.
    pub fn values(&mut self, key: &Key) -> Listed {
        let (count, list) = key.values;
        if count == 0 {
            return Listed::default();
        }
        if count > MAX_LISTED {
            return Listed::failed(HiveError::Limit(format!(
                "{count} values of one key, at most {MAX_LISTED}"
            )));
        }
        match self.cell(list, count as usize * 4) {
            Ok(content) => {
                let cells: Vec<u32> = content.chunks_exact(4).filter_map(|entry| u32_at(entry, 0)).collect();
                let error = (cells.len() < count as usize).then(|| {
                    let reason = format!("{} of {count} values are listed", cells.len());
                    HiveError::corrupt(BINS + u64::from(list), reason)
                });
                Listed { cells, error }
            }
            Err(error) => Listed::failed(error),
        }
    }

    /// The value in a cell, as [`Hive::values`] lists them.
    pub fn value(&mut self, cell: u32) -> Result<Value, HiveError> {
        let node = self.cell(cell, NODE + usize::from(u16::MAX))?;
        let at = BINS + u64::from(cell) + 4;
        if !node.starts_with(b"vk") || node.len() < NODE {
            return Err(HiveError::corrupt(at, "no value is there"));
        }
        let name = node.get(NODE..NODE + usize::from(u16_at(&node, 2).unwrap_or(0)));
        let name = name.ok_or_else(|| HiveError::corrupt(at, "a value's name passes its cell's end"))?;
        Ok(Value {
            name: name_of(name, u16_at(&node, 16).unwrap_or(0) & COMPRESSED != 0),
            kind: u32_at(&node, 12).unwrap_or(0),
            size: u32_at(&node, 4).unwrap_or(0),
            data: node.get(8..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default(),
            cell,
        })
    }

    /// A value's data.
    pub fn data(&mut self, value: &Value) -> Result<Data, HiveError> {
        let at = BINS + u64::from(value.cell);
        let size = value.size & !RESIDENT;
        let bytes = if value.size & RESIDENT != 0 {
            let bytes = value.data.get(..size as usize);
            bytes.ok_or_else(|| HiveError::corrupt(at, format!("{size} bytes in the place of 4")))?.to_vec()
        } else if size == 0 {
            Vec::new()
        } else if size > MAX_DATA {
            return Err(HiveError::Limit(format!("a value of {size} bytes, at most {MAX_DATA} are read")));
        } else if size > SEGMENT && self.segments {
            self.big_data(u32::from_le_bytes(value.data), size)?
        } else {
            self.cell(u32::from_le_bytes(value.data), size as usize)?
        };
        if bytes.len() < size as usize {
            return Err(HiveError::corrupt(at, format!("a value has {} of its {size} bytes", bytes.len())));
        }
        Ok(Data { kind: value.kind, bytes })
    }

    fn big_data(&mut self, cell: u32, size: u32) -> Result<Vec<u8>, HiveError> {
        let record = self.cell(cell, 8)?;
        let at = BINS + u64::from(cell) + 4;
        let count = u32::from(u16_at(&record, 2).unwrap_or(0));
        let list = u32_at(&record, 4).filter(|_| record.starts_with(b"db"));
        let list = list.ok_or_else(|| HiveError::corrupt(at, "no big data record is there"))?;
        if count != size.div_ceil(SEGMENT) {
            return Err(HiveError::corrupt(at, format!("{count} segments for {size} bytes")));
        }
        let segments = self.cell(list, count as usize * 4)?;
        let mut bytes = Vec::new();
        for segment in segments.chunks_exact(4).filter_map(|entry| u32_at(entry, 0)) {
            let left = (size as usize - bytes.len()).min(SEGMENT as usize);
            bytes.extend(self.cell(segment, left)?);
        }
        Ok(bytes)
    }

    /// The data of a key's value with a name, compared as Windows does; a damaged neighbour is an error only
    /// if the name was not found.
    pub fn named(&mut self, key: &Key, name: &str) -> Result<Option<Data>, HiveError> {
        let Listed { cells, mut error } = self.values(key);
        for cell in cells {
            match self.value(cell) {
                Ok(value) if same_name(&value.name, name) => return self.data(&value).map(Some),
                Ok(_) => {}
                Err(damage) => error = error.or(Some(damage)),
            }
        }
        error.map_or(Ok(None), Err)
    }
}

//! Small executables for tests, with sections of their own choice.

/// Where the first section lies in the file; each begins at a multiple of [`ALIGN`] after the one before.
pub(crate) const FIRST: usize = 0x400;
const ALIGN: usize = 0x200;
/// The address of the file's start.
pub(crate) const BASE: u64 = 0x40_0000;

/// A section's name and bytes.
pub(crate) type Part<'a> = (&'a str, &'a [u8]);

/// A form of executables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// ELF, with pointers of eight bytes or four, high bytes first or last, with or without a table of sections.
    Elf { is_wide: bool, is_big: bool, has_sections: bool },
    /// PE32+, by a linker of this major version.
    Pe(u8),
    /// Mach-O.
    MachO,
    /// A universal binary that holds the former.
    Universal,
}

/// Every form that one linker or other makes.
pub(crate) const FORMS: [Form; 6] = [
    Form::Elf { is_wide: true, is_big: false, has_sections: true },
    Form::Elf { is_wide: false, is_big: false, has_sections: true },
    Form::Elf { is_wide: false, is_big: true, has_sections: true },
    Form::Pe(3),
    Form::MachO,
    Form::Universal,
];

impl Form {
    /// Whether its pointers have eight bytes.
    pub(crate) fn is_wide(self) -> bool {
        !matches!(self, Self::Elf { is_wide: false, .. })
    }

    /// Whether high bytes come first.
    pub(crate) fn is_big(self) -> bool {
        matches!(self, Self::Elf { is_big: true, .. })
    }

    /// A pointer.
    pub(crate) fn pointer(self, value: u64) -> Vec<u8> {
        let mut bytes = Bytes { out: Vec::new(), is_wide: self.is_wide(), is_big: self.is_big() };
        bytes.word(value);
        bytes.out
    }

    /// An executable with these sections, writable all.
    pub(crate) fn build(self, parts: &[Part<'_>]) -> Vec<u8> {
        match self {
            Self::Elf { is_wide, is_big, has_sections } => elf(is_wide, is_big, has_sections, parts),
            Self::Pe(linker) => pe(linker, parts),
            Self::MachO => macho(parts),
            Self::Universal => {
                let inner = macho(parts);
                let mut bytes = Bytes { out: Vec::new(), is_wide: true, is_big: true };
                let len = inner.len() as u32;
                bytes.longs(&[0xcafe_babe, 1, 0x0100_0007, 3, 0x1000, len, 12]);
                bytes.out.resize(0x1000, 0);
                bytes.out.extend(inner);
                bytes.out
            }
        }
    }
}

/// The offset of each section, and of what follows the last.
pub(crate) fn offsets(parts: &[Part<'_>]) -> Vec<usize> {
    let mut offsets = vec![FIRST];
    for (_, bytes) in parts {
        let end = offsets.last().unwrap_or(&0) + bytes.len();
        offsets.push(end.next_multiple_of(ALIGN));
    }
    offsets
}

struct Bytes {
    out: Vec<u8>,
    is_wide: bool,
    is_big: bool,
}

impl Bytes {
    fn number(&mut self, value: u64, bytes: usize) {
        let value = value.to_le_bytes();
        if self.is_big {
            self.out.extend(value[..bytes].iter().rev());
        } else {
            self.out.extend(&value[..bytes]);
        }
    }

    fn shorts(&mut self, values: &[u16]) {
        for value in values {
            self.number((*value).into(), 2);
        }
    }

    fn longs(&mut self, values: &[u32]) {
        for value in values {
            self.number((*value).into(), 4);
        }
    }

    fn word(&mut self, value: u64) {
        self.number(value, if self.is_wide { 8 } else { 4 });
    }

    fn words(&mut self, values: &[u64]) {
        for value in values {
            self.word(*value);
        }
    }

    fn name(&mut self, name: &str, len: usize) {
        let mut bytes = name.as_bytes().to_vec();
        bytes.resize(len, 0);
        self.out.extend(bytes);
    }

    fn contents(&mut self, parts: &[Part<'_>]) {
        for ((_, bytes), offset) in parts.iter().zip(offsets(parts)) {
            assert!(self.out.len() <= offset, "the headers are too long");
            self.out.resize(offset, 0);
            self.out.extend(*bytes);
        }
    }
}

fn elf(is_wide: bool, is_big: bool, has_sections: bool, parts: &[Part<'_>]) -> Vec<u8> {
    let mut bytes = Bytes { out: Vec::new(), is_wide, is_big };
    let offsets = offsets(parts);
    let end = offsets[parts.len()];
    let mut names = vec![0];
    let mut places = Vec::new();
    for (name, _) in parts.iter().chain(&[(".shstrtab", &[][..])]) {
        places.push(names.len());
        names.extend(name.as_bytes());
        names.push(0);
    }
    let (header, segment, section) = if is_wide { (64, 56, 64) } else { (52, 32, 40) };
    let table = (end + names.len()).next_multiple_of(8);
    bytes.out.extend([0x7f, b'E', b'L', b'F', 1 + u8::from(is_wide), 1 + u8::from(is_big), 1]);
    bytes.out.resize(16, 0);
    let machine = match (is_wide, is_big) {
        (true, _) => 62,
        (false, false) => 3,
        (false, true) => 8,
    };
    bytes.shorts(&[2, machine]);
    bytes.longs(&[1]);
    bytes.words(&[0, header, if has_sections { table as u64 } else { 0 }]);
    bytes.longs(&[0]);
    let sections = if has_sections { parts.len() as u16 + 2 } else { 0 };
    bytes.shorts(&[header as u16, segment, 2, section, sections, sections.saturating_sub(1)]);
    for (flags, start, len) in [(5, 0, FIRST as u64), (6, FIRST as u64, (end - FIRST) as u64)] {
        bytes.longs(&[1]);
        if is_wide {
            bytes.longs(&[flags]);
        }
        bytes.words(&[start, BASE + start, BASE + start, len, len]);
        if !is_wide {
            bytes.longs(&[flags]);
        }
        bytes.word(0x200);
    }
    bytes.contents(parts);
    bytes.out.resize(end, 0);
    if !has_sections {
        return bytes.out;
    }
    bytes.out.extend(&names);
    bytes.out.resize(table + usize::from(section), 0);
    let contents = parts.iter().map(|(_, bytes)| bytes.len()).chain([names.len()]);
    for ((place, len), offset) in places.into_iter().zip(contents).zip(offsets) {
        bytes.longs(&[place as u32, 1]);
        bytes.words(&[3, BASE + offset as u64, offset as u64, len as u64]);
        bytes.longs(&[0, 0]);
        bytes.words(&[16, 0]);
    }
    bytes.out
}

fn pe(linker: u8, parts: &[Part<'_>]) -> Vec<u8> {
    let mut bytes = Bytes { out: b"MZ".to_vec(), is_wide: true, is_big: false };
    bytes.out.resize(60, 0);
    bytes.longs(&[0x80]);
    bytes.out.resize(0x80, 0);
    bytes.out.extend(b"PE\0\0");
    bytes.shorts(&[0x8664, parts.len() as u16]);
    bytes.longs(&[0, 0, 0]);
    bytes.shorts(&[112, 0x22, 0x20b]);
    bytes.out.extend([linker, 0]);
    bytes.longs(&[0, 0, 0, 0, 0]);
    bytes.word(BASE);
    bytes.longs(&[0x1000, 0x200]);
    bytes.out.resize(0x80 + 24 + 112, 0);
    for ((name, data), offset) in parts.iter().zip(offsets(parts)) {
        bytes.name(name, 8);
        let (len, raw) = (data.len() as u32, data.len().next_multiple_of(ALIGN) as u32);
        bytes.longs(&[len, offset as u32, raw, offset as u32, 0, 0, 0, 0xc000_0040]);
    }
    bytes.contents(parts);
    bytes.out.resize(offsets(parts)[parts.len()], 0);
    bytes.out
}

fn macho(parts: &[Part<'_>]) -> Vec<u8> {
    let mut bytes = Bytes { out: Vec::new(), is_wide: true, is_big: false };
    let end = offsets(parts)[parts.len()];
    let len = 72 + 80 * parts.len() as u32;
    bytes.longs(&[0xfeed_facf, 0x0100_0007, 3, 2, 1, len, 0, 0]);
    bytes.longs(&[0x19, len]);
    bytes.name("__DATA", 16);
    bytes.words(&[BASE, end as u64, 0, end as u64]);
    bytes.longs(&[3, 3, parts.len() as u32, 0]);
    for ((name, data), offset) in parts.iter().zip(offsets(parts)) {
        bytes.name(name, 16);
        bytes.name("__DATA", 16);
        bytes.words(&[BASE + offset as u64, data.len() as u64]);
        bytes.longs(&[offset as u32, 4, 0, 0, 0, 0, 0, 0]);
    }
    bytes.contents(parts);
    bytes.out.resize(end, 0);
    bytes.out
}

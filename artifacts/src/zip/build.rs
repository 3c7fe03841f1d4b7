//! Small archives for tests.

use std::io::Write;

/// A member: its path, what it holds, and whether it is deflated.
pub(crate) type Member<'a> = (&'a str, &'a [u8], bool);

/// An archive's form.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Form {
    /// Bytes before it that offsets do not count.
    pub(crate) before: usize,
    /// Bytes of a comment at its end.
    pub(crate) comment: u16,
    /// With Zip64's numbers everywhere.
    pub(crate) is_wide: bool,
}

/// An archive of these members.
pub(crate) fn zip(members: &[Member<'_>]) -> Vec<u8> {
    zip_as(Form::default(), members)
}

/// An archive of these members in a form.
pub(crate) fn zip_as(form: Form, members: &[Member<'_>]) -> Vec<u8> {
    let (mut out, mut directory) = (vec![b'#'; form.before], Vec::new());
    for (name, held, is_deflated) in members {
        let mut crc = flate2::Crc::new();
        crc.update(held);
        let packed = if *is_deflated { deflate(held) } else { held.to_vec() };
        let offset = (out.len() - form.before) as u64;
        let (method, name_len) = (if *is_deflated { 8_u16 } else { 0 }, name.len() as u16);
        let wides: [u64; 3] = [held.len() as u64, packed.len() as u64, offset];
        let number = |value: u64| if form.is_wide { u32::MAX } else { value as u32 };
        // Local: version, flags, method, time and date, checksum, sizes, lengths of the name and of an extra field.
        out.extend([0x50, 0x4b, 3, 4, 20, 0, 0, 0]);
        out.extend(method.to_le_bytes());
        out.extend([0; 4]);
        out.extend(crc.sum().to_le_bytes());
        out.extend((packed.len() as u32).to_le_bytes());
        out.extend((held.len() as u32).to_le_bytes());
        out.extend(name_len.to_le_bytes());
        // An extra field that the directory does not have.
        out.extend(6_u16.to_le_bytes());
        out.extend(name.as_bytes());
        out.extend([0xfe, 0xca, 2, 0, 1, 2]);
        out.extend(&packed);
        directory.extend([0x50, 0x4b, 1, 2, 20, 0, 20, 0, 0, 0]);
        directory.extend(method.to_le_bytes());
        directory.extend([0; 4]);
        directory.extend(crc.sum().to_le_bytes());
        directory.extend(number(wides[1]).to_le_bytes());
        directory.extend(number(wides[0]).to_le_bytes());
        directory.extend(name_len.to_le_bytes());
        directory.extend(if form.is_wide { 28_u16 } else { 0 }.to_le_bytes());
        directory.extend([0; 10]);
        directory.extend(number(offset).to_le_bytes());
        directory.extend(name.as_bytes());
        if form.is_wide {
            directory.extend([1, 0, 24, 0]);
            for value in wides {
                directory.extend(value.to_le_bytes());
            }
        }
    }
    let (count, start) = (members.len() as u64, (out.len() - form.before) as u64);
    let (len, end) = (directory.len() as u64, start + directory.len() as u64);
    out.extend(directory);
    if form.is_wide {
        out.extend([0x50, 0x4b, 6, 6, 44, 0, 0, 0, 0, 0, 0, 0, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for value in [count, count, len, start] {
            out.extend(value.to_le_bytes());
        }
        out.extend([0x50, 0x4b, 6, 7, 0, 0, 0, 0]);
        out.extend(end.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
    }
    out.extend([0x50, 0x4b, 5, 6, 0, 0, 0, 0]);
    let count = if form.is_wide { u16::MAX } else { count as u16 };
    out.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    let number = |value: u64| if form.is_wide { u32::MAX } else { value as u32 };
    out.extend([number(len).to_le_bytes(), number(start).to_le_bytes()].concat());
    out.extend(form.comment.to_le_bytes());
    out.extend(vec![b'.'; form.comment.into()]);
    out
}

pub(crate) fn deflate(held: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let _ = encoder.write_all(held);
    encoder.finish().unwrap_or_default()
}

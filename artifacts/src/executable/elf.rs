//! ELF.

use super::{GoPlace, HEAD, Image, Load, MAX_LOADS, Malformed, Window, inside};
use coldread_model::ByteRange;
use object::{
    Endianness, elf,
    read::{
        ReadRef,
        elf::{FileHeader, ProgramHeader, SectionHeader},
    },
};

/// Bytes of writable data that are searched where a file has no table of sections.
const SEARCH: u64 = 1 << 20;

pub(super) fn read(window: Window<'_>) -> Result<Image, Malformed> {
    // e_ident[EI_CLASS]
    match window.read_bytes_at(4, 1) {
        Ok([1]) => image::<elf::FileHeader32<Endianness>>(window),
        Ok([2]) => image::<elf::FileHeader64<Endianness>>(window),
        _ => Err(Malformed("Unsupported ELF class".to_owned())),
    }
}

fn image<Elf: FileHeader<Endian = Endianness>>(window: Window<'_>) -> Result<Image, Malformed> {
    let header = Elf::parse(window)?;
    let endian = header.endian()?;
    let mut loads = Vec::new();
    let mut writable = None;
    let segments = header.program_headers(endian, window)?;
    for segment in segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD).take(MAX_LOADS) {
        let Some(file) = inside(window, segment.file_range(endian)) else { continue };
        loads.push(Load { address: segment.p_vaddr(endian).into(), file });
        let flags = segment.p_flags(endian);
        if flags.0 & (elf::PF_W.0 | elf::PF_X.0) == elf::PF_W.0 {
            writable = writable.or(Some(file));
        }
    }
    let sections = header.sections(endian, window)?;
    let section = |name: &[u8]| {
        let (_, section) = sections.section_by_name(endian, name)?;
        inside(window, section.file_range(endian)?)
    };
    let go = match (section(b".go.buildinfo"), writable) {
        (Some(place), _) => GoPlace::Section(place),
        (None, Some(data)) if sections.is_empty() => {
            GoPlace::Search(ByteRange::new(data.start, data.len.min(SEARCH)))
        }
        _ => GoPlace::None,
    };
    // UPX leaves its name behind the program headers, and no table of sections.
    let head = window.read_bytes_at(0, HEAD.min(window.size())).unwrap_or_default();
    let is_packed = sections.is_empty() && memchr::memmem::find(head, b"UPX!").is_some();
    Ok(Image {
        machine: machine(header.e_machine(endian), header.is_class_64()),
        is_big_endian: header.is_big_endian(),
        pointer_bytes: if header.is_class_64() { 8 } else { 4 },
        go,
        rust: section(b".dep-v0"),
        loads,
        packer: is_packed.then_some("UPX"),
    })
}

fn machine(machine: elf::Machine, is_wide: bool) -> Option<&'static str> {
    Some(match machine {
        elf::EM_X86_64 => "x86_64",
        elf::EM_386 => "i686",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_ARM => "arm",
        elf::EM_RISCV if is_wide => "riscv64",
        elf::EM_RISCV => "riscv32",
        elf::EM_PPC64 => "ppc64",
        elf::EM_PPC => "ppc",
        elf::EM_S390 => "s390x",
        elf::EM_LOONGARCH => "loongarch64",
        elf::EM_MIPS if is_wide => "mips64",
        elf::EM_MIPS => "mips",
        _ => return None,
    })
}

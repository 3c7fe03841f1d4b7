//! Mach-O, macOS' executables, and universal binaries, which hold several.

use super::{GoPlace, Image, Load, MAX_LOADS, Malformed, Window, inside};
use object::{
    Endianness, macho,
    read::{
        ReadRef,
        macho::{FatArch, MachHeader, MachOFatFile32, MachOFatFile64, Section, Segment},
    },
};

/// Images of one universal binary. A class file of Java begins with the same four bytes; what would be the number of
/// images is its version there, and never so low.
const MAX_IMAGES: usize = 20;

pub(super) fn read(window: Window<'_>) -> Result<Image, Malformed> {
    match window.read_bytes_at(0, 4) {
        Ok([0xfe, 0xed, 0xfa, 0xce] | [0xce, 0xfa, 0xed, 0xfe]) => {
            image::<macho::MachHeader32<Endianness>>(window, 4)
        }
        Ok([0xfe, 0xed, 0xfa, 0xcf] | [0xcf, 0xfa, 0xed, 0xfe]) => {
            image::<macho::MachHeader64<Endianness>>(window, 8)
        }
        _ => Err(Malformed("Unsupported Mach-O header".to_owned())),
    }
}

pub(super) fn universal(window: Window<'_>, is_wide: bool) -> Result<Vec<Image>, Malformed> {
    match window.read_bytes_at(4, 4) {
        Ok([0, 0, 0, count]) if usize::from(*count) <= MAX_IMAGES => {}
        _ => return Ok(Vec::new()),
    }
    let ranges: Vec<(u64, u64)> = if is_wide {
        MachOFatFile64::parse(window)?.arches().iter().map(FatArch::file_range).collect()
    } else {
        MachOFatFile32::parse(window)?.arches().iter().map(FatArch::file_range).collect()
    };
    let part = |(start, len)| {
        window.part(start, len).ok_or_else(|| Malformed("Invalid fat arch offset or size".to_owned()))
    };
    ranges.into_iter().map(|range| read(part(range)?)).collect()
}

fn image<Mach: MachHeader<Endian = Endianness>>(
    window: Window<'_>,
    pointer_bytes: u8,
) -> Result<Image, Malformed> {
    let header = Mach::parse(window, 0)?;
    let endian = header.endian()?;
    let mut image = Image {
        machine: machine(header.cputype(endian)),
        is_big_endian: header.is_big_endian(),
        pointer_bytes,
        go: GoPlace::None,
        rust: None,
        loads: Vec::new(),
        packer: None,
    };
    let mut commands = header.load_commands(endian, window, 0)?;
    while let Some(command) = commands.next()? {
        let Some((segment, rest)) = Mach::Segment::from_command(command)? else { continue };
        if let Some(file) = inside(window, segment.file_range(endian))
            && image.loads.len() < MAX_LOADS
        {
            image.loads.push(Load { address: segment.vmaddr(endian).into(), file });
        }
        for section in segment.sections(endian, rest)? {
            let place = || inside(window, (section.offset(endian).into(), section.size(endian).into()));
            match section.name() {
                b"__go_buildinfo" => image.go = place().map_or(GoPlace::None, GoPlace::Section),
                b".dep-v0" => image.rust = place(),
                _ => {}
            }
        }
    }
    Ok(image)
}

fn machine(kind: macho::CpuType) -> Option<&'static str> {
    Some(match kind {
        macho::CPU_TYPE_X86_64 => "x86_64",
        macho::CPU_TYPE_X86 => "i686",
        macho::CPU_TYPE_ARM64 => "arm64",
        macho::CPU_TYPE_ARM => "arm",
        _ => return None,
    })
}

//! PE, Windows' executables and libraries.

use super::{GoPlace, Image, Load, MAX_LOADS, Malformed, Window, inside};
use coldread_model::ByteRange;
use object::{
    LittleEndian as LE, pe,
    read::{
        ReadRef,
        pe::{ImageNtHeaders, ImageOptionalHeader, optional_header_magic},
    },
};

/// Bytes of writable data that are searched: Go's own linker puts its information first, others somewhere.
const SEARCH: u64 = 256 << 10;

/// None for programs of DOS, which have only the first header.
pub(super) fn read(window: Window<'_>) -> Result<Option<Image>, Malformed> {
    let dos = pe::ImageDosHeader::parse(window)?;
    let at = u64::from(dos.nt_headers_offset());
    match window.read_bytes_at(at, 4) {
        Ok(b"PE\0\0") => {}
        // Also where these bytes are to be read yet.
        _ => return Ok(None),
    }
    match optional_header_magic(window)? {
        pe::IMAGE_NT_OPTIONAL_HDR32_MAGIC => image::<pe::ImageNtHeaders32>(window, at).map(Some),
        pe::IMAGE_NT_OPTIONAL_HDR64_MAGIC => image::<pe::ImageNtHeaders64>(window, at).map(Some),
        _ => Err(Malformed("Unsupported PE optional header magic".to_owned())),
    }
}

fn image<Pe: ImageNtHeaders>(window: Window<'_>, mut at: u64) -> Result<Image, Malformed> {
    let (headers, _) = Pe::parse(window, &mut at)?;
    let sections = headers.sections(window, at)?;
    let optional = headers.optional_header();
    let base = optional.image_base();
    let mut image = Image {
        machine: machine(headers.file_header().machine.get(LE)),
        is_big_endian: false,
        pointer_bytes: if headers.is_type_64() { 8 } else { 4 },
        go: GoPlace::None,
        rust: None,
        loads: Vec::new(),
        packer: None,
    };
    // Go's linker says it is version 3.0, and the other that builds Go programs for Windows is GNU ld, which says 2.
    // The libraries of Windows itself are of a later one: of them no data is read.
    let may_be_go = matches!(optional.major_linker_version(), 2 | 3);
    for section in sections.iter().take(MAX_LOADS) {
        let (start, len) = section.pe_file_range();
        let Some(file) = inside(window, (start.into(), len.into())) else { continue };
        let (address, _) = section.pe_address_range();
        image.loads.push(Load { address: base.saturating_add(address.into()), file });
        let flags = section.characteristics.get(LE).0;
        let data = pe::IMAGE_SCN_CNT_INITIALIZED_DATA.0 | pe::IMAGE_SCN_MEM_WRITE.0;
        if may_be_go && image.go == GoPlace::None && flags & data == data && len > 0 {
            image.go = GoPlace::Search(ByteRange::new(file.start, file.len.min(SEARCH)));
        }
        match section.raw_name() {
            b".dep-v0" => image.rust = Some(file),
            b"UPX0" | b"UPX1" => image.packer = Some("UPX"),
            _ => {}
        }
    }
    Ok(image)
}

fn machine(machine: pe::Machine) -> Option<&'static str> {
    Some(match machine {
        pe::IMAGE_FILE_MACHINE_AMD64 => "x86_64",
        pe::IMAGE_FILE_MACHINE_I386 => "i686",
        pe::IMAGE_FILE_MACHINE_ARM64 => "aarch64",
        pe::IMAGE_FILE_MACHINE_ARMNT => "arm",
        _ => return None,
    })
}

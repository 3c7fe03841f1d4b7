//! Unified kernel images: kernel, initrd and command line in one EFI program, which firmware or systemd-boot starts.
//!
//! Sources: UAPI.5 "Unified Kernel Image" (names of sections, where images lie); UAPI.1 "Boot Loader Specification", type 2
//! entries, and systemd's `bootspec.c` (as documentation: what of os-release is their place in the menu); Microsoft, "PE
//! Format" (MS-DOS stub, COFF header, section table).

use super::{
    boot::BootEntry,
    kernel::{MAX_VERSION, release_of_path, version_at},
    os_release,
};
use crate::{
    Context, Extractor, Input, Output,
    view::{FileView, ViewError},
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Kernel};

/// Reads unified kernel images for their releases.
#[derive(Debug)]
pub struct UnifiedKernels;

const STRUCTURE: &str = "unified kernel image";
/// Sections that are looked at: systemd's own readers refuse images of more, and real ones have about a dozen.
const SECTIONS: u16 = 96;
/// Bytes of an entry of the section table.
const SECTION: usize = 40;

impl Extractor for UnifiedKernels {
    fn name(&self) -> &'static str {
        "unified-kernel"
    }

    fn version(&self) -> u32 {
        3
    }

    fn wants(&self) -> &'static [Want] {
        // EFI system partitions are FAT, where names have no case.
        const WANTS: &[Want] = &[
            Want::windows("/boot/efi/EFI/Linux/*.efi", Reading::Ranges),
            Want::windows("/boot/EFI/Linux/*.efi", Reading::Ranges),
            Want::windows("/efi/EFI/Linux/*.efi", Reading::Ranges),
            Want::new("/usr/lib/modules/*/*.efi", Reading::Ranges),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let named = || release_of_path(place.path.strip_suffix(b".efi").unwrap_or(place.path));
        let image = match look(input.view) {
            Ok(Seen::Image(image)) => {
                if image.sections > SECTIONS {
                    let count = image.sections;
                    let reason = format!("{count} sections, of which the first {SECTIONS} are looked at");
                    out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
                }
                if image.is_cut {
                    let reason = format!("of .osrel the first {} bytes are read", os_release::LIMIT);
                    out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
                }
                image
            }
            Ok(Seen::NoImage(reason)) => {
                out.gap(place.gap(GapKind::Corrupt, STRUCTURE, reason));
                return;
            }
            Err(error) => {
                out.gap(place.view_gap(STRUCTURE, &error));
                Image::default()
            }
        };
        let entry = image.system.as_deref().and_then(|system| entry(place.path, system));
        let name = entry.as_ref().map(|entry| entry.name().to_owned());
        if let Some(entry) = entry {
            out.boot_entry(entry);
        }
        match image.release.or_else(named) {
            Some(release) => out.kernel(Kernel { release, entry: name, ..Kernel::at(place.path) }),
            None => out.gap(place.gap(
                GapKind::Unsupported,
                STRUCTURE,
                "neither its sections nor its name have a release",
            )),
        }
    }
}

/// The entry of the menu that an image is, by the os-release in it; an image without a name, or elsewhere than where
/// loaders look, is none.
fn entry(path: &[u8], system: &str) -> Option<BootEntry> {
    if path.starts_with(b"/usr/") {
        return None;
    }
    let said = |wanted: &str| {
        // Of a name that is assigned to twice the last counts.
        os_release::assignments(system)
            .filter(|(name, _)| *name == wanted)
            .last()
            .and_then(|(_, value)| value)
    };
    ["PRETTY_NAME", "IMAGE_ID", "NAME", "ID"].into_iter().find_map(said)?;
    Some(BootEntry {
        program: Some(path.to_vec()),
        sort_key: ["IMAGE_ID", "ID"].into_iter().find_map(said),
        version: ["IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"].into_iter().find_map(said),
        ..BootEntry::of_file(path, ".efi")?
    })
}

/// What a file is.
enum Seen {
    /// None such, and why.
    NoImage(&'static str),
    /// A unified kernel image.
    Image(Image),
}

#[derive(Default)]
struct Image {
    /// The text of `.uname`, else what the kernel in `.linux` says of itself.
    release: Option<String>,
    /// The text of `.osrel`: the os-release of the system that it starts.
    system: Option<String>,
    /// Whether there is more of it.
    is_cut: bool,
    /// Entries of its section table.
    sections: u16,
}

/// Reads the section table and what of the sections has the release.
fn look(view: &mut dyn FileView) -> Result<Seen, ViewError> {
    let mut stub = [0; 64];
    if view.read_at(0, &mut stub)? < stub.len() || !stub.starts_with(b"MZ") {
        return Ok(Seen::NoImage("no EFI program"));
    }
    let header = u64::from(u32::from_le_bytes([stub[0x3c], stub[0x3d], stub[0x3e], stub[0x3f]]));
    let mut coff = [0; 24];
    if view.read_at(header, &mut coff)? < coff.len() || !coff.starts_with(b"PE\0\0") {
        return Ok(Seen::NoImage("no PE header where the stub says"));
    }
    let field = |at: usize| u16::from_le_bytes([coff[at], coff[at + 1]]);
    let (sections, optional) = (field(6), u64::from(field(20)));
    let mut table = vec![0; usize::from(sections.min(SECTIONS)) * SECTION];
    let got = view.read_at(header + 24 + optional, &mut table)?;
    table.truncate(got);
    let (mut kernel, mut image) = (None, Image { sections, ..Image::default() });
    for section in table.chunks_exact(SECTION) {
        let word =
            |at: usize| u32::from_le_bytes([section[at], section[at + 1], section[at + 2], section[at + 3]]);
        // What the section holds may be less than what the file keeps of it.
        let (held, kept, at) = (word(8), word(16), u64::from(word(20)));
        let len = if held == 0 { kept } else { held.min(kept) };
        match section[..8].split(|byte| *byte == 0).next() {
            Some(b".uname") if image.release.is_none() => image.release = text(view, at, len, MAX_VERSION)?,
            Some(b".osrel") if image.system.is_none() => {
                image.is_cut = len as usize > os_release::LIMIT;
                image.system = text(view, at, len, os_release::LIMIT)?;
            }
            Some(b".linux") if kernel.is_none() => kernel = Some(at),
            _ => {}
        }
    }
    match kernel {
        _ if image.release.is_some() => {}
        Some(kernel) => image.release = version_at(view, kernel)?,
        // It may be in one of those not looked at.
        None if sections > SECTIONS => {}
        None => return Ok(Seen::NoImage("no kernel in it")),
    }
    Ok(Seen::Image(image))
}

/// The text of a section up to its first NUL, if there is any; of a longer one the first `limit` bytes.
fn text(view: &mut dyn FileView, at: u64, len: u32, limit: usize) -> Result<Option<String>, ViewError> {
    let mut text = vec![0; (len as usize).min(limit)];
    let got = view.read_at(at, &mut text)?;
    let text = text[..got].split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
    Ok((!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{output::recorder::Recorder, view::MemoryView};
    use coldread_model::Findings;
    use proptest::prelude::*;

    /// An image of these sections.
    fn image(sections: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut image = vec![0; 0x80];
        image[..2].copy_from_slice(b"MZ");
        image[0x3c..0x40].copy_from_slice(&0x80_u32.to_le_bytes());
        let mut coff = vec![0; 24];
        coff[..4].copy_from_slice(b"PE\0\0");
        coff[6..8].copy_from_slice(&(sections.len() as u16).to_le_bytes());
        coff[20..22].copy_from_slice(&16_u16.to_le_bytes());
        image.extend(coff);
        image.extend([0; 16]);
        let mut place = image.len() + sections.len() * SECTION;
        let mut contents: Vec<u8> = Vec::new();
        for (name, content) in sections {
            let mut section = [0; SECTION];
            section[..name.len()].copy_from_slice(name);
            for (at, value) in [(8, content.len()), (16, content.len()), (20, place)] {
                section[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
            }
            image.extend(section);
            contents.extend(*content);
            place += content.len();
        }
        image.extend(contents);
        image
    }

    fn linux(text: &[u8]) -> Vec<u8> {
        let mut kernel = vec![0; 0x1000];
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        kernel[0x20e..0x210].copy_from_slice(&0x600_u16.to_le_bytes());
        kernel[0x800..0x800 + text.len()].copy_from_slice(text);
        kernel
    }

    fn read(path: &str, image: Vec<u8>) -> Findings {
        recorded(path, image).findings
    }

    fn recorded(path: &str, image: Vec<u8>) -> Recorder {
        let mut found = Recorder::default();
        let mut view = MemoryView::from(image);
        let mut input = Input::new(path.as_bytes(), "p1", &mut view);
        UnifiedKernels.extract(&mut input, &Context::default(), &mut found);
        found
    }

    #[test]
    fn the_release_is_in_a_section_in_the_kernel_or_in_the_name() {
        let path = "/efi/EFI/Linux/debian-6.9.efi";
        let kernel = linux(b"6.12.5-arch1-1 (x@y) #1\0");
        for (sections, expected) in [
            (
                &[(&b".osrel"[..], &b"ID=arch\n"[..]), (b".uname", b"6.12.5-1\n\0"), (b".linux", b"x")][..],
                "6.12.5-1",
            ),
            (&[(b".linux", &kernel)], "6.12.5-arch1-1"),
            (&[(b".uname", b"\0"), (b".linux", &kernel)], "6.12.5-arch1-1"),
            (&[(b".linux", b"another architecture's")], "6.9"),
        ] {
            let found = read(path, image(sections));
            let releases: Vec<_> =
                found.system.kernels.iter().map(|kernel| kernel.release.as_str()).collect();
            assert_eq!((releases, found.gaps.len()), (vec![expected], 0));
        }
    }

    #[test]
    fn an_image_is_an_entry_by_the_system_in_it() {
        let entry = |path: &str, system: &str| {
            let found = recorded(path, image(&[(b".linux", b"x"), (b".osrel", system.as_bytes())]));
            let name = found.findings.system.kernels[0].entry.clone();
            assert_eq!(name, found.entries.first().map(|entry| entry.name().to_owned()));
            found.entries.into_iter().next()
        };
        let path = "/efi/EFI/Linux/Debian-6.9+3.efi";
        let told = |system: &str| entry(path, system).map(|entry| (entry.sort_key, entry.version));
        let pair = |key: &str, version: &str| {
            let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Some((text(key), text(version)))
        };
        for (system, expected) in [
            (
                "NAME=Debian\nID=debian\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\n",
                pair("debian", "12 (bookworm)"),
            ),
            ("ID=debian\nIMAGE_ID=box\nIMAGE_VERSION=7\nVERSION_ID=12\n", pair("box", "7")),
            ("ID=arch\nBUILD_ID=rolling\n", pair("arch", "rolling")),
            ("PRETTY_NAME=x\n", pair("", "")),
            ("VERSION_ID=12\n", None),
            ("\0", None),
        ] {
            assert_eq!(told(system), expected, "{system}");
        }
        let long = format!("ID=x\n{}", "#\n".repeat(os_release::LIMIT / 2));
        let found = read(path, image(&[(b".linux", b"x"), (b".osrel", long.as_bytes())]));
        assert_eq!(found.gaps[0].reason, "of .osrel the first 65536 bytes are read");
        let found = entry(path, "ID=x\n").unwrap();
        assert_eq!((found.id.as_str(), found.program.as_deref()), ("debian-6.9.efi", Some(path.as_bytes())));
        assert_eq!(found.tries.map(|tries| tries.left), Some(3));
        assert_eq!(entry("/usr/lib/modules/6.9/linux-6.9.efi", "ID=x\n"), None);
    }

    #[test]
    fn what_is_no_unified_image_is_a_gap() {
        for (image, reason) in [
            (vec![], "no EFI program"),
            (b"MZ".repeat(64), "no PE header where the stub says"),
            (image(&[(b".text", b"x")]), "no kernel in it"),
        ] {
            let found = read("/efi/EFI/Linux/a-1.efi", image);
            assert_eq!((found.gaps[0].reason.as_str(), found.system.kernels.len()), (reason, 0));
        }
    }

    #[test]
    fn sections_that_are_not_looked_at_are_told() {
        let kernel = linux(b"6.12.5-arch1-1 (x@y) #1\0");
        let crowd = |last: usize, first: &'static [u8]| {
            let mut sections = vec![(first, &b"6.12.5-1\n"[..])];
            sections.resize(last, (&b".dtbauto"[..], b"x"));
            sections.push((b".linux", &kernel));
            let found = read("/efi/EFI/Linux/debian-6.9.efi", image(&sections));
            let gaps: Vec<_> = found.gaps.iter().map(|gap| (gap.kind, gap.reason.clone())).collect();
            (found.system.kernels[0].release.clone(), gaps)
        };
        let limit = |count: usize| {
            vec![(GapKind::Limit, format!("{count} sections, of which the first 96 are looked at"))]
        };
        assert_eq!(crowd(95, b".text"), ("6.12.5-arch1-1".to_owned(), vec![]));
        // The kernel is among them: what is left is the name.
        assert_eq!(crowd(96, b".text"), ("6.9".to_owned(), limit(97)));
        assert_eq!(crowd(300, b".uname"), ("6.12.5-1".to_owned(), limit(301)));
    }

    proptest! {
        #[test]
        fn any_image_is_read(
            flips in prop::collection::vec((0usize..400, any::<u8>()), 0..8),
            len in 0usize..700,
        ) {
            let mut image = image(&[(b".uname", b"6.1\n"), (b".linux", &linux(b"6.1\0"))]);
            for (at, value) in flips {
                image[at] = value;
            }
            image.truncate(if len < 500 { len } else { usize::MAX });
            read("/efi/EFI/Linux/a-1.efi", image);
        }
    }
}

//! Unified kernel images: kernel, initrd and command line in one EFI program, which firmware or systemd-boot starts.
//!
//! Sources: UAPI.5 "Unified Kernel Image" (names of sections, where images lie); Microsoft, "PE Format" (MS-DOS stub,
//! COFF header, section table).

use super::kernel::{MAX_VERSION, release_of_path, version_at};
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
        2
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
        let release = match look(input.view) {
            Ok(Seen::Image { release, sections }) => {
                if sections > SECTIONS {
                    let reason = format!("{sections} sections, of which the first {SECTIONS} are looked at");
                    out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
                }
                release.or_else(named)
            }
            Ok(Seen::NoImage(reason)) => {
                out.gap(place.gap(GapKind::Corrupt, STRUCTURE, reason));
                return;
            }
            Err(error) => {
                out.gap(place.view_gap(STRUCTURE, &error));
                named()
            }
        };
        match release {
            Some(release) => out.kernel(Kernel { release, ..Kernel::at(place.path) }),
            None => out.gap(place.gap(
                GapKind::Unsupported,
                STRUCTURE,
                "neither its sections nor its name have a release",
            )),
        }
    }
}

/// What a file is.
enum Seen {
    /// None such, and why.
    NoImage(&'static str),
    /// A unified kernel image.
    Image {
        /// The text of `.uname`, else what the kernel in `.linux` says of itself.
        release: Option<String>,
        /// Entries of its section table.
        sections: u16,
    },
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
    let mut kernel = None;
    for section in table.chunks_exact(SECTION) {
        let word =
            |at: usize| u32::from_le_bytes([section[at], section[at + 1], section[at + 2], section[at + 3]]);
        // What the section holds may be less than what the file keeps of it.
        let (held, kept, at) = (word(8), word(16), u64::from(word(20)));
        match section[..8].split(|byte| *byte == 0).next() {
            Some(b".uname") => {
                let len = if held == 0 { kept } else { held.min(kept) };
                let mut text = vec![0; (len as usize).min(MAX_VERSION)];
                let got = view.read_at(at, &mut text)?;
                let text = text[..got].split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
                if !text.is_empty() {
                    let release = Some(String::from_utf8_lossy(text).into_owned());
                    return Ok(Seen::Image { release, sections });
                }
            }
            Some(b".linux") => kernel = Some(at),
            _ => {}
        }
    }
    match kernel {
        Some(kernel) => Ok(Seen::Image { release: version_at(view, kernel)?, sections }),
        // It may be in one of those not looked at.
        None if sections > SECTIONS => Ok(Seen::Image { release: None, sections }),
        None => Ok(Seen::NoImage("no kernel in it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
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
        let mut found = Findings::default();
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

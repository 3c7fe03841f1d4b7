//! SYSLINUX's and extlinux' configuration, which U-Boot reads too: the kernels that it names, and the default one.
//!
//! Source: The Syslinux Project, "Config" (`DEFAULT`, `LABEL`, `KERNEL`, `LINUX`, `MENU DEFAULT`); U-Boot,
//! "Generic Distro Configuration Concept".

use super::kernel::release_of_path;
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::Kernel;

/// The largest configuration that is read; real ones have a few kilobytes.
const LIMIT: u64 = 1 << 20;
/// Entries of one file.
const ENTRIES: usize = 1000;

/// Reads extlinux.conf and syslinux.cfg.
#[derive(Debug)]
pub struct Extlinux;

impl Extractor for Extlinux {
    fn name(&self) -> &'static str {
        "extlinux"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/boot/extlinux.conf", Reading::Whole { limit: LIMIT }),
            Want::new("/boot/extlinux/extlinux.conf", Reading::Whole { limit: LIMIT }),
            Want::new("/boot/syslinux/extlinux.conf", Reading::Whole { limit: LIMIT }),
            Want::new("/boot/syslinux/syslinux.cfg", Reading::Whole { limit: LIMIT }),
            Want::new("/extlinux/extlinux.conf", Reading::Whole { limit: LIMIT }),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let text = match input.view.read_all(LIMIT) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                out.gap(place.view_gap("extlinux.conf", &error));
                return;
            }
        };
        let mut gaps = place.gaps("extlinux.conf");
        let menu = Menu::parse(&text);
        if menu.is_cut {
            gaps.push(out, coldread_model::GapKind::Limit, format!("more than {ENTRIES} entries"));
        }
        let default = menu.started();
        for (index, entry) in menu.entries.iter().enumerate() {
            let Some(image) = entry.image else { continue };
            let path = on_machine(place.path, image);
            // Where the name has no release, the image itself may have one: it is the same path.
            out.kernel(Kernel {
                release: release_of_path(&path).unwrap_or_default(),
                entry: Some(entry.label.to_owned()),
                default: (default == Some(index)).then_some(true),
                ..Kernel::at(&path)
            });
        }
        gaps.finish(out);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    label: &'a str,
    image: Option<&'a str>,
    /// `MENU DEFAULT`.
    is_default: bool,
}

#[derive(Debug, Default)]
struct Menu<'a> {
    entries: Vec<Entry<'a>>,
    /// `DEFAULT`: a label, or an image itself.
    default: Option<&'a str>,
    is_cut: bool,
}

impl<'a> Menu<'a> {
    fn parse(text: &'a str) -> Self {
        let mut menu = Self::default();
        for line in text.lines().map(str::trim) {
            let (keyword, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let value = value.trim();
            let is = |word: &str| keyword.eq_ignore_ascii_case(word);
            if is("DEFAULT") {
                menu.default = Some(value).filter(|value| !value.is_empty());
            } else if is("LABEL") {
                if menu.entries.len() == ENTRIES {
                    menu.is_cut = true;
                    break;
                }
                menu.entries.push(Entry { label: value, image: None, is_default: false });
            } else if let Some(entry) = menu.entries.last_mut() {
                if is("KERNEL") || is("LINUX") {
                    let image = value.split_whitespace().next();
                    // `KERNEL` may also name a program of SYSLINUX itself.
                    entry.image = image.filter(|image| is("LINUX") || !has_module_ending(image));
                } else if is("MENU") && value.eq_ignore_ascii_case("DEFAULT") {
                    entry.is_default = true;
                }
            }
        }
        menu
    }

    /// The entry that is started: `MENU DEFAULT`, else the label that `DEFAULT` names, else the first.
    fn started(&self) -> Option<usize> {
        let place = |is: &dyn Fn(&Entry<'_>) -> bool| self.entries.iter().position(is);
        place(&|entry| entry.is_default)
            .or_else(|| self.default.and_then(|label| place(&|entry| entry.label == label)))
            .or_else(|| place(&|_| self.default.is_none()))
    }
}

fn has_module_ending(image: &str) -> bool {
    [".c32", ".com", ".bin", ".bss", ".0", ".img"].iter().any(|end| image.to_ascii_lowercase().ends_with(end))
}

/// The path of an image in the tree of the machine: relative ones begin at the configuration's directory, absolute ones
/// at its volume, which is that of /boot.
fn on_machine(config: &[u8], image: &str) -> Vec<u8> {
    let text = image.as_bytes();
    if text.starts_with(b"/boot/") || !config.starts_with(b"/boot/") && text.starts_with(b"/") {
        return text.to_vec();
    }
    if text.starts_with(b"/") {
        return [b"/boot", text].concat();
    }
    let directory = &config[..config.iter().rposition(|byte| *byte == b'/').unwrap_or(0)];
    let mut parts: Vec<&[u8]> = directory.split(|byte| *byte == b'/').collect();
    for part in text.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            // The first part is what stands before the root.
            b".." => parts.truncate(parts.len().saturating_sub(1).max(1)),
            name => parts.push(name),
        }
    }
    parts.join(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::Findings;
    use proptest::prelude::*;

    fn read(path: &str, text: &str) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.as_bytes().to_vec());
        Extlinux.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
        found
    }

    fn shown(path: &str, text: &str) -> Vec<(String, String, Option<bool>)> {
        let kernels = read(path, text).system.kernels;
        kernels
            .into_iter()
            .map(|kernel| (kernel.release, String::from_utf8(kernel.path).unwrap(), kernel.default))
            .collect()
    }

    #[test]
    fn kernels_and_the_default_one() {
        let debian = "default l0\nmenu title U-Boot\nlabel l0\n\tmenu label Debian 6.1\n\tlinux /boot/vmlinuz-6.1\n\
                      \tappend root=/dev/sda1\nlabel l0r\n\tlinux /boot/vmlinuz-6.1\nLABEL l1\n  LINUX /vmlinuz-5.10 x\n";
        let one = |release: &str, path: &str, default| (release.to_owned(), path.to_owned(), default);
        assert_eq!(
            shown("/boot/extlinux/extlinux.conf", debian),
            [
                one("6.1", "/boot/vmlinuz-6.1", Some(true)),
                one("6.1", "/boot/vmlinuz-6.1", None),
                one("5.10", "/boot/vmlinuz-5.10", None)
            ]
        );
        let alpine = "DEFAULT menu.c32\nLABEL lts\n  MENU DEFAULT\n  LINUX vmlinuz-lts\nLABEL virt\n  LINUX ../x/vmlinuz-6.6\n\
                      LABEL hd\n  KERNEL chain.c32\n";
        assert_eq!(
            shown("/boot/extlinux.conf", alpine),
            [one("", "/boot/vmlinuz-lts", Some(true)), one("6.6", "/x/vmlinuz-6.6", None)]
        );
        assert_eq!(
            shown("/boot/syslinux/syslinux.cfg", "LABEL a\nKERNEL ../vmlinuz-6.6\n"),
            [one("6.6", "/boot/vmlinuz-6.6", Some(true))]
        );
        assert_eq!(shown("/boot/extlinux.conf", "DEFAULT gone\nLABEL a\nLINUX /vmlinuz-1\n")[0].2, None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(LABEL|DEFAULT|LINUX|MENU|KERNEL|/|\\.\\.|\\.|a| |\n|é){0,40}") {
            read("/boot/extlinux/extlinux.conf", &text);
            on_machine(b"extlinux.conf", &text);
        }
    }
}

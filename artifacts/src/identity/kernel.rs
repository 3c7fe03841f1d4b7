//! Kernel images, and which of them the boot loader starts.
//!
//! Sources: Linux kernel documentation, "The Linux/x86 Boot Protocol" (header at 0x1f1: `header`, `version`,
//! `kernel_version`); GNU GRUB manual, "Writing your own configuration file directly" and "The GRUB environment
//! block"; the Boot Loader Specification for names of entries.

use crate::{
    Context, Extractor, Input, Output,
    identity::boot::BootDefault,
    view::FileView,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Kernel};

/// Reads kernel images for their releases.
#[derive(Debug)]
pub struct KernelImages;

/// `HdrS` and where it stands.
const MAGIC: (usize, &[u8; 4]) = (0x202, b"HdrS");
const HEADER: usize = 0x210;
/// The longest release and description that is read.
pub(super) const MAX_VERSION: usize = 512;

impl Extractor for KernelImages {
    fn name(&self) -> &'static str {
        "kernel-image"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/boot/vmlinuz-*", Reading::Ranges),
            Want::new("/boot/vmlinux-*", Reading::Ranges),
            Want::new("/boot/kernel-*", Reading::Ranges),
            Want::new("/usr/lib/modules/*/vmlinuz", Reading::Ranges),
            Want::new("/lib/modules/*/vmlinuz", Reading::Ranges),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let named = release_of_path(place.path);
        let release = match version_at(input.view, 0) {
            Ok(version) => version.or(named),
            Err(error) => {
                out.gap(place.view_gap("kernel image", &error));
                named
            }
        };
        match release {
            Some(release) => out.kernel(Kernel { release, ..Kernel::at(place.path) }),
            None => out.gap(place.gap(
                GapKind::Unsupported,
                "kernel image",
                "neither its header nor its name has a release",
            )),
        }
    }
}

/// The first word of the description in an x86 image that begins at `start`; other images have none.
pub(super) fn version_at(
    view: &mut dyn FileView,
    start: u64,
) -> Result<Option<String>, crate::view::ViewError> {
    let mut header = [0; HEADER];
    if view.read_at(start, &mut header)? < HEADER || &header[MAGIC.0..MAGIC.0 + 4] != MAGIC.1 {
        return Ok(None);
    }
    let field = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    // Protocol 2.00 and later have the offset, less 0x200, of a text that ends with a NUL.
    let (protocol, at) = (field(0x206), u64::from(field(0x20e)) + 0x200);
    if protocol < 0x200 || at == 0x200 {
        return Ok(None);
    }
    let mut text = [0; MAX_VERSION];
    let got = view.read_at(start.saturating_add(at), &mut text)?;
    let text = text[..got].split(|byte| *byte == 0).next().unwrap_or_default();
    let word = text.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let is_release = word.first().is_some_and(u8::is_ascii_digit) && word.is_ascii();
    Ok(is_release.then(|| String::from_utf8_lossy(word).into_owned()))
}

/// The release in the name of an image or of its directory.
pub(super) fn release_of_path(path: &[u8]) -> Option<String> {
    let mut parts = path.rsplit(|byte| *byte == b'/');
    let (name, directory) = (parts.next()?, parts.next()?);
    let release = match memchr::memchr(b'-', name) {
        Some(dash) => &name[dash + 1..],
        None => directory,
    };
    release.iter().any(u8::is_ascii_digit).then(|| String::from_utf8_lossy(release).into_owned())
}

/// Reads GRUB's configuration for the image that it starts.
#[derive(Debug)]
pub struct Grub;

/// The largest configuration that is read; real ones have some 20 KB.
const LIMIT: u64 = 4 << 20;
/// Menus within each other; grub-mkconfig makes two. An entry's place names each of them.
const MENUS: usize = 32;

impl Extractor for Grub {
    fn name(&self) -> &'static str {
        "grub"
    }

    fn version(&self) -> u32 {
        3
    }

    fn wants(&self) -> &'static [Want] {
        const fn want(pattern: &'static str) -> Want {
            Want { siblings: &["grubenv"], ..Want::new(pattern, Reading::Whole { limit: LIMIT }) }
        }
        const WANTS: &[Want] = &[want("/boot/grub/grub.cfg"), want("/boot/grub2/grub.cfg")];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let text = match input.view.read_all(LIMIT) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                out.gap(place.view_gap("grub.cfg", &error));
                return;
            }
        };
        let mut environment = Some(String::new());
        for companion in &mut input.companions {
            environment = match companion.view.read_all(64 << 10) {
                Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
                Err(error) => {
                    out.gap(place.view_gap("grubenv", &error));
                    None
                }
            };
        }
        let (started, is_whole) = started(&text, environment.as_deref());
        if !is_whole {
            let reason = format!("what lies in more than {MENUS} menus is not read");
            out.gap(place.gap(GapKind::Limit, "grub.cfg", reason));
        }
        match started {
            Some(Started::Image(image)) => {
                // GRUB's paths start at the volume of /boot, which may be one of its own.
                let path = if image.starts_with("/boot/") { image } else { format!("/boot{image}") };
                if let Some(release) = release_of_path(path.as_bytes()) {
                    out.kernel(Kernel { release, default: Some(true), ..Kernel::at(path.as_bytes()) });
                }
            }
            Some(Started::Nth(number)) => out.boot_default(BootDefault::Nth(number)),
            None => {}
        }
    }
}

/// An entry of the menu.
struct Entry {
    /// Its place, e.g. `1>2` for the third of the second entry's own menu.
    place: String,
    title: String,
    id: Option<String>,
    image: Option<String>,
}

/// What GRUB starts.
#[derive(Debug, PartialEq, Eq)]
enum Started {
    /// This image.
    Image(String),
    /// The entry with this number among those that are files of their own.
    Nth(usize),
}

/// What the default entry starts, and whether all entries were looked at. No environment: it cannot be read.
fn started(config: &str, environment: Option<&str>) -> (Option<Started>, bool) {
    let (entries, is_whole) = entries(config);
    (default_of(config, environment, &entries), is_whole)
}

/// Where the menu goes on with the entries of the Boot Loader Specification, if it does.
fn entries_of_files(config: &str) -> Option<usize> {
    let mut at = 0;
    config.split_inclusive('\n').find_map(|line| {
        at += line.len();
        (line.trim() == "blscfg").then(|| at - line.len())
    })
}

fn default_of(config: &str, environment: Option<&str>, entries: &[Entry]) -> Option<Started> {
    let saved = environment.map(|environment| {
        let saved = environment.lines().find_map(|line| line.strip_prefix("saved_entry=")).map(str::trim);
        saved.filter(|saved| !saved.is_empty()).unwrap_or("0")
    });
    // What is set last stands in the branch for an ordinary start; `next_entry` is for one start alone.
    let set = config.lines().rev().filter_map(|line| line.trim().strip_prefix("set default="));
    let set = set.map(|value| value.trim_matches(['"', '\''])).find(|value| !value.contains("next_entry"));
    let wanted = match set {
        Some(value) if value.contains("saved_entry") => saved?,
        Some(value) if !value.contains('$') => value,
        Some(_) => return None,
        None => saved?,
    };
    let files = entries_of_files(config);
    if let (Some(at), Ok(number)) = (files, wanted.parse::<usize>()) {
        let top = |entry: &Entry| entry.place.split('>').next()?.parse::<usize>().ok();
        let before = self::entries(&config[..at]).0.iter().filter_map(top).max().map_or(0, |last| last + 1);
        if let Some(number) = number.checked_sub(before) {
            return Some(Started::Nth(number));
        }
    }
    let named = |entry: &&Entry| {
        entry.place == wanted || entry.title == wanted || entry.id.as_deref() == Some(wanted)
    };
    // In a path of several menus each part may be a place, a title or an id; the last names the entry.
    let last = wanted.rsplit('>').next().unwrap_or(wanted);
    let found = entries.iter().find(named).or_else(|| {
        let is = |entry: &&Entry| entry.title == last || entry.id.as_deref() == Some(last);
        entries.iter().find(is)
    });
    match found {
        Some(entry) => entry.image.clone().map(Started::Image),
        // The Boot Loader Specification's entries are files of their own: MACHINE-RELEASE.
        None if files.is_some() => {
            let (machine, release) = last.split_once('-')?;
            let is_machine = machine.len() == 32 && machine.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_machine.then(|| Started::Image(format!("/vmlinuz-{release}")))
        }
        None => None,
    }
}

/// The entries in their order, and whether those are all: what lies in more than [`MENUS`] menus is left out. Braces are counted where lines end or begin with them, as grub-mkconfig writes them.
fn entries(config: &str) -> (Vec<Entry>, bool) {
    let (mut entries, mut is_whole): (Vec<Entry>, bool) = (Vec::new(), true);
    // For each menu that is open, how many entries it has so far and how deep in braces it began.
    let mut menus = vec![(0usize, 0usize)];
    let mut places: Vec<usize> = Vec::new();
    let mut depth = 0;
    let mut open: Option<usize> = None;
    for line in config.lines().map(str::trim) {
        let is_entry = line.starts_with("menuentry ");
        if (is_entry || line.starts_with("submenu ")) && line.ends_with('{') {
            if menus.len() > MENUS {
                is_whole = false;
                depth += 1;
                continue;
            }
            let Some((count, _)) = menus.last_mut() else { break };
            let index = *count;
            *count += 1;
            if is_entry {
                let place = places.iter().chain([&index]).map(usize::to_string).collect::<Vec<_>>().join(">");
                open = Some(depth);
                entries.push(Entry {
                    place,
                    title: quoted(line).unwrap_or_default(),
                    id: id(line),
                    image: None,
                });
            } else {
                places.push(index);
                menus.push((0, depth));
            }
            depth += 1;
        } else if line.ends_with('{') {
            depth += 1;
        } else if line == "}" {
            depth = depth.saturating_sub(1);
            if open == Some(depth) {
                open = None;
            } else if menus.len() > 1 && menus.last().is_some_and(|(_, began)| *began == depth) {
                menus.pop();
                places.pop();
            }
        } else if open.is_some()
            && let Some(entry) = entries.last_mut()
        {
            let mut words = line.split_ascii_whitespace();
            if matches!(words.next(), Some("linux" | "linux16" | "linuxefi")) {
                entry.image = words.next().map(|path| path.trim_start_matches("($root)").to_owned());
            }
        }
    }
    (entries, is_whole)
}

/// The first text in quotes.
fn quoted(line: &str) -> Option<String> {
    let quote = line.find(['\'', '"'])?;
    let mark = line[quote..].chars().next()?;
    line[quote + 1..].split(mark).next().map(str::to_owned)
}

/// What follows `$menuentry_id_option` or `--id`.
fn id(line: &str) -> Option<String> {
    let rest = line.split_once("menuentry_id_option").or_else(|| line.split_once("--id"))?.1;
    quoted(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use proptest::prelude::*;

    fn image(text: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 0x1000];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        image[0x20e..0x210].copy_from_slice(&0x600_u16.to_le_bytes());
        image[0x800..0x800 + text.len()].copy_from_slice(text);
        image
    }

    #[test]
    fn releases_of_images() {
        let read = |bytes: Vec<u8>| version_at(&mut MemoryView::from(bytes), 0).unwrap();
        let described = image(b"6.1.0-28-amd64 (debian-kernel@lists.debian.org) #1 SMP\0");
        assert_eq!(read(described.clone()).as_deref(), Some("6.1.0-28-amd64"));
        assert_eq!(read(described[..0x800].to_vec()), None);
        assert_eq!(read(image(b"\0")), None);
        assert_eq!(read(vec![0; 100]), None);
        assert_eq!(release_of_path(b"/boot/vmlinuz-5.10.0-8-arm64").as_deref(), Some("5.10.0-8-arm64"));
        assert_eq!(release_of_path(b"/lib/modules/6.5.6/vmlinuz").as_deref(), Some("6.5.6"));
        assert_eq!(release_of_path(b"/boot/vmlinuz-linux"), None);
    }

    const CONFIG: &str = "if [ \"${next_entry}\" ] ; then\n  set default=\"${next_entry}\"\nelse\n  set default=\"DEFAULT\"\nfi\n\
        function savedefault {\n  if [ -z x ]; then\n    save_env saved_entry\n  fi\n}\n\
        menuentry 'Debian' --class debian $menuentry_id_option 'simple-1' {\n\tif [ x ]; then\n\tinsmod gzio\n\tfi\n\
        \tlinux\t/boot/vmlinuz-6.1 root=/dev/sda1\n}\n\
        submenu 'Advanced' $menuentry_id_option 'advanced-1' {\n\
        \tmenuentry 'Debian 6.1' $menuentry_id_option '6.1-advanced' {\n\t\tlinux /boot/vmlinuz-6.1 ro\n\t}\n\
        \tmenuentry 'Debian 5.10' $menuentry_id_option '5.10-advanced' {\n\t\tlinux /boot/vmlinuz-5.10 ro\n\t}\n}\n\
        menuentry 'Other' {\n\tlinux16 /vmlinuz-4.19\n}\n";

    #[test]
    fn the_default_of_grub() {
        let image = |default: &str, environment: &str| match started(
            &CONFIG.replace("DEFAULT", default),
            Some(environment),
        )
        .0
        {
            Some(Started::Image(image)) => Some(image),
            _ => None,
        };
        for (default, environment, expected) in [
            ("0", "", Some("/boot/vmlinuz-6.1")),
            ("1>1", "", Some("/boot/vmlinuz-5.10")),
            ("2", "", Some("/vmlinuz-4.19")),
            ("advanced-1>5.10-advanced", "", Some("/boot/vmlinuz-5.10")),
            ("${saved_entry}", "# GRUB Environment Block\nsaved_entry=Other\n####", Some("/vmlinuz-4.19")),
            ("${saved_entry}", "", Some("/boot/vmlinuz-6.1")),
            ("7", "", None),
        ] {
            assert_eq!(image(default, environment).as_deref(), expected, "{default}");
        }
        let saved = "saved_entry=0123456789abcdef0123456789abcdef-5.14.0-362.el9.x86_64\n";
        let files =
            "set default=\"${saved_entry}\"\ninsmod blscfg\nblscfg\nmenuentry 'Firmware' {\n\tfwsetup\n}\n";
        let image = Started::Image("/vmlinuz-5.14.0-362.el9.x86_64".to_owned());
        assert_eq!(started(files, Some(saved)).0, Some(image));
        assert_eq!(started(files, Some("saved_entry=2\n")).0, Some(Started::Nth(2)));
        assert_eq!(started(files, Some("")).0, Some(Started::Nth(0)));
        let before = format!("submenu 'a' {{\nmenuentry 'b' {{\nlinux /vmlinuz-1\n}}\n}}\n{files}");
        assert_eq!(started(&before, Some("saved_entry=3\n")).0, Some(Started::Nth(2)));
        let image = Started::Image("/vmlinuz-1".to_owned());
        assert_eq!(started(&before, Some("saved_entry=0>0\n")).0, Some(image));
        // Where it cannot be read nobody knows what is saved in it.
        assert_eq!((started(files, None).0, started("blscfg\n", None).0), (None, None));
        assert_eq!(started("set default=1\nblscfg\n", None).0, Some(Started::Nth(1)));
    }

    #[test]
    fn menus_within_menus_are_bounded() {
        // The place of each entry would name each of the menus: 20 GB of places.
        let text = ["submenu x {\n".repeat(100_000), "menuentry y {\n}\n".repeat(100_000)].concat();
        let (entries, is_whole) = entries(&text);
        assert_eq!((entries.len(), is_whole), (0, false));
        let closed =
            [&"submenu x {\n".repeat(40)[..], &"}\n".repeat(40), "menuentry y {\nlinux /vmlinuz-1\n}\n"]
                .concat();
        let image = Started::Image("/vmlinuz-1".to_owned());
        assert_eq!(started(&closed, Some("saved_entry=1")), (Some(image), false));
        let mut found = coldread_model::Findings::default();
        let mut view = MemoryView::from(closed.into_bytes());
        Grub.extract(
            &mut Input::new(b"/boot/grub/grub.cfg", "p1", &mut view),
            &Context::default(),
            &mut found,
        );
        assert_eq!(found.gaps[0].kind, GapKind::Limit);
    }

    proptest! {
        #[test]
        fn any_text_is_read(parts in prop::collection::vec(prop::sample::select(vec![
            "menuentry 'é {\n", "submenu \"x\" {\n", "}\n", "{\n", "linux\n", "linux /x\n", "set default=\"1>0\"\n", "--id ", "'", "\n",
        ]), 0..30)) {
            started(&parts.concat(), Some(&parts.concat()));
        }
    }
}

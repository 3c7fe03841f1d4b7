//! Entries of the Boot Loader Specification, as systemd-boot and GRUB (`blscfg`) start them, and systemd-boot's choice
//! among them.
//!
//! Sources: UAPI.1 "Boot Loader Specification", type 1 entries; loader.conf(5), `default`.

use super::kernel::release_of_path;
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Kernel, SystemIdentity};

/// The largest file that is read; real ones have less than a kilobyte.
const LIMIT: u64 = 64 << 10;

/// Where a path of an entry begins, by the directory of the loader: at the volume that this is mounted from.
const VOLUMES: [(&[u8], &[u8]); 3] =
    [(b"/boot/efi/loader/", b"/boot/efi"), (b"/boot/loader/", b"/boot"), (b"/efi/loader/", b"/efi")];

/// Reads entries of the Boot Loader Specification.
#[derive(Debug)]
pub struct LoaderEntries;

impl Extractor for LoaderEntries {
    fn name(&self) -> &'static str {
        "loader-entries"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/boot/loader/entries/*.conf", Reading::Whole { limit: LIMIT }),
            Want::new("/boot/efi/loader/entries/*.conf", Reading::Whole { limit: LIMIT }),
            Want::new("/efi/loader/entries/*.conf", Reading::Whole { limit: LIMIT }),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        const STRUCTURE: &str = "loader entry";
        let place = input.place();
        let text = match input.view.read_all(LIMIT) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                out.gap(place.view_gap(STRUCTURE, &error));
                return;
            }
        };
        let value = |key| keys(&text).find(|(name, _)| *name == key).map(|(_, value)| value);
        // An EFI program may be anything; `uki` names a unified image, which is read by itself.
        let Some(image) = value("linux") else { return };
        let path = on_machine(place.path, image);
        match value("version").map(str::to_owned).or_else(|| release_of_path(&path)) {
            Some(release) => {
                out.kernel(Kernel { release, entry: Some(entry_name(place.path)), ..Kernel::at(&path) });
            }
            None => out.gap(place.gap(GapKind::Unsupported, STRUCTURE, format!("no release of {image}"))),
        }
    }
}

/// Reads which entry systemd-boot starts.
#[derive(Debug)]
pub struct LoaderConf;

impl Extractor for LoaderConf {
    fn name(&self) -> &'static str {
        "loader-conf"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/boot/loader/loader.conf", Reading::Whole { limit: LIMIT }),
            Want::new("/boot/efi/loader/loader.conf", Reading::Whole { limit: LIMIT }),
            Want::new("/efi/loader/loader.conf", Reading::Whole { limit: LIMIT }),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        match input.view.read_all(LIMIT) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                // `@saved` is in the firmware's variables, which are on no disk.
                let default =
                    keys(&text).filter(|(name, value)| *name == "default" && !value.starts_with('@'));
                if let Some((_, value)) = default.last() {
                    out.system(SystemIdentity {
                        boot_entry: Some(value.to_owned()),
                        ..SystemIdentity::default()
                    });
                }
            }
            Err(error) => out.gap(place.view_gap("loader.conf", &error)),
        }
    }
}

/// Keys and values of a text, without comments and what has no value.
fn keys(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(char::is_whitespace)).map(|(key, value)| (key, value.trim()))
}

/// The path of an image in the tree of the machine: an entry's begin at the volume that holds the entry.
fn on_machine(entry: &[u8], image: &str) -> Vec<u8> {
    let volume =
        VOLUMES.iter().find(|(loader, _)| entry.starts_with(loader)).map_or(&b""[..], |(_, volume)| volume);
    // Where /boot is a directory of the root's volume, the path names it.
    if volume == b"/boot" && image.starts_with("/boot/") {
        return image.as_bytes().to_vec();
    }
    [volume, b"/", image.trim_start_matches('/').as_bytes()].concat()
}

/// An entry's name: that of its file, without the ending and without how often it may still be tried (`+3-0`).
fn entry_name(path: &[u8]) -> String {
    let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let name = String::from_utf8_lossy(file.strip_suffix(b".conf").unwrap_or(file)).into_owned();
    let is_count =
        |tail: &str| !tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match name.rsplit_once('+') {
        Some((start, tail)) if is_count(tail) => start.to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::Findings;

    fn read(extractor: &dyn Extractor, path: &str, text: &str) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.as_bytes().to_vec());
        extractor.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
        found
    }

    #[test]
    fn entries_name_kernels() {
        for (path, text, expected) in [
            (
                "/boot/loader/entries/0123-5.14.0-362.el9.x86_64.conf",
                "title Red Hat\nversion 5.14.0-362.el9.x86_64\nlinux /vmlinuz-5.14.0-362.el9.x86_64\noptions $kernelopts\n",
                (
                    "5.14.0-362.el9.x86_64",
                    "/boot/vmlinuz-5.14.0-362.el9.x86_64",
                    "0123-5.14.0-362.el9.x86_64",
                ),
            ),
            (
                "/boot/loader/entries/a+3-1.conf",
                "# linux /no\nlinux\t/boot/vmlinuz-6.1 \n",
                ("6.1", "/boot/vmlinuz-6.1", "a"),
            ),
            (
                "/efi/loader/entries/m-6.1.conf",
                "version 6.1\nlinux /m/6.1/linux\ninitrd /m/6.1/initrd\n",
                ("6.1", "/efi/m/6.1/linux", "m-6.1"),
            ),
        ] {
            let found = read(&LoaderEntries, path, text);
            let [kernel] = found.system.kernels.as_slice() else { panic!("{found:#?}") };
            let shown = (
                kernel.release.as_str(),
                std::str::from_utf8(&kernel.path).unwrap(),
                kernel.entry.as_deref(),
            );
            assert_eq!(shown, (expected.0, expected.1, Some(expected.2)));
        }
        assert_eq!(
            read(&LoaderEntries, "/efi/loader/entries/w.conf", "efi /shell.efi\n"),
            Findings::default()
        );
        let unnamed = read(&LoaderEntries, "/efi/loader/entries/w.conf", "linux /kernel\n");
        assert_eq!(unnamed.gaps[0].reason, "no release of /kernel");
    }

    #[test]
    fn what_is_chosen_is_a_name_or_a_pattern() {
        let chosen = |text| read(&LoaderConf, "/efi/loader/loader.conf", text).system.boot_entry;
        assert_eq!(chosen("timeout 3\ndefault old\ndefault debian-*\n").as_deref(), Some("debian-*"));
        assert_eq!(chosen("default @saved\n"), None);
        assert_eq!(chosen("#default x\ndefault\n"), None);
    }
}

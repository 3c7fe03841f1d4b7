//! Entries of the Boot Loader Specification, as systemd-boot and GRUB (`blscfg`) start them, and systemd-boot's choice
//! among them.
//!
//! Sources: UAPI.1 "Boot Loader Specification", type 1 entries; loader.conf(5), `default`.

use super::{
    boot::{BootDefault, BootEntry, MAX_PATTERN, counted},
    kernel::release_of_path,
};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Kernel, SystemIdentity};

/// The largest file that is read; real ones have less than a kilobyte.
const LIMIT: u64 = 64 << 10;

const ENDING: &str = ".conf";

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
        3
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
        // Of a key that stands there more than once the last counts.
        let value = |key| keys(&text).filter(|(name, _)| *name == key).last().map(|(_, value)| value);
        let (linux, program) = (value("linux"), ["linux", "uki", "efi"].into_iter().find_map(value));
        let own = |key| value(key).map(str::to_owned);
        let entry = BootEntry::of_file(place.path, ENDING).map(|entry| BootEntry {
            program: program.map(|program| on_machine(place.path, program)),
            sort_key: own("sort-key"),
            machine_id: own("machine-id"),
            version: own("version"),
            ..entry
        });
        // One that starts nothing is in no menu.
        if let Some(entry) = entry.filter(|_| program.is_some() || value("uki-url").is_some()) {
            out.boot_entry(entry);
        }
        // An EFI program may be anything; `uki` names a unified image, which is read by itself.
        let Some(image) = linux else { return };
        let path = on_machine(place.path, image);
        match own("version").or_else(|| release_of_path(&path)) {
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
        3
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
                match default(&text) {
                    BootDefault::Fits(pattern) if pattern.len() > MAX_PATTERN => {
                        let reason = format!("a pattern of more than {MAX_PATTERN} bytes");
                        out.gap(place.gap(GapKind::Limit, "loader.conf", reason));
                    }
                    told => {
                        if let BootDefault::Fits(pattern) = &told {
                            let boot_entry = Some(pattern.clone());
                            out.system(SystemIdentity { boot_entry, ..SystemIdentity::default() });
                        }
                        out.boot_default(told);
                    }
                }
            }
            Err(error) => out.gap(place.view_gap("loader.conf", &error)),
        }
    }
}

/// What a configuration has for a default: of several lines the last counts. Other words with an `@` than `@saved` mean
/// nothing.
fn default(text: &str) -> BootDefault {
    let is_saved = |value: &str| value.eq_ignore_ascii_case("@saved");
    let told =
        keys(text).filter(|(name, value)| *name == "default" && (!value.starts_with('@') || is_saved(value)));
    match told.last() {
        Some((_, value)) if is_saved(value) => BootDefault::Saved,
        Some((_, value)) => BootDefault::Fits(value.to_owned()),
        None => BootDefault::First,
    }
}

/// Keys and values of a text, without comments and what has no value.
fn keys(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(char::is_whitespace))
        .map(|(key, value)| (key, plain(value.trim())))
}

/// A value without the quotes around it.
fn plain(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
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
    let name = String::from_utf8_lossy(file.strip_suffix(ENDING.as_bytes()).unwrap_or(file)).into_owned();
    counted(&name).0.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identity::boot::Tries, output::recorder::Recorder, view::MemoryView};
    use coldread_model::Findings;

    fn recorded(extractor: &dyn Extractor, path: &str, text: &str) -> Recorder {
        let mut found = Recorder::default();
        let mut view = MemoryView::from(text.as_bytes().to_vec());
        extractor.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
        found
    }

    fn read(extractor: &dyn Extractor, path: &str, text: &str) -> Findings {
        recorded(extractor, path, text).findings
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
    fn entries_of_the_menu() {
        let told = |path: &str, text: &str| recorded(&LoaderEntries, path, text).entries;
        let text = "title \"Debian 12\"\nsort-key old\nsort-key debian\nmachine-id 0123\nversion \"6.1\"\nlinux /m/linux\n";
        let expected = BootEntry {
            id: "debian.conf".to_owned(),
            program: Some(b"/efi/m/linux".to_vec()),
            sort_key: Some("debian".to_owned()),
            machine_id: Some("0123".to_owned()),
            version: Some("6.1".to_owned()),
            tries: Some(Tries { left: 2, done: 1 }),
        };
        assert_eq!(told("/efi/loader/entries/Debian+2-1.conf", text), [expected]);
        let programs = |text: &str| {
            let entries = told("/boot/loader/entries/a.conf", text);
            entries.into_iter().map(|entry| entry.program).collect::<Vec<_>>()
        };
        assert_eq!(programs("efi /shell.efi\n"), [Some(b"/boot/shell.efi".to_vec())]);
        assert_eq!(programs("uki /u.efi\n"), [Some(b"/boot/u.efi".to_vec())]);
        assert_eq!(programs("uki-url http://example.org/u.efi\n"), [None]);
        assert_eq!(programs("title nothing\n"), []);
        assert_eq!(told("/boot/loader/entries/.a.conf", text), []);
    }

    #[test]
    fn what_is_chosen_is_a_name_or_a_pattern() {
        let told = |text: &str| {
            let found = recorded(&LoaderConf, "/efi/loader/loader.conf", text);
            (found.default, found.findings.system.boot_entry)
        };
        let fits = |pattern: &str| (Some(BootDefault::Fits(pattern.to_owned())), Some(pattern.to_owned()));
        assert_eq!(told("timeout 3\ndefault old\ndefault debian-*\n"), fits("debian-*"));
        assert_eq!(told("default \"a\"\ndefault @other\n"), fits("a"));
        assert_eq!(told("default a\ndefault @Saved\n"), (Some(BootDefault::Saved), None));
        assert_eq!(told("#default x\ndefault\n"), (Some(BootDefault::First), None));
        let long =
            recorded(&LoaderConf, "/efi/loader/loader.conf", &format!("default {}\n", "*a".repeat(300)));
        assert_eq!((long.default, &long.findings.system.boot_entry), (None, &None));
        assert_eq!(long.findings.gaps[0].kind, GapKind::Limit);
    }
}

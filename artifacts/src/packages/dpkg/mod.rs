//! dpkg's database: /var/lib/dpkg/status, and status.d of images without dpkg itself. opkg's is alike.
//!
//! Sources: deb822(5), "Syntax"; deb-control(5); dpkg(1), "Package states"; dpkg-query(1), "${source:…}".

pub mod list;
pub mod log;
pub mod opkg;

use super::{
    purl::PurlBuilder,
    rows::{oversized, too_long},
};
use crate::{
    Context, Extractor, Input, Output,
    input::{FileGaps, PACKAGES_PER_FILE, Place},
    lines::{Line, Lines, ViewReader},
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageState, PackageType, Timestamp};

/// The largest status file that is read; one with every package of Debian installed has some 80 MB.
const LIMIT: u64 = 256 << 20;

const STRUCTURE: &str = "dpkg status";

/// Reads dpkg's status files.
#[derive(Debug)]
pub struct Dpkg;

impl Extractor for Dpkg {
    fn name(&self) -> &'static str {
        "dpkg"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/var/lib/dpkg/status", Reading::Whole { limit: LIMIT }),
            Want {
                except: &[".md5sums", ".preinst", ".postinst", ".prerm", ".postrm"],
                companions: &[".md5sums"],
                ..Want::new("/var/lib/dpkg/status.d/*", Reading::Whole { limit: LIMIT })
            },
        ];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        // status.d holds control files of installed packages: they carry no Status.
        let is_control = input.path.windows(10).any(|part| part == b"/status.d/");
        let purl = PurlBuilder::of(PackageType::Deb, &context.system);
        let names = database(input, (PackageType::Deb, is_control, purl), out);
        let place = input.place();
        for companion in &mut input.companions {
            match names.as_slice() {
                [] => {}
                [name] => list::digests(&mut *companion.view, &format!("deb:{name}"), &place, out),
                // Each would be read for each of them.
                _ => {
                    let reason = "a control file of several packages: whose files are these?";
                    out.gap(place.gap(GapKind::Unsupported, "md5sums", reason));
                }
            }
        }
    }
}

/// Reads a file of stanzas; gives the names of a control file's packages.
fn database(
    input: &mut Input<'_>,
    (kind, is_control, purl): (PackageType, bool, PurlBuilder),
    out: &mut dyn Output,
) -> Vec<String> {
    let place = input.place();
    let size = input.view.len();
    if size > LIMIT {
        out.gap(place.gap(GapKind::Limit, STRUCTURE, format!("{size} bytes, at most {LIMIT} are read")));
        return Vec::new();
    }
    let gaps = place.gaps(STRUCTURE);
    let mut database = Database { place, kind, is_control, purl, gaps, rows: 0, names: Vec::new() };
    let mut lines = Lines::new(ViewReader::whole(input.view), 0);
    let mut stanza = Stanza::default();
    loop {
        match lines.next_line() {
            Ok(Some(line)) if line.bytes.is_empty() => database.end(&mut stanza, out),
            Ok(Some(line)) => stanza.line(line),
            Ok(None) => break,
            Err(error) => {
                out.gap(place.stream_gap(STRUCTURE, &error));
                stanza = Stanza::default();
                break;
            }
        }
    }
    database.end(&mut stanza, out);
    database.gaps.finish(out);
    database.names
}

struct Database<'a> {
    place: Place<'a>,
    kind: PackageType,
    /// The file is a control file of an installed package.
    is_control: bool,
    purl: PurlBuilder,
    gaps: FileGaps<'a>,
    rows: u64,
    names: Vec<String>,
}

impl Database<'_> {
    fn end(&mut self, stanza: &mut Stanza, out: &mut dyn Output) {
        let stanza = std::mem::take(stanza);
        let Some(offset) = stanza.offset else { return };
        if let Some((kind, fault)) = &stanza.fault {
            self.gaps.push(out, *kind, format!("stanza at byte {offset}: {fault}"));
        }
        match stanza.package(self.is_control) {
            Ok(_) if self.rows >= PACKAGES_PER_FILE => {
                self.gaps.push(out, GapKind::Limit, format!("stanza at byte {offset}: too many packages"));
            }
            Ok(found) => {
                if let Some(reason) = too_long(&found.name, &found.version) {
                    self.gaps.push(out, GapKind::Limit, format!("stanza at byte {offset}: {reason}"));
                    return;
                }
                self.rows += 1;
                if self.is_control {
                    self.names.push(found.name.clone());
                }
                let purl = self.purl.build(&found.name, &found.version, found.arch.as_deref(), None);
                let row = Package {
                    arch: found.arch,
                    state: found.state,
                    source_name: found.source_name,
                    source_version: found.source_version,
                    purl,
                    root: self.place.root.to_owned(),
                    installed_at: found.installed_at,
                    ..Package::new(self.kind, found.name, found.version, self.place.origin())
                };
                match oversized(&row) {
                    Some(reason) => {
                        self.gaps.push(out, GapKind::Limit, format!("stanza at byte {offset}: {reason}"));
                    }
                    None => out.package(row),
                }
            }
            // One gap tells of a stanza that is broken in several ways.
            Err(_) if stanza.fault.is_some() => {}
            Err(fault) => {
                self.gaps.push(out, GapKind::Corrupt, format!("stanza at byte {offset}: {fault}"));
            }
        }
    }
}

/// The fields of interest, in the order of [`Stanza::values`].
const FIELDS: [&str; 7] =
    ["Package", "Status", "Version", "Architecture", "Source", "Config-Version", "Installed-Time"];

#[derive(Default)]
struct Stanza {
    offset: Option<u64>,
    values: [Option<String>; FIELDS.len()],
    /// The field that a folded line goes on with.
    open: Option<usize>,
    any_field: bool,
    fault: Option<(GapKind, String)>,
}

struct Found {
    name: String,
    version: String,
    arch: Option<String>,
    state: PackageState,
    source_name: Option<String>,
    source_version: Option<String>,
    /// Only opkg says it.
    installed_at: Option<Timestamp>,
}

impl Stanza {
    fn line(&mut self, line: Line<'_>) {
        self.offset.get_or_insert(line.offset);
        if matches!(line.bytes.first(), Some(b' ' | b'\t')) {
            self.fold(line);
            return;
        }
        let Some(colon) = memchr::memchr(b':', line.bytes).filter(|colon| *colon > 0) else {
            self.blame(GapKind::Corrupt, line.offset, "no field");
            self.open = None;
            return;
        };
        self.any_field = true;
        let (name, value) = (&line.bytes[..colon], &line.bytes[colon + 1..]);
        self.open = FIELDS.iter().position(|field| field.as_bytes().eq_ignore_ascii_case(name));
        let Some(field) = self.open else { return };
        if line.cut {
            self.blame(GapKind::Limit, line.offset, "too long");
        } else if self.values[field].is_some() {
            self.blame(GapKind::Corrupt, line.offset, "a field for the second time");
            self.open = None;
        } else {
            self.values[field] = Some(String::from_utf8_lossy(value.trim_ascii()).into_owned());
        }
    }

    fn fold(&mut self, line: Line<'_>) {
        if !self.any_field {
            self.blame(GapKind::Corrupt, line.offset, "a continuation of nothing");
        } else if let Some(value) = self.open.and_then(|field| self.values[field].as_mut()) {
            if value.len() + line.bytes.len() > crate::lines::MAX_LINE {
                self.blame(GapKind::Limit, line.offset, "too long");
                return;
            }
            value.push(' ');
            value.push_str(&String::from_utf8_lossy(line.bytes.trim_ascii()));
        }
    }

    fn blame(&mut self, kind: GapKind, offset: u64, fault: &str) {
        self.fault.get_or_insert_with(|| (kind, format!("line at byte {offset}: {fault}")));
    }

    fn package(&self, default_status: bool) -> Result<Found, String> {
        let value = |field: usize| self.values[field].clone().filter(|value| !value.is_empty());
        let name = value(0).ok_or("no Package")?;
        let state = match value(1) {
            Some(status) => state(&status).ok_or_else(|| format!("{name}: unknown Status"))?,
            None if default_status => PackageState::Installed,
            None => PackageState::NotInstalled,
        };
        let version = match (value(2).or_else(|| value(5)), state) {
            (Some(version), _) => version,
            (None, PackageState::NotInstalled | PackageState::ConfigFiles) => String::new(),
            (None, _) => return Err(format!("{name}: no Version")),
        };
        let (source_name, source_version) = match value(4) {
            Some(source) => {
                let (source, own) = split_source(&source);
                let version = own.unwrap_or_else(|| version.clone());
                (Some(source), Some(version).filter(|version| !version.is_empty()))
            }
            None => (None, None),
        };
        let installed_at = value(6).and_then(|time| Some(Timestamp::new(time.parse().ok()?, 0)));
        Ok(Found { name, version, arch: value(3), state, source_name, source_version, installed_at })
    }
}

/// `want flag state`, as in `install ok installed`.
fn state(status: &str) -> Option<PackageState> {
    let mut words = status.split_ascii_whitespace();
    let (_want, _flag, state) = (words.next()?, words.next()?, words.next()?);
    PackageState::from_name(state).filter(|_| words.next().is_none())
}

/// `name` or `name (version)`.
fn split_source(source: &str) -> (String, Option<String>) {
    match source.split_once('(') {
        Some((name, version)) => {
            let version = version.trim().trim_end_matches(')').trim();
            (name.trim().to_owned(), Some(version.to_owned()).filter(|version| !version.is_empty()))
        }
        None => (source.to_owned(), None),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        Companion,
        output::{InstallTime, recorder::Recorder},
        view::MemoryView,
    };
    use coldread_model::{Findings, SystemIdentity};
    use proptest::prelude::*;

    fn read(path: &str, text: &[u8]) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.to_vec());
        let system = SystemIdentity {
            id: Some("debian".into()),
            version_id: Some("12".into()),
            ..SystemIdentity::default()
        };
        let mut context = Context::default();
        context.system = system;
        Dpkg.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &context, &mut found);
        found
    }

    /// The install times that an extractor finds, and the reasons of its gaps.
    pub(super) fn times(
        extractor: &dyn Extractor,
        path: &str,
        text: &[u8],
        context: &Context,
    ) -> (Vec<InstallTime>, Vec<String>) {
        let mut found = Recorder::default();
        let mut view = MemoryView::from(text.to_vec());
        extractor.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), context, &mut found);
        (found.times, found.findings.gaps.into_iter().map(|gap| gap.reason).collect())
    }

    #[test]
    fn files_of_packages() {
        let mut found = Recorder::default();
        let mut view = MemoryView::from(b"/.\n/usr\n/usr/bin/x y\n".to_vec());
        let mut input = Input::new(b"/var/lib/dpkg/info/x:amd64.list", "p1", &mut view);
        input.mtime = Timestamp::new(77, 0);
        list::FileLists.extract(&mut input, &Context::default(), &mut found);
        let owned = |path: &str| ("deb:x".to_owned(), path.as_bytes().to_vec());
        assert_eq!(found.owned, [owned("/usr"), owned("/usr/bin/x y")]);
        let time = &found.times[0];
        assert_eq!(
            (time.owner.as_str(), time.arch.as_deref(), time.at.seconds),
            ("deb:x", Some("amd64"), 77)
        );

        let mut found = Recorder::default();
        let mut view = MemoryView::from(b"Package: x\nVersion: 1\n".to_vec());
        let mut sums = MemoryView::from(b"0123  usr/bin/x\n4567 *./etc/y\n\nrubbish\n".to_vec());
        let mut input = Input::new(b"/var/lib/dpkg/status.d/other", "p1", &mut view);
        input.companions.push(Companion { suffix: ".md5sums", view: &mut sums });
        Dpkg.extract(&mut input, &Context::default(), &mut found);
        assert_eq!(found.owned, [owned("/usr/bin/x"), owned("/etc/y")]);
        assert_eq!(found.findings.packages.len(), 1);
    }

    #[test]
    fn opkg_is_alike_and_says_when() {
        let mut found = Findings::default();
        let text = b"Package: busybox\nVersion: 1.36-1\nStatus: install user installed\nArchitecture: mips\nInstalled-Time: 1700\n";
        let mut view = MemoryView::from(text.to_vec());
        let mut input = Input::new(b"/usr/lib/opkg/status", "p1", &mut view);
        opkg::Opkg.extract(&mut input, &Context::default(), &mut found);
        let package = &found.packages[0];
        assert_eq!((package.kind, package.state), (PackageType::Opkg, PackageState::Installed));
        assert_eq!(
            (package.purl.as_str(), package.installed_at),
            ("pkg:opkg/busybox@1.36-1?arch=mips", Some(Timestamp::new(1700, 0)))
        );
    }

    #[test]
    fn installed_removed_and_from_another_source() {
        let found = read(
            "/var/lib/dpkg/status",
            b"Package: libacl1\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\n\
              Source: acl (2.3.1-3)\nVersion: 2.3.1-3+b1\nDescription: x\n Version: 9\n .\n\n\n\
              package: bash\nSTATUS: hold reinstreq half-configured\nversion: 1:5\nArchitecture: all\n\n\
              Package: gone\nStatus: deinstall ok config-files\nConfig-Version: 3\nSource: old\n\n\
              Package: known\nStatus: unknown ok not-installed\n",
        );
        assert_eq!(found.gaps, []);
        let shown: Vec<_> = found
            .packages
            .iter()
            .map(|package| (package.name.as_str(), package.version.as_str(), package.state.name()))
            .collect();
        assert_eq!(
            shown,
            [
                ("libacl1", "2.3.1-3+b1", "installed"),
                ("bash", "1:5", "half-configured"),
                ("gone", "3", "config-files"),
                ("known", "", "not-installed"),
            ]
        );
        let acl = &found.packages[0];
        assert_eq!(acl.purl, "pkg:deb/debian/libacl1@2.3.1-3%2Bb1?arch=amd64&distro=debian-12");
        assert_eq!(
            (acl.source_name.as_deref(), acl.source_version.as_deref()),
            (Some("acl"), Some("2.3.1-3"))
        );
        assert_eq!(found.packages[1].source_name, None);
        assert_eq!(found.packages[2].source_version.as_deref(), Some("3"));
        assert_eq!(acl.origin.path, b"/var/lib/dpkg/status");
    }

    #[test]
    fn a_control_file_of_an_image_without_dpkg_is_installed() {
        let text = b"Package: base-files\nVersion: 12.4\nArchitecture: amd64\n";
        let state = |path| read(path, text).packages.first().map(|package| package.state);
        assert_eq!(state("/var/lib/dpkg/status.d/base-files"), Some(PackageState::Installed));
        let found = read("/var/lib/dpkg/status", text);
        assert_eq!(found.packages[0].state, PackageState::NotInstalled);
    }

    #[test]
    fn a_broken_stanza_is_a_gap_with_its_place_and_the_rest_goes_on() {
        let found = read(
            "/var/lib/dpkg/status",
            b"Package: a\nStatus: install ok installed\nVersion: 1\n\nStatus: install ok installed\n\n\
              Package: b\nStatus: install ok installed\n\nPackage: c\nStatus: bogus\nVersion: 1\n\n\
              no field here\nPackage: d\nStatus: install ok installed\nVersion: 4\n",
        );
        let names: Vec<_> = found.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["a", "d"]);
        let reasons: Vec<_> = found.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "stanza at byte 52: no Package",
                "stanza at byte 82: b: no Version",
                "stanza at byte 123: c: unknown Status",
                "stanza at byte 160: line at byte 160: no field",
            ]
        );
        assert!(found.gaps.iter().all(|gap| gap.kind == GapKind::Corrupt && gap.volume == "p1"));
    }

    #[test]
    fn texts_without_end_are_told_and_the_others_read() {
        let stanza = |name: &str, version: &str, more: &str| {
            format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\n{more}\n\n")
        };
        let long = "n".repeat(5000);
        let source = format!("Source: {long}");
        // Folded lines make a value longer than a line.
        let folded = format!("x{}", format!("\n {long}").repeat(40));
        let text = [
            stanza(&long, "1", "Section: x"),
            stanza("b", &long, "Section: x"),
            stanza("c", "1", &source),
            stanza("d", &folded, "Section: x"),
            stanza("e", "5", "Section: x"),
        ];
        let found = read("/var/lib/dpkg/status", text.concat().as_bytes());
        assert_eq!(found.packages.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["e"]);
        assert!(found.gaps.iter().all(|gap| gap.kind == GapKind::Limit), "{:?}", found.gaps);
    }

    #[test]
    fn much_damage_is_told_in_few_words() {
        let found = read("/var/lib/dpkg/status", &b"x\n\n".repeat(10_000));
        assert_eq!(found.gaps.len(), 65);
        assert_eq!(found.gaps[64].reason, "9936 more like those told");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(parts in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::sample::select(vec![&b"Package: x\n"[..], b"Status: install ok installed\n", b"Version: 1\n",
                b"\n", b" fold\n", b"Source: a (\n", b": \n"]).prop_map(<[u8]>::to_vec),
        ], 0..20)) {
            read("/var/lib/dpkg/status", &parts.concat());
        }
    }
}

//! Which files a package has: `info/*.list` of dpkg and opkg, `*.md5sums` of images without dpkg.
//!
//! Sources: dpkg(1), "Files", `package.list`; md5sum(1).

use crate::{
    Context, Extractor, Input, Output,
    input::Place,
    lines::{Lines, ViewReader},
    output::InstallTime,
    view::FileView,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Part, Parts, Timestamp};

/// The largest list that is read; a package of a hundred thousand files has some 10 MB.
const LIMIT: u64 = 64 << 20;

const STRUCTURE: &str = "package file list";

/// Reads dpkg's and opkg's file lists. A list is written when its package is unpacked: where no log says it, its time
/// is the install time.
#[derive(Debug)]
pub struct FileLists;

impl Extractor for FileLists {
    fn name(&self) -> &'static str {
        "dpkg-list"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/var/lib/dpkg/info/*.list", Reading::Whole { limit: LIMIT }),
            Want::new("/usr/lib/opkg/info/*.list", Reading::Whole { limit: LIMIT }),
            Want::new("/var/lib/opkg/info/*.list", Reading::Whole { limit: LIMIT }),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let kind = if place.path.windows(6).any(|part| part == b"/opkg/") { "opkg" } else { "deb" };
        let name = place.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let name = String::from_utf8_lossy(name.strip_suffix(b".list").unwrap_or(name)).into_owned();
        // `package:arch` where several architectures of it can be installed together.
        let (name, arch) =
            name.split_once(':').map_or((name.as_str(), None), |(name, arch)| (name, Some(arch)));
        let owner = format!("{kind}:{name}");
        let mut gaps = place.gaps(STRUCTURE);
        let mut lines = Lines::new(ViewReader::whole(input.view), 0);
        while let Some(line) = lines.next_or_gap(&place, STRUCTURE, out) {
            if line.cut {
                gaps.push(out, GapKind::Limit, format!("the path at byte {} is too long", line.offset));
                continue;
            }
            // opkg may add a mode and a link's target after tabs.
            let path = line.bytes.split(|byte| *byte == b'\t').next().unwrap_or_default();
            if path.first() == Some(&b'/') && path != b"/." {
                out.owned(&owner, path);
            }
        }
        gaps.finish(out);
        if kind == "deb" && input.mtime != Timestamp::default() {
            out.install_time(InstallTime {
                root: place.root.to_owned(),
                owner,
                arch: arch.map(str::to_owned),
                version: None,
                at: input.mtime,
            });
        }
    }
}

/// Tells the paths that a list of digests names: `digest  path`, without the `/` at the start.
pub(super) fn digests(view: &mut dyn FileView, owner: &str, place: &Place<'_>, out: &mut dyn Output) {
    const STRUCTURE: &str = "md5sums";
    let size = view.len();
    if size > LIMIT {
        out.gap(place.gap(GapKind::Limit, STRUCTURE, format!("{size} bytes, at most {LIMIT} are read")));
        return;
    }
    let mut gaps = place.gaps(STRUCTURE);
    let mut lines = Lines::new(ViewReader::whole(view), 0);
    let mut path = Vec::new();
    while let Some(line) = lines.next_or_gap(place, STRUCTURE, out) {
        if line.cut {
            gaps.push(out, GapKind::Limit, format!("the path at byte {} is too long", line.offset));
            continue;
        }
        let name = line.bytes.iter().position(|byte| *byte == b' ').map(|space| &line.bytes[space..]);
        let name = name.map(<[u8]>::trim_ascii).map(|name| name.strip_prefix(b"*").unwrap_or(name));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            path.clear();
            path.push(b'/');
            path.extend_from_slice(name.strip_prefix(b"./").unwrap_or(name));
            out.owned(owner, &path);
        }
    }
    gaps.finish(out);
}

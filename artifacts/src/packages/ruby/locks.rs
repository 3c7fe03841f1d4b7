//! What Bundler's lock files name: declared, not installed.
//!
//! Source: Bundler, `Bundler::LockfileParser` (as documentation): sections at the left, `specs:` two spaces in, gems four
//! spaces in, what these depend on six.

use crate::{
    Context, Extractor, Input, Output,
    lines::{Lines, StreamError, ViewReader},
    packages::rows::Rows,
    wants::{Reading, Want},
};
use coldread_model::{PackageType, Part, Parts};

/// The largest lock file that is read; those of large programs have some 100 KB.
const LIMIT: u64 = 16 << 20;

const STRUCTURE: &str = "lock file";

/// Reads Gemfile.lock.
#[derive(Debug)]
pub struct GemLocks;

impl Extractor for GemLocks {
    fn name(&self) -> &'static str {
        "gem-lock"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    fn wants(&self) -> &'static [Want] {
        const WHOLE: Reading = Reading::Whole { limit: LIMIT };
        const WANTS: &[Want] = &[Want::new("/**/Gemfile.lock", WHOLE), Want::new("/**/gems.locked", WHOLE)];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        // Those that gems bring are of their developers' tools.
        if memchr::memmem::find(place.path, b"/gems/").is_some() {
            return;
        }
        let mut rows = Rows::declared(PackageType::Gem, STRUCTURE, place, out);
        let mut lines = Lines::new(ViewReader::whole(input.view), 0);
        if let Err(error) = read(&mut lines, &mut rows) {
            rows.gap(error.gap_kind(), error);
        }
        rows.finish();
    }
}

fn read(lines: &mut Lines<ViewReader<'_>>, rows: &mut Rows<'_, '_>) -> Result<(), StreamError> {
    let (mut is_foreign, mut is_specs) = (false, false);
    while let Some(line) = lines.next_line()? {
        let text = String::from_utf8_lossy(line.bytes.trim_ascii_end());
        let trimmed = text.trim_start();
        match text.len() - trimmed.len() {
            // A section. What is in PATH is the program's own.
            0 if !trimmed.is_empty() => {
                is_foreign = matches!(trimmed, "GEM" | "GIT" | "PLUGIN SOURCE");
                is_specs = false;
            }
            2 => is_specs = trimmed == "specs:",
            4 if is_foreign && is_specs => {
                let Some((name, version)) = trimmed.split_once(" (") else { continue };
                let version = version.trim_end_matches('!').trim_end_matches(')');
                // A platform follows.
                let (version, platform) = version
                    .split_once('-')
                    .map_or((version, None), |(version, platform)| (version, Some(platform)));
                let row = rows.row(name, version, &[("platform", platform)]);
                rows.push(coldread_model::Package { arch: platform.map(str::to_owned), ..row });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::{Findings, PackageState};

    fn read(path: &str, text: &str) -> Vec<String> {
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.as_bytes().to_vec());
        GemLocks.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
        assert!(found.gaps.is_empty(), "{:?}", found.gaps);
        assert!(found.packages.iter().all(|package| package.state == PackageState::Declared));
        found.packages.into_iter().map(|package| package.purl).collect()
    }

    #[test]
    fn gems_of_all_sources_but_the_programs_own() {
        let text = "PATH\n  remote: .\n  specs:\n    app (0.1.0)\n      rack\n\nGIT\n  remote: https://x/y.git\n  revision: abc\n  \
            specs:\n    y (2.0)\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.16.0-x86_64-linux)\n      racc (~> 1.4)\n    \
            racc (1.7.3)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  app!\n    z (1)\n\nCHECKSUMS\n  racc (1.7.3)\n\nBUNDLED WITH\n   2.3.15\n";
        let expected =
            ["pkg:gem/y@2.0", "pkg:gem/nokogiri@1.16.0?platform=x86_64-linux", "pkg:gem/racc@1.7.3"];
        assert_eq!(read("/srv/app/Gemfile.lock", text), expected);
        assert_eq!(read("/srv/gems.locked", text), expected);
        assert_eq!(read("/var/lib/gems/3.1.0/gems/x-1/Gemfile.lock", text), [""; 0]);
        assert_eq!(read("/srv/Gemfile.lock", ""), [""; 0]);
    }
}

//! Ruby's gems: `specifications/*.gemspec` as installed, lock files of Bundler as declared.
//!
//! Sources: RubyGems, `Gem::Specification#to_ruby` and `Gem::StubSpecification` (as documentation): the second line, or
//! one after it, is `# stub: NAME VERSION PLATFORM …`; "Specification Reference"; gem(1), directories of a `GEM_HOME`.
//!
//! Each file is small and there are many, so that reading one is cheaper than asking whether it was read before:
//! results are not kept.

pub mod locks;
mod spec;

use super::rows::{Rows, vendor};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageType, Part, Parts, Timestamp};
use spec::Spec;

/// The largest specification that is read; those that name thousands of files have some 100 KB.
const LIMIT: u64 = 4 << 20;

const STRUCTURE: &str = "gem specification";

/// Reads specifications of gems.
#[derive(Debug)]
pub struct Gems;

impl Extractor for Gems {
    fn name(&self) -> &'static str {
        "gem"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/**/specifications/*.gemspec", Reading::Whole { limit: LIMIT }),
            // Those that come with Ruby itself.
            Want::new("/**/specifications/default/*.gemspec", Reading::Whole { limit: LIMIT }),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let bytes = match input.view.read_all(LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => return out.gap(place.view_gap(STRUCTURE, &error)),
        };
        let file = place.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let Some(spec) = Spec::read(&bytes, file) else {
            let reason = "neither it nor its file's name says which gem it is";
            return out.gap(place.gap(GapKind::Corrupt, STRUCTURE, reason));
        };
        // `gem install` writes it at that moment, and says so in it.
        let installed_at = Some(input.mtime).filter(|time| spec.is_by_gem && *time != Timestamp::default());
        let platform = spec.platform.filter(|platform| platform != "ruby");
        let mut rows = Rows::installed(PackageType::Gem, STRUCTURE, place, out);
        let row = rows.row(&spec.name, &spec.version, &[("platform", platform.as_deref())]);
        rows.push(Package {
            arch: platform.and_then(|platform| vendor(&platform)),
            vendor: spec.author.as_deref().and_then(vendor),
            installed_at,
            ..row
        });
        rows.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::Findings;
    use proptest::prelude::*;

    fn read(path: &str, bytes: &[u8]) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(bytes.to_vec());
        let mut input = Input::new(path.as_bytes(), "p1", &mut view);
        input.mtime = Timestamp::new(1_700_000_000, 0);
        Gems.extract(&mut input, &Context::default(), &mut found);
        found
    }

    const DIRECTORY: &str = "/var/lib/gems/3.1.0/specifications/";

    #[test]
    fn as_gem_writes_them() {
        let text = b"# -*- encoding: utf-8 -*-\n# stub: nokogiri 1.16.0 x86_64-linux lib\n\nGem::Specification.new do |s|\n  \
            s.name = \"nokogiri\".freeze\n  s.version = \"1.16.0\".freeze\n  s.platform = \"x86_64-linux\".freeze\n\n  \
            s.authors = [\"Mike \\\"D\\\" Dalessio\".freeze, \"Ann\".freeze]\n  s.installed_by_version = \"3.3.15\".freeze if s.respond_to? :installed_by_version\n";
        let found = read(&format!("{DIRECTORY}nokogiri-1.16.0-x86_64-linux.gemspec"), text);
        assert!(found.gaps.is_empty(), "{:?}", found.gaps);
        let package = &found.packages[0];
        assert_eq!((&*package.name, &*package.version), ("nokogiri", "1.16.0"));
        assert_eq!(package.purl, "pkg:gem/nokogiri@1.16.0?platform=x86_64-linux");
        assert_eq!(
            (package.arch.as_deref(), package.vendor.as_deref()),
            (Some("x86_64-linux"), Some("Mike \"D\" Dalessio"))
        );
        assert_eq!(package.installed_at, Some(Timestamp::new(1_700_000_000, 0)));
    }

    #[test]
    fn as_others_write_them() {
        for (file, text, name, version) in [
            ("rake-13.0.6", "# -*- encoding: utf-8 -*-\n# stub: rake 13.0.6 ruby lib\n", "rake", "13.0.6"),
            (
                "a-b-1.0",
                "Gem::Specification.new do |spec|\n  spec.name = 'a-b'\n  spec.version = Gem::Version.new('1.0')\n",
                "a-b",
                "1.0",
            ),
            // What only Ruby could work out is in the file's name.
            (
                "json-2.6.1",
                "Gem::Specification.new do |s|\n  s.version = JSON::VERSION\n  s.name = \"json\"\n",
                "json",
                "2.6.1",
            ),
            ("x-y-2.0.0.pre1-java", "", "x-y", "2.0.0.pre1"),
        ] {
            let found = read(&format!("{DIRECTORY}default/{file}.gemspec"), text.as_bytes());
            assert!(found.gaps.is_empty(), "{:?}", found.gaps);
            let package = &found.packages[0];
            assert_eq!((&*package.name, &*package.version, package.installed_at), (name, version, None));
        }
        let java = read(&format!("{DIRECTORY}x-y-2.0.0.pre1-java.gemspec"), b"");
        assert_eq!(java.packages[0].purl, "pkg:gem/x-y@2.0.0.pre1?platform=java");
    }

    #[test]
    fn damage_is_told() {
        assert_eq!(read("/x/specifications/none.gemspec", b"\xff\0").gaps[0].kind, GapKind::Corrupt);
        assert_eq!(read("/x/specifications/a-1.gemspec", &vec![b'#'; 5 << 20]).gaps[0].kind, GapKind::Limit);
    }

    proptest! {
        #[test]
        fn any_text_is_read(
            file in "[a-z0-9.-]{0,12}",
            parts in prop::collection::vec(prop::sample::select(vec![
                "# stub: ", "a", "1.0", " ", "\n", "  s.name = ", "\"", "'", "\\", "s.version", "= ", ".freeze", "[", "é", "Gem::Version.new(",
            ]), 0..20),
        ) {
            read(&format!("/specifications/{file}.gemspec"), parts.concat().as_bytes());
        }
    }
}

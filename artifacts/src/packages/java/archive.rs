//! Which artifacts one archive is and holds.
//!
//! Sources: Apache Maven, "Maven Repository Layout" (GROUP/ARTIFACT/VERSION/ARTIFACT-VERSION.jar) and "POM Reference"
//! (versions and classifiers); Apache Felix, "Maven Bundle Plugin", `Bundle-SymbolicName` (GROUP.ARTIFACT).

use super::manifest::{Manifest, Pom};
use coldread_model::GapKind;

/// One artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Artifact {
    pub(super) group: Option<String>,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) vendor: Option<String>,
}

/// What was read of one archive.
#[derive(Clone, Debug, Default)]
pub(super) struct Archive {
    /// Its name: that of the file, or its path in the archive around it.
    pub(super) name: Vec<u8>,
    /// Where it begins in what is read.
    pub(super) start: u64,
    /// Its bytes.
    pub(super) len: u64,
    /// What was put before it.
    pub(super) shift: u64,
    /// How many archives are around it.
    pub(super) depth: u8,
    /// Its manifest.
    pub(super) manifest: Manifest,
    /// What Maven wrote: of the archive itself, and of what was shaded into it.
    pub(super) poms: Vec<Pom>,
}

/// Gaps of an archive: their kinds and reasons.
pub(super) type Faults = Vec<(GapKind, String)>;

impl Archive {
    /// The artifacts: those of which Maven wrote, and the archive itself where it wrote nothing of that. `path` is the
    /// file's.
    pub(super) fn artifacts(&mut self, path: Option<&[u8]>) -> Vec<Artifact> {
        let vendor = self.manifest.vendor.take();
        let file = String::from_utf8_lossy(path.unwrap_or(&self.name)).into_owned();
        let name = file.rsplit('/').next().unwrap_or_default();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let is_own = |pom: &Pom| {
            let rest = stem.strip_prefix(&*pom.artifact);
            !pom.artifact.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        let own = match self.poms.as_slice() {
            [_] => Some(0),
            poms => poms.iter().position(is_own),
        };
        let poms = std::mem::take(&mut self.poms).into_iter().enumerate();
        let mut artifacts: Vec<Artifact> = poms
            .map(|(index, Pom { group, artifact, version })| Artifact {
                group: Some(group).filter(|group| !group.is_empty()),
                name: artifact,
                version,
                vendor: vendor.clone().filter(|_| own == Some(index)),
            })
            .collect();
        if own.is_none() {
            let itself = self.manifest.identity(&file, stem);
            artifacts.extend(itself.map(|itself| Artifact { vendor, ..itself }));
        }
        artifacts
    }
}

impl Manifest {
    /// What an archive is of which Maven wrote nothing: by the name of its file, its manifest, and the repository where
    /// it lies. Nothing where no version is known: then it is a program's own part.
    fn identity(&self, path: &str, stem: &str) -> Option<Artifact> {
        if let (Some(group), Some(name), Some(version)) =
            (&self.group, &self.short_name, &self.plugin_version)
        {
            let (group, name, version) = (Some(group.clone()), name.clone(), version.clone());
            return Some(Artifact { group, name, version, vendor: None });
        }
        let versions = [&self.implementation_version, &self.bundle_version, &self.specification_version];
        let said = versions.into_iter().flatten().next();
        let by_name = versions.into_iter().flatten().find_map(|version| {
            let name = stem.strip_suffix(version.as_str())?.strip_suffix('-')?;
            Some((name, version.as_str()))
        });
        let by_name = by_name.or_else(|| split(stem));
        let (name, version) = by_name.or_else(|| Some((stem, said?.as_str())))?;
        if name.is_empty() || version.is_empty() {
            return None;
        }
        let group = repository_group(path, name).or_else(|| self.group_of(name));
        Some(Artifact { group, name: name.to_owned(), version: version.to_owned(), vendor: None })
    }

    fn group_of(&self, name: &str) -> Option<String> {
        let by_bundle =
            self.symbolic_name.as_deref().and_then(|symbolic| symbolic.strip_suffix(name)?.strip_suffix('.'));
        let by_vendor =
            self.vendor_id.as_deref().filter(|id| id.contains('.') && !id.contains([' ', '/', ':']));
        by_bundle.or(by_vendor).filter(|group| !group.is_empty()).map(str::to_owned)
    }
}

/// Words that a version may end with, or what was made for one kind of Java.
const QUALIFIERS: [&str; 12] =
    ["snapshot", "release", "final", "ga", "alpha", "beta", "rc", "cr", "sp", "jre", "android", "incubating"];

/// `NAME-VERSION`: the version is what of the words between hyphens at the end are numbers or qualifiers.
fn split(stem: &str) -> Option<(&str, &str)> {
    let mut found = None;
    let mut end = stem.len();
    while let Some(hyphen) = stem[..end].rfind('-') {
        let word = &stem[hyphen + 1..end];
        if word.starts_with(|one: char| one.is_ascii_digit()) {
            found = Some((&stem[..hyphen], &stem[hyphen + 1..]));
        } else {
            let lower = word.to_ascii_lowercase();
            let letters = lower.trim_end_matches(|one: char| one.is_ascii_digit() || one == '.');
            if !QUALIFIERS.contains(&letters) && !matches!(letters, "m" | "b") {
                break;
            }
        }
        end = hyphen;
    }
    found
}

/// The group of what lies in a repository as Maven lays it out.
fn repository_group(path: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop()?;
    parts.pop()?;
    if parts.pop()? != name {
        return None;
    }
    let root = parts.iter().rposition(|part| matches!(*part, "repository" | "maven-repo" | "maven2"))?;
    let group = parts[root + 1..].join(".");
    (!group.is_empty()).then_some(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_of_files() {
        for (stem, expected) in [
            ("guava-31.1-jre", Some(("guava", "31.1-jre"))),
            ("log4j-1.2-api-2.17.1", Some(("log4j-1.2-api", "2.17.1"))),
            ("a-1.0-SNAPSHOT", Some(("a", "1.0-SNAPSHOT"))),
            ("a-1.0-rc1", Some(("a", "1.0-rc1"))),
            ("hibernate-core-5.6.0.Final", Some(("hibernate-core", "5.6.0.Final"))),
            ("jsr305-0.1~+svn49", Some(("jsr305", "0.1~+svn49"))),
            ("a-b", None),
            ("rc1", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(split(stem), expected, "{stem}");
        }
    }

    fn identity(path: &str, manifest: &Manifest) -> Option<(Option<String>, String, String)> {
        let mut archive = Archive { name: path.into(), manifest: manifest.clone(), ..Archive::default() };
        let artifacts = archive.artifacts(None);
        artifacts.into_iter().next().map(|found| (found.group, found.name, found.version))
    }

    #[test]
    fn archives_of_which_maven_wrote_nothing() {
        let none = Manifest::default();
        let some = |group: Option<&str>, name: &str, version: &str| {
            Some((group.map(str::to_owned), name.to_owned(), version.to_owned()))
        };
        assert_eq!(identity("/x/a.jar", &none), None);
        assert_eq!(identity("/x/a-1.jar", &none), some(None, "a", "1"));
        let repository = "/root/.m2/repository/org/example/sub/a/1.0/a-1.0.jar";
        assert_eq!(identity(repository, &none), some(Some("org.example.sub"), "a", "1.0"));
        let bundle = Manifest {
            symbolic_name: Some("org.example.a".into()),
            bundle_version: Some("1.0.0".into()),
            ..Manifest::default()
        };
        assert_eq!(identity("a.jar", &bundle), some(Some("org.example"), "a", "1.0.0"));
        // What the file is called goes before what its maker says of it.
        assert_eq!(identity("a-1.0.jar", &bundle), some(Some("org.example"), "a", "1.0"));
        let implementation = Manifest {
            vendor_id: Some("com.example".into()),
            implementation_version: Some("2-b".into()),
            ..Manifest::default()
        };
        assert_eq!(identity("x-y-2-b.jar", &implementation), some(Some("com.example"), "x-y", "2-b"));
        let plugin = Manifest {
            group: Some("org.jenkins-ci.plugins".into()),
            short_name: Some("git".into()),
            plugin_version: Some("5.2.1".into()),
            ..implementation
        };
        assert_eq!(identity("git.jpi", &plugin), some(Some("org.jenkins-ci.plugins"), "git", "5.2.1"));
    }

    #[test]
    fn an_archive_with_others_shaded_into_it() {
        let pom = |artifact: &str| Pom { group: "g".into(), artifact: artifact.into(), version: "1".into() };
        let vendor = Manifest { vendor: Some("Ann".into()), ..Manifest::default() };
        let mut archive = Archive { name: b"lib/app-9.jar".to_vec(), manifest: vendor, ..Archive::default() };
        archive.poms = vec![pom("b"), pom("app")];
        let shown = |archive: &mut Archive| {
            let artifacts = archive.clone().artifacts(None);
            let shown = artifacts
                .into_iter()
                .map(|found| format!("{} {} {:?}", found.name, found.version, found.vendor));
            shown.collect::<Vec<_>>()
        };
        assert_eq!(shown(&mut archive), ["b 1 None", "app 1 Some(\"Ann\")"]);
        archive.poms[1] = pom("c");
        assert_eq!(shown(&mut archive), ["b 1 None", "c 1 None", "app 9 Some(\"Ann\")"]);
        archive.poms.pop();
        assert_eq!(shown(&mut archive), ["b 1 Some(\"Ann\")"]);
    }
}

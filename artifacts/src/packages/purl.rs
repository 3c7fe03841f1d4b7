//! Package URLs.
//!
//! Source: ECMA-427, "Package-URL specification", sections on character encoding and building, and the purl type
//! definitions. Types that have no definition of their own are `generic`; of the candidates, those that scanners
//! already speak are used (ebuild, opkg, nix, guix).

use coldread_model::{PackageType, SystemIdentity};
use std::fmt::Write;

/// Builds package URLs of one distribution: namespace and `distro` qualifier are the same for all.
#[derive(Clone, Debug)]
pub struct PurlBuilder {
    prefix: String,
    distro: Option<String>,
    keeps_case: bool,
}

impl PurlBuilder {
    /// For packages of `kind` on `system`. Without an os-release the namespace is that of the ecosystem's own
    /// distribution, or left out where there is none.
    pub fn of(kind: PackageType, system: &SystemIdentity) -> Self {
        let word = type_word(kind);
        let vendor = match kind {
            PackageType::Deb => Some("debian"),
            PackageType::Apk => Some("alpine"),
            PackageType::Pacman => Some("arch"),
            _ => None,
        };
        let mut prefix = format!("pkg:{word}/");
        if let Some(namespace) = system.id.as_deref().or(vendor) {
            encode(&mut prefix, &namespace.to_ascii_lowercase());
            prefix.push('/');
        }
        let distro =
            system.id.as_ref().map(|id| match system.version_id.as_ref().or(system.codename.as_ref()) {
                Some(version) => format!("{id}-{version}"),
                None => id.clone(),
            });
        Self { prefix, distro, keeps_case: kind == PackageType::Rpm }
    }

    /// The URL of one package; an empty version is left out.
    pub fn build(&self, name: &str, version: &str, arch: Option<&str>, epoch: Option<u32>) -> String {
        let mut purl = String::with_capacity(self.prefix.len() + name.len() + version.len() + 48);
        purl.push_str(&self.prefix);
        if self.keeps_case {
            encode(&mut purl, name);
        } else {
            encode(&mut purl, &name.to_ascii_lowercase());
        }
        at_version(&mut purl, version);
        let epoch = epoch.filter(|epoch| *epoch > 0).map(|epoch| epoch.to_string());
        let qualifiers = [("arch", arch), ("distro", self.distro.as_deref()), ("epoch", epoch.as_deref())];
        qualify(&mut purl, &qualifiers);
        purl
    }
}

/// The URL of a package that belongs to no distribution. `name` is as the ecosystem writes it: `@scope/name` of npm,
/// `group:artifact` of Maven, `vendor/name` of Composer, the whole path of a Go module, `category/name` of Gentoo. An
/// empty version is left out; so are qualifiers without a value.
pub fn purl_of(kind: PackageType, name: &str, version: &str, qualifiers: &[(&str, Option<&str>)]) -> String {
    let word = match kind {
        // Maven has nothing without a group, and neither has its type of URL.
        PackageType::Maven if !name.contains(':') => "generic",
        _ => type_word(kind),
    };
    let mut purl = format!("pkg:{word}/");
    let name = match kind {
        PackageType::Pypi => name.to_ascii_lowercase().replace('_', "-"),
        PackageType::Npm | PackageType::Composer | PackageType::Golang => name.to_ascii_lowercase(),
        PackageType::Maven => name.replacen(':', "/", 1),
        _ => name.to_owned(),
    };
    let has_namespace = matches!(
        kind,
        PackageType::Npm
            | PackageType::Composer
            | PackageType::Golang
            | PackageType::Maven
            | PackageType::Portage
    );
    if has_namespace {
        // Empty segments are not part of a namespace.
        let segments: Vec<&str> = name.split('/').filter(|segment| !segment.is_empty()).collect();
        for (index, segment) in segments.iter().enumerate() {
            if index > 0 {
                purl.push('/');
            }
            encode(&mut purl, segment);
        }
    } else {
        encode(&mut purl, &name);
    }
    at_version(&mut purl, version);
    qualify(&mut purl, qualifiers);
    purl
}

/// The purl type.
const fn type_word(kind: PackageType) -> &'static str {
    match kind {
        PackageType::Deb => "deb",
        PackageType::Rpm => "rpm",
        PackageType::Apk => "apk",
        PackageType::Pacman => "alpm",
        PackageType::Portage => "ebuild",
        PackageType::Opkg => "opkg",
        PackageType::Nix => "nix",
        PackageType::Guix => "guix",
        PackageType::Pypi => "pypi",
        PackageType::Npm => "npm",
        PackageType::Gem => "gem",
        PackageType::Golang => "golang",
        PackageType::Cargo => "cargo",
        PackageType::Maven => "maven",
        PackageType::Nuget => "nuget",
        PackageType::Composer => "composer",
        PackageType::Conda => "conda",
        PackageType::Snap
        | PackageType::Flatpak
        | PackageType::Windows
        | PackageType::Msix
        | PackageType::Kb
        | PackageType::Dotnet
        | PackageType::WindowsService
        | PackageType::WindowsDriver => "generic",
    }
}

fn at_version(purl: &mut String, version: &str) {
    if !version.is_empty() {
        purl.push('@');
        encode(purl, version);
    }
}

/// Adds qualifiers, sorted by key, without empty ones.
fn qualify(purl: &mut String, qualifiers: &[(&str, Option<&str>)]) {
    let mut present: Vec<(&str, &str)> = qualifiers
        .iter()
        .filter_map(|(key, value)| Some((*key, value.filter(|value| !value.is_empty())?)))
        .collect();
    present.sort_unstable();
    for (index, (key, value)) in present.into_iter().enumerate() {
        purl.push(if index == 0 { '?' } else { '&' });
        purl.push_str(key);
        purl.push('=');
        encode(purl, value);
    }
}

/// Percent-encodes a component. Letters, digits, `.-_~` and the colon stay: the specification forbids
/// encoding the colon, as in the epoch of a version.
fn encode(purl: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':') {
            purl.push(char::from(byte));
        } else {
            let _ = write!(purl, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn system(id: &str, version: &str) -> SystemIdentity {
        SystemIdentity {
            id: Some(id.into()),
            version_id: Some(version.into()).filter(|version: &String| !version.is_empty()),
            ..SystemIdentity::default()
        }
    }

    #[test]
    fn distributions() {
        let deb = PurlBuilder::of(PackageType::Deb, &system("debian", "12"));
        assert_eq!(
            deb.build("libstdc++6", "2:12.2.0-14+b1", Some("amd64"), None),
            "pkg:deb/debian/libstdc%2B%2B6@2:12.2.0-14%2Bb1?arch=amd64&distro=debian-12"
        );
        assert_eq!(deb.build("x", "", None, None), "pkg:deb/debian/x?distro=debian-12");
        let bare = PurlBuilder::of(PackageType::Rpm, &SystemIdentity::default());
        assert_eq!(bare.build("Bash", "5-1^git~é", None, Some(2)), "pkg:rpm/Bash@5-1%5Egit~%C3%A9?epoch=2");
        let apk = PurlBuilder::of(PackageType::Apk, &SystemIdentity::default());
        assert_eq!(
            apk.build("Musl", "1.2-r0", Some("x86_64"), Some(0)),
            "pkg:apk/alpine/musl@1.2-r0?arch=x86_64"
        );
        let arch = PurlBuilder::of(PackageType::Pacman, &system("arch", ""));
        assert_eq!(
            arch.build("containers-common", "1:0.47.4-4", Some("x86_64"), None),
            "pkg:alpm/arch/containers-common@1:0.47.4-4?arch=x86_64&distro=arch"
        );
    }

    #[test]
    fn ecosystems_as_their_definitions_have_them() {
        for (kind, name, version, expected) in [
            (PackageType::Pypi, "Django_Rest", "1.11.1", "pkg:pypi/django-rest@1.11.1"),
            (PackageType::Npm, "@angular/Animation", "12.3.1", "pkg:npm/%40angular/animation@12.3.1"),
            (PackageType::Npm, "foobar", "12.3.1", "pkg:npm/foobar@12.3.1"),
            (PackageType::Gem, "ruby-advisory-db-check", "0.12.4", "pkg:gem/ruby-advisory-db-check@0.12.4"),
            (
                PackageType::Golang,
                "github.com/Azure/azure-sdk",
                "v1.0.0+incompatible",
                "pkg:golang/github.com/azure/azure-sdk@v1.0.0%2Bincompatible",
            ),
            (PackageType::Cargo, "rand_core", "0.7.2", "pkg:cargo/rand_core@0.7.2"),
            (
                PackageType::Maven,
                "org.apache.xmlgraphics:batik-anim",
                "1.9.1",
                "pkg:maven/org.apache.xmlgraphics/batik-anim@1.9.1",
            ),
            (PackageType::Maven, "aopalliance", "1.0", "pkg:generic/aopalliance@1.0"),
            (
                PackageType::Nuget,
                "EnterpriseLibrary.Common",
                "6.0.1304",
                "pkg:nuget/EnterpriseLibrary.Common@6.0.1304",
            ),
            (PackageType::Composer, "Laravel/laravel", "5.5.0", "pkg:composer/laravel/laravel@5.5.0"),
            (PackageType::Conda, "absl-py", "0.4.1", "pkg:conda/absl-py@0.4.1"),
            (PackageType::Portage, "app-shells/bash", "5.2_p15-r6", "pkg:ebuild/app-shells/bash@5.2_p15-r6"),
            (
                PackageType::Windows,
                "7-Zip 23.01 (x64)",
                "23.01",
                "pkg:generic/7-Zip%2023.01%20%28x64%29@23.01",
            ),
        ] {
            assert_eq!(purl_of(kind, name, version, &[]), expected);
        }
        let qualifiers = [("repository_url", Some("https://x")), ("arch", Some("all")), ("none", None)];
        assert_eq!(
            purl_of(PackageType::Snap, "core20", "1405", &qualifiers),
            "pkg:generic/core20@1405?arch=all&repository_url=https:%2F%2Fx"
        );
    }

    proptest! {
        /// Another implementation reads what was meant.
        #[test]
        fn parsed_back(
            kind in prop::sample::select(PackageType::ALL), name in "[a-z@:._+/ -]{0,4}[a-z0-9é#?%]{1,8}",
            version in "[0-9a-z.:~^+@?#%-]{0,10}", arch in "[a-z0-9_&=]{0,6}",
        ) {
            // These always have a namespace.
            let name = match kind {
                PackageType::Composer => format!("vendor/{name}"),
                PackageType::Maven => format!("group:{name}"),
                _ => name,
            };
            let purl = purl_of(kind, &name, &version, &[("arch", Some(&arch))]);
            let read: packageurl::PackageUrl<'_> = purl.parse().map_err(|error| TestCaseError::fail(format!("{purl}: {error}")))?;
            prop_assert_eq!(read.ty(), type_word(kind));
            prop_assert_eq!(read.version().unwrap_or_default(), &version);
            prop_assert_eq!(read.qualifiers().get("arch").map_or("", |arch| arch.as_ref()), &arch);
            let whole: Vec<&str> = read.namespace().into_iter().chain([read.name()]).collect();
            if matches!(kind, PackageType::Cargo | PackageType::Gem | PackageType::Windows) {
                prop_assert_eq!(whole.join("/"), name);
            }
        }
    }
}

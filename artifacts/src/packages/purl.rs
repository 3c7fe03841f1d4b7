//! Package URLs.
//!
//! Source: ECMA-427, "Package-URL specification", sections on character encoding and building, and the
//! purl type definitions of deb, rpm and apk.

use coldread_model::SystemIdentity;
use std::fmt::Write;

/// Builds package URLs of one distribution: namespace and `distro` qualifier are the same for all.
#[derive(Clone, Debug)]
pub struct PurlBuilder {
    prefix: String,
    distro: Option<String>,
}

impl PurlBuilder {
    /// For packages of `kind` on `system`. Without an os-release the namespace is `vendor`, that of the
    /// ecosystem's own distribution, or left out where there is none.
    pub fn new(kind: &str, system: &SystemIdentity, vendor: Option<&str>) -> Self {
        let mut prefix = format!("pkg:{kind}/");
        if let Some(namespace) = system.id.as_deref().or(vendor) {
            encode(&mut prefix, &namespace.to_ascii_lowercase());
            prefix.push('/');
        }
        let distro =
            system.id.as_ref().map(|id| match system.version_id.as_ref().or(system.codename.as_ref()) {
                Some(version) => format!("{id}-{version}"),
                None => id.clone(),
            });
        Self { prefix, distro }
    }

    /// The URL of one package. `name` keeps its case; an empty version is left out.
    pub fn build(&self, name: &str, version: &str, arch: Option<&str>, epoch: Option<u32>) -> String {
        let mut purl = String::with_capacity(self.prefix.len() + name.len() + version.len() + 48);
        purl.push_str(&self.prefix);
        encode(&mut purl, name);
        if !version.is_empty() {
            purl.push('@');
            encode(&mut purl, version);
        }
        // Qualifiers are sorted by key.
        let mut mark = '?';
        if let Some(arch) = arch.filter(|arch| !arch.is_empty()) {
            purl.push(mark);
            purl.push_str("arch=");
            encode(&mut purl, arch);
            mark = '&';
        }
        if let Some(distro) = &self.distro {
            purl.push(mark);
            purl.push_str("distro=");
            encode(&mut purl, distro);
            mark = '&';
        }
        if let Some(epoch) = epoch.filter(|epoch| *epoch > 0) {
            let _ = write!(purl, "{mark}epoch={epoch}");
        }
        purl
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

    #[test]
    fn as_the_specification_has_them() {
        let debian = SystemIdentity {
            id: Some("debian".into()),
            version_id: Some("12".into()),
            ..SystemIdentity::default()
        };
        let deb = PurlBuilder::new("deb", &debian, Some("debian"));
        assert_eq!(
            deb.build("libstdc++6", "2:12.2.0-14+b1", Some("amd64"), None),
            "pkg:deb/debian/libstdc%2B%2B6@2:12.2.0-14%2Bb1?arch=amd64&distro=debian-12"
        );
        assert_eq!(deb.build("x", "", None, None), "pkg:deb/debian/x?distro=debian-12");
        let bare = PurlBuilder::new("rpm", &SystemIdentity::default(), None);
        assert_eq!(bare.build("Bash", "5-1^git~é", None, Some(2)), "pkg:rpm/Bash@5-1%5Egit~%C3%A9?epoch=2");
        let apk = PurlBuilder::new("apk", &SystemIdentity::default(), Some("alpine"));
        assert_eq!(
            apk.build("musl", "1.2-r0", Some("x86_64"), Some(0)),
            "pkg:apk/alpine/musl@1.2-r0?arch=x86_64"
        );
    }
}

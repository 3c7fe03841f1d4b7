//! What manifests and properties say.
//!
//! Sources: "JAR File Specification", section "JAR Manifest" (lines of at most 72 bytes that go on after a space);
//! `java.util.Properties.load` (as documentation).

use super::super::rows::MAX_TEXT;

/// The main section of META-INF/MANIFEST.MF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) vendor_id: Option<String>,
    pub(super) vendor: Option<String>,
    pub(super) implementation_version: Option<String>,
    pub(super) symbolic_name: Option<String>,
    pub(super) bundle_version: Option<String>,
    pub(super) specification_version: Option<String>,
    /// Those of Jenkins' plugins.
    pub(super) group: Option<String>,
    pub(super) short_name: Option<String>,
    pub(super) plugin_version: Option<String>,
}

impl Manifest {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        let mut vendor = [None, None];
        for (name, value) in section(bytes) {
            let place = match &name.to_ascii_lowercase()[..] {
                "implementation-vendor-id" => &mut found.vendor_id,
                "implementation-vendor" => &mut vendor[0],
                "bundle-vendor" => &mut vendor[1],
                "implementation-version" => &mut found.implementation_version,
                "bundle-symbolicname" => &mut found.symbolic_name,
                "bundle-version" => &mut found.bundle_version,
                "specification-version" => &mut found.specification_version,
                "group-id" => &mut found.group,
                "short-name" => &mut found.short_name,
                "plugin-version" => &mut found.plugin_version,
                _ => continue,
            };
            // What was not filled in when it was built is not known.
            let known = !value.is_empty() && !value.contains("${") && value.len() <= MAX_TEXT;
            *place = place.take().or(known.then_some(value));
        }
        // Directives of OSGi follow.
        let name = found.symbolic_name.as_deref().and_then(|name| name.split(';').next());
        found.symbolic_name = name.map(|name| name.trim().to_owned());
        let [first, second] = vendor;
        found.vendor = first.or(second);
        found
    }
}

/// The names and values of the first section.
fn section(bytes: &[u8]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if let (Some(more), Some((_, value))) = (line.strip_prefix(b" "), fields.last_mut()) {
            value.extend_from_slice(more);
        } else if let Some(colon) = memchr::memchr(b':', line) {
            let name = String::from_utf8_lossy(line[..colon].trim_ascii()).into_owned();
            fields.push((name, line[colon + 1..].to_vec()));
        }
    }
    let text = |value: Vec<u8>| String::from_utf8_lossy(value.trim_ascii()).into_owned();
    fields.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// What a pom.properties says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pom {
    pub(super) group: String,
    pub(super) artifact: String,
    pub(super) version: String,
}

impl Pom {
    /// Reads one of META-INF/maven/`group`/`artifact`, which stands for what it does not say.
    pub(super) fn read(bytes: &[u8], group: &[u8], artifact: &[u8]) -> Self {
        let mut found = Self::default();
        for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = line.trim_ascii();
            let Some(end) = line.iter().position(|byte| matches!(byte, b'=' | b':')) else { continue };
            let place = match line[..end].trim_ascii() {
                b"groupId" => &mut found.group,
                b"artifactId" => &mut found.artifact,
                b"version" => &mut found.version,
                _ => continue,
            };
            let value = String::from_utf8_lossy(line[end + 1..].trim_ascii());
            if !value.contains("${") {
                // Of a key that comes twice the last counts.
                *place = value.into_owned();
            }
        }
        for (place, path) in [(&mut found.group, group), (&mut found.artifact, artifact)] {
            if place.is_empty() {
                *place = String::from_utf8_lossy(path).into_owned();
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_main_section_and_its_long_lines() {
        let found = Manifest::read(
            b"Manifest-Version: 1.0\r\nBundle-SymbolicName: org.example.a-ver\r\n y-long-name;singleton:=true\r\n\
              implementation-version: ${project.version}\r\nImplementation-Version: 1.2\r\nBundle-Vendor: Ann\r\n\r\n\
              Name: x/y\r\nSpecification-Version: 9\r\n",
        );
        let expected = Manifest {
            symbolic_name: Some("org.example.a-very-long-name".into()),
            implementation_version: Some("1.2".into()),
            vendor: Some("Ann".into()),
            ..Manifest::default()
        };
        assert_eq!(found, expected);
        assert_eq!(Manifest::read(b""), Manifest::default());
    }

    #[test]
    fn properties_and_what_stands_for_them() {
        let pom = Pom::read(
            b"#Created by Maven\r\nversion=1.0\r\ngroupId = org.example\r\nartifactId:a\r\n",
            b"g",
            b"b",
        );
        let expected = Pom { group: "org.example".into(), artifact: "a".into(), version: "1.0".into() };
        assert_eq!(pom, expected);
        let pom = Pom::read(b"version=${revision}\n", b"g", b"b");
        assert_eq!(pom, Pom { group: "g".into(), artifact: "b".into(), version: String::new() });
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            Manifest::read(&bytes);
            Pom::read(&bytes, b"g", b"a");
        }
    }
}

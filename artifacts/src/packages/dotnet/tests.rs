use super::{
    nuget::{Nuget, NugetLocks},
    *,
};
use crate::view::MemoryView;
use coldread_model::{Findings, GapKind};
use proptest::prelude::*;

fn read(extractor: &dyn Extractor, path: &str, bytes: &[u8]) -> Findings {
    let mut found = Findings::default();
    let mut view = MemoryView::from(bytes.to_vec());
    extractor.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
    found
}

fn rows(found: &Findings) -> Vec<(&str, &str, PackageState)> {
    assert!(found.gaps.is_empty(), "{:?}", found.gaps);
    found.packages.iter().map(|package| (&*package.name, &*package.version, package.state)).collect()
}

const DEPS: &str = r#"{"runtimeTarget": {"name": ".NETCoreApp,Version=v6.0/linux-x64", "signature": ""},
    "targets": {".NETCoreApp,Version=v6.0": {}, ".NETCoreApp,Version=v6.0/linux-x64": {
        "App/1.0.0": {"dependencies": {"Serilog": "2.10.0"}, "runtime": {"App.dll": {}}},
        "Serilog/2.10.0": {"runtime": {"lib/netstandard2.1/Serilog.dll": {"assemblyVersion": "2.0.0.0"}}},
        "NETStandard.Library/2.0.3": {"dependencies": {}},
        "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.36": {"runtime": {"System.dll": {}}, "native": {}}}},
    "libraries": {"App/1.0.0": {"type": "project", "serviceable": false, "sha512": ""},
        "Serilog/2.10.0": {"type": "package", "serviceable": true, "sha512": "sha512-x", "path": "serilog/2.10.0"},
        "NETStandard.Library/2.0.3": {"type": "package"},
        "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.36": {"type": "runtimepack"},
        "System.Private/6.0.0.0": {"type": "referenceassembly"}}}"#;

#[test]
fn an_application_and_the_runtime_that_it_brings() {
    let found = read(&Dotnet, "/srv/app/App.deps.json", DEPS.as_bytes());
    let mut rows = rows(&found);
    rows.sort_unstable();
    assert_eq!(
        rows,
        [
            ("Microsoft.NETCore.App.Runtime.linux-x64", "6.0.36", PackageState::Installed),
            ("NETStandard.Library", "2.0.3", PackageState::Declared),
            ("Serilog", "2.10.0", PackageState::Installed),
        ]
    );
    assert!(found.packages.iter().any(|package| package.purl == "pkg:nuget/Serilog@2.10.0"));
    // Where it does not say what is used, all of it is taken to be.
    let old = r#"{"runtimeTarget": "x", "libraries": {"A/1": {"type": "package"}}}"#;
    assert_eq!(
        super::tests::rows(&read(&Dotnet, "/a.deps.json", old.as_bytes())),
        [("A", "1", PackageState::Installed)]
    );
}

#[test]
fn specifications() {
    let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- <id>no</id> -->\n<package xmlns=\"http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd\">\n  \
        <metadata minClientVersion=\"2.12\">\n    <id>Newtonsoft.Json</id>\n    <version>13.0.1</version>\n    <authors>James &amp; others</authors>\n    \
        <dependencies><group><id>no</id></group></dependencies>\n  </metadata>\n  <files><file><version>9</version></file></files></package>";
    let path = "/root/.nuget/packages/newtonsoft.json/13.0.1/newtonsoft.json.nuspec";
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for bytes in [text.as_bytes().to_vec(), [b"\xef\xbb\xbf", text.as_bytes()].concat(), utf16] {
        let found = read(&Nuget, path, &bytes);
        assert_eq!(rows(&found), [("Newtonsoft.Json", "13.0.1", PackageState::Installed)]);
        assert_eq!(found.packages[0].vendor.as_deref(), Some("James & others"));
    }
}

#[test]
fn what_is_locked_is_declared() {
    let text = r#"{"version": 1, "dependencies": {"net6.0": {"A": {"type": "Direct", "requested": "[1, )", "resolved": "1.2.0"},
        "lib": {"type": "Project"}}, "net6.0/linux-x64": {"B": {"type": "Transitive", "resolved": "3.0.0"}}}}"#;
    let found = read(&NugetLocks, "/src/packages.lock.json", text.as_bytes());
    assert_eq!(
        rows(&found),
        [("A", "1.2.0", PackageState::Declared), ("B", "3.0.0", PackageState::Declared)]
    );
}

#[test]
fn a_package_for_several_frameworks_is_declared_once() {
    let text = r#"{"version": 1, "dependencies": {"net6.0": {"Newtonsoft.Json": {"resolved": "13.0.1"}},
        "net8.0": {"newtonsoft.json": {"resolved": "13.0.1"}}, "net8.0/linux-x64": {"Newtonsoft.Json": {"resolved": "13.0.3"}}}}"#;
    let found = read(&NugetLocks, "/src/packages.lock.json", text.as_bytes());
    let expected = [("Newtonsoft.Json", "13.0.1"), ("Newtonsoft.Json", "13.0.3")];
    assert_eq!(rows(&found), expected.map(|(name, version)| (name, version, PackageState::Declared)));
}

#[test]
fn damage_is_told() {
    let kinds = |extractor: &dyn Extractor, bytes: &[u8]| {
        let found = read(extractor, "/x", bytes);
        found.gaps.iter().map(|gap| gap.kind).collect::<Vec<_>>()
    };
    for text in [&b""[..], b"{", b"[]", br#"{"libraries": {"A": {"type": "package"}}}"#] {
        assert_eq!(kinds(&Dotnet, text), [GapKind::Corrupt]);
    }
    for text in [
        &b""[..],
        b"<package><metadata><id>a</id></metadata></package>",
        b"<package></metadata>",
        b"<a><b><id>x",
    ] {
        assert_eq!(kinds(&Nuget, text), [GapKind::Corrupt], "{}", String::from_utf8_lossy(text));
    }
    assert_eq!(kinds(&NugetLocks, b"{\"dependencies\":"), [GapKind::Corrupt]);
    assert_eq!(kinds(&Nuget, &vec![b' '; 5 << 20]), [GapKind::Limit]);
}

proptest! {
    #[test]
    fn any_text_is_read(
        parts in prop::collection::vec(prop::sample::select(vec![
            "<package>", "<metadata>", "<id>", "</id>", "<version>", "1", "&amp;", "&#x41;", "&", "<!--", "]]>", "<![CDATA[", "</metadata>", "<?", "é", "<a b='",
        ]), 0..20),
        json in "[\"a-z0-9\\[\\]{}:,/]{0,20}",
    ) {
        read(&Nuget, "/x.nuspec", parts.concat().as_bytes());
        read(&Dotnet, "/x.deps.json", format!("{{\"libraries\": {{\"A/1\": {json}}}}}").as_bytes());
        read(&NugetLocks, "/packages.lock.json", format!("{{\"dependencies\": {json}}}").as_bytes());
    }
}

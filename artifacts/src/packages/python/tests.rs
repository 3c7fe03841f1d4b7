use super::*;
use crate::{Companion, view::MemoryView};
use coldread_model::Findings;
use proptest::prelude::*;

const SITE: &str = "/usr/lib/python3/dist-packages/";

fn read(path: &str, metadata: &[u8], beside: &[(&'static str, &[u8])]) -> Findings {
    let mut found = Findings::default();
    let mut view = MemoryView::from(metadata.to_vec());
    let mut views: Vec<_> =
        beside.iter().map(|(suffix, bytes)| (*suffix, MemoryView::from(bytes.to_vec()))).collect();
    let mut input = Input::new(path.as_bytes(), "p1", &mut view);
    input.mtime = Timestamp::new(1_700_000_000, 0);
    for (suffix, view) in &mut views {
        input.companions.push(Companion { suffix, view });
    }
    Python.extract(&mut input, &Context::default(), &mut found);
    found
}

const METADATA: &[u8] =
    b"Metadata-Version: 2.1\nName: Django_Rest\nVersion: 3.14.0\nAuthor: Ann\n  and others\n\
    Author-email: a@example.org\nKeywords: a\r\n\r\nName: not a header\n";

#[test]
fn a_wheel_with_what_lies_beside() {
    let found = read(
        &format!("{SITE}Django_Rest-3.14.0.dist-info/METADATA"),
        METADATA,
        &[
            ("INSTALLER", b"pip\n"),
            ("WHEEL", b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-manylinux_2_17_x86_64.x\n"),
            (
                "direct_url.json",
                br#"{"url": "https://u:p@example.org/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}"#,
            ),
        ],
    );
    assert!(found.gaps.is_empty(), "{:?}", found.gaps);
    let package = &found.packages[0];
    assert_eq!((package.name.as_str(), package.version.as_str()), ("Django_Rest", "3.14.0"));
    assert_eq!(
        package.purl,
        "pkg:pypi/django-rest@3.14.0?vcs_url=git%2Bhttps:%2F%2Fexample.org%2Fr.git%40abc"
    );
    assert_eq!((package.arch.as_deref(), package.vendor.as_deref()), (Some("x86_64"), Some("Ann")));
    assert_eq!(package.installed_at, Some(Timestamp::new(1_700_000_000, 0)));
    let by_others = read("/opt/x/a-1.dist-info/METADATA", METADATA, &[("INSTALLER", b"uv")]);
    assert_eq!(by_others.packages[0].installed_at, None);
}

#[test]
fn how_far_it_is_installed() {
    let state = |path: &str, beside: &[(&'static str, &[u8])]| read(path, METADATA, beside).packages[0].state;
    for path in [
        "/usr/lib/python2.7/dist-packages/a.egg-info/PKG-INFO",
        "/usr/lib/python2.7/site-packages/a-1-py2.7.egg-info",
        "/opt/a-1-py3.egg/EGG-INFO/PKG-INFO",
        "/opt/lambda/a-1.dist-info/METADATA",
    ] {
        assert_eq!(state(path, &[]), PackageState::Installed, "{path}");
    }
    let source = "/home/me/src/a.egg-info/PKG-INFO";
    assert_eq!(state(source, &[]), PackageState::Declared);
    assert_eq!(state(source, &[("installed-files.txt", b"x")]), PackageState::Installed);
    assert_eq!(state(&format!("{SITE}~umpy-1.0.dist-info/METADATA"), &[]), PackageState::HalfInstalled);
}

#[test]
fn machines_of_wheels() {
    for (tag, expected) in [
        ("py3-none-any", None),
        ("cp39-abi3-win_amd64", Some("amd64")),
        ("cp39-cp39-win32", Some("x86")),
        ("cp310-cp310-macosx_11_0_arm64", Some("arm64")),
        ("cp310-cp310-manylinux2014_aarch64", Some("aarch64")),
        ("cp310-cp310-musllinux_1_1_i686", Some("i686")),
        ("cp310-cp310-linux_armv7l", Some("armv7l")),
        ("x", None),
    ] {
        assert_eq!(arch(tag).as_deref(), expected, "{tag}");
    }
}

#[test]
fn damage_is_told() {
    let path = format!("{SITE}a-1.dist-info/METADATA");
    for text in [&b""[..], b"Name: a\n", b"Name: a\nVersion:\n", b"Name: UNKNOWN\nVersion: 1\n"] {
        let found = read(&path, text, &[]);
        assert_eq!((found.packages.len(), found.gaps.len()), (0, 1));
        assert_eq!(found.gaps[0].kind, GapKind::Corrupt);
    }
    let endless = b"Classifier: x\n".repeat(70_000);
    assert_eq!(read(&path, &endless, &[]).gaps[0].kind, GapKind::Limit);
    let beside = read(&path, METADATA, &[("direct_url.json", b"{"), ("WHEEL", &vec![b'x'; 1 << 17])]);
    let kinds: Vec<_> = beside.gaps.iter().map(|gap| (gap.structure.as_str(), gap.kind)).collect();
    assert_eq!(kinds, [("direct_url.json", GapKind::Corrupt), ("WHEEL", GapKind::Limit)]);
    assert_eq!(beside.packages.len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_read(
        path in "/[a-z./~-]{0,20}", bytes in prop::collection::vec(any::<u8>(), 0..80), tag in "[a-z0-9_.-]{0,20}",
    ) {
        read(&path, &bytes, &[("INSTALLER", &bytes), ("WHEEL", &bytes), ("direct_url.json", &bytes)]);
        read(&path, METADATA, &[("WHEEL", format!("Tag: {tag}").as_bytes())]);
    }
}

use super::*;
use crate::{
    probe::next_round,
    view::MemoryView,
    zip::build::{Form, zip, zip_as},
};
use coldread_model::{Findings, GapKind};
use proptest::prelude::*;

fn pom(artifact: &str, version: &str) -> (String, Vec<u8>) {
    let path = format!("META-INF/maven/org.example/{artifact}/pom.properties");
    (path, format!("#x\nversion={version}\ngroupId=org.example\nartifactId={artifact}\n").into_bytes())
}

/// A jar of one artifact, with a class that says nothing.
fn jar(artifact: &str, version: &str) -> Vec<u8> {
    let (path, text) = pom(artifact, version);
    let manifest = b"Manifest-Version: 1.0\r\nImplementation-Vendor: Ann\r\n\r\n";
    zip(&[("META-INF/MANIFEST.MF", manifest, true), (&path, &text, true), ("x/Y.class", &[7; 999], false)])
}

fn read(path: &str, bytes: &[u8]) -> Findings {
    let mut found = Findings::default();
    let mut view = MemoryView::from(bytes.to_vec());
    Java.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
    found
}

fn rows(found: &Findings) -> Vec<String> {
    let mut rows: Vec<_> =
        found.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
    rows.sort();
    rows
}

#[test]
fn a_jar_that_maven_made() {
    let found = read("/srv/a.jar", &jar("a", "1.0"));
    assert!(found.gaps.is_empty(), "{:?}", found.gaps);
    assert_eq!(found.packages.len(), 1);
    let package = &found.packages[0];
    assert_eq!((&*package.name, &*package.version), ("org.example:a", "1.0"));
    assert_eq!((&*package.purl, package.vendor.as_deref()), ("pkg:maven/org.example/a@1.0", Some("Ann")));
    assert_eq!(package.origin.path, b"/srv/a.jar");
}

#[test]
fn archives_within_archives_packed_or_not() {
    let (inner, other) = (jar("inner", "1"), jar("other", "2"));
    let library = zip(&[("lib/inner.jar", &inner, true), ("lib/notes.txt", b"x", false)]);
    let war = zip(&[
        ("WEB-INF/lib/library-7.jar", &library, true),
        ("WEB-INF/lib/other.jar", &other, false),
        ("WEB-INF/lib/empty.jar", b"", false),
    ]);
    for is_packed in [true, false] {
        let ear = zip_as(
            Form { before: 99, ..Form::default() },
            &[("web.WAR", &war, is_packed), ("x.jar", &jar("x", "3"), is_packed)],
        );
        let found = read("/opt/app.ear", &ear);
        assert!(found.gaps.is_empty(), "{:?}", found.gaps);
        assert_eq!(
            rows(&found),
            ["library 7", "org.example:inner 1", "org.example:other 2", "org.example:x 3"]
        );
    }
}

#[test]
fn a_shaded_jar_with_many() {
    let poms: Vec<_> = (0..200).map(|index| pom(&format!("a{index}"), "1")).collect();
    let members: Vec<_> = poms.iter().map(|(path, text)| (path.as_str(), text.as_slice(), true)).collect();
    let found = read("/opt/tool-1.0.jar", &zip(&members));
    assert!(found.gaps.is_empty(), "{:?}", found.gaps);
    assert_eq!(found.packages.len(), 201);
    assert!(rows(&found).contains(&"tool 1.0".to_owned()));
}

/// How many rounds and bytes an archive takes.
fn cost(bytes: &[u8]) -> (usize, u64) {
    let mut prober = Java.prober(bytes.len() as u64).unwrap();
    let (mut rounds, mut read) = (0, 0);
    loop {
        let ranges = next_round(&mut *prober, rounds).unwrap();
        if ranges.is_empty() {
            return (rounds, read);
        }
        for range in ranges {
            read += range.len;
            prober.feed(range, &bytes[range.start as usize..range.end() as usize]);
        }
        rounds += 1;
    }
}

#[test]
fn only_the_directory_and_the_members_wanted_are_read() {
    let (path, text) = pom("a", "1");
    let large = zip(&[("x.class", &vec![1; 4 << 20], false), (&path, &text, true)]);
    let (rounds, bytes) = cost(&large);
    assert!(rounds <= 2 && bytes < 8192, "{rounds} rounds, {bytes} bytes");
    // A hundred stored within: the rounds do not grow with them.
    let inner = jar("a", "1");
    let names: Vec<_> = (0..100).map(|index| format!("BOOT-INF/lib/a{index}.jar")).collect();
    let boot = zip(&names.iter().map(|name| (name.as_str(), &inner[..], false)).collect::<Vec<_>>());
    let (rounds, _) = cost(&boot);
    assert!(rounds <= 12, "{rounds} rounds");
    // One that is unpacked piece by piece.
    let noise: Vec<u8> = (0..9_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let long = zip(&[("x.bin", &noise, false), (&path, &text, true)]);
    let war = zip(&[("lib/long.jar", &long, true), ("lib/b.jar", &jar("b", "2"), true)]);
    assert_eq!(rows(&read("/x.war", &war)), ["org.example:a 1", "org.example:b 2"]);
}

fn kinds(found: &Findings) -> Vec<GapKind> {
    found.gaps.iter().map(|gap| gap.kind).collect()
}

#[test]
fn damage_is_told_and_the_rest_read() {
    assert_eq!(kinds(&read("/a.jar", b"no archive")), [GapKind::Corrupt]);
    assert_eq!(kinds(&read("/a.jar", b"")), []);
    let whole = jar("a", "1");
    assert_eq!(kinds(&read("/a.jar", &whole[..whole.len() - 30])), [GapKind::Corrupt]);
    // The second of three members is damaged.
    let (first, second) = (pom("a", "1"), pom("b", "2"));
    let mut bytes =
        zip(&[(&first.0, &first.1, false), (&second.0, &second.1, false), ("c.jar", &jar("c", "3"), false)]);
    let at = memchr::memmem::find(&bytes, b"version=2").unwrap();
    bytes[at + 8] = b'9';
    let found = read("/a.jar", &bytes);
    assert_eq!(
        (rows(&found), kinds(&found)),
        (vec!["org.example:a 1".into(), "org.example:c 3".into()], vec![GapKind::Corrupt])
    );
    assert!(found.gaps[0].reason.contains("org.example:b"), "{:?}", found.gaps);
    // What no decoder is for, and what is encrypted.
    let central = memchr::memmem::rfind(&bytes, b"PK\x01\x02").unwrap();
    let (mut method, mut flags) = (bytes.clone(), bytes.clone());
    method[central + 10] = 12;
    flags[central + 8] = 1;
    for bytes in [method, flags] {
        let kinds = kinds(&read("/a.jar", &bytes));
        assert_eq!(kinds.len(), 2);
        assert!(kinds.contains(&GapKind::Unsupported) && kinds.contains(&GapKind::Corrupt), "{kinds:?}");
    }
}

#[test]
fn names_and_texts_are_kept_within_bounds() {
    // Each is some dozens of bytes in the archive, and some ten thousands unpacked.
    let text = format!("groupId=g\nversion=1\nartifactId={}\n", "a".repeat(60_000)).into_bytes();
    let paths: Vec<String> = (0..600).map(|n| format!("META-INF/maven/g/{n}/pom.properties")).collect();
    let texts: Vec<_> = paths.iter().map(|path| (path.as_str(), &text[..], true)).collect();
    // And names that are long, of members that cannot be read.
    let long: Vec<String> = (0..400).map(|n| format!("{}{n}.jar", "n".repeat(60_000))).collect();
    let names: Vec<_> = long.iter().map(|name| (name.as_str(), &b"no archive"[..], false)).collect();
    for bytes in [zip(&texts), zip(&names)] {
        let mut prober = Java.prober(bytes.len() as u64).unwrap();
        let (mut rounds, mut most) = (0, 0);
        loop {
            let ranges = next_round(&mut *prober, rounds).unwrap();
            most = most.max(prober.holds());
            if ranges.is_empty() {
                break;
            }
            for range in ranges {
                prober.feed(range, &bytes[range.start as usize..range.end() as usize]);
            }
            rounds += 1;
        }
        assert!(most < 48 << 20, "{most}");
        let found = read("/a.jar", &bytes);
        assert!(found.gaps.iter().any(|gap| gap.reason.contains("too many and too long names")), "{most}");
        let told: usize = found.gaps.iter().map(|gap| gap.reason.len()).sum();
        assert!(told < 20 << 20, "{told}");
    }
}

#[test]
fn archives_without_end_are_limited() {
    // Each within the next, deeper than is looked.
    let mut deep = jar("a", "1");
    for _ in 0..6 {
        deep = zip(&[("x.jar", &deep, true)]);
    }
    assert_eq!(kinds(&read("/a.jar", &deep)), [GapKind::Limit]);
    // Hundreds of entries that lead to the same packed archive of zeros.
    let bomb = zip(&[("x.jar", &vec![0; 60 << 20], true)]);
    let (at, end) = (memchr::memmem::rfind(&bomb, b"PK\x01\x02").unwrap(), bomb.len() - 22);
    let mut many = bomb[..at].to_vec();
    many.extend(bomb[at..end].repeat(300));
    let mut tail = bomb[end..].to_vec();
    tail[12..16].copy_from_slice(&(300 * (end - at) as u32).to_le_bytes());
    many.extend(tail);
    let found = read("/a.jar", &many);
    assert!(found.gaps.iter().any(|gap| gap.kind == GapKind::Limit), "{:?}", found.gaps);
    let large = zip(&[("x.jar", &vec![0; 65 << 20], true)]);
    let kinds = kinds(&read("/a.jar", &large));
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == GapKind::Limit), "{kinds:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn damaged_archives_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>(), cuts: bool,
    ) {
        let inner = jar("b", "2");
        let (path, text) = pom("a", "1");
        let mut bytes = zip(&[(&path, &text, true), ("lib/b.jar", &inner, false), ("lib/c.jar", &inner, true)]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.drain(..cut.index(bytes.len()));
        }
        read("/a.jar", &bytes);
    }
}

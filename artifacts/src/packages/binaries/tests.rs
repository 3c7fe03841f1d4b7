use super::*;
use crate::{
    executable::build::{BASE, FORMS, Form, Part, offsets},
    view::MemoryView,
};
use coldread_model::Findings;
use proptest::prelude::*;
use std::io::Write;

const MODULES: &str = "path\texample.org/cmd\nmod\texample.org/cmd\tv0.2.0\t\ndep\texample.org/a\tv1.0.0\th1:x\nbuild\tGOARCH=riscv64\n";

fn marked(text: &str) -> Vec<u8> {
    [&[7; 16][..], text.as_bytes(), &[9; 16]].concat()
}

/// The information with its strings in it.
fn inline(version: &str, modules: &[u8]) -> Vec<u8> {
    let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
    bytes.resize(32, 0);
    for text in [version.as_bytes(), modules] {
        let mut len = text.len();
        while len >= 0x80 {
            bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
        bytes.extend(text);
    }
    bytes
}

const fn section(form: Form) -> &'static str {
    if matches!(form, Form::MachO | Form::Universal) { "__go_buildinfo" } else { ".go.buildinfo" }
}

/// A program of Go 1.17: the information points to strings, these to their bytes.
fn pointing(form: Form, version: &str, modules: &[u8]) -> Vec<u8> {
    let texts = [version.as_bytes(), modules].concat();
    let lens = [vec![0; 32], vec![0; 32]];
    let places = offsets(&[("", &lens[0]), ("", &lens[1]), ("", &texts)]);
    let address = |index: usize| BASE + places[index] as u64;
    let pointers = |values: &[u64]| values.iter().flat_map(|value| form.pointer(*value)).collect::<Vec<u8>>();
    let pointer_bytes = form.pointer(0).len();
    let mut info = b"\xff Go buildinf:".to_vec();
    info.extend([pointer_bytes as u8, u8::from(form.is_big())]);
    info.extend(pointers(&[address(1), address(1) + 2 * pointer_bytes as u64]));
    info.resize(32, 0);
    let mut strings = pointers(&[address(2), version.len() as u64]);
    strings.extend(pointers(&[address(2) + version.len() as u64, modules.len() as u64]));
    strings.resize(32, 0);
    form.build(&[(section(form), &info), (".strings", &strings), (".rodata", &texts)])
}

fn list(json: &str) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(json.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn read(file: &[u8]) -> Findings {
    let mut found = Findings::default();
    let mut view = MemoryView::from(file.to_vec());
    Binaries.extract(&mut Input::new(b"/usr/bin/x", "p1", &mut view), &Context::default(), &mut found);
    found
}

fn rows(found: &Findings) -> Vec<(&str, &str)> {
    found.packages.iter().map(|package| (package.name.as_str(), package.version.as_str())).collect()
}

const EXPECTED: [(&str, &str); 3] =
    [("stdlib", "1.20.1"), ("example.org/cmd", "v0.2.0"), ("example.org/a", "v1.0.0")];

#[test]
fn go_of_every_form_and_both_generations() {
    for form in FORMS {
        let file = form.build(&[(section(form), &inline("go1.20.1", &marked(MODULES))), (".x", &[0; 9])]);
        let found = read(&file);
        assert!(found.gaps.is_empty(), "{form:?}: {:?}", found.gaps);
        assert_eq!(rows(&found), EXPECTED, "{form:?}");
        assert_eq!(found.packages[2].purl, "pkg:golang/example.org/a@v1.0.0");
        assert_eq!(found.packages[2].arch.as_deref(), Some("riscv64"));
        // Pointers of an image within another are relative to it, and there is none such before Go 1.18.
        if form != Form::Universal {
            let found = read(&pointing(form, "go1.20.1", &marked(MODULES)));
            assert!(found.gaps.is_empty(), "{form:?}: {:?}", found.gaps);
            assert_eq!(rows(&found), EXPECTED, "{form:?}");
        }
    }
}

#[test]
fn go_without_a_table_of_sections_and_past_its_own_magic() {
    let form = Form::Elf { is_wide: true, is_big: false, has_sections: false };
    let decoy = b"12345678\xff Go buildinf:\x08\x02".to_vec();
    let file = form.build(&[(".a", &decoy), (".b", &inline("go1.20.1", &marked(MODULES)))]);
    assert_eq!(rows(&read(&file)), EXPECTED);
    let none = read(&form.build(&[(".a", &decoy)]));
    assert_eq!((none.packages.len(), none.gaps.len()), (0, 0));
    let old = read(&form.build(&[(".a", &inline("go1.13", b""))]));
    assert_eq!(rows(&old), [("stdlib", "1.13")]);
    assert_eq!(old.packages[0].arch.as_deref(), Some("x86_64"));
}

const LIST: &str = r#"{"packages": [{"name": "app", "version": "0.1.0", "source": "local", "root": true},
    {"name": "rand_core", "version": "0.7.2", "source": "crates.io"},
    {"name": "cc", "version": "1.0.0", "source": "crates.io", "kind": "build"}]}"#;

#[test]
fn crates_of_every_form() {
    for form in FORMS {
        let found = read(&form.build(&[(".text", &[0; 99]), (".dep-v0", &list(LIST))]));
        assert!(found.gaps.is_empty(), "{form:?}: {:?}", found.gaps);
        assert_eq!(rows(&found), [("app", "0.1.0"), ("rand_core", "0.7.2"), ("cc", "1.0.0")]);
        let states: Vec<_> = found.packages.iter().map(|package| package.state).collect();
        assert_eq!(states, [PackageState::Installed, PackageState::Installed, PackageState::Declared]);
        assert_eq!(found.packages[1].purl, "pkg:cargo/rand_core@0.7.2");
    }
}

#[test]
fn damage_is_told_by_its_kind() {
    let form = FORMS[0];
    let kind = |parts: &[Part<'_>]| {
        let found = read(&form.build(parts));
        assert_eq!((found.packages.len(), found.gaps.len()), (0, 1), "{:?}", found.gaps);
        found.gaps[0].kind
    };
    for info in [&b""[..], b"\xff Go buildinf:\x08\x02", &inline("", b""), &inline("go1.20", b"")[..35]] {
        assert_eq!(kind(&[(".go.buildinfo", info)]), GapKind::Corrupt);
    }
    let packed = list(LIST);
    for bytes in
        [&packed[..packed.len() - 9], b"", &list("[]"), &list("{}"), &list(LIST.strip_suffix('}').unwrap())]
    {
        assert_eq!(kind(&[(".dep-v0", bytes)]), GapKind::Corrupt);
    }
    let bomb = list(&format!("{{\"packages\": [], \"x\": \"{}\"}}", "x".repeat(5 << 20)));
    assert!(bomb.len() < 100_000);
    assert_eq!(kind(&[(".dep-v0", &bomb)]), GapKind::Limit);
    assert_eq!(kind(&[(".dep-v0", &vec![0; 2 << 20])]), GapKind::Limit);
    let mut wrong = form.build(&[(".x", &[0; 9])]);
    wrong[0x28..0x30].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(read(&wrong).gaps[0].kind, GapKind::Corrupt);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Bytes of headers, tables and information are changed: whatever comes of it, it ends.
    #[test]
    fn damaged_executables_are_read_or_refused(
        which in 0usize..9, changes in prop::collection::vec((0usize..0x900, any::<u8>()), 1..6), cut in 0usize..0x1a00,
    ) {
        let mut file = match FORMS.get(which) {
            Some(form) => {
                form.build(&[(section(*form), &inline("go1.20.1", &marked(MODULES))), (".dep-v0", &list(LIST))])
            }
            None => pointing(FORMS[which - FORMS.len()], "go1.17", &marked(MODULES)),
        };
        let tables = file.len().saturating_sub(0x200);
        for (at, byte) in changes {
            // Those past the first sections are of the tables at the end.
            let at = if at < 0x700 { at } else { tables + (at - 0x700) };
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        if cut > 0x400 {
            file.truncate(cut);
        }
        read(&file);
    }

    #[test]
    fn any_bytes_are_read(which in 0usize..5, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let magic: [&[u8]; 5] = [b"\x7fELF\x02\x01\x01", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe\0\0\0", b""];
        read(&[magic[which], &bytes].concat());
    }
}

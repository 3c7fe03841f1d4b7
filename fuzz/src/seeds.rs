//! Where the targets whose inputs have a form begin: small whole files of each, made here.
//!
//! A target writes its own when it starts, as a program without a target does not link with libFuzzer.

use crate::{
    bolt,
    executable::{FORMS, Form},
    rpm,
    zip::{Form as ZipForm, zip, zip_as},
};
use std::{fs, path::Path};

/// Names the folder that a target writes its seeds to: its corpus.
const FOLDER: &str = "COLDREAD_FUZZ_SEEDS";

/// Writes a target's seeds, where a folder is named for them.
///
/// # Panics
///
/// Where they cannot be written: fuzzing without them would look as if it had been done.
pub fn write(target: &str) {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    for (index, seed) in of(target).iter().enumerate() {
        let path = Path::new(&folder).join(format!("seed-{index}"));
        fs::write(&path, seed).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// Seeds of a target by its name; of those that need none, none.
fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "executables" => executables(),
        "jar" => jars(),
        "layers" => vec![snapshots().split_off(BOLT_METAS), snapshots(), b"l/A:l/B".to_vec()],
        "rpm_bdb" => {
            [false, true].map(|is_big| rpm::hash(&[&rpm::package("bash"), &[7; 700]], is_big, 512)).into()
        }
        "rpm_ndb" => vec![rpm::ndb(&[&rpm::package("bash"), &[7; 40]]), rpm::ndb(&[])],
        "rpm_header" => vec![rpm::package("bash"), rpm::header(&[(1000, 6, 1, b"x\0")])],
        _ => Vec::new(),
    }
}

/// Bytes of a database's meta pages.
const BOLT_METAS: usize = 2 * 4096;

/// The meta pages of a database of containerd.
pub fn bolt_metas() -> Vec<u8> {
    let mut database = snapshots();
    database.truncate(BOLT_METAS);
    database
}

/// A database of containerd's with two snapshots, of which one lies on the other.
fn snapshots() -> Vec<u8> {
    bolt::snapshots(&[("default/1/a", &[1], ""), ("default/2/b", &[2], "default/1/a")])
}

fn executables() -> Vec<Vec<u8>> {
    // As Go writes it since 1.18: the marks around the modules are sixteen bytes each.
    let modules = "path\tx/cmd\nmod\tx\tv0.2.0\t\ndep\ta\tv1.0.0\n=>\tb\tv2.0.0\n";
    let mut go = b"\xff Go buildinf:\x08\x02".to_vec();
    go.resize(32, 0);
    for text in [&b"go1.20.1"[..], &[&[7; 16][..], modules.as_bytes(), &[9; 16]].concat()] {
        go.push(text.len() as u8);
        go.extend(text);
    }
    let crates =
        zlib(br#"{"packages": [{"name": "a", "version": "1.0.0", "source": "crates.io", "kind": "build"}]}"#);
    let build = |form: Form| {
        let is_apple = matches!(form, Form::MachO | Form::Universal);
        let name = if is_apple { "__go_buildinfo" } else { ".go.buildinfo" };
        form.build(&[(name, &go), (".dep-v0", &crates)])
    };
    FORMS.into_iter().map(build).collect()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn jars() -> Vec<Vec<u8>> {
    const POM: &str = "META-INF/maven/g/a/pom.properties";
    let pom: &[u8] = b"groupId=g\nartifactId=a\nversion=1\n";
    let manifest: &[u8] = b"Manifest-Version: 1.0\r\nBundle-SymbolicName: g.b\r\nBundle-Version: 1\r\n\r\n";
    let inner = zip(&[("META-INF/MANIFEST.MF", manifest, true), (POM, pom, true)]);
    let outer = [("lib/a.jar", &inner[..], false), ("lib/b.jar", &inner, true), (POM, pom, false)];
    let forms = [
        ZipForm::default(),
        ZipForm { is_wide: true, ..ZipForm::default() },
        ZipForm { before: 9, comment: 9, ..ZipForm::default() },
    ];
    forms.into_iter().map(|form| zip_as(form, &outer)).chain([inner.clone()]).collect()
}

//! Packages of languages; throughput is packages and bytes a second. Of executables and archives the bytes are those of
//! the whole file, of which only a part is read.

#[path = "../../artifacts/src/executable/build.rs"]
#[allow(dead_code)]
mod executable;
#[path = "../../artifacts/src/zip/build.rs"]
#[allow(dead_code)]
mod zip;

use coldread_artifacts::{
    Context, Extractor, Input,
    packages::{
        binaries::Binaries,
        composer::Composer,
        conda::Conda,
        dotnet::{Dotnet, nuget::Nuget},
        java::Java,
        npm::{Npm, locks::NpmLocks},
        python::Python,
        ruby::{Gems, locks::GemLocks},
    },
    view::SliceView,
};
use coldread_model::Findings;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::io::Write;

/// Packages of a file that names many.
const COUNT: usize = 500;

/// A name, an extractor, a path, the file, and how many packages it has.
type Case<'a> = (&'a str, &'static dyn Extractor, &'a str, Vec<u8>, usize);

/// Reads one file; how many packages it has.
fn read(extractor: &dyn Extractor, path: &str, file: &[u8]) -> usize {
    let mut view = SliceView::from(file);
    let mut found = Findings::default();
    extractor.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
    assert!(found.gaps.is_empty(), "{:?}", found.gaps.first());
    found.packages.len()
}

/// Parts of a text for each package, with something between them.
fn many(between: &str, one: impl Fn(usize) -> String) -> String {
    (0..COUNT).map(one).collect::<Vec<_>>().join(between)
}

/// A program of Go with its modules, and code of some megabytes that is not read.
fn go() -> Vec<u8> {
    let modules = many("", |index| {
        format!(
            "dep\texample.org/module{index}\tv1.{index}.0\th1:0123456789abcdef0123456789abcdef0123456789abcdef=\n"
        )
    });
    let mut info = b"\xff Go buildinf:\x08\x02".to_vec();
    info.resize(32, 0);
    for text in [b"go1.20.1".to_vec(), [&[7; 16][..], modules.as_bytes(), &[9; 16]].concat()] {
        let mut len = text.len();
        while len >= 0x80 {
            info.push(len as u8 | 0x80);
            len >>= 7;
        }
        info.push(len as u8);
        info.extend(text);
    }
    executable::FORMS[0].build(&[(".text", &vec![0x90; 8 << 20]), (".go.buildinfo", &info)])
}

/// A program of Rust with its crates, as cargo-auditable writes them.
fn rust() -> Vec<u8> {
    let crates = many(",", |index| {
        format!(
            r#"{{"name": "crate{index}", "version": "1.{index}.0", "source": "crates.io", "dependencies": [1]}}"#
        )
    });
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(format!("{{\"packages\": [{crates}]}}").as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory");
    executable::FORMS[0].build(&[(".text", &vec![0x90; 8 << 20]), (".dep-v0", &packed)])
}

fn jar(name: &str) -> Vec<u8> {
    let path = format!("META-INF/maven/org.example/{name}/pom.properties");
    let pom = format!("groupId=org.example\nartifactId={name}\nversion=1.0\n");
    let class: Vec<u8> = (0..64_u32 << 10).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let manifest = b"Manifest-Version: 1.0\r\nImplementation-Vendor: Ann\r\n\r\n";
    zip::zip(&[
        ("META-INF/MANIFEST.MF", manifest, true),
        (&path, pom.as_bytes(), true),
        ("x/Y.class", &class, false),
    ])
}

/// An archive of a hundred others.
fn archive(is_packed: bool) -> Vec<u8> {
    let jars: Vec<_> =
        (0..100).map(|index| (format!("lib/a{index}.jar"), jar(&format!("a{index}")))).collect();
    zip::zip(&jars.iter().map(|(name, jar)| (name.as_str(), &jar[..], is_packed)).collect::<Vec<_>>())
}

fn libraries(criterion: &mut Criterion) {
    let installed = many(",", |index| {
        format!(
            r#"{{"name": "acme/p{index}", "version": "v1.{index}.0", "dist": {{"type": "zip", "url": "https://x/y", "shasum": ""}}, "authors": [{{"name": "Ann"}}]}}"#
        )
    });
    let libraries = many(",", |index| {
        format!(
            r#""Package{index}/1.0.{index}": {{"type": "package", "serviceable": true, "sha512": "sha512-0123456789abcdef==", "path": "package{index}/1.0.{index}"}}"#
        )
    });
    let locked = many(",", |index| {
        format!(
            r#""node_modules/p{index}": {{"version": "1.{index}.0", "resolved": "https://registry.npmjs.org/p/-/p-1.0.0.tgz", "integrity": "sha512-0123456789abcdef=="}}"#
        )
    });
    let gems = many("", |index| format!("    gem{index} (1.{index}.0)\n      racc (~> 1.4)\n"));
    let files = many(",", |index| format!("\"lib/python3.11/site-packages/numpy/file{index}.py\""));
    let python = "Metadata-Version: 2.1\nName: requests\nVersion: 2.28.1\nSummary: HTTP for humans\nAuthor: Ann\nClassifier: a\nClassifier: b\n\n";
    let gemspec = "# -*- encoding: utf-8 -*-\n# stub: rake 13.0.6 ruby lib\n\nGem::Specification.new do |s|\n  s.name = \"rake\".freeze\n  s.version = \"13.0.6\"\n\n  \
        s.authors = [\"Ann\".freeze]\n  s.description = \"Rake is a Make-like program\".freeze\n  s.files = [\"a\".freeze, \"b\".freeze]\nend\n";
    let nuspec = "<?xml version=\"1.0\"?><package><metadata><id>Newtonsoft.Json</id><version>13.0.1</version><authors>Ann</authors></metadata></package>";
    let package = r#"{"name": "lodash", "version": "4.17.21", "description": "x", "author": "Ann <a@example.org>", "scripts": {"test": "y"}}"#;
    let text = |text: &str| text.as_bytes().to_vec();
    let cases: [Case<'_>; 15] = [
        (
            "python",
            &Python,
            "/usr/lib/python3/dist-packages/requests-2.28.1.dist-info/METADATA",
            text(python),
            1,
        ),
        ("npm", &Npm, "/srv/node_modules/lodash/package.json", text(package), 1),
        (
            "npm, locked",
            &NpmLocks,
            "/srv/package-lock.json",
            format!("{{\"packages\": {{{locked}}}}}").into(),
            COUNT,
        ),
        ("gem", &Gems, "/var/lib/gems/3.1.0/specifications/rake-13.0.6.gemspec", text(gemspec), 1),
        ("gem, locked", &GemLocks, "/srv/Gemfile.lock", format!("GEM\n  specs:\n{gems}").into(), COUNT),
        ("go", &Binaries, "/usr/bin/x", go(), COUNT + 1),
        ("rust", &Binaries, "/usr/bin/y", rust(), COUNT),
        ("java", &Java, "/srv/a.jar", jar("a"), 1),
        ("java, stored within", &Java, "/srv/a.jar", archive(false), 100),
        ("java, packed within", &Java, "/srv/a.war", archive(true), 100),
        ("dotnet", &Dotnet, "/srv/a.deps.json", format!("{{\"libraries\": {{{libraries}}}}}").into(), COUNT),
        ("nuget", &Nuget, "/root/.nuget/packages/x/1/x.nuspec", text(nuspec), 1),
        (
            "composer",
            &Composer,
            "/srv/vendor/composer/installed.json",
            format!("[{installed}]").into(),
            COUNT,
        ),
        (
            "conda",
            &Conda,
            "/opt/conda/conda-meta/numpy-1.json",
            format!(r#"{{"name": "numpy", "version": "1", "build": "0", "files": [{files}]}}"#).into(),
            1,
        ),
        (
            "no program",
            &Binaries,
            "/usr/bin/y",
            executable::FORMS[0].build(&[(".text", &vec![0x90; 8 << 20])]),
            0,
        ),
    ];
    let mut group = criterion.benchmark_group("libraries");
    group.sample_size(20);
    for (name, extractor, path, file, count) in &cases {
        assert_eq!(read(*extractor, path, file), *count, "{name}");
        group.throughput(Throughput::ElementsAndBytes { elements: *count as u64, bytes: file.len() as u64 });
        group.bench_function(*name, |bencher| bencher.iter(|| read(*extractor, path, file)));
    }
    group.finish();
}

criterion_group!(benches, libraries);
criterion_main!(benches);

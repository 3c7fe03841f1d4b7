//! What is read, as docs/support.md tells it, is what the registries hold: the page cannot rot.
//!
//! `COLDREAD_BLESS=1 cargo test -p tests --test support` writes it anew.

#![allow(clippy::unwrap_used)]

use coldread_artifacts::registry::EXTRACTORS;
use coldread_fsparse::{fs::FILESYSTEMS, volume::recognise};
use coldread_model::task::IoMode;
use std::{collections::BTreeSet, env, fs, path::Path};

const HEAD: &str = "\
# What is read

Written from the code's own registries, and held against them by a test:
`COLDREAD_BLESS=1 cargo test -p tests --test support` writes it anew. The README tells what of it is worth knowing first.
";

/// The page as it must be.
fn page() -> String {
    let mut lines = vec![HEAD.to_owned()];
    let mut section = |title: &str, columns: [&str; 2], rows: BTreeSet<(String, String)>| {
        lines.push(format!("## {title}\n\n| {} | {} |\n|---|---|", columns[0], columns[1]));
        lines.extend(rows.into_iter().map(|(name, what)| format!("| {name} | {what} |")));
        lines.push(String::new());
    };
    let filesystem = |name: &str| match name {
        "ext4" => "ext2, ext3, ext4".to_owned(),
        other => other.to_owned(),
    };
    let rows = FILESYSTEMS.iter().map(|driver| (driver.name().to_owned(), filesystem(driver.name())));
    section("Filesystems", ["driver", "reads"], rows.collect());
    let rows = recognise::named().map(|(name, class)| (name.to_owned(), class.name().to_owned()));
    section("Recognised and named, not read", ["format", "its bytes are classed as"], rows.collect());
    let rows = EXTRACTORS.iter().map(|extractor| {
        let files: BTreeSet<_> = extractor.wants().iter().map(|want| format!("`{}`", want.pattern)).collect();
        (extractor.name().to_owned(), files.into_iter().collect::<Vec<_>>().join(" "))
    });
    section("Extractors", ["name", "files"], rows.collect());
    let modes = [IoMode::Auto, IoMode::Uring, IoMode::Pread, IoMode::Mmap];
    let word = |mode: IoMode| match mode {
        IoMode::Auto => "whatever suits the source, by a stated rule",
        IoMode::Uring => "io_uring",
        IoMode::Pread => "positioned reads",
        IoMode::Mmap => "a memory map",
    };
    let rows = modes.map(|mode| (mode.name().to_owned(), word(mode).to_owned()));
    section("Readers", ["`--io`", "reads with"], rows.into());
    lines.join("\n")
}

#[test]
fn the_page_says_what_the_registries_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/support.md");
    let wanted = page();
    if env::var_os("COLDREAD_BLESS").is_some() {
        fs::write(&path, &wanted).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap();
    if found != wanted {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let (is, must) = (lines(&found), lines(&wanted));
        let show =
            |lines: Vec<&String>| lines.into_iter().fold(String::new(), |text, line| text + "\n    " + line);
        panic!(
            "docs/support.md is not what the registries hold; COLDREAD_BLESS=1 with this test writes it anew.\n\
             lines to add:{}\nlines to take away:{}",
            show(must.difference(&is).collect()),
            show(is.difference(&must).collect())
        );
    }
}

/// A row of the README's table of what is read: its cells, in lower case.
fn row(readme: &str, name: &str) -> Vec<String> {
    let line = readme.lines().find(|line| line.starts_with(&format!("| {name} |")));
    line.unwrap_or_else(|| panic!("README has no row {name:?}")).split('|').map(str::to_lowercase).collect()
}

#[test]
fn the_readme_does_not_contradict_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains("docs/support.md"), "README does not lead to docs/support.md");
    let cells = row(&readme, "filesystems");
    let words =
        |cell: &str| cell.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<BTreeSet<_>>();
    let (read, named) = (words(&cells[2]), words(&cells[3]));
    for driver in FILESYSTEMS {
        assert!(
            read.contains(driver.name()),
            "README's row filesystems: add {} to what is read",
            driver.name()
        );
        assert!(!named.contains(driver.name()), "README's row filesystems: {} is read", driver.name());
    }
    for mode in [IoMode::Auto, IoMode::Uring, IoMode::Pread, IoMode::Mmap] {
        assert!(readme.contains(mode.name()), "README: add {} to --io", mode.name());
    }
}

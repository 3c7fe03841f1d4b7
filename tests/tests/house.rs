//! The house's rules: who may use whom, and where `unsafe`, sled and protobuf may be named.
//!
//! The table is the one in ARCHITECTURE.md ("The crates"). Rules are plain functions over what `cargo
//! metadata` and the sources say, so that each can be shown a house that breaks it.

// What a rule needs to look at must be there, or the test fails.
#![allow(clippy::unwrap_used)]

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Each crate of ours and which others it may use. Crates that only test and measure, and the program that
/// wires everything together, may use all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("coldread-model", &[]),
    ("coldread-fsparse", &["coldread-model"]),
    ("coldread-artifacts", &["coldread-model"]),
    ("coldread-store", &["coldread-model"]),
    ("coldread-proto", &["coldread-model"]),
    ("coldread-worker", &["coldread-model", "coldread-fsparse", "coldread-artifacts", "coldread-proto"]),
    ("coldread-coordinator", &["coldread-model", "coldread-store", "coldread-proto"]),
];
const MAY_USE_ALL: &[&str] = &["coldread", "benches", "tests", "xtask"];

/// Crates from outside that one crate of ours has to itself.
const OWNED: &[(&str, &str)] = &[
    ("sled", "coldread-store"),
    ("prost", "coldread-proto"),
    ("prost-types", "coldread-proto"),
    ("tonic-prost", "coldread-proto"),
    ("tonic-prost-build", "coldread-proto"),
    ("protox", "coldread-proto"),
    ("io-uring", "coldread-worker"),
    ("memmap2", "coldread-worker"),
];

/// Crates that parse hostile bytes or hold the nouns, and what must not be anywhere beneath them.
const PURE: &[&str] = &["coldread-model", "coldread-fsparse", "coldread-artifacts"];
const NO_NETWORK: &[&str] = &["tokio", "tonic", "hyper", "mio", "prost", "socket2"];

/// A dependency as a crate of ours declares it.
#[derive(Clone, Debug)]
struct Edge {
    from: String,
    to: String,
    kind: DependencyKind,
}

/// The edges of our own crates, to each other and to the outside.
fn edges(metadata: &Metadata) -> Vec<Edge> {
    metadata
        .workspace_packages()
        .into_iter()
        .flat_map(|package| {
            package.dependencies.iter().map(|dependency| Edge {
                from: package.name.to_string(),
                to: dependency.name.clone(),
                kind: dependency.kind,
            })
        })
        .collect()
}

/// The edges between our crates that the table does not allow, in words. A crate that the table does not
/// know may use and be used by nobody: it has to be placed first.
fn wrong_edges(ours: &BTreeSet<String>, edges: &[Edge]) -> Vec<String> {
    let table: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let allowed = |edge: &Edge| {
        MAY_USE_ALL.contains(&edge.from.as_str())
            || table.get(edge.from.as_str()).is_some_and(|list| list.contains(&edge.to.as_str()))
    };
    let mut wrong: Vec<String> = edges
        .iter()
        .filter(|edge| ours.contains(&edge.to) && !allowed(edge))
        .map(|edge| format!("{} must not use {} ({:?})", edge.from, edge.to, edge.kind))
        .collect();
    wrong.extend(
        ours.iter()
            .filter(|name| !table.contains_key(name.as_str()) && !MAY_USE_ALL.contains(&name.as_str()))
            .map(|name| format!("{name} has no place in the table")),
    );
    wrong
}

/// Crates from outside that someone else than their owner names, for tests too.
fn stolen(edges: &[Edge]) -> Vec<String> {
    let owner = |name: &str| OWNED.iter().find(|(owned, _)| *owned == name).map(|(_, owner)| *owner);
    edges
        .iter()
        .filter(|edge| owner(&edge.to).is_some_and(|owner| owner != edge.from))
        .map(|edge| format!("{} names {}, which belongs to {:?}", edge.from, edge.to, owner(&edge.to)))
        .collect()
}

/// Everything beneath `root` but for development, by name, with the way to it.
fn beneath<'a>(graph: &BTreeMap<&'a str, Vec<&'a str>>, root: &'a str) -> BTreeMap<&'a str, String> {
    let mut ways = BTreeMap::from([(root, root.to_owned())]);
    let mut next = vec![root];
    while let Some(name) = next.pop() {
        for &below in graph.get(name).into_iter().flatten() {
            if !ways.contains_key(below) {
                let way = format!("{} → {below}", ways[name]);
                ways.insert(below, way);
                next.push(below);
            }
        }
    }
    ways.remove(root);
    ways
}

/// What `root` reaches and must not.
fn reached<'a>(graph: &BTreeMap<&'a str, Vec<&'a str>>, root: &'a str, banned: &[&str]) -> Vec<String> {
    beneath(graph, root).into_iter().filter(|(name, _)| banned.contains(name)).map(|(_, way)| way).collect()
}

/// Every place where a Rust source says `word` outside comments and strings, as line numbers from 1.
fn says(source: &str, word: &str) -> Vec<usize> {
    code_only(source)
        .lines()
        .enumerate()
        .filter(|(_, line)| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|identifier| identifier == word)
        })
        .map(|(nth, _)| nth + 1)
        .collect()
}

/// The source with comments, strings and character literals blanked out; lines stay where they are.
fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    let starts = |at: usize, with: &str| bytes[at..].starts_with(with.as_bytes());
    while at < bytes.len() {
        let end = if starts(at, "//") {
            source[at..].find('\n').map_or(bytes.len(), |len| at + len)
        } else if starts(at, "/*") {
            block_comment_end(bytes, at)
        } else if starts(at, "r\"") || starts(at, "r#") {
            let hashes = bytes[at + 1..].iter().take_while(|&&byte| byte == b'#').count();
            let close = format!("\"{}", "#".repeat(hashes));
            match bytes.get(at + 1 + hashes) {
                Some(b'"') => {
                    let body = at + 2 + hashes;
                    source[body..].find(&close).map_or(bytes.len(), |len| body + len + close.len())
                }
                // A raw identifier.
                _ => at,
            }
        } else if bytes[at] == b'"' {
            string_end(bytes, at)
        } else if bytes[at] == b'\'' {
            character_end(source, at)
        } else {
            at
        };
        if end > at {
            out.extend(bytes[at..end].iter().map(|&byte| if byte == b'\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(if bytes[at].is_ascii() { char::from(bytes[at]) } else { 'x' });
            at += 1;
        }
    }
    out
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The end of a character literal, or `start` where the quote begins a lifetime.
fn character_end(source: &str, start: usize) -> usize {
    let body = &source[start + 1..];
    let len = match body.chars().next() {
        Some('\\') => 2 + body[2..].find('\'').unwrap_or(0),
        Some(character) => character.len_utf8(),
        None => 0,
    };
    if body[len..].starts_with('\'') { start + 1 + len + 1 } else { start }
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// The Rust sources under a directory, build products left out.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What is declared; reads no registry.
fn declared() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap()
}

fn names(metadata: &Metadata) -> BTreeSet<String> {
    metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect()
}

#[test]
fn our_crates_use_each_other_only_as_the_table_says() {
    let metadata = declared();
    let ours = names(&metadata);
    assert!(ours.contains("coldread-model") && ours.contains("coldread"), "not our workspace: {ours:?}");
    let edges = edges(&metadata);
    assert!(edges.iter().any(|edge| edge.from == "coldread-worker" && edge.to == "coldread-fsparse"));
    assert_eq!(wrong_edges(&ours, &edges), Vec::<String>::new());
}

#[test]
fn an_edge_that_the_table_lacks_is_found() {
    let ours: BTreeSet<String> =
        ["coldread-model", "coldread-fsparse", "coldread-coordinator", "tests"].map(str::to_owned).into();
    let edge = |from: &str, to: &str, kind| Edge { from: from.to_owned(), to: to.to_owned(), kind };
    let normal = DependencyKind::Normal;
    let fine = [
        edge("coldread-fsparse", "coldread-model", normal),
        edge("coldread-fsparse", "serde", normal),
        edge("tests", "coldread-coordinator", DependencyKind::Development),
    ];
    assert_eq!(wrong_edges(&ours, &fine), Vec::<String>::new());
    for bad in [
        edge("coldread-coordinator", "coldread-fsparse", normal),
        edge("coldread-model", "coldread-fsparse", DependencyKind::Development),
        edge("coldread-fsparse", "tests", DependencyKind::Build),
    ] {
        assert_eq!(wrong_edges(&ours, std::slice::from_ref(&bad)).len(), 1, "{bad:?}");
    }
    let stranger = ["coldread-model", "coldread-helpers"].map(str::to_owned).into();
    assert_eq!(wrong_edges(&stranger, &[]), ["coldread-helpers has no place in the table"]);
}

#[test]
fn sled_protobuf_and_the_kernel_interfaces_have_one_owner_each() {
    let edges = edges(&declared());
    assert_eq!(stolen(&edges), Vec::<String>::new());
    let thief = Edge {
        from: "coldread-coordinator".to_owned(),
        to: "sled".to_owned(),
        kind: DependencyKind::Development,
    };
    assert_eq!(stolen(&[thief]).len(), 1);
}

#[test]
fn parsers_know_no_network_and_no_runtime() {
    // What is built for this machine has been fetched already; what is only for others is left out.
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--offline", "--filter-platform", &host].map(str::to_owned))
        .exec()
        .unwrap();
    let name = |id: &PackageId| metadata[id].name.as_str();
    let resolve = metadata.resolve.as_ref().unwrap();
    let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in &resolve.nodes {
        let used = node.deps.iter().filter(|dependency| {
            dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
        });
        // Versions of one crate count as one.
        graph.entry(name(&node.id)).or_default().extend(used.map(|dependency| name(&dependency.pkg)));
    }
    assert!(!reached(&graph, "coldread-worker", NO_NETWORK).is_empty(), "the worker does use tokio");
    for crate_name in PURE {
        assert!(beneath(&graph, crate_name).contains_key("serde"), "{crate_name} was not found");
        assert_eq!(reached(&graph, crate_name, NO_NETWORK), Vec::<String>::new());
    }
}

#[test]
fn parsers_and_nouns_forbid_the_word() {
    for package in PURE {
        let folder = package.trim_start_matches("coldread-");
        let text = fs::read_to_string(root().join(folder).join("src/lib.rs")).unwrap();
        assert!(text.lines().any(|line| line == "#![forbid(unsafe_code)]"), "{folder}/src/lib.rs");
    }
}

#[test]
fn the_word_is_said_only_where_the_worker_reads() {
    let (root, mut found) = (root(), Vec::new());
    sources(&root, &mut found);
    assert!(found.contains(&root.join("model/src/lib.rs")), "the sources were not found");
    for path in found {
        let at = path.strip_prefix(&root).unwrap();
        if at.starts_with("worker/src/io") {
            continue;
        }
        let lines = says(&fs::read_to_string(&path).unwrap(), "unsafe");
        assert_eq!(lines, Vec::<usize>::new(), "{} says unsafe", at.display());
    }
}

#[test]
fn the_word_is_found_in_code_and_not_in_words_about_it() {
    let source = "// unsafe\n/* unsafe /* unsafe */ unsafe */ fn f<'a>() {}\nlet s = \"unsafe \\\" unsafe\";\n\
                  let r = r#\"unsafe \" unsafe\"#; let c = '\"'; let q = '\\'';\n#![forbid(unsafe_code)]\n";
    assert_eq!(says(source, "unsafe"), Vec::<usize>::new());
    assert_eq!(says(&format!("{source}let x = unsafe {{ y }};"), "unsafe"), [6]);
    assert_eq!(says("let c = '\\\\'; unsafe fn g() {}", "unsafe"), [1]);
    assert_eq!(says("['é','\"'] unsafe { '\"' }", "unsafe"), [1]);
    assert_eq!(says("fn é() {}\nunsafe impl Send for X {}", "unsafe"), [2]);
}

#[test]
fn every_crate_obeys_the_workspaces_lints() {
    for package in declared().workspace_packages() {
        let text = fs::read_to_string(&package.manifest_path).unwrap();
        assert!(text.contains("\n[lints]\nworkspace = true\n"), "{} has no [lints]", package.name);
    }
}

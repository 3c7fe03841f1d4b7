//! Runs extractors on files as a caller does.

use coldread_artifacts::{Companion, Context, EXTRACTORS, Input, Wants, output::finish, view::MemoryView};
use coldread_model::{Findings, Timestamp};
use std::{path::PathBuf, process::Command};

/// What all extractors that want `path` make of `bytes`.
pub(crate) fn extract(path: &str, bytes: Vec<u8>, mtime: i64, context: &Context) -> Findings {
    extract_with(path, bytes, &mut [], mtime, context)
}

/// The same, with companions.
pub(crate) fn extract_with(
    path: &str,
    bytes: Vec<u8>,
    companions: &mut [(&'static str, MemoryView)],
    mtime: i64,
    context: &Context,
) -> Findings {
    let wants = Wants::of(EXTRACTORS);
    let wanted = wants.of_path(path.as_bytes());
    assert!(!wanted.is_empty(), "nobody wants {path}");
    let mut view = MemoryView::from(bytes);
    let mut parts = Vec::new();
    for wanted in wanted {
        let mut found = Findings::default();
        let mut input = Input::new(path.as_bytes(), "p1", &mut view);
        input.mtime = Timestamp::new(mtime, 0);
        for (suffix, view) in &mut *companions {
            if wanted.want.companions.contains(suffix) {
                input.companions.push(Companion { suffix, view });
            }
        }
        wanted.extractor.extract(&mut input, context, &mut found);
        parts.push(found);
    }
    finish(context, parts)
}

/// What a command writes, or `None` (with a word about it) where it cannot be run.
pub(crate) fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).env("LC_ALL", "C").env("TZ", "UTC").output() {
        Ok(output) if output.status.success() => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => {
            println!("skipped: {program}: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            println!("skipped: {program}: {error}");
            None
        }
    }
}

/// A file of the corpus of real databases and logs, or `None` (with a word about it) where there is none.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("COLDREAD_CORPUS") else {
        println!("skipped: COLDREAD_CORPUS is not set");
        return None;
    };
    Some(PathBuf::from(root).join(name))
}

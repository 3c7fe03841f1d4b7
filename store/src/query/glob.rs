//! Patterns of names and paths. They come from whoever asks, so what cannot be compiled is an error, and what would take
//! much room or a deep stack is refused before.

use crate::error::{Error, Result};
use globset::{Candidate, GlobBuilder, GlobSet};
use std::path::Path;

/// Bytes of a pattern, at most …
const MAX_BYTES: usize = 4096;
/// … and braces that are open at a time.
const MAX_DEPTH: usize = 32;
/// Characters of a refused pattern that are told.
const SHOWN: usize = 100;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern(GlobSet);

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatternOptions {
    /// Upper and lower case are the same.
    pub any_case: bool,
    /// `*` and `?` stop at a slash, `**` does not.
    pub paths: bool,
}

impl Pattern {
    /// Compiles a pattern.
    pub fn new(pattern: &str, options: PatternOptions) -> Result<Self> {
        let refused = |reason| Self::refused(pattern, reason);
        if pattern.len() > MAX_BYTES {
            return Err(refused(format!("{} bytes are more than {MAX_BYTES}", pattern.len())));
        }
        if depth(pattern) > MAX_DEPTH {
            return Err(refused(format!("more than {MAX_DEPTH} braces within one another")));
        }
        let glob = GlobBuilder::new(pattern)
            .case_insensitive(options.any_case)
            .literal_separator(options.paths)
            .build()
            .map_err(|error| refused(error.kind().to_string()))?;
        // A matcher of one glob panics where a set of one says what is wrong.
        let set = GlobSet::builder().add(glob).build().map_err(|error| refused(error.kind().to_string()))?;
        Ok(Self(set))
    }

    /// The error over a pattern, of which the beginning is told.
    pub(super) fn refused(pattern: &str, reason: String) -> Error {
        Error::Pattern { pattern: pattern.chars().take(SHOWN).collect(), reason }
    }

    /// Whether a name or path matches as a whole.
    pub fn is_match(&self, text: impl AsRef<Path>) -> bool {
        self.0.is_match_candidate(&Candidate::new(text.as_ref()))
    }
}

/// Braces that are open at a time, at most; escaped ones count too.
fn depth(pattern: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for byte in pattern.bytes() {
        match byte {
            b'{' => open += 1,
            b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_compiled_is_refused_and_never_a_panic() {
        let read = |pattern: &str| Pattern::new(pattern, PatternOptions::default());
        let nested = |depth: usize| format!("{}a{}", "{".repeat(depth), "}".repeat(depth));
        assert!(read(&nested(MAX_DEPTH)).unwrap().is_match("a"));
        for wrong in [
            nested(MAX_DEPTH + 1),
            nested(300),
            "{".repeat(3_000_000),
            "?".repeat(3_000_000),
            "[a-".to_owned(),
            "{a".to_owned(),
        ] {
            let error = read(&wrong).unwrap_err();
            assert!(matches!(&error, Error::Pattern { .. }) && error.to_string().len() < 600, "{error}");
        }
        // The longest that are taken, whatever is in them.
        for part in ["?", "*", "**/", "[!a-z]", "{a,b}", "{a*,[b-c]?}", "é", "[\u{1}-\u{10ffff}]"] {
            for any_case in [false, true] {
                let options = PatternOptions { any_case, paths: true };
                let pattern = part.repeat(MAX_BYTES / part.len());
                if let Ok(pattern) = Pattern::new(&pattern, options) {
                    pattern.is_match("a/b");
                }
            }
        }
    }

    #[test]
    fn case_and_slashes_are_as_asked() {
        let matches = |pattern, any_case, paths, text: &str| {
            Pattern::new(pattern, PatternOptions { any_case, paths }).unwrap().is_match(text)
        };
        assert!(matches("/etc/*", false, false, "/etc/a/b") && !matches("/etc/*", false, true, "/etc/a/b"));
        assert!(
            matches("permit*", true, false, "PermitRootLogin") && !matches("permit*", false, false, "Permit")
        );
    }
}

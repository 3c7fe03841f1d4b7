//! Which paths of a volume are asked for.

use super::{Pattern, PatternOptions};
use crate::error::{Error, Result};
use coldread_model::listing::StableRow;
use std::{ffi::OsStr, ops::Range, os::unix::ffi::OsStrExt};

/// A choice of paths in a volume, in bytes.
#[derive(Clone, Debug)]
pub struct PathFilter {
    /// What every path that matches starts with; `/` where nothing is known.
    lead: Vec<u8>,
    rest: Rest,
}

/// What else a path must be.
#[derive(Clone, Debug)]
enum Rest {
    /// The lead itself or below it.
    Under,
    /// Matched by a pattern.
    Glob(Pattern),
}

impl PathFilter {
    /// Every path.
    pub fn all() -> Self {
        Self::under(b"/")
    }

    /// `path` itself and everything below it.
    pub fn under(path: &[u8]) -> Self {
        let trimmed = trim_slashes(path);
        let mut lead = vec![b'/'];
        lead.extend_from_slice(trimmed);
        Self { lead, rest: Rest::Under }
    }

    /// Paths that `pattern` matches as a whole: `*` and `?` stop at a slash, `**` does not. A pattern that does
    /// not start with a slash may match at any depth.
    pub fn glob(pattern: &str) -> Result<Self> {
        let anchored = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/**/{pattern}") };
        let glob = Pattern::new(&anchored, PatternOptions { paths: true, ..PatternOptions::default() });
        // The pattern as it was given.
        let glob = glob.map_err(|error| match error {
            Error::Pattern { reason, .. } => Pattern::refused(pattern, reason),
            other => other,
        })?;
        let literal = anchored.find(['*', '?', '[', ']', '{', '}', '\\']).unwrap_or(anchored.len());
        Ok(Self { lead: anchored.as_bytes()[..literal].to_vec(), rest: Rest::Glob(glob) })
    }

    /// Ranges of directories outside of which nothing matches; nothing where all must be looked at.
    pub(super) fn parents(&self) -> Option<[Range<Vec<u8>>; 2]> {
        if self.lead.len() <= 1 {
            return None;
        }
        // A path that starts with the lead is either in the directory that the lead's last slash ends, or in
        // one that starts with the lead itself.
        let directory = self.directory().to_vec();
        let behind = [&directory, &b"\0"[..]].concat();
        let mut end = self.lead.clone();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                break;
            }
        }
        Some([directory..behind, self.lead.clone()..end])
    }

    /// Whether a row with this parent may match.
    pub(super) fn may_match_in(&self, parent: &[u8]) -> bool {
        self.lead.len() <= 1 || parent.starts_with(&self.lead) || parent == self.directory()
    }

    /// The directory that the lead's last slash ends.
    fn directory(&self) -> &[u8] {
        let slash = self.lead.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        &self.lead[..slash.max(1)]
    }

    /// Whether the row matches; `path` is room to join its path in.
    pub(super) fn matches(&self, row: &StableRow<'_>, path: &mut Vec<u8>) -> bool {
        if !self.may_match_in(row.parent) {
            return false;
        }
        if matches!(self.rest, Rest::Under) && self.lead.len() <= 1 {
            return true;
        }
        path.clear();
        path.extend_from_slice(if row.parent == b"/" { b"" } else { row.parent });
        path.push(b'/');
        path.extend_from_slice(row.name);
        match &self.rest {
            Rest::Under => {
                path.strip_prefix(&self.lead[..]).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
            }
            Rest::Glob(glob) => glob.is_match(OsStr::from_bytes(path)),
        }
    }
}

/// A path without the slashes at both ends.
fn trim_slashes(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(start, |last| last + 1);
    &path[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::{FileKind, RowFlags, Timestamp};
    use proptest::prelude::*;

    fn row<'a>(parent: &'a [u8], name: &'a [u8]) -> StableRow<'a> {
        StableRow {
            parent,
            name,
            stream: b"",
            kind: FileKind::File,
            flags: RowFlags::empty(),
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Timestamp::default(),
            target: b"",
            xattrs: b"",
            rdev: (0, 0),
        }
    }

    fn matches(filter: &PathFilter, parent: &str, name: &str) -> bool {
        filter.matches(&row(parent.as_bytes(), name.as_bytes()), &mut Vec::new())
    }

    #[test]
    fn directories_end_at_slashes() {
        for given in ["/etc/ssh", "etc/ssh/", "//etc/ssh//"] {
            let filter = PathFilter::under(given.as_bytes());
            assert!(matches(&filter, "/etc", "ssh"));
            assert!(matches(&filter, "/etc/ssh", "sshd_config"));
            assert!(matches(&filter, "/etc/ssh/a/b", "c"));
            assert!(!matches(&filter, "/etc", "ssh2"));
            assert!(!matches(&filter, "/etc/ssh2", "x"));
            assert!(!matches(&filter, "/", "etc"));
        }
        assert!(matches(&PathFilter::all(), "", ""));
        assert!(matches(&PathFilter::under(b""), "/x", "y"));
        assert!(!matches(&PathFilter::under(b"/a"), "", ""));
        assert!(matches(&PathFilter::under(b"/a"), "/", "a"));
    }

    #[test]
    fn patterns() {
        let glob = |pattern: &str| PathFilter::glob(pattern).unwrap();
        assert!(matches(&glob("/etc/*.conf"), "/etc", "a.conf"));
        assert!(!matches(&glob("/etc/*.conf"), "/etc/x", "a.conf"));
        assert!(matches(&glob("/etc/**/*.conf"), "/etc/x/y", "a.conf"));
        assert!(matches(&glob("/etc/**/*.conf"), "/etc", "a.conf"));
        assert!(matches(&glob("passwd"), "/etc", "passwd"));
        assert!(matches(&glob("passwd"), "/", "passwd"));
        assert!(!matches(&glob("passwd"), "/etc", "passwd-"));
        assert!(matches(&glob("/etc/{shadow,passwd}"), "/etc", "shadow"));
        assert!(matches(&glob("/"), "", ""));
        assert!(glob("/usr/lib*/x").may_match_in(b"/usr/lib64"));
        assert!(PathFilter::glob("[").unwrap_err().to_string().contains("\"[\""));
        assert!(PathFilter::glob(&"{".repeat(5000)).unwrap_err().to_string().len() < 300);
        let odd = [0xff, b'.', b'c'];
        assert!(glob("*.c").matches(&row(b"/", &odd), &mut Vec::new()));
    }

    proptest! {
        #[test]
        fn whatever_matches_lies_in_the_ranges(
            lead in "/[ab/]{0,5}", parent in "/[ab]{0,2}(/[ab-]{1,2}){0,2}", name in "[ab-]{1,2}", star: bool
        ) {
            let filter = if star {
                PathFilter::glob(&format!("{lead}*")).unwrap()
            } else {
                PathFilter::under(lead.as_bytes())
            };
            if matches(&filter, &parent, &name) {
                prop_assert!(filter.may_match_in(parent.as_bytes()));
                if let Some(ranges) = filter.parents() {
                    prop_assert!(ranges.iter().any(|range| range.contains(&parent.as_bytes().to_vec())));
                }
            }
        }
    }
}

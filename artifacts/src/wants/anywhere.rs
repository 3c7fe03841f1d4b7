//! Wants that any directory may satisfy: an index of last components, asked once for each name of a disk.

use super::{Take, Wanted};
use std::collections::HashMap;

/// Pairs of last bytes.
const PAIRS: usize = 1 << 16;

/// Wants whose patterns have `**`, by what their last component says of a name.
pub struct Anywhere<'a> {
    /// By the whole name, in lower case.
    exact: HashMap<Vec<u8>, Vec<Wanted<'a>>>,
    /// By what follows the last dot, in lower case.
    endings: HashMap<Vec<u8>, Vec<Wanted<'a>>>,
    /// Those that no end of a name tells.
    others: Vec<Wanted<'a>>,
    /// The wants of executables.
    executables: Vec<Wanted<'a>>,
    /// A bit for each pair of last bytes, in lower case, that a name of `exact` or `endings` has.
    ends: Vec<u64>,
}

impl Default for Anywhere<'_> {
    fn default() -> Self {
        let (exact, endings) = (HashMap::new(), HashMap::new());
        Self { exact, endings, others: Vec::new(), executables: Vec::new(), ends: vec![0; PAIRS / 64] }
    }
}

impl<'a> Anywhere<'a> {
    pub(super) fn add(&mut self, wanted: Wanted<'a>) {
        if matches!(wanted.want.take, Take::Executables { .. }) {
            self.executables.push(wanted);
            return;
        }
        let last = wanted.want.split().1.to_ascii_lowercase();
        let tail = match memchr::memrchr(b'*', &last) {
            None => {
                self.mark(&last);
                self.exact.entry(last).or_default().push(wanted);
                return;
            }
            Some(star) => &last[star + 1..],
        };
        match memchr::memrchr(b'.', tail) {
            Some(dot) => {
                self.mark(tail);
                self.endings.entry(tail[dot + 1..].to_vec()).or_default().push(wanted);
            }
            None => self.others.push(wanted),
        }
    }

    fn mark(&mut self, end: &[u8]) {
        let pair = pair(end);
        self.ends[pair / 64] |= 1 << (pair % 64);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty()
            && self.endings.is_empty()
            && self.others.is_empty()
            && self.executables.is_empty()
    }

    /// The wants of executables, whatever their names.
    pub fn executables(&self) -> &[Wanted<'a>] {
        &self.executables
    }

    /// Whether one of the patterns may take `name`: quick, and right where it says no.
    pub fn may_take(&self, name: &[u8]) -> bool {
        let pair = pair(name);
        self.ends[pair / 64] >> (pair % 64) & 1 != 0 || !self.others.is_empty()
    }

    /// Who wants what `directory` (a path without a `/` at its end) has under `name`.
    pub fn of(&self, directory: &[u8], name: &[u8]) -> Vec<Wanted<'a>> {
        let lower = name.to_ascii_lowercase();
        let ending = memchr::memrchr(b'.', &lower).map(|dot| &lower[dot + 1..]);
        let exact = self.exact.get(&lower).into_iter().flatten();
        let endings = ending.and_then(|ending| self.endings.get(ending)).into_iter().flatten();
        let all = exact.chain(endings).chain(&self.others);
        all.filter(|wanted| wanted.takes(name) && wanted.want.takes_directory(directory)).copied().collect()
    }
}

/// The last two bytes of a name in lower case.
fn pair(name: &[u8]) -> usize {
    let byte = |back: usize| {
        let at = name.len().checked_sub(back);
        at.map_or(0, |at| usize::from(name[at].to_ascii_lowercase()))
    };
    byte(2) << 8 | byte(1)
}

impl std::fmt::Debug for Anywhere<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let indexed = self.exact.values().chain(self.endings.values()).flatten();
        f.debug_list().entries(indexed.chain(&self.others).chain(&self.executables)).finish()
    }
}

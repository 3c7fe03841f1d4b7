//! Wants that any directory may satisfy: an index of last components, asked once for each name of a disk.

use super::{Take, Wanted};

/// Pairs of last bytes.
const PAIRS: usize = 1 << 16;

/// Wants whose patterns have `**`, by what their last component says of a name.
pub struct Anywhere<'a> {
    /// Those whose last component ends in a text: by its last two bytes in lower case. The first is empty.
    ends: Vec<Vec<Wanted<'a>>>,
    /// For each pair of last bytes its place in `ends`.
    places: Vec<u16>,
    /// Those that no end of a name tells.
    others: Vec<Wanted<'a>>,
    /// The wants of executables.
    executables: Vec<Wanted<'a>>,
}

/// What [`Anywhere`] says of the names in one directory.
pub struct Here<'w, 'a> {
    anywhere: &'w Anywhere<'a>,
    directory: &'w [u8],
    others: Vec<Wanted<'a>>,
}

impl Default for Anywhere<'_> {
    fn default() -> Self {
        Self { ends: vec![Vec::new()], places: vec![0; PAIRS], others: Vec::new(), executables: Vec::new() }
    }
}

impl<'a> Anywhere<'a> {
    pub(super) fn add(&mut self, wanted: Wanted<'a>) {
        if matches!(wanted.want.take, Take::Executables { .. }) {
            self.executables.push(wanted);
            return;
        }
        let last = wanted.want.split().1;
        let star = memchr::memrchr(b'*', last);
        let tail = &last[star.map_or(0, |star| star + 1)..];
        // One byte after a `*` may follow any other: such a pattern has no pair.
        if star.is_some() && tail.len() < 2 {
            self.others.push(wanted);
            return;
        }
        let place = &mut self.places[pair(tail)];
        if *place == 0 {
            // There are no more lists than pairs with one, so the last number is never reached by a registry.
            *place = u16::try_from(self.ends.len()).unwrap_or(0);
            self.ends.push(Vec::new());
        }
        match *place {
            0 => self.others.push(wanted),
            place => self.ends[usize::from(place)].push(wanted),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.len() == 1 && self.others.is_empty() && self.executables.is_empty()
    }

    /// The wants of executables, whatever their names.
    pub fn executables(&self) -> &[Wanted<'a>] {
        &self.executables
    }

    /// What is wanted in `directory` (a path without a `/` at its end).
    pub fn in_directory<'w>(&'w self, directory: &'w [u8]) -> Here<'w, 'a> {
        let others = self.others.iter().filter(|wanted| wanted.want.takes_directory(directory));
        Here { anywhere: self, directory, others: others.copied().collect() }
    }
}

impl<'w, 'a> Here<'w, 'a> {
    /// Who wants what the directory has under `name`. Of most names two bytes are looked at.
    pub fn of(&'w self, name: &'w [u8]) -> impl Iterator<Item = Wanted<'a>> + 'w {
        let place = self.anywhere.places[pair(name)];
        let ends = self.anywhere.ends[usize::from(place)].iter();
        let ends = ends.filter(|wanted| wanted.takes(name) && wanted.want.takes_directory(self.directory));
        ends.chain(self.others.iter().filter(|wanted| wanted.takes(name))).copied()
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
        let all = self.ends.iter().flatten().chain(&self.others).chain(&self.executables);
        f.debug_list().entries(all).finish()
    }
}

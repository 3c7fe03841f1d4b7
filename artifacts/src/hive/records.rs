//! A hive as extractors use it: what cannot be read becomes a gap, and the rest is read on.

use super::{Data, Hive, HiveError, Key, LOGS, STRUCTURE};
use crate::{
    Input, Output,
    input::{Companion, FileGaps, PACKAGES_PER_FILE, Place},
};
use coldread_model::{GapKind, Package, Timestamp};
use std::fmt::Display;

/// Bytes of names of one key's values that are kept: real keys have some kilobytes.
const MAX_NAMES: usize = 16 << 20;

/// An open hive with a place for its gaps.
pub struct Records<'a, 'o> {
    hive: Hive<'a>,
    gaps: FileGaps<'a>,
    /// Packages that the hive told.
    packages: u64,
    /// The name of the first one beyond those that are told.
    beyond: Option<String>,
    /// Where the hive is.
    pub place: Place<'a>,
    /// Where findings go.
    pub out: &'o mut dyn Output,
}

impl<'a, 'o> Records<'a, 'o> {
    /// Opens the wanted file and its logs; a gap and nothing where that fails.
    pub fn open(input: &'a mut Input<'_>, out: &'o mut dyn Output) -> Option<Self> {
        let place = input.place();
        let logs = input.companions.iter_mut().filter(|one| LOGS.contains(&one.suffix));
        let logs = logs.map(|one| &mut *one.view as _).collect();
        Self::new(place, Hive::open(input.view, logs), out)
    }

    /// Opens a companion that is a hive itself, with the logs whose names begin with its own.
    pub fn open_sibling(
        place: Place<'a>,
        name: &str,
        companions: &'a mut [Companion<'_>],
        out: &'o mut dyn Output,
    ) -> Option<Self> {
        let (mut hive, mut logs): (_, Vec<&mut dyn crate::view::FileView>) = (None, Vec::new());
        for companion in companions {
            match companion.suffix.strip_prefix(name) {
                Some("") => hive = Some(&mut *companion.view as _),
                Some(end) if LOGS.contains(&end) => logs.push(&mut *companion.view as _),
                _ => {}
            }
        }
        Self::new(place, Hive::open(hive?, logs), out)
    }

    fn new(place: Place<'a>, hive: Result<Hive<'a>, HiveError>, out: &'o mut dyn Output) -> Option<Self> {
        let mut gaps = place.gaps(STRUCTURE);
        match hive {
            Ok(mut hive) => {
                for (kind, reason) in std::mem::take(&mut hive.notes) {
                    gaps.push(out, kind, reason);
                }
                Some(Self { hive, gaps, packages: 0, beyond: None, place, out })
            }
            Err(error) => {
                gaps.push(out, error.gap_kind(), error);
                None
            }
        }
    }

    /// Records a gap.
    pub fn gap(&mut self, kind: GapKind, reason: impl Display) {
        self.gaps.push(self.out, kind, reason);
    }

    /// Tells a package, unless there were too many: lists of keys may name one key any number of times.
    pub fn package(&mut self, row: Package) {
        self.packages += 1;
        if self.packages <= PACKAGES_PER_FILE {
            self.out.package(row);
        } else {
            self.beyond.get_or_insert(row.name);
        }
    }

    fn or_gap<T>(&mut self, result: Result<Option<T>, HiveError>) -> Option<T> {
        result.unwrap_or_else(|error| {
            self.gap(error.gap_kind(), error);
            None
        })
    }

    /// The key at a path of names with `\` between them.
    pub fn key(&mut self, path: &str) -> Option<Key> {
        let found = self.hive.open_key(path);
        self.or_gap(found)
    }

    /// The subkey with a name.
    pub fn subkey(&mut self, key: &Key, name: &str) -> Option<Key> {
        let found = self.hive.subkey(key, name);
        self.or_gap(found)
    }

    /// Calls `each` with every subkey.
    pub fn each_subkey(&mut self, key: &Key, mut each: impl FnMut(&mut Self, Key)) {
        let listed = self.hive.subkeys(key);
        if let Some(error) = listed.error {
            self.gap(error.gap_kind(), error);
        }
        for cell in listed.cells {
            let found = self.hive.key(cell).map(Some);
            if let Some(key) = self.or_gap(found) {
                each(self, key);
            }
        }
    }

    /// The names of a key's values.
    pub fn value_names(&mut self, key: &Key) -> Vec<String> {
        let listed = self.hive.values(key);
        if let Some(error) = listed.error {
            self.gap(error.gap_kind(), error);
        }
        let (mut names, mut held) = (Vec::new(), 0_usize);
        for cell in listed.cells {
            let found = self.hive.value(cell).map(Some);
            let Some(value) = self.or_gap(found) else { continue };
            held = held.saturating_add(value.name.len());
            if held > MAX_NAMES {
                let reason = format!("{}: names of values of more than {MAX_NAMES} bytes", key.name);
                self.gap(GapKind::Limit, reason);
                break;
            }
            names.push(value.name);
        }
        names
    }

    /// The data of a value.
    pub fn data(&mut self, key: &Key, name: &str) -> Option<Data> {
        let found = self.hive.named(key, name);
        self.or_gap(found)
    }

    /// The text of a value, without spaces around it; an empty one is none.
    pub fn text(&mut self, key: &Key, name: &str) -> Option<String> {
        let text = self.data(key, name)?.text()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The number of a value.
    pub fn number(&mut self, key: &Key, name: &str) -> Option<u64> {
        self.data(key, name)?.number()
    }

    /// Tells how many packages and gaps there were beyond those told.
    pub fn finish(mut self) {
        if let Some(first) = &self.beyond {
            let more = self.packages - PACKAGES_PER_FILE;
            let reason =
                format!("{more} packages beyond {PACKAGES_PER_FILE} are not told, the first of them {first}");
            self.gaps.push(self.out, GapKind::Limit, reason);
        }
        self.gaps.finish(self.out);
    }
}

/// The time of a FILETIME that says something: 0 and the largest one stand for never.
pub fn filetime(ticks: u64) -> Option<Timestamp> {
    (ticks != 0 && ticks < i64::MAX as u64).then(|| Timestamp::from_filetime(ticks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hive::build::Node, view::MemoryView};
    use coldread_model::Findings;

    #[test]
    fn packages_of_a_hive_are_told_up_to_a_bound() {
        let (mut view, mut found) = (MemoryView::from(Node::root().build()), Findings::default());
        let mut input = Input::new(b"/SOFTWARE", "p1", &mut view);
        let mut records = Records::open(&mut input, &mut found).unwrap();
        let package = |name: &str| {
            Package::new(coldread_model::PackageType::Windows, name, "1", records.place.origin())
        };
        let (last, beyond) = (package("last"), package("beyond"));
        records.packages = PACKAGES_PER_FILE - 1;
        records.package(last);
        records.package(beyond.clone());
        records.package(Package { name: "further".to_owned(), ..beyond });
        records.finish();
        assert_eq!(found.packages.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["last"]);
        let [gap] = &found.gaps[..] else { panic!("{:?}", found.gaps) };
        assert_eq!(gap.kind, GapKind::Limit);
        assert_eq!(gap.reason, "2 packages beyond 500000 are not told, the first of them beyond");
    }

    #[test]
    fn names_of_values_are_kept_up_to_a_bound() {
        let mut root = Node::root();
        for index in 0..300 {
            root.key("k").number(&format!("{index}{}", "n".repeat(60_000)), 1);
        }
        let (mut view, mut found) = (MemoryView::from(root.build()), Findings::default());
        let mut input = Input::new(b"/SOFTWARE", "p1", &mut view);
        let mut records = Records::open(&mut input, &mut found).unwrap();
        let key = records.key("k").unwrap();
        let names = records.value_names(&key);
        records.finish();
        assert_eq!(names.len(), MAX_NAMES / 60_003);
        assert_eq!(found.gaps.iter().map(|gap| gap.kind).collect::<Vec<_>>(), [GapKind::Limit]);
    }
}

//! Things under way, in the order in which they were begun: their numbers count up, so that each is found by its place.

use std::collections::VecDeque;

/// Things under way.
#[derive(Debug)]
pub(crate) struct UnderWay<T> {
    list: VecDeque<Option<T>>,
    /// The number of the first in the list.
    first: u64,
    count: usize,
}

impl<T> Default for UnderWay<T> {
    fn default() -> Self {
        Self { list: VecDeque::new(), first: 0, count: 0 }
    }
}

impl<T> UnderWay<T> {
    /// Takes one in and gives its number.
    pub(crate) fn add(&mut self, thing: T) -> u64 {
        self.list.push_back(Some(thing));
        self.count += 1;
        self.first + self.list.len() as u64 - 1
    }

    /// The one with a number, while it is under way.
    pub(crate) fn get(&mut self, number: u64) -> Option<&mut T> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.list.get_mut(place)?.as_mut()
    }

    /// Takes it out.
    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let found = self.list.get_mut(place)?.take()?;
        self.count -= 1;
        while self.list.front().is_some_and(Option::is_none) {
            self.list.pop_front();
            self.first += 1;
        }
        Some(found)
    }

    /// Takes all out; the numbers go on.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = T> + use<T> {
        let all = std::mem::take(&mut self.list);
        self.first += all.len() as u64;
        self.count = 0;
        all.into_iter().flatten()
    }

    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many were begun since the oldest: what their numbers take room for.
    pub(crate) fn span(&self) -> usize {
        self.list.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_number_until_it_is_taken_out() {
        let mut under_way = UnderWay::default();
        assert_eq!(["a", "b", "c"].map(|name| under_way.add(name)), [0, 1, 2]);
        assert_eq!(under_way.remove(1), Some("b"));
        assert!(under_way.remove(1).is_none() && under_way.get(1).is_none() && under_way.get(3).is_none());
        assert_eq!((under_way.span(), under_way.get(2)), (3, Some(&mut "c")));
        assert_eq!(under_way.remove(0), Some("a"));
        // Only what is behind the oldest takes room.
        assert_eq!((under_way.span(), under_way.remove(0), under_way.is_empty()), (1, None, false));
        under_way.add("d");
        assert_eq!(under_way.take_all().collect::<Vec<_>>(), ["c", "d"]);
        assert!(under_way.is_empty() && under_way.get(3).is_none());
        assert_eq!(under_way.add("e"), 4);
    }
}

//! Numbered places that are reused.

/// Values under small numbers, which serve as tags of requests.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Keeps a value; the number stands for it until it is removed.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        if let Some(number) = self.free.pop()
            && let Some(place) = self.places.get_mut(number)
        {
            *place = Some(value);
            return number;
        }
        self.places.push(Some(value));
        self.places.len() - 1
    }

    /// A number for a value that is checked out from the start.
    pub(crate) fn reserve(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        })
    }

    pub(crate) fn remove(&mut self, number: usize) -> Option<T> {
        let value = self.places.get_mut(number)?.take()?;
        self.free.push(number);
        Some(value)
    }

    /// Takes a value out for a while; its number stays taken.
    pub(crate) fn check_out(&mut self, number: usize) -> Option<T> {
        self.places.get_mut(number)?.take()
    }

    /// Puts back what was checked out.
    pub(crate) fn check_in(&mut self, number: usize, value: T) {
        if let Some(place) = self.places.get_mut(number) {
            *place = Some(value);
        }
    }

    /// Frees the number of a value that is checked out.
    pub(crate) fn release(&mut self, number: usize) {
        self.free.push(number);
    }
}

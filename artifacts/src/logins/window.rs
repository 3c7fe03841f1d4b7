//! What time a record covers: since when it can have known.

use crate::{Output, input::Place};
use coldread_model::{LogWindow, LoginSource, Timestamp};

/// Follows the times of a file's records, those that are no login event included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    source: LoginSource,
    span: Option<(Timestamp, Timestamp)>,
    records: u64,
}

impl Span {
    /// Of a file that holds records of this kind.
    pub(super) const fn new(source: LoginSource) -> Self {
        Self { source, span: None, records: 0 }
    }

    /// Takes one more record.
    pub(super) fn take(&mut self, time: Option<Timestamp>) {
        self.records += 1;
        if let Some(time) = time {
            self.cover(time);
        }
    }

    /// Takes a time alone.
    pub(super) fn cover(&mut self, time: Timestamp) {
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
    }

    /// How many records there were.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// Tells what was seen.
    pub(super) fn finish(self, place: &Place<'_>, out: &mut dyn Output) {
        out.window(LogWindow {
            source: self.source,
            root: place.root.to_owned(),
            origin: place.path.to_vec(),
            span: self.span,
            records: self.records,
        });
    }
}

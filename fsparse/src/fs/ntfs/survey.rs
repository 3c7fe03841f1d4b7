//! The survey: a run of MFT records, and a share of the cluster bitmap.

use super::{
    bitmap::add_free,
    file::Builder,
    geometry::{Geometry, pieces_of},
    loader::{Loader, Sink as _},
    runs::locate,
};
use crate::{
    fs::SurveyMachine,
    machine::{Fetched, Machine, Requests},
    survey::Survey,
};
use coldread_model::{ByteRange, Gap, GapKind};
use std::ops::Range;

/// Marks the tags of the bitmap's requests; the rest of the tag is the offset in the bitmap.
const BITMAP_TAG: u64 = 1 << 63;

/// Bytes of one request for the bitmap.
const BITMAP_BYTES: u64 = 1 << 20;

/// The machine that surveys.
pub(super) struct NtfsSurvey {
    loader: Loader<Builder>,
    /// The share of the bitmap, in its bytes.
    share: ByteRange,
}

impl NtfsSurvey {
    /// Surveys some units.
    pub(super) fn of_units(geometry: Geometry, units: &Range<u64>) -> Self {
        let mut builder = Builder::new(geometry.clusters(), true);
        let records = geometry.records_of(units);
        let size = u64::from(geometry.record_bytes);
        let pieces = pieces_of(&geometry.mft);
        for (_, range) in
            locate(&pieces, records.start * size, records.end.saturating_sub(records.start) * size)
        {
            builder.survey.metadata.insert(range);
        }
        if units.start == 0 && units.end > 0 {
            // What is left after the last cluster holds the copy of the boot sector.
            let end = geometry.clusters().range(geometry.clusters, 0).start;
            builder.survey.metadata.insert(ByteRange::between(end, geometry.size_bytes));
        }
        let share = geometry.bitmap_share(units);
        Self { loader: Loader::of_range(geometry, records, builder), share }
    }

    /// Reads single records again.
    pub(super) fn of_numbers(geometry: Geometry, numbers: &[u64]) -> Self {
        let builder = Builder::new(geometry.clusters(), false);
        Self { loader: Loader::of_numbers(geometry, numbers, builder), share: ByteRange::default() }
    }

    fn bitmap(&mut self, fetched: &Fetched<'_>) {
        let clusters = self.loader.geometry().clusters();
        let offset = fetched.tag & !BITMAP_TAG;
        let builder = &mut self.loader.sink;
        let mut good = fetched.range.start;
        let add = |builder: &mut Builder, from: u64, to: u64| {
            let (start, end) = ((from - fetched.range.start) as usize, (to - fetched.range.start) as usize);
            if let Some(bits) = fetched.bytes.get(start..end) {
                add_free(bits, (offset + start as u64) * 8, clusters, &mut builder.survey.free);
            }
        };
        let mut bad = fetched.bad.to_vec();
        bad.sort_by_key(|(range, _)| range.start);
        for (range, error) in bad {
            let range = range.intersect(fetched.range);
            add(builder, good, range.start.max(good));
            good = good.max(range.end());
            builder.damaged(range);
            builder.gap(Gap::new(GapKind::Io, "$Bitmap", error.to_string()).at_byte(range.start));
        }
        add(builder, good, fetched.range.end());
    }
}

impl Machine for NtfsSurvey {
    fn start(&mut self, ask: &mut Requests) {
        self.loader.start(ask);
        let pieces = pieces_of(&self.loader.geometry().bitmap);
        for (mut offset, mut range) in locate(&pieces, self.share.start, self.share.len) {
            while !range.is_empty() {
                let len = range.len.min(BITMAP_BYTES);
                ask.push(BITMAP_TAG | offset, ByteRange::new(range.start, len));
                (offset, range) = (offset + len, ByteRange::new(range.start + len, range.len - len));
            }
        }
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        if fetched.tag & BITMAP_TAG == 0 {
            self.loader.feed(fetched, ask);
        } else {
            self.bitmap(&fetched);
        }
    }
}

impl SurveyMachine for NtfsSurvey {
    fn finish(self: Box<Self>) -> Survey {
        let mut survey = self.loader.sink.finish();
        // Files that took more than one request come last.
        survey.inodes.sort_by_key(|inode| inode.number);
        survey
    }
}

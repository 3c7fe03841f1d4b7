//! Sorting more rows than memory should hold: sorted runs in a file, merged.
//!
//! A run is blocks of rows, so that a merge holds one block a run. Login events have a sorter of their own.

use super::spill::{Block, BlockReader, Spill, failed};
use crate::tasks::TaskError;
use coldread_model::rows::{Row, RowsIter, WriteRow};
use std::collections::{BinaryHeap, VecDeque};

/// Runs of one level that are merged into one of the next.
const FAN_IN: usize = 16;
/// Bytes of a block before compression.
const BLOCK_BYTES: usize = 64 << 10;

/// A sorted run.
#[derive(Debug, Default)]
struct SortedRun {
    level: u32,
    blocks: VecDeque<Block>,
}

/// Writes rows that come in order.
fn write_run<T: Row>(
    spill: &mut Spill,
    level: u32,
    rows: impl Iterator<Item = Result<T, TaskError>>,
) -> Result<SortedRun, TaskError> {
    let mut run = SortedRun { level, ..SortedRun::default() };
    let mut bytes = Vec::with_capacity(BLOCK_BYTES + 1024);
    let mut writer = T::Writer::default();
    for row in rows {
        writer.write(&row?, &mut bytes);
        if bytes.len() >= BLOCK_BYTES {
            run.blocks.push_back(spill.write(&bytes)?);
            bytes.clear();
            writer = T::Writer::default();
        }
    }
    if !bytes.is_empty() {
        run.blocks.push_back(spill.write(&bytes)?);
    }
    Ok(run)
}

/// A run being read.
struct RunReader<T: Row> {
    reader: BlockReader,
    blocks: VecDeque<Block>,
    rows: RowsIter<T>,
}

impl<T: Row> Iterator for RunReader<T> {
    type Item = Result<T, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(row.map_err(failed));
            }
            let block = self.blocks.pop_front()?;
            match self.reader.read(block) {
                Ok(bytes) => self.rows = RowsIter::new(bytes),
                Err(error) => {
                    self.blocks.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Takes rows in any order.
pub(super) struct Sorter<T> {
    held: Vec<T>,
    bytes: usize,
    limit: usize,
    runs: Vec<SortedRun>,
    spill: Option<Spill>,
}

impl<T: Row> Sorter<T> {
    /// Holds about so many bytes in memory.
    pub(super) fn new(limit: usize) -> Self {
        Self { held: Vec::new(), bytes: 0, limit, runs: Vec::new(), spill: None }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, row: T) -> Result<(), TaskError> {
        self.bytes += row.weight();
        self.held.push(row);
        if self.bytes >= self.limit { self.spill() } else { Ok(()) }
    }

    /// How many runs lie in the file.
    #[cfg(test)]
    fn runs(&self) -> usize {
        self.runs.len()
    }

    fn spill(&mut self) -> Result<(), TaskError> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill::new()?),
        };
        // What came in order is sorted at once: a stable sort finds its runs.
        self.held.sort();
        self.runs.push(write_run(spill, 0, self.held.drain(..).map(Ok))?);
        self.bytes = 0;
        while let Some(level) = self.full_level() {
            let (full, others): (Vec<_>, Vec<_>) = self.runs.drain(..).partition(|run| run.level == level);
            self.runs = others;
            if let Some(spill) = &mut self.spill {
                let merged = merge::<T>(spill, full, Vec::new())?;
                self.runs.push(write_run(spill, level + 1, merged)?);
            }
        }
        Ok(())
    }

    fn full_level(&self) -> Option<u32> {
        let last = self.runs.last()?.level;
        (self.runs.iter().filter(|run| run.level == last).count() >= FAN_IN).then_some(last)
    }

    /// All rows in order.
    pub(super) fn sorted(mut self) -> Result<Merged<T>, TaskError> {
        self.held.sort();
        match self.spill {
            Some(spill) => merge(&spill, self.runs, self.held),
            None => Merged::new(vec![Box::new(self.held.into_iter().map(Ok))]),
        }
    }
}

fn merge<T: Row>(spill: &Spill, runs: Vec<SortedRun>, held: Vec<T>) -> Result<Merged<T>, TaskError> {
    let open = |run: SortedRun| -> Result<Source<T>, TaskError> {
        Ok(Box::new(RunReader {
            reader: spill.reader()?,
            blocks: run.blocks,
            rows: RowsIter::new(Vec::new()),
        }))
    };
    let mut sources: Vec<Source<T>> = runs.into_iter().map(open).collect::<Result<_, _>>()?;
    sources.push(Box::new(held.into_iter().map(Ok)));
    Merged::new(sources)
}

type Source<T> = Box<dyn Iterator<Item = Result<T, TaskError>>>;

/// The next row of a source; the least comes first out of a heap.
struct Next<T> {
    row: T,
    source: usize,
}

impl<T: Ord> Ord for Next<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&other.row, other.source).cmp(&(&self.row, self.source))
    }
}
impl<T: Ord> PartialOrd for Next<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T: Ord> PartialEq for Next<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl<T: Ord> Eq for Next<T> {}

/// Sorted rows of several sources as one sequence.
pub(super) struct Merged<T> {
    sources: Vec<Source<T>>,
    heap: BinaryHeap<Next<T>>,
    failed: Option<TaskError>,
}

impl<T: Row> Merged<T> {
    fn new(mut sources: Vec<Source<T>>) -> Result<Self, TaskError> {
        let mut heap = BinaryHeap::with_capacity(sources.len());
        for (source, rows) in sources.iter_mut().enumerate() {
            if let Some(row) = rows.next() {
                heap.push(Next { row: row?, source });
            }
        }
        Ok(Self { sources, heap, failed: None })
    }
}

impl<T: Row> Iterator for Merged<T> {
    type Item = Result<T, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.heap.clear();
            return Some(Err(error));
        }
        let mut top = self.heap.peek_mut()?;
        match self.sources[top.source].next() {
            // The new row sinks to its place when `top` is dropped: rarely far.
            Some(Ok(row)) => Some(Ok(std::mem::replace(&mut top.row, row))),
            Some(Err(error)) => {
                self.failed = Some(error);
                Some(Ok(std::collections::binary_heap::PeekMut::pop(top).row))
            }
            None => Some(Ok(std::collections::binary_heap::PeekMut::pop(top).row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::{LoginEvent, LoginKind, LoginSource, Timestamp};

    fn event(n: u64) -> LoginEvent {
        // Neither sorted nor without equals.
        let time = Timestamp::new((n.wrapping_mul(2_654_435_761) % 50_000) as i64, 0);
        LoginEvent::new(LoginSource::Btmp, LoginKind::Failed, Some(time), "/var/log/btmp", n % 7)
    }

    #[test]
    fn rows_beyond_what_is_held_come_back_sorted_and_none_is_lost() {
        let mut sorter = Sorter::new(64 << 10);
        let mut all = Vec::new();
        for n in 0..60_000 {
            sorter.push(event(n)).unwrap();
            assert!(sorter.bytes <= 64 << 10);
            all.push(event(n));
        }
        // Runs were written and merged; had they not been, there would be hundreds.
        assert!(sorter.runs() > 1 && sorter.runs() < 2 * FAN_IN + 8, "{}", sorter.runs());
        all.sort();
        assert!(sorter.sorted().unwrap().map(Result::unwrap).eq(all));
    }

    #[test]
    fn few_rows_need_no_file() {
        let mut sorter = Sorter::new(24 << 20);
        for n in 0..100 {
            sorter.push(event(n)).unwrap();
        }
        assert!(sorter.spill.is_none());
        assert!(sorter.sorted().unwrap().map(Result::unwrap).is_sorted());
    }
}

//! The three readers, and the rule that picks one, against each other on an image's stored bytes.

use super::measure::{Temperature, median};
use crate::{
    host::{self, Failure},
    readers::{self, Order},
};
use coldread_fsparse::source::Mapping;
use coldread_model::{ByteRange, task::IoMode};
use coldread_worker::io;
use serde::Serialize;
use std::{path::Path, time::Instant};

/// Stored bytes that are read in order.
const BYTES: u64 = 512 << 20;
/// Pages that are read here and there.
const PAGES: usize = 16_384;

/// The figures of all readers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Readers {
    /// Bytes read in order, and here and there.
    pub(super) bytes: [u64; 2],
    /// One for each reader and way of reading.
    pub(super) figures: Vec<Figure>,
}

/// One reader's figure for one way of reading.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    /// What was asked for, and what `auto` then was.
    pub(super) reader: &'static str,
    /// What served.
    pub(super) served: &'static str,
    /// `sequential` or `random`.
    pub(super) order: &'static str,
    /// Cold or warm.
    pub(super) temperature: Temperature,
    /// Every run.
    pub(super) seconds: Vec<f64>,
}

impl Figure {
    /// The median.
    pub(super) fn median(&self) -> Option<f64> {
        median(&self.seconds)
    }
}

/// Compares `modes` on the first stored bytes of an image, alternating.
pub(super) fn compare(
    image: &Path,
    runs: u32,
    modes: &[IoMode],
    orders: &[Order],
) -> Result<Readers, Failure> {
    let ranges = first_stored(image)?;
    let mut readers = Readers { bytes: [0; 2], figures: Vec::new() };
    for (which, &order) in orders.iter().enumerate() {
        let requests = order.requests(&ranges, PAGES);
        readers.bytes[which % 2] = requests.iter().map(|range| range.len).sum();
        for temperature in [Temperature::Cold, Temperature::Warm] {
            let mut figures: Vec<Figure> = modes
                .iter()
                .map(|mode| {
                    let (reader, order) = (mode.name(), order.name());
                    Figure { reader, served: reader, order, temperature, seconds: Vec::new() }
                })
                .collect();
            if temperature == Temperature::Warm {
                // Through the page cache, which io_uring leaves as it is.
                once(image, IoMode::Pread, &requests)?;
            }
            let mut sums = Vec::new();
            let mut turn: Vec<usize> = (0..modes.len()).collect();
            for _ in 0..runs {
                for &index in &turn {
                    if temperature == Temperature::Cold {
                        host::drop_caches()?;
                    }
                    let (seconds, sum, served) = once(image, modes[index], &requests)?;
                    figures[index].seconds.push(seconds);
                    figures[index].served = served;
                    sums.push(sum);
                }
                turn.reverse();
            }
            if sums.windows(2).any(|pair| pair[0] != pair[1]) {
                return Err(Failure("the readers do not read the same bytes".to_owned()));
            }
            readers.figures.append(&mut figures);
        }
    }
    Ok(readers)
}

fn once(image: &Path, mode: IoMode, requests: &[ByteRange]) -> Result<(f64, u64, &'static str), Failure> {
    let opened = io::open(image, mode)?;
    let started = Instant::now();
    let (_, sum) = readers::read(&*opened.source, requests)?;
    Ok((started.elapsed().as_secs_f64(), sum, opened.reader.mode.name()))
}

/// The first stored ranges of an image.
fn first_stored(image: &Path) -> Result<Vec<ByteRange>, Failure> {
    let disk = io::open(image, IoMode::Pread)?.source;
    let mapped = disk.map(ByteRange::new(0, disk.size_bytes()))?;
    let mut left = BYTES;
    let mut ranges = Vec::new();
    for part in mapped.iter().filter(|part| part.mapping == Mapping::Data) {
        ranges.push(ByteRange::new(part.range.start, part.range.len.min(left)));
        left -= part.range.len.min(left);
        if left == 0 {
            break;
        }
    }
    Ok(ranges)
}

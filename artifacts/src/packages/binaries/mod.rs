//! Executables that say what they were built of: Go's modules, and crates of Rust where cargo-auditable built them.

mod go;
mod rust;

use super::rows::Rows;
use crate::{
    Context, Extractor, Input, Output,
    executable::{self, HEAD, Image, Pieces},
    input::Place,
    probe::{self, MAX_ROUND_BYTES, Prober},
    wants::Want,
};
use coldread_model::{ByteRange, GapKind, Package, PackageState, PackageType, Part, Parts};

const STRUCTURE: &str = "executable";

/// Executables smaller than this are not looked at: Go's have a megabyte at least, Rust's some hundred kilobytes.
const MIN_BYTES: u64 = 64 << 10;

/// Reads executables.
#[derive(Debug)]
pub struct Binaries;

impl Extractor for Binaries {
    fn name(&self) -> &'static str {
        "executables"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    /// A program is one however many names call it: those of git are 140.
    fn reads_each_name(&self) -> bool {
        false
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want::executables(MIN_BYTES)];
        WANTS
    }

    fn prober(&self, bytes: u64) -> Option<Box<dyn Prober>> {
        Some(Box::new(BinaryProber { pieces: Pieces::new(bytes), is_begun: false, found: None }))
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        if let Some(prober) = self.prober(input.view.len()) {
            let place = input.place();
            probe::drive(prober, STRUCTURE, &place, input.view, context, out);
        }
    }
}

/// One executable on its way.
struct BinaryProber {
    pieces: Pieces,
    is_begun: bool,
    found: Option<Found>,
}

/// What one executable says.
#[derive(Default)]
struct Found {
    go: Vec<go::BuildInfo>,
    rust: Vec<rust::Crates>,
    faults: Vec<(GapKind, String)>,
}

impl Prober for BinaryProber {
    fn need(&mut self) -> Vec<ByteRange> {
        if self.found.is_some() {
            return Vec::new();
        }
        if !self.is_begun {
            self.is_begun = true;
            return vec![ByteRange::new(0, HEAD.min(self.pieces.window().size()))];
        }
        let mut found = look(&self.pieces);
        let missing = self.pieces.missing();
        if missing.iter().map(|range| range.len).sum::<u64>() <= MAX_ROUND_BYTES && !missing.is_empty() {
            return missing;
        }
        if let Some(range) = missing.first() {
            let reason = format!("{} bytes at {} for one of its tables", range.len, range.start);
            found = Found { faults: vec![(GapKind::Limit, reason)], ..Found::default() };
        }
        self.found = Some(found);
        Vec::new()
    }

    fn feed(&mut self, range: ByteRange, bytes: &[u8]) {
        self.pieces.add(range, bytes);
    }

    fn finish(self: Box<Self>, place: &Place<'_>, _: &Context, out: &mut dyn Output) {
        let Some(found) = self.found else { return };
        for (kind, reason) in found.faults {
            out.gap(place.gap(kind, STRUCTURE, reason));
        }
        for info in found.go {
            info.tell(place, out);
        }
        for crates in found.rust {
            crates.tell(place, out);
        }
    }

    fn holds(&self) -> usize {
        self.pieces.weight()
    }
}

/// What can be said of the pieces at hand. Where some are missing it is not all, and not right.
fn look(pieces: &Pieces) -> Found {
    let mut found = Found::default();
    let images = match executable::images(pieces) {
        Ok(images) => images,
        Err(error) => {
            found.faults.push((GapKind::Corrupt, error.to_string()));
            return found;
        }
    };
    for image in &images {
        if let Some(packer) = image.packer {
            let reason = format!("it is packed with {packer}: what it was built of cannot be seen");
            found.faults.push((GapKind::Unsupported, reason));
            continue;
        }
        match go::read(pieces, image) {
            Ok(info) => found.go.extend(info),
            Err(reason) => found.faults.push((GapKind::Corrupt, format!("Go's build information: {reason}"))),
        }
        match rust::read(pieces, image) {
            Ok(crates) => found.rust.extend(crates),
            Err((kind, reason)) => found.faults.push((kind, format!("list of crates: {reason}"))),
        }
    }
    found
}

#[cfg(test)]
mod tests;

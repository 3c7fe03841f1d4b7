//! What the fuzz targets share: damaged copies of the golden images, and files for extractors.

#[path = "../../artifacts/src/bolt/build.rs"]
mod bolt;
// Of these, seeds need only a part.
#[allow(dead_code)]
#[path = "../../artifacts/src/executable/build.rs"]
mod executable;
#[path = "../../fsparse/tests/mutation/exercise.rs"]
mod exercise;
pub mod files;
#[path = "../../fsparse/tests/mutation/images.rs"]
mod images;
#[path = "../../fsparse/tests/mutation/journals.rs"]
mod journals;
#[path = "../../fsparse/tests/mutation/repair.rs"]
mod repair;
pub mod rpm;
pub mod seeds;
#[allow(dead_code)]
#[path = "../../artifacts/src/zip/build.rs"]
mod zip;

use arbitrary::Arbitrary;
use coldread_artifacts::{
    Companion, Context, Extractor, Input,
    view::{FileView, MemoryView},
};
use coldread_model::{Findings, Timestamp};
use images::Image;
use std::sync::OnceLock;

/// Most changes to one image: few, so that most of it stays readable.
const MAX_CHANGES: usize = 48;

/// A change to an image.
#[derive(Arbitrary, Clone, Debug)]
pub struct Change {
    /// Which of the sectors that are not empty.
    sector: u16,
    /// Where in it.
    offset: u16,
    /// What is done there.
    how: How,
}

impl Change {
    /// Makes the change. `place` finds the byte with an offset in a sector; bytes are not empty.
    fn apply(&self, bytes: &mut [u8], place: impl Fn(usize, usize) -> usize) {
        let at = place(usize::from(self.sector), usize::from(self.offset));
        let mut put = |new: &[u8]| {
            let len = new.len().min(bytes.len() - at);
            bytes[at..at + len].copy_from_slice(&new[..len]);
        };
        match self.how {
            How::Byte(value) => put(&[value]),
            How::Two(value) => put(&value.to_le_bytes()),
            How::Four(value) => put(&value.to_le_bytes()),
            How::FourSwapped(value) => put(&value.to_be_bytes()),
            How::Eight(value) => put(&value.to_le_bytes()),
            How::EightSwapped(value) => put(&value.to_be_bytes()),
            How::Add(value) => bytes[at] = bytes[at].wrapping_add_signed(value),
            How::Copy(from, sectors) => {
                let from = place(usize::from(from), 0);
                let at = at - at % 512;
                let len = (usize::from(sectors % 8) + 1) * 512;
                let len = len.min(bytes.len() - from).min(bytes.len() - at);
                bytes.copy_within(from..from + len, at);
            }
            How::Zeros(len) => put(&vec![0; usize::from(len)]),
        }
    }
}

/// A kind of change.
#[derive(Arbitrary, Clone, Debug)]
pub enum How {
    /// A byte.
    Byte(u8),
    /// Two bytes, little-endian.
    Two(u16),
    /// Four bytes.
    Four(u32),
    /// Four bytes, big-endian.
    FourSwapped(u32),
    /// Eight bytes.
    Eight(u64),
    /// Eight bytes, big-endian.
    EightSwapped(u64),
    /// A small number added to what is there.
    Add(i8),
    /// So many 512-byte sectors of another place.
    Copy(u16, u8),
    /// Zeros.
    Zeros(u8),
}

/// A damaged disk.
#[derive(Arbitrary, Clone, Debug)]
pub struct Damage {
    /// Which of the target's images.
    image: u8,
    /// Whether checksums are made right again.
    repaired: bool,
    /// Where the image ends early, in 256ths; 0 where it does not.
    cut: u8,
    /// What is changed.
    changes: Vec<Change>,
}

/// The images with these names, unpacked once.
pub struct Images(OnceLock<Vec<Image>>, &'static [&'static str]);

impl Images {
    /// By their names in `fsparse/tests/golden`.
    pub const fn of(names: &'static [&'static str]) -> Self {
        Self(OnceLock::new(), names)
    }

    /// Scans the damaged disk.
    pub fn scan(&self, damage: &Damage) {
        let images = self.0.get_or_init(|| self.1.iter().map(|name| Image::golden(name)).collect());
        let image = &images[usize::from(damage.image) % images.len()];
        let mut bytes = image.bytes.clone();
        for change in damage.changes.iter().take(MAX_CHANGES) {
            change.apply(&mut bytes, |sector, offset| image.place(sector, offset));
        }
        if damage.repaired {
            image.repair(&mut bytes);
        }
        if damage.cut > 0 {
            bytes.truncate(bytes.len() / 256 * usize::from(damage.cut));
        }
        exercise::exercise(bytes);
    }
}

/// Runs an extractor on a file, with a second file beside it.
pub fn extract(extractor: &dyn Extractor, path: &str, file: &[u8], companion: Option<(&'static str, &[u8])>) {
    let mut view = MemoryView::from(file.to_vec());
    let mut beside = companion.map(|(suffix, bytes)| (suffix, MemoryView::from(bytes.to_vec())));
    let mut input = Input::new(path.as_bytes(), "p1", &mut view);
    input.mtime = Timestamp::new(1_700_000_000, 0);
    input.companions = beside
        .iter_mut()
        .map(|(suffix, view)| Companion { suffix, view: view as &mut dyn FileView })
        .collect();
    let mut findings = Findings::default();
    extractor.extract(&mut input, &Context::default(), &mut findings);
}

/// A Java archive that has these bytes as its manifest, as what Maven wrote, and as archives within it.
pub fn archive_of(bytes: &[u8]) -> Vec<u8> {
    zip::zip(&[
        ("META-INF/MANIFEST.MF", bytes, true),
        ("META-INF/maven/g/a/pom.properties", bytes, true),
        ("lib/a.jar", bytes, true),
        ("lib/b.jar", bytes, false),
    ])
}

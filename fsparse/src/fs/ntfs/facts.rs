//! What single records say of the volume.

use super::{
    attributes::{Attributes, Whole},
    boot::u16_at,
    geometry::ROOT,
    hibernation::is_named,
    index::Index,
    loader::{File, Sink},
    record::{Form, Reference, kind},
    runs::{Clusters, Piece},
    value::Need,
    wtf8::push_wtf8,
};
use coldread_model::{ByteRange, Gap};

/// The record of the MFT itself.
pub(super) const MFT: u64 = 0;
/// That of `$LogFile`.
pub(super) const LOG_FILE: u64 = 2;
/// That of `$Volume`.
pub(super) const VOLUME: u64 = 3;
/// That of `$Bitmap`.
pub(super) const BITMAP: u64 = 6;

/// What single records say of the volume.
pub(super) struct Facts {
    pub(super) clusters: Clusters,
    /// The unnamed streams of the MFT, the log and the bitmap: pieces, initialized size, and whether all of
    /// it is mapped.
    pub(super) mft: Option<Mapped>,
    pub(super) log: Option<Mapped>,
    pub(super) bitmap: Option<Mapped>,
    pub(super) root: Option<Index>,
    /// The file `hiberfil.sys` as the root directory refers to it, and its unnamed stream.
    pub(super) hibernation: Option<(Reference, Option<Mapped>)>,
    pub(super) label: Option<String>,
    pub(super) version: Option<(u8, u8)>,
    pub(super) volume_flags: u16,
    pub(super) gaps: Vec<Gap>,
}

/// Where a stream lies.
pub(super) struct Mapped {
    pub(super) pieces: Vec<Piece>,
    pub(super) initialized: u64,
    pub(super) whole: bool,
}

impl Facts {
    /// Nothing is known yet.
    pub(super) fn new(clusters: Clusters) -> Self {
        Self {
            clusters,
            mft: None,
            log: None,
            bitmap: None,
            root: None,
            hibernation: None,
            label: None,
            version: None,
            volume_flags: 0,
            gaps: Vec::new(),
        }
    }

    fn mapped(&self, file: &File<'_>) -> Option<Mapped> {
        let all = Attributes::gather(file, self.clusters, Attributes::default());
        let parts = all.values(kind::DATA).next().filter(|parts| parts[0].name.is_empty())?;
        let pieces = all.pieces_of(parts).copied().collect();
        match Attributes::join(parts, self.clusters) {
            Ok(Whole::Resident(_)) => None,
            Ok(Whole::Clusters { initialized, .. }) => Some(Mapped { pieces, initialized, whole: true }),
            Err(_) => Some(Mapped { pieces, initialized: u64::MAX, whole: false }),
        }
    }
}

impl Sink for Facts {
    fn file(&mut self, file: File<'_>) -> Vec<Need> {
        match file.number {
            MFT => self.mft = self.mapped(&file),
            LOG_FILE => self.log = self.mapped(&file),
            BITMAP => self.bitmap = self.mapped(&file),
            ROOT => match Index::of(&file, self.clusters) {
                Ok(index) => self.root = Some(index),
                Err(wrong) => self.gaps.push(wrong.to_gap("directory index", ROOT, file.at)),
            },
            number if number != VOLUME => {
                let header = file.records.first().map(|(header, _)| header.sequence);
                let names = Attributes::gather(&file, self.clusters, Attributes::default()).names;
                let named = names.iter().any(|name| name.parent.number == ROOT && is_named(name.name));
                let mapped = self.mapped(&file);
                if let Some((reference, stream)) = &mut self.hibernation
                    && named
                    && Some(reference.sequence) == header
                {
                    *stream = mapped;
                }
            }
            _ => {
                let attributes = file.records.iter().flat_map(|(header, record)| header.attributes(record));
                // Source: Flatcap NTFS documentation, "$VOLUME_NAME (0x60)", "$VOLUME_INFORMATION (0x70)".
                for attribute in attributes.map_while(Result::ok) {
                    match (attribute.kind, attribute.form) {
                        (kind::VOLUME_NAME, Form::Resident(name)) if !name.is_empty() => {
                            let mut label = Vec::new();
                            push_wtf8(name, &mut label);
                            self.label = Some(String::from_utf8_lossy(&label).into_owned());
                        }
                        (kind::VOLUME_INFORMATION, Form::Resident(value)) => {
                            self.version = value.get(8).copied().zip(value.get(9).copied());
                            self.volume_flags = u16_at(value, 10).unwrap_or(0);
                        }
                        _ => {}
                    }
                }
            }
        }
        Vec::new()
    }

    fn gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    fn damaged(&mut self, _range: ByteRange) {}
}

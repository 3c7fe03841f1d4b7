//! Small files, fetched together: one batch a volume.

use super::super::{
    super::view::{self, DiskView, WHOLE_BYTES},
    joined::{Asset, AssetFile},
};
use coldread_artifacts::view::{FileView, SliceView, ViewError};
use coldread_fsparse::{content::digest::digest_of, survey::Stream};
use coldread_model::Sha256Digest;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The stream of a file that is fetched whole.
pub(super) fn small<'a>(file: &AssetFile<'a>) -> Option<&'a Stream> {
    file.stream.filter(|stream| stream.size <= WHOLE_BYTES)
}

/// A view that reads from the disk.
pub(super) fn view_of<'a>(asset: &Asset<'a>, file: &AssetFile<'a>) -> Option<DiskView<'a>> {
    let survey = asset.namespace.tree(file.volume)?.survey();
    Some(DiskView::new(survey, file.stream?, asset.source(file.volume)?))
}

/// A file's bytes and their digest, or why they could not be had.
type Read = Result<(Vec<u8>, Sha256Digest), ViewError>;

/// Files whose bytes are in memory.
#[derive(Default)]
pub(super) struct Fetched<'a> {
    wanted: BTreeMap<(usize, u32), &'a Stream>,
    bytes: HashMap<(usize, u32), Read>,
}

impl<'a> Fetched<'a> {
    /// Adds a file, if it is small.
    pub(super) fn want(&mut self, file: &AssetFile<'a>) {
        if let Some(stream) = small(file) {
            self.wanted.insert((file.volume, file.inode), stream);
        }
    }

    /// Reads all that were added.
    pub(super) fn fetch(&mut self, asset: &Asset<'a>) {
        let volumes: HashSet<usize> = self.wanted.keys().map(|(volume, _)| *volume).collect();
        for volume in volumes {
            let (Some(tree), Some(source)) = (asset.namespace.tree(volume), asset.source(volume)) else {
                continue;
            };
            let wanted: Vec<_> = self.wanted.range((volume, 0)..=(volume, u32::MAX)).collect();
            let streams: Vec<&Stream> = wanted.iter().map(|(_, stream)| **stream).collect();
            let results = match source.open_queue() {
                Ok(mut queue) => view::fetch(tree.survey(), &streams, &mut *queue),
                // The view of each file meets the same error and tells it.
                Err(_) => continue,
            };
            for ((key, _), result) in wanted.into_iter().zip(results) {
                // A window reads what lies around the bad place, for those who take a file in pieces.
                if matches!(result, Err(ViewError::Io { .. })) {
                    continue;
                }
                let named = |bytes: Vec<u8>| {
                    let digest = digest_of(&bytes, bytes.len() as u64);
                    (bytes, digest)
                };
                self.bytes.insert(*key, result.map(named));
            }
        }
    }

    /// Size and digest of a file that was fetched whole.
    pub(super) fn held(&self, file: &AssetFile<'a>) -> Option<(u64, Sha256Digest)> {
        let (bytes, digest) = self.bytes.get(&(file.volume, file.inode))?.as_ref().ok()?;
        Some((bytes.len() as u64, *digest))
    }

    /// A file's view, and its digest where all of it is at hand.
    pub(super) fn view<'v>(
        &'v self,
        asset: &Asset<'a>,
        file: &AssetFile<'a>,
    ) -> Result<(Box<dyn FileView + 'v>, Option<Sha256Digest>), ViewError>
    where
        'a: 'v,
    {
        match self.bytes.get(&(file.volume, file.inode)) {
            Some(Ok((bytes, digest))) => Ok((Box::new(SliceView::from(&bytes[..])), Some(*digest))),
            Some(Err(error)) => Err(error.clone()),
            None => match view_of(asset, file) {
                Some(view) => Ok((Box::new(view), None)),
                None => Ok((Box::new(SliceView::from(&[][..])), Some(digest_of(&[], 0)))),
            },
        }
    }
}

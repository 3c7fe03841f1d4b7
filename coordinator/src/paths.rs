//! Naming the files that gaps are about: surveys and content tasks know inodes, the listing knows names.

use coldread_model::{
    Gap, VolumeManifest,
    listing::{Chunk, path_of},
};
use coldread_store::{Error, Store};
use std::collections::HashMap;

/// Chunks whose columns are in memory at a time.
const CHUNKS_AT_A_TIME: usize = 16;

/// Whether a gap tells an inode of a volume and no path.
pub(crate) fn is_nameless(gap: &Gap) -> bool {
    gap.path.is_none() && gap.inode.is_some() && !gap.volume.is_empty()
}

/// Gives each nameless gap the first path in listing order that leads to its inode, if one does.
pub(crate) fn fill(store: &Store, volumes: &[VolumeManifest], gaps: &mut [Gap]) -> Result<(), Error> {
    for volume in volumes {
        let mut wanted: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, gap) in gaps.iter().enumerate() {
            if let Some(inode) = gap.inode.filter(|_| is_nameless(gap) && gap.volume == volume.name) {
                wanted.entry(inode).or_default().push(index);
            }
        }
        for group in volume.chunks.chunks(CHUNKS_AT_A_TIME) {
            if wanted.is_empty() {
                break;
            }
            let ids: Vec<_> = group.iter().flat_map(|chunk| [chunk.stable, chunk.volatile]).collect();
            let columns = store.get_many(&ids)?;
            for (pair, chunk) in columns.chunks_exact(2).zip(group) {
                let decoded = Chunk::decode(&pair[0].bytes, &pair[1].bytes)
                    .map_err(|source| Error::Decode { id: chunk.stable, source })?;
                for row in decoded.iter() {
                    for index in wanted.remove(&row.volatile.inode).unwrap_or_default() {
                        gaps[index].path = Some(path_of(row.stable.parent, row.stable.name));
                    }
                }
            }
        }
    }
    Ok(())
}

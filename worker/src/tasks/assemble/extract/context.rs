//! The files that every extractor may have to know, of all roots at once.

use super::{super::joined::Asset, fetched::Fetched, roots::Roots};
use coldread_artifacts::{
    Context,
    context::{CONTEXT_FILES, ContextFile},
};
use coldread_model::FileKind;
use std::collections::HashSet;

/// The context of each root, in the order of the roots; `read` takes in what was read of each volume.
pub(super) fn read<'a>(asset: &Asset<'a>, roots: &Roots<'a>, read: &mut [HashSet<u32>]) -> Vec<Context> {
    let file_of = |root: usize, path: &[u8]| {
        let found = roots.all()[root].namespace.resolve(path, true).ok()?;
        asset.file(found.volume, found.inode)
    };
    let mut fetched = Fetched::default();
    for root in 0..roots.all().len() {
        for want in CONTEXT_FILES {
            if let Some(file) = file_of(root, want.path.as_bytes()) {
                read[file.volume].insert(file.inode);
                fetched.want(&file);
            }
        }
    }
    fetched.fetch(asset);
    let context = |root: usize| {
        let place = &roots.all()[root];
        let mut files = Vec::new();
        for want in CONTEXT_FILES {
            let path = want.path.as_bytes();
            let Ok(itself) = place.namespace.resolve(path, false) else { continue };
            let tree = asset.namespace.tree(itself.volume);
            let link_target = tree.and_then(|tree| {
                let inode = tree.inode(itself.inode);
                (inode.kind == FileKind::Symlink).then(|| tree.survey().bytes(inode.target).to_vec())
            });
            let file = file_of(root, path).filter(|file| file.stream.is_some());
            let read = file.map(|file| {
                let (mut view, _) = fetched.view(asset, &file)?;
                view.read_all(want.limit)
            });
            let (bytes, fault) = match read {
                Some(Ok(bytes)) => (Some(bytes), None),
                Some(Err(error)) => (None, Some(error)),
                None => (None, None),
            };
            files.push(ContextFile { path: want.path, bytes, fault, link_target });
        }
        let volume =
            place.namespace.directory(b"/").map_or("", |(volume, ..)| asset.specs[volume].name.as_str());
        Context::from_files(volume, &files)
    };
    (0..roots.all().len()).map(context).collect()
}

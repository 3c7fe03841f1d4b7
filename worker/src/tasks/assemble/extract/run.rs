//! Running one extractor on one file.

use super::{Extraction, fetched::Fetched, find::Wanted, placed::Placed};
use coldread_artifacts::{
    Companion, Input, Output, Ownership, Reading,
    view::{FileView, MemoryView, SliceView},
};
use coldread_fsparse::content::digest::digest_of;
use coldread_model::{Gap, GapKind, RowFlags};

/// Runs it; what it says goes to `out`.
pub(super) fn run<'a>(
    all: &Extraction<'_, 'a>,
    wanted: &Wanted<'a>,
    fetched: &Fetched<'a>,
    out: &mut dyn Output,
) {
    let asset = all.asset;
    let file = &wanted.file;
    let volume = asset.specs[file.volume].name.as_str();
    let mut out = Placed { root: &all.roots.all()[wanted.root], volume, out };
    let gap = |kind, reason: String| {
        Gap::new(kind, wanted.extractor.name(), reason).in_volume(volume).at_path(&wanted.path)
    };
    let viewed = match wanted.want.reading {
        Reading::Name => Ok((Box::new(SliceView::from(&[][..])) as Box<dyn FileView>, None)),
        _ => fetched.view(asset, file),
    };
    let (mut view, mut sha256) = match viewed {
        Ok(view) => view,
        Err(error) => return out.gap(gap(error.gap_kind(), error.to_string())),
    };
    if let (None, Reading::Whole { limit }) = (sha256, wanted.want.reading) {
        match view.read_all(limit) {
            Ok(bytes) => {
                sha256 = Some(digest_of(&bytes, bytes.len() as u64));
                view = Box::new(MemoryView::from(bytes));
            }
            Err(error) => return out.gap(gap(error.gap_kind(), error.to_string())),
        }
    }
    let mut companions: Vec<(&'static str, Box<dyn FileView + '_>)> = Vec::new();
    for (suffix, companion) in &wanted.companions {
        match fetched.view(asset, companion) {
            Ok((view, _)) => companions.push((suffix, view)),
            Err(error) => out.gap(gap(GapKind::Io, format!("its {suffix}: {error}"))),
        }
    }
    let mut input = Input::new(&wanted.path, volume, &mut *view);
    input.root = &all.roots.all()[wanted.root].name;
    input.sha256 = sha256;
    input.companions =
        companions.iter_mut().map(|(suffix, view)| Companion { suffix, view: &mut **view }).collect();
    let context = if wanted.extractor.is_cached() {
        &all.package_contexts[wanted.root]
    } else {
        if let Some(tree) = asset.namespace.tree(file.volume) {
            let inode = tree.inode(file.inode);
            input.mtime = inode.mtime;
            let (uid, gid, mode) = (inode.uid, inode.gid, inode.mode);
            let owned = inode.flags.contains(RowFlags::OWNED);
            input.ownership = owned.then_some(Ownership { uid, gid, mode });
        }
        &all.contexts[wanted.root]
    };
    wanted.extractor.extract(&mut input, context, &mut out);
}

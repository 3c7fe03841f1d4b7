//! Running one extractor on one file.

use super::{
    Extraction,
    fetched::Fetched,
    find::Wanted,
    keep::{self, Keeper, Known},
    placed::Placed,
};
use crate::tasks::TaskError;
use coldread_artifacts::{
    Companion, Input, Output, Ownership, Reading,
    view::{FileView, MemoryView, SliceView},
};
use coldread_fsparse::content::digest::digest_of;
use coldread_model::{Gap, RowFlags, Sha256Digest};

/// Runs it; what it says goes to `out`.
pub(super) fn run<'a>(
    all: &Extraction<'_, 'a>,
    wanted: &Wanted<'a>,
    fetched: &Fetched<'a>,
    known: &mut Known,
    out: &mut dyn Output,
) -> Result<(), TaskError> {
    let asset = all.asset;
    let file = &wanted.file;
    let volume = asset.specs[file.volume].name.as_str();
    let mut out = Placed::new(&all.roots.all()[wanted.root], volume, out);
    let gap = |kind, reason: String| {
        Gap::new(kind, wanted.extractor.name(), reason).in_volume(volume).at_path(&wanted.path)
    };
    let viewed = match wanted.want.reading {
        Reading::Name => Ok((Box::new(SliceView::from(&[][..])) as Box<dyn FileView>, None)),
        _ => fetched.view(asset, file),
    };
    let (mut view, mut sha256) = match viewed {
        Ok(view) => view,
        Err(error) => {
            out.gap(gap(error.gap_kind(), error.to_string()));
            return Ok(());
        }
    };
    if let (None, Reading::Whole { limit }) = (sha256, wanted.want.reading) {
        match view.read_all(limit) {
            Ok(bytes) => {
                sha256 = Some(digest_of(&bytes, bytes.len() as u64));
                view = Box::new(MemoryView::from(bytes));
            }
            Err(error) => {
                out.gap(gap(error.gap_kind(), error.to_string()));
                return Ok(());
            }
        }
    }
    let keeps = wanted.extractor.is_cached() && view.len() >= keep::MIN_FILE_BYTES;
    let mut digests = Vec::new();
    if keeps {
        (view, sha256) = named(view, sha256);
        digests.extend(sha256.map(|digest| ("", digest)));
    }
    let mut companions: Vec<(&'static str, Box<dyn FileView + '_>)> = Vec::new();
    for (suffix, companion) in &wanted.companions {
        match fetched.view(asset, companion) {
            Ok((mut view, mut sha256)) => {
                if keeps {
                    (view, sha256) = named(view, sha256);
                    digests.extend(sha256.map(|digest| (*suffix, digest)));
                }
                companions.push((suffix, view));
            }
            Err(error) => out.gap(gap(error.gap_kind(), format!("its {suffix}: {error}"))),
        }
    }
    // Only where each file that the result depends on is known by its digest.
    let key =
        (keeps && digests.len() == 1 + wanted.companions.len()).then(|| keep::key(all, wanted, &digests));
    if let Some(key) = key
        && let Some(kept) = known.take(all, key)?
    {
        keep::replay(kept, &mut out);
        return Ok(());
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
    let Some(key) = key else {
        wanted.extractor.extract(&mut input, context, &mut out);
        return Ok(());
    };
    let mut keeper = Keeper::new(&mut out);
    wanted.extractor.extract(&mut input, context, &mut keeper);
    if let Some((kind, bytes)) = keeper.object(key) {
        all.job.context.put_object(kind, &bytes)?;
    }
    Ok(())
}

/// A view with the digest of all its bytes, where it is not too large for that.
fn named<'v>(
    mut view: Box<dyn FileView + 'v>,
    sha256: Option<Sha256Digest>,
) -> (Box<dyn FileView + 'v>, Option<Sha256Digest>) {
    if sha256.is_some() || view.len() > keep::MAX_FILE_BYTES {
        return (view, sha256);
    }
    match view.read_all(keep::MAX_FILE_BYTES) {
        Ok(bytes) => {
            let digest = digest_of(&bytes, bytes.len() as u64);
            (Box::new(MemoryView::from(bytes)), Some(digest))
        }
        // The extractor meets the same error where it matters, and tells it.
        Err(_) => (view, None),
    }
}

//! The files that every extractor may have to know, of all roots at once.

use super::{
    super::joined::{Asset, AssetFile},
    fetched::Fetched,
    roots::{Root, Roots},
};
use coldread_artifacts::{
    Context,
    context::{CONTEXT_FILES, ContextFile, ContextWant, IDENTITY_FILES},
};
use coldread_model::{FileKind, Gap, GapKind, SystemIdentity};
use std::collections::HashSet;

/// Bytes of these files that are held, of all roots together: two thousand layers have some ten MB of them, and a file
/// that is all hole is as large as it likes.
const MAX_HELD: u64 = 64 << 20;

const STRUCTURE: &str = "system files";

/// The context of each root, in the order of the roots, and that there were too many files to know them all; `read`
/// takes in what was read of each volume.
pub(super) fn read<'a>(
    asset: &Asset<'a>,
    roots: &Roots<'a>,
    read: &mut [HashSet<u32>],
) -> (Vec<Context>, Option<Gap>) {
    let file_of = |root: usize, want: &ContextWant| file_of(asset, &roots.all()[root], want);
    let (mut left, mut left_out) = (MAX_HELD, 0_u64);
    let mut fetched = Fetched::default();
    let mut files: Vec<Vec<Option<AssetFile<'a>>>> = Vec::new();
    for root in 0..roots.all().len() {
        let mut of_root = Vec::new();
        for want in CONTEXT_FILES {
            let held = file_of(root, want).filter(|file| {
                let size = file.stream.map_or(0, |stream| stream.size);
                // One that is too large for itself takes no room: it is told as that.
                let takes = if size > want.limit { 0 } else { size };
                let room = left.checked_sub(takes);
                left = room.unwrap_or(left);
                left_out += u64::from(room.is_none());
                room.is_some()
            });
            if let Some(file) =
                held.filter(|file| file.stream.is_some_and(|stream| stream.size <= want.limit))
            {
                read[file.volume].insert(file.inode);
                fetched.want(&file);
            }
            of_root.push(held);
        }
        files.push(of_root);
    }
    fetched.fetch(asset);
    let contexts = files.iter().zip(roots.all()).map(|(files, place)| context(asset, place, files, &fetched));
    let reason =
        || format!("{left_out} of all roots are not read: together they have more than {MAX_HELD} bytes");
    let crowded = (left_out > 0).then(|| Gap::new(GapKind::Limit, STRUCTURE, reason()));
    (contexts.collect(), crowded)
}

fn file_of<'a>(asset: &Asset<'a>, place: &Root<'a>, want: &ContextWant) -> Option<AssetFile<'a>> {
    let found = place.namespace.resolve(want.path.as_bytes(), true).ok()?;
    asset.file(found.volume, found.inode)
}

/// What system a root is by some of the files that tell of that, which `takes` names by their places among
/// [`CONTEXT_FILES`]. That they cannot be read is told with the root's whole context.
pub(super) fn identity<'a>(
    asset: &Asset<'a>,
    place: &Root<'a>,
    takes: impl Fn(usize) -> bool,
) -> SystemIdentity {
    let wants = CONTEXT_FILES[..IDENTITY_FILES].iter().enumerate();
    let held = |(index, want)| {
        let file = takes(index).then(|| file_of(asset, place, want)).flatten()?;
        file.stream.is_some_and(|stream| stream.size <= want.limit).then_some(file)
    };
    let held: Vec<Option<AssetFile<'a>>> = wants.map(held).collect();
    let mut fetched = Fetched::default();
    for file in held.iter().flatten() {
        fetched.want(file);
    }
    fetched.fetch(asset);
    context(asset, place, &held, &fetched).system
}

/// The context of one root, from its files: those that are held, in the order of [`CONTEXT_FILES`].
fn context<'a>(
    asset: &Asset<'a>,
    place: &Root<'a>,
    held: &[Option<AssetFile<'a>>],
    fetched: &Fetched<'a>,
) -> Context {
    let mut files = Vec::new();
    for (want, file) in CONTEXT_FILES.iter().zip(held) {
        let Ok(itself) = place.namespace.resolve(want.path.as_bytes(), false) else { continue };
        let tree = asset.namespace.tree(itself.volume);
        let link_target = tree.and_then(|tree| {
            let inode = tree.inode(itself.inode);
            (inode.kind == FileKind::Symlink).then(|| tree.survey().bytes(inode.target).to_vec())
        });
        let read = file.filter(|file| file.stream.is_some()).map(|file| {
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
    let volume = place.namespace.directory(b"/").map_or("", |(volume, ..)| asset.specs[volume].name.as_str());
    Context::from_files(volume, &files)
}

//! Finding the files that extractors want in the joined tree, fetching them together, running the extractors.

use super::{
    super::{
        Job, TaskError,
        view::{self, DiskView, WHOLE_BYTES},
    },
    descent::extractors,
    joined::{Asset, AssetFile},
};
use coldread_artifacts::{
    Companion, Context, Extractor, Input, Reading, Wants,
    context::{CONTEXT_FILES, ContextFile},
    output,
    view::{FileView, MemoryView, ViewError},
};
use coldread_fsparse::{
    content::{Allowance, digest::digest_of},
    survey::Stream,
};
use coldread_model::{FileKind, Findings, Gap, GapKind, Parts, Sha256Digest, listing::path_of};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Bytes of small files that are held at a time.
const BATCH_BYTES: u64 = 64 << 20;

/// What extraction gives.
pub(super) struct Extracted {
    pub(super) findings: Findings,
    /// For each volume the inodes whose content was read.
    pub(super) read: Vec<HashSet<u32>>,
}

/// A file that an extractor wants.
struct Wanted<'a> {
    extractor: &'static dyn Extractor,
    reading: Reading,
    /// Its path in the asset's tree.
    path: Vec<u8>,
    file: AssetFile<'a>,
    companions: Vec<(&'static str, AssetFile<'a>)>,
}

/// Reads the context, then everything that the extractors want that may find what is asked for.
pub(super) fn extract(asset: &Asset<'_>, asked: Parts, job: &Job<'_>) -> Result<Extracted, TaskError> {
    let mut read = vec![HashSet::new(); asset.specs.len()];
    let context = read_context(asset, &mut read);
    let wants = Wants::of(&extractors(asked));
    let wanted = find(asset, &wants);
    let mut allowance =
        Allowance::new(asset.specs.iter().fold(0, |sum: u64, spec| sum.saturating_add(spec.range.len)));
    let mut parts = Vec::new();
    let mut rest = &wanted[..];
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(batch(rest));
        rest = later;
        let (batch, beyond): (Vec<_>, Vec<_>) = batch.iter().partition(|one| allowance.take(one.cost(asset)));
        let mut fetched = Fetched::default();
        for file in batch.iter().flat_map(|one| one.files()) {
            read[file.volume].insert(file.inode);
            fetched.want(file);
        }
        fetched.fetch(asset);
        for one in batch {
            job.check()?;
            parts.push(run(asset, one, &context, &mut fetched));
        }
        parts.extend(beyond.into_iter().map(|one| one.left_out(asset)));
    }
    Ok(Extracted { findings: output::finish(&context, parts), read })
}

/// How many of the wanted files are fetched and held together.
fn batch(wanted: &[Wanted<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |one: &&Wanted<'_>| {
        bytes += one.files().filter_map(small).map(|stream| stream.size).sum::<u64>();
        bytes <= BATCH_BYTES
    };
    wanted.iter().take_while(fits).count().max(1)
}

impl<'a> Wanted<'a> {
    /// The file and its companions.
    fn files(&self) -> impl Iterator<Item = &AssetFile<'a>> {
        std::iter::once(&self.file).chain(self.companions.iter().map(|(_, file)| file))
    }

    /// Bytes that reading it may take: holes of a large file cost nothing.
    fn cost(&self, asset: &Asset<'_>) -> u64 {
        let cost = |file: &AssetFile<'_>| {
            let (Some(stream), Some(tree)) = (file.stream, asset.namespace.tree(file.volume)) else {
                return 0;
            };
            let extents = tree.survey().extents_of(stream);
            let allocated = extents.iter().fold(WHOLE_BYTES, |sum, extent| sum.saturating_add(extent.len));
            stream.size.min(allocated)
        };
        self.files().fold(0, |sum, file| sum.saturating_add(cost(file)))
    }

    /// That it is not read.
    fn left_out(&self, asset: &Asset<'_>) -> Findings {
        let reason = "the files that are wanted claim far more bytes than the disk has";
        let gap = Gap::new(GapKind::Limit, self.extractor.name(), reason).at_path(&self.path);
        let mut findings = Findings::default();
        findings.gaps.push(gap.in_volume(&asset.specs[self.file.volume].name));
        findings
    }
}

/// The stream of a file that is fetched whole.
fn small<'a>(file: &AssetFile<'a>) -> Option<&'a Stream> {
    file.stream.filter(|stream| stream.size <= WHOLE_BYTES)
}

/// Reads the files that every extractor may have to know.
fn read_context(asset: &Asset<'_>, read: &mut [HashSet<u32>]) -> Context {
    let mut files = Vec::new();
    for want in CONTEXT_FILES {
        let path = want.path.as_bytes();
        let Ok(itself) = asset.namespace.resolve(path, false) else { continue };
        let tree = asset.namespace.tree(itself.volume);
        let link_target = tree.and_then(|tree| {
            let inode = tree.inode(itself.inode);
            (inode.kind == FileKind::Symlink).then(|| tree.survey().bytes(inode.target).to_vec())
        });
        let mut file = ContextFile { path: want.path, bytes: None, link_target };
        let found = asset.namespace.resolve(path, true).ok();
        if let Some(found) = found.and_then(|found| asset.file(found.volume, found.inode)) {
            read[found.volume].insert(found.inode);
            file.bytes = view_of(asset, &found).and_then(|mut view| view.read_all(want.limit).ok());
        }
        files.push(file);
    }
    let volume = asset.root.map_or("", |root| asset.specs[root].name.as_str());
    Context::from_files(volume, &files)
}

/// A view that reads from the disk.
fn view_of<'a>(asset: &Asset<'a>, file: &AssetFile<'a>) -> Option<DiskView<'a>> {
    let survey = asset.namespace.tree(file.volume)?.survey();
    Some(DiskView::new(survey, file.stream?, asset.source(file.volume)?))
}

/// Every wanted file, each once for an extractor however many paths lead to it.
fn find<'a>(asset: &Asset<'a>, wants: &Wants<'static>) -> Vec<Wanted<'a>> {
    let mut found = Vec::new();
    let mut seen: HashSet<(&'static str, usize, u32)> = HashSet::new();
    for directory in wants.directories() {
        let name = if directory.is_empty() { &b"/"[..] } else { directory };
        if let Ok((volume, tree, place)) = asset.namespace.directory(name) {
            look(asset, wants, directory, (volume, tree, place), &mut seen, &mut found);
        }
    }
    if !wants.globbed().is_empty() {
        for (volume, mount) in asset.namespace.mounts() {
            let Some(tree) = asset.namespace.tree(volume) else { continue };
            for place in tree.directories() {
                let below = tree.path(place);
                let mut path = mount.clone();
                if path != b"/" || below != b"/" {
                    path.truncate(path.len() - usize::from(path == b"/"));
                    path.extend_from_slice(if below == b"/" { b"" } else { below });
                }
                let path = path.strip_suffix(b"/").unwrap_or(&path);
                look(asset, wants, path, (volume, tree, place), &mut seen, &mut found);
            }
        }
    }
    found
}

/// Takes what is wanted in one directory; `path` has no `/` at its end.
fn look<'a>(
    asset: &Asset<'a>,
    wants: &Wants<'static>,
    path: &[u8],
    (volume, tree, place): (usize, &'a coldread_fsparse::tree::Tree<'a>, &coldread_fsparse::tree::Directory),
    seen: &mut HashSet<(&'static str, usize, u32)>,
    found: &mut Vec<Wanted<'a>>,
) {
    let parent = if path.is_empty() { &b"/"[..] } else { path };
    for wanted in wants.in_directory(path) {
        for entry in tree.places(place) {
            let name = tree.survey().bytes(entry.name);
            if !wanted.takes(name) {
                continue;
            }
            let path = path_of(parent, name);
            // A link may lead anywhere in the tree, as the machine's own tools would follow it.
            let kind = tree.inode(entry.inode).kind;
            let target = match kind {
                FileKind::Symlink => asset.namespace.resolve(&path, true).ok(),
                _ => Some(coldread_fsparse::namespace::Found { volume, inode: entry.inode }),
            };
            let Some(file) = target.and_then(|target| asset.file(target.volume, target.inode)) else {
                continue;
            };
            if !seen.insert((wanted.extractor.name(), file.volume, file.inode)) {
                continue;
            }
            let companion = |suffix: &&'static str| {
                let name = [name, suffix.as_bytes()].concat();
                let inode = tree.lookup(place, &name)?;
                Some((*suffix, asset.file(volume, inode)?))
            };
            let companions = wanted.want.companions.iter().filter_map(companion).collect();
            found.push(Wanted {
                extractor: wanted.extractor,
                reading: wanted.want.reading,
                path,
                file,
                companions,
            });
        }
    }
}

/// Small files, fetched together: one batch a volume.
#[derive(Default)]
struct Fetched<'a> {
    wanted: BTreeMap<(usize, u32), &'a Stream>,
    bytes: HashMap<(usize, u32), Result<Vec<u8>, ViewError>>,
}

impl<'a> Fetched<'a> {
    fn want(&mut self, file: &AssetFile<'a>) {
        if let Some(stream) = small(file) {
            self.wanted.insert((file.volume, file.inode), stream);
        }
    }

    fn fetch(&mut self, asset: &Asset<'a>) {
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
                self.bytes.insert(*key, result);
            }
        }
    }

    /// A file's view, and its digest where all of it is at hand.
    fn view(
        &self,
        asset: &Asset<'a>,
        file: &AssetFile<'a>,
    ) -> Result<(Box<dyn FileView + 'a>, Option<Sha256Digest>), ViewError> {
        match self.bytes.get(&(file.volume, file.inode)) {
            Some(Ok(bytes)) => {
                let digest = digest_of(bytes, bytes.len() as u64);
                Ok((Box::new(MemoryView::from(bytes.clone())), Some(digest)))
            }
            Some(Err(error)) => Err(error.clone()),
            None => match view_of(asset, file) {
                Some(view) => Ok((Box::new(view), None)),
                None => Ok((Box::new(MemoryView::from(Vec::new())), Some(digest_of(&[], 0)))),
            },
        }
    }
}

/// Runs one extractor on one file.
fn run<'a>(asset: &Asset<'a>, wanted: &Wanted<'a>, context: &Context, fetched: &mut Fetched<'a>) -> Findings {
    let mut findings = Findings::default();
    let file = &wanted.file;
    let volume = asset.specs[file.volume].name.as_str();
    let gap = |kind, reason: String| {
        Gap::new(kind, wanted.extractor.name(), reason).in_volume(volume).at_path(&wanted.path)
    };
    let (mut view, mut sha256) = match fetched.view(asset, file) {
        Ok(view) => view,
        Err(error) => {
            findings.gaps.push(gap(error.gap_kind(), error.to_string()));
            return findings;
        }
    };
    if let (None, Reading::Whole { limit }) = (sha256, wanted.reading) {
        match view.read_all(limit) {
            Ok(bytes) => {
                sha256 = Some(digest_of(&bytes, bytes.len() as u64));
                view = Box::new(MemoryView::from(bytes));
            }
            Err(error) => {
                findings.gaps.push(gap(error.gap_kind(), error.to_string()));
                return findings;
            }
        }
    }
    let mut companions: Vec<(&'static str, Box<dyn FileView + 'a>)> = Vec::new();
    for (suffix, companion) in &wanted.companions {
        match fetched.view(asset, companion) {
            Ok((view, _)) => companions.push((suffix, view)),
            Err(error) => findings.gaps.push(gap(GapKind::Io, format!("its {suffix}: {error}"))),
        }
    }
    let mtime =
        asset.namespace.tree(file.volume).map(|tree| tree.inode(file.inode).mtime).unwrap_or_default();
    let mut input = Input {
        path: &wanted.path,
        root: "/",
        volume,
        sha256,
        mtime,
        view: &mut *view,
        companions: companions
            .iter_mut()
            .map(|(suffix, view)| Companion { suffix, view: &mut **view })
            .collect(),
    };
    wanted.extractor.extract(&mut input, context, &mut findings);
    findings
}

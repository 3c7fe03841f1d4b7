//! Which layers lie below which, by what container engines keep beside them.

use super::{
    super::{
        super::joined::{Asset, AssetFile},
        fetched::Fetched,
        roots::Roots,
    },
    STRUCTURE,
};
use coldread_artifacts::{
    Context,
    layers::{self, LIMIT, LINK, LOWER, LOWER_ID, MAX_LOWER, Place, SNAPSHOTS, SNAPSHOTS_LIMIT, Snapshots},
    lines::StreamError,
    view::ViewError,
};
use coldread_model::{Gap, GapKind};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A layer, and the roots below it, the next one first.
pub(super) type Chain = (usize, Vec<usize>);

/// A root that may be a layer.
struct Layer<'a, 'r> {
    root: usize,
    world: usize,
    place: Place<'r>,
    /// Its short name.
    link: Option<AssetFile<'a>>,
    /// What names the layers below it, and its path.
    lower: Option<(AssetFile<'a>, Vec<u8>)>,
}

/// What is read of the stores, and what could not be.
struct Stores<'s, 'a> {
    asset: &'s Asset<'a>,
    fetched: Fetched<'a>,
    gaps: Vec<Gap>,
}

/// The layers below each one whose system is not known, and what of that could not be read; `read` takes in what was read
/// of each volume.
pub(super) fn chains<'a>(
    asset: &Asset<'a>,
    roots: &Roots<'a>,
    contexts: &[Context],
    read: &mut [HashSet<u32>],
) -> (Vec<Chain>, Vec<Gap>) {
    let file_at = |world: usize, path: &[u8]| {
        let found = roots.worlds()[world].resolve(path, true).ok()?;
        asset.file(found.volume, found.inode)
    };
    let mut layers = Vec::new();
    for (root, at) in roots.all().iter().enumerate() {
        let Some(place) = Place::of_root(&at.path) else { continue };
        let named = |directory: &[u8], name: &str| {
            let path = [directory, b"/", name.as_bytes()].concat();
            Some((file_at(at.world, &path)?, path))
        };
        let (link, lower) = match place {
            Place::Linked { layer, .. } => (named(layer, LINK).map(|(file, _)| file), named(layer, LOWER)),
            Place::Upper { layer, .. } => (None, named(layer, LOWER_ID)),
            Place::Snapshot { .. } => (None, None),
        };
        layers.push(Layer { root, world: at.world, place, link, lower });
    }
    let is_heir = |layer: &&Layer<'a, '_>| contexts[layer.root].system.id.is_none();
    let mut databases: BTreeMap<(usize, &[u8]), Option<AssetFile<'a>>> = BTreeMap::new();
    for layer in layers.iter().filter(is_heir) {
        if let Place::Snapshot { store, .. } = layer.place {
            let file = || file_at(layer.world, &[store, b"/", SNAPSHOTS.as_bytes()].concat());
            databases.entry((layer.world, store)).or_insert_with(file);
        }
    }
    let mut stores = Stores { asset, fetched: Fetched::default(), gaps: Vec::new() };
    let small =
        layers.iter().flat_map(|layer| layer.link.iter().chain(layer.lower.iter().map(|(file, _)| file)));
    let wanted = small
        .map(|file| (file, LIMIT))
        .chain(databases.values().flatten().map(|file| (file, SNAPSHOTS_LIMIT)));
    for (file, limit) in wanted {
        read[file.volume].insert(file.inode);
        if file.stream.is_some_and(|stream| stream.size <= limit) {
            stores.fetched.want(file);
        }
    }
    stores.fetched.fetch(asset);
    let links = stores.links(&layers);
    let parents: HashMap<(usize, &[u8]), HashMap<u64, u64>> = databases
        .iter()
        .map(|(&(world, store), file)| ((world, store), stores.snapshots(store, file.as_ref())))
        .collect();
    let by_path: HashMap<(usize, &[u8]), usize> =
        roots.all().iter().enumerate().map(|(root, at)| ((at.world, &at.path[..]), root)).collect();
    let at = |world: usize, path: &[u8]| by_path.get(&(world, path)).copied();
    let mut chains = Vec::new();
    for layer in layers.iter().filter(is_heir) {
        let below = match layer.place {
            Place::Linked { store, .. } => {
                let named = |name: &[u8]| links.get(&(layer.world, store, name.to_vec())).copied();
                stores.lower(layer, |text| Ok(layers::lower(text)?.into_iter().filter_map(named).collect()))
            }
            Place::Upper { store, .. } => stores.lower(layer, |text| {
                let corrupt = || StreamError::Corrupt("no name of an image's directory".to_owned());
                let id = layers::lower_id(text).ok_or_else(corrupt)?;
                Ok(at(layer.world, &[store, b"/", id, b"/root"].concat()).into_iter().collect())
            }),
            Place::Snapshot { id, store } => {
                let parents = parents.get(&(layer.world, store));
                let mut next = parents.and_then(|parents| parents.get(&id)).copied();
                let mut below = Vec::new();
                for _ in 0..MAX_LOWER {
                    let Some(id) = next else { break };
                    let path = [store, b"/snapshots/", id.to_string().as_bytes(), b"/fs"].concat();
                    below.extend(at(layer.world, &path));
                    next = parents.and_then(|parents| parents.get(&id)).copied();
                }
                if next.is_some() {
                    let reason = format!("more than {MAX_LOWER} layers below one");
                    let gap = Gap::new(GapKind::Limit, STRUCTURE, reason);
                    stores.gaps.push(gap.at_path(&roots.all()[layer.root].path));
                }
                below
            }
        };
        chains.push((layer.root, below));
    }
    (chains, stores.gaps)
}

impl<'a> Stores<'_, 'a> {
    fn bytes(&self, file: &AssetFile<'a>, limit: u64) -> Result<Vec<u8>, ViewError> {
        self.fetched.view(self.asset, file).and_then(|(mut view, _)| view.read_all(limit))
    }

    /// Layers by their short names. One whose name cannot be read is one that no other is known to lie on.
    fn links<'r>(&self, layers: &[Layer<'a, 'r>]) -> HashMap<(usize, &'r [u8], Vec<u8>), usize> {
        let named = |layer: &Layer<'a, 'r>| {
            let Place::Linked { store, .. } = layer.place else { return None };
            let link = self.bytes(layer.link.as_ref()?, LIMIT).ok()?;
            Some(((layer.world, store, layers::short_name(&link)?.to_vec()), layer.root))
        };
        layers.iter().filter_map(named).collect()
    }

    /// What a layer's own file says lies below it.
    fn lower(
        &mut self,
        layer: &Layer<'a, '_>,
        below: impl FnOnce(&[u8]) -> Result<Vec<usize>, StreamError>,
    ) -> Vec<usize> {
        let Some((file, path)) = &layer.lower else { return Vec::new() };
        let (kind, reason) = match self.bytes(file, LIMIT) {
            Ok(text) => match below(&text) {
                Ok(below) => return below,
                Err(error) => (error.gap_kind(), error.to_string()),
            },
            Err(error) => (error.gap_kind(), error.to_string()),
        };
        let gap = Gap::new(kind, STRUCTURE, reason);
        self.gaps.push(gap.in_volume(&self.asset.specs[file.volume].name).at_path(path));
        Vec::new()
    }

    /// What containerd's database says lies on what.
    fn snapshots(&mut self, store: &[u8], file: Option<&AssetFile<'a>>) -> HashMap<u64, u64> {
        let path = [store, b"/", SNAPSHOTS.as_bytes()].concat();
        let gap = |kind, reason: String| Gap::new(kind, STRUCTURE, reason).at_path(&path);
        let Some(file) = file else {
            let reason = "it is not there: which snapshots lie on which is not known".to_owned();
            self.gaps.push(gap(GapKind::NotFound, reason));
            return HashMap::new();
        };
        let asset = self.asset;
        let in_volume = |gap: Gap| gap.in_volume(&asset.specs[file.volume].name);
        let (kind, reason) = match self.bytes(file, SNAPSHOTS_LIMIT) {
            Ok(bytes) => match layers::snapshots(&bytes) {
                Ok(Snapshots { below, lost }) => {
                    if lost > 0 {
                        let reason = format!("{lost} snapshots whose number or whose parent is not known");
                        self.gaps.push(in_volume(gap(GapKind::Corrupt, reason)));
                    }
                    return below;
                }
                Err(error) => (error.gap_kind(), error.to_string()),
            },
            Err(error) => (error.gap_kind(), error.to_string()),
        };
        self.gaps.push(in_volume(gap(kind, reason)));
        HashMap::new()
    }
}

//! Layers of images that have no os-release of their own: their system is that of the layers that they lie on.

use super::{
    super::joined::{Asset, AssetFile},
    fetched::Fetched,
    roots::{Root, Roots},
};
use coldread_artifacts::{
    Context,
    layers::{self, LIMIT, LINK, LOWER},
};
use coldread_model::{Gap, SystemIdentity};
use std::collections::{HashMap, HashSet};

/// A root that is a layer with one below it or above.
struct Layer<'a, 'r> {
    root: usize,
    world: usize,
    /// The directory of all layers.
    store: &'r [u8],
    link: Option<AssetFile<'a>>,
    lower: Option<(AssetFile<'a>, Vec<u8>)>,
}

/// Gives each layer whose system is not known that of the next one below whose system is; `read` takes in what was
/// read of each volume. What of the chains could not be read is a gap.
pub(super) fn inherit<'a>(
    asset: &Asset<'a>,
    roots: &Roots<'a>,
    contexts: &mut [Context],
    read: &mut [HashSet<u32>],
) -> Vec<Gap> {
    let layers: Vec<Layer<'a, '_>> =
        roots.all().iter().enumerate().filter_map(|(root, place)| layer(asset, roots, root, place)).collect();
    let mut fetched = Fetched::default();
    for layer in &layers {
        for file in layer.link.iter().chain(layer.lower.iter().map(|(file, _)| file)) {
            read[file.volume].insert(file.inode);
            if file.stream.is_some_and(|stream| stream.size <= LIMIT) {
                fetched.want(file);
            }
        }
    }
    fetched.fetch(asset);
    let bytes =
        |file: &AssetFile<'a>| fetched.view(asset, file).and_then(|(mut view, _)| view.read_all(LIMIT));
    // A layer whose short name cannot be read is one that no other is known to lie on.
    let mut by_name: HashMap<(usize, &[u8], Vec<u8>), usize> = HashMap::new();
    for layer in &layers {
        let link = layer.link.as_ref().and_then(|link| bytes(link).ok());
        if let Some(name) = link.as_deref().and_then(layers::short_name) {
            by_name.insert((layer.world, layer.store, name.to_vec()), layer.root);
        }
    }
    let (mut gaps, mut heirs) = (Vec::new(), Vec::new());
    for layer in layers.iter().filter(|layer| contexts[layer.root].system.id.is_none()) {
        let Some((file, path)) = &layer.lower else { continue };
        let mut gap = |kind, reason: String| {
            let gap = Gap::new(kind, "layers of an image", reason);
            gaps.push(gap.in_volume(&asset.specs[file.volume].name).at_path(path));
        };
        let text = match bytes(file) {
            Ok(text) => text,
            Err(error) => {
                gap(error.gap_kind(), error.to_string());
                continue;
            }
        };
        match layers::lower(&text) {
            Ok(names) => {
                let below = names
                    .into_iter()
                    .filter_map(|name| by_name.get(&(layer.world, layer.store, name.to_vec())).copied());
                heirs.extend(
                    below
                        .map(|below| (layer.root, below))
                        .find(|(_, below)| contexts[*below].system.id.is_some()),
                );
            }
            Err(error) => gap(error.gap_kind(), error.to_string()),
        }
    }
    // All were looked for before any is given: a `lower` names every layer down to the last.
    for (heir, below) in heirs {
        let system = &contexts[below].system;
        let (hostname, timezone) = (&contexts[heir].system.hostname, &contexts[heir].system.timezone);
        contexts[heir].system =
            SystemIdentity { hostname: hostname.clone(), timezone: timezone.clone(), ..system.clone() };
    }
    gaps
}

/// The layer that a root is, if it is one.
fn layer<'a, 'r>(
    asset: &Asset<'a>,
    roots: &Roots<'a>,
    root: usize,
    place: &'r Root<'a>,
) -> Option<Layer<'a, 'r>> {
    let (directory, store) = layers::of_root(&place.path)?;
    let file_of = |name: &str| {
        let path = [directory, b"/", name.as_bytes()].concat();
        let found = roots.worlds()[place.world].resolve(&path, true).ok()?;
        Some((asset.file(found.volume, found.inode)?, path))
    };
    let (link, lower) = (file_of(LINK).map(|(file, _)| file), file_of(LOWER));
    (link.is_some() || lower.is_some()).then_some(Layer { root, world: place.world, store, link, lower })
}

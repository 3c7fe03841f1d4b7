//! Layers of images that have no os-release of their own: their system is that of the layers that they lie on, as far as
//! no layer above hides what says so.

mod below;
mod hidden;

use super::{
    super::joined::Asset,
    context,
    roots::{Root, Roots},
};
use coldread_artifacts::Context;
use coldread_model::{Gap, GapKind, SystemIdentity};
use hidden::Hidden;
use std::collections::{HashMap, HashSet};

const STRUCTURE: &str = "layers of an image";
/// Systems that are made out of what is left of a layer's files: images whose layers hide such files are few.
const MAX_PARTLY: usize = 4096;

/// Gives each layer whose system is not known that of the next one below that tells one; `read` takes in what was read of
/// each volume. What of the chains could not be read is a gap.
pub(super) fn inherit<'a>(
    asset: &Asset<'a>,
    roots: &Roots<'a>,
    contexts: &mut [Context],
    read: &mut [HashSet<u32>],
) -> Vec<Gap> {
    let (chains, mut gaps) = below::chains(asset, roots, contexts, read);
    let mut tellers =
        Tellers { asset, roots: roots.all(), hides: HashMap::new(), partly: HashMap::new(), left_out: 0 };
    let heirs: Vec<(usize, SystemIdentity)> = chains
        .iter()
        .filter_map(|(heir, below)| Some((*heir, tellers.told(*heir, below, contexts)?)))
        .collect();
    // All were looked for before any is given: a chain names every layer down to the last.
    for (heir, system) in heirs {
        let own = &contexts[heir].system;
        contexts[heir].system =
            SystemIdentity { hostname: own.hostname.clone(), timezone: own.timezone.clone(), ..system };
    }
    if tellers.left_out > 0 {
        let reason =
            format!("{} times files that tell of a system are hidden are not looked into", tellers.left_out);
        gaps.push(Gap::new(GapKind::Limit, STRUCTURE, reason));
    }
    gaps
}

/// What layers tell those above them.
struct Tellers<'t, 'a> {
    asset: &'t Asset<'a>,
    roots: &'t [Root<'a>],
    /// What each layer hides.
    hides: HashMap<usize, Hidden>,
    /// The system that a layer tells of where some of its files are hidden.
    partly: HashMap<(usize, Hidden), SystemIdentity>,
    left_out: u64,
}

impl Tellers<'_, '_> {
    /// The system that the layers below one tell.
    fn told(&mut self, heir: usize, below: &[usize], contexts: &[Context]) -> Option<SystemIdentity> {
        let mut hidden = self.hides(heir);
        for &layer in below {
            let whole = &contexts[layer].system;
            if whole.id.is_some() {
                let system = if hidden.is_none() { Some(whole.clone()) } else { self.partly(layer, hidden) };
                if let Some(system) = system.filter(|system| system.id.is_some()) {
                    return Some(system);
                }
            }
            hidden = hidden.and(self.hides(layer));
        }
        None
    }

    fn hides(&mut self, layer: usize) -> Hidden {
        *self.hides.entry(layer).or_insert_with(|| Hidden::by(&self.roots[layer]))
    }

    /// What a layer tells by those of its files that are not hidden.
    fn partly(&mut self, layer: usize, hidden: Hidden) -> Option<SystemIdentity> {
        if let Some(known) = self.partly.get(&(layer, hidden)) {
            return Some(known.clone());
        }
        if self.partly.len() >= MAX_PARTLY {
            self.left_out += 1;
            return None;
        }
        let place = &self.roots[layer];
        let system = context::identity(self.asset, place, |file| hidden.shows(place, file));
        self.partly.insert((layer, hidden), system.clone());
        Some(system)
    }
}

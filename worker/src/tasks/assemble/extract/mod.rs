//! Finding the files that extractors want in the joined tree, fetching them together, running the extractors.

mod collect;
mod context;
mod cut;
mod events;
mod fetched;
mod find;
mod keep;
mod layers;
mod logins;
mod once;
mod owners;
mod placed;
mod roots;
mod rounds;
mod run;
mod sorted;
mod spill;
mod times;

use super::{
    super::{Job, TaskError, view::WHOLE_BYTES},
    Work,
    descent::extractors,
    joined::{Asset, AssetFile},
};
use coldread_artifacts::{Context, Output, Reading, Wants, logins::joiner};
use coldread_fsparse::content::Allowance;
use coldread_model::{FoundRefs, Gap, GapKind, Part, SystemIdentity};
use collect::Collector;
use fetched::{Fetched, small};
use find::Wanted;
use keep::Known;
use placed::Placed;
use roots::Roots;
use std::collections::HashSet;

/// Bytes of small files that are held at a time.
const BATCH_BYTES: u64 = 64 << 20;

/// What extraction gives.
pub(super) struct Extracted {
    pub(super) system: SystemIdentity,
    pub(super) found: FoundRefs,
    /// What could not be read of the files that were wanted.
    pub(super) gaps: Vec<Gap>,
    /// For each volume the inodes whose content was read.
    pub(super) read: Vec<HashSet<u32>>,
}

/// An extraction under way.
struct Extraction<'e, 'a> {
    asset: &'e Asset<'a>,
    job: &'e Job<'e>,
    roots: Roots<'a>,
    /// The context of each root …
    contexts: Vec<Context>,
    /// … and what cached extractors see of it.
    package_contexts: Vec<Context>,
}

/// Reads the context, then everything that the extractors want that may find what is asked for.
pub(super) fn extract(asset: &Asset<'_>, work: &Work<'_>, job: &Job<'_>) -> Result<Extracted, TaskError> {
    let mut read = vec![HashSet::new(); asset.specs.len()];
    let (roots, left_out) = Roots::of_asset(asset);
    let (mut contexts, unknown) = context::read(asset, &roots, &mut read);
    let unlayered = layers::inherit(asset, &roots, &mut contexts, &mut read);
    let package_contexts = contexts.iter().map(Context::for_packages).collect();
    let (wanted, crowded) = find::find(asset, &roots, &Wants::of(&extractors(work.asked)));
    let all = Extraction { asset, job, roots, contexts, package_contexts };
    let gaps = all.context_gaps().chain(left_out).chain(unknown).chain(unlayered).chain(crowded).collect();
    let events = job.memory.events(work.hashes());
    let mut collector = Collector::new(all.contexts[0].system.clone(), gaps, events);
    all.run(&wanted, &mut read, &mut collector)?;
    drop(wanted);
    let host = &all.roots.all()[0].namespace;
    // Who reads no more than the way to some files does not know of others whether they are there.
    let system =
        collector.system(|path| !work.asked.contains(Part::Files) || host.resolve(path, true).is_ok());
    let written = collector.finish(job, &mut *joiner::joiner())?;
    tracing::debug!("extracted");
    Ok(Extracted { system, found: written.found, gaps: written.gaps, read })
}

impl<'a> Extraction<'_, 'a> {
    /// What of the contexts could not be read.
    fn context_gaps(&self) -> impl Iterator<Item = Gap> {
        self.contexts.iter().zip(self.roots.all()).flat_map(|(context, root)| {
            context.gaps.iter().cloned().map(|mut gap| {
                if let Some(path) = &mut gap.path {
                    path.splice(0..0, root.path.iter().copied());
                }
                gap
            })
        })
    }

    fn run(
        &self,
        wanted: &[Wanted<'a>],
        read: &mut [HashSet<u32>],
        out: &mut Collector,
    ) -> Result<(), TaskError> {
        let bytes = self.asset.specs.iter().fold(0, |sum: u64, spec| sum.saturating_add(spec.range.len));
        let mut allowance = Allowance::new(bytes);
        let (probed, whole): (Vec<&Wanted<'a>>, Vec<&Wanted<'a>>) =
            wanted.iter().partition(|one| one.want.reading == Reading::Probe);
        let mut rest = &whole[..];
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch(rest));
            rest = later;
            let (batch, beyond): (Vec<&Wanted<'a>>, Vec<_>) =
                batch.iter().partition(|one| allowance.take(self.cost(one)));
            let mut fetched = Fetched::default();
            for file in
                batch.iter().filter(|one| one.want.reading != Reading::Name).flat_map(|one| one.files())
            {
                read[file.volume].insert(file.inode);
                fetched.want(file);
            }
            fetched.fetch(self.asset);
            let mut rest = &batch[..];
            while !rest.is_empty() {
                let (together, later) = rest.split_at(keep::together(rest));
                rest = later;
                let mut known = Known::of(self, together, &fetched)?;
                for one in together {
                    self.job.check()?;
                    run::run(self, one, &fetched, &mut known, out)?;
                    out.check()?;
                }
            }
            for one in beyond {
                self.left_out(one, out);
            }
        }
        rounds::probe(self, &probed, out)
    }

    /// Bytes that reading a file and its companions may take: holes of a large file cost nothing.
    fn cost(&self, wanted: &Wanted<'a>) -> u64 {
        let cost = |file: &AssetFile<'_>| {
            let (Some(stream), Some(tree)) = (file.stream, self.asset.namespace.tree(file.volume)) else {
                return 0;
            };
            let extents = tree.survey().extents_of(stream);
            let allocated = extents.iter().fold(WHOLE_BYTES, |sum, extent| sum.saturating_add(extent.len));
            stream.size.min(allocated)
        };
        if wanted.want.reading == Reading::Name {
            return 0;
        }
        wanted.files().fold(0, |sum, file| sum.saturating_add(cost(file)))
    }

    /// That a file is not read.
    fn left_out(&self, wanted: &Wanted<'a>, out: &mut dyn Output) {
        let reason = "the files that are wanted claim far more bytes than the disk has";
        let volume = &self.asset.specs[wanted.file.volume].name;
        let gap = Gap::new(GapKind::Limit, wanted.extractor.name(), reason);
        let mut out = Placed::new(&self.roots.all()[wanted.root], volume, out);
        out.gap(gap.at_path(&wanted.path).in_volume(volume));
    }
}

/// How many of the wanted files are fetched and held together.
fn batch(wanted: &[&Wanted<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |one: &&&Wanted<'_>| {
        bytes += one.files().filter_map(small).map(|stream| stream.size).sum::<u64>();
        bytes <= BATCH_BYTES
    };
    wanted.iter().take_while(fits).count().max(1)
}

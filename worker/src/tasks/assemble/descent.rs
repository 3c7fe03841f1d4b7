//! Reading only the way to what extractors want, for scans that are not asked for files.
//!
//! All wanted paths of a volume are followed at once, a level of the tree a round: the directories of one level
//! are read in one batch, and what they name of the wanted paths is the next. How many rounds that takes
//! depends on how deep the wanted paths lie and never on how many files there are. Symbolic links on the way
//! are goals of their own, and the asset's fstab says on which volume a goal is to be looked for.
//!
//! Where a goal could be anywhere (a pattern that starts with `**`), the volume is surveyed.

use super::{
    super::{Job, TaskError, probe::run, survey::Opened},
    Surveyed, Work,
    goals::{Goal, Goals, Path, State, below, components},
    joined::{Asset, WINDOWS_SIGN},
    links::Links,
};
use coldread_artifacts::{
    EXTRACTORS, Extractor,
    context::{CONTEXT_FILES, IDENTITY_FILES},
    layers::{self, WHITEOUT},
    roots::STORES,
};
use coldread_fsparse::{
    survey::{Entry, Survey},
    tree::Tree,
};
use coldread_model::{FileKind, Gap, GapKind, Parts};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Symbolic links in a row (path_resolution(7)), so rounds of new goals.
const MAX_LINKS: usize = 40;

/// The extractors that may find something that is asked for.
pub(super) fn extractors(asked: Parts) -> Vec<&'static dyn Extractor> {
    EXTRACTORS.iter().copied().filter(|extractor| extractor.finds().meets(asked)).collect()
}

/// One volume's way to its goals.
struct Descent<'a> {
    opened: &'a Opened<'a>,
    root: u64,
    goals: Goals,
    /// Links that the last walk did not follow.
    links_left_out: u64,
    /// What was read of it; the names are in `names`.
    survey: Survey,
    /// Inodes that were read, or are known not to be there.
    read: HashMap<u64, Option<u32>>,
    /// The names in each directory that was read.
    names: HashMap<u64, Vec<Entry>>,
}

/// A directory on the way: its inode, its path, and the goals that lead through it.
struct Place {
    inode: u64,
    path: Path,
    states: Vec<State>,
}

impl Job<'_> {
    /// What of each volume leads to what the extractors of `work` want.
    pub(super) fn descend(
        &self,
        work: &Work<'_>,
        opened: &[Option<Opened<'_>>],
    ) -> Result<Vec<Option<Surveyed>>, TaskError> {
        let wanted = wanted(work.asked);
        let everywhere =
            wanted.iter().any(|goal| goal.components.first().is_some_and(|first| first == b"**"));
        if everywhere {
            let whole = |volume: &Opened<'_>| self.survey(volume, 0..volume.spec.units);
            let surveys = opened.iter().map(|volume| volume.as_ref().map(whole).transpose());
            return surveys
                .map(|survey| Ok(survey?.map(|survey| Surveyed { survey, partly: false })))
                .collect();
        }
        let begin = |volume| Descent::new(volume, self);
        let descents = opened.iter().map(|volume| volume.as_ref().map(begin).transpose());
        let mut descents = descents.collect::<Result<Vec<_>, _>>()?;
        self.follow_goals(work, opened, &mut descents, wanted)?;
        let partly = |descent: Descent<'_>| Surveyed { survey: descent.finish(), partly: true };
        Ok(descents.into_iter().map(|descent| descent.map(partly)).collect())
    }

    /// Follows all goals on all volumes, until links and fstab give no more of them.
    fn follow_goals(
        &self,
        work: &Work<'_>,
        opened: &[Option<Opened<'_>>],
        descents: &mut [Option<Descent<'_>>],
        wanted: Vec<Goal>,
    ) -> Result<(), TaskError> {
        // What every volume might hold: without it nobody knows which volume is the root.
        let mut signs: Vec<Goal> = CONTEXT_FILES.iter().map(|want| Goal::at(want.path.as_bytes())).collect();
        let windows = Goal::default().with(WINDOWS_SIGN.map(<[u8]>::to_vec).to_vec());
        signs.push(Goal { any_case: true, ..windows });
        for descent in descents.iter_mut().flatten() {
            for sign in &signs {
                descent.goals.add(sign);
            }
            descent.walk(self, Links::new(Vec::new()))?;
        }
        let mut goals: BTreeSet<Goal> = signs.into_iter().chain(wanted).collect();
        for _ in 0..=MAX_LINKS {
            let mounts = mounts(work, opened, descents)?;
            let mut news = false;
            // All goals are told again: what is too much is counted anew.
            descents.iter_mut().flatten().for_each(|descent| descent.goals.left_out = 0);
            for (volume, mount) in &mounts {
                let Some(descent) = &mut descents[*volume] else { continue };
                for goal in goals.iter().flat_map(|goal| below(goal, mount)) {
                    news |= descent.goals.add(&goal);
                }
            }
            if !news {
                break;
            }
            for (volume, descent) in descents.iter_mut().enumerate() {
                let Some(descent) = descent else { continue };
                let at = mounts.iter().filter(|(mounted, _)| *mounted == volume).map(|(_, mount)| mount);
                goals.extend(descent.walk(self, Links::new(at.collect()))?);
            }
        }
        Ok(())
    }
}

/// What the extractors want that find something that is asked for: on the host, and in the trees of containers where
/// their engines keep them. A chroot elsewhere is found only by who looks everywhere.
fn wanted(asked: Parts) -> Vec<Goal> {
    let mut goals = Vec::new();
    for want in extractors(asked).iter().flat_map(|extractor| extractor.wants()) {
        let goal = Goal { any_case: want.any_case, ..Goal::at(want.pattern.as_bytes()) };
        let with_name = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut path = goal.components.to_vec();
            path.last_mut().map(change);
            goal.with(path)
        };
        goals.extend(
            want.companions.iter().map(|end| with_name(&|name| name.extend_from_slice(end.as_bytes()))),
        );
        goals.extend(
            want.siblings.iter().map(|sibling| with_name(&|name| *name = sibling.as_bytes().to_vec())),
        );
        let elsewhere = want.elsewhere.iter().map(|path| components(path.as_bytes()));
        goals.extend(elsewhere.map(|path| goal.with(path)));
        goals.push(goal);
    }
    goals.extend(CONTEXT_FILES.iter().map(|want| Goal::at(want.path.as_bytes())));
    let stores: Vec<Path> = STORES.iter().map(|store| components(store.as_bytes())).collect();
    let inside = |store: &Path, goal: &Goal| goal.with([&store[..], &goal.components].concat());
    let inside: Vec<Goal> =
        stores.iter().flat_map(|store| goals.iter().map(move |goal| inside(store, goal))).collect();
    goals.extend(inside);
    goals.extend(stores.iter().flat_map(|store| of_layers(store)));
    goals
}

/// What tells which layers of a store lie on each other, and what they hide in those below.
fn of_layers(store: &[Vec<u8>]) -> Vec<Goal> {
    let mut goals: Vec<Goal> = layers::beside(store).map(|path| Goal::default().with(path)).collect();
    for want in &CONTEXT_FILES[..IDENTITY_FILES] {
        let path = components(want.path.as_bytes());
        for (place, name) in path.iter().enumerate() {
            let hidden = [WHITEOUT, name].concat();
            goals.push(Goal::default().with([store, &path[..place], &[hidden]].concat()));
        }
        let opaque =
            (1..path.len()).map(|place| [store, &path[..place], &[layers::OPAQUE.to_vec()]].concat());
        goals.extend(opaque.map(|path| Goal::default().with(path)));
    }
    goals.sort_unstable();
    goals.dedup();
    goals
}

/// Where the asset's fstab mounts its volumes, as far as it is known by now.
fn mounts(
    work: &Work<'_>,
    opened: &[Option<Opened<'_>>],
    descents: &[Option<Descent<'_>>],
) -> Result<Vec<(usize, Path)>, TaskError> {
    let so_far: Vec<Option<Survey>> =
        descents.iter().map(|descent| descent.as_ref().map(Descent::so_far)).collect();
    let mut trees = Vec::new();
    for (index, volume) in opened.iter().enumerate() {
        trees.push(match (&so_far[index], volume) {
            (Some(survey), Some(volume)) => Some(Tree::build(survey, root_of(volume)?)),
            _ => None,
        });
    }
    let asset = Asset::new(&work.probe.volumes, opened, &trees);
    Ok(asset.namespace.mounts().map(|(volume, point)| (volume, components(&point))).collect())
}

fn root_of(volume: &Opened<'_>) -> Result<u64, TaskError> {
    volume.driver.root(&volume.spec.geometry).map_err(|error| TaskError::Invalid(error.to_string()))
}

impl<'a> Descent<'a> {
    /// With the root directory read.
    fn new(opened: &'a Opened<'a>, job: &Job<'_>) -> Result<Self, TaskError> {
        let mut descent = Self {
            opened,
            root: root_of(opened)?,
            goals: Goals::default(),
            links_left_out: 0,
            survey: Survey::default(),
            read: HashMap::new(),
            names: HashMap::new(),
        };
        descent.fetch(&[descent.root], job)?;
        Ok(descent)
    }

    /// Reads inodes, and the names in those that are directories.
    fn fetch(&mut self, numbers: &[u64], job: &Job<'_>) -> Result<(), TaskError> {
        let mut numbers: Vec<u64> =
            numbers.iter().copied().filter(|number| !self.read.contains_key(number)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.is_empty() {
            return Ok(());
        }
        let machine = self.opened.driver.directories(&self.opened.spec.geometry, &numbers);
        let mut machine = machine.map_err(|error| TaskError::Invalid(error.to_string()))?;
        run(&mut *machine, &self.opened.source)?;
        job.check()?;
        let before = self.survey.inodes.len();
        super::super::survey::join(&mut self.survey, machine.finish())?;
        self.read.extend(numbers.iter().map(|number| (*number, None)));
        for (index, inode) in self.survey.inodes.iter().enumerate().skip(before) {
            self.read.insert(inode.number, Some(index as u32));
        }
        for entry in self.survey.entries.drain(..) {
            self.names.entry(entry.parent).or_default().push(entry);
        }
        Ok(())
    }

    /// Walks from the root along all goals and reads what is not read yet. Gives the goals behind the links on the way.
    fn walk(&mut self, job: &Job<'_>, mut links: Links<'_>) -> Result<BTreeSet<Goal>, TaskError> {
        let mut level = vec![Place { inode: self.root, path: Vec::new(), states: self.goals.start() }];
        let mut seen: HashSet<(u64, Vec<State>)> = HashSet::new();
        while !level.is_empty() {
            let mut steps = Vec::new();
            for place in &level {
                for entry in self.names.get(&place.inode).into_iter().flatten() {
                    let step = self.goals.step(&place.states, self.survey.bytes(entry.name));
                    if step.reached || !step.states.is_empty() {
                        steps.push((place, *entry, step));
                    }
                }
            }
            let wanted: Vec<u64> = steps.iter().map(|(_, entry, _)| entry.child).collect();
            self.fetch(&wanted, job)?;
            let mut next = Vec::new();
            for (place, entry, step) in steps {
                let Some(Some(inode)) = self.read.get(&{ entry.child }) else { continue };
                let inode = &self.survey.inodes[*inode as usize];
                match inode.kind {
                    // A damaged tree may lead in circles; the same goals need not go round twice.
                    FileKind::Dir
                        if !step.states.is_empty() && seen.insert((inode.number, step.states.clone())) =>
                    {
                        let mut path = place.path.clone();
                        path.push(self.survey.bytes(entry.name).to_vec());
                        next.push(Place { inode: inode.number, path, states: step.states });
                    }
                    FileKind::Symlink => {
                        links.add(&self.goals, &place.path, self.survey.bytes(inode.target), &step);
                    }
                    _ => {}
                }
            }
            level = next;
        }
        let (behind, left_out) = links.finish();
        self.links_left_out = left_out;
        Ok(behind)
    }

    /// The names that lead to inodes that were read.
    fn entries(&self) -> Vec<Entry> {
        let known = |entry: &&Entry| matches!(self.read.get(&{ entry.child }), Some(Some(_)));
        let mut entries: Vec<Entry> = self.names.values().flatten().filter(known).copied().collect();
        entries.sort_unstable_by_key(|entry| (entry.parent, entry.name.start));
        entries
    }

    /// What was read until now.
    fn so_far(&self) -> Survey {
        Survey { entries: self.entries(), ..self.survey.clone() }
    }

    /// What was read, with gaps where goals were too many.
    fn finish(mut self) -> Survey {
        self.survey.entries = self.entries();
        let left_out = [
            (self.goals.left_out, "further paths behind symbolic links"),
            (self.links_left_out, "symbolic links on the way to what is looked for"),
        ];
        for (count, what) in left_out.into_iter().filter(|(count, _)| *count > 0) {
            let reason = format!("{count} {what} were not followed");
            self.survey.gaps.push(Gap::new(GapKind::Limit, "symbolic links", reason));
        }
        self.survey
    }
}

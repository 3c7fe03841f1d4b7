//! Where the symbolic links lead that stand on the way to goals.

use super::goals::{Goal, Goals, MAX_GOALS, Path, Step, follow};
use std::collections::{BTreeSet, HashSet};

/// Goals that the links of one volume may make: no volume has so many, but they may be those of several volumes.
const MAX_BEHIND: usize = 4 * MAX_GOALS;

/// The goals behind the links of one volume.
pub(super) struct Links<'m> {
    /// Where the volume is mounted: elsewhere its links lead nowhere that anybody asks for.
    mounts: Vec<&'m Path>,
    /// Where links led so far, and with what to look for there: a million links may all be the same.
    seen: HashSet<(Path, Step)>,
    goals: BTreeSet<Goal>,
    /// Links that were too many.
    left_out: u64,
}

impl<'m> Links<'m> {
    /// No link yet, of a volume that is mounted at these places.
    pub(super) fn new(mounts: Vec<&'m Path>) -> Self {
        Self { mounts, seen: HashSet::new(), goals: BTreeSet::new(), left_out: 0 }
    }

    /// Takes in a link to `target` in the directory `parent` of the volume, which is reached by a step on the way to
    /// `goals`.
    pub(super) fn add(&mut self, goals: &Goals, parent: &[Vec<u8>], target: &[u8], step: &Step) {
        for mount in &self.mounts {
            if self.goals.len() >= MAX_BEHIND || self.seen.len() >= MAX_BEHIND {
                self.left_out += 1;
                continue;
            }
            let place = follow(&[mount, parent].concat(), target);
            if !self.seen.insert((place.clone(), step.clone())) {
                continue;
            }
            let mut rests = goals.left(&step.states);
            if step.reached {
                rests.push(Goal::default());
            }
            self.goals.extend(rests.iter().map(|rest| rest.with([&place[..], &rest.components].concat())));
        }
    }

    /// The goals in the asset's tree, and how many links were not followed.
    pub(super) fn finish(self) -> (BTreeSet<Goal>, u64) {
        (self.goals, self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::goals::components, *};

    fn goals(patterns: &[&str]) -> Goals {
        let mut goals = Goals::default();
        for pattern in patterns {
            goals.add(&Goal::at(pattern.as_bytes()));
        }
        goals
    }

    #[test]
    fn a_link_makes_goals_where_it_leads_from_each_place_of_its_volume() {
        let goals = goals(&["/log/*/wtmp", "/log/*/btmp", "/log/*"]);
        let step = goals.step(&goals.step(&goals.start(), b"log").states, b"old");
        let mounts = [components(b"/var"), Path::new()];
        let mut links = Links::new(mounts.iter().collect());
        for _ in 0..2 {
            links.add(&goals, &components(b"/log"), b"../x/y", &step);
        }
        let found: Vec<Goal> = links.finish().0.into_iter().collect();
        let expected = ["/var/x/y", "/var/x/y/btmp", "/var/x/y/wtmp", "/x/y", "/x/y/btmp", "/x/y/wtmp"];
        assert_eq!(found, expected.map(|path| Goal::at(path.as_bytes())));
        let mut nowhere = Links::new(Vec::new());
        nowhere.add(&goals, &[], b"x", &step);
        assert_eq!(nowhere.finish(), (BTreeSet::new(), 0));
    }

    #[test]
    fn links_without_number_cost_no_more_than_goals_have_room() {
        let patterns: Vec<String> = (0..1000).map(|file| format!("/home/*/{file}")).collect();
        let goals = goals(&patterns.iter().map(String::as_str).collect::<Vec<_>>());
        let home = goals.step(&goals.start(), b"home").states;
        let root = Path::new();
        let mut links = Links::new(vec![&root]);
        let step = goals.step(&home, b"user");
        for link in 0..100_000 {
            links.add(&goals, &components(b"/home"), format!("/x/{link}").as_bytes(), &step);
        }
        let (found, left_out) = links.finish();
        // Each makes a thousand.
        let followed = MAX_BEHIND.div_ceil(1000);
        assert_eq!((found.len(), left_out), (followed * 1000, (100_000 - followed) as u64));
    }
}

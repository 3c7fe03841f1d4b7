//! Paths that are looked for, and how far a walk from the root has come on the way to them.
//!
//! A goal is a pattern as extractors write it: `*` within a component, `**` for any number of directories. A
//! state says how many components of a goal are behind; stepping into a name gives the states behind it.

use coldread_artifacts::wants::{matches_in_any_case, matches_name};
use std::collections::HashSet;

/// Goals that one volume may have. Each symbolic link on the way to a goal makes one more, and a hostile disk
/// may be all links. What is wanted itself, on the host and in each store of containers, is some five thousand.
const MAX_GOALS: usize = 8192;
/// Components of a goal; the kernel's `PATH_MAX` has room for half of that at most.
const MAX_COMPONENTS: usize = 4096;

/// A pattern, component by component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Goal {
    pub(super) components: Path,
    /// Whether ASCII letters match in either case.
    pub(super) any_case: bool,
}

/// Names from a root down to a file.
pub(super) type Path = Vec<Vec<u8>>;

impl Goal {
    /// The goal at a path, as it is written.
    pub(super) fn at(path: &[u8]) -> Self {
        Self { components: components(path), any_case: false }
    }

    /// With other components.
    pub(super) fn with(&self, components: Path) -> Self {
        Self { components, ..*self }
    }

    fn takes(&self, component: &[u8], name: &[u8]) -> bool {
        if self.any_case { matches_in_any_case(component, name) } else { matches_name(component, name) }
    }
}

/// A goal's number, and how many of its components are behind.
pub(super) type State = (u32, u32);

/// What is looked for below one root.
#[derive(Debug, Default)]
pub(super) struct Goals {
    list: Vec<Goal>,
    known: HashSet<Goal>,
    /// Goals that were too many.
    pub(super) left_out: u64,
}

/// Where a step into a name leads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// The states behind the name, if it is a directory.
    pub(super) states: Vec<State>,
    /// Whether the name is what some goal is after.
    pub(super) reached: bool,
}

impl Goals {
    /// Takes a goal in. Whether it is a new one.
    pub(super) fn add(&mut self, goal: Goal) -> bool {
        if goal.components.is_empty() || self.known.contains(&goal) {
            return false;
        }
        if self.list.len() >= MAX_GOALS || goal.components.len() > MAX_COMPONENTS {
            self.left_out += 1;
            return false;
        }
        self.list.push(goal.clone());
        self.known.insert(goal)
    }

    /// The states at the root.
    pub(super) fn start(&self) -> Vec<State> {
        (0..self.list.len() as u32).map(|goal| (goal, 0)).collect()
    }

    /// Steps from a directory into one of its names.
    pub(super) fn step(&self, states: &[State], name: &[u8]) -> Step {
        let mut step = Step::default();
        for &(number, behind) in states {
            let goal = &self.list[number as usize];
            for (at, component) in goal.components.iter().enumerate().skip(behind as usize) {
                if component == b"**" {
                    step.states.push((number, at as u32));
                    // It may also stand for no directory at all.
                    continue;
                }
                if goal.takes(component, name) {
                    if at + 1 == goal.components.len() {
                        step.reached = true;
                    } else {
                        step.states.push((number, at as u32 + 1));
                    }
                }
                break;
            }
        }
        step.states.sort_unstable();
        step.states.dedup();
        step
    }

    /// What is left of the goals of some states; not of those that any directory would serve.
    pub(super) fn left<'a>(&'a self, states: &'a [State]) -> impl Iterator<Item = Goal> + 'a {
        let left = states.iter().map(|&(number, behind)| {
            let goal = &self.list[number as usize];
            goal.with(goal.components[behind as usize..].to_vec())
        });
        left.filter(|left| left.components.first().is_none_or(|component| component != b"**"))
    }
}

/// The components of a path or pattern; `.` and empty ones are none.
pub(super) fn components(path: &[u8]) -> Path {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.map(<[u8]>::to_vec).collect()
}

/// The components of `target`, a symbolic link's, in the directory `parent`: as in a chroot, `..` stops at the
/// root.
pub(super) fn follow(parent: &[Vec<u8>], target: &[u8]) -> Path {
    let mut place = if target.first() == Some(&b'/') { Vec::new() } else { parent.to_vec() };
    for component in components(target) {
        if component == b".." {
            place.pop();
        } else {
            place.push(component);
        }
    }
    place
}

/// What is left of a goal of the whole tree below each way to the directory `mount` in it.
pub(super) fn below(goal: &Goal, mount: &[Vec<u8>]) -> Vec<Goal> {
    let mut goals = Goals::default();
    goals.add(goal.clone());
    let mut states = goals.start();
    for name in mount {
        states = goals.step(&states, name).states;
    }
    states.iter().map(|&(_, behind)| goal.with(goal.components[behind as usize..].to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goals(patterns: &[&str]) -> Goals {
        let mut goals = Goals::default();
        for pattern in patterns {
            goals.add(Goal::at(pattern.as_bytes()));
        }
        goals
    }

    /// Whether a path is reached, and whether its directories had to be entered.
    fn walk(goals: &Goals, path: &str) -> (bool, bool) {
        let mut states = goals.start();
        let mut reached = false;
        let names = components(path.as_bytes());
        for (i, name) in names.iter().enumerate() {
            if states.is_empty() {
                return (false, false);
            }
            let step = goals.step(&states, name);
            reached = i + 1 == names.len() && step.reached;
            states = step.states;
        }
        (reached, true)
    }

    #[test]
    fn a_walk_reaches_what_is_looked_for_and_enters_nothing_else() {
        let goals = goals(&[
            "/var/log/wtmp*",
            "/home/*/.ssh/authorized_keys",
            "/opt/**/package.json",
            "/etc//./passwd",
        ]);
        for path in ["/var/log/wtmp", "/var/log/wtmp.1", "/home/a/.ssh/authorized_keys", "/etc/passwd"] {
            assert_eq!(walk(&goals, path), (true, true), "{path}");
        }
        for path in ["/opt/package.json", "/opt/a/package.json", "/opt/a/b/c/package.json"] {
            assert_eq!(walk(&goals, path), (true, true), "{path}");
        }
        assert_eq!(walk(&goals, "/var/log/btmp"), (false, true));
        for path in ["/usr/lib/x", "/var/lib/dpkg/status", "/home/a/src/b", "/etc/ssh/sshd_config"] {
            assert_eq!(walk(&goals, path), (false, false), "{path}");
        }
    }

    #[test]
    fn links_and_mounts_give_goals_elsewhere() {
        let parent = components(b"/var/lib");
        assert_eq!(follow(&parent, b"../../run/./x"), components(b"/run/x"));
        assert_eq!(follow(&parent, b"/../../srv"), components(b"/srv"));
        assert_eq!(follow(&parent, b"../../../../x"), components(b"/x"));
        let mount = components(b"/var");
        assert_eq!(below(&Goal::at(b"/var/log/wtmp"), &mount), [Goal::at(b"log/wtmp")]);
        assert_eq!(below(&Goal::at(b"/*/log/wtmp"), &mount), [Goal::at(b"log/wtmp")]);
        assert_eq!(below(&Goal::at(b"/etc/passwd"), &mount), Vec::<Goal>::new());
        assert_eq!(below(&Goal::at(b"/**/x"), &mount), [Goal::at(b"**/x")]);
        let goals = goals(&["/var/run/utmp", "/**/x"]);
        let step = goals.step(&goals.start(), b"var");
        assert_eq!(goals.left(&step.states).collect::<Vec<_>>(), [Goal::at(b"run/utmp")]);
    }

    #[test]
    fn goals_on_windows_are_reached_in_any_case() {
        let windows = Goal { any_case: true, ..Goal::at(b"/Users/*/NTUSER.DAT") };
        let mut goals = goals(&["/etc/passwd"]);
        goals.add(windows.clone());
        assert_eq!(walk(&goals, "/USERS/Ann/ntuser.dat"), (true, true));
        assert_eq!(walk(&goals, "/ETC/passwd"), (false, false));
        let left = Goal { any_case: true, ..Goal::at(b"*/NTUSER.DAT") };
        assert_eq!(below(&windows, &components(b"/users")), std::slice::from_ref(&left));
        let step = goals.step(&goals.start(), b"uSERS");
        assert_eq!(goals.left(&step.states).collect::<Vec<_>>(), [left]);
    }

    #[test]
    fn goals_are_counted_once_and_not_without_end() {
        let mut goals = goals(&["/a", "/a", "//a/"]);
        assert_eq!(goals.start(), [(0, 0)]);
        for i in 0..2 * MAX_GOALS {
            goals.add(Goal::at(format!("/x/{i}").as_bytes()));
        }
        assert_eq!((goals.start().len(), goals.left_out), (MAX_GOALS, MAX_GOALS as u64 + 1));
        assert!(!goals.add(Goal::default()));
        let long = Goal::default().with(vec![b"x".to_vec(); MAX_COMPONENTS + 1]);
        assert!(!goals.add(long));
    }
}

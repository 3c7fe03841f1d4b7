//! Paths that are looked for, and how far a walk from the root has come on the way to them.
//!
//! A goal is a pattern as extractors write it: `*` within a component, `**` for any number of directories. A
//! state says which components are behind; stepping into a name gives the states behind it.

use coldread_artifacts::wants::{matches_in_any_case, matches_name};
use std::sync::Arc;

/// Goals that one volume may have. Each symbolic link on the way to a goal makes one more, and a hostile disk
/// may be all links. What is wanted itself, on the host and in each store of containers, is some five thousand.
pub(super) const MAX_GOALS: usize = 8192;
/// Components of all goals together, those that several begin with counted once.
const MAX_NODES: usize = 1 << 18;

/// A pattern, component by component. There are thousands of them, in every list that is kept of them the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Goal {
    pub(super) components: Arc<[Vec<u8>]>,
    /// Whether ASCII letters match in either case.
    pub(super) any_case: bool,
}

/// Names from a root down to a file.
pub(super) type Path = Vec<Vec<u8>>;

impl Goal {
    /// The goal at a path, as it is written.
    pub(super) fn at(path: &[u8]) -> Self {
        Self::default().with(components(path))
    }

    /// With other components.
    pub(super) fn with(&self, components: Path) -> Self {
        Self { components: components.into(), any_case: self.any_case }
    }
}

/// A place on the ways to goals: what is behind is the same for all goals that lead through it.
pub(super) type State = u32;

/// What is looked for below one root: a tree of components, so that thousands of goals below one directory are one
/// until it is entered.
#[derive(Debug)]
pub(super) struct Goals {
    nodes: Vec<Node>,
    count: usize,
    /// Goals that were too many.
    pub(super) left_out: u64,
}

#[derive(Debug, Default)]
struct Node {
    /// The component that leads here, and whether its letters match in either case.
    component: Vec<u8>,
    any_case: bool,
    /// A goal ends here.
    end: bool,
    /// In the order of their components: links of a hostile disk make thousands in one place.
    children: Vec<State>,
}

impl Node {
    /// Whether any number of directories may lie before what comes next.
    fn is_deep(&self) -> bool {
        self.component == b"**"
    }

    fn takes(&self, name: &[u8]) -> bool {
        if self.any_case {
            matches_in_any_case(&self.component, name)
        } else {
            matches_name(&self.component, name)
        }
    }
}

impl Default for Goals {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], count: 0, left_out: 0 }
    }
}

/// Where a step into a name leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Step {
    /// The states behind the name, if it is a directory.
    pub(super) states: Vec<State>,
    /// Whether the name is what some goal is after.
    pub(super) reached: bool,
}

impl Goals {
    /// Takes a goal in. Whether it is a new one.
    pub(super) fn add(&mut self, goal: &Goal) -> bool {
        let (mut node, mut known) = (0, 0);
        for component in goal.components.iter() {
            let Ok(child) = self.child(node, component, goal.any_case) else { break };
            (node, known) = (self.nodes[node as usize].children[child], known + 1);
        }
        let news = &goal.components[known..];
        if goal.components.is_empty() || (news.is_empty() && self.nodes[node as usize].end) {
            return false;
        }
        if self.count >= MAX_GOALS || self.nodes.len() + news.len() > MAX_NODES {
            self.left_out += 1;
            return false;
        }
        for component in news {
            let new = self.nodes.len() as State;
            let any_case = goal.any_case;
            let (Ok(place) | Err(place)) = self.child(node, component, any_case);
            self.nodes[node as usize].children.insert(place, new);
            self.nodes.push(Node { component: component.clone(), any_case, ..Node::default() });
            node = new;
        }
        self.nodes[node as usize].end = true;
        self.count += 1;
        true
    }

    /// Which of a node's children a component leads to, or which it would be.
    fn child(&self, node: State, component: &[u8], any_case: bool) -> Result<usize, usize> {
        self.nodes[node as usize].children.binary_search_by(|child| {
            let child = &self.nodes[*child as usize];
            (&child.component[..], child.any_case).cmp(&(component, any_case))
        })
    }

    /// The states at the root.
    pub(super) fn start(&self) -> Vec<State> {
        if self.count > 0 { vec![0] } else { Vec::new() }
    }

    /// Steps from a directory into one of its names.
    pub(super) fn step(&self, states: &[State], name: &[u8]) -> Step {
        let mut step = Step::default();
        let mut from = states.to_vec();
        while let Some(state) = from.pop() {
            let node = &self.nodes[state as usize];
            if node.is_deep() {
                step.states.push(state);
            }
            for &child in &node.children {
                let next = &self.nodes[child as usize];
                if next.is_deep() {
                    // It may also stand for no directory at all.
                    from.push(child);
                } else if next.takes(name) {
                    step.reached |= next.end;
                    if !next.children.is_empty() {
                        step.states.push(child);
                    }
                }
            }
        }
        step.states.sort_unstable();
        step.states.dedup();
        step
    }

    /// What is left of the goals of some states; not of those that any directory would serve.
    pub(super) fn left(&self, states: &[State]) -> Vec<Goal> {
        let mut left = self.behind(states);
        left.retain(|goal| goal.components.first().is_none_or(|component| component != b"**"));
        left
    }

    /// What is left of the goals of some states.
    fn behind(&self, states: &[State]) -> Vec<Goal> {
        let mut left = Vec::new();
        for &start in states {
            let start = &self.nodes[start as usize];
            let mut path: Vec<&[u8]> = Vec::new();
            if start.is_deep() {
                path.push(&start.component);
            }
            let depth = path.len();
            let mut open: Vec<(State, usize)> = start.children.iter().map(|&child| (child, depth)).collect();
            while let Some((state, depth)) = open.pop() {
                let node = &self.nodes[state as usize];
                path.truncate(depth);
                path.push(&node.component);
                open.extend(node.children.iter().map(|&child| (child, depth + 1)));
                if node.end {
                    let components = path.iter().map(|component| component.to_vec()).collect();
                    left.push(Goal { components, any_case: node.any_case });
                }
            }
        }
        left.sort_unstable();
        left
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
    if mount.is_empty() {
        return vec![goal.clone()];
    }
    let mut goals = Goals::default();
    goals.add(goal);
    let mut states = goals.start();
    for name in mount {
        states = goals.step(&states, name).states;
    }
    goals.behind(&states)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn goals(patterns: &[&str]) -> Goals {
        let mut goals = Goals::default();
        for pattern in patterns {
            goals.add(&Goal::at(pattern.as_bytes()));
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
        assert_eq!(goals.left(&step.states), [Goal::at(b"run/utmp")]);
    }

    #[test]
    fn goals_on_windows_are_reached_in_any_case() {
        let windows = Goal { any_case: true, ..Goal::at(b"/Users/*/NTUSER.DAT") };
        let mut goals = goals(&["/etc/passwd"]);
        goals.add(&windows);
        assert_eq!(walk(&goals, "/USERS/Ann/ntuser.dat"), (true, true));
        assert_eq!(walk(&goals, "/ETC/passwd"), (false, false));
        let left = Goal { any_case: true, ..Goal::at(b"*/NTUSER.DAT") };
        assert_eq!(below(&windows, &components(b"/users")), std::slice::from_ref(&left));
        let step = goals.step(&goals.start(), b"uSERS");
        assert_eq!(goals.left(&step.states), [left]);
    }

    #[test]
    fn goals_are_counted_once_and_not_without_end() {
        let mut goals = goals(&["/a", "/a", "//a/"]);
        assert_eq!((goals.start(), goals.count), (vec![0], 1));
        for i in 0..2 * MAX_GOALS {
            goals.add(&Goal::at(format!("/x/{i}").as_bytes()));
        }
        assert_eq!((goals.count, goals.left_out), (MAX_GOALS, MAX_GOALS as u64 + 1));
        assert!(!goals.add(&Goal::default()));
        let mut goals = Goals::default();
        assert!(goals.start().is_empty());
        assert!(!goals.add(&Goal::default().with(vec![b"x".to_vec(); MAX_NODES])));
        assert!(goals.add(&Goal::default().with(vec![b"x".to_vec(); MAX_NODES - 1])));
    }

    /// Whether a goal's components lead to a path, by the definition.
    fn leads(components: &[Vec<u8>], path: &[Vec<u8>]) -> bool {
        match (components.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((first, rest)), _) if first == b"**" => {
                leads(rest, path) && !rest.is_empty() || !path.is_empty() && leads(components, &path[1..])
            }
            (Some((first, rest)), Some((name, below))) => matches_name(first, name) && leads(rest, below),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn goals_that_share_ways_are_reached_as_each_alone(
            patterns in prop::collection::vec("(/(a|b|a\\*|\\*|\\*\\*)){1,4}", 0..8), path in "(/(a|b|ab)){1,5}",
        ) {
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            let goals = goals(&patterns);
            let path_of = components(path.as_bytes());
            let wanted = patterns.iter().any(|pattern| leads(&components(pattern.as_bytes()), &path_of));
            prop_assert_eq!(walk(&goals, &path).0, wanted);
            let (mount, rest) = path_of.split_first().unwrap();
            let below: Vec<Goal> =
                patterns.iter().flat_map(|pattern| below(&Goal::at(pattern.as_bytes()), std::slice::from_ref(mount))).collect();
            prop_assert_eq!(below.iter().any(|goal| !rest.is_empty() && leads(&goal.components, rest)), wanted && !rest.is_empty());
        }
    }
}

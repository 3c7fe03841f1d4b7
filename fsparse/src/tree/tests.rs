use super::*;
use crate::survey::{Encoding, Entry, Run, Stream};
use coldread_model::{FileKind, RowFlags, Timestamp};

fn inode(number: u64, kind: FileKind) -> Inode {
    let time = Timestamp::new(0, 0);
    Inode {
        number,
        generation: 0,
        kind,
        flags: RowFlags::empty(),
        mode: 0,
        uid: 0,
        gid: 0,
        nlink: 1,
        size: 0,
        mtime: time,
        ctime: time,
        atime: time,
        crtime: time,
        rdev: (0, 0),
        target: Span::default(),
        xattrs: Span::default(),
        streams: Run::default(),
    }
}

pub(crate) fn survey(inodes: &[(u64, FileKind)], names: &[(u64, u64, &str)]) -> Survey {
    let inodes = inodes.iter().map(|&(number, kind)| inode(number, kind)).collect();
    let mut survey = Survey { inodes, ..Survey::default() };
    for &(parent, child, name) in names {
        let name = survey.keep(name.as_bytes()).unwrap();
        survey.entries.push(Entry { parent, parent_generation: 0, child, name });
    }
    survey
}

fn paths(tree: &Tree<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    let mut listed = vec![false; tree.survey().inodes.len()];
    for_each_row(tree, |row, inode, _| {
        let path = coldread_model::listing::path_of(row.stable.parent, row.stable.name);
        paths.push(String::from_utf8(path).unwrap());
        listed[inode as usize] = true;
    });
    assert_eq!(tree.listed(), listed);
    paths
}

#[test]
fn rows_come_by_parent_path_then_name() {
    let survey = survey(
        &[(2, FileKind::Dir), (11, FileKind::Dir), (12, FileKind::File), (13, FileKind::Dir)],
        &[(2, 13, "a-b"), (2, 11, "a"), (11, 12, "z"), (13, 12, "y"), (2, 12, "b")],
    );
    let tree = Tree::build(&survey, 2);
    assert_eq!(paths(&tree), ["/", "/a", "/a-b", "/b", "/a/z", "/a-b/y"]);
    assert!(tree.gaps().is_empty());
    let root = tree.root().unwrap();
    assert_eq!(tree.lookup(root, b"a-b").map(|i| tree.inode(i).number), Some(13));
    assert_eq!(tree.lookup(root, b"c").map(|i| tree.inode(i).number), None);
}

#[test]
fn cycles_lost_names_and_lost_inodes_are_gaps() {
    let survey = survey(
        &[(2, FileKind::Dir), (3, FileKind::Dir), (4, FileKind::Dir), (9, FileKind::File)],
        &[(2, 3, "d"), (3, 2, "up"), (3, 4, "e"), (2, 4, "again"), (2, 77, "gone"), (66, 3, "lost")],
    );
    let tree = Tree::build(&survey, 2);
    assert_eq!(paths(&tree), ["/", "/again", "/d", "/d/e", "/d/up"]);
    let kinds: Vec<_> = tree.gaps().iter().map(|gap| (gap.kind, gap.inode)).collect();
    assert!(kinds.contains(&(GapKind::NotFound, Some(77))), "{kinds:?}");
    assert!(kinds.contains(&(GapKind::Corrupt, Some(2))), "{kinds:?}");
    assert!(kinds.contains(&(GapKind::Corrupt, Some(4))), "{kinds:?}");
    assert!(kinds.contains(&(GapKind::Corrupt, Some(9))), "{kinds:?}");
    assert!(kinds.contains(&(GapKind::Corrupt, None)), "{kinds:?}");
}

#[test]
fn a_missing_root_is_a_gap() {
    let survey = survey(&[(9, FileKind::File)], &[]);
    let tree = Tree::build(&survey, 2);
    assert_eq!(paths(&tree), Vec::<String>::new());
    assert_eq!(tree.gaps()[0].kind, GapKind::NotFound);
}

#[test]
fn a_chain_of_directories_ends_at_the_path_bound() {
    let name = "n".repeat(250);
    let inodes: Vec<_> = (2..1000).map(|number| (number, FileKind::Dir)).collect();
    let names: Vec<_> = (2..999).map(|number| (number, number + 1, name.as_str())).collect();
    let survey = survey(&inodes, &names);
    let tree = Tree::build(&survey, 2);
    assert!(tree.gaps().iter().any(|gap| gap.kind == GapKind::Limit));
    assert!(tree.directories().count() < 300);
}

#[test]
fn what_lies_below_an_internal_directory_is_internal() {
    let mut survey = survey(
        &[(2, FileKind::Dir), (3, FileKind::Dir), (4, FileKind::Dir), (5, FileKind::File)],
        &[(2, 3, "$Extend"), (3, 4, "$RmMetadata"), (4, 5, "$Repair")],
    );
    survey.inodes[1].flags |= RowFlags::INTERNAL;
    let tree = Tree::build(&survey, 2);
    let mut flags = Vec::new();
    for_each_row(&tree, |row, _, _| flags.push(row.stable.flags.contains(RowFlags::INTERNAL)));
    assert_eq!(flags, [false, true, true, true]);
}

#[test]
fn a_million_names_without_an_inode_cost_few_gaps() {
    // In a directory whose own path is as long as it may be.
    let (name, deep) = ("n".repeat(255), 100);
    let mut inodes: Vec<_> = (0..=deep).map(|i| (i + 2, FileKind::Dir)).collect();
    inodes.push((1000, FileKind::Dir));
    let mut survey = survey(&inodes, &[]);
    let span = survey.keep(name.as_bytes()).unwrap();
    let entry = |parent, child| Entry { parent, parent_generation: 0, child, name: span };
    survey.entries.extend((0..deep).map(|i| entry(i + 2, i + 3)));
    survey.entries.extend((0..20_000).map(|i| entry(deep + 2, 5000 + i)));
    survey.entries.extend((0..20_000).map(|_| entry(deep + 2, 1000)));
    let tree = Tree::build(&survey, 2);
    assert!(tree.gaps().len() < 10_000, "{}", tree.gaps().len());
    assert!(tree.gaps().iter().all(|gap| gap.path.as_ref().is_none_or(|path| path.len() <= MAX_SHOWN_PATH)));
    for more in ["not in use: 15904 more", "the other one is followed: 15903 more"] {
        assert!(tree.gaps().iter().any(|gap| gap.reason.ends_with(more)), "{more}");
    }
}

#[test]
fn the_paths_of_a_broad_deep_tree_are_bounded() {
    // 230 directories one in the other, and 3000 side by side at the end of them.
    let (name, deep) = ("d".repeat(255), 230);
    let inodes: Vec<_> = (0..=deep + 3000).map(|i| (i + 2, FileKind::Dir)).collect();
    let mut survey = survey(&inodes, &[]);
    let span = survey.keep(name.as_bytes()).unwrap();
    for i in 0..deep {
        survey.entries.push(Entry { parent: i + 2, parent_generation: 0, child: i + 3, name: span });
    }
    for i in 0..3000 {
        let name = survey.keep(format!("{i}").as_bytes()).unwrap();
        let (parent, child) = (deep + 2, deep + 3 + i);
        survey.entries.push(Entry { parent, parent_generation: 0, child, name });
    }
    let tree = Tree::build(&survey, 2);
    let held: usize = tree.directories().map(|directory| tree.path(directory).len()).sum();
    assert!(held <= MAX_PATH_BYTES + inodes.len() * PATH_BYTES_EACH, "{held}");
    assert!(tree.gaps().iter().any(|gap| gap.kind == GapKind::Limit));
    // What is not entered is still listed.
    assert_eq!(paths(&tree).len(), inodes.len());
}

#[test]
fn many_names_of_one_inode_with_many_streams_are_not_multiplied() {
    let mut survey = survey(&[(2, FileKind::Dir), (3, FileKind::File)], &[]);
    survey.inodes[1].xattrs = survey.keep(&[7; 4096]).unwrap();
    let stream = |name| Stream { name, size: 0, initialized: 0, encoding: Encoding::Plain(Run::default()) };
    let mut streams = vec![stream(Span::default())];
    for i in 0..5000 {
        streams.push(stream(survey.keep(format!("{i:05}").as_bytes()).unwrap()));
    }
    survey.inodes[1].streams = survey.keep_streams(streams).unwrap();
    for i in 0..5000 {
        let name = survey.keep(format!("{i:05}").as_bytes()).unwrap();
        survey.entries.push(Entry { parent: 2, parent_generation: 0, child: 3, name });
    }
    let tree = Tree::build(&survey, 2);
    let (mut rows, mut bytes) = (0_u64, 0);
    let bare = for_each_row(&tree, |row, _, _| {
        rows += 1;
        bytes += row.stable.xattrs.len();
    });
    assert!(bare > 4000 && bare < 5000, "{bare}");
    assert_eq!(rows, 1 + 5000 + (5000 - bare) * 5000);
    assert!(bytes < 1 << 20, "{bytes}");
}

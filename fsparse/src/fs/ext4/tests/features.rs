//! Features that the usual shapes do not have: trees of every depth, attributes of every kind, flags.

use super::{
    image::{all, made, ran},
    kernel::compare,
};
use crate::survey::{Encoding, Inode, Survey};
use coldread_model::listing::Xattrs;
use std::{fs, path::Path, process::Command};

/// A filesystem that a script filled through a mount, mounted again to be compared: its bytes, and what a survey
/// says of it. `check` sees it with the mount.
fn filled(mib: u64, shape: &[&str], script: &str, check: impl FnOnce(&[u8], &Survey, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    let (point, image) = (dir.path().join("point"), dir.path().join("image"));
    fs::create_dir(&point).unwrap();
    fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
    let (point, image) = (point.to_str().unwrap(), image.to_str().unwrap());
    let line = [&["-q", "-F"][..], shape, &[image]].concat();
    if !ran("mke2fs", &line) || !ran("mount", &["-o", "loop", image, point]) {
        return;
    }
    let filled = Command::new("bash").args(["-ec", script, "bash", point]).output();
    let again = ran("umount", &[point]) && ran("mount", &["-o", "loop,ro", image, point]);
    assert!(again);
    let bytes = fs::read(image).unwrap();
    let filled = filled.unwrap();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));
        let (probed, found) = all(bytes.clone());
        assert_eq!((probed.gaps, &found.gaps[..]), (vec![], &[][..]), "{shape:?}");
        check(&bytes, &found, Path::new(point));
    }));
    assert!(ran("umount", &[point]));
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn find<'a>(survey: &'a Survey, name: &[u8]) -> &'a Inode {
    let entry = survey.entries.iter().find(|entry| survey.bytes(entry.name) == name).unwrap();
    survey.inodes.iter().find(|inode| inode.number == entry.child).unwrap()
}

#[test]
fn block_maps_to_the_triple_indirect_block_with_holes() {
    // With blocks of 1 KiB the triple indirect block starts at 64.3 MiB.
    let script = r#"cd "$1"; for at in 0 11 12 13 267 268 269 5000 65803 65804 65805 70000 131339 200000; do
        echo "block $at" | dd of=holes bs=1024 seek=$at conv=notrunc status=none; done
        head -c 3000000 /dev/urandom > dense; truncate -s 80M end; echo x >> end"#;
    for shape in [&["-t", "ext2", "-b", "1024"][..], &["-t", "ext4", "-b", "1024", "-O", "^extents,^64bit"]] {
        filled(24, shape, script, |bytes, found, point| {
            assert!(compare(bytes, found, 2, point, true) > 4);
            let holes = found.streams_of(find(found, b"holes"));
            assert!(found.extents_of(&holes[0]).len() >= 8, "{:?}", found.extents_of(&holes[0]));
        });
    }
}

#[test]
fn extent_trees_with_several_levels_and_unwritten_extents() {
    let script = r#"cd "$1"; python3 - <<'END' || perl -e 'open F, ">", "many"; for (0..1999) { sysseek F, $_*2048, 0; syswrite F, "n$_" }'
with open("many", "wb") as file:
    for n in range(2000):
        file.seek(n * 2048); file.write(b"n%d" % n)
END
        sync; fallocate -l 300000 unwritten; echo middle | dd of=unwritten bs=1 seek=150000 conv=notrunc status=none
        fallocate -n -o 40000 -l 90000 unwritten; fallocate -p -o 8192 -l 8192 many
        touch -d '2446-05-10 22:00:00.123456789' many; touch -d '1901-12-13 20:45:52.5' unwritten"#;
    filled(24, &["-t", "ext4", "-b", "1024"], script, |bytes, found, point| {
        assert!(compare(bytes, found, 2, point, true) > 3);
        // 84 extents in a block of 1 KiB, four in the inode.
        let many = found.streams_of(find(found, b"many"));
        assert!(found.extents_of(&many[0]).len() > 4 * 84, "{:?}", found.extents_of(&many[0]).len());
        let unwritten = found.streams_of(find(found, b"unwritten"));
        assert!(found.extents_of(&unwritten[0]).iter().any(|extent| extent.unwritten));
    });
}

#[test]
fn an_extent_tree_of_the_greatest_depth() {
    let shape = ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^has_journal"];
    let Some(mut bytes) = made(8 << 10, &shape) else { return };
    let (_, mut whole) = all(bytes.clone());
    let large = find(&whole, b"large");
    let extents = whole.extents_of(&whole.streams_of(large)[0]).to_vec();
    assert_eq!(extents.len(), 1);
    // The inode: a regular file of this size with the root of a tree in it.
    let root = (0..bytes.len() - 256)
        .step_by(256)
        .find(|at| bytes[at + 1] >> 4 == 8 && bytes[at + 4..at + 8] == 300_000_u32.to_le_bytes())
        .unwrap()
        + 0x28;
    let leaf = bytes[root..root + 24].to_vec();
    let free = whole.free.ranges().last().copied().unwrap();
    let block = |depth: u64| free.end() / 1024 - 1 - depth;
    let node = |depth: u16, to: u64| {
        let mut node = vec![0x0A, 0xF3, 1, 0, 4, 0, depth as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        node.extend((to as u32).to_le_bytes());
        node.extend([0; 4]);
        node
    };
    bytes[root..root + 24].copy_from_slice(&node(5, block(4)));
    for depth in 0..5 {
        let at = (block(depth) * 1024) as usize;
        let new = if depth == 0 { leaf.clone() } else { node(depth as u16, block(depth - 1)) };
        bytes[at..at + 24].copy_from_slice(&new);
    }
    let (_, deep) = all(bytes.clone());
    let found = deep.streams_of(find(&deep, b"large"));
    assert_eq!((deep.extents_of(&found[0]), &deep.gaps[..]), (&extents[..], &[][..]));
    // One level more than there can be.
    bytes[root + 6] = 6;
    let (_, wrong) = all(bytes);
    let found = wrong.streams_of(find(&wrong, b"large"));
    assert!(matches!(found[0].encoding, Encoding::Unreadable { encrypted: false, .. }));
    assert_eq!(wrong.gaps.len(), 1, "{:?}", wrong.gaps);
}

#[test]
fn attributes_of_every_kind_in_inode_block_and_shared_values() {
    let script = r#"cd "$1"; echo one > one; echo two > two; mkdir dir; ln -s target link
        acl=0x0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff
        for file in one dir; do setfattr -n system.posix_acl_access -v $acl $file; done
        setfattr -n system.posix_acl_default -v $acl dir
        setfattr -n trusted.t -v trusted one; setfattr -n security.s -v 0x00ff one; setfattr -n user.empty one
        for n in 1 2 3 4 5 6 7 8; do setfattr -n user.some-name-$n -v "$(head -c $((n * 20)) /dev/zero | tr '\0' v)" one; done
        setfattr -h -n trusted.link -v l link
        value=$(head -c 3500 /dev/zero | tr '\0' s)
        for file in one two; do setfattr -n user.large -v "$value" $file 2>/dev/null || true; done"#;
    for shape in [
        &["-t", "ext4", "-b", "4096"][..],
        &["-t", "ext4", "-b", "4096", "-O", "ea_inode"],
        &["-t", "ext4", "-b", "1024", "-O", "ea_inode,inline_data"],
        &["-t", "ext4", "-b", "4096", "-I", "128", "-O", "^metadata_csum"],
    ] {
        filled(16, shape, script, |_, found, point| {
            let mut seen = 0;
            for name in ["one", "two", "dir", "link"] {
                let path = point.join(name);
                let words =
                    ["-h", "-d", "-m", "-", "-e", "hex", "--absolute-names"].map(std::ffi::OsStr::new);
                let shown = Command::new("getfattr").args(words).arg(&path).output().unwrap();
                let shown = String::from_utf8(shown.stdout).unwrap();
                let mut wanted: Vec<_> = shown
                    .lines()
                    .filter(|line| !line.starts_with('#') && !line.is_empty())
                    .map(|line| line.split_once("=0x").map_or((line.trim_end_matches('='), ""), |pair| pair))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect();
                wanted.sort();
                let inode = find(found, name.as_bytes());
                let hex = |bytes: &[u8]| {
                    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
                };
                let ours: Vec<_> = Xattrs(found.bytes(inode.xattrs))
                    .map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), hex(value)))
                    .collect();
                assert_eq!(ours, wanted, "{shape:?} {name}");
                seen += ours.len();
            }
            assert!(seen >= 15, "{shape:?}: {seen}");
        });
    }
}

#[test]
fn flags_that_change_nothing_that_is_shown() {
    // The kernel of a test machine may know neither: they are set on a directory and a file that have what they need.
    let shape = ["-t", "ext4", "-b", "1024", "-O", "casefold,verity,large_dir", "-E", "encoding=utf8"];
    let Some(bytes) = made(8 << 10, &shape) else { return };
    let (_, whole) = all(bytes.clone());
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    fs::write(&image, &bytes).unwrap();
    // EXTENTS with CASEFOLD (the index of /many goes, which casefolding hashes otherwise) and with VERITY.
    for request in ["sif /many flags 0x40080000", "sif /one/large flags 0x180000"] {
        if !ran("debugfs", &["-w", "-R", request, image.to_str().unwrap()]) {
            return;
        }
    }
    let (probed, found) = all(fs::read(&image).unwrap());
    assert_eq!((probed.gaps, &found.gaps[..]), (vec![], &[][..]));
    let names = |survey: &Survey| {
        let mut names: Vec<_> =
            survey.entries.iter().map(|entry| (entry.parent, survey.bytes(entry.name).to_vec())).collect();
        names.sort();
        names
    };
    assert_eq!(names(&found), names(&whole));
    let sizes = |survey: &Survey| survey.inodes.iter().map(|inode| inode.size).collect::<Vec<_>>();
    assert_eq!(sizes(&found), sizes(&whole));
}

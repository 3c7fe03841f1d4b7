//! A survey made up without a disk, for what comes after surveys.

use coldread_fsparse::survey::{Encoding, Entry, Extent, Inode, Run, Span, Stream, Survey, SurveyFull};
use coldread_model::{FileKind, RowFlags, Timestamp};

/// The root directory's number.
pub const ROOT: u64 = 2;
/// Files of one directory.
const FILES: u64 = 14;
/// Directories of one directory.
const FOLDERS: u64 = 8;

/// A tree of `directories` directories below the root, 14 files in each, in ascending order of numbers.
pub fn survey(directories: u64) -> Result<Survey, SurveyFull> {
    let mut survey = Survey::default();
    survey.inodes.push(inode(ROOT, FileKind::Dir));
    for folder in 0..directories {
        let number = 100 + folder * (FILES + 1);
        let parent = if folder < FOLDERS { ROOT } else { 100 + (folder / FOLDERS - 1) * (FILES + 1) };
        let name = survey.keep(format!("directory-{folder}").as_bytes())?;
        survey.inodes.push(inode(number, FileKind::Dir));
        survey.entries.push(Entry { parent, parent_generation: 0, child: number, name });
        for file in 1..=FILES {
            let name = survey.keep(format!("libsomething{}.so.{file}", folder % 97).as_bytes())?;
            let child = number + file;
            let physical = child << 14;
            let extents =
                survey.keep_extents([Extent { logical: 0, physical, len: 8192, unwritten: false }])?;
            let encoding = Encoding::Plain(extents);
            let stream = Stream { name: Span::default(), size: 5000, initialized: 5000, encoding };
            let streams = survey.keep_streams([stream])?;
            survey.inodes.push(Inode { size: 5000, streams, ..inode(child, FileKind::File) });
            survey.entries.push(Entry { parent: number, parent_generation: 0, child, name });
        }
    }
    Ok(survey)
}

fn inode(number: u64, kind: FileKind) -> Inode {
    let time = Timestamp::new(1_700_000_000 + number as i64, 5);
    Inode {
        number,
        generation: 0,
        kind,
        flags: RowFlags::OWNED
            | RowFlags::TIMED
            | if kind == FileKind::File { RowFlags::SIZED } else { RowFlags::empty() },
        mode: 0o644,
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

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::tree::{Tree, for_each_row};

    #[test]
    fn every_name_is_reached() {
        let survey = survey(300).unwrap();
        let tree = Tree::build(&survey, ROOT);
        assert_eq!(tree.gaps(), []);
        let mut rows = 0;
        for_each_row(&tree, |_, _, _| rows += 1);
        assert_eq!(rows, 1 + 300 * (1 + FILES as usize));
    }
}

//! Surveys of any bytes: an error, or a survey that can be joined, made a tree of and encoded.
#![no_main]

use coldread_fsparse::{
    survey::Survey,
    tree::{Tree, for_each_row},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(survey) = Survey::from_bytes(bytes) else { return };
    // Ranges that touch are joined when they are encoded, so it is the encoded form that stays the same.
    let encoded = survey.to_bytes();
    assert_eq!(Survey::from_bytes(&encoded).map(|survey| survey.to_bytes()), Ok(encoded));
    let tree = Tree::build(&survey, survey.inodes.first().map_or(2, |inode| inode.number));
    for_each_row(&tree, |_, _, _| {});
    let mut joined = survey.clone();
    if joined.append(survey).is_ok() {
        joined.to_bytes();
    }
});

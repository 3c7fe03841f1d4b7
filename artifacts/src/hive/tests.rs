use super::{
    build::{Node, add_entry, make_dirty, new_log, old_log, seal},
    *,
};
use crate::view::MemoryView;
use proptest::prelude::*;
use std::collections::HashSet;

/// Opens a hive of bytes with logs of bytes, and does something with it.
pub(super) fn with<T>(
    hive: &[u8],
    logs: &[Vec<u8>],
    act: impl FnOnce(&mut Hive<'_>) -> T,
) -> Result<T, HiveError> {
    let mut view = MemoryView::from(hive.to_vec());
    let mut logs: Vec<MemoryView> = logs.iter().cloned().map(MemoryView::from).collect();
    let logs = logs.iter_mut().map(|log| log as &mut dyn FileView).collect();
    Hive::open(&mut view, logs).map(|mut hive| act(&mut hive))
}

/// Paths of keys with the names and data of their values.
type Walked = Vec<(String, Vec<(String, Data)>)>;

/// All keys and values below the root, and errors.
pub(super) fn walk(hive: &mut Hive<'_>) -> (Walked, Vec<HiveError>) {
    let (mut keys, mut errors, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let mut stack = match hive.root() {
        Ok(root) => vec![(String::new(), root)],
        Err(error) => return (keys, vec![error]),
    };
    while let Some((path, key)) = stack.pop() {
        let listed = hive.values(&key);
        errors.extend(listed.error);
        let mut values = Vec::new();
        for cell in listed.cells {
            match hive.value(cell).and_then(|value| Ok((value.name.clone(), hive.data(&value)?))) {
                Ok(value) => values.push(value),
                Err(error) => errors.push(error),
            }
        }
        let listed = hive.subkeys(&key);
        errors.extend(listed.error);
        for cell in listed.cells.into_iter().filter(|cell| seen.insert(*cell)) {
            match hive.key(cell) {
                Ok(key) => stack.push((format!("{path}\\{}", key.name), key)),
                Err(error) => errors.push(error),
            }
        }
        keys.push((path, values));
    }
    keys.sort_by(|one, other| one.0.cmp(&other.0));
    (keys, errors)
}

fn sample() -> Node {
    let mut root = Node::root();
    root.key("Software\\Приве́т").text("Имя", "значение").class("a class").written = 133_444_555_666_777_888;
    root.key("Software").number("Four", 77).data("", 1, &[]).data("Big", 3, &vec![7; 40_000]);
    root.key("Software").data("List", 7, &utf16("a\0b\0\0")).data("Nothing", 7, &utf16("\0"));
    for index in 0..1000 {
        root.key("Many").key(&format!("{index:04}")).number("n", index);
    }
    root
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn keys_values_and_lists_of_every_kind() {
    with(&sample().build(), &[], |hive| {
        assert_eq!((&hive.state, &hive.notes), (&HiveState::Clean, &Vec::new()));
        let key = hive.open_key("SOFTWARE\\ПРИВЕ́Т").unwrap().unwrap();
        assert_eq!(key.name, "Приве́т");
        assert_eq!(key.written, Timestamp::from_filetime(133_444_555_666_777_888));
        assert_eq!(hive.class(&key).unwrap().as_deref(), Some("a class"));
        assert_eq!(hive.named(&key, "имя").unwrap().unwrap().text().as_deref(), Some("значение"));
        let key = hive.open_key("software").unwrap().unwrap();
        assert_eq!(hive.named(&key, "FOUR").unwrap().unwrap().number(), Some(77));
        assert_eq!(hive.named(&key, "big").unwrap().unwrap().bytes, vec![7; 40_000]);
        assert_eq!(hive.named(&key, "list").unwrap().unwrap().texts().unwrap(), ["a", "b"]);
        assert_eq!(hive.named(&key, "nothing").unwrap().unwrap().texts().unwrap(), [""; 0]);
        assert_eq!(hive.named(&key, "").unwrap().unwrap().text().as_deref(), Some(""));
        assert_eq!(hive.named(&key, "none").unwrap(), None);
        assert_eq!(hive.open_key("Software\\none\\x").unwrap(), None);
        let (keys, errors) = walk(hive);
        assert_eq!((keys.len(), errors), (1004, Vec::new()));
        assert_eq!(keys[1000], ("\\Many\\0998".to_owned(), vec![("n".to_owned(), data(998))]));
    })
    .unwrap();
}

fn data(number: u32) -> Data {
    Data { kind: 4, bytes: number.to_le_bytes().to_vec() }
}

/// A hive whose value is 1, and the sector of its bins and the place in it where that stands.
fn one_value() -> (Vec<u8>, usize) {
    let mut root = Node::root();
    root.key("k").number("v", 0x0102_0304);
    let hive = root.build();
    let at = hive.windows(4).position(|bytes| bytes == [4, 3, 2, 1]).unwrap();
    (hive, at)
}

fn changed(hive: &[u8], at: usize, to: u8) -> (u32, [u8; 512]) {
    let sector = (at - 4096) / 512;
    let mut bytes = [0; 512];
    bytes.copy_from_slice(&hive[4096 + sector * 512..][..512]);
    bytes[at % 512] = to;
    (sector as u32, bytes)
}

fn value(hive: &mut Hive<'_>) -> Option<u64> {
    let key = hive.open_key("k").unwrap().unwrap();
    hive.named(&key, "v").unwrap().unwrap().number()
}

#[test]
fn new_logs_continue_the_hive_in_the_order_of_their_numbers() {
    let (mut hive, at) = one_value();
    let entry = |log: &mut Vec<u8>, number: u32, to: u8| {
        let (sector, bytes) = changed(&hive, at, to);
        add_entry(log, number, 4096, &[(sector * 512, &bytes)]);
    };
    let (mut first, mut second) = (new_log(8), new_log(10));
    entry(&mut first, 8, 0x11);
    entry(&mut first, 9, 0x12);
    entry(&mut second, 10, 0x13);
    // Left over from before the log was started anew.
    entry(&mut second, 6, 0x66);
    let mut gap = new_log(12);
    entry(&mut gap, 12, 0x77);
    let mut applied_before = new_log(3);
    entry(&mut applied_before, 3, 0x33);

    let logs = [second.clone(), first.clone()];
    assert_eq!(
        with(&hive, &logs, |hive| (value(hive), hive.state.clone())).unwrap(),
        (Some(0x0102_0304), HiveState::Clean)
    );
    make_dirty(&mut hive);
    for (logs, expected, entries) in [
        (vec![second.clone(), first.clone()], 0x0102_0313, 3),
        (vec![first.clone(), gap], 0x0102_0312, 2),
        (vec![first.clone(), Vec::new()], 0x0102_0312, 2),
        (vec![first.clone(), applied_before.clone()], 0x0102_0312, 2),
    ] {
        let (value, state, notes) =
            with(&hive, &logs, |hive| (value(hive), hive.state.clone(), hive.notes.clone())).unwrap();
        assert_eq!((value, notes), (Some(expected), Vec::new()));
        assert_eq!(state, HiveState::Replayed { entries, bytes: 512 });
    }
    // An entry that is not whole ends its log.
    let last = first.len() - 1;
    first[last] ^= 1;
    let (value, notes) = with(&hive, &[first, second], |hive| (value(hive), hive.notes.clone())).unwrap();
    assert_eq!(value, Some(0x0102_0311));
    assert_eq!(notes.len(), 1);
    assert!(notes[0].1.contains("entry 9 is not whole"), "{notes:?}");
    // None continues it.
    let (state, notes) =
        with(&hive, &[applied_before], |hive| (hive.state.clone(), hive.notes.clone())).unwrap();
    assert_eq!((state, notes[0].0), (HiveState::Unreplayed, GapKind::Unreplayed));
}

#[test]
fn a_log_may_lengthen_the_hive_and_give_it_its_header() {
    let (mut hive, at) = one_value();
    let root = u32_at(&hive, 36).unwrap();
    let (sector, bytes) = changed(&hive, at, 0x55);
    let mut log = new_log(8);
    log[36..40].copy_from_slice(&root.to_le_bytes());
    seal(&mut log);
    add_entry(&mut log, 8, 8192, &[(sector * 512, &bytes), (4096, &[9; 4096])]);
    hive[36] ^= 0xff;
    let (value, len, notes) =
        with(&hive, &[log], |hive| (value(hive), hive.blocks.len(), hive.notes.clone())).unwrap();
    assert_eq!((value, len, notes), (Some(0x0102_0355), 4096 + 8192, Vec::new()));
}

#[test]
fn an_old_log_is_applied_whole_or_not_at_all() {
    let (mut hive, at) = one_value();
    let root = u32_at(&hive, 36).unwrap();
    make_dirty(&mut hive);
    let log = old_log(8, root, 4096, &[changed(&hive, at, 0x44)]);
    assert_eq!(with(&hive, std::slice::from_ref(&log), value).unwrap(), Some(0x0102_0344));
    let mut unfinished = log.clone();
    unfinished[4] += 1;
    seal(&mut unfinished);
    for log in [log[..log.len() - 1].to_vec(), unfinished] {
        let (value, state) = with(&hive, &[log], |hive| (value(hive), hive.state.clone())).unwrap();
        assert_eq!((value, state), (Some(0x0102_0304), HiveState::Unreplayed));
    }
}

#[test]
fn what_is_no_hive_says_so() {
    let refusal = |bytes: &[u8]| with(bytes, &[], |_| ()).unwrap_err();
    assert!(matches!(refusal(b"regf"), HiveError::Corrupt { .. }));
    assert!(matches!(refusal(&[0; 4096]), HiveError::Corrupt { at: 0, .. }));
    let mut hive = sample().build();
    hive[20] = 2;
    seal(&mut hive);
    assert!(matches!(refusal(&hive), HiveError::Unsupported(_)));
}

#[test]
fn a_hive_that_ends_early_is_read_as_far_as_it_is_whole() {
    let hive = sample().build();
    let (cut, errors, notes) = with(&hive[..hive.len() / 2], &[], |hive| {
        let root = hive.root();
        (root.is_err(), walk(hive).1.len(), hive.notes.clone())
    })
    .unwrap();
    // Here the root key is the last cell.
    assert!(cut && errors == 1);
    assert_eq!(notes[0].0, GapKind::Corrupt);
}

#[test]
fn lists_that_lead_to_the_same_again_and_again_are_bounded() {
    let hive = sample().build();
    let found = with(&hive, &[], |hive| {
        let root = hive.root().unwrap();
        hive.work = 10 * CELL_COST;
        (0..100).find_map(|_| hive.key(root.cell).err())
    });
    assert!(matches!(found, Ok(Some(HiveError::Limit(_)))), "{found:?}");
}

#[test]
fn lists_that_name_one_leaf_twice_end() {
    let mut hive = sample().build();
    let at = hive.windows(2).position(|bytes| bytes == b"ri").unwrap();
    hive.copy_within(at + 4..at + 8, at + 8);
    let errors = with(&hive, &[], |hive| walk(hive).1).unwrap();
    assert!(errors[0].to_string().contains("used twice"), "{errors:?}");
}

proptest! {
    #[test]
    fn damaged_hives_and_logs_are_read(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..12),
        dirty in any::<bool>(), cut in 0usize..9000,
    ) {
        let mut root = Node::root();
        root.key("a\\b").text("t", "text").data("big", 3, &vec![1; 17_000]);
        for index in 0..6 {
            root.key("a").key(&index.to_string()).number("n", index);
        }
        let mut hive = root.build();
        let page = hive[4096..8192].to_vec();
        let mut log = new_log(8);
        add_entry(&mut log, 8, hive.len() as u32 - 4096, &[(0, &page)]);
        if dirty {
            make_dirty(&mut hive);
        }
        for (index, to, in_log) in changes {
            let bytes = if in_log { &mut log } else { &mut hive };
            let at = index.index(bytes.len());
            bytes[at] = to;
        }
        hive.truncate(hive.len() - cut.saturating_sub(8000));
        let _ = with(&hive, &[log], walk);
    }
}

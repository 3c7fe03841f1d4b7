use super::*;
use crate::{
    Companion,
    hive::build::Node,
    view::{FileView, MemoryView},
};
use coldread_model::{AccountKind, Findings, GapKind, PasswordState, Timestamp};

const LAST_LOGIN: u64 = 130_395_828_473_414_256;
const DAY: i64 = 864_000_000_000;

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn fixed(flags: u16, failed: u64, expires: u64) -> Vec<u8> {
    let mut bytes = vec![0; 80];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(8, &LAST_LOGIN.to_le_bytes());
    put(24, &LAST_LOGIN.to_le_bytes());
    put(32, &expires.to_le_bytes());
    put(40, &failed.to_le_bytes());
    put(52, &513u32.to_le_bytes());
    put(56, &flags.to_le_bytes());
    put(64, &4u16.to_le_bytes());
    put(66, &9u16.to_le_bytes());
    bytes
}

/// A `V` with a name, a full name, and a hash of so many bytes that must never be shown.
fn variable(name: &str, full: &str, hash: u32) -> Vec<u8> {
    let mut bytes = vec![0; 0xcc];
    let mut texts = Vec::new();
    for (at, content) in [(0x0c, utf16(name)), (0x18, utf16(full)), (0xa8, vec![b'H'; hash as usize])] {
        bytes[at..at + 4].copy_from_slice(&(texts.len() as u32).to_le_bytes());
        bytes[at + 4..at + 8].copy_from_slice(&(content.len() as u32).to_le_bytes());
        texts.extend(content);
    }
    bytes.extend(texts);
    bytes
}

fn identifier(parts: &[u32]) -> Vec<u8> {
    let mut bytes = vec![1, parts.len() as u8, 0, 0, 0, 0, 0, 5];
    bytes.extend(parts.iter().flat_map(|part| part.to_le_bytes()));
    bytes
}

fn alias(name: &str, members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; 0x34];
    let name = utf16(name);
    let list = members.concat();
    for (at, value) in [(0x14, name.len()), (0x28, name.len()), (0x2c, list.len()), (0x30, members.len())] {
        bytes[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    }
    [bytes, name, list].concat()
}

fn sam() -> Node {
    let mut root = Node::root();
    let account = root.key("SAM\\Domains\\Account");
    let mut policy = vec![0; 240];
    policy[24..32].copy_from_slice(&(-42 * DAY).to_le_bytes());
    let machine: Vec<u8> = [7u32, 8, 9].iter().flat_map(|part| part.to_le_bytes()).collect();
    account.data("F", 3, &policy).data("V", 3, &[vec![1; 50], machine].concat());
    let users = account.key("Users");
    let add = |users: &mut Node, rid: &str, f: Vec<u8>, v: Vec<u8>| {
        users.key(rid).data("F", 3, &f).data("V", 3, &v);
    };
    add(users, "000001F4", fixed(0x0211, 0, u64::MAX >> 1), variable("Administrator", "", 24));
    add(
        users,
        "000003E9",
        fixed(0x0010, LAST_LOGIN + 10_000_000, LAST_LOGIN),
        variable("alice", "Alice A.", 56),
    );
    add(users, "000003EA", fixed(0x0410, 0, 0), variable("bob", "", 20));
    users.key("000003EB").data("F", 3, &[0; 20]).data("V", 3, &[0; 20]);
    users.key("Names");
    let members = [identifier(&[21, 7, 8, 9, 1001]), identifier(&[21, 1, 2, 3, 512]), identifier(&[11])];
    root.key("SAM\\Domains\\Builtin\\Aliases\\00000220").data("C", 3, &alias("Administrators", &members));
    root.key("SAM\\Domains\\Builtin\\Aliases\\Members");
    root
}

fn read(sam: &[u8], software: Option<Vec<u8>>) -> Findings {
    let mut found = Findings::default();
    let (mut view, mut beside) = (MemoryView::from(sam.to_vec()), software.map(MemoryView::from));
    let mut input = Input::new(b"/Windows/System32/config/SAM", "p2", &mut view);
    if let Some(beside) = &mut beside {
        input.companions.push(Companion { suffix: SOFTWARE, view: beside as &mut dyn FileView });
    }
    WindowsAccounts.extract(&mut input, &Context::default(), &mut found);
    found
}

#[test]
fn users_groups_and_profiles() {
    let mut software = Node::root();
    let list = software.key("Microsoft\\Windows NT\\CurrentVersion\\ProfileList");
    list.key("S-1-5-21-7-8-9-1001").text("ProfileImagePath", "C:\\Users\\alice.PC");
    list.key("S-1-5-21-1-2-3-1105").text("ProfileImagePath", "C:\\Users\\carol");
    let found = read(&sam().build(), Some(software.build()));
    let reasons: Vec<_> = found.gaps.iter().map(|gap| gap.reason.as_str()).collect();
    assert_eq!(reasons, ["user 1003: F has 20 bytes, V 20"]);
    let names: Vec<_> = found.accounts.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["Administrator", "alice", "bob", "Administrators", "carol"]);
    let [administrator, alice, bob, group, carol] = found.accounts.as_slice() else { panic!() };
    assert!(administrator.disabled);
    assert_eq!((administrator.password, &administrator.scheme), (Some(PasswordState::Empty), &None));
    assert_eq!((administrator.password_expires, administrator.expires), (None, None));
    assert_eq!(alice.sid.as_deref(), Some("S-1-5-21-7-8-9-1001"));
    assert_eq!((alice.id, alice.full_name.as_deref()), (Some(1001), Some("Alice A.")));
    assert_eq!(alice.home.as_deref(), Some("C:\\Users\\alice.PC"));
    assert_eq!((alice.password, alice.scheme.as_deref()), (Some(PasswordState::Set), Some("nt")));
    let login = Timestamp::from_filetime(LAST_LOGIN);
    assert_eq!((alice.last_login, alice.expires), (Some(login), Some(login)));
    let expires = Timestamp::new(login.seconds + 42 * 86_400, login.nanos);
    assert_eq!(alice.password_expires, Some(expires));
    assert_eq!((alice.failed_count, alice.login_count), (Some(4), Some(9)));
    assert_eq!((&alice.related, &alice.privileges), (&vec!["Administrators".to_owned()], &alice.related));
    assert_eq!(bob.password, Some(PasswordState::Locked));
    assert_eq!((group.kind, group.sid.as_deref()), (AccountKind::Group, Some("S-1-5-32-544")));
    assert_eq!(group.related, ["Authenticated Users", "S-1-5-21-1-2-3-512", "alice"]);
    assert_eq!((carol.id, carol.origin.as_slice()), (Some(1105), &b"/Windows/System32/config/SOFTWARE"[..]));

    let events: Vec<_> = found.logins.iter().map(|event| (event.kind.name(), event.offset)).collect();
    assert_eq!(events, [("login", 500), ("login", 1001), ("failed", 1001), ("login", 1002)]);
    assert_eq!(found.logins[2].detail.as_deref(), Some("4 failed since the last login"));
}

#[test]
fn no_hash_is_told() {
    let found = read(&sam().build(), None);
    let all = format!("{found:?}");
    for hash in ["HHHH", "4848", "72, 72"] {
        assert!(!all.contains(hash), "{hash}");
    }
}

/// The gaps of a file that are limits.
fn limits(found: &Findings) -> Vec<&str> {
    found.gaps.iter().filter(|gap| gap.kind == GapKind::Limit).map(|gap| gap.reason.as_str()).collect()
}

#[test]
fn members_are_held_up_to_a_bound_of_the_file_and_the_rest_goes_on() {
    let (mut root, shortest) = (sam(), vec![1, 0, 0, 0, 0, 0, 0, 5]);
    for group in ["00000300", "00000301"] {
        let crowd = alias("Crowd", &vec![shortest.clone(); 600_000]);
        root.key(&format!("SAM\\Domains\\Account\\Aliases\\{group}")).data("C", 3, &crowd);
    }
    let found = read(&root.build(), None);
    let members: usize = found.accounts.iter().map(|account| account.related.len()).sum();
    assert!(members > 600_000 && members < 1_100_000, "{members}");
    let names: Vec<_> = found.accounts.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["Administrator", "alice", "bob", "Administrators", "Crowd", "Crowd"]);
    let [reason] = limits(&found)[..] else { panic!("{:?}", found.gaps) };
    assert!(reason.starts_with("members of groups of more than"), "{reason}");
}

#[test]
fn texts_without_end_are_told_and_not_held() {
    let mut root = sam();
    let long = "n".repeat(5000);
    let add = |root: &mut Node, rid: &str, v: Vec<u8>| {
        let key = format!("SAM\\Domains\\Account\\Users\\{rid}");
        root.key(&key).data("F", 3, &fixed(0x0010, 0, 0)).data("V", 3, &v);
    };
    add(&mut root, "000003F0", variable(&long, "", 20));
    add(&mut root, "000003F1", variable("carol", &long, 20));
    let mut software = Node::root();
    let list = software.key("Microsoft\\Windows NT\\CurrentVersion\\ProfileList");
    list.key("S-1-5-21-7-8-9-1009").text("ProfileImagePath", &long);
    let found = read(&root.build(), Some(software.build()));
    let names: Vec<_> = found.accounts.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["Administrator", "alice", "bob", "carol", "Administrators"]);
    assert_eq!(found.accounts[3].full_name, None);
    assert_eq!(
        limits(&found),
        [
            "user 1008 has a name of 10000 bytes",
            "user 1009 carol: a text of 10000 bytes is not told",
            "a profile with texts of 19 and 5000 bytes",
        ]
    );
}

#[test]
fn damaged_values_are_read() {
    let whole = sam().build();
    for at in (4096..whole.len()).step_by(3) {
        for value in [0, 0x80, 0xff] {
            let mut hive = whole.clone();
            hive[at] = value;
            read(&hive, None);
        }
    }
}

#[test]
fn a_real_sam() {
    let Some(folder) = std::env::var_os("COLDREAD_CORPUS") else {
        println!("skipped: COLDREAD_CORPUS names no folder of real files");
        return;
    };
    let bytes = std::fs::read(std::path::Path::new(&folder).join("registry/SAM")).unwrap();
    let found = read(&bytes, None);
    assert_eq!(found.gaps, []);
    let users: Vec<_> = found.accounts.iter().filter(|account| account.kind == AccountKind::User).collect();
    let names: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.id.unwrap())).collect();
    assert_eq!(names, [("Administrator", 500), ("Guest", 501), ("gold_administrator", 1001)]);
    let first = users[0];
    assert_eq!(first.last_login.unwrap().to_string(), "2014-03-18T10:20:47.341425600Z");
    assert_eq!(first.password_changed.unwrap().to_string(), "2014-03-18T10:20:51.075795400Z");
    assert_eq!(first.login_count, Some(3));
    let group = found.accounts.iter().find(|account| account.name == "Administrators").unwrap();
    assert!(group.related.contains(&"gold_administrator".to_owned()), "{group:?}");
    println!("{users:#?}");
}

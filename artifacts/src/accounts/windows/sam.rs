//! The SAM hive: users and groups of one machine.
//!
//! Sources: Impacket `secretsdump.py` and RegRipper `samparse.pl` (as documentation of the `F`, `V` and `C`
//! values); [MS-SAMR] section 2.2.1.12, "USER_ACCOUNT Codes". Of a password only the length of its place is
//! looked at: whether there is one. No hash is read.

use super::room::{MAX_TEXT, Room};
use crate::{
    evtx::sid,
    hive::{Key, Records, filetime},
};
use coldread_model::{Account, AccountKind, GapKind, PasswordState, Timestamp};
use std::collections::BTreeMap;

const DOMAINS: &str = "SAM\\Domains";

/// Where the texts of a user's `V` begin, to which its offsets are relative.
const USER_TEXTS: usize = 0xcc;
/// The same of a group's `C`.
const GROUP_TEXTS: usize = 0x34;

/// Flags of an account.
const DISABLED: u16 = 0x0001;
const NEVER_EXPIRES: u16 = 0x0200;
const LOCKED: u16 = 0x0400;

/// The group whose members may do all.
const ADMINISTRATORS: u64 = 544;

pub(super) fn read(records: &mut Records<'_, '_>) -> Vec<Account> {
    let Some(domain) = records.key(&format!("{DOMAINS}\\Account")) else { return Vec::new() };
    let machine = records.data(&domain, "V").and_then(|data| machine_sid(&data.bytes));
    let age =
        records.data(&domain, "F").and_then(|data| number::<8>(&data.bytes, 24)).map(i64::from_le_bytes);
    let (mut room, mut member_room) = (Room::of("accounts"), Room::of("members of groups"));
    let mut accounts = Vec::new();
    if let Some(users) = records.subkey(&domain, "Users") {
        records.each_subkey(&users, |records, key| {
            if let Some(rid) = relative_id(&key) {
                let user = user(records, &key, rid, machine.as_deref(), age);
                accounts.extend(user.filter(|user| has_room(&mut room, user)));
            }
        });
    }
    let mut groups = Vec::new();
    for (name, prefix) in [("Builtin", Some("S-1-5-32")), ("Account", machine.as_deref())] {
        if let Some(aliases) = records.key(&format!("{DOMAINS}\\{name}\\Aliases")) {
            records.each_subkey(&aliases, |records, key| {
                if let Some(rid) = relative_id(&key) {
                    let group = group(records, &key, rid, prefix, &mut member_room);
                    groups.extend(group.filter(|group| has_room(&mut room, group)));
                }
            });
        }
    }
    relate(&mut accounts, &mut groups, &mut member_room);
    room.finish(records);
    member_room.finish(records);
    accounts.extend(groups);
    accounts
}

/// Takes room for an account, without its members.
fn has_room(room: &mut Room, account: &Account) -> bool {
    let texts = [&account.sid, &account.full_name, &account.home].into_iter().flatten().map(String::as_str);
    let fixed = size_of::<Account>() + account.origin.len();
    room.takes(fixed, texts.chain([account.name.as_str()]))
}

/// Keys of accounts are named by the number in hexadecimal; others (`Names`) are indexes.
fn relative_id(key: &Key) -> Option<u32> {
    (key.name.len() == 8).then(|| u32::from_str_radix(&key.name, 16).ok()).flatten()
}

/// The last three numbers of the machine's identifier end the domain's `V`.
fn machine_sid(bytes: &[u8]) -> Option<String> {
    let tail = bytes.get(bytes.len().checked_sub(12)?..)?;
    let parts: Vec<String> = tail
        .chunks_exact(4)
        .filter_map(|part| Some(u32::from_le_bytes(number(part, 0)?).to_string()))
        .collect();
    Some(format!("S-1-5-21-{}", parts.join("-")))
}

fn user(
    records: &mut Records<'_, '_>,
    key: &Key,
    rid: u32,
    machine: Option<&str>,
    password_age: Option<i64>,
) -> Option<Account> {
    let (fixed, variable) = (records.data(key, "F"), records.data(key, "V"));
    let (Some(fixed), Some(variable)) = (fixed, variable) else {
        records.gap(GapKind::Corrupt, format!("user {rid} has no F or no V value"));
        return None;
    };
    let (fixed, variable) = (fixed.bytes, variable.bytes);
    if fixed.len() < 68 || variable.len() < USER_TEXTS {
        let reason = format!("user {rid}: F has {} bytes, V {}", fixed.len(), variable.len());
        records.gap(GapKind::Corrupt, reason);
        return None;
    }
    let name = name(records, &variable, (0x0c, USER_TEXTS), || format!("user {rid}"))?;
    let mut optional = |at| match text(&variable, at, USER_TEXTS) {
        Err(len) => {
            records.gap(GapKind::Limit, format!("user {rid} {name}: a text of {len} bytes is not told"));
            None
        }
        Ok(text) => text,
    };
    let (full_name, home) = (optional(0x18), optional(0x48));
    let time = |at: usize| number(&fixed, at).map(u64::from_le_bytes).and_then(filetime);
    let small = |at: usize| number(&fixed, at).map(u16::from_le_bytes);
    let flags = small(56).unwrap_or(0);
    let changed = time(24);
    let has = |at: usize| number(&variable, at + 4).map(u32::from_le_bytes).is_some_and(holds_a_hash);
    let (lm, nt) = (has(0x9c), has(0xa8));
    let expires = changed.zip(password_age).filter(|_| flags & NEVER_EXPIRES == 0);
    Some(Account {
        id: Some(rid.into()),
        primary_group: number(&fixed, 52).map(u32::from_le_bytes).map(u64::from),
        sid: machine.map(|machine| format!("{machine}-{rid}")),
        full_name,
        home,
        password: Some(match (lm || nt, flags & LOCKED != 0) {
            (true, false) => PasswordState::Set,
            (true, true) => PasswordState::Locked,
            (false, _) => PasswordState::Empty,
        }),
        scheme: match (lm, nt) {
            (false, false) => None,
            (false, true) => Some("nt".to_owned()),
            (true, false) => Some("lm".to_owned()),
            (true, true) => Some("lm, nt".to_owned()),
        },
        password_changed: changed,
        password_expires: expires.and_then(|(changed, age)| later(changed, age)),
        expires: time(32),
        disabled: flags & DISABLED != 0,
        last_login: time(8),
        last_failed: time(40),
        failed_count: small(64).map(u64::from),
        login_count: small(66).map(u64::from),
        ..Account::new(AccountKind::User, name, records.place.path)
    })
}

/// Whether the place of a hash has one, by its length: with an RC4 key 20 bytes, with an AES key more than the 24
/// of its header; 4 and 24 are headers alone.
fn holds_a_hash(len: u32) -> bool {
    len == 20 || len > 24
}

/// A time and an age in ticks of 100 ns, which Windows keeps negative; the smallest one stands for never.
fn later(time: Timestamp, age: i64) -> Option<Timestamp> {
    let ticks = (age < 0 && age != i64::MIN).then(|| age.unsigned_abs())?;
    let nanos = time.nanos + (ticks % 10_000_000) as u32 * 100;
    Some(Timestamp::new(time.seconds.saturating_add((ticks / 10_000_000) as i64), nanos))
}

fn group(
    records: &mut Records<'_, '_>,
    key: &Key,
    rid: u32,
    prefix: Option<&str>,
    room: &mut Room,
) -> Option<Account> {
    let bytes = records.data(key, "C")?.bytes;
    let name = name(records, &bytes, (0x10, GROUP_TEXTS), || format!("group {rid}"))?;
    let full_name = text(&bytes, 0x1c, GROUP_TEXTS).unwrap_or_else(|len| {
        records.gap(GapKind::Limit, format!("group {rid} {name}: a text of {len} bytes is not told"));
        None
    });
    let word = |at: usize| number(&bytes, at).map(u32::from_le_bytes).map(|word| word as usize);
    let count = word(0x30).unwrap_or(0);
    let start = word(0x28).and_then(|start| start.checked_add(GROUP_TEXTS));
    let mut rest = start.and_then(|start| bytes.get(start..)).unwrap_or_default();
    let mut members = Vec::new();
    for _ in 0..count {
        let Some(member) = sid(rest) else {
            let reason = format!("group {rid}: {} of {count} members are there", members.len());
            records.gap(GapKind::Corrupt, reason);
            break;
        };
        // The length of an identifier: a header of 8 bytes, and 4 for each part.
        rest = rest.get(8 + usize::from(rest[1]) * 4..).unwrap_or_default();
        if room.takes(0, [member.as_str()]) {
            members.push(member);
        }
    }
    Some(Account {
        id: Some(rid.into()),
        sid: prefix.map(|prefix| format!("{prefix}-{rid}")),
        full_name,
        related: members,
        ..Account::new(AccountKind::Group, name, records.place.path)
    })
}

/// Gives users their groups, and groups the names of their members, as far as there is room for that.
fn relate(users: &mut [Account], groups: &mut [Account], room: &mut Room) {
    let names: BTreeMap<String, usize> =
        users.iter().enumerate().filter_map(|(index, user)| Some((user.sid.clone()?, index))).collect();
    for group in groups {
        for member in &mut group.related {
            if let Some(user) = names.get(member).and_then(|index| users.get_mut(*index)) {
                if !room.takes(0, [user.name.as_str(), &group.name, &group.name]) {
                    continue;
                }
                user.related.push(group.name.clone());
                if group.id == Some(ADMINISTRATORS) {
                    user.privileges.push(group.name.clone());
                }
                member.clone_from(&user.name);
            } else if let Some(name) = well_known(member) {
                name.clone_into(member);
            }
        }
        group.related.sort_unstable();
    }
    for user in users {
        user.related.sort_unstable();
    }
}

/// Identifiers that mean the same on every machine ([MS-DTYP] section 2.4.2.4).
fn well_known(sid: &str) -> Option<&'static str> {
    Some(match sid {
        "S-1-1-0" => "Everyone",
        "S-1-5-4" => "INTERACTIVE",
        "S-1-5-11" => "Authenticated Users",
        "S-1-5-17" => "IUSR",
        "S-1-5-18" => "SYSTEM",
        "S-1-5-19" => "LOCAL SERVICE",
        "S-1-5-20" => "NETWORK SERVICE",
        _ => return None,
    })
}

/// The name of an account, which is told by none without one.
fn name(
    records: &mut Records<'_, '_>,
    bytes: &[u8],
    (at, base): (usize, usize),
    whose: impl Fn() -> String,
) -> Option<String> {
    match text(bytes, at, base) {
        Ok(Some(name)) => return Some(name),
        Ok(None) => records.gap(GapKind::Corrupt, format!("{} has no name", whose())),
        Err(len) => records.gap(GapKind::Limit, format!("{} has a name of {len} bytes", whose())),
    }
    None
}

/// The text whose offset and length are at `at`; an error is the length of one that is longer than [`MAX_TEXT`].
fn text(bytes: &[u8], at: usize, base: usize) -> Result<Option<String>, usize> {
    let word = |at: usize| number(bytes, at).map(u32::from_le_bytes).map(|word| word as usize);
    let bytes_of = || {
        let start = word(at)?.checked_add(base)?;
        bytes.get(start..start.checked_add(word(at + 4)?)?)
    };
    let Some(text) = bytes_of() else { return Ok(None) };
    if text.len() > MAX_TEXT {
        return Err(text.len());
    }
    let (units, _) = text.as_chunks::<2>();
    let text: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    Ok((!text.is_empty()).then(|| String::from_utf16_lossy(&text)))
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

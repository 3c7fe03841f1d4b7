//! The list of profiles: the homes of all who ever logged in.
//!
//! Source: Microsoft Learn, "User profiles" (the key `ProfileList`).

use super::room::{MAX_TEXT, Room};
use crate::hive::Records;
use coldread_model::{Account, AccountKind, GapKind};
use std::collections::BTreeMap;

const LIST: &str = "Microsoft\\Windows NT\\CurrentVersion\\ProfileList";

/// Homes by security identifier.
pub(super) fn read(records: &mut Records<'_, '_>) -> BTreeMap<String, String> {
    let (mut homes, mut room) = (BTreeMap::new(), Room::of("profiles"));
    let Some(list) = records.key(LIST) else { return homes };
    records.each_subkey(&list, |records, key| {
        // A profile that could not be loaded is kept with this ending.
        let sid = key.name.strip_suffix(".bak").unwrap_or(&key.name);
        if !sid.starts_with("S-1-") {
            return;
        }
        let Some(home) = records.text(&key, "ProfileImagePath") else { return };
        if sid.len() > MAX_TEXT || home.len() > MAX_TEXT {
            let reason = format!("a profile with texts of {} and {} bytes", sid.len(), home.len());
            records.gap(GapKind::Limit, reason);
        } else if !homes.contains_key(sid) && room.takes(size_of::<Account>(), [sid, &home]) {
            homes.insert(sid.to_owned(), home);
        }
    });
    room.finish(records);
    homes
}

/// An account that only its profile tells of: its name is that of its home, which Windows makes of it.
pub(super) fn account(path: &[u8], sid: String, home: String) -> Account {
    let name = home.rsplit(['\\', '/']).next().unwrap_or(&home).to_owned();
    let number = sid.rsplit('-').next().and_then(|part| part.parse().ok());
    Account { id: number, home: Some(home), sid: Some(sid), ..Account::new(AccountKind::User, name, path) }
}

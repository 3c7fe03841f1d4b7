//! Users, groups, and who may act with whose rights.
//!
//! passwd, shadow, group and the files of sudoers each say a part of what there is to know of an account. Each file
//! gives rows of its own, and [`join`] puts the rows of one account together.

mod lines;
pub mod passwd;
mod password;
pub mod sudoers;
pub mod windows;

use coldread_model::{Account, AccountKind, Gap, GapKind};
use std::collections::BTreeMap;

/// What members of a group may do is told of each of them in these words.
const VIA: &str = "via group ";

/// Bytes that users may get from their groups: of many rules for a group of many each member gets all.
const GAINED_BYTES: usize = 64 << 20;

/// Puts the rows of each account together: what one does not say another may. The path is that of the file that
/// has the account's number, where one has. Users get the names of their groups, and what their groups may do, as far
/// as [`GAINED_BYTES`] go; a gap says of how many memberships it is not told.
pub fn join(rows: impl IntoIterator<Item = Account>) -> (Vec<Account>, Option<Gap>) {
    let mut joined: BTreeMap<(String, AccountKind, String), Account> = BTreeMap::new();
    let mut rows: Vec<Account> = rows.into_iter().collect();
    // What has a number comes first, so that it gives the row its path.
    rows.sort_by(|a, b| (a.id.is_none(), a).cmp(&(b.id.is_none(), b)));
    for row in rows {
        let key = (row.root.clone(), row.kind, row.name.clone());
        match joined.entry(key) {
            std::collections::btree_map::Entry::Vacant(empty) => drop(empty.insert(row)),
            std::collections::btree_map::Entry::Occupied(mut known) => fill(known.get_mut(), row),
        }
    }
    let mut accounts: Vec<Account> = joined.into_values().collect();
    accounts.iter_mut().for_each(each_once);
    let (users, groups): (Vec<usize>, Vec<usize>) =
        (0..accounts.len()).partition(|&index| accounts[index].kind == AccountKind::User);
    let mut gained: Vec<(usize, String, Vec<String>)> = Vec::new();
    let by_name: BTreeMap<(&str, &str), usize> = users
        .iter()
        .map(|&user| ((accounts[user].root.as_str(), accounts[user].name.as_str()), user))
        .collect();
    let mut by_primary: BTreeMap<(&str, u64), Vec<usize>> = BTreeMap::new();
    for &user in &users {
        if let Some(group) = accounts[user].primary_group {
            by_primary.entry((&accounts[user].root, group)).or_default().push(user);
        }
    }
    let (mut room, mut left_out) = (GAINED_BYTES, 0u64);
    for &index in &groups {
        let group = &accounts[index];
        let named =
            group.related.iter().filter_map(|name| by_name.get(&(group.root.as_str(), name.as_str())));
        let primary =
            group.id.and_then(|id| by_primary.get(&(group.root.as_str(), id))).into_iter().flatten();
        let rights: Vec<String> =
            group.privileges.iter().map(|rule| format!("{VIA}{}: {rule}", group.name)).collect();
        let texts = rights.iter().chain([&group.name]);
        let bytes: usize = texts.map(|text| size_of::<String>() + text.len()).sum();
        for &user in named.chain(primary) {
            match room.checked_sub(bytes) {
                Some(left) => {
                    room = left;
                    gained.push((user, group.name.clone(), rights.clone()));
                }
                None => left_out += 1,
            }
        }
    }
    for (user, group, rights) in gained {
        accounts[user].related.push(group);
        accounts[user].privileges.extend(rights);
    }
    accounts.iter_mut().for_each(each_once);
    accounts.sort_unstable();
    let gap = (left_out > 0).then(|| {
        let reason = format!("{left_out} memberships of groups are not told with what they give");
        Gap::new(GapKind::Limit, "accounts", reason)
    });
    (accounts, gap)
}

/// Sorts what an account has several of, each once.
fn each_once(account: &mut Account) {
    for list in [&mut account.related, &mut account.privileges] {
        list.sort_unstable();
        list.dedup();
    }
}

/// Fills in what is not known yet.
fn fill(known: &mut Account, more: Account) {
    fn or<T>(known: &mut Option<T>, more: Option<T>) {
        if known.is_none() {
            *known = more;
        }
    }
    or(&mut known.id, more.id);
    or(&mut known.primary_group, more.primary_group);
    or(&mut known.sid, more.sid);
    or(&mut known.full_name, more.full_name);
    or(&mut known.home, more.home);
    or(&mut known.shell, more.shell);
    or(&mut known.password, more.password);
    or(&mut known.scheme, more.scheme);
    or(&mut known.password_changed, more.password_changed);
    or(&mut known.password_expires, more.password_expires);
    or(&mut known.expires, more.expires);
    or(&mut known.last_login, more.last_login);
    or(&mut known.last_failed, more.last_failed);
    or(&mut known.failed_count, more.failed_count);
    or(&mut known.login_count, more.login_count);
    known.disabled |= more.disabled;
    known.related.extend(more.related);
    known.privileges.extend(more.privileges);
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::PasswordState;

    #[test]
    fn parts_of_an_account_are_one_row_and_groups_give_rights() {
        let user = |name: &str, path: &str| Account::new(AccountKind::User, name, path);
        let group = |name: &str, path: &str| Account::new(AccountKind::Group, name, path);
        let shadow = Account { password: Some(PasswordState::Set), ..user("anna", "/etc/shadow") };
        let passwd = Account { id: Some(1000), primary_group: Some(1000), ..user("anna", "/etc/passwd") };
        let other = Account { id: Some(1001), primary_group: Some(27), ..user("otto", "/etc/passwd") };
        let sudo = Account { id: Some(27), related: vec!["anna".to_owned()], ..group("sudo", "/etc/group") };
        let own = Account { id: Some(1000), ..group("anna", "/etc/group") };
        let rule = Account { privileges: vec!["ALL=(ALL) ALL".to_owned()], ..group("sudo", "/etc/sudoers") };
        let elsewhere = Account { root: "/srv/c".to_owned(), ..user("anna", "/etc/passwd") };
        let rows = [rule, shadow, passwd, other, sudo, own, elsewhere];
        let joined = join(rows.clone());
        let mut reversed = rows;
        reversed.reverse();
        assert_eq!(join(reversed), joined, "the order of files does not matter");
        let (joined, gap) = joined;
        assert_eq!((joined.len(), gap), (5, None));
        let find = |name: &str, kind| {
            joined.iter().find(|row| row.name == name && row.kind == kind && row.root == "/").unwrap()
        };
        let anna = find("anna", AccountKind::User);
        assert_eq!(
            (anna.id, anna.password, anna.origin.as_slice()),
            (Some(1000), Some(PasswordState::Set), &b"/etc/passwd"[..])
        );
        assert_eq!(anna.related, ["anna", "sudo"]);
        assert_eq!(anna.privileges, ["via group sudo: ALL=(ALL) ALL"]);
        assert_eq!(find("otto", AccountKind::User).privileges, anna.privileges, "by the primary group");
        assert_eq!(find("sudo", AccountKind::Group).privileges, ["ALL=(ALL) ALL"]);
        let elsewhere = joined.iter().find(|row| row.root == "/srv/c").unwrap();
        assert_eq!(elsewhere.privileges, Vec::<String>::new());
    }

    #[test]
    fn many_members_of_a_group_with_many_rules_stay_within_bounds() {
        let user = |n: u32| Account::new(AccountKind::User, format!("u{n}"), "/etc/passwd");
        let mut group = Account::new(AccountKind::Group, "all", "/etc/group");
        // The same member again and again is one.
        group.related = (0..5000).flat_map(|n| vec![format!("u{n}"); 100]).collect();
        let rule = |n: u32| Account {
            privileges: vec![format!("ALL=/bin/{n}")],
            ..Account::new(AccountKind::Group, "all", "/etc/sudoers")
        };
        let rows = (0..5000).map(user).chain([group]).chain((0..5000).map(rule));
        let (joined, gap) = join(rows);
        let privileges: usize = joined.iter().map(|row| row.privileges.len()).sum();
        assert!((500_000..3_000_000).contains(&privileges), "{privileges}");
        let gap = gap.unwrap();
        assert_eq!(gap.kind, GapKind::Limit);
        let told = joined.iter().filter(|row| row.related == ["all"]).count();
        assert_eq!(
            gap.reason,
            format!("{} memberships of groups are not told with what they give", 5000 - told)
        );
    }
}

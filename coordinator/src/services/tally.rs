//! Counting the logins of each user of an asset, in bounded memory.
//!
//! Guessing attacks try hundreds of thousands of names, from as many addresses. So there is room for so many bytes of
//! names and addresses, and as much again for those who did log in, which guesses cannot use up. Who finds no room
//! is counted all the same, together with all others of the tree, and the row says so.

use super::known::Known;
use coldread_model::{LoginEvent, LoginKind, Timestamp};
use coldread_proto::v1;
use std::collections::BTreeMap;

/// Bytes of names and addresses of one asset, of users who logged in and of others each.
const ROOM: usize = 16 << 20;
/// Addresses of one user that are told …
const ADDRESSES: usize = 10_000;
/// … and bytes of them: a row must fit a message.
const ADDRESS_BYTES: usize = 1 << 20;
/// What a name or an address needs beside its bytes, roughly.
const EACH: usize = 64;

/// The counts of one asset.
pub(super) struct Tally {
    roots: BTreeMap<String, Root>,
    /// Bytes left for users who only failed, and for those who logged in.
    room: [usize; 2],
}

#[derive(Default)]
struct Root {
    /// By name; events without one are under the empty name.
    users: BTreeMap<String, User>,
    /// Those without room for a row of their own.
    others: Option<User>,
}

#[derive(Default)]
struct User {
    logins: u64,
    failures: u64,
    logged_in: Option<(Timestamp, Timestamp)>,
    failed: Option<(Timestamp, Timestamp)>,
    addresses: BTreeMap<String, u64>,
    address_bytes: usize,
    more_addresses: bool,
    /// Whether it came when others had found no room: earlier failures may be counted there.
    late: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self { roots: BTreeMap::new(), room: [ROOM; 2] }
    }
}

/// Takes bytes out of a room, if there are so many.
fn takes(room: &mut usize, bytes: usize) -> bool {
    let left = room.checked_sub(bytes);
    *room = left.unwrap_or(*room);
    left.is_some()
}

impl Tally {
    /// Counts an event, if it is a login or a failed one. A tree is one of a bounded number.
    pub(super) fn take(&mut self, event: &LoginEvent) {
        let room = match event.kind {
            LoginKind::Failed => &mut self.room[0],
            LoginKind::Login => &mut self.room[1],
            _ => return,
        };
        if !self.roots.contains_key(&*event.root) {
            self.roots.insert(event.root.to_string(), Root::default());
        }
        let Some(root) = self.roots.get_mut(&*event.root) else { return };
        let name = event.user.as_deref().unwrap_or_default();
        if !root.users.contains_key(name) && takes(room, size_of::<User>() + EACH + name.len()) {
            let late = root.others.is_some();
            root.users.insert(name.to_owned(), User { late, ..User::default() });
        }
        match root.users.get_mut(name) {
            Some(user) => user.take(event, room),
            None => root.others.get_or_insert_default().take(event, room),
        }
    }

    /// Sees to it that a tree has a row.
    pub(super) fn mention(&mut self, root: &str) {
        self.roots.entry(root.to_owned()).or_default();
    }

    /// Hands out the rows of an asset, by tree and user; `known` says what the logs of a tree can have known. The row
    /// of a tree in which nothing was counted is `nobody`'s.
    pub(super) fn rows<E>(
        self,
        asset: &str,
        nobody: &str,
        known: impl Fn(&str) -> Known,
        mut each: impl FnMut(v1::UserLogins) -> Result<(), E>,
    ) -> Result<(), E> {
        for (name, root) in self.roots {
            let known = known(&name);
            let row = |user: &str| v1::UserLogins {
                asset: asset.to_owned(),
                root: name.clone(),
                user: Some(user.to_owned()).filter(|user| !user.is_empty()),
                since: known.both().map(Into::into),
                until: known.until().map(Into::into),
                logins_since: known.logins().map(Into::into),
                failures_since: known.failures().map(Into::into),
                ..v1::UserLogins::default()
            };
            if root.users.is_empty() && root.others.is_none() {
                each(row(nobody))?;
            }
            for (user, counts) in root.users {
                each(counts.fill(row(&user), None))?;
            }
            if let Some(others) = root.others {
                let why =
                    format!("users for whom there was no room: {} MiB of names and addresses", ROOM >> 20);
                each(others.fill(row(""), Some(why)))?;
            }
        }
        Ok(())
    }
}

impl User {
    fn take(&mut self, event: &LoginEvent, room: &mut usize) {
        let (count, span) = match event.kind {
            LoginKind::Failed => (&mut self.failures, &mut self.failed),
            _ => (&mut self.logins, &mut self.logged_in),
        };
        *count += 1;
        if let Some(time) = event.time {
            let (first, last) = span.unwrap_or((time, time));
            *span = Some((first.min(time), last.max(time)));
        }
        let Some(from) = event.from.as_deref().filter(|from| !from.is_empty()) else { return };
        if let Some(count) = self.addresses.get_mut(from) {
            *count += 1;
        } else if self.addresses.len() < ADDRESSES
            && self.address_bytes + from.len() <= ADDRESS_BYTES
            && takes(room, EACH + from.len())
        {
            self.address_bytes += from.len();
            self.addresses.insert(from.to_owned(), 1);
        } else {
            self.more_addresses = true;
        }
    }

    fn fill(self, row: v1::UserLogins, why: Option<String>) -> v1::UserLogins {
        let mut addresses: Vec<(String, u64)> = self.addresses.into_iter().collect();
        addresses.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        let mut notes: Vec<String> = why.into_iter().collect();
        if self.late {
            notes.push(
                "failures before its first login may be among those for whom there was no room".to_owned(),
            );
        }
        if self.more_addresses {
            notes.push("there are more addresses".to_owned());
        }
        let (first_login, last_login) = self.logged_in.unzip();
        let (first_failure, last_failure) = self.failed.unzip();
        v1::UserLogins {
            logins: self.logins,
            failures: self.failures,
            first_login: first_login.map(Into::into),
            last_login: last_login.map(Into::into),
            first_failure: first_failure.map(Into::into),
            last_failure: last_failure.map(Into::into),
            addresses: addresses.into_iter().map(|(from, _)| from).collect(),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
            ..row
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::LoginSource;

    fn event(kind: LoginKind, user: &str, from: &str, time: Option<i64>) -> LoginEvent {
        LoginEvent {
            user: Some(user.into()),
            from: Some(from.into()),
            ..LoginEvent::new(LoginSource::Authlog, kind, time.map(|second| Timestamp::new(second, 0)), "", 0)
        }
    }

    fn rows(tally: Tally) -> Vec<v1::UserLogins> {
        let mut rows = Vec::new();
        let pushed: Result<(), ()> = tally.rows(
            "web",
            "otto",
            |_| Known::default(),
            |row| {
                rows.push(row);
                Ok(())
            },
        );
        pushed.unwrap();
        rows
    }

    #[test]
    fn logins_and_failures_of_each_user() {
        let mut tally = Tally::default();
        for (kind, user, from, time) in [
            (LoginKind::Failed, "anna", "192.0.2.9", None),
            (LoginKind::Failed, "anna", "192.0.2.9", Some(5)),
            (LoginKind::Login, "anna", "192.0.2.1", Some(7)),
            (LoginKind::Logout, "anna", "192.0.2.7", Some(8)),
            (LoginKind::Login, "anna", "192.0.2.9", Some(9)),
            (LoginKind::Failed, "", "", Some(9)),
        ] {
            tally.take(&event(kind, user, from, time));
        }
        tally.take(&LoginEvent { root: "/srv/jail".into(), ..event(LoginKind::Login, "anna", "", None) });
        tally.mention("/");
        tally.mention("/empty");
        let rows = rows(tally);
        let [nameless, anna, nobody, jailed] = rows.as_slice() else { panic!("{rows:#?}") };
        assert_eq!((nameless.user.as_deref(), nameless.logins, nameless.failures), (None, 0, 1));
        assert_eq!((anna.user.as_deref(), anna.logins, anna.failures), (Some("anna"), 2, 2));
        let seconds = [anna.first_login, anna.last_login, anna.first_failure, anna.last_failure]
            .map(|time| time.map(|time| time.seconds));
        assert_eq!(seconds, [Some(7), Some(9), Some(5), Some(5)]);
        assert_eq!(anna.addresses, ["192.0.2.9", "192.0.2.1"], "the most frequent first");
        assert_eq!((anna.note.as_deref(), jailed.root.as_str(), jailed.logins), (None, "/srv/jail", 1));
        assert_eq!(jailed.first_login, None);
        assert_eq!(
            (nobody.root.as_str(), nobody.user.as_deref(), nobody.logins),
            ("/empty", Some("otto"), 0)
        );
    }

    #[test]
    fn guesses_are_all_counted_and_leave_room_for_who_logs_in() {
        let guesses = 400_000;
        let mut tally = Tally::default();
        for guess in 0..guesses {
            let (user, from) = (format!("user{guess}"), format!("2001:db8::{guess:x}"));
            tally.take(&event(LoginKind::Failed, &user, &from, Some(guess)));
        }
        tally.take(&event(LoginKind::Failed, "anna", "192.0.2.1", Some(guesses)));
        tally.take(&event(LoginKind::Login, "anna", "192.0.2.1", Some(guesses + 1)));
        tally.take(&event(LoginKind::Failed, "anna", "192.0.2.1", Some(guesses + 2)));
        let rows = rows(tally);
        let held: usize = rows
            .iter()
            .map(|row| {
                let named = row.user.as_ref().map_or(0, String::len);
                named + row.addresses.iter().map(String::len).sum::<usize>()
            })
            .sum();
        assert!(held < 2 * ROOM && rows.len() > 10_000, "{held} bytes, {} rows", rows.len());
        assert_eq!(rows.iter().map(|row| row.failures).sum::<u64>(), guesses as u64 + 2);
        let anna = rows.iter().find(|row| row.user.as_deref() == Some("anna")).unwrap();
        assert_eq!((anna.logins, anna.failures), (1, 1));
        assert!(anna.note.as_deref().unwrap().contains("no room"));
        let others = rows.last().unwrap();
        assert!(others.user.is_none() && others.failures > 1 && others.note.is_some());
    }

    #[test]
    fn addresses_of_one_user_are_bounded() {
        let mut tally = Tally::default();
        for guess in 0..ADDRESSES as i64 + 5 {
            tally.take(&event(LoginKind::Failed, "root", &format!("h{guess}"), Some(guess)));
        }
        let rows = rows(tally);
        assert_eq!((rows[0].addresses.len(), rows[0].failures), (ADDRESSES, ADDRESSES as u64 + 5));
        assert_eq!(rows[0].note.as_deref(), Some("there are more addresses"));
    }
}

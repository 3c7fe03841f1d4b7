//! Windows' local accounts and groups, and the profiles of all who ever logged in.

mod profiles;
mod room;
mod sam;
#[cfg(test)]
mod tests;

use crate::{
    Context, Extractor, Input, Output,
    hive::{LOGS, Records},
    wants::{Reading, Want},
};
use coldread_model::{Account, LoginEvent, LoginKind, LoginSource, Part, Parts};
use std::collections::BTreeMap;

/// Reads the SAM hive, and the list of profiles in the SOFTWARE hive beside it.
#[derive(Debug)]
pub struct WindowsAccounts;

const SOFTWARE: &str = "SOFTWARE";

impl Extractor for WindowsAccounts {
    fn name(&self) -> &'static str {
        "windows-accounts"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Accounts).and(Parts::of(Part::Logins))
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want {
            companions: LOGS,
            siblings: &[SOFTWARE, "SOFTWARE.LOG1", "SOFTWARE.LOG2", "SOFTWARE.LOG"],
            ..Want::windows("/Windows/System32/config/SAM", Reading::Ranges)
        }];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let mut accounts = Vec::new();
        if let Some(mut records) = Records::open(input, out) {
            accounts = sam::read(&mut records);
            records.finish();
        }
        let directory = input.path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let path = [&input.path[..directory], SOFTWARE.as_bytes()].concat();
        let place = crate::input::Place { path: &path, sha256: None, ..input.place() };
        let mut homes = BTreeMap::new();
        if let Some(mut records) = Records::open_sibling(place, SOFTWARE, &mut input.companions, out) {
            homes = profiles::read(&mut records);
            records.finish();
        }
        for account in &mut accounts {
            account.home = account.sid.as_ref().and_then(|sid| homes.remove(sid)).or(account.home.take());
        }
        for account in accounts {
            logins(&account, out);
            out.account(account);
        }
        // Users of a domain, and services: no other database of the disk has them.
        for (sid, home) in homes {
            out.account(profiles::account(&path, sid, home));
        }
    }
}

/// The last login and the last failed one of an account as events, at its number.
fn logins(account: &Account, out: &mut dyn Output) {
    let times = [(account.last_login, LoginKind::Login), (account.last_failed, LoginKind::Failed)];
    for (time, kind) in times {
        if time.is_none() {
            continue;
        }
        let count = match kind {
            LoginKind::Login => account.login_count.map(|count| format!("the last of {count} logins")),
            _ => account.failed_count.map(|count| format!("{count} failed since the last login")),
        };
        let number = account.id.unwrap_or(0);
        out.login(LoginEvent {
            user: Some(account.name.as_str().into()),
            detail: count.map(Into::into),
            ..LoginEvent::new(LoginSource::Sam, kind, time, &account.origin[..], number)
        });
    }
}

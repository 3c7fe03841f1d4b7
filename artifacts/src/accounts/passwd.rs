//! /etc/passwd, /etc/shadow and /etc/group.
//!
//! Sources: passwd(5), shadow(5), group(5); chage(1), option `-l`, for what counts as never.

use super::{lines::for_each, password};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{Account, AccountKind, Part, Parts, PasswordState, Timestamp};

/// The largest file that is read; a directory of a million users has some 80 MB.
const LIMIT: u64 = 128 << 20;
/// A password that is good for so many days is good for ever.
const NEVER_DAYS: i64 = 10_000;
const DAY_SECONDS: i64 = 86_400;

/// Reads the three files.
#[derive(Debug)]
pub struct Accounts;

impl Extractor for Accounts {
    fn name(&self) -> &'static str {
        "accounts"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Accounts)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/etc/passwd", Reading::Whole { limit: LIMIT }),
            Want::new("/etc/shadow", Reading::Whole { limit: LIMIT }),
            Want::new("/etc/group", Reading::Whole { limit: LIMIT }),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let (root, path) = (input.root, input.path);
        let account = |kind, name: &str| Account { root: root.to_owned(), ..Account::new(kind, name, path) };
        match path.rsplit(|byte| *byte == b'/').next() {
            Some(b"passwd") => for_each(input, "passwd", out, |fields, out| {
                let [name, field, uid, gid, full_name, home, shell] = fields else {
                    return Err("not seven fields");
                };
                let mut user = account(AccountKind::User, named(name)?);
                user.id = Some(number(uid)?);
                user.primary_group = Some(number(gid)?);
                user.full_name = said(full_name.split(',').next().unwrap_or_default());
                user.home = said(home);
                // An empty field stands for it (passwd(5), "optional user command interpreter").
                user.shell = Some(said(shell).unwrap_or_else(|| "/bin/sh".to_owned()));
                // `x`: shadow has it.
                if field != "x" {
                    set_password(&mut user, field);
                }
                out.account(user);
                Ok(())
            }),
            Some(b"shadow") => for_each(input, "shadow", out, |fields, out| {
                let [name, field, changed, _, max, _, _, expires, _] = fields else {
                    return Err("not nine fields");
                };
                let mut user = account(AccountKind::User, named(name)?);
                set_password(&mut user, field);
                let (changed, max, expires) = (days(changed)?, days(max)?, days(expires)?);
                // 0: it must be changed at the next login.
                user.password_changed = changed.filter(|days| *days > 0).map(at);
                user.password_expires = match (changed, max) {
                    (Some(0), _) => Some(at(0)),
                    (Some(changed), Some(max)) if (0..NEVER_DAYS).contains(&max) => {
                        changed.checked_add(max).map(at)
                    }
                    _ => None,
                };
                user.expires = expires.map(at);
                out.account(user);
                Ok(())
            }),
            Some(b"group") => for_each(input, "group", out, |fields, out| {
                let [name, field, gid, members] = fields else {
                    return Err("not four fields");
                };
                let mut group = account(AccountKind::Group, named(name)?);
                group.id = Some(number(gid)?);
                group.related = members.split(',').map(str::trim).filter_map(said).collect();
                if !matches!(field.as_str(), "" | "x") {
                    set_password(&mut group, field);
                }
                out.account(group);
                Ok(())
            }),
            _ => {}
        }
    }
}

fn set_password(account: &mut Account, field: &str) {
    let (state, scheme) = password::state(field);
    account.password = Some(state);
    account.scheme = scheme.map(str::to_owned);
    account.disabled = state == PasswordState::Locked && account.kind == AccountKind::Group;
}

fn named(name: &str) -> Result<&str, &'static str> {
    if name.is_empty() { Err("no name") } else { Ok(name) }
}

fn number(field: &str) -> Result<u64, &'static str> {
    field.parse::<u32>().map(u64::from).map_err(|_| "an id that is no number")
}

/// Days since 1970; none where the field is empty.
fn days(field: &str) -> Result<Option<i64>, &'static str> {
    if field.is_empty() {
        return Ok(None);
    }
    let days: i64 = field.parse().map_err(|_| "days that are no number")?;
    // As shadow's own tools do, -1 and less is nothing; more than any calendar has is wrong.
    match days {
        ..0 => Ok(None),
        0..=100_000_000 => Ok(Some(days)),
        _ => Err("days beyond any calendar"),
    }
}

fn at(days: i64) -> Timestamp {
    Timestamp::new(days.saturating_mul(DAY_SECONDS), 0)
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::Findings;
    use proptest::prelude::*;

    fn read(path: &str, text: &[u8]) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.to_vec());
        Accounts.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
        found
    }

    #[test]
    fn users_of_passwd() {
        let found = read(
            "/etc/passwd",
            b"root:x:0:0:root:/root:/bin/bash\nanna:x:1000:100:Anna B,Room 1,,:/home/anna:\n\
              open::5:5:::/bin/sh\n# no user\n+::::::\nshort:x:1\n:x:1:1:::\nbad:x:-1:1:::\n",
        );
        let shown: Vec<_> = found
            .accounts
            .iter()
            .map(|user| {
                (user.name.as_str(), user.id, user.full_name.as_deref(), user.shell.as_deref(), user.password)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("root", Some(0), Some("root"), Some("/bin/bash"), None),
                ("anna", Some(1000), Some("Anna B"), Some("/bin/sh"), None),
                ("open", Some(5), None, Some("/bin/sh"), Some(PasswordState::Empty)),
            ]
        );
        let reasons: Vec<_> = found.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "line 5: entries of NIS are not on this disk",
                "line 6: not seven fields",
                "line 7: no name",
                "line 8: an id that is no number",
            ]
        );
    }

    #[test]
    fn ages_of_passwords_and_never_a_hash() {
        let found = read(
            "/etc/shadow",
            b"root:$y$j9T$geheim$auch:19700:0:99999:7:::\nanna:!$6$geheim$x:19700:0:90:7::20000:\n\
              must:*:0:0:99999:7:::\nbad:*:soon::::::\n",
        );
        let day = |days: i64| Some(Timestamp::new(days * 86_400, 0));
        let [root, anna, must] = found.accounts.as_slice() else { panic!("{found:#?}") };
        assert_eq!((root.password, root.scheme.as_deref()), (Some(PasswordState::Set), Some("yescrypt")));
        assert_eq!((root.password_changed, root.password_expires, root.expires), (day(19_700), None, None));
        assert_eq!(
            (anna.password, anna.password_expires, anna.expires),
            (Some(PasswordState::Locked), day(19_790), day(20_000))
        );
        assert_eq!((must.password_changed, must.password_expires), (None, day(0)));
        assert_eq!(found.gaps.len(), 1);
        assert!(!format!("{found:?}").contains("geheim"));
    }

    #[test]
    fn groups_and_their_members() {
        let found = read("/etc/group", b"root:x:0:\nsudo:x:27:anna, otto\nbroken:x\n");
        let shown: Vec<_> = found.accounts.iter().map(|group| (group.id, group.related.join(" "))).collect();
        assert_eq!(shown, [(Some(0), String::new()), (Some(27), "anna otto".to_owned())]);
        assert_eq!(found.gaps[0].reason, "line 3: not four fields");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b':'), Just(b'\n'), b'0'..=b'9'], 0..300),
        ) {
            for path in ["/etc/passwd", "/etc/shadow", "/etc/group"] {
                read(path, &bytes);
            }
        }
    }
}

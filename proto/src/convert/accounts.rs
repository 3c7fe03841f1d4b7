//! Users and groups.

use super::{ConvertError, time, word};
use crate::v1;
use coldread_model::{Account, AccountKind, PasswordState};

impl v1::Account {
    /// The message for an account of an asset.
    pub fn from_model(asset: &str, account: Account) -> Self {
        Self {
            asset: asset.to_owned(),
            root: account.root,
            kind: account.kind.name().to_owned(),
            name: account.name,
            id: account.id,
            primary_group: account.primary_group,
            sid: account.sid,
            full_name: account.full_name,
            home: account.home,
            shell: account.shell,
            related: account.related,
            password: account.password.map(|state| state.name().to_owned()),
            scheme: account.scheme,
            password_changed: account.password_changed.map(Into::into),
            password_expires: account.password_expires.map(Into::into),
            expires: account.expires.map(Into::into),
            disabled: account.disabled,
            privileges: account.privileges,
            last_login: account.last_login.map(Into::into),
            last_failed: account.last_failed.map(Into::into),
            failed_count: account.failed_count,
            login_count: account.login_count,
            origin: account.origin,
        }
    }

    /// The asset's name and its account.
    pub fn into_model(self) -> Result<(String, Account), ConvertError> {
        let state = |name: &String| word("password", name, PasswordState::from_name);
        let account = Account {
            root: self.root,
            kind: word("kind", &self.kind, AccountKind::from_name)?,
            name: self.name,
            id: self.id,
            primary_group: self.primary_group,
            sid: self.sid,
            full_name: self.full_name,
            home: self.home,
            shell: self.shell,
            related: self.related,
            password: self.password.as_ref().map(state).transpose()?,
            scheme: self.scheme,
            password_changed: time::optional(self.password_changed)?,
            password_expires: time::optional(self.password_expires)?,
            expires: time::optional(self.expires)?,
            disabled: self.disabled,
            privileges: self.privileges,
            last_login: time::optional(self.last_login)?,
            last_failed: time::optional(self.last_failed)?,
            failed_count: self.failed_count,
            login_count: self.login_count,
            origin: self.origin,
        };
        Ok((self.asset, account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::Timestamp;

    #[test]
    fn an_account_comes_back_and_a_strange_one_is_refused() {
        let at = |seconds| Some(Timestamp::new(seconds, 7));
        let account = Account {
            root: "/srv/jail".to_owned(),
            id: Some(0),
            primary_group: Some(1),
            sid: Some("S-1-5-21-1-2-3-500".to_owned()),
            full_name: Some("Anna".to_owned()),
            home: Some("/home/anna".to_owned()),
            shell: Some("/bin/sh".to_owned()),
            related: vec!["adm".to_owned(), "sudo".to_owned()],
            password: Some(PasswordState::Locked),
            scheme: Some("yescrypt".to_owned()),
            password_changed: at(1),
            password_expires: at(2),
            expires: at(3),
            disabled: true,
            privileges: vec!["ALL=(ALL) ALL".to_owned()],
            last_login: at(4),
            last_failed: at(5),
            failed_count: Some(6),
            login_count: Some(7),
            ..Account::new(AccountKind::User, "anna", "/etc/passwd")
        };
        let message = v1::Account::from_model("web", account.clone());
        assert_eq!(message.clone().into_model(), Ok(("web".to_owned(), account)));
        for bad in [
            v1::Account { kind: "robot".to_owned(), ..message.clone() },
            v1::Account { password: Some("secret".to_owned()), ..message.clone() },
            v1::Account { expires: Some(v1::Time { seconds: 0, nanos: u32::MAX }), ..message },
        ] {
            assert!(bad.into_model().is_err());
        }
    }
}

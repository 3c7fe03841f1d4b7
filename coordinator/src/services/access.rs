//! Rows of accounts, keys, settings and log windows: which of them a question wants.

use super::{findings::word, scope::Names};
use coldread_model::{Account, AccountKind, Key, KeyKind, LogWindow, LoginSource, Setting};
use coldread_proto::{ServiceError, v1};

/// Which accounts are wanted.
pub(crate) struct AccountFilter {
    names: Names,
    kind: Option<AccountKind>,
    roots: Names,
}

impl AccountFilter {
    /// Reads a question.
    pub(crate) fn new(request: &v1::AccountsRequest) -> Result<Self, ServiceError> {
        Ok(Self {
            names: Names::new(&request.name)?,
            kind: word(&request.kind, "a kind of account", AccountKind::from_name)?,
            roots: Names::new(&request.root)?,
        })
    }

    /// Whether the account is wanted.
    pub(crate) fn wants(&self, account: &Account) -> bool {
        self.kind.is_none_or(|kind| kind == account.kind)
            && self.names.matches(&account.name)
            && self.roots.matches(&account.root)
    }
}

/// Which keys are wanted.
pub(crate) struct KeyFilter {
    users: Option<Names>,
    kind: Option<KeyKind>,
    fingerprint: String,
    roots: Names,
}

impl KeyFilter {
    /// Reads a question.
    pub(crate) fn new(request: &v1::KeysRequest) -> Result<Self, ServiceError> {
        Ok(Self {
            users: Names::some(&request.user)?,
            kind: word(&request.kind, "a kind of key", KeyKind::from_name)?,
            fingerprint: request.fingerprint.clone(),
            roots: Names::new(&request.root)?,
        })
    }

    /// Whether the key is wanted.
    pub(crate) fn wants(&self, key: &Key) -> bool {
        let user = |names: &Names| key.user.as_deref().is_some_and(|user| names.matches(user));
        self.kind.is_none_or(|kind| kind == key.kind)
            && self.users.as_ref().is_none_or(user)
            && (self.fingerprint.is_empty() || key.fingerprint.as_deref() == Some(self.fingerprint.as_str()))
            && self.roots.matches(&key.root)
    }
}

/// Which settings are wanted.
pub(crate) struct SettingFilter {
    subject: String,
    names: Names,
    roots: Names,
}

impl SettingFilter {
    /// Reads a question.
    pub(crate) fn new(request: &v1::SettingsRequest) -> Result<Self, ServiceError> {
        Ok(Self {
            subject: request.subject.clone(),
            names: Names::in_any_case(&request.name)?,
            roots: Names::new(&request.root)?,
        })
    }

    /// Whether the setting is wanted.
    pub(crate) fn wants(&self, setting: &Setting) -> bool {
        (self.subject.is_empty() || self.subject == setting.subject)
            && self.names.matches(&setting.name)
            && self.roots.matches(&setting.root)
    }
}

/// Which log windows are wanted.
pub(crate) struct WindowFilter {
    source: Option<LoginSource>,
    roots: Names,
}

impl WindowFilter {
    /// Reads a question.
    pub(crate) fn new(request: &v1::LogWindowsRequest) -> Result<Self, ServiceError> {
        Ok(Self {
            source: word(&request.source, "a source of logins", LoginSource::from_name)?,
            roots: Names::new(&request.root)?,
        })
    }

    /// Whether the window is wanted.
    pub(crate) fn wants(&self, window: &LogWindow) -> bool {
        self.source.is_none_or(|source| source == window.source) && self.roots.matches(&window.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_chosen_by_name_kind_and_root() {
        let anna = Account {
            root: "/srv/jail".to_owned(),
            ..Account::new(AccountKind::User, "anna", "/srv/jail/etc/passwd")
        };
        let wants = |name: &str, kind: &str, root: &str| {
            let [name, kind, root] = [name, kind, root].map(str::to_owned);
            AccountFilter::new(&v1::AccountsRequest { scope: None, name, kind, root }).map(|f| f.wants(&anna))
        };
        for (name, kind, root, wanted) in [
            ("", "", "", true),
            ("an*", "user", "/srv/*", true),
            ("otto", "", "", false),
            ("", "group", "", false),
            ("", "", "/", false),
        ] {
            assert_eq!(wants(name, kind, root).unwrap(), wanted, "{name} {kind} {root}");
        }
        assert!(
            wants("", "robot", "").is_err() && wants("[", "", "").is_err() && wants("", "", "[").is_err()
        );
    }

    #[test]
    fn keys_are_chosen_by_user_kind_and_fingerprint() {
        let key = Key {
            root: "/".to_owned(),
            kind: KeyKind::Host,
            user: None,
            algorithm: "ssh-rsa".to_owned(),
            bits: None,
            fingerprint: Some("SHA256:a".to_owned()),
            comment: None,
            options: Vec::new(),
            encrypted: None,
            origin: Vec::new(),
            line: 1,
        };
        let wants = |request: v1::KeysRequest| KeyFilter::new(&request).map(|filter| filter.wants(&key));
        let request = v1::KeysRequest::default;
        assert!(wants(request()).unwrap());
        assert!(wants(v1::KeysRequest { kind: "host".to_owned(), ..request() }).unwrap());
        assert!(!wants(v1::KeysRequest { kind: "private".to_owned(), ..request() }).unwrap());
        assert!(!wants(v1::KeysRequest { user: "*".to_owned(), ..request() }).unwrap(), "it is nobody's");
        assert!(wants(v1::KeysRequest { fingerprint: "SHA256:a".to_owned(), ..request() }).unwrap());
        assert!(!wants(v1::KeysRequest { fingerprint: "SHA256:A".to_owned(), ..request() }).unwrap());
        assert!(!wants(v1::KeysRequest { root: "/srv".to_owned(), ..request() }).unwrap());
        assert!(wants(v1::KeysRequest { kind: "skeleton".to_owned(), ..request() }).is_err());
    }

    #[test]
    fn settings_and_windows_are_chosen() {
        let setting = Setting {
            root: "/".to_owned(),
            subject: "sshd".to_owned(),
            condition: None,
            name: "PermitRootLogin".to_owned(),
            value: "no".to_owned(),
            origin: Vec::new(),
            line: 1,
        };
        let wants = |subject: &str, name: &str| {
            let (subject, name) = (subject.to_owned(), name.to_owned());
            let request = v1::SettingsRequest { subject, name, ..Default::default() };
            SettingFilter::new(&request).unwrap().wants(&setting)
        };
        assert!(wants("", "") && wants("sshd", "permitroot*") && !wants("sudoers", "") && !wants("", "Port"));
        let window = LogWindow {
            source: LoginSource::Btmp,
            root: "/".to_owned(),
            origin: Vec::new(),
            span: None,
            records: 0,
        };
        let wants = |source: &str, root: &str| {
            let (source, root) = (source.to_owned(), root.to_owned());
            let request = v1::LogWindowsRequest { scope: None, source, root };
            WindowFilter::new(&request).map(|filter| filter.wants(&window))
        };
        assert!(wants("btmp", "/").unwrap() && wants("", "").unwrap());
        assert!(!wants("wtmp", "").unwrap() && !wants("", "/srv").unwrap());
        assert!(wants("rumour", "").is_err());
    }
}

//! Keys.

use super::{ConvertError, word};
use crate::v1;
use coldread_model::{Key, KeyKind};

impl v1::Key {
    /// The message for a key of an asset.
    pub fn from_model(asset: &str, key: Key) -> Self {
        Self {
            asset: asset.to_owned(),
            root: key.root,
            kind: key.kind.name().to_owned(),
            user: key.user,
            algorithm: key.algorithm,
            bits: key.bits,
            fingerprint: key.fingerprint,
            comment: key.comment,
            options: key.options,
            encrypted: key.encrypted,
            origin: key.origin,
            line: key.line,
        }
    }

    /// The asset's name and its key.
    pub fn into_model(self) -> Result<(String, Key), ConvertError> {
        let key = Key {
            root: self.root,
            kind: word("kind", &self.kind, KeyKind::from_name)?,
            user: self.user,
            algorithm: self.algorithm,
            bits: self.bits,
            fingerprint: self.fingerprint,
            comment: self.comment,
            options: self.options,
            encrypted: self.encrypted,
            origin: self.origin,
            line: self.line,
        };
        Ok((self.asset, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_and_a_strange_one_is_refused() {
        let key = Key {
            root: "/".to_owned(),
            kind: KeyKind::Private,
            user: Some("anna".to_owned()),
            algorithm: "ssh-ed25519".to_owned(),
            bits: Some(256),
            fingerprint: Some("SHA256:abc".to_owned()),
            comment: Some("anna@laptop".to_owned()),
            options: vec!["no-pty".to_owned()],
            encrypted: Some(false),
            origin: b"/home/anna/.ssh/id_ed25519".to_vec(),
            line: 3,
        };
        let message = v1::Key::from_model("web", key.clone());
        assert_eq!(message.clone().into_model(), Ok(("web".to_owned(), key)));
        assert!(v1::Key { kind: "skeleton".to_owned(), ..message }.into_model().is_err());
    }
}

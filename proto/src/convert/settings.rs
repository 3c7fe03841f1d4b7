//! Settings of logins.

use crate::v1;
use coldread_model::Setting;

impl v1::Setting {
    /// The message for a setting of an asset.
    pub fn from_model(asset: &str, setting: Setting) -> Self {
        Self {
            asset: asset.to_owned(),
            root: setting.root,
            subject: setting.subject,
            condition: setting.condition,
            name: setting.name,
            value: setting.value,
            origin: setting.origin,
            line: setting.line,
        }
    }

    /// The asset's name and its setting.
    pub fn into_model(self) -> (String, Setting) {
        let setting = Setting {
            root: self.root,
            subject: self.subject,
            condition: self.condition,
            name: self.name,
            value: self.value,
            origin: self.origin,
            line: self.line,
        };
        (self.asset, setting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_comes_back() {
        let setting = Setting {
            root: "/".to_owned(),
            subject: "sshd".to_owned(),
            condition: Some("User anna".to_owned()),
            name: "PermitRootLogin".to_owned(),
            value: "no".to_owned(),
            origin: b"/etc/ssh/sshd_config".to_vec(),
            line: 9,
        };
        let message = v1::Setting::from_model("web", setting.clone());
        assert_eq!(message.into_model(), ("web".to_owned(), setting));
    }
}

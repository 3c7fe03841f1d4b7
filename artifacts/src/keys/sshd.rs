//! sshd's configuration, as far as it decides who can log in and how.
//!
//! Source: sshd_config(5): keywords in any case, the first value counts, `Match` blocks, `Include`.

use crate::{
    Context, Extractor, Input, Output,
    lines::{Lines, ViewReader},
    secrets::masked,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Part, Parts, Setting};

const LIMIT: u64 = 1 << 20;
const STRUCTURE: &str = "sshd_config";
/// The longest condition that is told: each setting below it has it.
const MAX_CONDITION: usize = 1024;

/// Keywords that decide about logins.
const KEYWORDS: &[&str] = &[
    "AllowGroups",
    "AllowUsers",
    "AuthenticationMethods",
    "AuthorizedKeysCommand",
    "AuthorizedKeysCommandUser",
    "AuthorizedKeysFile",
    "AuthorizedPrincipalsCommand",
    "AuthorizedPrincipalsFile",
    "ChallengeResponseAuthentication",
    "ChrootDirectory",
    "DenyGroups",
    "DenyUsers",
    "ForceCommand",
    "GSSAPIAuthentication",
    "HostbasedAuthentication",
    "IgnoreRhosts",
    "Include",
    "KbdInteractiveAuthentication",
    "KerberosAuthentication",
    "ListenAddress",
    "LoginGraceTime",
    "MaxAuthTries",
    "MaxSessions",
    "PasswordAuthentication",
    "PermitEmptyPasswords",
    "PermitRootLogin",
    "PermitUserEnvironment",
    "PermitUserRC",
    "Port",
    "Protocol",
    "PubkeyAuthentication",
    "RevokedKeys",
    "StrictModes",
    "TrustedUserCAKeys",
    "UseDNS",
    "UsePAM",
];

/// Reads sshd's configuration.
#[derive(Debug)]
pub struct SshdConfig;

impl Extractor for SshdConfig {
    fn name(&self) -> &'static str {
        "sshd-config"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Accounts)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/etc/ssh/sshd_config", Reading::Whole { limit: LIMIT }),
            Want::new("/etc/ssh/sshd_config.d/*.conf", Reading::Whole { limit: LIMIT }),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let mut gaps = place.gaps(STRUCTURE);
        let mut lines = Lines::new(ViewReader::whole(&mut *input.view), 0);
        let (mut number, mut condition) = (0, None);
        while let Some(line) = lines.next_or_gap(&place, STRUCTURE, out) {
            number += 1;
            if line.cut {
                gaps.push(out, GapKind::Limit, format!("line {number}: too long"));
                continue;
            }
            let text = String::from_utf8_lossy(line.bytes);
            let Some((keyword, value)) = setting(&text) else { continue };
            if keyword.eq_ignore_ascii_case("Match") {
                // `Match all` ends every condition.
                condition = (!value.eq_ignore_ascii_case("all")).then(|| value.to_owned());
                if let Some(long) = condition.as_mut().filter(|told| told.len() > MAX_CONDITION) {
                    let reason = format!("line {number}: a condition of {} bytes, told in part", long.len());
                    gaps.push(out, GapKind::Limit, reason);
                    long.truncate(long.floor_char_boundary(MAX_CONDITION));
                    long.push('…');
                }
                continue;
            }
            if let Some(name) = KEYWORDS.iter().find(|name| name.eq_ignore_ascii_case(keyword)) {
                out.setting(Setting {
                    root: input.root.to_owned(),
                    subject: "sshd".to_owned(),
                    condition: condition.clone(),
                    name: (*name).to_owned(),
                    value: masked(value).into_owned(),
                    origin: input.path.to_vec(),
                    line: number,
                });
            }
        }
        gaps.finish(out);
    }
}

/// Keyword and value of a line, if it has any: between them white space, or one `=`.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(|char: char| char.is_whitespace() || char == '=')?;
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    (!keyword.is_empty() && !value.is_empty()).then_some((keyword, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::Findings;

    #[test]
    fn settings_under_their_conditions() {
        let text = "# x\nInclude /etc/ssh/sshd_config.d/*.conf\npermitrootlogin=prohibit-password\nX11Forwarding yes\n\
                    Match User \"anna\" Address 10.0.0.0/8\n\tPasswordAuthentication yes\nMatch all\nUsePAM \"yes\"\nPort\n";
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.as_bytes().to_vec());
        let mut input = Input::new(b"/etc/ssh/sshd_config", "p1", &mut view);
        SshdConfig.extract(&mut input, &Context::default(), &mut found);
        let shown: Vec<_> = found
            .settings
            .iter()
            .map(|row| (row.line, row.name.as_str(), row.value.as_str(), row.condition.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                (2, "Include", "/etc/ssh/sshd_config.d/*.conf", None),
                (3, "PermitRootLogin", "prohibit-password", None),
                (6, "PasswordAuthentication", "yes", Some("User \"anna\" Address 10.0.0.0/8")),
                (8, "UsePAM", "yes", None),
            ]
        );
    }

    #[test]
    fn a_condition_that_is_a_book_is_not_told_with_each_setting() {
        let text = format!("Match User {}\n{}", "é".repeat(30_000), "Port 1\n".repeat(1000));
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.into_bytes());
        let mut input = Input::new(b"/etc/ssh/sshd_config", "p1", &mut view);
        SshdConfig.extract(&mut input, &Context::default(), &mut found);
        let longest = found.settings.iter().filter_map(|row| row.condition.as_ref()).map(String::len).max();
        assert_eq!((found.settings.len(), longest.is_some_and(|len| len < 1100)), (1000, true));
        assert_eq!((found.gaps.len(), found.gaps[0].kind), (1, GapKind::Limit));
    }
}

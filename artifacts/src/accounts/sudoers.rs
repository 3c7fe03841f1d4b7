//! /etc/sudoers and the files beside it: who may act with whose rights.
//!
//! Source: sudoers(5), "SUDOERS FILE FORMAT": aliases, user specifications, line continuation, comments, includes.
//! Files are read one by one, so an alias is expanded where its own file defines it; a rule for an alias of another
//! file is told as a setting, as are rules for everybody and for netgroups.

use crate::{
    Context, Extractor, Input, Output,
    input::FileGaps,
    lines::{Lines, ViewReader},
    secrets::masked,
    wants::{Reading, Want},
};
use coldread_model::{Account, AccountKind, GapKind, Part, Parts, Setting};
use std::collections::BTreeMap;

const LIMIT: u64 = 1 << 20;
const STRUCTURE: &str = "sudoers";
/// Names that one rule may give rights to, aliases expanded.
const NAMES: usize = 10_000;

/// Reads sudoers.
#[derive(Debug)]
pub struct Sudoers;

impl Extractor for Sudoers {
    fn name(&self) -> &'static str {
        "sudoers"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Accounts)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/etc/sudoers", Reading::Whole { limit: LIMIT }),
            // sudo passes over names with a `.` and those that end in `~`: see `extract`.
            Want { except: &["~"], ..Want::new("/etc/sudoers.d/*", Reading::Whole { limit: LIMIT }) },
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let name = input.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if name.contains(&b'.') {
            return;
        }
        let place = input.place();
        let mut file = File {
            root: input.root,
            path: input.path,
            aliases: BTreeMap::new(),
            rules: Vec::new(),
            gaps: place.gaps(STRUCTURE),
        };
        let mut lines = Lines::new(ViewReader::whole(&mut *input.view), 0);
        let (mut number, mut started, mut statement) = (0, 0, String::new());
        loop {
            match lines.next_line() {
                Ok(Some(line)) => {
                    number += 1;
                    if statement.is_empty() {
                        started = number;
                    }
                    let text = String::from_utf8_lossy(line.bytes);
                    let (text, goes_on) = match text.strip_suffix('\\') {
                        Some(text) => (text, true),
                        None => (text.as_ref(), false),
                    };
                    if line.cut || statement.len() + text.len() > crate::lines::MAX_LINE {
                        file.gaps.push(out, GapKind::Limit, format!("line {number}: too long"));
                        statement.clear();
                        continue;
                    }
                    statement.push_str(text);
                    if goes_on {
                        statement.push(' ');
                        continue;
                    }
                    file.statement(started, &std::mem::take(&mut statement), out);
                }
                Ok(None) => break,
                Err(error) => {
                    out.gap(place.stream_gap(STRUCTURE, &error));
                    break;
                }
            }
        }
        if !statement.is_empty() {
            file.statement(started, &statement, out);
        }
        file.finish(out);
    }
}

struct File<'a> {
    root: &'a str,
    path: &'a [u8],
    /// Members of each User_Alias.
    aliases: BTreeMap<String, Vec<String>>,
    /// Line, users and the rest of each rule.
    rules: Vec<(u64, Vec<String>, String)>,
    gaps: FileGaps<'a>,
}

impl File<'_> {
    fn statement(&mut self, number: u64, text: &str, out: &mut dyn Output) {
        let text = without_comment(text).trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match word {
            "" => {}
            "@include" | "#include" | "@includedir" | "#includedir" => {
                let target = rest.trim().trim_matches('"');
                let beside =
                    target.trim_end_matches('/') == "/etc/sudoers.d" || target.starts_with("/etc/sudoers.d/");
                if !beside && !target.is_empty() {
                    let reason = format!("line {number}: what is included from {target} is not read");
                    self.gaps.push(out, GapKind::Unsupported, reason);
                }
            }
            "User_Alias" => {
                for definition in rest.split(':') {
                    let Some((name, members)) = definition.split_once('=') else {
                        self.gaps.push(
                            out,
                            GapKind::Corrupt,
                            format!("line {number}: an alias without members"),
                        );
                        continue;
                    };
                    self.aliases.insert(name.trim().to_owned(), list(members));
                }
            }
            "Runas_Alias" | "Host_Alias" | "Cmnd_Alias" | "Cmd_Alias" => {
                self.setting(number, word, rest, out);
            }
            _ if word.starts_with("Defaults") => self.setting(number, word, rest, out),
            _ => match text.split_once('=') {
                Some((before, after)) => {
                    // The hosts are the last word before the first `=`.
                    let before = before.trim_end();
                    match before.rsplit_once(char::is_whitespace) {
                        Some((users, hosts)) => {
                            let rule = format!("{hosts}={}", squeezed(after));
                            self.rules.push((number, list(users), rule));
                        }
                        None => {
                            self.gaps.push(
                                out,
                                GapKind::Corrupt,
                                format!("line {number}: a rule without hosts"),
                            );
                        }
                    }
                }
                None => {
                    self.gaps.push(out, GapKind::Corrupt, format!("line {number}: neither rule nor setting"));
                }
            },
        }
    }

    fn finish(mut self, out: &mut dyn Output) {
        for (number, users, rule) in std::mem::take(&mut self.rules) {
            let mut names = Vec::new();
            if !self.expand(&users, &mut Vec::new(), &mut names) {
                self.gaps.push(out, GapKind::Limit, format!("line {number}: more than {NAMES} names"));
            }
            for name in names {
                let kind = match name.as_bytes() {
                    [b'%', b'#' | b':', ..] | [b'+' | b'#' | b'!', ..] | b"ALL" => None,
                    [b'%', ..] => Some((AccountKind::Group, &name[1..])),
                    // Without a definition here it is an alias of another file: names of users are not in capitals.
                    _ if name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') => {
                        None
                    }
                    _ => Some((AccountKind::User, name.as_str())),
                };
                match kind {
                    Some((kind, name)) => out.account(Account {
                        root: self.root.to_owned(),
                        privileges: vec![rule.clone()],
                        ..Account::new(kind, name, self.path)
                    }),
                    None => self.setting(number, &name, &rule, out),
                }
            }
        }
        self.gaps.finish(out);
    }

    /// The names that a list stands for, aliases of this file expanded. Says whether all of them had room.
    fn expand<'s>(&'s self, users: &'s [String], within: &mut Vec<&'s str>, names: &mut Vec<String>) -> bool {
        for user in users {
            if names.len() >= NAMES {
                return false;
            }
            match self.aliases.get_key_value(user) {
                // One that contains itself stands for nothing more.
                Some((alias, _)) if within.contains(&alias.as_str()) => {}
                Some((alias, members)) => {
                    within.push(alias);
                    let whole = self.expand(members, within, names);
                    within.pop();
                    if !whole {
                        return false;
                    }
                }
                None => names.push(user.clone()),
            }
        }
        true
    }

    fn setting(&self, line: u64, name: &str, value: &str, out: &mut dyn Output) {
        out.setting(Setting {
            root: self.root.to_owned(),
            subject: "sudoers".to_owned(),
            condition: None,
            name: name.to_owned(),
            value: squeezed(value),
            origin: self.path.to_vec(),
            line,
        });
    }
}

/// The line up to a `#` that begins a comment: one before a digit is a user's or group's number, and `#include`
/// is no comment.
fn without_comment(text: &str) -> &str {
    let start = text.trim_start();
    if start.starts_with("#include") {
        return text;
    }
    let mut from = 0;
    while let Some(at) = text[from..].find('#').map(|at| from + at) {
        let escaped = text[..at].ends_with('\\');
        let number = text[at + 1..].starts_with(|next: char| next.is_ascii_digit() || next == '-');
        if !escaped && !number {
            return &text[..at];
        }
        from = at + 1;
    }
    text
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|one| one.trim().trim_matches('"').to_owned()).filter(|one| !one.is_empty()).collect()
}

/// With one space where there was any white space, and without secrets.
fn squeezed(text: &str) -> String {
    masked(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
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
        Sudoers.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
        found
    }

    #[test]
    fn rules_aliases_and_settings() {
        let found = read(
            "/etc/sudoers",
            b"# comment\nDefaults  env_reset, !lecture\nUser_Alias ADMINS = anna, otto : LOOP = LOOP, eva\n\
              root ALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL) \\\n  NOPASSWD: ALL # all of it\nADMINS web = /usr/bin/apt\n\
              LOOP ALL=ALL\nELSE ALL=ALL\n#1000 ALL=ALL\n@includedir /etc/sudoers.d\n@include /opt/x\nnonsense\n",
        );
        let shown: Vec<_> = found
            .accounts
            .iter()
            .map(|row| (row.kind.name(), row.name.as_str(), row.privileges[0].as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("user", "root", "ALL=(ALL:ALL) ALL"),
                ("group", "sudo", "ALL=(ALL) NOPASSWD: ALL"),
                ("user", "anna", "web=/usr/bin/apt"),
                ("user", "otto", "web=/usr/bin/apt"),
                ("user", "eva", "ALL=ALL"),
            ]
        );
        let settings: Vec<_> =
            found.settings.iter().map(|row| (row.line, row.name.as_str(), row.value.as_str())).collect();
        assert_eq!(
            settings,
            [(2, "Defaults", "env_reset, !lecture"), (9, "ELSE", "ALL=ALL"), (10, "#1000", "ALL=ALL")]
        );
        let reasons: Vec<_> = found.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        assert_eq!(
            reasons,
            ["line 12: what is included from /opt/x is not read", "line 13: neither rule nor setting"]
        );
    }

    #[test]
    fn what_sudo_passes_over_is_passed_over() {
        let rule = b"anna ALL=ALL\n";
        assert_eq!(read("/etc/sudoers.d/10-anna", rule).accounts.len(), 1);
        assert_eq!(read("/etc/sudoers.d/anna.dpkg-old", rule).accounts.len(), 0);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(A|B|User_Alias|=|,| |:|#|%|a|\\\\\n|\n|ALL){0,60}") {
            read("/etc/sudoers", text.as_bytes());
        }
    }
}

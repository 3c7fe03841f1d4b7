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
/// Aliases within each other.
const DEPTH: usize = 64;
/// Members of lists that are looked at in one file; those of an alias count each time that it is used.
const MEMBERS: usize = 1_000_000;
/// Bytes that the rows of one file's rules may take, aliases expanded: each name has its rule.
const EXPANDED_BYTES: usize = 64 << 20;
/// About what a row takes besides its name and its rule.
const ROW_BYTES: usize = 256;

/// Reads sudoers.
#[derive(Debug)]
pub struct Sudoers;

impl Extractor for Sudoers {
    fn name(&self) -> &'static str {
        "sudoers"
    }

    fn version(&self) -> u32 {
        4
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
        // Inside a statement that is too long.
        let mut is_left_out = false;
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
                    let is_long = line.cut || statement.len() + text.len() > crate::lines::MAX_LINE;
                    if is_long && !is_left_out {
                        file.gaps.push(out, GapKind::Limit, format!("line {number}: too long"));
                    }
                    if is_long || is_left_out {
                        is_left_out = goes_on && !line.cut;
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
                    // Half a rule may allow what the whole one forbids.
                    statement.clear();
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

/// What the rules of one file may still come to.
struct Room {
    members: usize,
    bytes: usize,
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
        let mut room = Room { members: MEMBERS, bytes: EXPANDED_BYTES };
        for (number, users, rule) in std::mem::take(&mut self.rules) {
            let (names, whole) = self.expand(&users, rule.len(), &mut room);
            if !whole {
                self.gaps.push(out, GapKind::Limit, format!("line {number}: more names than are told"));
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

    /// The names that a list stands for, aliases of this file expanded, for a rule of so many bytes. Says whether all of
    /// them had room.
    fn expand(&self, users: &[String], rule: usize, room: &mut Room) -> (Vec<String>, bool) {
        let mut names = Vec::new();
        // The aliases that are open, each with what is left of its members; the first is the list itself.
        let mut open = vec![("", users.iter())];
        while let Some((_, members)) = open.last_mut() {
            let Some(member) = members.next() else {
                open.pop();
                continue;
            };
            let Some(left) = room.members.checked_sub(1) else { return (names, false) };
            room.members = left;
            match self.aliases.get_key_value(member) {
                // One that contains itself stands for nothing more.
                Some((alias, _)) if open.iter().any(|(within, _)| within == alias) => {}
                Some(_) if open.len() > DEPTH => return (names, false),
                Some((alias, members)) => open.push((alias, members.iter())),
                None => {
                    let left = room.bytes.checked_sub(ROW_BYTES + member.len() + rule);
                    let Some(left) = left else { return (names, false) };
                    room.bytes = left;
                    names.push(member.clone());
                }
            }
        }
        (names, true)
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
    use crate::view::{FileView, MemoryView, ViewError};
    use coldread_model::{ByteRange, Findings};
    use proptest::prelude::*;

    fn read(path: &str, text: &[u8]) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.to_vec());
        Sudoers.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
        found
    }

    /// A file of which the source can read no more than this.
    struct Broken(&'static [u8]);

    impl FileView for Broken {
        fn len(&self) -> u64 {
            self.0.len() as u64 + 1000
        }
        fn data_segments(&self) -> &[ByteRange] {
            &[]
        }
        fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, ViewError> {
            let rest = &self.0[(offset as usize).min(self.0.len())..];
            let len = rest.len().min(out.len());
            if len == 0 {
                let range = ByteRange::new(offset, out.len() as u64);
                return Err(ViewError::Io { range, reason: "medium error".to_owned() });
            }
            out[..len].copy_from_slice(&rest[..len]);
            Ok(len)
        }
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
    fn of_a_rule_that_is_not_had_whole_no_part_is_one() {
        let long = "a, ".repeat(20_000);
        let text = format!("anna ALL={long}\\\n{long}\\\nb, \\\neva ALL=ALL\notto ALL=ALL\n");
        let found = read("/etc/sudoers", text.as_bytes());
        assert_eq!(found.accounts.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["otto"]);
        assert_eq!(
            found.gaps.iter().map(|gap| gap.reason.as_str()).collect::<Vec<_>>(),
            ["line 2: too long"]
        );

        let (mut found, mut view) = (Findings::default(), Broken(b"eva ALL=ALL\nanna ALL=ALL, \\\n"));
        Sudoers.extract(&mut Input::new(b"/etc/sudoers", "p1", &mut view), &Context::default(), &mut found);
        assert_eq!(found.accounts.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["eva"]);
        assert_eq!((found.gaps.len(), found.gaps[0].kind), (1, GapKind::Io));
    }

    #[test]
    fn what_sudo_passes_over_is_passed_over() {
        let rule = b"anna ALL=ALL\n";
        assert_eq!(read("/etc/sudoers.d/10-anna", rule).accounts.len(), 1);
        assert_eq!(read("/etc/sudoers.d/anna.dpkg-old", rule).accounts.len(), 0);
    }

    #[test]
    fn aliases_of_aliases_stay_within_bounds() {
        // Each stands for the one before it twice, and the first for nobody.
        let lines: Vec<_> = (1..=50).map(|n| format!("User_Alias A{n} = A{0}, A{0}\n", n - 1)).collect();
        let twice = lines.concat();
        let found = read("/etc/sudoers", format!("User_Alias A0 =\n{twice}A50 ALL=ALL\n").as_bytes());
        assert_eq!((found.accounts.len(), found.gaps.len()), (0, 1));
        // A chain that a stack has no room for.
        let lines: Vec<_> = (1..=40_000).map(|n| format!("User_Alias A{n}=A{}\n", n - 1)).collect();
        let chain = lines.concat();
        let found = read(
            "/etc/sudoers",
            format!("User_Alias A0=anna\n{chain}A40000 ALL=ALL\nA9 ALL=ALL\n").as_bytes(),
        );
        assert_eq!(found.accounts.len(), 1);
        assert_eq!((found.gaps.len(), found.gaps[0].kind), (1, GapKind::Limit));
        // Many rules for many.
        let names: Vec<String> = (0..5000).map(|n| format!("u{n}")).collect();
        let rules = "A h=c\n".repeat(50_000);
        let found = read("/etc/sudoers", format!("User_Alias A={}\n{rules}", names.join(",")).as_bytes());
        assert!((200_000..300_000).contains(&found.accounts.len()));
        assert_eq!(found.gaps[0].kind, GapKind::Limit);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(A|B|User_Alias|=|,| |:|#|%|a|\\\\\n|\n|ALL){0,60}") {
            read("/etc/sudoers", text.as_bytes());
        }
    }
}

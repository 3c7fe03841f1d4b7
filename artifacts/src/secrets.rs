//! Secrets in command lines and options: what well-known forms mark as one is not told.
//!
//! The commands of logs are never kept. Those that are themselves a right or a setting (rules of sudoers, forced
//! commands, the programs of services) are kept with `…` in place of: values of names that end in `password`, `token`
//! and the like (`--token x`, `API_TOKEN=x`, `?token=x`), the password in a URL, what follows `Bearer` and `Basic`,
//! passwords of mysql's, curl's and sshpass' short options, and tokens that services mark by how they begin.
//!
//! Sources: GitHub Docs, "About authentication to GitHub" (token formats); RFC 7519, section 3.1 (JSON Web Tokens);
//! RFC 3986, section 3.2.1 (user information); RFC 6750, section 2.1; mysql(1), curl(1), sshpass(1).

use std::{borrow::Cow, ops::Range};

/// What stands in place of a secret.
const HIDDEN: &str = "…";
/// Names end so whose values are secret.
const NAMES: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "access-key",
    "secret_key",
    "secret-key",
    "private_key",
    "credentials",
];
/// How tokens begin. The last is a JSON Web Token: base64 of `{"`.
const TOKENS: [&str; 14] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "sk_live_",
    "rk_live_",
    "dckr_pat_",
    "hvs.",
    "eyJ",
];
/// Characters of a token beside how it begins, at least.
const TOKEN_CHARACTERS: usize = 16;

/// The text without the secrets that well-known forms mark.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    let hidden = spans(text);
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for span in hidden {
        out.push_str(&text[from..span.start]);
        out.push_str(HIDDEN);
        from = span.end;
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// What the next word is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Anything,
    /// A secret as a whole.
    Secret,
    /// A user's name, and after a colon the password.
    UserAndPassword,
}

/// Where secrets are, in order, none within another.
fn spans(text: &str) -> Vec<Range<usize>> {
    let (mut hidden, mut next, mut program) = (Vec::new(), Next::Anything, "");
    let mut done = 0;
    for (start, word) in words(text) {
        // A value in quotes may have been several words.
        if start < done {
            continue;
        }
        let expected = std::mem::replace(&mut next, Next::Anything);
        if expected != Next::Anything && !word.starts_with('-') {
            let value = value(text, start);
            done = value.end;
            let colon = text[value.clone()].find(':').map(|colon| value.start + colon + 1);
            hidden.extend(match expected {
                Next::UserAndPassword => colon.map(|from| from..value.end),
                _ => Some(value),
            });
            continue;
        }
        let bare = word.trim_matches(['"', '\'', '\\', ',', ';', '(', ')']);
        let name = bare.rsplit('/').next().unwrap_or(bare);
        if ["mysql", "mariadb", "sshpass", "curl", "wget"].iter().any(|one| name.starts_with(one)) {
            program = name;
        }
        match short_option(program, bare) {
            Some((0, how)) => next = how,
            Some((skip, _)) => {
                let at = start + word.find(bare).unwrap_or(0);
                hidden.push(at + skip..at + bare.len());
                continue;
            }
            None => {}
        }
        if bare.starts_with('-') && !bare.contains('=') && is_secret(bare)
            || matches!(bare.to_ascii_lowercase().as_str(), "bearer" | "basic")
        {
            next = Next::Secret;
        }
        if word.ends_with([',', ';', '|', '&']) {
            program = "";
        }
        let found = within(text, start, word);
        done = found.iter().map(|span| span.end).max().unwrap_or(done);
        hidden.extend(found);
    }
    hidden.retain(|span| !span.is_empty());
    hidden
}

/// A short option for passwords: how much of the word is the option (0: the secret is the next word).
fn short_option(program: &str, word: &str) -> Option<(usize, Next)> {
    let is = |name: &str| program.starts_with(name);
    match word {
        "-p" if is("sshpass") => Some((0, Next::Secret)),
        "-u" | "--user" | "--proxy-user" if is("curl") => Some((0, Next::UserAndPassword)),
        _ if word.starts_with("-p") && word.len() > 2 && (is("mysql") || is("mariadb") || is("sshpass")) => {
            Some((2, Next::Secret))
        }
        _ => None,
    }
}

/// Secrets that stand in one word, with its own marks.
fn within(text: &str, start: usize, word: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut dots = None;
    let mut push = |span: Range<usize>| {
        // In order of their starts, none within another: it can only touch those beside it.
        let at = found.partition_point(|other| other.start < span.start);
        let is_free = |other: &Range<usize>| span.start >= other.end || span.end <= other.start;
        if found[at..].first().is_none_or(is_free) && found[..at].last().is_none_or(is_free) {
            found.insert(at, span);
        }
    };
    let mut until = 0;
    for (equals, _) in word.match_indices('=') {
        // Within a value there is none.
        if start + equals + 1 < until {
            continue;
        }
        let name = word[..equals].rsplit(|char: char| !is_of_name(char)).next().unwrap_or_default();
        if is_secret(name) {
            let span = value(text, start + equals + 1);
            until = span.end;
            push(span);
        }
    }
    for (scheme, _) in word.match_indices("://") {
        let rest = &word[scheme + 3..];
        let host = rest.split('/').next().unwrap_or(rest);
        if let Some((user, _)) = host.rsplit_once('@')
            && let Some(colon) = user.find(':')
        {
            let at = start + scheme + 3;
            push(at + colon + 1..at + user.len());
        }
    }
    for begin in TOKENS {
        // Where the characters of a token go on to, once that is known: others that begin in them end there too.
        let mut known = 0;
        for (at, _) in word.match_indices(begin) {
            let from = at + begin.len();
            if word[..at].ends_with(|char: char| char.is_ascii_alphanumeric()) {
                continue;
            }
            if from > known {
                let body = &word[from..];
                known = from + body.find(|char: char| !is_of_name(char)).unwrap_or(body.len());
            }
            // A JSON Web Token has three parts.
            let is_whole = begin != "eyJ" || dots_between(&mut dots, word, from, known) == 2;
            if is_whole && known - from >= TOKEN_CHARACTERS {
                push(start + at..start + known);
            }
        }
    }
    found
}

/// How many dots are in a part of a word, of which they are counted once.
fn dots_between(dots: &mut Option<Vec<usize>>, word: &str, from: usize, until: usize) -> usize {
    let dots = dots.get_or_insert_with(|| word.match_indices('.').map(|(at, _)| at).collect());
    dots.partition_point(|at| *at < until) - dots.partition_point(|at| *at < from)
}

fn is_of_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')
}

/// Whether a name's value is a secret.
fn is_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_lowercase();
    name == "pass"
        || name.ends_with("_pass")
        || name.ends_with("-pass")
        || NAMES.iter().any(|end| name.ends_with(end))
}

/// The value that begins at `at`: within its quotes, or up to what ends a word, a list or a query.
fn value(text: &str, at: usize) -> Range<usize> {
    let rest = &text[at..];
    for quote in ["\\\"", "\"", "'"] {
        if let Some(inner) = rest.strip_prefix(quote) {
            let from = at + quote.len();
            return from..inner.find(quote).map_or(text.len(), |end| from + end);
        }
    }
    let ends = |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '\\' | ',' | ';' | '&');
    at..rest.find(ends).map_or(text.len(), |end| at + end)
}

/// The words of a text, each with where it begins.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    text.split(char::is_whitespace).filter_map(move |word| {
        let start = from;
        // White space may take more than one byte: the next word begins after the character that ended this one.
        let end = start + word.len();
        from = end + text[end..].chars().next().map_or(0, char::len_utf8);
        (!word.is_empty()).then_some((start, word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_well_known_forms_mark_is_hidden() {
        for (text, told) in [
            ("/usr/bin/deploy --token s3cr3t --all", "/usr/bin/deploy --token … --all"),
            ("deploy --db-password=s3cr3t -v", "deploy --db-password=… -v"),
            ("deploy --db-password='s3 cr3t' -v", "deploy --db-password='…' -v"),
            ("command=\"API_TOKEN=s3cr3t run\"", "command=\"API_TOKEN=… run\""),
            ("command=\"run --secret \\\"s3 cr3t\\\" x\"", "command=\"run --secret \\\"…\\\" x\""),
            ("(root) /bin/mysql -u x -ps3cr3t, /bin/ls", "(root) /bin/mysql -u x -p…, /bin/ls"),
            ("sshpass -p s3cr3t ssh a", "sshpass -p … ssh a"),
            ("curl -u anna:s3cr3t https://h/?token=s3cr3t&a=b", "curl -u anna:… https://h/?token=…&a=b"),
            ("git clone https://anna:s3cr3t@h/x@y", "git clone https://anna:…@h/x@y"),
            ("curl -H 'Authorization: Bearer s3cr3t'", "curl -H 'Authorization: Bearer …'"),
            ("run ghp_s3cr3ts3cr3ts3cr3ts3cr3t, b", "run …, b"),
            ("run eyJhbGciOiJIUzI1NiJ9.e30.s3cr3t_s3cr3t", "run …"),
            ("ä\u{2003}--pass s3cr3t\u{2003}ö", "ä\u{2003}--pass …\u{2003}ö"),
            ("PGPASSWORD=s3cr3t psql", "PGPASSWORD=… psql"),
        ] {
            assert_eq!(masked(text), told);
        }
    }

    #[test]
    fn what_is_no_secret_is_told() {
        for text in [
            "ALL=(ALL) NOPASSWD: ALL",
            "ALL=(ALL:ALL) PASSWD: /usr/bin/passwd anna, !/usr/bin/passwd root",
            "env_reset, passwd_tries=3, passprompt=\"name: \", badpass_message=no",
            "command=\"/usr/bin/rrsync -ro /srv\",from=\"10.0.0.0/8\"",
            "mysqldump -u backup --all-databases",
            "/bin/mysql, /bin/cp -pR a b",
            "https://h:8080/x@y",
            "--token --all",
            "bypass=1 tokens=2 eyJ ghp_short",
            "",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn long_texts_are_looked_at_once() {
        // Each mark with all that follows it would be a million times a million characters.
        for (part, told) in [
            ("eyJ", None),
            ("_eyJ", None),
            ("-ghp_", Some("-…")),
            ("pass=", Some("pass=…")),
            ("pass=x;", Some("pass=…;")),
            ("x://a:b@c/", Some("x://a:…@c/")),
        ] {
            let text = part.repeat(1 << 20);
            let hidden = masked(&text);
            match told {
                Some(start) => assert!(hidden.starts_with(start), "{part}"),
                None => assert_eq!(hidden.len(), text.len(), "{part}"),
            }
        }
        assert_eq!(masked("pass=pass=\"s3cr3t\""), "pass=…\"…\"");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(--token|password=|\"|\\\\\"|'|://|@|:|,| |\u{2003}|é|mysql|-p|eyJ|ghp_|a{20}|\\.){0,30}") {
            let _ = masked(&text);
        }

        #[test]
        fn a_secret_that_is_marked_is_never_told(before in "[a-z =\"',]{0,20}", after in "( [a-z\"'=]{0,10}){0,3}") {
            let told = masked(&format!("{before} --password s3cr3t{after}")).into_owned();
            // Unless quotes that nobody closed make it a part of another value, which is hidden too.
            prop_assert!(!told.contains("s3cr3t"), "{told}");
        }
    }
}

//! /etc/os-release.
//!
//! Source: os-release(5), "Description": shell-like assignments; values may be in double or single quotes,
//! a backslash escapes `$`, quotes, backslash and backtick; lines that start with `#` are comments.

use coldread_model::SystemIdentity;

/// Bytes of an os-release that are read; real ones have a few hundred.
pub(super) const LIMIT: usize = 64 << 10;

/// Fills in what an os-release says; what it does not say stays as it was. A line that is no assignment is
/// passed over, as the specification asks. Says whether there was any assignment at all.
pub fn read(text: &[u8], system: &mut SystemIdentity) -> bool {
    let text = String::from_utf8_lossy(&text[..text.len().min(LIMIT)]);
    let mut any = false;
    for (name, value) in assignments(&text) {
        any = true;
        let Some(value) = value else { continue };
        match name {
            "ID" => system.id = Some(value),
            "ID_LIKE" => system.id_like = value.split_whitespace().map(str::to_owned).collect(),
            "VERSION_ID" => system.version_id = Some(value),
            "VERSION_CODENAME" => system.codename = Some(value),
            "PRETTY_NAME" => system.pretty_name = Some(value),
            "VARIANT_ID" => system.edition = Some(value),
            // An image's version goes before that of the packages that it was built of.
            "IMAGE_VERSION" => system.build = Some(value),
            "BUILD_ID" => drop(system.build.get_or_insert(value)),
            _ => {}
        }
    }
    any
}

/// The names that a text assigns to, each with what it assigns, if that is well written and not empty.
pub(super) fn assignments(text: &str) -> impl Iterator<Item = (&str, Option<String>)> {
    let lines = text.lines().filter_map(|line| line.trim().split_once('='));
    lines
        .filter(|(name, _)| is_name(name))
        .map(|(name, value)| (name, unquote(value).filter(|value| !value.is_empty())))
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A value as the shell would assign it; `None` where a quote is not closed.
fn unquote(value: &str) -> Option<String> {
    let mut plain = String::with_capacity(value.len());
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (None, '"' | '\'') => quote = Some(char),
            (Some(open), close) if open == close => quote = None,
            (None, '\\') => plain.push(chars.next()?),
            (Some('"'), '\\') => {
                let next = chars.next()?;
                if !matches!(next, '$' | '"' | '\\' | '`') {
                    plain.push('\\');
                }
                plain.push(next);
            }
            (None, ' ' | '\t') => break,
            (_, char) => plain.push(char),
        }
    }
    quote.is_none().then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> SystemIdentity {
        let mut system = SystemIdentity::default();
        read(text.as_bytes(), &mut system);
        system
    }

    #[test]
    fn debian_and_amazon() {
        let system = parsed(
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n# a comment\nVERSION_ID=\"12\"\n\
             VERSION_CODENAME=bookworm\nID=debian\nHOME_URL=\"https://www.debian.org/\"\n",
        );
        assert_eq!(system.id.as_deref(), Some("debian"));
        assert_eq!(system.version_id.as_deref(), Some("12"));
        assert_eq!(system.codename.as_deref(), Some("bookworm"));
        assert_eq!(system.pretty_name.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        let system = parsed("ID='amzn'\r\nID_LIKE=\"centos rhel  fedora\"\r\nVERSION_ID=2\r\n");
        assert_eq!(system.id.as_deref(), Some("amzn"));
        assert_eq!(system.id_like, ["centos", "rhel", "fedora"]);
        assert_eq!(system.version_id.as_deref(), Some("2"));
    }

    #[test]
    fn quotes_as_the_shell_has_them() {
        for (written, meant) in [
            (r#""a \"b\" \$c \n""#, Some(r#"a "b" $c \n"#)),
            (r"'a \b'", Some(r"a \b")),
            (r"a\ b", Some("a b")),
            ("one two", Some("one")),
            ("\"open", None),
            ("\\", None),
        ] {
            assert_eq!(unquote(written).as_deref(), meant, "{written}");
        }
    }

    #[test]
    fn what_is_no_assignment_is_passed_over() {
        assert!(!read(b"hello\n1ID=x\n=y\n#ID=z\n", &mut SystemIdentity::default()));
        assert_eq!(parsed("ID=\nID=\"\"\n").id, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes, &mut SystemIdentity::default());
        }
    }
}

//! What a gemspec says without being run: it is a program of Ruby, but RubyGems writes all of them alike.

/// A gem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) platform: Option<String>,
    pub(super) author: Option<String>,
    /// Whether `gem install` wrote it.
    pub(super) is_by_gem: bool,
}

/// Lines at the start among which the stub is.
const STUB_LINES: usize = 8;

impl Spec {
    /// Reads one by its text and, for what that leaves open, its file's name.
    pub(super) fn read(bytes: &[u8], file: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut found = Self::default();
        let (mut name, mut version) = (None, None);
        for line in text.lines().take(STUB_LINES) {
            // Of two such lines the second names extensions.
            let Some(stub) = line.strip_prefix("# stub: ").filter(|_| name.is_none()) else { continue };
            let mut words =
                stub.split(' ').map(|word| word.split('\0').next().unwrap_or_default().to_owned());
            (name, version, found.platform) = (words.next(), words.next(), words.next());
        }
        for line in text.lines() {
            let Some((field, value)) = assignment(line) else { continue };
            match field {
                "name" => name = name.or_else(|| string(value)),
                "version" => version = version.or_else(|| string(value)),
                "platform" => found.platform = found.platform.take().or_else(|| string(value)),
                "author" | "authors" => found.author = found.author.take().or_else(|| string(value)),
                "installed_by_version" => found.is_by_gem = true,
                _ => {}
            }
        }
        let file = String::from_utf8_lossy(file);
        let by_file = split(file.strip_suffix(".gemspec").unwrap_or(&file));
        let known = |text: &String| !text.is_empty();
        found.name = name.filter(known).or_else(|| Some(by_file?.0.to_owned()))?;
        found.version = version.filter(|text| is_version(text)).or_else(|| Some(by_file?.1.to_owned()))?;
        let platform = by_file.and_then(|(_, _, platform)| platform).map(str::to_owned);
        found.platform = found.platform.filter(known).or(platform);
        Some(found)
    }
}

fn is_version(text: &str) -> bool {
    text.starts_with(|one: char| one.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

/// `  s.FIELD = VALUE`.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (object, rest) = line.trim_start().split_once('.')?;
    let is_object =
        !object.is_empty() && object.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let (field, value) = rest.split_once('=')?;
    is_object.then(|| (field.trim(), value.trim()))
}

/// The first string of an expression that is a string, a list of them, or a version of one.
fn string(value: &str) -> Option<String> {
    let value = value.trim_start_matches(['[', ' ', '(']);
    let value =
        value.strip_prefix("Gem::Version.new").map_or(value, |rest| rest.trim_start_matches(['(', ' ']));
    let quote = value.chars().next().filter(|one| matches!(one, '"' | '\''))?;
    let (mut text, mut is_escaped) = (String::new(), false);
    for one in value.chars().skip(1) {
        match one {
            _ if is_escaped => {
                text.push(one);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            // What is put in only when it runs.
            '#' if quote == '"' && text.is_empty() => return None,
            _ if one == quote => return Some(text).filter(|text| !text.is_empty()),
            _ => text.push(one),
        }
    }
    None
}

/// `NAME-VERSION` or `NAME-VERSION-PLATFORM`: a version begins with a digit, and a platform does not.
fn split(stem: &str) -> Option<(&str, &str, Option<&str>)> {
    let is_digit = |at: usize| stem[at + 1..].starts_with(|one: char| one.is_ascii_digit());
    // Names may have such words too, so of several the last counts that is a version of more than one number.
    let hyphens = || stem.match_indices('-').map(|(at, _)| at).filter(|at| is_digit(*at));
    let word = |at: usize| stem[at + 1..].split('-').next().unwrap_or_default();
    let hyphen = hyphens().rfind(|at| word(*at).contains('.')).or_else(|| hyphens().next_back())?;
    let version = word(hyphen);
    let platform = stem[hyphen + 1 + version.len()..].strip_prefix('-');
    (hyphen > 0).then_some((&stem[..hyphen], version, platform))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        for (stem, expected) in [
            ("a-1.0", Some(("a", "1.0", None))),
            ("net-http2-0.18.5", Some(("net-http2", "0.18.5", None))),
            ("x-1-2.0.0", Some(("x-1", "2.0.0", None))),
            ("a-1.0-x86_64-linux-gnu", Some(("a", "1.0", Some("x86_64-linux-gnu")))),
            ("a-7", Some(("a", "7", None))),
            ("-1.0", None),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(split(stem), expected, "{stem}");
        }
    }

    #[test]
    fn strings_of_expressions() {
        for (value, expected) in [
            ("\"a\".freeze", Some("a")),
            ("['a', 'b']", Some("a")),
            ("Gem::Version.new(\"1.0\")", Some("1.0")),
            (r#""a \"b\"""#, Some("a \"b\"")),
            ("\"#{x}\"", None),
            ("X::VERSION", None),
            ("\"\"", None),
            ("\"a", None),
        ] {
            assert_eq!(string(value).as_deref(), expected, "{value}");
        }
    }
}

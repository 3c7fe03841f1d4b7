//! authorized_keys: what opens an account from outside; and the public halves of the machine's own keys.
//!
//! Source: sshd(8), "AUTHORIZED_KEYS FILE FORMAT".

use super::{owner_of, public};
use crate::{
    Context, Extractor, Input, Output,
    lines::{Lines, ViewReader},
    secrets::masked,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Key, KeyKind, Part, Parts};

const LIMIT: u64 = 16 << 20;
const STRUCTURE: &str = "authorized keys";
/// Keys of one file: a bound for hostile ones.
const KEYS: u64 = 200_000;

/// Reads files of public keys.
#[derive(Debug)]
pub struct AuthorizedKeys;

impl Extractor for AuthorizedKeys {
    fn name(&self) -> &'static str {
        "authorized-keys"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Keys)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/root/.ssh/authorized_keys", Reading::Whole { limit: LIMIT }),
            Want::new("/root/.ssh/authorized_keys2", Reading::Whole { limit: LIMIT }),
            Want::new("/home/*/.ssh/authorized_keys", Reading::Whole { limit: LIMIT }),
            Want::new("/home/*/.ssh/authorized_keys2", Reading::Whole { limit: LIMIT }),
            Want::new("/**/.ssh/authorized_keys", Reading::Whole { limit: LIMIT }),
            Want::new("/etc/ssh/authorized_keys", Reading::Whole { limit: LIMIT }),
            Want::new("/etc/ssh/authorized_keys/*", Reading::Whole { limit: LIMIT }),
            Want::new("/etc/ssh/authorized_keys.d/*", Reading::Whole { limit: LIMIT }),
            Want::new("/etc/ssh/ssh_host_*_key.pub", Reading::Whole { limit: LIMIT }),
            Want::windows("/ProgramData/ssh/administrators_authorized_keys", Reading::Whole { limit: LIMIT }),
            Want::windows("/ProgramData/ssh/ssh_host_*_key.pub", Reading::Whole { limit: LIMIT }),
            Want::windows("/Users/*/.ssh/authorized_keys", Reading::Whole { limit: LIMIT }),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let place = input.place();
        let (root, path) = (input.root, input.path);
        let kind = if path.ends_with(b".pub") { KeyKind::Host } else { KeyKind::Authorized };
        let by_name = [&b"/etc/ssh/authorized_keys.d/"[..], b"/etc/ssh/authorized_keys/"];
        let user = match by_name.iter().find_map(|folder| path.strip_prefix(*folder)) {
            Some(user) => Some(String::from_utf8_lossy(user).into_owned()),
            None => owner_of(path, context),
        };
        let mut gaps = place.gaps(STRUCTURE);
        let mut lines = Lines::new(ViewReader::whole(&mut *input.view), 0);
        let (mut number, mut keys) = (0, 0);
        while let Some(line) = lines.next_or_gap(&place, STRUCTURE, out) {
            number += 1;
            if line.cut {
                gaps.push(out, GapKind::Limit, format!("line {number}: too long"));
                continue;
            }
            let text = String::from_utf8_lossy(line.bytes);
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if keys >= KEYS {
                gaps.push(out, GapKind::Limit, format!("more than {KEYS} keys"));
                break;
            }
            match Entry::parse(text) {
                Some(entry) => {
                    keys += 1;
                    out.key(Key {
                        root: root.to_owned(),
                        kind,
                        user: user.clone(),
                        algorithm: entry.key.algorithm,
                        bits: entry.key.bits,
                        fingerprint: Some(entry.key.fingerprint),
                        comment: entry.comment,
                        options: entry.options,
                        encrypted: None,
                        origin: path.to_vec(),
                        line: number,
                    });
                }
                None => gaps.push(out, GapKind::Corrupt, format!("line {number}: no key that can be read")),
            }
        }
        gaps.finish(out);
    }
}

struct Entry {
    options: Vec<String>,
    key: public::PublicKey,
    comment: Option<String>,
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let first = text.split_whitespace().next()?;
        let (options, rest) = if public::is_type(first) { (Vec::new(), text) } else { options(text)? };
        let (algorithm, rest) = rest.split_once(char::is_whitespace)?;
        let rest = rest.trim_start();
        let (blob, comment) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let key = public::of_blob(&public::blob_of(blob)?)?;
        if key.algorithm != algorithm {
            return None;
        }
        let comment = comment.trim();
        Some(Self { options, key, comment: (!comment.is_empty()).then(|| comment.to_owned()) })
    }
}

/// An option as it is told: of a variable for the environment the name alone, as its value may be a secret; of a
/// command all but the secrets that it marks.
fn told(option: &str) -> String {
    let (name, value) = option.split_at_checked("environment=".len()).unwrap_or((option, ""));
    match value.split_once('=') {
        Some((variable, _)) if name.eq_ignore_ascii_case("environment=") => format!("{name}{variable}=…\""),
        _ => masked(option).into_owned(),
    }
}

/// Options up to the first white space outside quotes, and what follows. A quote within quotes has a backslash.
fn options(text: &str) -> Option<(Vec<String>, &str)> {
    let (mut options, mut quoted, mut escaped, mut start) = (Vec::new(), false, false, 0);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                options.push(told(&text[start..at]));
                start = at + 1;
            }
            char if char.is_whitespace() && !quoted => {
                options.push(told(&text[start..at]));
                return Some((options, text[at..].trim_start()));
            }
            _ => {}
        }
    }
    None
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
        let mut input = Input::new(path.as_bytes(), "p1", &mut view);
        AuthorizedKeys.extract(&mut input, &Context::default(), &mut found);
        found
    }

    /// A key of OpenSSH's form that nobody has the other half of.
    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

    #[test]
    fn keys_with_and_without_options() {
        let text = format!(
            "# none\n{ED25519} anna@laptop\nfrom=\"10.0.0.0/8,!10.1.1.1\",command=\"echo \\\"a, b\\\"\",no-pty {ED25519}\n\
             ssh-ed25519 AAAA\nssh-rsa {}\nenvironment=\"TOKEN=geheim\",NO-PTY {}  c  d\n",
            ED25519.split(' ').nth(1).unwrap(),
            ED25519.replace(' ', "\t ")
        );
        let found = read("/home/anna/.ssh/authorized_keys", text.as_bytes());
        let [plain, limited, spaced] = found.keys.as_slice() else { panic!("{found:#?}") };
        assert_eq!(
            (plain.user.as_deref(), plain.comment.as_deref(), plain.line),
            (Some("anna"), Some("anna@laptop"), 2)
        );
        assert_eq!(
            (plain.algorithm.as_str(), plain.bits, plain.kind),
            ("ssh-ed25519", Some(256), KeyKind::Authorized)
        );
        assert_eq!(plain.fingerprint.as_ref().map(String::len), Some(50));
        assert_eq!(limited.fingerprint, plain.fingerprint);
        assert_eq!(
            limited.options,
            ["from=\"10.0.0.0/8,!10.1.1.1\"", "command=\"echo \\\"a, b\\\"\"", "no-pty"]
        );
        assert_eq!(spaced.options, ["environment=\"TOKEN=…\"", "NO-PTY"]);
        assert_eq!((spaced.comment.as_deref(), &spaced.fingerprint), (Some("c  d"), &plain.fingerprint));
        assert!(!format!("{found:?}").contains("geheim"));
        let reasons: Vec<_> = found.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        assert_eq!(reasons, ["line 4: no key that can be read", "line 5: no key that can be read"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(ssh-rsa|ssh-ed25519|AAAAC3NzaC1lZDI1NTE5| |,|\"|\\\\|from=|\n|é){0,40}") {
            read("/root/.ssh/authorized_keys", text.as_bytes());
        }

        #[test]
        fn any_blob_is_read(blob in prop::collection::vec(any::<u8>(), 0..80)) {
            public::of_blob(&blob);
        }
    }
}

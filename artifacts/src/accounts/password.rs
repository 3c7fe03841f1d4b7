//! What a password field says, without the hash in it.
//!
//! Sources: crypt(5), "Available hashing methods"; shadow(5), "encrypted password"; passwd(1), option `-l`.

use coldread_model::PasswordState;

/// The state that a field of passwd, shadow or group stands for, and how the password is hashed.
pub(super) fn state(field: &str) -> (PasswordState, Option<&'static str>) {
    if field.is_empty() {
        return (PasswordState::Empty, None);
    }
    let hash = field.trim_start_matches('!');
    let locked = hash.len() < field.len();
    match scheme(hash) {
        Some(scheme) if locked => (PasswordState::Locked, Some(scheme)),
        Some(scheme) => (PasswordState::Set, Some(scheme)),
        // `*`, `!!`, `*LK*`, `x` and the like: nothing that crypt makes is equal to it.
        None => (PasswordState::Disabled, None),
    }
}

/// Prefixes of hashes and the methods that they stand for.
const PREFIXES: [(&str, &str); 14] = [
    ("$y$", "yescrypt"),
    ("$gy$", "gost-yescrypt"),
    ("$7$", "scrypt"),
    ("$6$", "sha512crypt"),
    ("$5$", "sha256crypt"),
    ("$2a$", "bcrypt"),
    ("$2b$", "bcrypt"),
    ("$2x$", "bcrypt"),
    ("$2y$", "bcrypt"),
    ("$sha1$", "sha1crypt"),
    ("$md5", "sunmd5"),
    ("$1$", "md5crypt"),
    ("$3$", "nt"),
    ("$argon2", "argon2"),
];

/// The method of a hash, if it is one.
fn scheme(hash: &str) -> Option<&'static str> {
    if let Some((_, name)) = PREFIXES.iter().find(|(prefix, _)| hash.starts_with(prefix)) {
        return Some(name);
    }
    let of_crypt =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'));
    match hash.strip_prefix('_') {
        Some(rest) if rest.len() == 19 && of_crypt(rest) => Some("bsdicrypt"),
        None if hash.len() == 13 && of_crypt(hash) => Some("descrypt"),
        None if hash.len() > 13 && hash.len() % 11 == 2 && of_crypt(hash) => Some("bigcrypt"),
        None if hash.starts_with('$') => Some("unknown"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_schemes() {
        for (field, state_, scheme) in [
            ("", PasswordState::Empty, None),
            ("*", PasswordState::Disabled, None),
            ("!", PasswordState::Disabled, None),
            ("!!", PasswordState::Disabled, None),
            ("!*", PasswordState::Disabled, None),
            ("*LK*", PasswordState::Disabled, None),
            ("$y$j9T$abc$def", PasswordState::Set, Some("yescrypt")),
            ("!$6$salt$hash", PasswordState::Locked, Some("sha512crypt")),
            ("!!$2b$10$x", PasswordState::Locked, Some("bcrypt")),
            ("$1$a$b", PasswordState::Set, Some("md5crypt")),
            ("$novel$x", PasswordState::Set, Some("unknown")),
            ("ab01FAX.bQRSU", PasswordState::Set, Some("descrypt")),
            ("_J9..CCCCXBrJUJV154M", PasswordState::Set, Some("bsdicrypt")),
            ("NP", PasswordState::Disabled, None),
        ] {
            assert_eq!(state(field), (state_, scheme), "{field}");
        }
    }
}

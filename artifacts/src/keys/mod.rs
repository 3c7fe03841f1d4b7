//! SSH keys: who can open an account with which, the machine's own, and private keys that lie about. Of a private
//! key nothing is kept but what its public half tells.

pub mod authorized;
pub mod private;
mod public;
pub mod sshd;

/// The user in whose home a file lies: `/root`, or the component below `/home`.
fn owner_of(path: &[u8], context: &crate::Context) -> Option<String> {
    let mut at = path;
    while let Some(slash) = memchr::memrchr(b'/', at) {
        at = &at[..slash];
        if let Some(user) = context.user_of_home(at) {
            return Some(user.to_owned());
        }
    }
    let mut parts = path.split(|byte| *byte == b'/').skip(1);
    match (parts.next(), parts.next()) {
        (Some(b"home"), Some(user)) => Some(String::from_utf8_lossy(user).into_owned()),
        (Some(b"root"), _) => Some("root".to_owned()),
        _ => None,
    }
}

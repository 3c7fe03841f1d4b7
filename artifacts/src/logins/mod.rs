//! Records of logins.

mod address;
mod by_user;
pub mod databases;
pub mod evtx;
pub mod joiner;
pub mod joining;
pub mod journal;
pub mod lastlog;
pub mod logged;
mod message;
pub mod syslog;
pub mod tallies;
pub mod utmp;
mod window;

use coldread_model::Text;

/// A text, with what is no UTF-8 of it replaced.
fn text_of(bytes: &[u8]) -> Text {
    match std::str::from_utf8(bytes) {
        Ok(text) => Text::new(text),
        Err(_) => String::from_utf8_lossy(bytes).into(),
    }
}

/// A field of fixed length that ends at its first NUL, if it says anything.
fn text_field(field: &[u8]) -> Option<Text> {
    let len = memchr::memchr(0, field).unwrap_or(field.len());
    (len > 0).then(|| text_of(&field[..len]))
}

/// `N` bytes of a record from `at`; zeros where the record is shorter.
fn bytes_at<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    record.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

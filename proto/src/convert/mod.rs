//! Between the model and its messages, one file a subject.

mod accounts;
mod coverage;
mod files;
mod gaps;
mod keys;
mod logins;
mod objects;
mod packages;
mod scans;
mod settings;
mod system;
mod time;
mod windows;

use std::fmt;

/// A message that says what the model does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ConvertError {
    /// The message's field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl ConvertError {
    fn new(field: &'static str, reason: impl fmt::Display) -> Self {
        Self { field, reason: reason.to_string() }
    }
}

/// A word of a closed list, or an error that shows the word.
fn word<T>(
    field: &'static str,
    word: &str,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<T, ConvertError> {
    from_name(word).ok_or_else(|| {
        let shown: String = word.chars().take(40).collect();
        ConvertError::new(field, format!("{shown:?} is not a word of its list"))
    })
}

/// A field that must be there.
fn required<T>(field: &'static str, value: Option<T>) -> Result<T, ConvertError> {
    value.ok_or_else(|| ConvertError::new(field, "missing"))
}

/// 32 bytes.
fn bytes32(field: &'static str, bytes: &[u8]) -> Result<[u8; 32], ConvertError> {
    bytes.try_into().map_err(|_| ConvertError::new(field, format!("{} bytes instead of 32", bytes.len())))
}

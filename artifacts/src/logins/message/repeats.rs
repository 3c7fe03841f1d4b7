//! Messages that stand for several: how often they say it was, and how many of them count.
//!
//! One line of fifty bytes may claim thousands of millions of repetitions, so what a file's lines stand for is bounded
//! by its length: [`AT_ONCE`] events, and one more for each [`BYTES`] before a line. No log of ordinary lines tells of
//! more, as each takes as many bytes.

use super::text::{number, split};

/// Repetitions that count however short the log is.
const AT_ONCE: u64 = 4096;

/// Bytes of a log for which another one counts.
const BYTES: u64 = 64;

/// How many repetitions of one file count.
#[derive(Debug, Default)]
pub(in crate::logins) struct Repeats {
    counted: u64,
    /// Those that do not, and where the first line with such is.
    left_out: u64,
    first: u64,
}

impl Repeats {
    /// How many of `times` equal events count that a message at `offset` stands for: the first does in any case.
    pub(in crate::logins) fn take(&mut self, times: u32, offset: u64) -> u32 {
        let more = u64::from(times.saturating_sub(1));
        let room = (AT_ONCE + offset / BYTES).saturating_sub(self.counted);
        let counted = more.min(room);
        if counted < more {
            if self.left_out == 0 {
                self.first = offset;
            }
            self.left_out = self.left_out.saturating_add(more - counted);
        }
        self.counted += counted;
        // No more than `times`.
        u32::try_from(counted).unwrap_or(u32::MAX).saturating_add(1).min(times.max(1))
    }

    /// What is told of those that do not count.
    pub(in crate::logins) fn left_out(&self) -> Option<String> {
        (self.left_out > 0).then(|| {
            format!(
                "byte {}: {} repetitions are not counted, a log of this length may tell of {AT_ONCE} and one for each \
                 {BYTES} bytes",
                self.first, self.left_out
            )
        })
    }
}

/// The count and the message of `message repeated N times: [ … ]` (rsyslog).
pub(in crate::logins) fn repeated(message: &[u8]) -> Option<(u32, &[u8])> {
    let (count, rest) = split(message.strip_prefix(b"message repeated ")?, b" times: [")?;
    Some((number(count)?, rest.strip_suffix(b"]").unwrap_or(rest).trim_ascii()))
}

/// The count of `last message repeated N times` (sysklogd).
pub(in crate::logins) fn last_repeated(message: &[u8]) -> Option<u32> {
    number(message.strip_prefix(b"last message repeated ")?.strip_suffix(b" times")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_bounded_by_what_was_written() {
        let mut repeats = Repeats::default();
        assert_eq!((repeats.take(0, 0), repeats.take(1, 0), repeats.take(3, 0)), (1, 1, 3));
        assert_eq!(repeats.left_out(), None);
        assert_eq!(repeats.take(u32::MAX, 64), 4096 + 1 - 2 + 1);
        assert_eq!((repeats.take(9, 64), repeats.take(9, 64 * 5)), (1, 5));
        let told = repeats.left_out().unwrap();
        let lacking = u64::from(u32::MAX) - 1 - 4095 + 8 + 4;
        assert!(told.starts_with(&format!("byte 64: {lacking} repetitions")), "{told}");
    }
}

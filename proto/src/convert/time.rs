//! Points in time.

use super::ConvertError;
use crate::v1;
use coldread_model::Timestamp;

impl From<Timestamp> for v1::Time {
    fn from(time: Timestamp) -> Self {
        Self { seconds: time.seconds, nanos: time.nanos }
    }
}

impl TryFrom<v1::Time> for Timestamp {
    type Error = ConvertError;

    fn try_from(time: v1::Time) -> Result<Self, ConvertError> {
        if time.nanos >= 1_000_000_000 {
            return Err(ConvertError::new("nanos", format!("{} is a second or more", time.nanos)));
        }
        Ok(Self { seconds: time.seconds, nanos: time.nanos })
    }
}

/// An optional time of a message.
pub(super) fn optional(time: Option<v1::Time>) -> Result<Option<Timestamp>, ConvertError> {
    time.map(Timestamp::try_from).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_a_second_are_refused() {
        let time = Timestamp::new(-5, 999_999_999);
        assert_eq!(Timestamp::try_from(v1::Time::from(time)), Ok(time));
        assert!(Timestamp::try_from(v1::Time { seconds: 0, nanos: 1_000_000_000 }).is_err());
    }
}

//! The ledger's rows.

use super::{ConvertError, word};
use crate::v1;
use coldread_model::{ByteRange, CoverageClass, CoverageRange};

impl v1::CoverageRow {
    /// The message for a range of an asset's source.
    pub fn from_model(asset: &str, range: &CoverageRange) -> Self {
        Self {
            asset: asset.to_owned(),
            volume: range.volume.clone(),
            start: range.range.start,
            length: range.range.len,
            class: range.class.name().to_owned(),
            detail: range.detail.clone(),
        }
    }

    /// The asset's name and the range.
    pub fn into_model(self) -> Result<(String, CoverageRange), ConvertError> {
        if self.start.checked_add(self.length).is_none() {
            return Err(ConvertError::new("length", "the range passes the last byte"));
        }
        let range = CoverageRange {
            volume: self.volume,
            range: ByteRange::new(self.start, self.length),
            class: word("class", &self.class, CoverageClass::from_name)?,
            detail: self.detail,
        };
        Ok((self.asset, range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_comes_back_and_one_past_the_end_of_numbers_is_refused() {
        let range = CoverageRange {
            volume: "p2".to_owned(),
            range: ByteRange::new(4096, 512),
            class: CoverageClass::Encrypted,
            detail: "LUKS2".to_owned(),
        };
        let message = v1::CoverageRow::from_model("web", &range);
        assert_eq!(message.clone().into_model(), Ok(("web".to_owned(), range)));
        assert!(v1::CoverageRow { length: u64::MAX, ..message.clone() }.into_model().is_err());
        assert!(v1::CoverageRow { class: "?".to_owned(), ..message }.into_model().is_err());
    }
}

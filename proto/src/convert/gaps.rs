//! Gaps.

use super::{ConvertError, word};
use crate::v1;
use coldread_model::{Gap, GapKind};

impl v1::Gap {
    /// The message for a gap of an asset.
    pub fn from_model(asset: &str, gap: Gap) -> Self {
        Self {
            asset: asset.to_owned(),
            volume: gap.volume,
            path: gap.path,
            inode: gap.inode,
            at: gap.at,
            kind: gap.kind.name().to_owned(),
            structure: gap.structure,
            reason: gap.reason,
        }
    }

    /// The asset's name and the gap.
    pub fn into_model(self) -> Result<(String, Gap), ConvertError> {
        let gap = Gap {
            volume: self.volume,
            path: self.path,
            inode: self.inode,
            at: self.at,
            kind: word("kind", &self.kind, GapKind::from_name)?,
            structure: self.structure,
            reason: self.reason,
        };
        Ok((self.asset, gap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_of_each_kind_comes_back() {
        for kind in GapKind::ALL {
            let gap =
                Gap::new(*kind, "inode", "why").in_volume("p1").at_inode(3).at_byte(0).at_path(b"/\xff");
            let message = v1::Gap::from_model("web", gap.clone());
            assert_eq!(message.into_model(), Ok(("web".to_owned(), gap)));
        }
        let strange = v1::Gap { kind: "hole".to_owned(), ..v1::Gap::default() };
        assert!(strange.into_model().is_err());
    }
}

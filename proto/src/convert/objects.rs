//! Names and kinds of objects.

use super::{ConvertError, bytes32};
use crate::v1;
use coldread_model::{KeptKey, ObjectId, ObjectKind};

impl v1::Object {
    /// The object's name, unchecked against its bytes.
    pub fn object_id(&self) -> Result<ObjectId, ConvertError> {
        bytes32("id", &self.id).map(ObjectId)
    }

    /// What it holds.
    pub fn object_kind(&self) -> Result<ObjectKind, ConvertError> {
        let kind = u8::try_from(self.kind).ok().and_then(ObjectKind::from_u8);
        kind.ok_or_else(|| ConvertError::new("kind", format!("{} is not a kind of object", self.kind)))
    }
}

impl v1::HaveRequest {
    /// A question about these objects.
    pub fn about(ids: &[ObjectId]) -> Self {
        Self { ids: ids.iter().map(|id| id.0.to_vec()).collect() }
    }

    /// The names asked about.
    pub fn object_ids(&self) -> Result<Vec<ObjectId>, ConvertError> {
        self.ids.iter().map(|id| bytes32("ids", id).map(ObjectId)).collect()
    }
}

impl v1::GetKeptRequest {
    /// The keys asked for.
    pub fn kept_keys(&self) -> Result<Vec<KeptKey>, ConvertError> {
        self.keys.iter().map(|key| bytes32("keys", key).map(KeptKey)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_wrong_length_and_unknown_kinds_are_refused() {
        let id = ObjectId::of(ObjectKind::Gaps, b"");
        assert_eq!(v1::HaveRequest::about(&[id]).object_ids(), Ok(vec![id]));
        assert!(v1::HaveRequest { ids: vec![vec![0; 33]] }.object_ids().is_err());
        let object = v1::Object { id: vec![0; 31], kind: 262, ..Default::default() };
        assert!(object.object_id().is_err() && object.object_kind().is_err());
        assert_eq!(v1::Object { kind: 6, ..Default::default() }.object_kind(), Ok(ObjectKind::Gaps));
    }
}

//! One file's bytes from the services.

use crate::{
    connect::Services,
    failure::{Failure, Result},
};
use coldread_proto::v1::ReadFileRequest;

/// Hands the bytes of the file that `request` names to `each`, in order, and gives their number. Fewer bytes
/// than the file has are an error.
pub async fn read(
    services: &Services,
    request: ReadFileRequest,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let shown = String::from_utf8_lossy(&request.path).into_owned();
    let mut pieces = services.query().read_file(request).await?.into_inner();
    let (mut size, mut got) = (None, 0_u64);
    while let Some(piece) = pieces.message().await? {
        // The first message alone carries the size.
        size.get_or_insert(piece.size);
        got = got.saturating_add(piece.data.len() as u64);
        each(&piece.data)?;
    }
    match size {
        Some(size) if size == got => Ok(got),
        Some(size) => Err(Failure::new(format!("{shown}: {got} of its {size} bytes came"))),
        None => Err(Failure::new(format!("{shown}: the coordinator sent nothing"))),
    }
}

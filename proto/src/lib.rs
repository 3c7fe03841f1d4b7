//! The gRPC contract: generated stubs, conversions between the model and its messages, the one mapping of
//! errors to statuses, and how servers and channels are built.
//!
//! Conversions into the model check everything, for a message may come from anyone: lengths, words of
//! closed lists, ranges of numbers. A message from the model never fails.
#![forbid(unsafe_code)]

mod convert;
mod status;
mod tls;
mod transport;

pub use convert::ConvertError;
pub use prost::Message;
pub use status::ServiceError;
pub use tls::{ClientTls, ServerTls};
pub use transport::{
    MAX_MESSAGE_BYTES, MAX_PIECE_BYTES, endpoint, endpoint_over, in_memory, server, server_over,
};

/// The generated messages, clients and servers of package `coldread.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("coldread.v1");
}

/// The contract's descriptors, imports included, as reflection serves them.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/coldread.bin"));

//! Listings: rows sorted by (parent path, name, stream), cut into chunks of columns.
//!
//! A chunk is up to three objects of the store with the same rows in the same order: the stable columns
//! (name, type, mode, owner, size, mtime, target, attributes), the volatile ones (inode, links, other
//! times, extents' fingerprint) and the digests. Chunks end where the rows' own stable content says so,
//! so equal runs of two disks are equal objects and one new file changes one chunk.

mod chunk;
mod column;
mod cut;
mod digests;
mod row;

pub use chunk::Chunk;
pub use cut::{CutChunk, ListingWriter};
pub use digests::DigestColumn;
pub use row::{Row, StableRow, VolatileRow, Xattrs, encode_xattr, path_of};

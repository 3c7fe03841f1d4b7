//! The nouns of Coldread: ids, byte ranges, times, file records, packages, logins, coverage and gaps.
//!
//! This crate does no I/O and knows no filesystem. What crosses a thread, a process, the wire or the
//! store is encoded here and nowhere else: [`listing`] for file rows, [`codec`] for small records.
#![forbid(unsafe_code)]

pub mod account;
pub mod asked;
pub mod asset;
mod boundary;
pub mod codec;
pub mod coverage;
pub mod crc;
pub mod digest;
pub mod file;
pub mod finding;
pub mod gap;
pub mod id;
pub mod kept;
pub mod listing;
pub mod login;
pub mod manifest;
pub mod package;
pub mod range;
pub mod rows;
pub mod task;
pub mod text;
pub mod time;
pub mod varint;
pub mod version;

pub use account::{Account, AccountKind, Key, KeyKind, PasswordState, Setting};
pub use asked::{Part, Parts};
pub use codec::DecodeError;
pub use coverage::{CoverageClass, CoverageRange, Ledger};
pub use digest::Sha256Digest;
pub use file::{FileKind, FileRecord, RowFlags};
pub use finding::{Findings, Kernel, SystemIdentity};
pub use gap::{Gap, GapKind};
pub use id::{ObjectId, ObjectKind, SnapshotId};
pub use kept::{Kept, KeptKey};
pub use login::{Evidence, LogWindow, LoginEvent, LoginKind, LoginSource, SessionEnd, Zone};
pub use manifest::{SnapshotManifest, SourceIdentity, VolumeManifest, VolumeState};
pub use package::{Package, PackageOrigin, PackageState, PackageType};
pub use range::{ByteRange, RangeSet};
pub use rows::{FoundRefs, LoginsRef, RowsRef};
pub use text::{Origin, Text};
pub use time::Timestamp;

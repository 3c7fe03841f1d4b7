//! From files to packages, logins and system identity.
//!
//! An extractor declares the paths it wants and how it reads them, is handed a [`FileView`](view::FileView)
//! and is pure: it never sees a filesystem. To add one: one file in its folder, and a line in the
//! [registry].
//!
//! The order of work of a caller, for each asset:
//!
//! 1. read [`context::CONTEXT_FILES`] and make a [`Context`] of them;
//! 2. list the directories that [`Wants`] names, and fetch the files it takes, in one batch;
//! 3. run each extractor on each of its files, into any [`Output`];
//! 4. [`finish`](output::finish) what was found: sorted, so that equal disks give equal bytes.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod bolt;
pub mod compressed;
pub mod context;
pub mod evtx;
pub mod executable;
pub mod fstab;
pub mod hive;
pub mod identity;
pub mod input;
pub mod keys;
pub mod layers;
pub mod lines;
pub mod logins;
pub mod output;
pub mod packages;
pub mod probe;
pub mod registry;
pub mod roots;
mod secrets;
pub mod sqlite;
pub mod view;
pub mod wants;
pub mod zip;
pub mod zone;

pub use context::Context;
pub use input::{Companion, Input, Ownership};
pub use output::Output;
pub use registry::{EXTRACTORS, Extractor};
pub use wants::{Reading, Take, Want, Wants};

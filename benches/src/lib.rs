//! What the benches and the harness share: small filesystems, made surveys, fsparse run by itself, readers
//! at work; and the harness that runs Coldread and its peers side by side.

pub mod alone;
pub mod compare;
pub mod far;
pub mod host;
pub mod images;
pub mod logs;
pub mod readers;
pub mod small;
pub mod synthetic;

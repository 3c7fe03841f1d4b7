//! A coordinator and workers over the real services, with tasks over a disk that is not there.

#![allow(clippy::unwrap_used)]

mod disk;
mod findings;
mod hostile;
mod reads;
mod scans;
mod site;

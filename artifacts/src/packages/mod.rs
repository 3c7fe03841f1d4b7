//! Package databases.

pub mod dpkg;
pub mod purl;

//! Package databases.

pub mod apk;
pub mod dpkg;
pub mod purl;
pub mod rpm;
pub mod windows;

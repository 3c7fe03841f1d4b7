//! NTFS.

pub mod lznt1;

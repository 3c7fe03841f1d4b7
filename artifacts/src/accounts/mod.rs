//! Accounts and groups.

pub mod windows;

//! From files to packages, logins and system identity.
//!
//! An extractor declares the paths it wants and how it reads them, is handed a [`FileView`] and is pure:
//! it never sees a filesystem. To add one: one file in its folder, and a line in the registry.
#![forbid(unsafe_code)]

pub mod view;

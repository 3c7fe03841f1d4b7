//! Package databases.

pub mod apk;
pub mod binaries;
pub mod dpkg;
pub mod flatpak;
mod json;
pub mod nix;
pub mod npm;
pub mod pacman;
pub mod portage;
pub mod purl;
pub mod python;
mod rows;
pub mod rpm;
pub mod snap;
pub mod windows;

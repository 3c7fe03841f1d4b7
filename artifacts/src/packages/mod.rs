//! Package databases.

pub mod apk;
pub mod binaries;
pub mod composer;
pub mod conda;
pub mod dotnet;
pub mod dpkg;
pub mod flatpak;
pub mod java;
mod json;
pub mod nix;
pub mod npm;
pub mod pacman;
pub mod portage;
pub mod purl;
pub mod python;
mod rows;
pub mod rpm;
pub mod ruby;
pub mod snap;
pub mod windows;

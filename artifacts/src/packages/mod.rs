//! Package databases.

pub mod apk;
pub mod dpkg;
pub mod flatpak;
pub mod nix;
pub mod pacman;
pub mod portage;
pub mod purl;
pub mod rpm;
pub mod snap;
pub mod windows;

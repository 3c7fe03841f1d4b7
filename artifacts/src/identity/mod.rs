//! What a machine is: its operating system and its own name.

pub mod boot;
pub mod extlinux;
pub mod host_name;
pub mod kernel;
pub mod loader;
pub mod older;
pub mod os_release;
pub mod unified;

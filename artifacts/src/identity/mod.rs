//! What a machine is: its operating system and its own name.

pub mod os_release;

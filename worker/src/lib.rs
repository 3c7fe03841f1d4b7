//! worker

pub mod io;

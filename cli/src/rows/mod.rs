//! The columns of each kind of row, one file a kind. Their order is that of the fields in json and csv.

mod accounts;
mod assets;
mod coverage;
mod files;
mod gaps;
mod keys;
mod logins;
mod packages;
mod scanned;
mod settings;
mod snapshots;
mod totals;
mod users;
mod volumes;
mod windows;

pub use assets::KnownAsset;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod width_tests;

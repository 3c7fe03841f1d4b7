//! The columns of each kind of row, one file a kind. Their order is that of the fields in json and csv.

mod assets;
mod coverage;
mod files;
mod gaps;
mod logins;
mod packages;
mod scanned;
mod snapshots;
mod totals;
mod volumes;

#[cfg(test)]
mod tests;

//! Registry hives with a transaction log, of any bytes: accounts, programs, services.
#![no_main]

use coldread_artifacts::{
    accounts::windows::WindowsAccounts,
    packages::windows::{Software, System, UserPrograms},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (hive, log) = input;
    let log = Some((".LOG1", log));
    coldread_fuzz::extract(&Software, "/Windows/System32/config/SOFTWARE", hive, log);
    coldread_fuzz::extract(&System, "/Windows/System32/config/SYSTEM", hive, log);
    coldread_fuzz::extract(&WindowsAccounts, "/Windows/System32/config/SAM", hive, log);
    coldread_fuzz::extract(&UserPrograms, "/Users/a/NTUSER.DAT", hive, log);
});

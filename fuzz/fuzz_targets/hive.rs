//! Registry hives with a transaction log: accounts, programs, services.
#![no_main]

use coldread_artifacts::{
    accounts::windows::WindowsAccounts,
    packages::windows::{Software, System, UserPrograms},
};
use coldread_fuzz::files::{self, Files};
use libfuzzer_sys::fuzz_target;

static FILES: Files = Files::of("hive", &[".LOG1", ".LOG2"], files::hive_checksum);

fuzz_target!(|input: &[u8]| {
    let (hive, log) = FILES.file(input);
    let log = log.as_ref().map(|(ending, log)| (*ending, log.as_slice()));
    coldread_fuzz::extract(&Software, "/Windows/System32/config/SOFTWARE", &hive, log);
    coldread_fuzz::extract(&System, "/Windows/System32/config/SYSTEM", &hive, log);
    coldread_fuzz::extract(&WindowsAccounts, "/Windows/System32/config/SAM", &hive, log);
    coldread_fuzz::extract(&UserPrograms, "/Users/a/NTUSER.DAT", &hive, log);
});

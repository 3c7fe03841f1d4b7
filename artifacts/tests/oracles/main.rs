//! Extractors against the tools of the systems that write what they read, and against a corpus of real files
//! (named by the environment variable `COLDREAD_CORPUS`).
#![allow(clippy::unwrap_used)] // a test may

mod boot;
mod databases;
mod event_logs;
mod index;
mod journal;
mod logger;
mod logins;
mod packages;
mod rpm;
mod support;

//! The `coldread` command.
#![allow(unreachable_pub, reason = "nothing is reachable from outside a binary; `pub` is for its modules")]

mod app;
mod args;
mod commands;
mod connect;
mod destination;
mod eol;
mod failure;
mod output;
mod progress;
mod rows;
mod share;
mod size;
mod time;
mod tls;

/// Listings are few, large blocks.
#[global_allocator]
static HEAP: coldread_worker::io::HugeHeap = coldread_worker::io::HugeHeap;

fn main() -> std::process::ExitCode {
    coldread_worker::io::HugeHeap::share_heaps();
    app::main()
}

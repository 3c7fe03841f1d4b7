//! From the command line to an exit code: logs, the runtime, one command.

use crate::{commands::Command, failure::Failure, progress};
use clap::Parser;
use std::{io::IsTerminal, process::ExitCode, time::Duration};
use tracing_subscriber::{
    EnvFilter,
    filter::{Directive, LevelFilter},
};

/// After a command has ended, threads that still wait for a disk are not waited for longer than this.
const LAST_THREADS: Duration = Duration::from_millis(500);

/// Reads disks of machines that it never boots, mounts or logs in to
///
/// It takes images and block devices, parses ext4, XFS and NTFS from raw blocks, and tells which packages are
/// installed, who logged in and who failed to, and which files are there. What cannot be read is listed, with the
/// reason, by `coldread gaps`.
#[derive(Debug, Parser)]
#[command(
    name = "coldread",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_long_help = "Examples:\n  \
        coldread scan disk.img                 scan an image into the default store\n  \
        coldread packages --name 'openssh*'    packages of all assets, by name\n  \
        coldread logins --failed --since 7d    failed logins of the last week\n  \
        coldread logins summary                each user's logins and failures, and since when they are known\n  \
        coldread keys --kind private           private keys that lie about\n  \
        coldread files --path '/etc/*' -o csv  files by path, for a spreadsheet\n\n\
        Exit codes: 0 done; 1 failed (of a scan: a source could not be read at all); 2 wrong usage;\n\
        3 a scan finished with gaps."
)]
struct App {
    /// Log more to standard error: -v what is done, -vv details; RUST_LOG says more precisely what
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let app = App::parse();
    log(app.verbose, app.command.is_service());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new("cannot start threads").because(&error).report(),
    };
    let ended = runtime.block_on(app.command.run());
    let code = ended.unwrap_or_else(|failure| failure.report());
    runtime.shutdown_timeout(LAST_THREADS);
    code
}

/// Logs to standard error: warnings, and more on request. What a coordinator in this process warns of is part of
/// the command's own answer, so it is left out unless it is asked for.
fn log(verbose: u8, service: bool) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // RUST_LOG goes before -v; a directive in it that makes no sense is told and left out.
    let mut filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let quiet = "coldread_coordinator=error".parse::<Directive>();
    if let (Ok(quiet), 0, false, None) = (quiet, verbose, service, std::env::var_os("RUST_LOG")) {
        filter = filter.add_directive(quiet);
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(progress::LogWriter::default)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(verbose > 0)
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        App::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_found_before_anything_is_done() {
        for wrong in [
            &["coldread"][..],
            &["coldread", "scan"],
            &["coldread", "scan", "a", "--store", "s", "--server", "http://h:1"],
            &["coldread", "scan", "a", "--shard-bytes", "0"],
            &["coldread", "scan", "a", "--content", "some"],
            &["coldread", "scan", "a", "--asset", ""],
            &["coldread", "scan", "a", "--account", ""],
            &["coldread", "files", "--store", "s", "--server", "http://h:1"],
            &["coldread", "logins", "--since", "yesterday"],
            &["coldread", "assets", "--at", "tomorrow"],
            &["coldread", "logins", "--source", "rumour"],
            &["coldread", "logins", "--failed", "summary"],
            &["coldread", "accounts", "--groups", "--all"],
            &["coldread", "keys", "--kind", "skeleton"],
            &["coldread", "keys", "--fingerprint", "MD5:16:27:ac"],
            &["coldread", "extract", "a", "/etc/passwd"],
            &["coldread", "coordinator", "--store", "s"],
            &["coldread", "coordinator", "--listen", "localhost"],
            &["coldread", "coordinator", "--listen", "h:1", "--tls-client-ca", "ca"],
            &["coldread", "coordinator", "--listen", "h:1", "--tls-cert", "c"],
            &["coldread", "coordinator", "--listen", ":7700"],
            &["coldread", "worker"],
            &["coldread", "worker", "--coordinator", "http://h:1", "--slots", "0"],
        ] {
            let error = App::try_parse_from(wrong).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong:?}");
        }
    }

    #[test]
    fn the_commands_of_the_readme_parse() {
        for line in [
            "coldread scan a.img b.img --content none --io pread --store s --shard-bytes 64MiB -o ndjson",
            "coldread scan --server http://127.0.0.1:7700 disk.img --wait",
            "coldread packages --name openssh* --type deb --all --asset web-* --snapshot 01234567",
            "coldread logins --failed --user root --since 7d --until 2025-11-05",
            "coldread logins --source btmp --root / --all",
            "coldread logins summary --asset web-1 --user root --since 7d --until 2025-11-05 --root /",
            "coldread logins windows --source btmp -o ndjson",
            "coldread accounts --user adm* --groups --root /srv/*",
            "coldread accounts --all -o wide",
            "coldread keys --user root --kind private",
            "coldread keys --fingerprint SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDryQhEBDBLTDTRjAo",
            "coldread settings --subject sshd --name Permit*",
            "coldread packages --root /srv/*",
            "coldread files --path /etc/* --path /var/** --volume p2 --all -o wide",
            "coldread asset show web-1 -o json",
            "coldread snapshots web-1",
            "coldread cat web-1 /etc/passwd --volume p1 --stream s",
            "coldread extract web-1 /etc/* --to out --force",
            "coldread coordinator --listen 127.0.0.1:0 --store s --lease-seconds 5",
            "coldread coordinator --listen localhost:7700 --store s",
            "coldread worker --coordinator http://127.0.0.1:7700 --slots 2 --name w",
            "coldread worker --coordinator https://h:7700 --tls-ca ca.pem --tls-cert c.pem --tls-key k.pem",
            "coldread packages --server https://h:7700 --tls-ca ca.pem --tls-cert c.pem --tls-key k.pem",
            "coldread coordinator --listen h:7700 --tls-cert c.pem --tls-key k.pem --tls-client-ca ca.pem",
        ] {
            App::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}

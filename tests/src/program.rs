//! The built `coldread`: finding it, running it, and ending it in time.
//!
//! Cargo names a package's programs (`CARGO_BIN_EXE_…`) to the tests of the same package alone, and artifact
//! dependencies are not stable. So the program is looked for beside the running test, in `PROFILE/coldread`, and
//! built there once a process if it is missing or older than any of the sources that Cargo noted for it.
//! `COLDREAD_BIN` names another one to be tested as it is, such as a release build.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Once, mpsc},
    thread,
    time::{Duration, Instant},
};

/// A guard against hanging, not a measure of speed.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often an end is looked for.
const TICK: Duration = Duration::from_millis(5);

/// The workspace's root.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The program, built if need be.
pub fn binary() -> PathBuf {
    static BUILT: Once = Once::new();
    if let Some(other) = env::var_os("COLDREAD_BIN") {
        return other.into();
    }
    let test = env::current_exe().unwrap();
    // PROFILE/deps/TEST, or PROFILE/PROGRAM
    let folder = test.parent().unwrap();
    let profile = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
    let binary = profile.join("coldread");
    BUILT.call_once(|| {
        if is_stale(&binary, &profile.join("coldread.d")) {
            build(profile);
        }
        assert!(binary.is_file(), "{} was not built", binary.display());
    });
    binary
}

/// Whether the program is missing or older than a source. `notes` is Cargo's list: `program: source source …`.
fn is_stale(binary: &Path, notes: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    let (Some(built), Ok(notes)) = (changed(binary), fs::read_to_string(notes)) else { return true };
    let sources = notes.split_once(": ").map_or("", |(_, sources)| sources);
    let mut sources = sources.split_whitespace().map(PathBuf::from).collect::<Vec<_>>();
    sources.push(workspace().join("Cargo.lock"));
    sources.iter().any(|source| changed(source).is_none_or(|changed| changed > built))
}

/// Builds as the workspace is built, so that shared dependencies keep their features and are not built twice.
fn build(profile: &Path) {
    let name = profile.file_name().and_then(OsStr::to_str).unwrap();
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace())
        .args(["build", "--quiet", "--locked", "--workspace", "--bin", "coldread"])
        .args(["--profile", if name == "debug" { "dev" } else { name }])
        .arg("--target-dir")
        .arg(profile.parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "coldread could not be built: {status}");
}

/// A command line of `coldread`, free of the environment's settings for it.
pub fn coldread() -> Command {
    let mut command = Command::new(binary());
    for name in ["COLDREAD_STORE", "COLDREAD_SERVER", "RUST_LOG"] {
        command.env_remove(name);
    }
    for name in ["COLDREAD_TLS_CA", "COLDREAD_TLS_CERT", "COLDREAD_TLS_KEY"] {
        command.env_remove(name);
    }
    // Whoever forgets to name a store must not find or make one at home.
    command.env("XDG_DATA_HOME", "/nonexistent").stdin(Stdio::null());
    command
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Answer {
    /// The command line, for messages.
    pub line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Answer {
    /// Fails unless this is the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        let Self { line, status, stderr, .. } = &self;
        assert_eq!(status.code(), Some(code), "{line}: {status}\n{stderr}");
        self
    }

    /// Fails unless standard error says all of `words`.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "{} does not say {word:?}:\n{}", self.line, self.stderr);
        }
        self
    }

    /// Standard output as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Standard output as one JSON object a line.
    #[track_caller]
    pub fn rows(&self) -> Vec<serde_json::Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Answer {
    Running::start(command).finish()
}

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    line: String,
    stdout: Option<thread::JoinHandle<Vec<u8>>>,
    stderr: Option<thread::JoinHandle<String>>,
    /// Lines of standard output and error as they come.
    said: mpsc::Receiver<String>,
}

impl Running {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Self {
        let line = format!("{command:?}");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let (mut stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, said) = mpsc::channel();
        let stdout = thread::spawn(move || {
            let mut all = Vec::new();
            stdout.read_to_end(&mut all).unwrap();
            all
        });
        let stderr = thread::spawn(move || {
            let mut all = String::new();
            for line in BufReader::new(stderr).split(b'\n') {
                let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
                all += &line;
                all.push('\n');
                // Nobody may listen.
                let _ = sender.send(line);
            }
            all
        });
        Self { child, line, stdout: Some(stdout), stderr: Some(stderr), said }
    }

    /// Waits for the end.
    #[track_caller]
    pub fn finish(mut self) -> Answer {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > PATIENCE {
                self.kill();
                let said = self.stderr();
                panic!("{} has not ended after {PATIENCE:?}:\n{said}", self.line);
            }
            thread::sleep(TICK);
        };
        let stdout = self.stdout.take().unwrap().join().unwrap();
        Answer { line: self.line.clone(), status, stdout, stderr: self.stderr() }
    }

    fn stderr(&mut self) -> String {
        self.stderr.take().unwrap().join().unwrap()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it (SIGKILL): it can put nothing in order.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Waits for a line on standard error for which `wanted` gives something.
    #[track_caller]
    pub fn wait_for<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            match self.said.recv_timeout(TICK) {
                Ok(line) => {
                    if let Some(found) = wanted(&line) {
                        return found;
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) if started.elapsed() < PATIENCE => {}
                Err(error) => {
                    self.kill();
                    let said = self.stderr();
                    panic!("{}: {error} before it said what was waited for:\n{said}", self.line);
                }
            }
        }
    }

    /// Waits until it says on which address it listens.
    #[track_caller]
    pub fn address(&mut self) -> SocketAddr {
        self.wait_for(|line| {
            let host = line.find("127.0.0.1:")?;
            let rest = &line[host..];
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(rest.len());
            rest[..end].trim_end_matches(['.', ':']).parse().ok()
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

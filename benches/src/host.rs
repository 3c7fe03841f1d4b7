//! What the benches need of the machine: root, programs, mounts, an empty page cache.

use serde::Serialize;
use std::{
    ffi::OsStr,
    fmt, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// How often, and how far apart, unmounting is tried.
const UNMOUNT_TRIES: u32 = 50;
const UNMOUNT_PAUSE: Duration = Duration::from_millis(100);

/// Why something could not be done, in words.
#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Adds a file's name to an I/O error, which alone names none.
pub fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure(format!("{}: {error}", path.display())))
}

/// Whether we are root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where a program is, if it is installed. Sbin directories are looked into as well: they are not in
/// everybody's PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&search)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// That we are root and that each program, given with its Debian package, is installed.
pub fn need(what: &str, programs: &[(&str, &str)]) -> Result<(), Failure> {
    if !is_root() {
        return Err(Failure(format!("{what} takes root")));
    }
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure(format!("{what} takes programs that are missing: apt-get install {}", missing.join(" "))))
    }
}

/// Runs a program to its end; its standard output, or its error text as the failure.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<String, Failure> {
    let path = find(program).unwrap_or_else(|| program.into());
    let output = Command::new(path)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure(format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure(format!("{program} failed ({}): {}", output.status, said.trim())))
}

/// Writes everything to the disks and empties the page cache of the whole machine.
pub fn drop_caches() -> Result<(), Failure> {
    rustix::fs::sync();
    let path = Path::new("/proc/sys/vm/drop_caches");
    fs::write(path, "3\n")
        .map_err(|error| Failure(format!("cold runs take root: {}: {error}", path.display())))
}

/// A mounted image, unmounted when dropped; [`Mounted::unmount`] also tells whether that worked.
pub struct Mounted {
    point: tempfile::TempDir,
    mounted: bool,
}

impl Mounted {
    /// Mounts the image of a filesystem (`ext4`, `xfs`; `ntfs` by ntfs-3g) through a loop device.
    pub fn new(filesystem: &str, image: &Path, read_only: bool) -> Result<Self, Failure> {
        let point = tempfile::Builder::new().prefix("benches-").tempdir()?;
        let place = [image.as_os_str(), point.path().as_os_str()];
        if filesystem == "ntfs" {
            let access = OsStr::new(if read_only { "ro" } else { "rw" });
            run("ntfs-3g", &[place[0], place[1], OsStr::new("-o"), access])?;
        } else {
            let access = OsStr::new(if read_only { "loop,ro" } else { "loop" });
            run(
                "mount",
                &[OsStr::new("-t"), OsStr::new(filesystem), OsStr::new("-o"), access, place[0], place[1]],
            )?;
        }
        Ok(Self { point, mounted: true })
    }

    /// Where it is mounted.
    pub fn point(&self) -> &Path {
        self.point.path()
    }

    /// Unmounts, which for a loop mount also writes everything to the image.
    pub fn unmount(mut self) -> Result<(), Failure> {
        self.mounted = false;
        self.unmount_when_idle()
    }

    /// A filesystem in user space may be busy for a moment after its last user has ended.
    fn unmount_when_idle(&self) -> Result<(), Failure> {
        for _ in 0..UNMOUNT_TRIES {
            if run("umount", &[self.point.path()]).is_ok() {
                return Ok(());
            }
            std::thread::sleep(UNMOUNT_PAUSE);
        }
        run("umount", &[self.point.path()]).map(drop)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.mounted
            && let Err(error) = self.unmount_when_idle()
        {
            eprintln!("benches: {error}");
        }
    }
}

/// The machine that figures are from.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
    /// The system's name.
    pub system: String,
    /// What the images lie on: device and filesystem, as the kernel names them.
    pub storage: String,
}

impl Machine {
    /// This machine, with images in `cache`.
    pub fn of_this(cache: &Path) -> Self {
        let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, key: &str| -> Option<String> {
            let line = text.lines().find(|line| line.starts_with(key))?;
            let value = line[key.len()..].trim_start_matches([' ', '\t', ':', '=']);
            Some(value.trim_matches('"').trim().to_owned())
        };
        let unknown = || "unknown".to_owned();
        let memory = field(&file("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
        let storage = run("df", &[OsStr::new("--output=source,fstype"), cache.as_os_str()]);
        Self {
            processor: field(&file("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_mib: kib >> 10,
            kernel: file("/proc/sys/kernel/osrelease").trim().to_owned(),
            system: field(&file("/etc/os-release"), "PRETTY_NAME").unwrap_or_else(unknown),
            storage: storage
                .ok()
                .and_then(|text| Some(text.lines().nth(1)?.split_whitespace().collect::<Vec<_>>().join(", ")))
                .unwrap_or_else(unknown),
        }
    }
}

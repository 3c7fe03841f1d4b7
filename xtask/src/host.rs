//! What the recipes need of the machine: root, programs, mounts.

use std::{
    ffi::OsStr,
    fmt, io,
    path::{Path, PathBuf},
    process::Command,
};

/// Why a chore could not be done, in words.
#[derive(Debug)]
pub(crate) struct Failure(pub String);

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

/// Adds what was being done to an I/O error, which alone names no file.
pub(crate) fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure(format!("{}: {error}", path.display())))
}

/// That we are root and that each program, given with its apt package, is installed.
pub(crate) fn need(programs: &[(&str, &str)]) -> Result<(), Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure(
            "this recipe mounts filesystems to fill them and must be run as root".to_owned(),
        ));
    }
    // Sbin directories are not in every root's PATH.
    let search = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths(&search).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| !folders.iter().any(|folder| folder.join(program).is_file()))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure(format!("programs are missing: apt-get install {}", missing.join(" "))))
    }
}

/// Runs a program to its end; its standard output, or its error text as the failure.
pub(crate) fn run(program: &str, arguments: &[&OsStr]) -> Result<String, Failure> {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("DEBIAN_FRONTEND", "noninteractive")
        // mke2fs takes its idea of now from here, mkfs of newer releases from the second.
        .env("E2FSPROGS_FAKE_TIME", crate::sample::INSTALLED.to_string())
        .env("SOURCE_DATE_EPOCH", crate::sample::INSTALLED.to_string())
        .output()
        .map_err(|error| Failure(format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure(format!("{program} failed ({}): {}", output.status, said.trim())))
}

/// A mounted image, unmounted when dropped; [`Mounted::unmount`] also tells whether that worked.
pub(crate) struct Mounted {
    point: PathBuf,
    mounted: bool,
}

impl Mounted {
    /// Mounts the filesystem in the file `image` on the empty directory `point`.
    pub(crate) fn new(image: &Path, point: &Path, filesystem: &str) -> Result<Self, Failure> {
        if filesystem == "ntfs" {
            // Only ntfs-3g writes compressed files; alternate streams are written as `file:stream`.
            let options = "compression,streams_interface=windows";
            run("ntfs-3g", &["-o".as_ref(), options.as_ref(), image.as_ref(), point.as_ref()])?;
        } else {
            return Self::with(image, point, filesystem, "loop");
        }
        Ok(Self { point: point.to_owned(), mounted: true })
    }

    /// Mounts a filesystem of the kernel's with options.
    pub(crate) fn with(image: &Path, point: &Path, filesystem: &str, options: &str) -> Result<Self, Failure> {
        let words = ["-t", filesystem, "-o", options].map(OsStr::new);
        run("mount", &[&words[..], &[image.as_ref(), point.as_ref()]].concat())?;
        Ok(Self { point: point.to_owned(), mounted: true })
    }

    /// Where it is mounted.
    pub(crate) fn point(&self) -> &Path {
        &self.point
    }

    /// Unmounts, which for a loop mount also writes everything to the image.
    pub(crate) fn unmount(mut self) -> Result<(), Failure> {
        self.mounted = false;
        run("umount", &[self.point.as_ref()]).map(drop)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.mounted
            && let Err(error) = run("umount", &[self.point.as_ref()])
        {
            eprintln!("xtask: {error}");
        }
    }
}

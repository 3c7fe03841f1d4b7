//! What tests need of the machine: root, programs, mounts, loop devices.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Says `skipped:` and why, and gives true, where one of these programs is not installed.
pub fn lacks(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| find(program).is_none());
    if let Some(program) = missing {
        println!("skipped: {program} is not installed");
    }
    missing.is_some()
}

/// Like [`lacks`], where filesystems are to be mounted as well.
pub fn lacks_mounts(programs: &[&str]) -> bool {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let reason = REASON.get_or_init(|| {
        if !rustix::process::geteuid().is_root() {
            return Some("filesystems are mounted by root alone".to_owned());
        }
        if ["mkfs.ext4", "mount", "umount"].iter().any(|program| find(program).is_none()) {
            return Some("mkfs.ext4 or mount is not installed".to_owned());
        }
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("probe.img");
        std::fs::File::create(&image).unwrap().set_len(4 << 20).unwrap();
        tool("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), image.as_os_str()]);
        Mounted::try_new(&image, "ext4", "ro").err().map(|error| format!("nothing can be mounted: {error}"))
    });
    if let Some(reason) = reason {
        println!("skipped: {reason}");
    }
    reason.is_some() || lacks(programs)
}

/// Like [`lacks_mounts`], for NTFS, which is mounted through FUSE.
pub fn lacks_ntfs() -> bool {
    let fuse = Path::new("/dev/fuse").exists();
    if !fuse {
        println!("skipped: there is no /dev/fuse");
    }
    !fuse || lacks_mounts(&["mkntfs", "ntfs-3g"])
}

/// Directories of programs; those for administrators are not in everyone's PATH.
fn folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect()
}

fn find(program: &str) -> Option<PathBuf> {
    folders().iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Runs a program of the system; its standard output, or what it complained of.
pub fn try_tool(program: &str, arguments: &[&OsStr]) -> Result<String, String> {
    let output = Command::new(find(program).ok_or_else(|| format!("{program} is not installed"))?)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("PATH", env::join_paths(folders()).unwrap())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// Runs a program of the system, which must work.
#[track_caller]
pub fn tool(program: &str, arguments: &[&OsStr]) -> String {
    try_tool(program, arguments).unwrap_or_else(|error| panic!("{error}"))
}

/// A mounted filesystem, unmounted when dropped.
#[derive(Debug)]
pub struct Mounted {
    point: tempfile::TempDir,
}

impl Mounted {
    /// Mounts the image or device with these options.
    #[track_caller]
    pub fn new(image: &Path, filesystem: &str, options: &str) -> Self {
        Self::try_new(image, filesystem, options).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`Mounted::new`], where the kernel may refuse: why.
    pub fn try_new(image: &Path, filesystem: &str, options: &str) -> Result<Self, String> {
        let point = tempfile::tempdir().unwrap();
        if filesystem == "ntfs" {
            // Only ntfs-3g writes compressed files; streams are shown as attributes.
            let options = format!("compression,streams_interface=xattr,{options}");
            try_tool(
                "ntfs-3g",
                &[image.as_os_str(), point.path().as_os_str(), "-o".as_ref(), options.as_ref()],
            )?;
        } else {
            let device = if image.is_file() { format!("loop,{options}") } else { options.to_owned() };
            let words = ["-t", filesystem, "-o", &device].map(OsStr::new);
            try_tool("mount", &[&words[..], &[image.as_os_str(), point.path().as_os_str()]].concat())?;
        }
        Ok(Self { point })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.point.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = try_tool("umount", &[self.point.path().as_os_str()]) {
            eprintln!("{error}");
        }
    }
}

/// A loop device over a file, given back when dropped.
#[derive(Debug)]
pub struct LoopDevice(PathBuf);

impl LoopDevice {
    /// A device that shows the file's bytes.
    #[track_caller]
    pub fn new(image: &Path) -> Self {
        let name = tool("losetup", &["--find".as_ref(), "--show".as_ref(), image.as_os_str()]);
        Self(name.trim().into())
    }

    /// Its path, `/dev/loopN`.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        if let Err(error) = try_tool("losetup", &["--detach".as_ref(), self.0.as_os_str()]) {
            eprintln!("{error}");
        }
    }
}

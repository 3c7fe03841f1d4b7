//! A disk of a real Debian, to hold `coldread packages` against `dpkg-query -W`.

use crate::{
    disk::{self, Volume},
    gpt::GuidText,
    host::{Failure, at, need, run},
};
use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

const DISK_GUID: GuidText = "6B1F6C0E-2F57-4C3B-9C7A-51B0A4D8E202";
const ROOT: Volume = Volume {
    filesystem: "ext4",
    mib: 1024,
    label: "debian",
    uuid: "0b6f1c0a-7d52-4d1e-9a51-3f5b8c2e7a03",
    partition_guid: "9D1B7A30-54C2-4F86-8B0E-7F1D2C3A4B11",
};
const VAR: Volume = Volume {
    filesystem: "ext4",
    mib: 512,
    label: "debian-var",
    uuid: "0b6f1c0a-7d52-4d1e-9a51-3f5b8c2e7a04",
    partition_guid: "9D1B7A30-54C2-4F86-8B0E-7F1D2C3A4B12",
};

/// Makes the disk `out` and `out.packages.tsv`: name, version, architecture and state, as dpkg-query has them.
pub(crate) fn make(
    out: &Path,
    suite: &str,
    mirror: Option<&str>,
    var_partition: bool,
) -> Result<(), Failure> {
    need(&[
        ("debootstrap", "debootstrap"),
        ("mkfs.ext4", "e2fsprogs"),
        ("dpkg-query", "dpkg"),
        ("mount", "mount"),
    ])?;
    let mirror = match mirror {
        Some(mirror) => mirror.to_owned(),
        None => configured_mirror(suite)?,
    };
    let scratch = tempfile::tempdir()?;
    let scratch = scratch.path();
    let tree = scratch.join("tree");
    println!("debootstrap {suite} from {mirror}");
    let variant: &OsStr = "--variant=minbase".as_ref();
    run("debootstrap", &[variant, suite.as_ref(), tree.as_ref(), mirror.as_ref()])?;
    fstab(&tree, var_partition)?;

    let listing = query(&tree)?;
    let mut beside = OsString::from(out);
    beside.push(".packages.tsv");
    let beside = PathBuf::from(beside);
    at(&beside, fs::write(&beside, &listing))?;

    let mut volumes = vec![ROOT];
    if var_partition {
        fill(VAR, scratch, &tree.join("var"))?;
        // The mount point stays, empty.
        let var = tree.join("var");
        at(&var, fs::remove_dir_all(&var))?;
        at(&var, fs::create_dir(&var))?;
        volumes.push(VAR);
    }
    fill(ROOT, scratch, &tree)?;
    let size = disk::assemble(out, DISK_GUID, &volumes, scratch)?;
    print!("{listing}");
    println!("{}: {size} bytes; {} packages in {}", out.display(), listing.lines().count(), beside.display());
    Ok(())
}

/// The mirror from which this machine's apt takes `suite`.
fn configured_mirror(suite: &str) -> Result<String, Failure> {
    let format: &OsStr = "$(RELEASE) $(REPO_URI)".as_ref();
    let sources = run("apt-get", &["indextargets".as_ref(), "--format".as_ref(), format])?;
    mirror_of(&sources, suite).map(str::to_owned).ok_or_else(|| {
        Failure(format!("apt has no source for {suite} on this machine: name one with --mirror"))
    })
}

/// The first source of exactly this release in apt's list of `RELEASE URI` lines.
fn mirror_of<'a>(sources: &'a str, suite: &str) -> Option<&'a str> {
    sources
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(name, _)| *name == suite)
        .map(|(_, uri)| uri)
}

fn fstab(tree: &Path, var_partition: bool) -> Result<(), Failure> {
    let mut text = format!("UUID={} / ext4 errors=remount-ro 0 1\n", ROOT.uuid);
    if var_partition {
        text += &format!("UUID={} /var ext4 defaults 0 2\n", VAR.uuid);
    }
    let place = tree.join("etc/fstab");
    at(&place, fs::write(&place, text))
}

fn query(tree: &Path) -> Result<String, Failure> {
    let mut database = OsString::from("--admindir=");
    database.push(tree.join("var/lib/dpkg"));
    let format: &OsStr =
        "--showformat=${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n".as_ref();
    run("dpkg-query", &[&database, "-W".as_ref(), format])
}

/// Makes a volume and copies everything in `from` to it.
fn fill(volume: Volume, scratch: &Path, from: &Path) -> Result<(), Failure> {
    let mounted = volume.make(scratch)?;
    // The trailing dot copies what is in the directory, hidden names too, and its own mode and times.
    run("cp", &["-a".as_ref(), from.join(".").as_ref(), mounted.point().as_ref()])?;
    mounted.unmount()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_of_exactly_that_release() {
        let sources = "bookworm-security http://one/\nbookworm http://two/\nbookworm http://three/\n";
        assert_eq!(mirror_of(sources, "bookworm"), Some("http://two/"));
        assert_eq!(mirror_of(sources, "trixie"), None);
    }
}

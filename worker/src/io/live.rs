//! Whether a block device is in use: mounted so that it can be written.
//!
//! A device counts as live if a file system mounted read-write lies on it, on one of its partitions, or on
//! something stacked on either (LVM, md, dm-crypt), as sysfs tells. Mounts in other mount namespaces are
//! not seen. Sources: proc_pid_mountinfo(5); sysfs-block of the Linux ABI documentation.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Devices stacked deeper than this are not followed.
const MAX_DEPTH: u32 = 8;

/// Whether the block device `device` (as `st_rdev`) can change under us.
pub(super) fn is_live(device: u64) -> bool {
    // What cannot be known is not taken for safe.
    let Ok(mounts) = fs::read("/proc/self/mountinfo") else { return true };
    let written = mounted_writable(&String::from_utf8_lossy(&mounts));
    let mut family = BTreeSet::new();
    gather(&format!("{}:{}", libc::major(device), libc::minor(device)), MAX_DEPTH, &mut family);
    written.iter().any(|number| family.contains(number))
}

/// The device numbers, `major:minor`, of the file systems in a mountinfo that are mounted read-write.
fn mounted_writable(mountinfo: &str) -> BTreeSet<String> {
    let mut numbers = BTreeSet::new();
    for line in mountinfo.lines() {
        let Some((mount, filesystem)) = line.split_once(" - ") else { continue };
        let mut fields = filesystem.split(' ').skip(1);
        let (Some(source), Some(options)) = (fields.next(), fields.next()) else { continue };
        // The file system's own options: a read-only bind mount does not stop writes through another.
        if options.split(',').next() != Some("rw") {
            continue;
        }
        let Some(number) = mount.split(' ').nth(2) else { continue };
        numbers.insert(number.to_owned());
        // btrfs and others show a number of their own; the device is the one that was mounted.
        if number.starts_with("0:")
            && source.starts_with("/dev/")
            && let Ok(meta) = fs::metadata(source)
        {
            numbers.insert(format!("{}:{}", libc::major(meta.rdev()), libc::minor(meta.rdev())));
        }
    }
    numbers
}

/// Adds `number`, its partitions and whatever is stacked on them.
fn gather(number: &str, depth: u32, family: &mut BTreeSet<String>) {
    if !family.insert(number.to_owned()) || depth == 0 {
        return;
    }
    let folder = Path::new("/sys/dev/block").join(number);
    let partitions = children(&folder).into_iter().filter(|child| child.join("partition").exists());
    for device in partitions.chain(children(&folder.join("holders"))) {
        if let Ok(number) = fs::read_to_string(device.join("dev")) {
            gather(number.trim(), depth - 1, family);
        }
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map_or_else(|_| Vec::new(), |list| list.flatten().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_file_systems_mounted_read_write_count() {
        let text = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
                    28 27 8:1 / /mnt rw - ext4 /dev/sda1 ro\n\
                    29 27 8:2 / /b ro,nosuid shared:1 - xfs /dev/sda2 rw,seclabel\nnonsense\n";
        let numbers: Vec<String> = mounted_writable(text).into_iter().collect();
        assert_eq!(numbers, ["254:0", "8:2"]);
    }
}

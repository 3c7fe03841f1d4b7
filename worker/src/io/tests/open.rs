use super::{Loop, noise};
use crate::io::{OpenError, open};
use coldread_fsparse::source::Piece;
use coldread_model::{ByteRange, task::IoMode};
use std::{os::unix::fs::PermissionsExt, process::Command};

#[test]
fn what_is_no_disk_is_an_error_of_its_own_kind_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let refusal = |name: &str| open(&at(name), IoMode::Auto).err().unwrap();
    std::fs::write(at("empty"), []).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert!(matches!(refusal("nothing"), OpenError::NotFound { .. }));
    assert!(matches!(refusal("empty/below"), OpenError::NotFound { .. }));
    assert!(matches!(refusal("."), OpenError::Directory { .. }));
    assert!(matches!(refusal("empty"), OpenError::Empty { .. }));
    assert!(matches!(refusal("pipe"), OpenError::NotADisk { kind: "pipe", .. }));
    let null = open("/dev/null".as_ref(), IoMode::Auto).err().unwrap();
    assert!(matches!(null, OpenError::NotADisk { kind: "character device", .. }));
    assert!(refusal("empty").to_string().contains(&at("empty").display().to_string()));
}

#[test]
fn a_file_that_may_not_be_read_says_so() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: root may read every file");
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [1]).unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o0)).unwrap();
    let error = open(file.path(), IoMode::Auto).err().unwrap();
    assert!(matches!(error, OpenError::PermissionDenied { .. }));
}

#[test]
fn a_forced_reader_is_the_one_that_reads() {
    let bytes = noise(100_001, 1);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    for mode in [IoMode::Auto, IoMode::Pread, IoMode::Uring, IoMode::Mmap] {
        let opened = match open(file.path(), mode) {
            Ok(opened) => opened,
            Err(OpenError::Reader { reason, .. }) => {
                println!("skipped: {}: {reason}", mode.name());
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!((opened.container.as_str(), opened.live), ("raw", false));
        // Just written, so in the cache.
        let expected = if mode == IoMode::Auto { IoMode::Pread } else { mode };
        assert_eq!(opened.reader.mode, expected, "{}", opened.reader.reason);
        assert!(!opened.reader.reason.is_empty());
        let mut queue = opened.source.open_queue().unwrap();
        queue.push(0, ByteRange::new(100_000, 1));
        assert!(matches!(queue.next().unwrap().result, Ok(Piece::Bytes(buf)) if buf[..] == bytes[100_000..]));
    }
}

#[test]
fn a_block_device_is_read_to_its_odd_end_and_is_live_only_while_mounted() {
    // An odd number of sectors: the last block is short.
    let bytes = noise((4 << 20) + 512 * 3, 9);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let Some(device) = Loop::over(file.path()) else {
        println!("skipped: no loop device can be made here (it needs root and losetup)");
        return;
    };
    for (name, source) in super::readers(device.0.as_ref()) {
        assert_eq!(source.size_bytes(), bytes.len() as u64, "{name}");
        let range = ByteRange::new(4_000_001, bytes.len() as u64 - 4_000_001);
        let answers = super::read_all(&*source, &[range]);
        assert!(answers[0].failed.is_empty(), "{name}: {:?}", answers[0].failed);
        assert!(answers[0].bytes == bytes[4_000_001..], "{name}");
    }
    let opened = open(device.0.as_ref(), IoMode::Auto).unwrap();
    assert_eq!((opened.container.as_str(), opened.live), ("block device", false));

    let made = Command::new("mkfs.ext4").args(["-q", "-F", &device.0]).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no mkfs.ext4 here to mount the device");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (options, live) in [("ro", false), ("rw", true)] {
        let mount = |program: &str, arguments: &[&str]| {
            Command::new(program)
                .args(arguments)
                .arg(folder.path())
                .status()
                .is_ok_and(|status| status.success())
        };
        if !mount("mount", &["-o", options, &device.0]) {
            println!("skipped: the device cannot be mounted here");
            return;
        }
        let found = open(device.0.as_ref(), IoMode::Auto).unwrap().live;
        assert!(mount("umount", &[]));
        assert_eq!(found, live, "mounted {options}");
    }
}

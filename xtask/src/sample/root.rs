//! The ext4 root: `/etc`, `/usr`, `/home`.

use super::{HOSTNAME, Known, ROOT, SHARE, SYSTEM, UPGRADED, VAR, logins::PEOPLE, packages};
use crate::{
    host::{Failure, at},
    tree::{Meta, Tree},
};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev, mknodat, setxattr};
use std::os::unix::fs::PermissionsExt;

const OS_RELEASE: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"
NAME=\"Debian GNU/Linux\"
VERSION_ID=\"12\"
VERSION=\"12 (bookworm)\"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL=\"https://www.example.org/\"
";

const FOLDERS: &[&str] = &[
    "boot",
    "dev",
    "etc/apt/sources.list.d",
    "etc/cron.d",
    "etc/default",
    "etc/logrotate.d",
    "etc/network",
    "etc/pam.d",
    "etc/samba",
    "etc/security",
    "etc/skel",
    "etc/ssh",
    "etc/sudoers.d",
    "etc/systemd/system",
    "home",
    "media",
    "mnt",
    "opt",
    "proc",
    "run",
    "srv/daten",
    "sys",
    "usr/bin",
    "usr/lib/systemd/system",
    "usr/lib/x86_64-linux-gnu",
    "usr/local/bin",
    "usr/sbin",
    "usr/share/doc",
    "usr/share/zoneinfo/Europe",
    "usr/share/zoneinfo/Etc",
    "var",
];

/// Programs with something of a body: their names, and how many bytes.
const PROGRAMS: &[(&str, usize)] = &[
    ("usr/bin/bash", 9000),
    ("usr/bin/cat", 3100),
    ("usr/bin/ls", 5200),
    ("usr/bin/ping", 2600),
    ("usr/bin/passwd", 2200),
    ("usr/bin/sudo", 7300),
    ("usr/sbin/sshd", 12_000),
    ("usr/sbin/smbd", 8100),
    ("usr/lib/x86_64-linux-gnu/libc.so.6", 14_000),
    ("usr/lib/x86_64-linux-gnu/libcrypto.so.3", 17_000),
];

/// Fills it.
pub(crate) fn fill(tree: &mut Tree) -> Result<Vec<Known>, Failure> {
    let upgraded = SYSTEM.mtime(UPGRADED);
    tree.dir("", upgraded.mode(0o755))?;
    for folder in FOLDERS {
        tree.dir(folder, SYSTEM.mode(0o755))?;
    }
    tree.dir("root", SYSTEM.mode(0o700))?;
    tree.dir("tmp", upgraded.mode(0o1777))?;
    for (link, target) in [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib")] {
        tree.link(link, target)?;
    }
    tree.file("usr/lib/os-release", OS_RELEASE, upgraded)?;
    tree.link("etc/os-release", "../usr/lib/os-release")?;
    zone(tree)?;
    configuration(tree)?;
    devices(tree)?;
    programs(tree)?;
    for (name, version, ..) in packages::INSTALLED {
        let folder = format!("usr/share/doc/{name}");
        tree.dir(&folder, upgraded.mode(0o755))?;
        let text = format!("{name} {version}\nWritten for the sample disk; free to use for any purpose.\n");
        tree.file(&format!("{folder}/copyright"), text, upgraded)?;
    }
    let mut known = homes(tree)?;
    known.push(Known::new("usr/lib/os-release", OS_RELEASE));
    Ok(known)
}

/// The zone that the logs are written in.
fn zone(tree: &Tree) -> Result<(), Failure> {
    for name in ["Europe/Berlin", "Etc/UTC"] {
        let from = std::path::Path::new("/usr/share/zoneinfo").join(name);
        let bytes = std::fs::read(&from)
            .map_err(|error| Failure(format!("{}: {error} (apt-get install tzdata)", from.display())))?;
        tree.file(&format!("usr/share/zoneinfo/{name}"), bytes, SYSTEM)?;
    }
    tree.link("etc/localtime", "/usr/share/zoneinfo/Europe/Berlin")?;
    tree.file("etc/timezone", "Europe/Berlin\n", SYSTEM)
}

fn configuration(tree: &Tree) -> Result<(), Failure> {
    let fstab = format!(
        "# <file system> <mount point> <type> <options> <dump> <pass>\n\
         UUID={} / ext4 errors=remount-ro 0 1\n\
         UUID={} /var xfs defaults,nodev,nosuid 0 2\n\
         UUID={} /srv/daten ntfs-3g defaults,windows_names 0 0\n\
         tmpfs /tmp tmpfs defaults,nodev,nosuid 0 0\n",
        ROOT.uuid, VAR.uuid, SHARE.uuid
    );
    let mut passwd = "root:x:0:0:root:/root:/bin/bash\n\
                      daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
                      sshd:x:104:65534::/run/sshd:/usr/sbin/nologin\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        .to_owned();
    let mut group = "root:x:0:\nadm:x:4:anna\nsudo:x:27:anna\nutmp:x:43:\nnogroup:x:65534:\n".to_owned();
    let mut shadow = "root:*:19786:0:99999:7:::\n".to_owned();
    for person in &PEOPLE {
        let (name, uid) = (person.name, person.uid);
        passwd += &format!("{name}:x:{uid}:{uid}:,,,:/home/{name}:/bin/bash\n");
        group += &format!("{name}:x:{uid}:\n");
        shadow += &format!("{name}:!:19786:0:99999:7:::\n");
    }
    let hosts = format!("127.0.0.1\tlocalhost\n127.0.1.1\t{HOSTNAME}.example.org\t{HOSTNAME}\n");
    let files: &[(&str, &str, u32)] = &[
        ("etc/fstab", &fstab, 0o644),
        ("etc/passwd", &passwd, 0o644),
        ("etc/group", &group, 0o644),
        ("etc/hosts", &hosts, 0o644),
        ("etc/hostname", &format!("{HOSTNAME}\n"), 0o644),
        ("etc/debian_version", "12.12\n", 0o644),
        ("etc/issue", "Debian GNU/Linux 12 \\n \\l\n", 0o644),
        ("etc/machine-id", "7c1f0a52d94e4b0c8a6e3d21b5f8907e\n", 0o444),
        ("etc/resolv.conf", "search example.org\nnameserver 10.20.0.1\n", 0o644),
        (
            "etc/network/interfaces",
            "auto lo\niface lo inet loopback\nauto ens3\niface ens3 inet dhcp\n",
            0o644,
        ),
        ("etc/apt/sources.list", "deb http://deb.example.org/debian bookworm main\n", 0o644),
        ("etc/ssh/sshd_config", "PermitRootLogin no\nPasswordAuthentication yes\nUsePAM yes\n", 0o644),
        ("etc/sudoers", "root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n", 0o440),
        ("etc/rsyslog.conf", "module(load=\"imuxsock\")\nauth,authpriv.* /var/log/auth.log\n", 0o644),
        ("etc/logrotate.d/rsyslog", "/var/log/auth.log {\n\trotate 4\n\tweekly\n\tdelaycompress\n}\n", 0o644),
        ("etc/cron.d/sicherung", "25 6 * * * root /usr/local/bin/sicherung\n", 0o644),
        ("etc/default/ssh", "SSHD_OPTS=\n", 0o644),
        ("etc/pam.d/sshd", "@include common-auth\n@include common-session\n", 0o644),
        ("etc/samba/smb.conf", "[daten]\n\tpath = /srv/daten\n\tread only = no\n", 0o644),
        ("etc/systemd/system/sicherung.service", "[Service]\nExecStart=/usr/local/bin/sicherung\n", 0o644),
        ("etc/skel/.bashrc", "PS1='\\u@\\h:\\w\\$ '\n", 0o644),
        (
            "usr/local/bin/sicherung",
            "#!/bin/sh\nexec rsync -a /srv/daten/ sicherung@10.20.0.2:daten/\n",
            0o755,
        ),
    ];
    for (path, text, mode) in files {
        tree.file(path, text, SYSTEM.mode(*mode))?;
    }
    tree.file("etc/shadow", shadow, SYSTEM.mode(0o640).owner(0, 42))
}

/// What a root has in /dev before anything is mounted there, and a pipe.
fn devices(tree: &Tree) -> Result<(), Failure> {
    let nodes = [
        ("dev/null", FileType::CharacterDevice, 0o666, makedev(1, 3)),
        ("dev/sda", FileType::BlockDevice, 0o660, makedev(8, 0)),
        ("run/initctl", FileType::Fifo, 0o600, 0),
    ];
    for (path, kind, mode, numbers) in nodes {
        let place = tree.place(path);
        mknodat(CWD, &place, kind, Mode::empty(), numbers)?;
        // Apart from mknod, which the umask would meddle with.
        at(&place, std::fs::set_permissions(&place, std::fs::Permissions::from_mode(mode)))?;
    }
    Ok(())
}

fn programs(tree: &Tree) -> Result<(), Failure> {
    let mut dice = super::Dice::new(0xE1F);
    for (path, len) in PROGRAMS {
        // An ELF header's magic and then anything: it is never run.
        let mut body = b"\x7fELF\x02\x01\x01\0".to_vec();
        body.extend((body.len()..*len).map(|_| dice.below(64) as u8));
        let mode = if matches!(*path, "usr/bin/sudo" | "usr/bin/passwd") { 0o4755 } else { 0o755 };
        tree.file(path, body, SYSTEM.mode(mode))?;
    }
    // cap_net_raw=ep: struct vfs_cap_data of revision 2, linux/capability.h.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    setxattr(tree.place("usr/bin/ping"), "security.capability", &capability, XattrFlags::empty())?;
    // Two names of one file.
    let (old, new) = (tree.place("usr/bin/bash"), tree.place("usr/bin/rbash"));
    at(&new, std::fs::hard_link(old, &new))
}

fn homes(tree: &mut Tree) -> Result<Vec<Known>, Failure> {
    let mut known = Vec::new();
    for person in &PEOPLE {
        let own = Meta { mode: 0o644, uid: person.uid, gid: person.uid, mtime: UPGRADED - 86_400 * 30 };
        let home = format!("home/{}", person.name);
        tree.dir(&home, own.mode(0o750))?;
        tree.dir(&format!("{home}/.ssh"), own.mode(0o700))?;
        tree.file(&format!("{home}/.bashrc"), "PS1='\\u@\\h:\\w\\$ '\n", own)?;
        tree.file(&format!("{home}/.bash_history"), "ls -la\ncd /srv/daten\ndf -h\n", own.mode(0o600))?;
        // Nobody has the other half: the 32 bytes are four bits and the digits of the user's number, as base64.
        let key = format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA{:042} {}\n", person.uid, person.name);
        tree.file(&format!("{home}/.ssh/authorized_keys"), key, own.mode(0o600))?;
        for nth in 1..=4 {
            let text = format!("Notiz {nth} von {}: die Übergabe ist am {nth}. des Monats.\n", person.name);
            let path = format!("{home}/Notiz {nth}.txt");
            tree.file(&path, &text, own.mtime(own.mtime + nth * 4000))?;
            if nth == 1 {
                known.push(Known::new(&path, text));
            }
        }
    }
    // A disk image with holes: 8 MiB of which two blocks are stored.
    let own = Meta { mode: 0o600, uid: 1000, gid: 1000, mtime: UPGRADED };
    tree.pieces("home/anna/probe.raw", &[(0, b"anfang"), ((8 << 20) - 4, b"ende")], own)?;
    let mut sparse = vec![0; 8 << 20];
    sparse[..6].copy_from_slice(b"anfang");
    sparse[(8 << 20) - 4..].copy_from_slice(b"ende");
    known.push(Known::new("home/anna/probe.raw", sparse));
    Ok(known)
}

//! The XFS volume that is mounted at `/var`: package database and logs.

use super::{Known, SYSTEM, UPGRADED, logins, packages};
use crate::{
    host::Failure,
    tree::{Meta, Tree},
};
use flate2::{Compression, GzBuilder};
use std::io::Write;

/// Fills it.
pub(crate) fn fill(tree: &mut Tree) -> Result<Vec<Known>, Failure> {
    let upgraded = SYSTEM.mtime(UPGRADED);
    tree.dir("", upgraded.mode(0o755))?;
    for folder in [
        "backups",
        "cache/apt/archives",
        "lib/apt/lists",
        "lib/dpkg/info",
        "lib/dpkg/updates",
        "lib/systemd",
        "log/samba",
        "mail",
        "opt",
        "spool/cron/crontabs",
    ] {
        tree.dir(folder, upgraded.mode(0o755))?;
    }
    tree.dir("tmp", upgraded.mode(0o1777))?;
    tree.link("run", "/run")?;
    tree.link("lock", "/run/lock")?;

    let status = packages::status();
    tree.file("lib/dpkg/status", &status, upgraded)?;
    tree.file("lib/dpkg/status-old", &status[..status.len() / 2], SYSTEM)?;
    tree.file("lib/dpkg/arch", "amd64\n", SYSTEM)?;
    tree.file("lib/dpkg/available", "", SYSTEM)?;
    for (name, ..) in packages::INSTALLED {
        let list = format!(
            "/.\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/{name}\n/usr/share/doc/{name}/copyright\n"
        );
        tree.file(&format!("lib/dpkg/info/{name}.list"), list, upgraded)?;
    }
    tree.file("spool/cron/crontabs/root", "# m h dom mon dow command\n", SYSTEM.mode(0o600))?;
    let mut known = logs(tree)?;
    known.push(Known::new("lib/dpkg/status", status));
    Ok(known)
}

/// Logs; each is as old as its last line, from which its lines' year follows.
fn logs(tree: &mut Tree) -> Result<Vec<Known>, Failure> {
    let written = |mtime, mode| Meta { mode, uid: 0, gid: 4, mtime };
    let records = |mtime, mode| Meta { mode, uid: 0, gid: 43, mtime };
    let [(oldest, until_oldest), (older, until_older), (current, until)] = logins::auth_logs();
    tree.dir("log", SYSTEM.mode(0o755).mtime(until))?;

    let mut gz = GzBuilder::new().mtime(until_oldest as u32).write(Vec::new(), Compression::best());
    gz.write_all(oldest.as_bytes())?;
    tree.file("log/auth.log.2.gz", gz.finish()?, written(until_oldest, 0o640))?;
    tree.file("log/auth.log.1", &older, written(until_older, 0o640))?;
    tree.file("log/auth.log", &current, written(until, 0o640))?;
    tree.file("log/dpkg.log", "2025-11-02 22:10:00 startup archives unpack\n", written(UPGRADED, 0o644))?;
    tree.file("log/samba/log.smbd", "", written(UPGRADED, 0o644))?;

    let (wtmp, last) = logins::wtmp();
    tree.file("log/wtmp", &wtmp, records(last, 0o664))?;
    let (btmp, last) = logins::btmp();
    tree.file("log/btmp", btmp, records(last, 0o660))?;
    let (lastlog, last) = logins::lastlog();
    let pieces: Vec<(u64, &[u8])> = lastlog.iter().map(|(at, record)| (*at, record.as_slice())).collect();
    tree.pieces("log/lastlog", &pieces, records(last, 0o664))?;
    Ok(vec![Known::new("log/auth.log", current), Known::new("log/wtmp", wtmp)])
}

//! Records of wtmp, btmp and lastlog.
//!
//! Source: glibc's `struct utmp` on x86-64 Linux, utmp(5): 384 bytes; `struct lastlog`, lastlog(8): 292
//! bytes, one for each uid in order.

/// utmp(5) `ut_type`: a change of runlevel, also used for shutdowns.
pub(crate) const RUN_LVL: i16 = 1;
/// The machine started.
pub(crate) const BOOT_TIME: i16 = 2;
/// A login prompt; failed attempts in btmp carry it.
pub(crate) const LOGIN_PROCESS: i16 = 6;
/// Someone logged in.
pub(crate) const USER_PROCESS: i16 = 7;
/// A session ended.
pub(crate) const DEAD_PROCESS: i16 = 8;

/// Bytes of one lastlog record.
pub(crate) const LASTLOG_BYTES: u64 = 292;

/// A record of wtmp or btmp.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// One of the constants above.
    pub(crate) kind: i16,
    /// Process id.
    pub(crate) pid: i32,
    /// Terminal.
    pub(crate) line: &'a str,
    /// Terminal's short name.
    pub(crate) id: &'a str,
    /// Who; for boots and shutdowns a word.
    pub(crate) user: &'a str,
    /// From where; for boots the kernel.
    pub(crate) host: &'a str,
    /// Seconds since 1970.
    pub(crate) time: u64,
    /// Microseconds.
    pub(crate) micros: i32,
}

fn put(out: &mut Vec<u8>, text: &str, width: usize) {
    let start = out.len();
    out.extend(text.bytes().take(width));
    out.resize(start + width, 0);
}

impl Record<'_> {
    /// Its 384 bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(384);
        out.extend(self.kind.to_le_bytes());
        out.extend([0; 2]);
        out.extend(self.pid.to_le_bytes());
        put(&mut out, self.line, 32);
        put(&mut out, self.id, 4);
        put(&mut out, self.user, 32);
        put(&mut out, self.host, 256);
        out.extend([0; 4]);
        out.extend(0i32.to_le_bytes());
        out.extend((self.time as i32).to_le_bytes());
        out.extend(self.micros.to_le_bytes());
        let mut address = [0; 16];
        if let Ok(v4) = self.host.parse::<std::net::Ipv4Addr>() {
            address[..4].copy_from_slice(&v4.octets());
        }
        out.extend(address);
        out.extend([0; 20]);
        out
    }
}

/// A lastlog record.
pub(crate) fn lastlog(time: u64, line: &str, host: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(LASTLOG_BYTES as usize);
    out.extend((time as u32).to_le_bytes());
    put(&mut out, line, 32);
    put(&mut out, host, 256);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_the_sizes_and_places_of_the_manual() {
        let record = Record {
            kind: USER_PROCESS,
            pid: 7,
            line: "pts/0",
            id: "ts/0",
            user: "anna",
            host: "10.20.0.15",
            time: 1_762_117_800,
            micros: 5,
        };
        let bytes = record.bytes();
        assert_eq!(bytes.len(), 384);
        assert_eq!(&bytes[44..48], b"anna");
        assert_eq!(bytes[340..344], 1_762_117_800u32.to_le_bytes());
        assert_eq!(bytes[348..352], [10, 20, 0, 15]);
        assert_eq!(lastlog(1, "pts/0", "x").len() as u64, LASTLOG_BYTES);
    }
}

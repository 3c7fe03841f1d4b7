//! A machine's own name for itself.
//!
//! Sources: hostname(5); the initscripts of Red Hat, SUSE and Gentoo for the older files.

/// Bytes of such a file that are read.
pub const LIMIT: u64 = 16 << 10;

/// The files, the one that counts first.
pub const FILES: [&str; 4] =
    ["/etc/hostname", "/etc/HOSTNAME", "/etc/sysconfig/network", "/etc/conf.d/hostname"];

/// The name that one of [`FILES`] gives.
pub fn read(path: &str, text: &[u8]) -> Option<String> {
    match path {
        "/etc/sysconfig/network" | "/etc/conf.d/hostname" => assigned(text),
        _ => first_word(text),
    }
}

/// The first word of the first line that has one and is no comment (hostname(5)).
pub(crate) fn first_word(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    line.split_whitespace().next().map(str::to_owned)
}

/// `HOSTNAME=name`, as the shell would assign it; the last one counts.
fn assigned(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let mut values = text.lines().filter_map(|line| {
        let (key, value) = line.trim().split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']).trim();
        (key.eq_ignore_ascii_case("hostname") && !value.is_empty()).then(|| value.to_owned())
    });
    values.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_in_its_form() {
        for (path, text, name) in [
            ("/etc/hostname", "# name\nweb-1 \n", Some("web-1")),
            ("/etc/HOSTNAME", "linux.site\n", Some("linux.site")),
            ("/etc/sysconfig/network", "NETWORKING=yes\nHOSTNAME=old\nHOSTNAME='db-1'\n", Some("db-1")),
            ("/etc/conf.d/hostname", "# HOSTNAME=x\nhostname=\"tux\"\n", Some("tux")),
            ("/etc/sysconfig/network", "HOSTNAME=\n", None),
            ("/etc/hostname", "\n", None),
        ] {
            assert!(FILES.contains(&path));
            assert_eq!(read(path, text.as_bytes()).as_deref(), name, "{path}: {text}");
        }
    }
}

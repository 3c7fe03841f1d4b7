//! The server's package database.

use serde_json::{Value, json};

/// An installed package: name, version, architecture, section, and the source package as dpkg's `Source`
/// field has it (empty where it is the same).
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// What is installed, by name.
#[rustfmt::skip]
pub(crate) const INSTALLED: &[Row] = &[
    ("adduser", "3.134", "all", "admin", ""),
    ("apt", "2.6.1", "amd64", "admin", ""),
    ("base-files", "12.4+deb12u12", "amd64", "admin", ""),
    ("base-passwd", "3.6.1", "amd64", "admin", ""),
    ("bash", "5.2.15-2+b9", "amd64", "shells", "bash (5.2.15-2)"),
    ("bash-completion", "1:2.11-6", "all", "shells", ""),
    ("bind9-host", "1:9.18.33-1~deb12u2", "amd64", "net", "bind9"),
    ("bind9-libs", "1:9.18.33-1~deb12u2", "amd64", "libs", "bind9"),
    ("bsdextrautils", "2.38.1-5+deb12u3", "amd64", "utils", "util-linux"),
    ("bsdutils", "1:2.38.1-5+deb12u3", "amd64", "utils", "util-linux (2.38.1-5+deb12u3)"),
    ("busybox", "1:1.35.0-4+b5", "amd64", "utils", "busybox (1:1.35.0-4)"),
    ("bzip2", "1.0.8-5+b1", "amd64", "utils", "bzip2 (1.0.8-5)"),
    ("ca-certificates", "20230311+deb12u1", "all", "misc", ""),
    ("console-setup", "1.221", "all", "utils", ""),
    ("console-setup-linux", "1.221", "all", "utils", "console-setup"),
    ("coreutils", "9.1-1", "amd64", "utils", ""),
    ("cpio", "2.13+dfsg-7.1", "amd64", "utils", ""),
    ("cron", "3.0pl1-162", "amd64", "admin", ""),
    ("cron-daemon-common", "3.0pl1-162", "all", "admin", "cron"),
    ("curl", "7.88.1-10+deb12u14", "amd64", "web", ""),
    ("dash", "0.5.12-2", "amd64", "shells", ""),
    ("dbus", "1.14.10-1~deb12u1", "amd64", "admin", ""),
    ("dbus-bin", "1.14.10-1~deb12u1", "amd64", "admin", "dbus"),
    ("dbus-daemon", "1.14.10-1~deb12u1", "amd64", "admin", "dbus"),
    ("debconf", "1.5.82", "all", "admin", ""),
    ("debian-archive-keyring", "2023.3+deb12u2", "all", "misc", ""),
    ("debianutils", "5.7-0.5~deb12u1", "amd64", "utils", ""),
    ("diffutils", "1:3.8-4", "amd64", "utils", ""),
    ("dmidecode", "3.4-1", "amd64", "utils", ""),
    ("dmsetup", "2:1.02.185-2", "amd64", "admin", "lvm2 (2.03.16-2)"),
    ("dpkg", "1.21.22", "amd64", "admin", ""),
    ("e2fsprogs", "1.47.0-2+b2", "amd64", "admin", "e2fsprogs (1.47.0-2)"),
    ("ethtool", "1:6.1-1", "amd64", "net", ""),
    ("fail2ban", "1.0.2-2", "all", "net", ""),
    ("fdisk", "2.38.1-5+deb12u3", "amd64", "utils", "util-linux"),
    ("file", "1:5.44-3", "amd64", "utils", ""),
    ("findutils", "4.9.0-4", "amd64", "utils", ""),
    ("gcc-12-base", "12.2.0-14+deb12u1", "amd64", "libs", "gcc-12"),
    ("gettext-base", "0.21-12", "amd64", "utils", "gettext"),
    ("gpgv", "2.2.40-1.1+deb12u1", "amd64", "utils", "gnupg2"),
    ("grep", "3.8-5", "amd64", "utils", ""),
    ("grub-common", "2.06-13+deb12u1", "amd64", "admin", "grub2"),
    ("grub-pc", "2.06-13+deb12u1", "amd64", "admin", "grub2"),
    ("grub-pc-bin", "2.06-13+deb12u1", "amd64", "admin", "grub2"),
    ("gzip", "1.12-1", "amd64", "utils", ""),
    ("hostname", "3.23+nmu1", "amd64", "admin", ""),
    ("ifupdown", "0.8.41", "amd64", "admin", ""),
    ("init", "1.65.2", "amd64", "metapackages", "init-system-helpers"),
    ("init-system-helpers", "1.65.2", "all", "admin", ""),
    ("initramfs-tools", "0.142+deb12u3", "all", "utils", ""),
    ("initramfs-tools-core", "0.142+deb12u3", "all", "utils", "initramfs-tools"),
    ("iproute2", "6.1.0-3", "amd64", "net", ""),
    ("iputils-ping", "3:20221126-1+deb12u1", "amd64", "net", "iputils"),
    ("isc-dhcp-client", "4.4.3-P1-2", "amd64", "net", "isc-dhcp"),
    ("kmod", "30+20221128-1", "amd64", "admin", ""),
    ("krb5-locales", "1.20.1-2+deb12u4", "all", "localization", "krb5"),
    ("less", "590-2.1~deb12u2", "amd64", "text", ""),
    ("libacl1", "2.3.1-3", "amd64", "libs", "acl"),
    ("libapparmor1", "3.0.8-3", "amd64", "libs", "apparmor"),
    ("libapt-pkg6.0", "2.6.1", "amd64", "libs", "apt"),
    ("libattr1", "1:2.5.1-4", "amd64", "libs", "attr"),
    ("libaudit-common", "1:3.0.9-1", "all", "libs", "audit"),
    ("libaudit1", "1:3.0.9-1", "amd64", "libs", "audit"),
    ("libblkid1", "2.38.1-5+deb12u3", "amd64", "libs", "util-linux"),
    ("libbsd0", "0.11.7-2", "amd64", "libs", "libbsd"),
    ("libbz2-1.0", "1.0.8-5+b1", "amd64", "libs", "bzip2 (1.0.8-5)"),
    ("libc-bin", "2.36-9+deb12u13", "amd64", "libs", "glibc"),
    ("libc6", "2.36-9+deb12u13", "amd64", "libs", "glibc"),
    ("libcap-ng0", "0.8.3-1+b3", "amd64", "libs", "libcap-ng (0.8.3-1)"),
    ("libcap2", "1:2.66-4+deb12u2", "amd64", "libs", ""),
    ("libcap2-bin", "1:2.66-4+deb12u2", "amd64", "utils", "libcap2"),
    ("libcom-err2", "1.47.0-2+b2", "amd64", "libs", "e2fsprogs (1.47.0-2)"),
    ("libcrypt1", "1:4.4.33-2", "amd64", "libs", "libxcrypt"),
    ("libcryptsetup12", "2:2.6.1-4~deb12u2", "amd64", "libs", "cryptsetup"),
    ("libcurl4", "7.88.1-10+deb12u14", "amd64", "libs", "curl"),
    ("libdb5.3", "5.3.28+dfsg2-1", "amd64", "libs", "db5.3"),
    ("libdbus-1-3", "1.14.10-1~deb12u1", "amd64", "libs", "dbus"),
    ("libdebconfclient0", "0.270", "amd64", "libs", "cdebconf"),
    ("libdevmapper1.02.1", "2:1.02.185-2", "amd64", "libs", "lvm2 (2.03.16-2)"),
    ("libedit2", "3.1-20221030-2", "amd64", "libs", "libedit"),
    ("libelf1", "0.188-2.1", "amd64", "libs", "elfutils"),
    ("libexpat1", "2.5.0-1+deb12u2", "amd64", "libs", "expat"),
    ("libext2fs2", "1.47.0-2+b2", "amd64", "libs", "e2fsprogs (1.47.0-2)"),
    ("libffi8", "3.4.4-1", "amd64", "libs", "libffi"),
    ("libgcc-s1", "12.2.0-14+deb12u1", "amd64", "libs", "gcc-12"),
    ("libgcrypt20", "1.10.1-3", "amd64", "libs", ""),
    ("libgmp10", "2:6.2.1+dfsg1-1.1", "amd64", "libs", "gmp"),
    ("libgnutls30", "3.7.9-2+deb12u5", "amd64", "libs", "gnutls28"),
    ("libgpg-error0", "1.46-1", "amd64", "libs", "libgpg-error"),
    ("libgssapi-krb5-2", "1.20.1-2+deb12u4", "amd64", "libs", "krb5"),
    ("libhogweed6", "3.8.1-2", "amd64", "libs", "nettle"),
    ("libidn2-0", "2.3.3-1+b1", "amd64", "libs", "libidn2 (2.3.3-1)"),
    ("libjson-c5", "0.16-2", "amd64", "libs", "json-c"),
    ("libk5crypto3", "1.20.1-2+deb12u4", "amd64", "libs", "krb5"),
    ("libkeyutils1", "1.6.3-2", "amd64", "libs", "keyutils"),
    ("libkmod2", "30+20221128-1", "amd64", "libs", "kmod"),
    ("libkrb5-3", "1.20.1-2+deb12u4", "amd64", "libs", "krb5"),
    ("libldap-2.5-0", "2.5.13+dfsg-5", "amd64", "libs", "openldap"),
    ("liblz4-1", "1.9.4-1", "amd64", "libs", "lz4"),
    ("liblzma5", "5.4.1-1", "amd64", "libs", "xz-utils"),
    ("libmagic1", "1:5.44-3", "amd64", "libs", "file"),
    ("libmnl0", "1.0.4-3", "amd64", "libs", "libmnl"),
    ("libmount1", "2.38.1-5+deb12u3", "amd64", "libs", "util-linux"),
    ("libncursesw6", "6.4-4", "amd64", "libs", "ncurses"),
    ("libnettle8", "3.8.1-2", "amd64", "libs", "nettle"),
    ("libnghttp2-14", "1.52.0-1+deb12u2", "amd64", "libs", "nghttp2"),
    ("libp11-kit0", "0.24.1-2", "amd64", "libs", "p11-kit"),
    ("libpam-modules", "1.5.2-6+deb12u1", "amd64", "admin", "pam"),
    ("libpam-runtime", "1.5.2-6+deb12u1", "all", "admin", "pam"),
    ("libpam-systemd", "252.39-1~deb12u1", "amd64", "admin", "systemd"),
    ("libpam0g", "1.5.2-6+deb12u1", "amd64", "libs", "pam"),
    ("libpcre2-8-0", "10.42-1", "amd64", "libs", "pcre2"),
    ("libpython3-stdlib", "3.11.2-1+b1", "amd64", "python", "python3-defaults (3.11.2-1)"),
    ("libreadline8", "8.2-1.3", "amd64", "libs", "readline"),
    ("libseccomp2", "2.5.4-1+deb12u1", "amd64", "libs", "libseccomp"),
    ("libselinux1", "3.4-1+b6", "amd64", "libs", "libselinux (3.4-1)"),
    ("libsqlite3-0", "3.40.1-2+deb12u2", "amd64", "libs", "sqlite3"),
    ("libssl3", "3.0.17-1~deb12u2", "amd64", "libs", "openssl"),
    ("libstdc++6", "12.2.0-14+deb12u1", "amd64", "libs", "gcc-12"),
    ("libsystemd0", "252.39-1~deb12u1", "amd64", "libs", "systemd"),
    ("libtinfo6", "6.4-4", "amd64", "libs", "ncurses"),
    ("libudev1", "252.39-1~deb12u1", "amd64", "libs", "systemd"),
    ("libuuid1", "2.38.1-5+deb12u3", "amd64", "libs", "util-linux"),
    ("libxxhash0", "0.8.1-1", "amd64", "libs", "xxhash"),
    ("libzstd1", "1.5.4+dfsg2-5", "amd64", "libs", "libzstd"),
    ("linux-image-6.1.0-41-amd64", "6.1.158-1", "amd64", "kernel", "linux-signed-amd64 (6.1.158+1)"),
    ("linux-image-amd64", "6.1.158-1", "amd64", "kernel", "linux-signed-amd64 (6.1.158+1)"),
    ("login", "1:4.13+dfsg1-1+deb12u1", "amd64", "admin", "shadow"),
    ("logrotate", "3.21.0-1", "amd64", "admin", ""),
    ("lsb-release", "12.0-1", "all", "misc", "lsb-release-minimal"),
    ("mawk", "1.3.4.20200120-3.1", "amd64", "interpreters", ""),
    ("mount", "2.38.1-5+deb12u3", "amd64", "admin", "util-linux"),
    ("nano", "7.2-1+deb12u1", "amd64", "editors", ""),
    ("ncurses-base", "6.4-4", "all", "misc", "ncurses"),
    ("netbase", "6.4", "all", "admin", ""),
    ("nftables", "1.0.6-2+deb12u2", "amd64", "net", ""),
    ("ntfs-3g", "1:2022.10.3-1+deb12u2", "amd64", "otherosfs", ""),
    ("openssh-client", "1:9.2p1-2+deb12u7", "amd64", "net", "openssh"),
    ("openssh-server", "1:9.2p1-2+deb12u7", "amd64", "net", "openssh"),
    ("openssl", "3.0.17-1~deb12u2", "amd64", "utils", ""),
    ("passwd", "1:4.13+dfsg1-1+deb12u1", "amd64", "admin", "shadow"),
    ("perl-base", "5.36.0-7+deb12u3", "amd64", "perl", "perl"),
    ("procps", "2:4.0.2-3", "amd64", "admin", ""),
    ("python3", "3.11.2-1+b1", "amd64", "python", "python3-defaults (3.11.2-1)"),
    ("python3.11", "3.11.2-6+deb12u6", "amd64", "python", ""),
    ("rsyslog", "8.2302.0-1+deb12u1", "amd64", "admin", ""),
    ("samba", "2:4.17.12+dfsg-0+deb12u2", "amd64", "net", ""),
    ("samba-libs", "2:4.17.12+dfsg-0+deb12u2", "amd64", "libs", "samba"),
    ("sed", "4.9-1", "amd64", "utils", ""),
    ("sudo", "1.9.13p3-1+deb12u2", "amd64", "admin", ""),
    ("systemd", "252.39-1~deb12u1", "amd64", "admin", ""),
    ("tar", "1.34+dfsg-1.2+deb12u1", "amd64", "utils", ""),
    ("tzdata", "2025b-0+deb12u2", "all", "localization", ""),
    ("udev", "252.39-1~deb12u1", "amd64", "admin", "systemd"),
    ("util-linux", "2.38.1-5+deb12u3", "amd64", "utils", ""),
    ("xfsprogs", "6.1.0-1", "amd64", "admin", ""),
    ("xz-utils", "5.4.1-1", "amd64", "utils", ""),
    ("zlib1g", "1:1.2.13.dfsg-1", "amd64", "libs", "zlib"),
];

/// What is known to dpkg and not installed: name, version, architecture, status.
const REST: &[(&str, &str, &str, &str)] = &[
    ("linux-image-5.10.0-35-amd64", "5.10.237-1", "amd64", "deinstall ok config-files"),
    ("mdadm", "4.2-5", "amd64", "install ok half-configured"),
    ("python3.9", "3.9.2-1+deb11u3", "amd64", "deinstall ok config-files"),
];

/// /var/lib/dpkg/status. Source: dpkg's status file, deb-control(5).
pub(crate) fn status() -> String {
    let mut out = String::new();
    for (nth, (name, version, arch, section, source)) in INSTALLED.iter().enumerate() {
        let priority = if *section == "admin" { "required" } else { "optional" };
        out += &format!("Package: {name}\nStatus: install ok installed\nPriority: {priority}\n");
        out += &format!("Section: {section}\nInstalled-Size: {}\n", 40 + nth * 13);
        out += "Maintainer: Packagers of the example <packages@example.org>\n";
        out += &format!("Architecture: {arch}\n");
        if *section == "libs" && *arch != "all" {
            out += "Multi-Arch: same\n";
        }
        if !source.is_empty() {
            out += &format!("Source: {source}\n");
        }
        out += &format!("Version: {version}\n");
        if !matches!(*name, "libc6" | "gcc-12-base") {
            out += "Depends: libc6 (>= 2.34)\n";
        }
        if matches!(*name, "openssh-server" | "sudo" | "rsyslog") {
            out += &format!("Conffiles:\n /etc/{name}.conf {:032x}\n", nth * 7919);
        }
        out += &format!("Description: the {name} package of the sample server\n");
        out += " This text is here because real descriptions go on for several lines:\n .\n  * one of them\n";
        out += "    Package: is not a field when it is indented\n\n";
    }
    for (name, version, arch, status) in REST {
        out += &format!("Package: {name}\nStatus: {status}\nPriority: optional\nSection: kernel\n");
        out += "Maintainer: Packagers of the example <packages@example.org>\n";
        out += &format!("Architecture: {arch}\nVersion: {version}\n");
        out += &format!("Config-Version: {version}\nDescription: left over from the last release\n\n");
    }
    out
}

/// What the database must yield.
pub(crate) fn expected() -> Value {
    let some = ["openssh-server", "libc6", "tzdata", "dmsetup"];
    let row = |(name, version, arch, _, _): &Row| json!({ "name": name, "version": version, "arch": arch });
    json!({
        "type": "deb",
        "installed": INSTALLED.len(),
        "all": INSTALLED.len() + REST.len(),
        "some": INSTALLED.iter().filter(|(name, ..)| some.contains(name)).map(row).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_there_once() {
        assert!(INSTALLED.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let status = status();
        let paragraphs = status.trim_end().split("\n\n").count();
        assert_eq!(paragraphs as u64, expected()["all"].as_u64().unwrap());
        assert_eq!(status.matches("\nStatus: install ok installed\n").count(), INSTALLED.len());
        assert_eq!(expected()["some"].as_array().unwrap().len(), 4);
    }
}
